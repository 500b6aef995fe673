package main

import (
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/cmd/cckm_sync_exporter/hangup"
	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/sandbox"
)

// disableCoreDumps prevents a core dump, which would have the password.
func disableCoreDumps(logger log.Logger) {
	if err := sandbox.NoCoreDumps(); err != nil {
		level.Debug(logger).Log("during", "start", "err", err, "msg", "core dumps could not be turned off")
	}
}

// confine prevents the process from writing and executing files from now on.
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

// handleHangup keeps a server running when SIGPIPE or SIGHUP would end it, and returns the channel of
// the latter. SIGPIPE ends a Go program that writes to a closed standard error. Without it, only the
// log lines are lost. SIGHUP requests a reload.
func handleHangup() <-chan os.Signal {
	signal.Ignore(syscall.SIGPIPE)
	return hangup.Signals()
}

// maxStatus is the length of the service's status, of which systemd receives at most 4,096 bytes.
const maxStatus = 512

// status returns the assignment of the service's status in systemd, which is one line.
func status(text string) string { return "STATUS=" + printable.Line(text, maxStatus) }

// notifyTimeout bounds a notification. A service manager that does not receive blocks it, which must not delay
// reloads and the end of the process.
const notifyTimeout = 500 * time.Millisecond

// notify sends assignments such as READY=1 to systemd, or to another service manager that listens on
// $NOTIFY_SOCKET. It does nothing if there is none.
func notify(logger log.Logger, assignments ...string) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if err := send(socket, strings.Join(assignments, "\n")); err != nil {
		level.Warn(logger).Log("err", err, "hint", "look at NOTIFY_SOCKET in the environment", "msg", "systemd was not notified")
	}
}

// send is daemon.SdNotify with a deadline.
func send(socket, message string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(message))
	return err
}
