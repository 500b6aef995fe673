package collector

import (
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/syncjob"
)

// repeated writes to the log, once for each pair of lists, that both return the
// same job, which is then counted in each of them. Only the jobs whose ids a
// summary keeps are compared: each scope's newest, its newest finished one and its
// oldest in progress.
type repeated struct {
	logger log.Logger

	mu sync.Mutex
	// lists holds what each list said last, or nil.
	lists []ListRead
	// told holds the pairs that were told, by their places, the lower one first.
	told map[[2]int]bool
}

func newRepeated(logger log.Logger, lists int) *repeated {
	return &repeated{logger: logger, lists: make([]ListRead, lists), told: map[[2]int]bool{}}
}

// note compares what the i-th list says with what the others said last, where it
// says something new.
func (r *repeated) note(i int, read ListRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lists[i].Summary == read.Summary {
		return
	}
	r.lists[i] = read
	var ids map[string]struct{}
	for k, other := range r.lists {
		pair := [2]int{min(i, k), max(i, k)}
		if k == i || other.Summary == nil || r.told[pair] {
			continue
		}
		if ids == nil {
			ids = make(map[string]struct{}, len(read.Summary.Scopes))
			eachID(read.Summary, func(id string) bool { ids[id] = struct{}{}; return true })
		}
		eachID(other.Summary, func(id string) bool {
			_, both := ids[id]
			if both {
				r.told[pair] = true
				level.Debug(r.logger).Log("during", "read", "list", r.lists[pair[0]].List.Name, "other", r.lists[pair[1]].List.Name, "job", id,
					"msg", "two lists return the same job, it is counted in each of them")
			}
			return !both
		})
	}
}

// eachID calls visit with the ids that a summary keeps, until it returns false.
func eachID(summary *syncjob.Summary, visit func(id string) bool) {
	for i := range summary.Scopes {
		scope := &summary.Scopes[i]
		ids := [...]string{scope.Newest.ID, scope.OldestInProgressID, ""}
		if scope.Last != nil {
			ids[2] = scope.Last.ID
		}
		for _, id := range ids {
			if id != "" && !visit(id) {
				return
			}
		}
	}
}
