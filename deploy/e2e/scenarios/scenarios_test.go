// Package scenarios_test runs many lives of a fleet at once: simulated appliances, the exporter, a real
// Prometheus with the rules of deploy/prometheus, a real Alertmanager with its inhibitions, and a webhook that
// records the notifications. Each life has the alerts that must arrive, and the minutes at which they must fire
// and clear. Any other alert is a false alarm, and any missing one is a miss.
//
// A minute passes in a second. Since Prometheus' clock cannot be changed, all durations in the text of the
// shipped files are divided by sixty.
package scenarios_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// lasts is the length of a life in minutes.
const lasts = 100

// TestScenarios runs all lives at once. There must be no false alarm and no missed alert.
func TestScenarios(t *testing.T) {
	for _, name := range []string{"prometheus", "promtool", "amtool"} {
		livetest.Program(t, name)
	}
	hook := startWebhook(t)
	alertmanager := startAlertmanager(t, hook.url)
	lives := allLives()
	plants := make([]*plant, 0, len(lives))
	for _, l := range lives {
		plants = append(plants, newPlant(t, l))
	}
	servers := startPrometheuses(t, alertmanager.address, plants)
	for _, s := range servers {
		if !livetest.WaitFor(time.Minute, func() bool { return s.reachesAll(t.Context()) }) {
			t.Fatalf("a Prometheus does not scrape all of its %d targets:\n%s", len(s.targets), s.log.String())
		}
	}
	// Schedules have whole minutes, in which an hour of a life passes: the first one is at minute firstRun.
	const before = 8 * minute
	start := time.Now().Add(before + firstRun*minute).Truncate(time.Minute).Add(time.Minute - firstRun*minute)
	livetest.WaitFor(time.Until(start.Add(-before)), func() bool { return false })
	for _, s := range servers {
		s.loadRules(t)
	}
	for _, s := range servers {
		if !livetest.WaitFor(time.Minute, func() bool { return s.knowsAlertmanager(t.Context()) }) {
			t.Fatalf("a Prometheus does not find Alertmanager:\n%s", s.log.String())
		}
	}

	livetest.WaitFor(time.Until(start), func() bool { return false })
	live(t, start, plants)
	hook.mu.Lock()
	defer hook.mu.Unlock()
	for _, err := range hook.errs {
		t.Error(err)
	}
	falseAlarms, misses, table := judgeAll(lives, hook.changes, start)
	t.Logf("\n%s%d lives, %d false alarms, %d misses", table, len(lives), falseAlarms, misses)
	if falseAlarms > 0 || misses > 0 {
		t.Fail()
	}
}

// startPrometheuses starts the servers that the lives need.
func startPrometheuses(t *testing.T, alertmanager string, plants []*plant) map[watcher]*prometheusServer {
	t.Helper()
	servers := make(map[watcher]*prometheusServer)
	for _, p := range plants {
		who := p.life.watched
		if servers[who] == nil {
			servers[who] = startPrometheus(t, alertmanager, targetsOf(who, plants))
		}
		p.prometheus = servers[who]
	}
	return servers
}

// targetsOf returns the targets of a Prometheus. The first one has those of the second one, too.
func targetsOf(who watcher, plants []*plant) []scraped {
	var targets []scraped
	for _, p := range plants {
		if p.life.watched == who || who == byOne && p.life.watched == byTwo {
			for _, e := range p.exporters {
				targets = append(targets, e.scraped)
				for _, name := range p.life.targets() {
					targets = append(targets, scraped{e.job, name, e.address, name})
				}
			}
		}
	}
	return targets
}

// live runs the steps of all lives at their times.
func live(t *testing.T, start time.Time, plants []*plant) {
	t.Helper()
	type due struct {
		at int
		do func()
	}
	steps := []due{{at: lasts, do: func() {}}}
	for _, p := range plants {
		for _, s := range p.life.steps {
			steps = append(steps, due{s.at, func() { s.do(p) }})
		}
	}
	slices.SortStableFunc(steps, func(a, b due) int { return a.at - b.at })
	for _, s := range steps {
		timer := time.NewTimer(time.Until(start.Add(time.Duration(s.at) * minute)))
		select {
		case <-timer.C:
			s.do()
		case <-t.Context().Done():
			timer.Stop()
			t.Fatal(t.Context().Err())
		}
	}
}

