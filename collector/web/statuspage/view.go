package statuspage

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/state"
)

// maxRows bounds the rows of each table. The form and the links find the others.
const maxRows = 500

// view is the data of the template. Its texts are not HTML.
type view struct {
	Style any
	// Verdict is the summary, and Tone its CSS class.
	Verdict []string
	Tone    string
	Now     *shownTime
	Notices []string

	Problems     []problem
	MoreProblems int
	// Empty is advice if the lists have no jobs.
	Empty      string
	Causes     []causeView
	MoreCauses int

	States []stateCount
	All    stateCount
	// Forgotten is the number of scopes that are omitted because of their age; ForgetHint names the
	// setting.
	Forgotten  int
	ForgetHint string

	Form form
	// Groups are the rows by their worst state. Matching is the number of those that match, and Shown how
	// many of them there are in Groups; it is empty if all are.
	Groups          []group
	Shown, Matching string
	ManyTargets     bool

	Lists     []targetView
	ListCount string
	MoreLists int

	Metrics, Discovery string
	// Documents and Runbooks are links to directories, with a "/" at their ends.
	Documents, Runbooks string
	Version             string
	// Example is a base URL of the API for an example request.
	Example string
}

// causeView is a cause as the page shows it.
type causeView struct {
	// Count is how many have the cause of those that could, and Link selects them.
	Count, Link string
	Text        said
	Since       *shownTime
	AtLeast     bool
	Places      string
	Severity    state.Severity
	// State has the advice. It is nil if the cause before has the same.
	State *state.Info
}

// stateCount is a state with the number of its scopes, and a link that selects them.
type stateCount struct {
	state.Info

	Count, Link  string
	None, Chosen bool
}

// group is the rows of one state.
type group struct {
	state.Info

	Rows []rowView
}

// form is the filter form with its current values.
type form struct {
	Text           string
	Lists, Targets []option
	// State and Cause are the keys of what the links have chosen, and CauseText is the text of the cause.
	State, Cause string
	CauseText    said
	// Clear is the link without a filter; empty if there is none.
	Clear string
}

type option struct {
	Value, Word string
	Chosen      bool
}

// targetView is a target in the table of lists.
type targetView struct {
	Name, URL, Domain string
	Labels            []string
	Probe             string
	Lists             []listView
}

func newView(cfg *Config, targets []Target, q *query) *view {
	now := cfg.Now()
	all := newSurvey(targets, now)
	lists, names := namesOf(targets)
	q.check(lists, names, all)
	v := &view{
		Style: style(), Now: newShownTime(now, now),
		Forgotten: all.forgotten, ManyTargets: len(targets) > 1,
		Metrics: cfg.link(cfg.TelemetryPath), Documents: cfg.link("docs/"), Runbooks: cfg.link("runbooks/"), Version: cfg.Version,
	}
	v.Verdict, v.Tone = judge(all)
	v.Problems, v.MoreProblems = problemsOf(targets, now)
	if v.ManyTargets {
		v.Discovery = cfg.link(cfg.DiscoveryPath)
	}
	if len(targets) > 0 {
		v.Example = apiBase(targets[0].URL)
	}
	if read := all.firstReadable; read != nil && all.counts.all-all.withoutJobs+all.forgotten == 0 {
		v.Empty = "Either no synchronization was ever started, or the user may not see any: " + read.AccessHint() + "."
	}
	if v.ForgetHint = "--collector.forget-scopes-after"; all.firstForgetting != nil && all.firstForgetting.Hint != nil {
		v.ForgetHint = all.firstForgetting.Hint(v.ForgetHint)
	}
	v.addCauses(cfg, all, now)
	rows, counts := all.choose(q)
	v.countStates(cfg, &counts, q)
	v.Form = newForm(cfg, q, lists, names, all)
	v.addRows(rows, now)
	v.listTargets(cfg, targets, q, now)
	v.Notices = q.notices
	return v
}

// addCauses adds the most frequent causes, critical ones first.
func (v *view) addCauses(cfg *Config, all *survey, now time.Time) {
	found := slices.SortedStableFunc(slices.Values(all.causes), func(a, b *cause) int {
		// "critical" is before "warning".
		return cmp.Or(cmp.Compare(a.state.Info().Severity, b.state.Info().Severity), cmp.Compare(b.count, a.count))
	})
	v.MoreCauses = max(0, len(found)-maxProblems)
	var before state.Info
	for _, c := range found[:len(found)-v.MoreCauses] {
		of := number(all.failures) + " failures say"
		if c.state == state.Overdue {
			of = number(all.counts.byState[c.state]) + " overdue"
		}
		shown := causeView{
			Count: number(c.count) + " of " + of,
			Link:  cfg.query(&query{cause: c.key}, func(*query) {}),
			Text:  c.said(), Since: newShownTime(now, c.since), AtLeast: c.atLeast,
			Places: printable.Line(strings.Join(c.places, ", "), maxName),
		}
		info := c.state.Info()
		shown.Severity = info.Severity
		if info != before {
			shown.State = &info
		}
		before = info
		v.Causes = append(v.Causes, shown)
	}
}

