package sandbox

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// forbidden are the rights to change and to execute files. Files that are open
// already, such as the log, are not affected.
const forbidden landlock.AccessFSSet = ll.AccessFSExecute | ll.AccessFSWriteFile | ll.AccessFSTruncate |
	ll.AccessFSRemoveDir | ll.AccessFSRemoveFile | ll.AccessFSMakeChar | ll.AccessFSMakeDir | ll.AccessFSMakeReg |
	ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeBlock | ll.AccessFSMakeSym | ll.AccessFSRefer

// Enforce keeps every thread of the process from writing, creating, removing and
// executing files from now on. It reports false if the kernel has no Landlock;
// an older one enforces the rights that it knows.
func Enforce() (bool, error) {
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 1 {
		return false, nil //nolint:nilerr // A kernel without Landlock is no failure.
	}
	config, err := landlock.NewConfig(forbidden)
	if err == nil {
		err = config.BestEffort().Restrict()
	}
	if err != nil {
		return false, fmt.Errorf("landlock: %w", err)
	}
	return true, nil
}
