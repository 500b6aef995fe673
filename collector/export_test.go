package collector

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

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

// LatestOf returns what is kept of a list of which reads are noted in this order.
func LatestOf(list syncjob.List, reads ...ListRead) Latest {
	latest := newLatest([]Source{{List: list}})
	for _, read := range reads {
		latest.note(0, read)
	}
	return latest.all()[0]
}
