package syncjob

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Summary is what a whole list says: the jobs by status, and each scope.
type Summary struct {
	// Jobs counts the jobs of the list, each once, by the job's own status.
	Jobs [NumStatuses]int
	// Scopes holds every key ring or vault that a job covers, by name.
	Scopes []Scope
	// UnknownStatuses holds a few values of overall_status that this version does
	// not know, sorted, for the log. Where there are more, these are the first in
	// that order. Like texts, they are cut to MaxText bytes.
	UnknownStatuses []string
}

// Scope is what a list says about one key ring or vault. Times are zero where
// there is none, or where the API gives none that can be read.
type Scope struct {
	Name string
	// Jobs counts the jobs that cover the scope by the scope's status in them.
	Jobs [NumStatuses]int

	// Newest is the newest job by createdAt, then id.
	Newest Newest
	// Last is the finished job that finished last, then by id; it is nil until
	// one has finished.
	Last *Last

	// OldestInProgress is the createdAt of the oldest job that is in progress
	// for the scope, OldestInProgressID the job's id and OldestInProgressText what
	// its detailed_status says of the scope, cut to MaxText bytes. Of jobs without a
	// createdAt, the one with the lowest id counts as the oldest, and only where no
	// job in progress has one.
	OldestInProgress     time.Time
	OldestInProgressID   string
	OldestInProgressText string
	// LastSuccess and LastFailure are when the last finished job in which the
	// scope completed, or failed, finished.
	LastSuccess, LastFailure time.Time
}

// Newest is a scope's newest job.
type Newest struct {
	ID        string
	Status    Status
	CreatedAt time.Time
	// Text is what the job's detailed_status says of the scope, in the appliance's
	// own words, cut to MaxText bytes. It is empty where there is none.
	Text string
}

// Last is a scope's newest finished job.
type Last struct {
	ID         string
	Result     Status
	CreatedAt  time.Time
	FinishedAt time.Time
	// Text is what the job's detailed_status says of the scope, in the appliance's
	// own words, cut to MaxText bytes. It is empty where there is none.
	Text string
}

// Duration returns how long the job took, and false where one of its times is
// missing. Nodes of a cluster may disagree on the time, so it is never below 0.
func (l *Last) Duration() (time.Duration, bool) {
	if l.CreatedAt.IsZero() || l.FinishedAt.IsZero() {
		return 0, false
	}
	return max(0, l.FinishedAt.Sub(l.CreatedAt)), true
}

// maxUnknownStatuses bounds what a list of nonsense can make the log hold.
const maxUnknownStatuses = 16

// Summarizer makes a Summary from the jobs of one list, in any order. It is
// not safe for concurrent use.
type Summarizer struct {
	list     List
	patterns *textPatterns
	// texts remembers what texts say: a handful comes again and again.
	texts map[string]said
	// lastText is the text that came last, and lastSays what it says.
	lastText string
	lastSays said
	jobs     [NumStatuses]int
	scopes   map[string]*tally
	unknown  []string

	// added counts the jobs, to tell one from another.
	added uint64
	// touched are the scopes of the job at hand, kept to be reused.
	touched []*tally
}

// tally is a scope, and its status in the job that covered it last.
type tally struct {
	scope Scope
	// job is the number of that job.
	job    uint64
	status Status
	// listed is true where the scope stands in the job's scope field.
	listed bool
	// told is true once a text of detailed_status has set the status; text is that
	// text.
	told bool
	text string
}

// NewSummarizer returns a Summarizer for the jobs of list.
func NewSummarizer(list List) *Summarizer {
	return (&Summarizer{list: list, patterns: newTextPatterns()}).Fork()
}

// Fork returns a Summarizer for jobs of the same list that has counted none. It
// costs less than a new one, and may be used at the same time as s.
func (s *Summarizer) Fork() *Summarizer {
	return &Summarizer{
		list:     s.list,
		patterns: s.patterns,
		texts:    map[string]said{},
		scopes:   map[string]*tally{},
	}
}

// Add counts a job. The caller sees to it that a job is added once. The job is
// not kept.
func (s *Summarizer) Add(j *Job) {
	status := j.Status()
	s.jobs[status]++
	if status == Unknown {
		s.noteUnknown(j.OverallStatus)
	}

	s.added++
	s.touched = s.touched[:0]
	for _, name := range j.Scopes {
		if name != "" {
			t := s.touch(name, status)
			t.listed = true
		}
	}
	for _, d := range j.Details {
		name := s.list.scopeOf(d.Key, s.listed)
		if name == "" {
			continue
		}
		t := s.touch(name, status)
		told := j.scopeStatus(s.read(d.Text))
		switch {
		case !t.told || worse(t.status, told) != t.status:
			t.status, t.told, t.text = told, true, d.Text
		case t.status == told:
			t.text = preferred(t.text, d.Text)
		}
	}
	for _, t := range s.touched {
		t.scope.add(j, t.status, Shorten(t.text))
	}
}

// touch returns the scope of a name, as one that the job at hand covers. Until
// a text tells otherwise it has the given status in it.
func (s *Summarizer) touch(name string, status Status) *tally {
	// Mostly a job has one scope, which its detailed_status names again.
	if n := len(s.touched); n > 0 && s.touched[n-1].scope.Name == name {
		return s.touched[n-1]
	}
	t := s.scopes[name]
	if t == nil {
		t = &tally{scope: Scope{Name: name}}
		s.scopes[name] = t
	}
	if t.job != s.added {
		t.job, t.status, t.listed, t.told, t.text = s.added, status, false, false, ""
		s.touched = append(s.touched, t)
	}
	return t
}

// listed says whether a name stands in the scope field of the job at hand.
func (s *Summarizer) listed(name string) bool {
	t := s.scopes[name]
	return t != nil && t.job == s.added && t.listed
}

