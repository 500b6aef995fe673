//go:build !linux

package sandbox

// Enforce does nothing and reports false, because only Linux has Landlock.
func Enforce() (bool, error) { return false, nil }
