package simulator

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DefaultLimit is how many jobs a page has where the request does not say.
const DefaultLimit = 10

// ListBehaviour decides what the public documentation leaves open about a list.
type ListBehaviour struct {
	// Order is the order where the request does not ask to sort.
	Order Order
	// MaxLimit lowers a larger limit to this one, as the answer's limit then shows. Zero lowers nothing.
	MaxLimit int
	// RefuseLimitAbove answers 422 to a larger limit. Zero refuses nothing.
	RefuseLimitAbove int
	// IgnoreFilters answers as if id, overall_status and the scope field were not given.
	IgnoreFilters bool
	// IgnoreSort answers as if sort were not given. It is set at first where the list's kind does not sort.
	IgnoreSort bool
}

// ErrDuplicateID is returned for a job whose id another job of the list has.
var ErrDuplicateID = errors.New("simulator: the list has a job of that id")

// JobList is one list of synchronization jobs in one domain. It holds the jobs that were inserted
// or started, and may have a synthetic history besides them. It is safe for concurrent use, and a
// request sees it as it is at one moment.
type JobList struct {
	kind    Kind
	account string
	salt    uint64
	clock   func() time.Time
	newID   func() string

	mu        sync.Mutex
	behaviour ListBehaviour
	history   *history
	byID      map[string]*stored
	byAge     []*stored // oldest first
	// inOrder keeps the stored jobs in the orders that were asked for since the last change.
	inOrder map[Order][]*stored
}

func newJobList(kind Kind, account string, seed uint64, clock func() time.Time, newID func() string) *JobList {
	return &JobList{
		kind:      kind,
		account:   account,
		salt:      hashText(seed, account+"/"+kind.Path),
		clock:     clock,
		newID:     newID,
		behaviour: ListBehaviour{IgnoreSort: !kind.Sorts},
		history:   &history{},
		byID:      make(map[string]*stored),
		inOrder:   make(map[Order][]*stored),
	}
}

// Kind returns what the list is.
func (l *JobList) Kind() Kind { return l.kind }

// Behaviour returns how the list behaves now.
func (l *JobList) Behaviour() ListBehaviour {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.behaviour
}

// SetBehaviour changes how the list behaves, from the next request on.
func (l *JobList) SetBehaviour(b ListBehaviour) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behaviour = b
}

// Insert adds a job and returns it as stored. What the job leaves out is filled in: a new id, the
// present time, in_progress, the domain's identifiers, the list's cloud and sync item, and texts of
// detailed_status that follow from the status. It returns ErrDuplicateID where the id is taken.
func (l *JobList) Insert(j Job) (Job, error) {
	j = j.clone()
	if j.ID == "" {
		j.ID = l.newID()
	}
	if j.CreatedAt.IsZero() {
		j.CreatedAt = l.clock()
	}
	l.kind.fill(&j, l.account)
	rec := l.record(j)

	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.byID[j.ID]; taken {
		return Job{}, fmt.Errorf("%w: %s", ErrDuplicateID, j.ID)
	}
	if _, taken := l.history.indexOf(j.ID); taken {
		return Job{}, fmt.Errorf("%w: %s, in its history", ErrDuplicateID, j.ID)
	}
	l.byID[j.ID] = rec
	l.place(rec)
	return rec.job.clone(), nil
}

// Remove takes an inserted or started job away and says whether it was there. The appliance itself
// has no request for this.
func (l *JobList) Remove(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	rec, ok := l.byID[id]
	if !ok {
		return false
	}
	delete(l.byID, id)
	l.displace(rec)
	return true
}

// Update changes an inserted or started job and says whether it was there. The id stays what it
// is; everything else, updatedAt included, is the function's business. The function runs while the
// list is locked, so it must not use the list.
func (l *JobList) Update(id string, change func(*Job)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.update(id, change)
}

// update is Update for a caller that holds the lock.
func (l *JobList) update(id string, change func(*Job)) bool {
	old, ok := l.byID[id]
	if !ok {
		return false
	}
	j := old.job.clone()
	change(&j)
	j.ID = id
	rec := l.record(j.clone())
	l.byID[id] = rec
	if rec.job.CreatedAt.Equal(old.job.CreatedAt) {
		i, _ := l.position(old)
		l.byAge[i] = rec
		clear(l.inOrder)
		return true
	}
	l.displace(old)
	l.place(rec)
	return true
}

