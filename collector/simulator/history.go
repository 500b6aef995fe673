package simulator

import (
	"fmt"
	"sort"
	"time"
)

// Limits of a synthetic history.
const (
	// MaxHistory is the longest history that SetHistory takes.
	MaxHistory = 1_000_000
	// minHistorySpacing keeps createdAt strictly increasing in the microseconds that are shown.
	minHistorySpacing = time.Millisecond
)

// HistoryShape says what the jobs of a synthetic history are like. The zero value is usable.
type HistoryShape struct {
	// Oldest is when job 0 was created. By default it is chosen so that the last job was created
	// a minute before the appliance's present time. Give it where a history is to grow:
	// with the same shape, job i is the same whatever the history's length.
	Oldest time.Time
	// Spacing is the mean time between two jobs. The default is one minute, the least a millisecond.
	Spacing time.Duration
	// Scopes are the key rings or vaults that jobs are about. The default is twenty names in the list's style.
	Scopes []string
	// ScopesPerJob is how many neighbouring scopes a job covers. The default is two for Azure, else one.
	ScopesPerJob int
	// FailOneIn makes about one in so many jobs fail, in one of its scopes. The default is 50; negative means none.
	FailOneIn int
	// AbortOneIn makes about one in so many of the other jobs a cancelled one. The default is 200; negative means none.
	AbortOneIn int
}

// history computes finished jobs from their index; index 0 is the oldest. It is never changed once made.
type history struct {
	n       int
	kind    Kind
	account string
	salt    uint64
	shape   HistoryShape
}

// What became of a job.
type result int

const (
	resultCompleted result = iota
	resultFailed
	resultAborted
)

// newHistory fills in the shape's defaults.
func newHistory(n int, kind Kind, account string, salt uint64, shape HistoryShape, now time.Time) (*history, error) {
	if n < 0 || n > MaxHistory {
		return nil, fmt.Errorf("simulator: a history of %d jobs is outside 0 to %d", n, MaxHistory)
	}
	if shape.Spacing == 0 {
		shape.Spacing = time.Minute
	}
	if shape.Spacing < minHistorySpacing {
		return nil, fmt.Errorf("simulator: a spacing of %v is below %v", shape.Spacing, minHistorySpacing)
	}
	if shape.Oldest.IsZero() {
		shape.Oldest = now.Add(-time.Minute - time.Duration(n)*shape.Spacing)
	}
	shape.Oldest = shape.Oldest.UTC().Truncate(time.Microsecond)
	if len(shape.Scopes) == 0 {
		shape.Scopes = kind.historyScopes()
	}
	if shape.ScopesPerJob <= 0 {
		shape.ScopesPerJob = 1
		if kind.Detail == DetailRegionScope {
			shape.ScopesPerJob = 2
		}
	}
	shape.ScopesPerJob = min(shape.ScopesPerJob, len(shape.Scopes))
	if shape.FailOneIn == 0 {
		shape.FailOneIn = 50
	}
	if shape.AbortOneIn == 0 {
		shape.AbortOneIn = 200
	}
	return &history{n: n, kind: kind, account: account, salt: salt, shape: shape}, nil
}

// historyScopes returns twenty names in the style of the kind's cloud.
func (k Kind) historyScopes() []string {
	locations := [...]string{"global", "europe-west3", "us-central1", "asia-northeast1"}
	scopes := make([]string, 20)
	for i := range scopes {
		switch k.ScopeField {
		case "key_rings":
			scopes[i] = fmt.Sprintf("projects/acme-archive/locations/%s/keyRings/ring-%02d", locations[i%len(locations)], i)
		case "key_vaults":
			scopes[i] = fmt.Sprintf("acme-archive-%02d::%s", i, uuidFrom(mix(11), mix(12)))
		default:
			scopes[i] = fmt.Sprintf("acme-archive-%02d", i)
		}
	}
	return scopes
}

// draw returns a number for a job and a purpose.
func (h *history) draw(i int, purpose uint64) uint64 {
	return draw(h.salt, i, purpose)
}

