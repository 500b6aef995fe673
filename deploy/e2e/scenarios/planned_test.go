package scenarios_test

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// firstRun is the minute of each life at which the schedules with whole minutes are due first, if the
// appliance's clock is right.
const firstRun = 20

// nextRun returns the first whole minute of the appliance's clock from now on. As time in a schedule is not
// divided, it is an hour of the life after the one before it.
func (p *plant) nextRun() time.Time { return p.now().Truncate(time.Minute).Add(time.Minute) }

// hourly is a schedule of every hour of a life.
func (*plant) hourly() simulator.Schedule { return simulator.Schedule{RunAt: "* * * * *"} }

// nightly is a schedule of every 20 hours of a life that is due hours after the next run.
func (p *plant) nightly(hours int) simulator.Schedule {
	m := p.nextRun().UTC().Minute() + hours
	return simulator.Schedule{RunAt: fmt.Sprintf("%d,%d,%d * * * *", m%60, (m+20)%60, (m+40)%60)}
}

// rare is a schedule of every 60 hours of a life.
func (p *plant) rare() simulator.Schedule {
	return simulator.Schedule{RunAt: fmt.Sprintf("%d * * * *", p.nextRun().UTC().Minute())}
}

// schedules replaces the appliance's schedules. Those that name no containers cover all. They were created and
// changed long ago, unless they say when.
func (p *plant) schedules(list string, all ...simulator.Schedule) {
	p.t.Helper()
	kind := p.list(list).Kind()
	records := make([]simulator.Record, 0, len(all))
	for i, s := range all {
		s.Name, s.Cloud, s.CreatedAt = fmt.Sprint("schedule-", i), kind.Cloud, p.now().Add(-24*time.Hour)
		if s.UpdatedAt.IsZero() {
			s.UpdatedAt = s.CreatedAt
		}
		if list == google {
			s.Cloud = "gcp"
		} else {
			s.Cloud, s.Items = "AzureCloud", []string{"certificate"}
		}
		s.All, s.Field = s.Containers == nil, kind.ScopeField
		records = append(records, s.Record())
	}
	p.appliance.SetRecords(simulator.JobConfigsPath, records, simulator.ListBehaviour{})
}

// register replaces the registered containers of a list. None has been refreshed.
func (p *plant) register(list string, scopes ...string) {
	p.t.Helper()
	p.registerAs(list, nil, scopes...)
}

// registerAs is register with further fields of the last container.
func (p *plant) registerAs(list string, fields simulator.Record, scopes ...string) {
	p.t.Helper()
	kind := p.list(list).Kind()
	records := make([]simulator.Record, 0, len(scopes))
	for _, scope := range scopes {
		record := kind.Container(scope, p.now().Add(-24*time.Hour), time.Time{})
		delete(record, "synced_at")
		records = append(records, record)
	}
	if fields != nil {
		maps.Copy(records[len(records)-1], fields)
	}
	p.appliance.SetRecords(kind.InventoryPath(), records, simulator.ListBehaviour{})
}

// ran inserts a job that was started by the run of a schedule hours before the next one.
func (p *plant) ran(list, status string, hours int, scopes ...string) {
	p.t.Helper()
	p.finished(list, status, p.now().Sub(p.nextRun())+time.Duration(hours)*hour-2*minute, scopes...)
}

// night is good for key rings with a schedule of every 20 hours.
func night(p *plant) {
	p.register(google, ring, otherRing)
	p.schedules(google, p.nightly(0))
	p.ran(google, completed, 20, ring, otherRing)
}

// hours is good for a vault with a schedule of every hour.
func hours(p *plant) {
	p.register(azure, vault)
	p.schedules(azure, p.hourly())
	p.ran(azure, completed, 1, vault)
}

// runs are the runs of every hour, which complete scopes.
func runs(list, status string, scopes ...string) []step {
	run := func(p *plant) { p.finished(list, status, 0, scopes...) }
	return []step{{firstRun + 2, run}, {firstRun + 62, run}}
}

