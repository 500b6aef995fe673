// Command cckm_sync_exporter is a Prometheus exporter for the synchronization
// jobs of Thales CipherTrust Manager's cloud key manager (CCKM). This package
// only wires the packages below collector/ to flags and signals.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

// run runs the command that the arguments name and returns the exit code.
func run(ctx context.Context, args []string) int {
	command, s, err := parse(args)
	if err != nil {
		return fail(err)
	}
	stderr := &statusLine{out: os.Stderr}
	logs := newLogs(stderr, s.logLevel, s.logFormat)
	keepMemoryPrivate(logs.kit)
	switch command {
	case commandOnce:
		if !isTerminal(os.Stderr) {
			stderr = nil
		}
		err = once(ctx, s, logs, os.Stdout, stderr)
	case commandCheck:
		err = check(ctx, s, logs, os.Stdout)
	case commandDemo:
		err = demo(ctx, s, logs, outliveSignals())
	default:
		err = serve(ctx, s, logs, outliveSignals())
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// fail tells the user what is wrong, in one sentence.
func fail(err error) int {
	if text := err.Error(); text != "" {
		fmt.Fprintf(os.Stderr, "%s: error: %s\n", programName, text)
	}
	return 1
}
