package e2e_test

import "time"

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
}
