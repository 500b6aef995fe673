package collector

// HelpOf returns the HELP of a metric of an exposition, for the yardstick that
// writes the same.
func HelpOf(name string) string {
	for _, m := range metrics {
		if m.name == name {
			return m.help
		}
	}
	return ""
}
