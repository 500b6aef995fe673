package syncjob

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Summary is what a whole list says at a time: the jobs by status, and each scope.
type Summary struct {
	// Jobs counts the jobs of the list, each once, by the job's own status.
	Jobs [NumStatuses]int
	// Scopes holds every key ring or vault that a job covers, by name.
	Scopes []Scope
	// UnknownStatuses and UnknownTexts hold a few values of overall_status and
	// texts of detailed_status that this version does not know, sorted, to be
	// reported. If there are more, these are the first in that order. They are cut
	// to MaxText bytes.
	UnknownStatuses, UnknownTexts []string
	// Future describes the jobs with a time that is too far ahead to count.
	Future Future
	// ValidUntil is when the first of these times is due, so that the same jobs
	// have another summary; it is zero if there is no such time.
	ValidUntil time.Time
}

// Expired reports whether a time that was too far ahead is due at now. If a new
// summary of the same jobs is expired as well, then more jobs were ahead than a
// Summarizer keeps, and the list must be read again.
func (s *Summary) Expired(now time.Time) bool {
	return !s.ValidUntil.IsZero() && !now.Before(s.ValidUntil)
}

// Scope is what a list says about one key ring or vault. Times are zero if there
// is none, or if the API gives none that counts.
type Scope struct {
	// Name is spelled as in the scope's newest job.
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

// maxUnknown bounds how many unknown statuses, and how many unknown texts, a
// summary holds.
const maxUnknown = 16

// Summarizer makes a Summary from the jobs of one list, in any order. It is
// not safe for concurrent use.
//
// A time that is more than a day ahead of the now that a method is given counts as
// missing. Calls should be made in the order of their nows: a time that has
// counted once counts from then on.
type Summarizer struct {
	list List
	// texts caches what texts say: most jobs repeat one of a few.
	texts map[string]meaning
	// lastText is the last text, and lastSays what it says.
	lastText string
	lastSays meaning
	jobs     [NumStatuses]int
	// scopes are the scopes by their List.ScopeKey.
	scopes          map[string]*tally
	unknownStatuses []string
	unknownTexts    []string
	future          futureJobs

	// added counts the jobs, to tell one from another.
	added uint64
	// touched are the scopes of the job at hand, kept to be reused.
	touched []*tally
}

// tally is a scope, and its status in the job that covered it last.
type tally struct {
	scope Scope
	// job is the number of that job, and name how it spells the scope.
	job    uint64
	name   string
	status Status
	// listed is true if the scope is in the job's scope field.
	listed bool
	// told is true once a text of detailed_status has set the status; text is that
	// text.
	told bool
	text string
}

// NewSummarizer returns a Summarizer for the jobs of list.
func NewSummarizer(list List) *Summarizer {
	return &Summarizer{list: list, texts: map[string]meaning{}, scopes: map[string]*tally{}}
}

// Fork returns a Summarizer for jobs of the same list that has counted none. It
// may be used at the same time as s.
func (s *Summarizer) Fork() *Summarizer { return NewSummarizer(s.list) }

// Add counts a job that is read at now. The caller ensures that a job is added
// once. The job is not kept.
func (s *Summarizer) Add(j *Job, now time.Time) {
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
	for _, t := range s.touch(j, status) {
		t.scope.Jobs[t.status]++
		t.scope.update(j, t)
	}
}

// touch returns the scopes that a job of a status covers, with their own statuses
// in it. They are good until the next call.
func (s *Summarizer) touch(j *Job, status Status) []*tally {
	s.added++
	s.touched = s.touched[:0]
	for _, name := range j.Scopes {
		if name != "" {
			s.tally(name, status).listed = true
		}
	}
	for _, d := range j.Details {
		name := s.list.scopeOf(d.Key, s.listed)
		if name == "" {
			continue
		}
		t := s.tally(name, status)
		if !t.listed {
			// The entries of detailed_status have no order.
			t.name = min(t.name, name)
		}
		text := Shorten(d.Text)
		told := j.scopeStatus(s.read(text))
		switch {
		case !t.told || worse(t.status, told) != t.status:
			t.status, t.told, t.text = told, true, text
		case t.status == told:
			t.text = preferred(t.text, text)
		}
	}
	return s.touched
}

// tally returns the scope of a name, as one that the job at hand covers. Until
// a text sets another one, its status in the job is the given one.
func (s *Summarizer) tally(name string, status Status) *tally {
	// Most jobs have one scope, which their detailed_status names again.
	if n := len(s.touched); n > 0 && s.touched[n-1].name == name {
		return s.touched[n-1]
	}
	t := s.find(name)
	if t == nil {
		t = &tally{scope: Scope{Name: name}}
		s.scopes[s.list.ScopeKey(name)] = t
	}
	if t.job != s.added {
		t.job, t.name, t.status, t.listed, t.told, t.text = s.added, name, status, false, false, ""
		s.touched = append(s.touched, t)
	}
	return t
}

// find returns the scope of a name, or nil. It does not allocate for names of
// usual length.
func (s *Summarizer) find(name string) *tally {
	if t := s.scopes[name]; t != nil || !s.list.RegionPrefixed {
		return t
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s.scopes[s.list.ScopeKey(name)]
	}
	var buffer [128]byte
	return s.scopes[string(appendLower(buffer[:0], name))]
}

// listed reports whether a name is in the scope field of the job at hand.
func (s *Summarizer) listed(name string) bool {
	t := s.find(name)
	return t != nil && t.job == s.added && t.listed
}

// maxTexts bounds how many texts are cached.
const maxTexts = 1000

// read returns what a text says.
func (s *Summarizer) read(text string) meaning {
	if text == s.lastText {
		return s.lastSays
	}
	says, ok := s.texts[text]
	if !ok {
		says = classify(text)
		if len(s.texts) < maxTexts {
			s.texts[text] = says
		}
		if says == saysUnknown {
			s.unknownTexts = addUnknown(s.unknownTexts, text)
		}
	}
	s.lastText, s.lastSays = text, says
	return says
}

// addUnknown adds a value to sorted ones, of which the first maxUnknown are kept,
// so that the outcome does not depend on the order of the jobs.
func addUnknown(values []string, value string) []string {
	value = Shorten(value)
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

// Summary returns what the jobs added so far say at now. The Summarizer must not
// be used afterwards: the summary takes over what it holds.
func (s *Summarizer) Summary(now time.Time) *Summary {
	summary := &Summary{Jobs: s.jobs, UnknownStatuses: s.unknownStatuses, UnknownTexts: s.unknownTexts}
	summary.Future, summary.ValidUntil = s.addDue(now)
	tallies := slices.SortedFunc(maps.Values(s.scopes), func(a, b *tally) int { return cmp.Compare(a.scope.Name, b.scope.Name) })
	for _, t := range tallies {
		summary.Scopes = append(summary.Scopes, t.scope)
	}
	return summary
}

// Copy returns a Summarizer that has counted the same jobs.
func (s *Summarizer) Copy() *Summarizer {
	c := s.Fork()
	c.jobs, c.future = s.jobs, s.future.clone()
	c.unknownStatuses, c.unknownTexts = slices.Clone(s.unknownStatuses), slices.Clone(s.unknownTexts)
	for key, t := range s.scopes {
		scope := t.scope
		if scope.Last != nil {
			last := *scope.Last
			scope.Last = &last
		}
		c.scopes[key] = &tally{scope: scope}
	}
	return c
}

// Merge adds the jobs that another Summarizer of the same list has counted,
// which must not be used afterwards.
func (s *Summarizer) Merge(other *Summarizer) {
	for status, n := range other.jobs {
		s.jobs[status] += n
	}
	for _, status := range other.unknownStatuses {
		s.unknownStatuses = addUnknown(s.unknownStatuses, status)
	}
	for _, text := range other.unknownTexts {
		s.unknownTexts = addUnknown(s.unknownTexts, text)
	}
	s.future.merge(&other.future)
	for key, theirs := range other.scopes {
		if ours := s.scopes[key]; ours != nil {
			ours.scope.merge(&theirs.scope)
		} else {
			// The other's numbers of jobs mean nothing here.
			theirs.job = 0
			s.scopes[key] = theirs
		}
	}
}

// Jobs counts the jobs added so far by their own status.
func (s *Summarizer) Jobs() [NumStatuses]int { return s.jobs }

// Scopes counts the scopes of the jobs added so far.
func (s *Summarizer) Scopes() int { return len(s.scopes) }

// merge adds the jobs that another Scope of the same name has counted.
func (s *Scope) merge(other *Scope) {
	for status, n := range other.Jobs {
		s.Jobs[status] += n
	}
	if newer(other.Newest.CreatedAt, other.Newest.ID, s.Newest.CreatedAt, s.Newest.ID) {
		s.Newest, s.Name = other.Newest, other.Name
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

// isOlder reports whether a job in progress is older than the oldest so far, by its
// createdAt and then by id. A job without a time is the oldest only if none has one.
func (s *Scope) isOlder(createdAt time.Time, id string) bool {
	if s.OldestInProgressID == "" || createdAt.IsZero() != s.OldestInProgress.IsZero() {
		return s.OldestInProgressID == "" || !createdAt.IsZero()
	}
	return newer(s.OldestInProgress, s.OldestInProgressID, createdAt, id)
}

// update updates what the scope says about single jobs by a job, in which its
// status is that of t. A job may be repeated once another one of its times counts.
func (s *Scope) update(j *Job, t *tally) {
	if s.Newest.ID == "" || newer(j.CreatedAt, j.ID, s.Newest.CreatedAt, s.Newest.ID) {
		s.Newest = Newest{ID: j.ID, Status: t.status, CreatedAt: j.CreatedAt, Text: t.text}
		s.Name = t.name
	}
	if t.status == InProgress && s.isOlder(j.CreatedAt, j.ID) {
		s.OldestInProgress, s.OldestInProgressID, s.OldestInProgressText = j.CreatedAt, j.ID, t.text
	}
	if !j.Finished() {
		return
	}
	finished := j.FinishedAt()
	if s.Last == nil || j.ID == s.Last.ID || newer(finished, j.ID, s.Last.FinishedAt, s.Last.ID) {
		if s.Last == nil {
			s.Last = new(Last)
		}
		*s.Last = Last{ID: j.ID, Result: t.status, CreatedAt: j.CreatedAt, FinishedAt: finished, Text: t.text}
	}
	switch t.status {
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
