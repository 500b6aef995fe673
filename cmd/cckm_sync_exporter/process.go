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

// confine keeps the process from writing and executing files from now on.
func confine(logger log.Logger) {
	switch enforced, err := sandbox.Enforce(); {
	case err != nil:
		level.Warn(logger).Log("during", "start", "err", err, "hint", "report it with the kernel's version",
			"msg", "the process is not confined by Landlock")
	case enforced:
		level.Info(logger).Log("during", "start", "msg", "the process is confined by Landlock: it can write and execute no file")
	default:
		level.Info(logger).Log("during", "start", "msg", "the process is not confined, because this system has no Landlock")
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
