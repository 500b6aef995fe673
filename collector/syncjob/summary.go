package syncjob

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Summary sums up the jobs of a list at one time: the number of jobs by status, and each scope.
type Summary struct {
	// Jobs counts the jobs of the list, each once, by the job's own status.
	Jobs [NumStatuses]int
	// Scopes has every key ring or vault that a job covers, sorted by name.
	Scopes []Scope
	// UnknownStatuses and UnknownTexts are values of overall_status and texts of detailed_status that
	// this version does not know. They are sorted, and at most maxUnknown each.
	UnknownStatuses, UnknownTexts []string
	// Future describes the jobs with a time that is too far in the future to count.
	Future Future
	// ValidUntil is when the first of these times is due, which changes the summary. It is zero if
	// there is no such time.
	ValidUntil time.Time
}

// Expired reports whether a time that was too far in the future is due at now. If a new summary of
// the same jobs has expired as well, there were more such jobs than a Summarizer keeps, and the list
// must be read again.
func (s *Summary) Expired(now time.Time) bool {
	return !s.ValidUntil.IsZero() && !now.Before(s.ValidUntil)
}

// Scope sums up the jobs of one key ring or vault. A time is zero if there is no such job, or if its
// time is missing.
type Scope struct {
	// Name is spelled as in the scope's newest job.
	Name string
	// Jobs counts the jobs that cover the scope, by the scope's status in them.
	Jobs [NumStatuses]int

	// Newest is the newest job by createdAt, then id.
	Newest ScopeJob
	// Last is the finished job that finished last, then by id; it is nil until
	// one has finished.
	Last *ScopeJob

	// OldestInProgress is the createdAt of the oldest job that is in progress for the scope,
	// OldestInProgressID the job's id, and OldestInProgressText the scope's text in its
	// detailed_status. Only if no job in progress has a createdAt, it is the one with the lowest id.
	OldestInProgress     time.Time
	OldestInProgressID   string
	OldestInProgressText string
	// LastSuccess and LastFailure are when the last finished job in which the
	// scope completed, or failed, finished.
	LastSuccess, LastFailure time.Time
	// Results are those of the jobs that finished last, in the order of Last: the newest first. There
	// are at most MaxResults.
	Results []Result
}

// MaxResults bounds the results of a scope.
const MaxResults = 10

// Result is the result of a finished job for a scope.
type Result struct {
	// ID is the job's id, and FinishedAt that of Job.
	ID         string
	FinishedAt time.Time
	// Status is the scope's status in the job.
	Status Status
}

// ForgottenAfter reports whether the scope's newest job is older than a limit, so that the scope is omitted
// unless it is registered. A limit of 0 keeps every scope.
func (s *Scope) ForgottenAfter(limit time.Duration, now time.Time) bool {
	newest := s.Newest.CreatedAt
	return limit > 0 && !newest.IsZero() && now.Sub(newest) > limit
}

// ScopeJob is a job of a scope.
type ScopeJob struct {
	ID string
	// Status is the scope's status in the job.
	Status Status
	// FinishedAt is that of Job.
	CreatedAt, FinishedAt time.Time
	// Text is the scope's text in the job's detailed_status. It may be empty.
	Text string
}

// Duration returns the duration of a finished job, and false if one of its times is missing. It is never
// negative, even if the clocks of the appliance's nodes differ.
func (j *ScopeJob) Duration() (time.Duration, bool) {
	if j.CreatedAt.IsZero() || j.FinishedAt.IsZero() {
		return 0, false
	}
	return max(0, j.FinishedAt.Sub(j.CreatedAt)), true
}

// maxUnknown bounds the unknown statuses and the unknown texts of a summary.
const maxUnknown = 16

// MaxScopes bounds the key rings or vaults of a list, and with them the number of series.
const MaxScopes = 20_000

// maxScopeBytes bounds the names of a list's scopes together, because each is in many series. It is
// enough for MaxScopes names of 200 bytes; those of the documented clouds are shorter.
const maxScopeBytes = 4 << 20

