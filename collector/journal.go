package collector

import (
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/reason"
)

// maxRemembered bounds how many statuses of jobs the journal remembers.
const maxRemembered = 1000

// journal writes to the log what changes from one read of a list to the next:
// a failure is told when it begins, not at each scrape.
type journal struct {
	logger log.Logger

	mu sync.Mutex
	// failing holds why each list failed at its last read.
	failing map[string]reason.Reason
	// unknown holds the statuses that were told already.
	unknown map[string]struct{}
}

func newJournal(logger log.Logger) *journal {
	return &journal{logger: logger, failing: map[string]reason.Reason{}, unknown: map[string]struct{}{}}
}

// note tells the log how a read ended, where that is news.
func (j *journal) note(read ListRead) {
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
			"todo", reason.RemedyOf(read.Err), "took", read.Took, "pages", read.Pages,
			"msg", "the list could not be read")
		return
	}
	if failed {
		delete(j.failing, list)
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
			"todo", "report it with the appliance's version",
			"msg", "a job has a status that this version does not know, it counts as unknown")
	}
}
