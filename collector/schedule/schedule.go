// Package schedule says when the appliance's schedules should start synchronization jobs, and of what. It
// is pure: package sources reads the records.
package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/syncjob"
)

// The path of the schedules below /api/v1/, and the operation of those that synchronize.
const (
	Path      = "scheduler/job-configs"
	Operation = "cckm_synchronization"
)

// Record is a record of Path. A response calls its parameters job_config_params, a request
// cckm_synchronization_params; an appliance may return either.
type Record struct {
	ID        recordjson.Text `json:"id"`
	Name      recordjson.Text `json:"name"`
	Operation recordjson.Text `json:"operation"`
	RunAt     recordjson.Text `json:"run_at"`
	Disabled  recordjson.Flag `json:"disabled"`
	CreatedAt recordjson.Time `json:"createdAt"`
	UpdatedAt recordjson.Time `json:"updatedAt"`
	StartDate recordjson.Time `json:"start_date"`
	EndDate   recordjson.Time `json:"end_date"`

	Params     recordjson.Optional[Params] `json:"job_config_params"`
	SyncParams recordjson.Optional[Params] `json:"cckm_synchronization_params"`
}

// Params say what a schedule synchronizes. The containers are ids or names.
type Params struct {
	CloudName recordjson.Text  `json:"cloud_name"`
	All       recordjson.Flag  `json:"synchronize_all"`
	SyncItems recordjson.Texts `json:"sync_items"`
	SyncItem  recordjson.Texts `json:"sync_item"`

	KMS           recordjson.Texts `json:"kms"`
	KeyVaults     recordjson.Texts `json:"key_vaults"`
	KeyRings      recordjson.Texts `json:"key_rings"`
	OCIVaults     recordjson.Texts `json:"oci_vaults"`
	Organizations recordjson.Texts `json:"organizations"`
	Groups        recordjson.Texts `json:"groups"`
	Domains       recordjson.Texts `json:"domains"`
	Partitions    recordjson.Texts `json:"partitions"`
}

// containers returns what the parameters name.
func (p *Params) containers() []string {
	return slices.Concat(p.KMS, p.KeyVaults, p.KeyRings, p.OCIVaults, p.Organizations, p.Groups, p.Domains, p.Partitions)
}

// Strings returns how many strings the record's arrays have.
func (r *Record) Strings() int {
	return len(r.Params.Value.containers()) + len(r.SyncParams.Value.containers()) + len(r.Params.Value.SyncItems)
}

// Schedule is a schedule that synchronizes.
type Schedule struct {
	// Label is its name. If several schedules have the name, it also has the beginning of the id.
	Label string
	// Cloud is the label "cloud" of the lists that it covers. If that is not known, it is cloud_name.
	Cloud string
	// RunAt is the cron expression, and Problem why it is not understood, if so.
	RunAt, Problem string
	Disabled       bool
	// All is true if it covers every registered container. Otherwise it covers Containers, which are ids
	// or names.
	All        bool
	Containers []string

	id string
	// start is the schedule's start_date, from its first possible time, and until its end_date; zero means none.
	start, from, until time.Time
	updated            time.Time
	// items are the values of sync_items.
	items []string
	// spec is nil if RunAt is not understood.
	spec *cron.SpecSchedule
	// instant has the times that were computed last.
	instant atomic.Pointer[instant]
}

// The bounds of all schedules together.
const (
	MaxSchedules = 2000
	maxBytes     = 8 << 20
	maxRunAt     = 512
)

// Builder makes schedules from records.
type Builder struct {
	byID  map[string]*Schedule
	clean func(string) string
	bytes int
}

// NewBuilder returns an empty Builder. It calls clean for texts that people read, which must return them
// without secrets and printable.
func NewBuilder(clean func(string) string) *Builder {
	return &Builder{byID: map[string]*Schedule{}, clean: clean}
}

// Add adds a record, and reports whether it is the first one with its id. Records of other operations are
// ignored. Of two records with one id, the one that was updated last counts.
func (b *Builder) Add(r *Record) (added bool, err error) {
	id := string(r.ID)
	if id == "" || len(id) > recordjson.MaxNameBytes {
		return false, errors.New("a schedule has no id, or a very long one")
	}
	old := b.byID[id]
	if r.Operation != "" && r.Operation != Operation {
		return true, nil
	}
	if old != nil && !old.updated.Before(r.UpdatedAt.Time) {
		return false, nil
	}
	s := newSchedule(r, b.clean)
	for _, text := range append(s.Containers, id, s.Label, s.RunAt) {
		if len(text) > recordjson.MaxNameBytes {
			return false, fmt.Errorf("the schedule %.40q has a name of %d bytes", b.clean(id), len(text))
		}
		b.bytes += len(text) + 16
	}
	b.byID[id] = s
	if b.bytes > maxBytes || len(b.byID) > MaxSchedules {
		return false, fmt.Errorf("there are more than %d schedules, or more than %d MiB of what they name", MaxSchedules, maxBytes>>20)
	}
	return old == nil, nil
}

