package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/sandbox"
)

// keepMemoryPrivate keeps a crash from writing the password to a disk.
func keepMemoryPrivate(logger log.Logger) {
	if err := sandbox.NoCoreDumps(); err != nil {
		level.Debug(logger).Log("during", "start", "err", err, "msg", "core dumps could not be turned off")
	}
}

// outliveSignals keeps a server running where a signal would end it that does
// not ask for an end: a log that nobody reads any more (SIGPIPE, which ends a Go
// program that writes to a closed standard error) costs the log, and SIGHUP asks
// for a reload, of which nothing needs one. It returns what undoes it.
func outliveSignals(ctx context.Context, logger log.Logger) (stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	// Until the process has ended, SIGHUP must not end it before its time, so
	// that ctx, which ends with the signal to stop, is no measure.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangUps:
				level.Info(logger).Log("during", "reload",
					"msg", "there is nothing to reload: passwords, certificates and CAs are read anew by themselves, and flags need a restart")
			}
		}
	}()
	return cancel
}
