package collector

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// dimension is the set of labels that a metric's series are enumerated over. All have cloud and
// item.
type dimension int

const (
	perList dimension = iota
	// perReason adds reason. Only perList and perReason have samples if the read of the list failed.
	perReason
	// perReadList adds no label.
	perReadList
	// perListStatus adds status.
	perListStatus
	// perScope adds scope.
	perScope
	// perScopeStatus adds scope and status.
	perScopeStatus
	// perScopeResult adds scope and result.
	perScopeResult
	// perIdentifier adds scope, kind, name, project, location and subscription.
	perIdentifier

	numDimensions
)

// sample is what one series is about. Fields that its dimension does not need are not set.
type sample struct {
	read   *scrape.ListRead
	scope  *syncjob.Scope
	status syncjob.Status
	reason reason.Reason
	labels []*dto.LabelPair
}

// samples returns the samples of one list for every dimension. As in a registry of client_golang,
// those of a dimension are ordered by label values, and labels by name; scopes are ordered already.
// Series of all metrics of a dimension share the labels, which must not be changed.
func (a *arena) samples(read *scrape.ListRead, scopes []*syncjob.Scope) (of [numDimensions][]sample) {
	list := []*dto.LabelPair{a.label("cloud", read.List.Cloud), a.label("item", read.List.Item)}

	of[perList] = append(a.sampleSlices.take(1)[:0], sample{read: read, labels: list})
	reasons := slices.Sorted(slices.Values(reason.All()))
	of[perReason] = a.sampleSlices.take(len(reasons))
	for i, r := range reasons {
		of[perReason][i] = sample{read: read, reason: r, labels: a.join(list, a.label("reason", string(r)))}
	}
	if read.Err != nil {
		return of
	}
	of[perReadList] = of[perList]
	all := syncjob.Statuses()
	statuses, results := byText(all[:]), byText(syncjob.Results())
	of[perListStatus] = a.sampleSlices.take(len(statuses))
	of[perScope] = a.sampleSlices.take(len(scopes))
	of[perScopeStatus] = a.sampleSlices.take(len(scopes) * len(statuses))
	of[perScopeResult] = a.sampleSlices.take(len(scopes) * len(results))
	names := make([]*dto.LabelPair, len(scopes))
	for i, scope := range scopes {
		names[i] = a.label("scope", scope.Name)
		of[perScope][i] = sample{scope: scope, labels: a.join(list, names[i])}
	}
	for i, s := range statuses {
		status := a.label("status", s.String())
		of[perListStatus][i] = sample{read: read, status: s, labels: a.join(list, status)}
		for j, scope := range scopes {
			of[perScopeStatus][j*len(statuses)+i] = sample{scope: scope, status: s, labels: a.join(list, names[j], status)}
		}
	}
	for i, r := range results {
		result := a.label("result", r.String())
		for j, scope := range scopes {
			of[perScopeResult][i*len(scopes)+j] = sample{scope: scope, status: r, labels: a.join(list, result, names[j])}
		}
	}
	of[perIdentifier] = a.identifiers(&read.List, list, scopes, names)
	return of
}

// identifiers returns the samples of cckm_sync_scope_info.
func (a *arena) identifiers(of *syncjob.List, list []*dto.LabelPair, scopes []*syncjob.Scope, names []*dto.LabelPair) []sample {
	kind := a.label("kind", of.Kind)
	samples := a.sampleSlices.take(len(scopes))
	for i, scope := range scopes {
		id := of.Identify(scope.Name)
		samples[i] = sample{scope: scope, labels: a.join(
			list, kind, a.label("location", id.Location), a.label("name", id.Name), a.label("project", id.Project),
			names[i], a.label("subscription", id.Subscription),
		)}
	}
	slices.SortFunc(samples, func(a, b sample) int {
		return slices.CompareFunc(a.labels, b.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
	return samples
}

// byText returns statuses ordered by their text.
func byText(statuses []syncjob.Status) []syncjob.Status {
	return slices.SortedFunc(slices.Values(statuses), func(a, b syncjob.Status) int { return cmp.Compare(a.String(), b.String()) })
}
