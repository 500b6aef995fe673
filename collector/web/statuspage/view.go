package statuspage

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
)

// The project's documents, as the alerts link to them.
const (
	documents = "https://github.com/cckm-sync-exporter/cckm_sync_exporter/blob/main/"
	runbooks  = documents + "deploy/runbooks/"
)

// runbook returns the URL of an alert's runbook, or "" without an alert.
func runbook(alert string) string {
	if alert == "" {
		return ""
	}
	return runbooks + alert + ".md"
}

// maxListRows bounds the table of lists. Hundreds of appliances have thousands; the form finds one.
const maxListRows = 500

// view is the data of the template. Its texts are not HTML.
type view struct {
	Style any
	// Verdict is the summary, and Tone its CSS class.
	Verdict []string
	Tone    string
	Now     *shownTime
	Reload  string
	Notices []string

	Problems     []problem
	MoreProblems int
	States       []stateCount
	All          stateCount
	// Forgotten is the number of scopes that are omitted because of their age; ForgetHint names the
	// setting.
	Forgotten  int
	ForgetHint string

	Form form
	// Groups are the rows of this page by state. They are rows First to Last of Matching.
	Groups                []group
	First, Last, Matching string
	Pages                 *pages
	// Columns is the number of columns, one more with several targets.
	Columns     int
	ManyTargets bool

	Lists     []targetView
	ListCount string
	MoreLists int

	Metrics, Discovery string
	Readme, Runbooks   string
	Version            string
	// Example is a base URL of the API for an example request.
	Example string
}

// stateCount is a state with the number of its scopes, and a link that selects them.
type stateCount struct {
	stateInfo

	Count, Old string
	None       bool
	Link       string
	Chosen     bool
}

// group is the rows of one state.
type group struct {
	stateInfo

	RunbookURL string
	Rows       []rowView
}

// form is the filter form with its current values.
type form struct {
	Text    string
	States  []option
	Lists   []option
	Targets []option
	Per     []option
	Clear   string
}

type option struct {
	Value, Word string
	Chosen      bool
}

// pages are the links to the other pages of the table.
type pages struct {
	Page, Of                    string
	First, Previous, Next, Last string
}

// targetView is a target in the table of lists.
type targetView struct {
	Name, URL, Domain string
	Labels            []string
	Probe             string
	Only              string
	Lists             []listView
}

