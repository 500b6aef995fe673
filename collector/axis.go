package collector

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// axis says over what the series of a family stand side by side, and which
// labels they have.
type axis int

const (
	eachList axis = iota
	// eachWholeList leaves out a list whose read failed, as the axes below
	// eachReason do.
	eachWholeList
	eachReason
	eachListStatus
	eachScope
	eachScopeStatus
	eachScopeResult
	// eachIdentifier is a scope with the parts of its identifier.
	eachIdentifier

	numAxes
)

// cell is what one series is about. What its axis does not tell apart is not set.
type cell struct {
	read   *scrape.ListRead
	scope  *syncjob.Scope
	status syncjob.Status
	reason reason.Reason
	labels []*dto.LabelPair
}

// cellsOf returns the cells of every axis of one list. Those of an axis stand in
// the order of their labels, and the labels in the order of their names, as
// Prometheus' registries have it. Families of one axis share their labels,
// which nobody changes.
func (m *memory) cellsOf(read *scrape.ListRead, scopes []namedScope) (axes [numAxes][]cell) {
	list := []*dto.LabelPair{m.label("cloud", read.List.Cloud), m.label("item", read.List.Item)}

	axes[eachList] = append(m.cells.take(1)[:0], cell{read: read, labels: list})
	reasons := slices.Sorted(slices.Values(reason.All()))
	axes[eachReason] = m.cells.take(len(reasons))
	for i, r := range reasons {
		axes[eachReason][i] = cell{read: read, reason: r, labels: m.join(list, m.label("reason", string(r)))}
	}
	if read.Err != nil {
		return axes
	}
	axes[eachWholeList] = axes[eachList]
	all := syncjob.Statuses()
	statuses, results := byText(all[:]), byText(syncjob.Results())
	axes[eachListStatus] = m.cells.take(len(statuses))
	axes[eachScope] = m.cells.take(len(scopes))
	axes[eachScopeStatus] = m.cells.take(len(scopes) * len(statuses))
	axes[eachScopeResult] = m.cells.take(len(scopes) * len(results))
	for i, scope := range scopes {
		axes[eachScope][i] = cell{scope: scope.Scope, labels: m.join(list, scope.label)}
	}
	for i, s := range statuses {
		status := m.label("status", s.String())
		axes[eachListStatus][i] = cell{read: read, status: s, labels: m.join(list, status)}
		for j, scope := range scopes {
			axes[eachScopeStatus][j*len(statuses)+i] = cell{scope: scope.Scope, status: s, labels: m.join(list, scope.label, status)}
		}
	}
	for i, r := range results {
		result := m.label("result", r.String())
		for j, scope := range scopes {
			axes[eachScopeResult][i*len(scopes)+j] = cell{scope: scope.Scope, status: r, labels: m.join(list, result, scope.label)}
		}
	}
	axes[eachIdentifier] = m.identifiers(&read.List, list, scopes)
	return axes
}

// identifiers returns the cells of cckm_sync_scope_info.
func (m *memory) identifiers(of *syncjob.List, list []*dto.LabelPair, scopes []namedScope) []cell {
	kind := m.label("kind", of.Kind)
	cells := m.cells.take(len(scopes))
	for i, scope := range scopes {
		id := of.Identify(scope.label.GetValue())
		cells[i] = cell{scope: scope.Scope, labels: m.join(
			list, kind, m.label("location", id.Location), m.label("name", id.Name), m.label("project", id.Project),
			scope.label, m.label("subscription", id.Subscription),
		)}
	}
	slices.SortFunc(cells, func(a, b cell) int {
		return slices.CompareFunc(a.labels, b.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
	return cells
}

// namedScope is a scope with its label, which is not always its name.
type namedScope struct {
	*syncjob.Scope

	label *dto.LabelPair
}

// named returns the scopes with their labels, by label. It is an error if two
// have one label: neither may stand for the other.
func (m *memory) named(scopes []*syncjob.Scope) ([]namedScope, error) {
	all := make([]namedScope, 0, len(scopes))
	for _, scope := range scopes {
		all = append(all, namedScope{Scope: scope, label: m.label("scope", validUTF8(scope.Name))})
	}
	slices.SortFunc(all, func(a, b namedScope) int { return cmp.Compare(a.label.GetValue(), b.label.GetValue()) })
	for i := 1; i < len(all); i++ {
		if one, other := all[i-1], all[i]; one.label.GetValue() == other.label.GetValue() {
			return nil, fmt.Errorf("the scopes %q and %q would both be written as %q", one.Name, other.Name, one.label.GetValue())
		}
	}
	return all, nil
}

// validUTF8 writes the bytes of a name that is no UTF-8, which a label must be,
// as Go's strings do: \xff. U+FFFD in their place could make two names one. No
// such name comes from an appliance, because JSON that is no UTF-8 is refused.
func validUTF8(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

// byText returns some statuses in the order of their text.
func byText(statuses []syncjob.Status) []syncjob.Status {
	return slices.SortedFunc(slices.Values(statuses), func(a, b syncjob.Status) int { return cmp.Compare(a.String(), b.String()) })
}
