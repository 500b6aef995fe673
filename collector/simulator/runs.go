package simulator

import "time"

// Times of the jobs that do not end, before the fleet's start, and of the others.
const (
	hangsSince   = 3 * time.Hour
	troubleSince = 3 * 24 * time.Hour // of FailsLately and Stopped
	missedSince  = 30 * time.Hour
	firstSince   = 40 * time.Minute
	shortestRun  = 2 * time.Second
	longestRun   = 45 * time.Second
	updateEvery  = 5 * time.Second
	stuckAfter   = 11 * time.Second
	leastBacklog = 2 * time.Minute // between two jobs of a backlog
)

// runs computes the jobs of one life. They are numbered from the oldest: first those of the backlog,
// before the fleet's start, then one in every period. A job at a time depends on its number and that time
// alone, so a fleet arrives at the same lists in one step or in many.
type runs struct {
	life    Life
	kind    Kind
	start   time.Time
	backlog int
	// spacing is the time between two jobs of the backlog.
	spacing time.Duration
	salt    uint64
}

// within returns a time below a limit, to the microsecond.
func (r *runs) within(n int, purpose uint64, limit time.Duration) time.Duration {
	return microsBelow(draw(r.salt, n, purpose), limit)
}

// startedBy returns how many jobs have started by a time that is not before the fleet's start.
func (r *runs) startedBy(now time.Time) int {
	since := now.Sub(r.start) - r.life.Phase
	if !r.life.repeats() || since < 0 {
		return r.backlog
	}
	n := r.backlog + int(since/r.life.Period) + 1
	if r.createdAt(n - 1).After(now) {
		n-- // Its jitter makes it a little later.
	}
	return n
}

// createdAt is when a job starts.
func (r *runs) createdAt(n int) time.Time {
	switch {
	case n >= r.backlog:
		at := r.life.Phase + time.Duration(n-r.backlog)*r.life.Period
		return r.start.Add(at + r.within(n, 1, time.Second))
	case r.hangs(n) && r.life.Fate == NeverFinishesFirst:
		return r.start.Add(-firstSince - r.within(n, 1, time.Second))
	case r.hangs(n):
		return r.start.Add(-hangsSince - r.within(n, 1, time.Second))
	}
	end := r.start
	switch r.life.Fate { //nolint:exhaustive // The jobs of the others continue.
	case HangsForever:
		// The job that hangs is the last one.
		end = end.Add(-hangsSince - time.Second)
	case Stopped:
		end = end.Add(-troubleSince)
	case MissedANight:
		end = end.Add(-missedSince)
	}
	return end.Add(-time.Duration(r.backlog-n)*r.spacing + r.within(n, 1, r.spacing/4))
}

// hangs reports whether a job never ends.
func (r *runs) hangs(n int) bool {
	return (r.life.Fate == HangsForever || r.life.Fate == NeverFinishesFirst) && n == r.backlog-1
}

// duration is how long a job takes, if it ends.
func (r *runs) duration(n int) time.Duration {
	longest := longestRun
	if n >= r.backlog {
		longest = min(r.life.Longest, r.life.Period*3/4)
	}
	return shortestRun + r.within(n, 2, max(longest-shortestRun, time.Millisecond))
}

// fails reports whether a job fails for the scope with that index.
func (r *runs) fails(n, scope int) bool {
	switch r.life.Fate {
	case FailsAlways:
		return true
	case FailsOneScope, CompletesPartly:
		return scope == len(r.life.Scopes)-1
	case RecoversSometimes:
		return n%4 != 3
	case FailsLately:
		return r.createdAt(n).After(r.start.Add(-troubleSince))
	default:
		return false
	}
}

// id is the id of a job.
func (r *runs) id(n int) UUID { return uuidFrom(draw(r.salt, n, 3), draw(r.salt, n, 4)) }

// job returns a job at a time, and whether it has ended by then. The scopes of a job end one after another.
func (r *runs) job(n int, now time.Time) (j Job, ended bool) {
	created := r.createdAt(n)
	elapsed := now.Sub(created)
	j = Job{ID: r.id(n), CreatedAt: created, OverallStatus: r.kind.inProgress(), Scopes: r.life.Scopes}
	r.kind.fill(&j)
	if r.hangs(n) {
		j.UpdatedAt = created.Add(min(elapsed, stuckAfter))
		return j, false
	}
	takes := r.duration(n)
	if elapsed >= takes {
		r.end(&j, n, created.Add(takes))
		return j, true
	}
	j.UpdatedAt = created.Add(elapsed.Truncate(updateEvery))
	j.Abort = r.life.Fate == IsAborted && elapsed >= takes/2
	for s, scope := range r.life.Scopes {
		if r.life.Fate == IsAborted || elapsed < takes*time.Duration(s+1)/time.Duration(len(r.life.Scopes)) {
			break
		}
		j.DetailedStatus[r.kind.DetailKey(scope)] = r.text(n, s)
	}
	return j, false
}

// end gives the job its last state.
func (r *runs) end(j *Job, n int, at time.Time) {
	failures := make(map[string]string)
	for s, scope := range r.life.Scopes {
		if r.fails(n, s) {
			failures[scope] = r.text(n, s)
		}
	}
	if r.life.Fate == IsAborted {
		r.kind.abort(j, at)
		return
	}
	r.kind.end(j, at, failures)
	if r.life.Fate == CompletesPartly {
		j.OverallStatus = StatusCompleted
	}
}

// text is the text of a scope that has ended.
func (r *runs) text(n, scope int) string {
	switch {
	case !r.fails(n, scope):
		return r.kind.successText()
	case r.life.Fate == CompletesPartly && n%2 == 0:
		return r.kind.oddText()
	default:
		return r.kind.failureText()
	}
}