// ErrTooManyScopes is the error of a Summarizer whose jobs cover more than MaxScopes scopes, or scopes
// whose names are longer than maxScopeBytes together.
var ErrTooManyScopes = fmt.Errorf("its jobs name more than %d key rings or vaults, or ones with more than %d MiB of names", MaxScopes, maxScopeBytes>>20)

// Summarizer makes a Summary from the jobs of one list, in any order. It is not safe for concurrent
// use.
//
// A time that is more than a day after the argument now counts as missing. now should not decrease
// from call to call: a time that has counted once counts from then on.
type Summarizer struct {
	list List
	// lastText is the last text, and lastMeaning its meaning.
	lastText    string
	lastMeaning Meaning
	jobs        [NumStatuses]int
	// scopes are the scopes by their List.ScopeKey. scopeBytes is the length of their names.
	scopes          map[string]*scopeState
	scopeBytes      int
	unknownStatuses []string
	unknownTexts    []string
	future          futureJobs

	// added is the number of the current job.
	added uint64
	// covered are the scopes of the current job. The slice is reused.
	covered []*scopeState
}

// scopeState is a scope, and its state in the last job that covers it.
type scopeState struct {
	scope Scope
	// job is the number of that job, name its spelling of the scope, and status the scope's status in
	// it.
	job    uint64
	name   string
	status Status
	// listed is true if the scope is in the job's scope field.
	listed bool
	// hasText is true if a text of detailed_status has set the status; text is that text.
	hasText bool
	text    string
	// sharesResults is true if a copy has the same scope.Results, which must not be changed then.
	sharesResults bool
}

// NewSummarizer returns a Summarizer for the jobs of list.
func NewSummarizer(list List) *Summarizer {
	return &Summarizer{list: list, lastMeaning: meansNothing, scopes: map[string]*scopeState{}}
}

// Add counts a job, which was read at now. A job must not be added twice. Add does not keep j. Its
// only error is ErrTooManyScopes; s must not be used afterwards.
func (s *Summarizer) Add(j *Job, now time.Time) error {
	if limit := now.Add(maxAhead); j.isAfter(limit) {
		s.future.add(&futureJob{at: j.firstAfter(limit), job: j.Clone()})
		past := j.withTimesUntil(limit)
		j = &past
	}
	status := j.Status()
	s.jobs[status]++
	if status == Unknown {
		s.unknownStatuses = addUnknown(s.unknownStatuses, j.OverallStatus)
	}
	if err := s.coverScopes(j, status); err != nil {
		return err
	}
	for _, t := range s.covered {
		t.scope.Jobs[t.status]++
		t.update(j)
	}
	return nil
}

// Reserve counts the scopes of an open job towards MaxScopes. It does not count the job: a copy of s does.
// Its errors are those of Add.
func (s *Summarizer) Reserve(j *Job) error {
	unknownTexts := s.unknownTexts
	s.unknownTexts = nil
	err := s.coverScopes(j, Unknown)
	s.unknownTexts = unknownTexts
	s.lastText, s.lastMeaning = "", meansNothing
	return err
}

// coverScopes makes j the current job, and sets covered to the scopes that it covers, with their statuses in
// it. status is the job's own.
func (s *Summarizer) coverScopes(j *Job, status Status) error {
	s.added++
	s.covered = s.covered[:0]
	for _, name := range j.Scopes {
		if name == "" {
			continue
		}
		t, err := s.cover(name, status)
		if err != nil {
			return err
		}
		t.listed = true
	}
	for _, d := range j.Details {
		name := s.list.scopeOf(d.Key, s.listed)
		if name == "" {
			continue
		}
		t, err := s.cover(name, status)
		if err != nil {
			return err
		}
		if !t.listed {
			// Choose a spelling that does not depend on the order of detailed_status.
			t.name = min(t.name, name)
		}
		own := j.scopeStatus(s.meaningOf(d))
		switch {
		case !t.hasText || worse(t.status, own) != t.status:
			t.status, t.hasText, t.text = own, true, d.Text
		case t.status == own:
			t.text = preferred(t.text, d.Text)
		}
	}
	return nil
}