// Complete ends a job at a time, with success for every scope, and says whether the job was there.
func (l *JobList) Complete(id string, at time.Time) bool {
	return l.Update(id, func(j *Job) { l.kind.complete(j, at) })
}

// Fail ends a job at a time with these texts for the scopes that failed, and success for its other
// scopes; without texts, every scope fails. It says whether the job was there.
func (l *JobList) Fail(id string, at time.Time, failures map[string]string) bool {
	return l.Update(id, func(j *Job) { l.kind.fail(j, at, failures) })
}

// Abort ends a job at a time as a cancelled Google job ends, completed with abort set, and says
// whether the job was there.
func (l *JobList) Abort(id string, at time.Time) bool {
	return l.Update(id, func(j *Job) { l.kind.abort(j, at) })
}

// Get returns the job of an id, out of the history too, and whether there is one.
func (l *JobList) Get(id string) (Job, bool) {
	l.mu.Lock()
	rec, h := l.byID[id], l.history
	l.mu.Unlock()
	if rec != nil {
		return rec.job.clone(), true
	}
	if i, ok := h.indexOf(id); ok {
		return h.job(i), true
	}
	return Job{}, false
}

// Snapshot returns the inserted and started jobs, oldest first. The history is not among them:
// see [JobList.HistoryJob].
func (l *JobList) Snapshot() []Job {
	l.mu.Lock()
	records := slices.Clone(l.byAge)
	l.mu.Unlock()
	jobs := make([]Job, len(records))
	for i, rec := range records {
		jobs[i] = rec.job.clone()
	}
	return jobs
}

// Len returns the number of jobs, the history's included.
func (l *JobList) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.history.n + len(l.byAge)
}

// cancel does what the appliance does when a job is to be cancelled. It returns the job as the
// answer shows it, still in progress, and then ends it where the list's kind is known to.
func (l *JobList) cancel(id string) (answer Job, found, running bool) {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	rec, ok := l.byID[id]
	if !ok {
		_, ok = l.history.indexOf(id)
		return Job{}, ok, false
	}
	if !l.kind.runs(&rec.job) {
		return rec.job.clone(), true, false
	}
	l.update(id, func(j *Job) {
		j.Abort = true
		j.UpdatedAt = now
	})
	answer = l.byID[id].job.clone()
	if l.kind.CancelCompletes {
		l.update(id, func(j *Job) { l.kind.abort(j, now) })
	}
	return answer, true, true
}

// record makes the stored form of a job, which it takes over.
func (l *JobList) record(j Job) *stored {
	return &stored{job: j.normal(), place: hashText(l.salt, j.ID)}
}

// position finds where a job is, or belongs, by age.
func (l *JobList) position(rec *stored) (int, bool) {
	return slices.BinarySearchFunc(l.byAge, rec, func(a, b *stored) int {
		return a.job.compareAge(b.job.CreatedAt, b.job.ID)
	})
}

// place puts a stored job among the others.
func (l *JobList) place(rec *stored) {
	i, _ := l.position(rec)
	l.byAge = slices.Insert(l.byAge, i, rec)
	clear(l.inOrder)
}

// displace takes a stored job out of the others.
func (l *JobList) displace(rec *stored) {
	if i, found := l.position(rec); found {
		l.byAge = slices.Delete(l.byAge, i, i+1)
	}
	clear(l.inOrder)
}

// sequence returns the list in an order, narrowed down by a filter, as it is now.
func (l *JobList) sequence(order Order, f filter) *sequence {
	l.mu.Lock()
	records, ok := l.inOrder[order]
	if !ok {
		records = ordered(l.byAge, order)
		l.inOrder[order] = records
	}
	s := &sequence{order: order, history: l.history, every: true, records: records}
	l.mu.Unlock()

	if f.empty() {
		return s
	}
	s.every = false
	s.match = f.over(s.history).positions(order)
	s.records = nil
	for _, rec := range records {
		if f.passes(&rec.job) {
			s.records = append(s.records, rec)
		}
	}
	return s
}
