// Package hangup receives SIGHUP from the first milliseconds of the process, before the packages that
// main imports are initialized. That takes long enough for a supervisor to send SIGHUP meanwhile, which
// would end the process. A package without imports of its own module is initialized among the first.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

// signals has room for one signal: reloads that are requested while one waits are the same reload.
var signals = receive() //nolint:gochecknoglobals // Only a package's own initialization is early enough.

func receive() <-chan os.Signal {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	return received
}

// Signals returns the channel that receives SIGHUP.
func Signals() <-chan os.Signal { return signals }

// Reset makes SIGHUP end the process again, as it ends any command when its terminal is closed.
func Reset() { signal.Reset(syscall.SIGHUP) }