// preferred returns one of two texts of the same status for the same scope in one job. The result
// does not depend on their order, because the members of a JSON object have none.
func preferred(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}

// cover returns the scope with the given name as one that the current job covers. If the job has not
// covered it before, it gets the given status.
func (s *Summarizer) cover(name string, status Status) (*scopeState, error) {
	// Most jobs have one scope, which is also in detailed_status.
	if n := len(s.covered); n > 0 && s.covered[n-1].name == name {
		return s.covered[n-1], nil
	}
	t := s.find(name)
	if t == nil {
		s.scopeBytes += len(name)
		if len(s.scopes) == MaxScopes || s.scopeBytes > maxScopeBytes {
			return nil, ErrTooManyScopes
		}
		t = &scopeState{scope: Scope{Name: name}}
		s.scopes[s.list.ScopeKey(name)] = t
	}
	if t.job != s.added {
		t.job, t.name, t.status, t.listed, t.hasText, t.text = s.added, name, status, false, false, ""
		s.covered = append(s.covered, t)
	}
	return t, nil
}

// find returns the scope with the given name, or nil. It does not allocate for names of usual
// length.
func (s *Summarizer) find(name string) *scopeState {
	if t := s.scopes[name]; t != nil || !s.list.RegionPrefixed {
		return t
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s.scopes[s.list.ScopeKey(name)]
	}
	var buffer [128]byte
	return s.scopes[string(appendLower(buffer[:0], name))]
}

// appendLower appends a text with its ASCII letters in lower case.
func appendLower(b []byte, text string) []byte {
	start := len(b)
	b = append(b, text...)
	for i, c := range b[start:] {
		b[start+i] = lowerByte(c)
	}
	return b
}

// listed reports whether a name is in the scope field of the current job.
func (s *Summarizer) listed(name string) bool {
	t := s.find(name)
	return t != nil && t.job == s.added && t.listed
}

// meaningOf returns the meaning of a text.
func (s *Summarizer) meaningOf(d Detail) Meaning {
	switch {
	case d.Meaning == meansUnknown:
		s.unknownTexts = addUnknown(s.unknownTexts, d.Text)
		return meansUnknown
	case d.Meaning != 0:
		return d.Meaning
	case d.Text == s.lastText:
		return s.lastMeaning
	}
	meaning := MeaningOf(d.Text)
	if meaning == meansUnknown {
		s.unknownTexts = addUnknown(s.unknownTexts, d.Text)
	}
	s.lastText, s.lastMeaning = d.Text, meaning
	return meaning
}

// addUnknown adds a value to sorted values and keeps the first maxUnknown of them. The result does
// not depend on the order of the jobs.
func addUnknown(values []string, value string) []string {
	if len(values) == maxUnknown && value > values[maxUnknown-1] {
		return values
	}
	at, found := slices.BinarySearch(values, value)
	if found {
		return values
	}
	values = slices.Insert(values, at, value)
	return values[:min(len(values), maxUnknown)]
}

// Summary returns the summary of the jobs added so far, at now. It shares memory with the
// Summarizer, which must not be used afterwards.
func (s *Summarizer) Summary(now time.Time) *Summary {
	summary := &Summary{Jobs: s.jobs, UnknownStatuses: s.unknownStatuses, UnknownTexts: s.unknownTexts}
	summary.Future, summary.ValidUntil = s.addDue(now)
	states := slices.SortedFunc(maps.Values(s.scopes), func(a, b *scopeState) int { return cmp.Compare(a.scope.Name, b.scope.Name) })
	for _, t := range states {
		if reserved := t.scope.Jobs == [NumStatuses]int{}; !reserved {
			summary.Scopes = append(summary.Scopes, t.scope)
		}
	}
	return summary
}

