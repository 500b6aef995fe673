package collector

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
)

// dimension is the set of labels that a metric's series are enumerated over. Those of lists have cloud and
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
	// perPlanned adds scope. It has samples only if schedules or inventories are read, also for scopes that
	// no job covers.
	perPlanned
	// perIdentifier adds scope, kind, name, project, location and subscription.
	perIdentifier

	// The following do not have cloud and item, and no list. perSource has source.
	perSource
	// perSourceReason has source and reason.
	perSourceReason
	// perSchedule has schedule.
	perSchedule
	// perScheduleInfo has cloud, run_at and schedule.
	perScheduleInfo

	numDimensions
)

// sample is what one series is about. Fields that its dimension does not need are not set.
type sample struct {
	read   *scrape.ListRead
	scope  *syncjob.Scope
	status syncjob.Status
	reason reason.Reason

	planned  *plannedScope
	source   *sources.Status
	schedule *schedule.Schedule

	labels []*dto.LabelPair
}

// samples returns the samples of one list for every dimension. As in a registry of client_golang,
// those of a dimension are ordered by label values, and labels by name; scopes are ordered already.
// Series of all metrics of a dimension share the labels, which must not be changed.
func (a *arena) samples(read *scrape.ListRead, scopes []*syncjob.Scope, planned []plannedScope) (of [numDimensions][]sample) {
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
	kind := a.label("kind", read.List.Kind)
	if planned == nil {
		of[perIdentifier] = a.sampleSlices.take(len(scopes))
		for i, scope := range scopes {
			of[perIdentifier][i] = a.identifier(&read.List, list, kind, names[i], "")
			of[perIdentifier][i].scope = scope
		}
	} else {
		of[perPlanned], of[perIdentifier] = a.sampleSlices.take(len(planned)), a.sampleSlices.take(len(planned))
		for i := range planned {
			scope := a.label("scope", planned[i].Name)
			of[perPlanned][i] = sample{planned: &planned[i], labels: a.join(list, scope)}
			of[perIdentifier][i] = a.identifier(&read.List, list, kind, scope, planned[i].DisplayName)
		}
	}
	sortByLabels(of[perIdentifier])
	return of
}

// plannedScope is a scope with what should have happened to it.
type plannedScope struct {
	*plan.Scope

	times schedule.Times
}

// identifier returns the sample of cckm_sync_scope_info of a scope. A display name, if there is one, replaces
// the name of the identifier.
func (a *arena) identifier(of *syncjob.List, list []*dto.LabelPair, kind, scope *dto.LabelPair, display string) sample {
	id := of.Identify(scope.GetValue())
	return sample{labels: a.join(
		list, kind, a.label("location", id.Location), a.label("name", cmp.Or(display, id.Name)),
		a.label("project", id.Project), scope, a.label("subscription", id.Subscription),
	)}
}

// ofSources returns the samples of schedules and inventories.
func (a *arena) ofSources(state *sources.State) (of [numDimensions][]sample) {
	reasons := slices.Sorted(slices.Values(reason.All()))
	for i := range state.Sources {
		status := &state.Sources[i]
		source := a.label("source", status.Name)
		of[perSource] = append(of[perSource], sample{source: status, labels: a.join(nil, source)})
		for _, r := range reasons {
			of[perSourceReason] = append(of[perSourceReason], sample{source: status, reason: r, labels: a.join(nil, a.label("reason", string(r)), source)})
		}
	}
	for _, s := range state.Schedules {
		label := a.label("schedule", s.Label)
		of[perSchedule] = append(of[perSchedule], sample{schedule: s, labels: a.join(nil, label)})
		of[perScheduleInfo] = append(of[perScheduleInfo], sample{schedule: s, labels: a.join(nil, a.label("cloud", s.Cloud), a.label("run_at", s.RunAt), label)})
	}
	sortByLabels(of[perSourceReason])
	sortByLabels(of[perScheduleInfo])
	return of
}

// sortByLabels sorts samples whose labels have the same names by their values.
func sortByLabels(samples []sample) {
	slices.SortFunc(samples, func(a, b sample) int {
		return slices.CompareFunc(a.labels, b.labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetValue(), b.GetValue()) })
	})
}

// byText returns statuses ordered by their text.
func byText(statuses []syncjob.Status) []syncjob.Status {
	return slices.SortedFunc(slices.Values(statuses), func(a, b syncjob.Status) int { return cmp.Compare(a.String(), b.String()) })
}
