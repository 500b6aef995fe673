package simulator

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// HistoryShape describes the jobs of a history. The zero value is usable.
type HistoryShape struct {
	// Scopes are the key rings or vaults. The default is twenty names in the list's style.
	Scopes []string
	// ScopesPerJob is how many neighboring scopes a job covers. The default is two for Azure, else one.
	ScopesPerJob int
	// FailOneIn makes about one in so many jobs fail, for one of its scopes. The default is 50; negative
	// means none.
	FailOneIn int
	// AbortOneIn makes about one in so many of the other jobs aborted. The default is 200; negative
	// means none.
	AbortOneIn int
}

// history is what the jobs of a list's history have in common. It does not change.
type history struct {
	kind Kind
	// scopes has the scopes twice, so that the scopes of every job are a slice of it.
	scopes       []string
	scopesPerJob int
}

// SetHistory replaces the list's history by n finished jobs, one a minute. The last one is a minute older
// than the present and than every job that was put into the list.
func (l *JobList) SetHistory(n int, shape HistoryShape) {
	shape = shape.withDefaults(l.kind)
	h := &history{kind: l.kind, scopes: slices.Concat(shape.Scopes, shape.Scopes), scopesPerJob: shape.ScopesPerJob}
	end := l.clock()

	l.mu.Lock()
	defer l.mu.Unlock()
	others := slices.DeleteFunc(l.records, func(r record) bool { return r.outcome != outcomeElsewhere })
	for _, j := range l.jobs {
		if j.CreatedAt.Before(end) {
			end = j.CreatedAt
		}
	}
	created := end.Add(-time.Duration(n+1) * time.Minute).UnixMicro()
	random := rand.New(rand.NewPCG(l.seed, 0)) //nolint:gosec // Nothing here is secret.
	l.history, l.records = h, make([]record, n, n+len(others))
	for i := range l.records {
		l.records[i] = record{
			id:      uuidFrom(random.Uint64(), random.Uint64()),
			created: created + random.Int64N(30*time.Second.Microseconds()),
			took:    2_000_000 + random.Uint32N(43_000_000),
			scope:   uint16(random.IntN(len(shape.Scopes))), //nolint:gosec // No test has so many.
			outcome: shape.outcome(random),
		}
		created += time.Minute.Microseconds()
	}
	l.records = append(l.records, others...)
	slices.SortFunc(l.records, l.compare)
}

func (s HistoryShape) withDefaults(kind Kind) HistoryShape {
	if len(s.Scopes) == 0 {
		s.Scopes = kind.historyScopes()
	}
	perJob := 1
	if kind.Detail == DetailRegionScope {
		perJob = 2
	}
	s.ScopesPerJob = min(cmp.Or(s.ScopesPerJob, perJob), len(s.Scopes))
	s.FailOneIn = cmp.Or(s.FailOneIn, 50)
	s.AbortOneIn = cmp.Or(s.AbortOneIn, 200)
	return s
}

// outcome returns a random outcome.
func (s HistoryShape) outcome(random *rand.Rand) outcome {
	switch {
	case s.FailOneIn > 0 && random.IntN(s.FailOneIn) == 0:
		return outcomeFailed
	case s.AbortOneIn > 0 && random.IntN(s.AbortOneIn) == 0:
		return outcomeAborted
	default:
		return outcomeCompleted
	}
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

// job returns the whole job.
func (h *history) job(r record) Job {
	j := Job{
		ID:        r.id,
		CreatedAt: time.UnixMicro(r.created).UTC(),
		Scopes:    h.scopes[r.scope:][:h.scopesPerJob],
	}
	end := j.CreatedAt.Add(time.Duration(r.took) * time.Microsecond)
	switch r.outcome {
	case outcomeFailed:
		h.kind.end(&j, end, map[string]string{j.Scopes[int(r.id[0])%len(j.Scopes)]: h.kind.failureText()})
	case outcomeAborted:
		h.kind.abort(&j, end)
	default:
		h.kind.end(&j, end, nil)
	}
	return j
}