func newSchedule(r *Record, clean func(string) string) *Schedule {
	params := &r.Params.Value
	if other := &r.SyncParams.Value; params.CloudName == "" {
		params = other
	}
	s := &Schedule{
		Label: cmp.Or(clean(string(r.Name)), clean(string(r.ID))), RunAt: clean(string(r.RunAt)), Disabled: bool(r.Disabled),
		Cloud: cloudOf(string(params.CloudName)), All: bool(params.All), Containers: params.containers(), id: string(r.ID),
		start: r.StartDate.Time, from: r.StartDate.Time, until: r.EndDate.Time, updated: r.UpdatedAt.Time,
	}
	if s.Cloud == "" {
		s.Cloud = clean(string(params.CloudName))
	}
	for _, t := range []time.Time{r.CreatedAt.Time, r.UpdatedAt.Time} {
		if t.After(s.from) {
			s.from = t
		}
	}
	for _, item := range slices.Concat(params.SyncItems, params.SyncItem) {
		s.items = append(s.items, strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(item), "azure-"), "s"))
	}
	s.spec, s.Problem = parse(string(r.RunAt))
	return s
}

// parse parses a cron expression as the appliance does. Its documented table is that of this parser.
func parse(runAt string) (spec *cron.SpecSchedule, problem string) {
	if len(runAt) > maxRunAt {
		return nil, "it is too long"
	}
	// The parser panics if a time zone stands alone.
	if strings.Contains(runAt, "TZ=") && !strings.Contains(strings.TrimSpace(runAt), " ") {
		return nil, "it has only a time zone"
	}
	parsed, err := cron.ParseStandard(runAt)
	if err != nil {
		return nil, err.Error()
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, "the times of @every are not known"
	}
	return spec, ""
}

// cloudOf returns the label "cloud" of a cloud_name, or "" if it is not known. AWS and Azure have names
// for partitions such as aws-us-gov.
func cloudOf(name string) string {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "aws"):
		return "aws"
	case strings.HasPrefix(name, "azure"):
		return "azure"
	case name == "gcp", name == "google":
		return "google"
	case name == "hsm-luna", name == "luna":
		return "luna"
	case name == "oci", name == "sap", name == "sfdc", name == "dsm":
		return name
	default:
		return ""
	}
}

// Schedules returns the schedules of the records, ordered by label.
func (b *Builder) Schedules() []*Schedule {
	named, labeled := map[string]int{}, map[string]int{}
	all := make([]*Schedule, 0, len(b.byID))
	for _, s := range b.byID {
		named[s.Label]++
		all = append(all, s)
	}
	const shown = 8
	for _, s := range all {
		if named[s.Label] > 1 {
			s.Label = fmt.Sprintf("%s (%s)", s.Label, b.clean(s.id[:min(shown, len(s.id))]))
		}
		labeled[s.Label]++
	}
	for _, s := range all {
		// The beginnings of two ids may be equal, and a name may look like this.
		if labeled[s.Label] > 1 {
			s.Label = fmt.Sprintf("%s (%s)", s.Label, b.clean(s.id))
		}
	}
	slices.SortFunc(all, func(a, b *Schedule) int { return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.id, b.id)) })
	return slices.CompactFunc(all, func(a, b *Schedule) bool { return a.Label == b.Label })
}

// Covers reports whether the schedule starts jobs of a list.
func (s *Schedule) Covers(list *syncjob.List) bool {
	if s.Cloud != list.Cloud {
		return false
	}
	if list.Cloud != "azure" || len(s.items) == 0 {
		// Neither custom key stores, nor SFDC's certificates, nor Luna's synchronizations have schedules.
		return list.Item == "key"
	}
	return slices.Contains(s.items, list.Item) || slices.Contains(s.items, "all")
}

// Enabled reports whether the schedule is enabled and within its dates.
func (s *Schedule) Enabled(now time.Time) bool {
	return !s.Disabled && !now.Before(s.start) && (s.until.IsZero() || !now.After(s.until))
}
