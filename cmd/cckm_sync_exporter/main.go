// Command cckm_sync_exporter is a Prometheus exporter for the synchronization jobs of Thales CipherTrust
// Manager's cloud key manager (CCKM). This package only connects the packages below collector/ with
// flags and signals.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/cmd/cckm_sync_exporter/hangup"
)

// abortAfter is how long after SIGTERM or SIGINT a process that has not ended is aborted. It is later
// than the times of an orderly shutdown. The line about it may take abortGrace: standard error may be
// what hangs.
const (
	abortAfter = 4600 * time.Millisecond
	abortGrace = 50 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan int, 3)
	context.AfterFunc(ctx, func() {
		// A second signal ends the process at once.
		stop()
		time.AfterFunc(abortAfter, func() {
			ended <- fail(fmt.Errorf("the process was aborted because it had not ended %s after the signal; "+
				"look for files on a dead mount, named pipes instead of files, and a log that nobody reads", abortAfter))
		})
		time.AfterFunc(abortAfter+abortGrace, func() { ended <- 1 })
	})
	go func() { ended <- run(ctx, os.Args[1:]) }()
	os.Exit(<-ended)
}

// run runs the command that the arguments name and returns the exit code.
func run(ctx context.Context, args []string) int {
	command, s, err := parse(args)
	if err != nil {
		return fail(err)
	}
	stderr := &statusLine{out: os.Stderr}
	logs := newLogs(stderr, s.logLevel, s.logFormat)
	disableCoreDumps(logs.kit)
	switch command {
	case commandOnce:
		hangup.Reset()
		if !isTerminal(os.Stderr) {
			stderr = nil
		}
		err = once(ctx, s, logs, os.Stdout, stderr)
	case commandCheck:
		hangup.Reset()
		err = check(ctx, s, logs, os.Stdout)
	case commandHealthy:
		hangup.Reset()
		err = healthy(ctx, s)
	case commandDemo:
		err = demo(ctx, s, logs, handleHangup(), os.Stdout)
	default:
		err = serve(ctx, s, logs, handleHangup())
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// fail prints the error, unless it has no text because everything is printed, and returns the exit code. systemctl
// status shows a service's status even if its log is rotated or of an earlier attempt.
func fail(err error) int {
	if text := err.Error(); text != "" {
		fmt.Fprintf(os.Stderr, "%s: error: %s\n", programName, text)
		notify(log.NewNopLogger(), status("error: "+text))
	}
	return 1
}
