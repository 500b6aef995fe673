package scrape

import (
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// maxRemembered bounds how many unknown statuses and texts a readLog remembers.
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
	// unknown has the unknown statuses and texts that were logged.
	unknown map[unknownValue]struct{}
	// future has the lists with a time that is too far ahead.
	future map[string]bool
}

// unknownValue is a value of a list's jobs that this version does not know. Its
// kind is the key in the log.
type unknownValue struct{ list, kind, value string }

func newReadLog(logger log.Logger) *readLog {
	return &readLog{logger: logger, failing: map[string]reason.Reason{}, tooSlow: map[string]bool{}, unknown: map[unknownValue]struct{}{}, future: map[string]bool{}}
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
		j.recordUnknown(unknownValue{list, "status", status}, "unknown overall_status; its jobs count as unknown")
	}
	for _, text := range read.Summary.UnknownTexts {
		j.recordUnknown(unknownValue{list, "text", text}, "unknown text in detailed_status; it never counts as a success")
	}
	j.recordFuture(list, read.Summary.Future)
}

// recordUnknown logs an unknown value once.
func (j *readLog) recordUnknown(v unknownValue, msg string) {
	if _, logged := j.unknown[v]; logged || len(j.unknown) >= maxRemembered {
		return
	}
	j.unknown[v] = struct{}{}
	level.Warn(j.logger).Log("during", "read", "list", v.list, v.kind, v.value,
		"hint", "report it with the appliance's version", "msg", msg)
}

// recordFuture logs when a list begins to have times that are too far ahead.
func (j *readLog) recordFuture(list string, future syncjob.Future) {
	if future.Jobs > 0 && !j.future[list] {
		level.Warn(j.logger).Log("during", "read", "list", list, "jobs", future.Jobs,
			"job", future.ID, "time", future.At.UTC().Format(time.RFC3339),
			"hint", "check the clocks of the appliance and of this host",
			"msg", "a time more than a day in the future counts as missing")
	}
	j.future[list] = future.Jobs > 0
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