// Copy returns a Summarizer that has counted the same jobs. The two must not be used concurrently.
func (s *Summarizer) Copy() *Summarizer {
	c := NewSummarizer(s.list)
	c.jobs, c.scopeBytes, c.future = s.jobs, s.scopeBytes, s.future.clone()
	c.unknownStatuses, c.unknownTexts = slices.Clone(s.unknownStatuses), slices.Clone(s.unknownTexts)
	for key, t := range s.scopes {
		scope := t.scope
		if scope.Last != nil {
			last := *scope.Last
			scope.Last = &last
		}
		t.sharesResults = true
		c.scopes[key] = &scopeState{scope: scope, sharesResults: true}
	}
	return c
}

// Jobs counts the jobs added so far by their own status.
func (s *Summarizer) Jobs() [NumStatuses]int { return s.jobs }

// isOlder reports whether a job in progress is older than the oldest so far, by createdAt and then by
// id. A job without a createdAt is never older than one that has it.
func (s *Scope) isOlder(createdAt time.Time, id string) bool {
	if s.OldestInProgressID == "" || createdAt.IsZero() != s.OldestInProgress.IsZero() {
		return s.OldestInProgressID == "" || !createdAt.IsZero()
	}
	return newer(s.OldestInProgress, s.OldestInProgressID, createdAt, id)
}

// update updates the fields about single jobs by the current job, which is j. It is called again for a
// job if another one of its times is due.
func (t *scopeState) update(j *Job) {
	s := &t.scope
	job := ScopeJob{ID: j.ID, Status: t.status, CreatedAt: j.CreatedAt, FinishedAt: j.FinishedAt(), Text: t.text}
	if s.Newest.ID == "" || job.ID == s.Newest.ID || newer(job.CreatedAt, job.ID, s.Newest.CreatedAt, s.Newest.ID) {
		s.Newest, s.Name = job, t.name
	}
	if t.status == InProgress && s.isOlder(job.CreatedAt, job.ID) {
		s.OldestInProgress, s.OldestInProgressID, s.OldestInProgressText = job.CreatedAt, job.ID, t.text
	}
	if !j.Finished() {
		return
	}
	if s.Last == nil || job.ID == s.Last.ID || newer(job.FinishedAt, job.ID, s.Last.FinishedAt, s.Last.ID) {
		if s.Last == nil {
			s.Last = new(ScopeJob)
		}
		*s.Last = job
	}
	t.addResult(Result{ID: job.ID, FinishedAt: job.FinishedAt, Status: job.Status})
	switch t.status {
	case Completed:
		s.LastSuccess = later(s.LastSuccess, job.FinishedAt)
	case Failed:
		s.LastFailure = later(s.LastFailure, job.FinishedAt)
	case InProgress, Aborted, Unknown:
	}
}

// addResult adds a result to those of the scope, or moves it if its job has it already.
func (t *scopeState) addResult(r Result) {
	all := t.scope.Results
	isNewer := func(than Result) bool { return newer(r.FinishedAt, r.ID, than.FinishedAt, than.ID) }
	if len(all) == MaxResults && !isNewer(all[MaxResults-1]) {
		return
	}
	if t.sharesResults || len(all) == cap(all) {
		all = append(make([]Result, 0, min(2*len(all)+1, MaxResults)), all...)
		t.sharesResults = false
	}
	all = slices.DeleteFunc(all, func(other Result) bool { return other.ID == r.ID })
	all = all[:min(len(all), MaxResults-1)]
	at := slices.IndexFunc(all, isNewer)
	if at < 0 {
		at = len(all)
	}
	t.scope.Results = slices.Insert(all, at, r)
}

// newer orders jobs by a time and then by id. A missing time is older than any.
func newer(at time.Time, id string, thanAt time.Time, thanID string) bool {
	if order := at.Compare(thanAt); order != 0 {
		return order > 0
	}
	return id > thanID
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
