//go:build !linux

package sandbox

// Enforce does nothing, because only Linux has Landlock.
func Enforce(Rules) (Enforced, error) { return Enforced{}, nil }
