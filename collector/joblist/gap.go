package joblist

import "fmt"

// gapError says that two pages do not fit together: the list has changed in
// between, or the appliance does not page as it says.
type gapError struct {
	what string
	// miscounted says that the appliance's own counts by status differ.
	miscounted bool
}

// Error implements error.
func (e *gapError) Error() string { return e.what }

func gapf(format string, args ...any) error {
	return &gapError{what: fmt.Sprintf(format, args...)}
}