// namesOf returns the unique names of lists and the names of targets.
func namesOf(targets []Target) (lists, names []string) {
	seen := map[string]bool{}
	for i := range targets {
		if name := targets[i].Name; name != "" {
			names = append(names, name)
		}
		for j := range targets[i].Lists {
			if name := targets[i].Lists[j].List.Name; !seen[name] {
				seen[name] = true
				lists = append(lists, name)
			}
		}
	}
	return lists, names
}

func (v *view) countStates(cfg *Config, c *counts, q *query) {
	countOf := func(info state.Info, n int) stateCount {
		link := cfg.query(q, func(q *query) { q.state = info.Key })
		return stateCount{Info: info, Count: number(n), None: n == 0, Chosen: q.state == info.Key, Link: link}
	}
	// Without schedules and inventories, nobody knows whether there are any that are missed, removed or without a job.
	add := func(shown stateCount, always bool) {
		if always || !shown.None || shown.Chosen {
			v.States = append(v.States, shown)
		}
	}
	for _, s := range state.All() {
		add(countOf(s.Info(), c.byState[s]), s != state.Missed && s != state.Removed)
	}
	add(countOf(stateless(), c.stateless), false)
	v.All = countOf(state.Info{Name: "All"}, c.all)
}

func newForm(cfg *Config, q *query, lists, names []string, all *survey) form {
	f := form{Text: q.text, State: q.state, Cause: q.cause}
	if len(lists) > 1 {
		f.Lists = options(lists, q.list)
	}
	if len(names) > 1 {
		f.Targets = options(names, q.target)
	}
	if q.cause != "" {
		f.CauseText = all.findCause(q.cause).said()
	}
	if q.filtered() {
		f.Clear = cfg.query(&query{}, func(*query) {})
	}
	return f
}

func options(names []string, chosen string) []option {
	all := make([]option, 1, 1+len(names))
	all[0].Word = "all"
	for _, name := range names {
		all = append(all, option{name, printable.Line(name, maxName), name == chosen})
	}
	return all
}

// addRows adds the worst rows.
func (v *view) addRows(rows []row, now time.Time) {
	v.Matching = count(len(rows), "row")
	if len(rows) > maxRows {
		v.Shown, rows = number(maxRows), rows[:maxRows]
	}
	for i := range rows {
		worst := rows[i].states.Worst()
		if i == 0 || worst != rows[i-1].states.Worst() {
			v.Groups = append(v.Groups, group{Info: rows[i].info()})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, newRowView(&rows[i], now))
	}
}

// listTargets fills the table of lists with those that match the query.
func (v *view) listTargets(cfg *Config, targets []Target, q *query, now time.Time) {
	all := 0
	for i := range targets {
		target := &targets[i]
		if q.target != "" && q.target != target.Name {
			continue
		}
		t := newTargetView(cfg, target)
		for j := range target.Lists {
			if q.list != "" && q.list != target.Lists[j].List.Name {
				continue
			}
			all++
			if all <= maxRows {
				t.Lists = append(t.Lists, newListView(&target.Lists[j], now))
			}
		}
		for _, source := range target.sources() {
			if q.list == "" && all <= maxRows {
				t.Lists = append(t.Lists, newSourceView(&source, now))
			}
		}
		if len(t.Lists) > 0 {
			v.Lists = append(v.Lists, t)
		}
	}
	v.MoreLists, v.ListCount = max(0, all-maxRows), count(all, "list")
}

func newTargetView(cfg *Config, target *Target) targetView {
	t := targetView{Name: printable.Line(target.Name, maxName), URL: withoutUser(target.URL), Domain: printable.Line(target.Domain, maxName)}
	for _, name := range slices.Sorted(maps.Keys(target.Labels)) {
		t.Labels = append(t.Labels, printable.Line(name+"="+target.Labels[name], maxName))
	}
	if target.Name != "" {
		t.Probe = cfg.link(cfg.ProbePath + "?" + url.Values{"target": {target.Name}}.Encode())
	}
	return t
}

// withoutUser removes user and password from a URL, or returns "" if it cannot be parsed.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "" // It may contain a password.
	}
	u.User = nil
	return u.String()
}

// apiBase returns an appliance's URL to which /api/v1/ can be appended.
func apiBase(address string) string {
	return strings.TrimSuffix(strings.TrimRight(withoutUser(address), "/"), "/api")
}