// The minutes by which an alert may fire or clear before and after its nominal time: scrapes, evaluations and
// Alertmanager's groups take time, and the machine may be busy.
const (
	early = 2
	late  = 12
)

// judgeAll judges each life and returns the two numbers and a table.
func judgeAll(lives []*life, arrived map[alert][]change, start time.Time) (falseAlarms, misses int, table string) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) }
	row("LIFE", "WANTED (minute-minute)", "ARRIVED", "VERDICT")
	left := maps.Clone(arrived)
	for _, l := range lives {
		own := make(map[alert][]change)
		for a, changes := range arrived {
			if l.owns(a) {
				own[a] = changes
				delete(left, a)
			}
		}
		wanted := make([]string, 0, len(l.wants))
		for _, want := range l.wants {
			wanted = append(wanted, want.text())
		}
		v := l.judge(own, start)
		falseAlarms += len(v.falseAlarms)
		misses += len(v.misses)
		row(l.name, orSilence(wanted), orSilence(arrivals(own, start)), v.text())
	}
	for a, changes := range left {
		falseAlarms++
		row("(no life)", "", arrival(a, changes, start), "FALSE ALARM")
	}
	_ = w.Flush()
	return falseAlarms, misses, text.String()
}

func orSilence(texts []string) string {
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, ", ")
}

// verdict is what is wrong with the alerts that arrived.
type verdict struct{ falseAlarms, misses []string }

func (v verdict) text() string {
	if len(v.falseAlarms)+len(v.misses) == 0 {
		return "ok"
	}
	var texts []string
	for _, text := range v.falseAlarms {
		texts = append(texts, "FALSE ALARM: "+text)
	}
	for _, text := range v.misses {
		texts = append(texts, "MISS: "+text)
	}
	return strings.Join(texts, "; ")
}

// owns reports whether an alert is about a life.
func (l *life) owns(a alert) bool {
	if a.instance == "" {
		// An absent exporter has no labels.
		return l.watched == byItself && a.name == "ExporterAbsent"
	}
	return a.instance == l.name || l.pair && strings.HasPrefix(a.instance, l.name+", ") || slices.Contains(l.targets(), a.instance)
}

// judge compares the alerts that arrived with those that a life wants. An alert without a cause, too early or
// too long is a false alarm. One that does not arrive, arrives late or clears early is a miss.
func (l *life) judge(arrived map[alert][]change, start time.Time) verdict {
	var v verdict
	wanted := make(map[alert]bool)
	for _, want := range l.wants {
		a := want.alert(l)
		wanted[a] = true
		want.judge(&v, arrived[a], start)
	}
	for a := range arrived {
		if !wanted[a] {
			v.falseAlarms = append(v.falseAlarms, fmt.Sprintf("%s, %s to %s", shortName(a.name, a.about()), a.severity, a.receiver))
		}
	}
	if messages := messagesOf("ExporterDown", arrived); messages > maxMessages {
		v.falseAlarms = append(v.falseAlarms, fmt.Sprintf("ExporterDown came in %d messages", messages))
	}
	return v
}

// maxMessages is the number of notifications in which an exporter and all of its targets may be reported as
// down. It should be one, but a busy machine may stop a program for longer than Alertmanager waits.
const maxMessages = 2

// messagesOf counts the notifications that first reported the alerts of a name.
func messagesOf(name string, arrived map[alert][]change) int {
	messages := make(map[int]bool)
	for a, changes := range arrived {
		if a.name == name {
			messages[changes[0].message] = true
		}
	}
	return len(messages)
}

func (want want) judge(v *verdict, changes []change, start time.Time) {
	name := shortName(want.name, want.about)
	falseAlarm := func(text string) { v.falseAlarms = append(v.falseAlarms, name+" "+text) }
	miss := func(text string) { v.misses = append(v.misses, name+" "+text) }
	var fires, clears []float64
	for _, c := range changes {
		if c.firing {
			fires = append(fires, minutes(c.at, start))
		} else {
			clears = append(clears, minutes(c.at, start))
		}
	}
	late := max(late, want.late)
	switch {
	case len(fires) == 0:
		miss("did not arrive")
		return
	case fires[0] < float64(want.at-early):
		falseAlarm("came too early")
	case fires[0] > float64(want.at+late):
		miss("came too late")
	}
	for range fires[1:] {
		falseAlarm("came again")
	}
	switch {
	case want.clears == 0 && len(clears) > 0:
		miss("was taken back")
	case want.clears == 0:
	case len(clears) == 0:
		falseAlarm("did not clear")
	case clears[0] < float64(want.clears-early):
		miss("was taken back too early")
	case clears[0] > float64(want.clears+late):
		falseAlarm("cleared too late")
	}
}

