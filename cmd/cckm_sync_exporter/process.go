package main

import (
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
// for a reload. It returns the channel of the latter, from before anything is
// read until the process has ended: a reload must not end it before its time.
func outliveSignals() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	return hangUps
}
