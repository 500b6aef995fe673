package collector

import "time"

// HelpOf returns the HELP of a metric of an exposition, for the yardstick that
// writes the same.
func HelpOf(name string) string {
	for _, f := range families(time.Time{}) {
		if f.name == name {
			return f.help
		}
	}
	return ""
}
