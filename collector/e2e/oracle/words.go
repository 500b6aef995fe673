package oracle

import (
	"encoding/json"
	"slices"
	"time"
)

// A Word is a job and what its detailed_status says of a scope, cut to 512 bytes.
type Word struct{ ID, Text string }

// Words are the jobs of a scope of which the log and the status page tell. Where there is none, the id
// is empty.
type Words struct {
	// Newest is the newest job, Last the one that finished last, and Oldest the oldest that is in
	// progress for the scope: of those with a createdAt, where there are any.
	Newest, Last, Oldest Word
}

// WordsOf returns the words for every scope of a list that was read whole.
func WordsOf(list List, records []json.RawMessage, now time.Time) (map[string]Words, error) {
	jobs, err := decode(list, records, now)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Words)
	for _, scope := range scopes(jobs) {
		covering := only(jobs, func(j job) bool { return j.scopes[scope] != "" })
		running := only(covering, func(j job) bool { return j.scopes[scope] == inProgress })
		if timed := only(running, func(j job) bool { return j.created != nil }); len(timed) > 0 {
			running = timed
		}
		word := func(of []job, choose func([]job, func(a, b job) int) job, order func(a, b job) int) Word {
			if len(of) == 0 {
				return Word{}
			}
			chosen := choose(of, order)
			return Word{ID: chosen.id, Text: chosen.texts[scope]}
		}
		all[slices.MaxFunc(covering, byCreation).names[scope]] = Words{
			Newest: word(covering, slices.MaxFunc, byCreation),
			Last:   word(only(covering, job.finished), slices.MaxFunc, byFinish),
			Oldest: word(running, slices.MinFunc, byCreation),
		}
	}
	return all, nil
}