// minutes returns the minutes of a life since its start.
func minutes(at, start time.Time) float64 { return at.Sub(start).Seconds() / minute.Seconds() }

// arrivals describes the alerts in the order of their arrival.
func arrivals(arrived map[alert][]change, start time.Time) []string {
	order := make([]alert, 0, len(arrived))
	for a := range arrived {
		order = append(order, a)
	}
	slices.SortFunc(order, func(a, b alert) int { return arrived[a][0].at.Compare(arrived[b][0].at) })
	texts := make([]string, 0, len(arrived))
	for _, a := range order {
		texts = append(texts, arrival(a, arrived[a], start))
	}
	return texts
}

// arrival describes an alert and the minutes in which it fired.
func arrival(a alert, changes []change, start time.Time) string {
	var text strings.Builder
	text.WriteString(shortName(a.name, a.about()))
	for _, c := range changes {
		if c.firing {
			fmt.Fprintf(&text, " %.0f-", minutes(c.at, start))
		} else {
			fmt.Fprintf(&text, "%.0f", minutes(c.at, start))
		}
	}
	return text.String()
}

// about returns the key ring, vault or list that an alert is about, or "".
func (a alert) about() string {
	if a.scope != "" {
		return a.scope
	}
	return strings.TrimSpace(a.cloud + " " + a.item)
}

// shortName shortens a scope to its name.
func shortName(name, about string) string {
	about, _, _ = strings.Cut(about[strings.LastIndex(about, "/")+1:], "::")
	if about == "" {
		return name
	}
	return name + " " + about
}

// TestJudge checks the verdict on alerts that could arrive.
func TestJudge(t *testing.T) {
	t.Parallel()
	l := &life{name: "a", wants: []want{
		{name: "Failed", severity: "warning", about: "ring", at: 10, clears: 40},
		{name: "Overdue", severity: "critical", about: "ring", at: 50},
	}}
	start := time.Now()
	failed, overdue := l.wants[0].alert(l), l.wants[1].alert(l)
	other := failed
	other.scope = "other"
	down := func(instance string) alert { return alert{name: "ExporterDown", instance: instance} }
	at := func(minutes ...int) (changes []change) {
		for i, m := range minutes {
			changes = append(changes, change{firing: i%2 == 0, at: start.Add(time.Duration(m) * minute)})
		}
		return changes
	}
	tests := []struct {
		name                string
		arrived             map[alert][]change
		falseAlarms, misses int
	}{
		{"as wanted", map[alert][]change{failed: at(11, 42), overdue: at(52)}, 0, 0},
		{"nothing", nil, 0, 2},
		{"too early", map[alert][]change{failed: at(5, 42), overdue: at(52)}, 1, 0},
		{"too late", map[alert][]change{failed: at(11, 42), overdue: at(70)}, 0, 1},
		{"twice", map[alert][]change{failed: at(11, 42, 50, 55), overdue: at(52)}, 1, 0},
		{"taken back", map[alert][]change{failed: at(11, 20), overdue: at(52, 60)}, 0, 2},
		{"flapping", map[alert][]change{failed: at(11, 20, 22, 41), overdue: at(52)}, 1, 1},
		{"not cleared", map[alert][]change{failed: at(11), overdue: at(52)}, 1, 0},
		{"cleared too late", map[alert][]change{failed: at(11, 60), overdue: at(52)}, 1, 0},
		{"one message each", map[alert][]change{
			failed: at(11, 42), overdue: at(52),
			down("a"): {{at: start.Add(50 * minute), message: 1, firing: true}},
			down("b"): {{at: start.Add(50 * minute), message: 2, firing: true}},
			down("c"): {{at: start.Add(50 * minute), message: 3, firing: true}},
		}, 4, 0},
		{"one too many", map[alert][]change{failed: at(11, 42), overdue: at(52), other: at(3)}, 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := l.judge(test.arrived, start)
			if len(v.falseAlarms) != test.falseAlarms || len(v.misses) != test.misses {
				t.Errorf("%s; want %d false alarms and %d misses", v.text(), test.falseAlarms, test.misses)
			}
		})
	}
}
