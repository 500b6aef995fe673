package scrape

import (
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// maxRemembered bounds how many unknown statuses and texts a listLog remembers.
const maxRemembered = 1000

// listLog logs the outcome of the reads of one list. It logs a failure at level warn when it begins or
// when its reason changes, and at level debug while it lasts. Unknown values are logged once.
type listLog struct {
	list   syncjob.List
	logger log.Logger
	// jobLogger is for lines about a job, which are short.
	jobLogger log.Logger
	// clean is that of Options.
	clean func(string) string

	mu sync.Mutex
	// failing is the reason of the last read if it failed, else empty.
	failing reason.Reason
	// tooSlow is true if the list was too slow for one of the scrapes that shared a read.
	tooSlow bool
	// unknown has the statuses and texts that were logged, with their keys.
	unknown map[[2]string]bool
	// future is true if the list has a time that is too far in the future.
	future bool

	// summary and started are the summary and the start of the last read that succeeded.
	summary *syncjob.Summary
	started time.Time
	// scopes are the failing scopes, by their syncjob.List.ScopeKey. See logJobs.
	scopes map[string]failingScope
}

func newListLog(list syncjob.List, options Options) *listLog {
	return &listLog{
		list:      list,
		logger:    log.With(options.Logger, "during", "read", "list", list.Name),
		jobLogger: log.With(options.Logger, "list", list.Name),
		clean:     options.clean,
		unknown:   map[[2]string]bool{},
	}
}

// record logs the outcome of a read. left is true if the read took too long for one of the scrapes
// that shared it.
func (l *listLog) record(read ListRead, left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if read.Err != nil {
		before := l.failing
		l.failing = reason.Of(read.Err)
		logger := level.Warn(l.logger)
		if l.failing == before {
			logger = level.Debug(l.logger)
		}
		logger.Log("reason", l.failing, "err", read.Err, "hint", reason.HintOf(read.Err), "took", read.Took, "pages", read.Pages,
			"msg", "the list could not be read")
		return
	}
	late := l.tooSlow && !left
	if l.failing != "" || late {
		level.Info(l.logger).Log("took", read.Took, "pages", read.Pages, "msg", "the list can be read again")
	}
	l.failing, l.tooSlow = "", l.tooSlow && left
	for _, status := range read.Summary.UnknownStatuses {
		l.logUnknown("status", status, "unknown overall_status; its jobs count as unknown")
	}
	for _, text := range read.Summary.UnknownTexts {
		l.logUnknown("text", text, "unknown text in detailed_status; it never counts as a success")
	}
	l.logFuture(read.Summary.Future)
	l.logJobs(read)
}

// logUnknown logs an unknown value once.
func (l *listLog) logUnknown(key, value, msg string) {
	if v := [2]string{key, value}; !l.unknown[v] && len(l.unknown) < maxRemembered {
		l.unknown[v] = true
		level.Warn(l.logger).Log(key, value, "hint", "report it with the appliance's version", "msg", msg)
	}
}

// logFuture logs when the list begins to have times that are too far in the future.
func (l *listLog) logFuture(future syncjob.Future) {
	if future.Jobs > 0 && !l.future {
		level.Warn(l.logger).Log("jobs", future.Jobs, "job", l.clean(future.ID), "time", future.At.UTC().Format(time.RFC3339),
			"hint", "check the clocks of the appliance and of this host",
			"msg", "a time more than a day in the future counts as missing")
	}
	l.future = future.Jobs > 0
}

// recordLate logs that a scrape's deadline passed while the read continues for another one. It logs
// at level warn once, until a read is in time for all scrapes again.
func (l *listLog) recordLate(read ListRead) {
	l.mu.Lock()
	defer l.mu.Unlock()
	logger := level.Warn(l.logger)
	if l.failing != "" || l.tooSlow {
		logger = level.Debug(l.logger)
	}
	l.tooSlow = true
	logger.Log("reason", reason.Of(read.Err), "err", read.Err, "hint", reason.HintOf(read.Err), "took", read.Took,
		"msg", "the list was too slow for one of several scrapes")
}
