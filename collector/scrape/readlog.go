package scrape

import (
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
)

// maxRemembered bounds how many statuses of jobs a readLog remembers.
const maxRemembered = 1000

// readLog logs what changes from one read of a list to the next: a failure is logged when it
// begins, not at each scrape.
type readLog struct {
	logger log.Logger

	mu sync.Mutex
	// failing has the reason of each list whose last read failed.
	failing map[string]reason.Reason
	// tooSlow has the lists that were too slow for one of several scrapes.
	tooSlow map[string]bool
	// unknown has the statuses that were logged.
	unknown map[string]struct{}
}

func newReadLog(logger log.Logger) *readLog {
	return &readLog{logger: logger, failing: map[string]reason.Reason{}, tooSlow: map[string]bool{}, unknown: map[string]struct{}{}}
}

// record logs how a read ended, if that is new. If left is true, it took too long for one of the
// scrapes that shared it.
func (j *readLog) record(read ListRead, left bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := read.List.Name
	before, failed := j.failing[list]
	if read.Err != nil {
		now := reason.Of(read.Err)
		j.failing[list] = now
		logger := level.Warn(j.logger)
		if failed && now == before {
			logger = level.Debug(j.logger)
		}
		logger.Log("during", "read", "list", list, "reason", now, "err", read.Err,
			"hint", reason.RemedyOf(read.Err), "took", read.Took, "pages", read.Pages,
			"msg", "the list could not be read")
		return
	}
	late := j.tooSlow[list] && !left
	if failed || late {
		delete(j.failing, list)
		if late {
			delete(j.tooSlow, list)
		}
		level.Info(j.logger).Log("during", "read", "list", list, "took", read.Took, "pages", read.Pages,
			"msg", "the list can be read again")
	}
	for _, status := range read.Summary.UnknownStatuses {
		key := list + "\x00" + status
		if _, told := j.unknown[key]; told || len(j.unknown) >= maxRemembered {
			continue
		}
		j.unknown[key] = struct{}{}
		level.Warn(j.logger).Log("during", "read", "list", list, "status", status,
			"hint", "report it with the appliance's version",
			"msg", "unknown overall_status; its jobs count as unknown")
	}
}

// recordLate logs that a scrape's time was up while the read went on for another one, until a
// read is in time for all.
func (j *readLog) recordLate(read ListRead) {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := read.List.Name
	logger := level.Warn(j.logger)
	if _, failed := j.failing[list]; failed || j.tooSlow[list] {
		logger = level.Debug(j.logger)
	}
	j.tooSlow[list] = true
	logger.Log("during", "read", "list", list, "reason", reason.Of(read.Err), "err", read.Err,
		"hint", reason.RemedyOf(read.Err), "took", read.Took,
		"msg", "the list was too slow for one of several scrapes")
}