func newView(cfg *Config, targets []Target, q *query) *view {
	now := cfg.Now()
	lists, names := namesOf(targets)
	q.check(lists, names)
	rows := newTable(targets, q, now)
	problems, more := problemsOf(targets, now)
	verdict, tone := judgeAll(targets, rows, now)
	v := &view{
		Style: style(), Verdict: verdict, Tone: tone, Now: newShownTime(now, now),
		Reload:   q.link(func(c *query) { c.page = q.page }, ""),
		Problems: problems, MoreProblems: more,
		Forgotten:   rows.forgotten,
		ManyTargets: len(targets) > 1,
		Metrics:     cfg.link(cfg.TelemetryPath),
		Readme:      documents + "README.md", Runbooks: documents + "deploy/runbooks",
		Version: cfg.Version,
		Columns: 7,
	}
	if v.ManyTargets {
		v.Columns++
		v.Discovery = cfg.link(cfg.DiscoveryPath)
	}
	if len(targets) > 0 {
		v.Example = apiBase(targets[0].URL)
	}
	if rows.firstForgetting != nil {
		v.ForgetHint = rows.firstForgetting.hint("--collector.forget-scopes-after")
	}
	v.countStates(rows, q)
	v.Form = newForm(q, lists, names)
	v.cut(rows.rows, q, now)
	v.listTargets(cfg, targets, q, now)
	v.Notices = q.notices
	return v
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

func (v *view) countStates(t *table, q *query) {
	all, old := 0, 0
	for _, s := range states() {
		c := stateCount{
			stateInfo: s.info(),
			Count:     number(t.counts[s]),
			None:      t.counts[s]+t.oldCounts[s] == 0,
			Chosen:    q.state == s.info().Key,
		}
		if t.oldCounts[s] > 0 {
			c.Old = number(t.oldCounts[s])
		}
		c.Link = q.link(func(c *query) { c.state = s.info().Key }, "#scopes")
		all, old = all+t.counts[s], old+t.oldCounts[s]
		v.States = append(v.States, c)
	}
	v.All = stateCount{
		stateInfo: stateInfo{Word: "All"},
		Count:     number(all), None: all+old == 0, Chosen: q.state == "",
		Link: q.link(func(c *query) { c.state = "" }, "#scopes"),
	}
	if old > 0 {
		v.All.Old = number(old)
	}
}

func newForm(q *query, lists, names []string) form {
	f := form{Text: q.text, States: []option{{Word: "all"}}}
	for _, s := range states() {
		f.States = append(f.States, option{s.info().Key, s.info().Word, s.info().Key == q.state})
	}
	if len(lists) > 1 {
		f.Lists = options(lists, q.list)
	}
	if len(names) > 1 {
		f.Targets = options(names, q.target)
	}
	sizes := []int{50, defaultPer, 200, maxPer}
	if !slices.Contains(sizes, q.per) {
		sizes = append(sizes, q.per)
		slices.Sort(sizes)
	}
	for _, n := range sizes {
		f.Per = append(f.Per, option{number(n), number(n), n == q.per})
	}
	if q.filtered() {
		f.Clear = (&query{per: q.per}).link(func(*query) {}, "#scopes")
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

// cut selects the rows of the requested page.
func (v *view) cut(rows []row, q *query, now time.Time) {
	last := max(1, (len(rows)+q.per-1)/q.per)
	if q.page > last {
		q.notice("There is no page " + number(q.page) + "; this is the last one, " + number(last) + ".")
		q.page = last
	}
	from := (q.page - 1) * q.per
	to := min(from+q.per, len(rows))
	for i := from; i < to; i++ {
		if i == from || rows[i].state != rows[i-1].state {
			info := rows[i].state.info()
			v.Groups = append(v.Groups, group{stateInfo: info, RunbookURL: runbook(info.Runbook)})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, newRowView(&rows[i], now))
	}
	v.First, v.Last, v.Matching = number(min(from+1, to)), number(to), number(len(rows))
	if last == 1 {
		return
	}
	at := func(page int) string { return q.link(func(c *query) { c.page = page }, "#scopes") }
	v.Pages = &pages{Page: number(q.page), Of: number(last)}
	if q.page > 1 {
		v.Pages.First, v.Pages.Previous = at(1), at(q.page-1)
	}
	if q.page < last {
		v.Pages.Next, v.Pages.Last = at(q.page+1), at(last)
	}
}

// listTargets fills the table of lists with those that match the query.
func (v *view) listTargets(cfg *Config, targets []Target, q *query, now time.Time) {
	shown, all := 0, 0
	for i := range targets {
		target := &targets[i]
		if q.target != "" && q.target != target.Name {
			continue
		}
		t := newTargetView(cfg, target, q)
		for j := range target.Lists {
			if q.list != "" && q.list != target.Lists[j].List.Name {
				continue
			}
			all++
			if all <= maxListRows {
				shown++
				t.Lists = append(t.Lists, newListView(&target.Lists[j], now))
			}
		}
		if len(t.Lists) > 0 {
			v.Lists = append(v.Lists, t)
		}
	}
	v.MoreLists, v.ListCount = all-shown, countLists(all)
}

func newTargetView(cfg *Config, target *Target, q *query) targetView {
	t := targetView{Name: printable.Line(target.Name, maxName), URL: withoutUser(target.URL), Domain: printable.Line(target.Domain, maxName)}
	for _, name := range slices.Sorted(maps.Keys(target.Labels)) {
		t.Labels = append(t.Labels, printable.Line(name+"="+target.Labels[name], maxName))
	}
	if target.Name != "" {
		t.Probe = cfg.link(cfg.ProbePath + "?" + url.Values{"target": {target.Name}}.Encode())
		t.Only = q.link(func(c *query) { c.target = target.Name }, "")
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
