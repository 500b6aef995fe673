package scrape

import "cckm_sync_exporter/collector/syncjob"

// LatestOf returns what is kept of a list whose reads are recorded in this order.
func LatestOf(list syncjob.List, reads ...ListRead) Latest {
	latest := newLatest([]Source{{List: list}})
	for _, read := range reads {
		latest.record(0, read)
	}
	return latest.all()[0]
}
