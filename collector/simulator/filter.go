package simulator

import (
	"net/url"
	"slices"
)

// filter is what a request narrows a list down to. A filter given several times matches any of its
// values; different filters must all match.
type filter struct {
	ids      []string
	statuses []string
	scopes   []string
}

// newFilter reads the filters that the API documents: id, overall_status and the list's scope field.
func newFilter(query url.Values, kind Kind) filter {
	return filter{ids: query["id"], statuses: query["overall_status"], scopes: query[kind.ScopeField]}
}

// empty says whether everything passes.
func (f filter) empty() bool {
	return f.ids == nil && f.statuses == nil && f.scopes == nil
}

// passes says whether a stored job matches.
func (f filter) passes(j *Job) bool {
	if f.ids != nil && !slices.Contains(f.ids, j.ID) {
		return false
	}
	if f.statuses != nil && !slices.Contains(f.statuses, j.OverallStatus) {
		return false
	}
	if f.scopes == nil {
		return true
	}
	return slices.ContainsFunc(f.scopes, func(scope string) bool { return slices.Contains(j.Scopes, scope) })
}

// historyFilter is a filter put into the terms of a history, so that a million jobs can be tried
// without computing one of them whole.
type historyFilter struct {
	history *history
	// indexes are those that the ids name; nil means any.
	indexes map[int]bool
	// completed and failed say which statuses pass. A history holds no other.
	completed, failed bool
	// wanted says of each of the history's scopes whether it passes; nil means any.
	wanted []bool
}

// over translates the filter.
func (f filter) over(h *history) historyFilter {
	hf := historyFilter{history: h, completed: true, failed: true}
	if f.ids != nil {
		hf.indexes = make(map[int]bool)
		for _, id := range f.ids {
			if i, ok := h.indexOf(id); ok {
				hf.indexes[i] = true
			}
		}
	}
	if f.statuses != nil {
		hf.completed = slices.Contains(f.statuses, StatusCompleted)
		hf.failed = slices.Contains(f.statuses, StatusFailed)
	}
	if f.scopes != nil {
		hf.wanted = make([]bool, len(h.shape.Scopes))
		for s, scope := range h.shape.Scopes {
			hf.wanted[s] = slices.Contains(f.scopes, scope)
		}
	}
	return hf
}

// hopeless says that no job can pass, which spares looking.
func (hf historyFilter) hopeless() bool {
	return hf.history.n == 0 || !hf.completed && !hf.failed ||
		hf.indexes != nil && len(hf.indexes) == 0 ||
		hf.wanted != nil && !slices.Contains(hf.wanted, true)
}

// passes says whether the history's job at an index matches.
func (hf historyFilter) passes(i int) bool {
	if hf.indexes != nil && !hf.indexes[i] {
		return false
	}
	if hf.completed != hf.failed && (hf.history.result(i) == resultFailed) != hf.failed {
		return false
	}
	if hf.wanted == nil {
		return true
	}
	first := hf.history.firstScope(i)
	for s := range hf.history.shape.ScopesPerJob {
		if hf.wanted[(first+s)%len(hf.wanted)] {
			return true
		}
	}
	return false
}

// positions returns where in an order the matching jobs of the history are, ascending.
func (hf historyFilter) positions(order Order) []uint32 {
	if hf.hopeless() {
		return nil
	}
	var match []uint32
	for position := range hf.history.n {
		if hf.passes(indexAtPosition(order, hf.history, position)) {
			match = append(match, uint32(position))
		}
	}
	return match
}
