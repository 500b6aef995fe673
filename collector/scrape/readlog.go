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

// readLog logs the outcome of reads. It logs a failure at level warn when it begins or when its
// reason changes, and at level debug while it lasts. Unknown values are logged once.
type readLog struct {
	logger log.Logger
	// clean is that of Options.
	clean func(string) string

	mu sync.Mutex
	// failing has the reason of each list whose last read failed, by the list's name.
	failing map[string]reason.Reason
	// tooSlow has the lists that were too slow for one of the scrapes that shared the read.
	tooSlow map[string]bool
	// unknown has the unknown statuses and texts that were logged.
	unknown map[unknownValue]struct{}
	// future has the lists with a time that is too far in the future.
	future map[string]bool
}

// unknownValue is a value in a list's jobs that this version does not know. Its kind is the key in
// the log line.
type unknownValue struct{ list, kind, value string }

func newReadLog(logger log.Logger, clean func(string) string) *readLog {
	return &readLog{logger: logger, clean: clean, failing: map[string]reason.Reason{}, tooSlow: map[string]bool{}, unknown: map[unknownValue]struct{}{}, future: map[string]bool{}}
}

// record logs the outcome of a read. left is true if the read took too long for one of the scrapes
// that shared it.
func (l *readLog) record(read ListRead, left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := read.List.Name
	before, failed := l.failing[list]
	if read.Err != nil {
		now := reason.Of(read.Err)
		l.failing[list] = now
		logger := level.Warn(l.logger)
		if failed && now == before {
			logger = level.Debug(l.logger)
		}
		logger.Log("during", "read", "list", list, "reason", now, "err", read.Err,
			"hint", reason.RemedyOf(read.Err), "took", read.Took, "pages", read.Pages,
			"msg", "the list could not be read")
		return
	}
	late := l.tooSlow[list] && !left
	if failed || late {
		delete(l.failing, list)
		if late {
			delete(l.tooSlow, list)
		}
		level.Info(l.logger).Log("during", "read", "list", list, "took", read.Took, "pages", read.Pages,
			"msg", "the list can be read again")
	}
	for _, status := range read.Summary.UnknownStatuses {
		l.recordUnknown(unknownValue{list, "status", status}, "unknown overall_status; its jobs count as unknown")
	}
	for _, text := range read.Summary.UnknownTexts {
		l.recordUnknown(unknownValue{list, "text", text}, "unknown text in detailed_status; it never counts as a success")
	}
	l.recordFuture(list, read.Summary.Future)
}

// recordUnknown logs an unknown value once.
func (l *readLog) recordUnknown(v unknownValue, msg string) {
	if _, logged := l.unknown[v]; logged || len(l.unknown) >= maxRemembered {
		return
	}
	l.unknown[v] = struct{}{}
	level.Warn(l.logger).Log("during", "read", "list", v.list, v.kind, v.value,
		"hint", "report it with the appliance's version", "msg", msg)
}

// recordFuture logs when a list begins to have times that are too far in the future.
func (l *readLog) recordFuture(list string, future syncjob.Future) {
	if future.Jobs > 0 && !l.future[list] {
		level.Warn(l.logger).Log("during", "read", "list", list, "jobs", future.Jobs,
			"job", l.clean(future.ID), "time", future.At.UTC().Format(time.RFC3339),
			"hint", "check the clocks of the appliance and of this host",
			"msg", "a time more than a day in the future counts as missing")
	}
	l.future[list] = future.Jobs > 0
}

// recordLate logs that a scrape's deadline passed while the read continues for another one. It logs
// at level warn once, until a read is in time for all scrapes again.
func (l *readLog) recordLate(read ListRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := read.List.Name
	logger := level.Warn(l.logger)
	if _, failed := l.failing[list]; failed || l.tooSlow[list] {
		logger = level.Debug(l.logger)
	}
	l.tooSlow[list] = true
	logger.Log("during", "read", "list", list, "reason", reason.Of(read.Err), "err", read.Err,
		"hint", reason.RemedyOf(read.Err), "took", read.Took,
		"msg", "the list was too slow for one of several scrapes")
}