// plannedLives are about schedules.
func plannedLives() []*life {
	missed := func(about string, clears int) want {
		return want{name: "Missed", severity: warning, about: about, at: firstRun + 15, clears: clears}
	}
	// The last known state counts for 20 minutes, and the alert waits for 15.
	unscheduled := func(at, clears int) want {
		return want{name: "Unscheduled", severity: warning, about: googleList, at: at + 36, clears: clears}
	}
	lives := []*life{
		{
			name:  "a missed night",
			steps: []step{{0, night}, {60, func(p *plant) { p.finished(google, completed, 0, ring, otherRing) }}},
			wants: []want{missed(ring, 60), missed(otherRing, 60)},
		},
		{
			name:  "a missed night, and an exporter that restarts",
			steps: []step{{0, night}, {60, (*plant).stopExporters}, {61, (*plant).startExporters}},
			wants: []want{missed(ring, 0), missed(otherRing, 0)},
		},
		{name: "a run that starts late", steps: []step{{0, night}, {30, func(p *plant) { p.finished(google, completed, 0, ring, otherRing) }}}},
		{
			name: "a job that is slower than its schedule", steps: []step{
				{0, func(p *plant) {
					p.register(google, ring)
					p.schedules(google, p.hourly())
					p.finished(google, completed, 50*minute, ring)
					p.begin("slow", google, 39*minute, ring)
				}},
				{70, func(p *plant) { p.complete("slow") }},
				{80, func(p *plant) { p.begin("next", google, 0, ring) }},
				{82, func(p *plant) { p.complete("next") }},
			},
			wants: []want{missed(ring, 80)},
		},
		{name: "a schedule that is edited", steps: []step{
			{0, night},
			{5, func(p *plant) {
				s := p.nightly(1)
				s.UpdatedAt = p.now()
				p.schedules(google, s)
			}},
			{80, func(p *plant) { p.begin("next", google, 0, ring, otherRing) }},
			{82, func(p *plant) { p.complete("next") }},
		}},
		{name: "a schedule that becomes more frequent", steps: append([]step{
			{0, night},
			{5, func(p *plant) {
				s := p.hourly()
				s.UpdatedAt = p.now()
				p.schedules(google, s)
			}},
		}, runs(google, completed, ring, otherRing)...)},
		{
			name: "a schedule that is disabled, then enabled", steps: []step{
				{0, night},
				{10, func(p *plant) {
					s := p.nightly(0)
					s.Disabled, s.UpdatedAt = true, p.now()
					p.schedules(google, s)
				}},
				{70, func(p *plant) {
					s := p.nightly(10)
					s.UpdatedAt = p.now()
					p.schedules(google, s)
				}},
			},
			wants: []want{unscheduled(10, 70)},
		},
		{
			name: "a schedule that ends", steps: append([]step{
				{0, func(p *plant) {
					p.register(google, ring)
					s := p.hourly()
					s.EndDate = p.nextRun().Add(10 * minute)
					p.schedules(google, s)
					p.ran(google, completed, 1, ring)
				}},
			}, runs(google, completed, ring)[:1]...),
			wants: []want{unscheduled(firstRun, 0)},
		},
		{
			name: "two schedules, one of them disabled", steps: []step{
				{0, func(p *plant) {
					p.register(google, ring)
					a, b := p.nightly(0), p.nightly(1)
					a.Containers, b.Containers = []string{ring}, []string{ring}
					p.schedules(google, a, b)
					p.ran(google, completed, 20, ring)
					p.ran(google, completed, 19, ring)
				}},
				{10, func(p *plant) {
					a, b := p.nightly(0), p.nightly(1)
					a.Containers, b.Containers = []string{ring}, []string{ring}
					b.Disabled, b.UpdatedAt = true, p.now()
					p.schedules(google, a, b)
				}},
				{60, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{missed(ring, 60)},
		},
		{
			name:  "synchronize_all, and a job that lacks one",
			steps: []step{{0, night}, {firstRun + 2, func(p *plant) { p.finished(google, completed, 0, ring) }}},
			wants: []want{missed(otherRing, 0)},
		},
		{
			name: "a missed night by a clock that is fast", skew: 30 * minute, steps: []step{{0, night}},
			wants: []want{
				{name: "ClockOffset", severity: warning, at: 4},
				{name: "Missed", severity: warning, about: ring, at: firstRun + 45},
				{name: "Missed", severity: warning, about: otherRing, at: firstRun + 45},
			},
		},
		{
			name: "an hourly schedule that fails", steps: append([]step{
				{0, func(p *plant) {
					p.register(google, ring)
					p.schedules(google, p.hourly())
					p.finished(google, completed, 2*hour+5*minute, ring)
					p.ran(google, failed, 1, ring)
				}},
				{60, (*plant).stopExporters},
				{61, (*plant).startExporters},
			}, runs(google, failed, ring)...),
			wants: []want{failing(), {name: "Overdue", severity: critical, about: ring, at: 10}},
		},
		{name: "a schedule that is rare", steps: append([]step{
			{0, func(p *plant) {
				p.register(google, ring)
				p.schedules(google, p.rare())
			}},
			// By now, the exporter has read the schedule.
			{7, func(p *plant) { p.ran(google, completed, 60, ring) }},
		}, runs(google, completed, ring)...)},
		{
			name: "no permission for the scheduler", steps: []step{
				{0, func(p *plant) {
					p.register(google, ring, otherRing)
					p.register(azure, vault, otherVault)
					oneFailed(p)
					p.answer(simulator.JobConfigsPath, http.StatusForbidden)
				}},
			},
			wants: []want{failing(), {name: "SourceUnreadable", severity: warning, at: 62}},
		},
	}
	for _, l := range lives {
		l.planned = true
	}
	return lives
}

// registeredLives are about inventories.
func registeredLives() []*life {
	hourlyVault := runs(azure, completed, vault)
	lives := []*life{
		{name: "a new vault with a schedule", steps: append([]step{
			{0, hours},
			{10, func(p *plant) {
				p.registerAs(azure, simulator.Record{"createdAt": p.now()}, vault, otherVault)
			}},
		}, runs(azure, completed, vault, otherVault)...)},
		{
			name: "a registered vault that is never synchronized",
			steps: append([]step{{0, func(p *plant) {
				hours(p)
				p.register(azure, vault, otherVault)
			}}}, hourlyVault...),
			wants: []want{{name: "NeverSucceeded", severity: warning, about: otherVault, at: 62}},
		},
		{name: "a removed vault, known from the inventory", steps: append([]step{
			{0, func(p *plant) {
				hours(p)
				p.finished(azure, completed, 48*hour-10*minute, otherVault)
			}},
			{40, func(p *plant) { p.finished(azure, failed, 0, otherVault) }},
		}, hourlyVault...)},
		{
			name: "a failing vault that is removed", steps: append([]step{
				{0, func(p *plant) {
					hours(p)
					p.register(azure, vault, otherVault)
					p.ran(azure, completed, 1, otherVault)
					p.finished(azure, failed, 20*minute, otherVault)
				}},
				{15, func(p *plant) { p.register(azure, vault) }},
			}, hourlyVault...),
			wants: []want{{name: "Failed", severity: warning, about: otherVault, clears: 15}},
		},
		{name: "a managed HSM has no certificates", steps: append([]step{
			{0, func(p *plant) {
				hours(p)
				p.registerAs(azure, simulator.Record{"type": "managedHsm"}, vault, otherVault)
			}},
		}, hourlyVault...)},
		{name: "an archived vault", steps: append([]step{
			{0, func(p *plant) {
				hours(p)
				p.registerAs(azure, simulator.Record{"status": "archived"}, vault, otherVault)
			}},
			{10, func(p *plant) { p.finished(azure, failed, 0, otherVault) }},
		}, hourlyVault...)},
		{
			name: "an inventory that cannot be read",
			steps: []step{{0, func(p *plant) {
				p.register(google, ring, otherRing)
				p.register(azure, vault, otherVault)
				good(p)
			}}, {10, func(p *plant) { p.answerError("cckm/azure/vaults") }}},
			wants: []want{{name: "SourceUnreadable", severity: warning, at: 72}},
		},
	}
	for _, l := range lives {
		l.planned = true
	}
	return lives
}
