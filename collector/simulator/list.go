package simulator

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// Order is the order of a list. No public source says which one an appliance has; the documentation's
// only example of two jobs shows the newest first.
type Order int

// Orders of a list.
const (
	// NewestFirst orders by createdAt, then id, descending.
	NewestFirst Order = iota
	// OldestFirst orders by createdAt, then id, ascending.
	OldestFirst
	// NoOrder orders by id, which is random: a new job appears anywhere, and the others keep their
	// relative order.
	NoOrder
)

// ListBehaviour decides what the public documentation does not say about a list.
type ListBehaviour struct {
	Order Order
	// MaxLimit reduces a larger limit, and the response shows the reduced one. 0 reduces nothing.
	MaxLimit int
	// RefuseLimitAbove responds with 422 to a larger limit. 0 refuses nothing.
	RefuseLimitAbove int
}

// JobList is one list of synchronization jobs in one domain: the jobs that were put into it, and a
// generated history. It is safe for concurrent use, and a page shows the list at one moment.
type JobList struct {
	kind    Kind
	account string
	seed    uint64
	clock   func() time.Time

	mu        sync.Mutex
	behaviour ListBehaviour
	// records are sorted by age, oldest first, or by id for NoOrder.
	records []record
	// jobs are the jobs that were put into the list. They are replaced, never changed.
	jobs    map[UUID]*Job
	history *history
}

// record is the position of a job in the list and, for a job of the history, all that is known of it. It
// is small and without pointers because a list can have a million.
type record struct {
	id      UUID
	created int64 // in microseconds since 1970
	took    uint32
	scope   uint16
	outcome outcome
}

// outcome is the result of a job of the history.
type outcome uint8

const (
	// outcomeElsewhere marks a job that is in JobList.jobs.
	outcomeElsewhere outcome = iota
	outcomeCompleted
	outcomeFailed
	outcomeAborted
)

func newJobList(kind Kind, account string, seed uint64, clock func() time.Time) *JobList {
	return &JobList{
		kind:    kind,
		account: account,
		seed:    hashText(seed, account+"/"+kind.Path),
		clock:   clock,
		jobs:    make(map[UUID]*Job),
	}
}

// Kind returns the list's kind.
func (l *JobList) Kind() Kind { return l.kind }

// Behaviour returns the list's behavior.
func (l *JobList) Behaviour() ListBehaviour {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.behaviour
}

// SetBehaviour changes the list's behavior from the next request on.
func (l *JobList) SetBehaviour(b ListBehaviour) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behaviour = b
	slices.SortFunc(l.records, l.compare)
}

// Put adds a job, or replaces the one with its id, and returns it with what it left out: a new id, the
// present time, in_progress, and the texts of detailed_status that follow from the status. The caller must
// not change the job's slice and map afterwards.
func (l *JobList) Put(j Job) Job {
	if j.ID == (UUID{}) {
		j.ID = newUUID()
	}
	if j.CreatedAt.IsZero() {
		j.CreatedAt = l.clock()
	}
	l.kind.fill(&j)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(j.ID)
	l.jobs[j.ID] = &j
	r := record{id: j.ID, created: j.CreatedAt.UnixMicro()}
	i, _ := slices.BinarySearchFunc(l.records, r, l.compare)
	l.records = slices.Insert(l.records, i, r)
	return j
}

// Remove removes a job that was put into the list, and reports whether there was one. The API has no
// request for this.
func (l *JobList) Remove(id UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(id)
}

// remove is Remove for a caller that holds mu.
func (l *JobList) remove(id UUID) bool {
	j := l.jobs[id]
	if j == nil {
		return false
	}
	delete(l.jobs, id)
	i, _ := slices.BinarySearchFunc(l.records, record{id: id, created: j.CreatedAt.UnixMicro()}, l.compare)
	l.records = slices.Delete(l.records, i, i+1)
	return true
}

// Complete ends a job that was put into the list with success for every scope, and reports whether there
// was one.
func (l *JobList) Complete(id UUID, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.jobs[id]
	if old == nil {
		return false
	}
	j := *old
	l.kind.end(&j, at, nil)
	l.jobs[id] = &j
	return true
}

// Jobs returns all jobs in the list's order. The caller must not change their slices and maps.
func (l *JobList) Jobs() []Job {
	page, _ := l.page(0, math.MaxInt, nil)
	jobs := make([]Job, len(page))
	for i := range page {
		jobs[i] = page[i].full()
	}
	return jobs
}

// Len returns the number of jobs.
func (l *JobList) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

// compare is the order of records.
func (l *JobList) compare(a, b record) int {
	if l.behaviour.Order != NoOrder && a.created != b.created {
		return cmp.Compare(a.created, b.created)
	}
	return bytes.Compare(a.id[:], b.id[:])
}

// listed is a job in a page: job, or else a record of the history.
type listed struct {
	record

	job     *Job
	history *history
}

// full returns the whole job.
func (e *listed) full() Job {
	if e.job != nil {
		return *e.job
	}
	return e.history.job(e.record)
}

// page returns the jobs at the positions from skip on, at most limit of them, and the number of jobs in
// the list. If statuses are given, only jobs with one of them exist.
func (l *JobList) page(skip, limit int, statuses []string) (page []listed, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if statuses == nil {
		for i := skip; i < len(l.records) && len(page) < limit; i++ {
			page = append(page, l.at(i))
		}
		return page, len(l.records)
	}
	for i := range l.records {
		e := l.at(i)
		if !slices.Contains(statuses, e.status()) {
			continue
		}
		if total >= skip && len(page) < limit {
			page = append(page, e)
		}
		total++
	}
	return page, total
}

// at returns the job at a position.
func (l *JobList) at(i int) listed {
	if l.behaviour.Order == NewestFirst {
		i = len(l.records) - 1 - i
	}
	e := listed{record: l.records[i], history: l.history}
	if e.outcome == outcomeElsewhere {
		e.job = l.jobs[e.id]
	}
	return e
}

// status returns the job's overall_status.
func (e *listed) status() string {
	switch {
	case e.job != nil:
		return e.job.OverallStatus
	case e.outcome == outcomeFailed:
		return StatusFailed
	default:
		return StatusCompleted
	}
}