// createdAt is strictly increasing in i.
func (h *history) createdAt(i int) time.Time {
	jitter := microsBelow(h.draw(i, 1), h.shape.Spacing/2)
	return h.shape.Oldest.Add(time.Duration(i)*h.shape.Spacing + jitter).Truncate(time.Microsecond)
}

// completedAt lies 2 to 45 seconds after createdAt.
func (h *history) completedAt(i int) time.Time {
	return h.createdAt(i).Add(2*time.Second + microsBelow(h.draw(i, 2), 43*time.Second))
}

// result says what became of the job.
func (h *history) result(i int) result {
	if every := h.shape.FailOneIn; every > 0 && below(h.draw(i, 3), every) == 0 {
		return resultFailed
	}
	if every := h.shape.AbortOneIn; every > 0 && below(h.draw(i, 4), every) == 0 {
		return resultAborted
	}
	return resultCompleted
}

// firstScope is the index of the first of the job's neighbouring scopes.
func (h *history) firstScope(i int) int {
	return below(h.draw(i, 5), len(h.shape.Scopes))
}

// id carries the index in its last 48 bits, hidden by a number that follows from the first 32 bits,
// so that a job can be found by its id without a search.
func (h *history) id(i int) string {
	hi := h.draw(i, 6)
	lo := h.draw(i, 7)&^idMask | (unsigned(i)^mix(h.salt^hi>>32))&idMask
	return uuidFrom(hi, lo)
}

// idMask covers the part of an id that carries the index.
const idMask = 1<<48 - 1

// indexOf returns the index of the job with that id.
func (h *history) indexOf(id string) (int, bool) {
	first, last, ok := uuidParts(id)
	if !ok {
		return 0, false
	}
	i := signed((last ^ mix(h.salt^first)) & idMask)
	if i >= h.n || h.id(i) != id {
		return 0, false
	}
	return i, true
}

// job computes the whole job.
func (h *history) job(i int) Job {
	j := Job{ID: h.id(i), CreatedAt: h.createdAt(i)}
	first := h.firstScope(i)
	j.Scopes = make([]string, h.shape.ScopesPerJob)
	for s := range j.Scopes {
		j.Scopes[s] = h.shape.Scopes[(first+s)%len(h.shape.Scopes)]
	}
	h.kind.fill(&j, h.account)
	switch end := h.completedAt(i); h.result(i) {
	case resultFailed:
		failing := j.Scopes[below(h.draw(i, 8), len(j.Scopes))]
		h.kind.fail(&j, end, map[string]string{failing: h.kind.failureText()})
	case resultAborted:
		h.kind.abort(&j, end)
	default:
		h.kind.complete(&j, end)
	}
	return j
}

// olderThan counts the history's jobs that come before a job in the order of creation.
func (h *history) olderThan(j *Job) int {
	return sort.Search(h.n, func(i int) bool {
		created := h.createdAt(i)
		if created.Equal(j.CreatedAt) {
			return j.compareAge(created, h.id(i)) < 0
		}
		return created.After(j.CreatedAt)
	})
}

// SetHistory gives the list n finished jobs, 0 to MaxHistory, in place of the history that it had.
// They are computed from their index whenever a page shows them and are never held in memory. With
// the default shape they all lie before the appliance's present time, and so before every job that
// is inserted without a createdAt of its own; a job inserted with an earlier one takes its place
// among them. An error names what of the shape cannot be.
func (l *JobList) SetHistory(n int, shape HistoryShape) error {
	h, err := newHistory(n, l.kind, l.account, l.salt, shape, l.clock())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = h
	return nil
}

// HistoryLen returns the number of jobs in the synthetic history.
func (l *JobList) HistoryLen() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.history.n
}

// HistoryJob computes the history's job at an index, 0 being the oldest, exactly as pages show it.
// A test can so recompute a list of any length: the whole list, oldest first, is
// HistoryJob(0) … HistoryJob(HistoryLen()-1) followed by Snapshot, where the inserted jobs are the
// younger ones. It panics where there is no job of that index.
func (l *JobList) HistoryJob(i int) Job {
	l.mu.Lock()
	h := l.history
	l.mu.Unlock()
	if i < 0 || i >= h.n {
		panic(fmt.Sprintf("simulator: no job %d in a history of %d", i, h.n))
	}
	return h.job(i)
}
