// Package plan joins the schedules and the registered containers of an appliance with the jobs of a list:
// for each key ring or vault, whether it is registered, and when jobs should start. It is pure.
package plan

import (
	"cmp"
	"encoding/binary"
	"regexp"
	"slices"
	"time"

	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

// Scope is what is known about a key ring or vault apart from its jobs.
type Scope struct {
	// Name is the label: as in the newest job, else as in the inventory.
	Name string
	// Job sums up its jobs; it is nil if there are none.
	Job *syncjob.Scope
	// DisplayName is its name for people if Name is a UUID, or empty.
	DisplayName string
	// InventoryKnown is true if the inventory could be read, and Registered if it has the scope.
	InventoryKnown, Registered bool
	// RefreshedAt is the inventory's time of the last refresh, or zero.
	RefreshedAt time.Time

	// createdAt is when the container was registered, or zero, and set are the schedules that cover the
	// scope, or nil.
	createdAt time.Time
	set       *schedule.Set
}

// Times returns when jobs should start, by the appliance's clock.
func (s *Scope) Times(now time.Time) schedule.Times {
	if s.set == nil {
		return schedule.Times{}
	}
	return s.set.Times(now, s.createdAt)
}

// Schedules returns the schedules that cover the scope. They must not be changed.
func (s *Scope) Schedules() []*schedule.Schedule {
	if s.set == nil {
		return nil
	}
	return s.set.Schedules()
}

// ForgottenAfter reports whether the scope is omitted everywhere, because its newest job is older than a limit
// and it is not registered. A limit of 0 keeps every scope.
func (s *Scope) ForgottenAfter(limit time.Duration, now time.Time) bool {
	return s.Job != nil && !s.Registered && s.Job.ForgottenAfter(limit, now)
}

// Of returns the scopes of a list: those that jobs cover, and the registered containers that no job
// covers, sorted by name. The schedules are nil, or the inventory is nil, if they are not known. The
// result refers to the summary.
func Of(list *syncjob.List, summary *syncjob.Summary, schedules []*schedule.Schedule, inv *inventory.Inventory) []Scope {
	j := newJoiner(list, inv)
	for _, s := range schedules {
		if s.Covers(list) {
			j.add(s)
		}
	}
	scopes := make([]Scope, 0, len(summary.Scopes))
	named := make(map[string]bool, len(summary.Scopes))
	for i := range summary.Scopes {
		named[list.ScopeKey(summary.Scopes[i].Name)] = true
	}
	for i := range summary.Scopes {
		job := &summary.Scopes[i]
		scopes = append(scopes, j.scope(job.Name, job))
	}
	for i := range j.containers {
		c := &j.containers[i]
		if !c.RegisteredIn(list) || len(scopes) >= syncjob.MaxScopes || slices.ContainsFunc(c.Keys, func(key string) bool { return named[list.ScopeKey(key)] }) {
			continue
		}
		scopes = append(scopes, j.scope(c.Keys[0], nil))
		// Of double records, one is enough.
		for _, key := range c.Keys {
			named[list.ScopeKey(key)] = true
		}
	}
	slices.SortFunc(scopes, func(a, b Scope) int { return cmp.Compare(a.Name, b.Name) })
	return scopes
}

// joiner joins the scopes of one list.
type joiner struct {
	list       *syncjob.List
	known      bool
	containers []inventory.Container
	// byKey are the places of the containers that a job's scope may mean: usually one, or none. byAlias are
	// those that a schedule may mean by an id or a name for people.
	byKey, byAlias map[string][]int
	// schedules are those that start jobs of the list. all are the places of those for every registered
	// container; the others cover scopes by name or by the place of a container.
	schedules   []*schedule.Schedule
	all         []int
	byName      map[string][]int
	byContainer map[int][]int
	// sets are those of schedules, by their places.
	sets map[string]*schedule.Set
}

func newJoiner(list *syncjob.List, inv *inventory.Inventory) *joiner {
	j := &joiner{
		list: list, byKey: map[string][]int{}, byAlias: map[string][]int{},
		byName: map[string][]int{}, byContainer: map[int][]int{}, sets: map[string]*schedule.Set{},
	}
	if inv == nil {
		return j
	}
	j.known, j.containers = true, inv.Containers(list)
	for i := range j.containers {
		c := &j.containers[i]
		for _, key := range slices.Concat(c.Keys, c.Parts) {
			put(j.byKey, list.ScopeKey(key), i)
		}
		for _, alias := range c.Aliases {
			put(j.byAlias, list.ScopeKey(alias), i)
		}
	}
	return j
}

// put adds a place to those of a key, and reports whether it is new. Places must not decrease.
func put[K comparable](places map[K][]int, key K, place int) bool {
	old := places[key]
	if len(old) > 0 && old[len(old)-1] == place {
		return false
	}
	places[key] = append(old, place)
	return true
}

// add adds a schedule that starts jobs of the list.
func (j *joiner) add(s *schedule.Schedule) {
	place := len(j.schedules)
	j.schedules = append(j.schedules, s)
	if s.All {
		j.all = append(j.all, place)
		return
	}
	for _, name := range s.Containers {
		key := j.list.ScopeKey(name)
		if !put(j.byName, key, place) {
			continue
		}
		means := j.byKey[key]
		// A name for people may be that of several containers. Then nobody knows which one it means.
		if means == nil && j.areOne(j.byAlias[key]) {
			means = j.byAlias[key]
		}
		for _, i := range means {
			put(j.byContainer, i, place)
		}
	}
}

// areOne reports whether records are of one container, which may have several.
func (j *joiner) areOne(records []int) bool {
	for _, i := range records {
		if j.list.ScopeKey(j.containers[i].Keys[0]) != j.list.ScopeKey(j.containers[records[0]].Keys[0]) {
			return false
		}
	}
	return true
}

// scope returns the scope with a name.
func (j *joiner) scope(name string, job *syncjob.Scope) Scope {
	s := Scope{Name: name, Job: job, InventoryKnown: j.known}
	key := j.list.ScopeKey(name)
	records := j.byKey[key]
	isUUID := uuid.MatchString(name)
	dated := true
	for _, i := range records {
		c := &j.containers[i]
		if isUUID && s.DisplayName == "" {
			s.DisplayName = c.Display
		}
		if c.RefreshedAt.After(s.RefreshedAt) {
			s.RefreshedAt = c.RefreshedAt
		}
		if !c.RegisteredIn(j.list) {
			continue
		}
		// Of double records, the first one counts.
		if !s.Registered || c.CreatedAt.Before(s.createdAt) {
			s.createdAt = c.CreatedAt
		}
		s.Registered = true
		dated = dated && !c.CreatedAt.IsZero()
	}
	if !dated {
		s.createdAt = time.Time{}
	}
	covering := slices.Clone(j.byName[key])
	for _, i := range records {
		covering = append(covering, j.byContainer[i]...)
	}
	if s.Registered || !j.known {
		covering = append(covering, j.all...)
	}
	s.set = j.setOf(covering)
	return s
}

// setOf returns the set of schedules with these places, or nil if there are none.
func (j *joiner) setOf(places []int) *schedule.Set {
	if len(places) == 0 {
		return nil
	}
	slices.Sort(places)
	places = slices.Compact(places)
	var id []byte
	for _, place := range places {
		id = binary.AppendUvarint(id, uint64(place)) //nolint:gosec // It is not negative.
	}
	if set := j.sets[string(id)]; set != nil {
		return set
	}
	schedules := make([]*schedule.Schedule, 0, len(places))
	for _, place := range places {
		schedules = append(schedules, j.schedules[place])
	}
	set := schedule.NewSet(schedules)
	j.sets[string(id)] = set
	return set
}

// uuid is the form of identifiers that say nothing to people.
var uuid = regexp.MustCompile(`^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