// What is remembered of texts is bounded: long ones never come again.
const (
	maxTexts     = 1000
	maxTextBytes = 256
)

// read tells what a text says.
func (s *Summarizer) read(text string) said {
	if text == s.lastText {
		return s.lastSays
	}
	says, ok := s.texts[text]
	if !ok {
		says = s.patterns.read(text)
		if len(s.texts) < maxTexts && len(text) <= maxTextBytes {
			s.texts[text] = says
		}
	}
	s.lastText, s.lastSays = text, says
	return says
}

// noteUnknown keeps the statuses that come first in their order, so that which of
// them are kept does not depend on the order of the jobs.
func (s *Summarizer) noteUnknown(status string) {
	status = Shorten(status)
	at, found := slices.BinarySearch(s.unknown, status)
	if found || at >= maxUnknownStatuses {
		return
	}
	s.unknown = slices.Insert(s.unknown, at, status)
	s.unknown = s.unknown[:min(len(s.unknown), maxUnknownStatuses)]
}

// Summary returns what the jobs added so far say. The Summarizer must not be
// used afterwards: the summary takes over what it holds.
func (s *Summarizer) Summary() *Summary {
	summary := &Summary{Jobs: s.jobs, UnknownStatuses: s.unknown}
	for _, name := range slices.Sorted(maps.Keys(s.scopes)) {
		summary.Scopes = append(summary.Scopes, s.scopes[name].scope)
	}
	return summary
}

// Jobs counts the jobs added so far by their own status.
func (s *Summarizer) Jobs() [NumStatuses]int { return s.jobs }

// Scopes counts the scopes of the jobs added so far.
func (s *Summarizer) Scopes() int { return len(s.scopes) }

// Copy returns a Summarizer that has counted the same jobs.
func (s *Summarizer) Copy() *Summarizer {
	c := s.Fork()
	c.jobs, c.unknown = s.jobs, slices.Clone(s.unknown)
	for name, t := range s.scopes {
		scope := t.scope
		if scope.Last != nil {
			last := *scope.Last
			scope.Last = &last
		}
		c.scopes[name] = &tally{scope: scope}
	}
	return c
}

// Merge adds the jobs that another Summarizer of the same list has counted,
// which must not be used afterwards.
func (s *Summarizer) Merge(other *Summarizer) {
	for status, n := range other.jobs {
		s.jobs[status] += n
	}
	for _, status := range other.unknown {
		s.noteUnknown(status)
	}
	for name, theirs := range other.scopes {
		if ours := s.scopes[name]; ours != nil {
			ours.scope.merge(&theirs.scope)
		} else {
			// The other's numbers of jobs mean nothing here.
			theirs.job = 0
			s.scopes[name] = theirs
		}
	}
}

// merge adds the jobs that another Scope of the same name has counted.
func (s *Scope) merge(other *Scope) {
	for status, n := range other.Jobs {
		s.Jobs[status] += n
	}
	if newer(other.Newest.CreatedAt, other.Newest.ID, s.Newest.CreatedAt, s.Newest.ID) {
		s.Newest = other.Newest
	}
	if other.OldestInProgressID != "" && s.isOlder(other.OldestInProgress, other.OldestInProgressID) {
		s.OldestInProgress, s.OldestInProgressID = other.OldestInProgress, other.OldestInProgressID
		s.OldestInProgressText = other.OldestInProgressText
	}
	if other.Last != nil && (s.Last == nil || newer(other.Last.FinishedAt, other.Last.ID, s.Last.FinishedAt, s.Last.ID)) {
		s.Last = other.Last
	}
	s.LastSuccess = later(s.LastSuccess, other.LastSuccess)
	s.LastFailure = later(s.LastFailure, other.LastFailure)
}

// isOlder says whether a job in progress is older than the oldest so far, by its
// createdAt and then by id. One without a time is the oldest only where none has
// one.
func (s *Scope) isOlder(createdAt time.Time, id string) bool {
	if s.OldestInProgressID == "" || createdAt.IsZero() != s.OldestInProgress.IsZero() {
		return s.OldestInProgressID == "" || !createdAt.IsZero()
	}
	return newer(s.OldestInProgress, s.OldestInProgressID, createdAt, id)
}

// add counts a job in which the scope has the given status, and a text that says so.
func (s *Scope) add(j *Job, status Status, text string) {
	s.Jobs[status]++
	if s.Newest.ID == "" || newer(j.CreatedAt, j.ID, s.Newest.CreatedAt, s.Newest.ID) {
		s.Newest = Newest{ID: j.ID, Status: status, CreatedAt: j.CreatedAt, Text: text}
	}
	if status == InProgress && s.isOlder(j.CreatedAt, j.ID) {
		s.OldestInProgress, s.OldestInProgressID, s.OldestInProgressText = j.CreatedAt, j.ID, text
	}
	if !j.Finished() {
		return
	}
	finished := j.FinishedAt()
	if s.Last == nil || newer(finished, j.ID, s.Last.FinishedAt, s.Last.ID) {
		if s.Last == nil {
			s.Last = new(Last)
		}
		*s.Last = Last{ID: j.ID, Result: status, CreatedAt: j.CreatedAt, FinishedAt: finished, Text: text}
	}
	switch status {
	case Completed:
		s.LastSuccess = later(s.LastSuccess, finished)
	case Failed:
		s.LastFailure = later(s.LastFailure, finished)
	case InProgress, Aborted, Unknown:
	}
}

// newer orders jobs by a time and then by id. A missing time is older than any.
func newer(at time.Time, id string, thanAt time.Time, thanID string) bool {
	return cmp.Or(at.Compare(thanAt), cmp.Compare(id, thanID)) > 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
