package simulator

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// sortKey is one property of the parameter "sort"; a leading "-" means descending.
type sortKey struct {
	property   string
	descending bool
}

// parseSort reads the comma-delimited list of properties. It names the property that it does not know.
func parseSort(text string) (keys []sortKey, unknown string) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		property, descending := strings.CutPrefix(part, "-")
		switch property {
		case "":
			continue
		case "createdAt", "updatedAt", "completed_at", "overall_status", "id":
			keys = append(keys, sortKey{property: property, descending: descending})
		default:
			return nil, property
		}
	}
	return keys, ""
}

// asOrder returns the order that the keys amount to, where they are the creation time alone. Its
// ties go by id in the same direction.
func asOrder(keys []sortKey) (Order, bool) {
	if len(keys) != 1 || keys[0].property != "createdAt" {
		return 0, false
	}
	if keys[0].descending {
		return NewestFirst, true
	}
	return OldestFirst, true
}

// sortable is what of a job can be sorted by.
type sortable struct {
	ref                         ref
	id, status                  string
	created, updated, completed time.Time
}

// sortedRefs lays the whole sequence out and sorts it, which costs time in proportion to the
// list at every page. Orders by createdAt alone do not come here. Ties are left oldest first.
func sortedRefs(s *sequence, keys []sortKey) []ref {
	all := make([]sortable, 0, s.len())
	for _, r := range s.page(0, s.len()) {
		all = append(all, s.sortable(r))
	}
	slices.SortFunc(all, func(a, b sortable) int {
		for _, key := range keys {
			c := compareBy(key.property, a, b)
			if c == 0 {
				continue
			}
			if key.descending {
				return -c
			}
			return c
		}
		return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id))
	})
	refs := make([]ref, len(all))
	for i := range all {
		refs[i] = all[i].ref
	}
	return refs
}

// sortable collects a job's properties, of the history's jobs no more than is needed.
func (s *sequence) sortable(r ref) sortable {
	if r.rec != nil {
		j := &r.rec.job
		return sortable{ref: r, id: j.ID, status: j.OverallStatus, created: j.CreatedAt, updated: j.UpdatedAt, completed: j.CompletedAt}
	}
	h := s.history
	end := h.completedAt(r.index)
	status := StatusCompleted
	if h.result(r.index) == resultFailed {
		status = StatusFailed
	}
	return sortable{ref: r, id: h.id(r.index), status: status, created: h.createdAt(r.index), updated: end.Add(time.Millisecond), completed: end}
}

// compareBy compares two jobs by one property.
func compareBy(property string, a, b sortable) int {
	switch property {
	case "createdAt":
		return a.created.Compare(b.created)
	case "updatedAt":
		return a.updated.Compare(b.updated)
	case "completed_at":
		return a.completed.Compare(b.completed)
	case "overall_status":
		return strings.Compare(a.status, b.status)
	default:
		return strings.Compare(a.id, b.id)
	}
}
