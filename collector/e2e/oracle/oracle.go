// Package oracle computes what the exporter has to expose in the plainest way, from the complete list.
// Tests compare the exporter with it.
//
// It shares no code with the exporter: it decodes with encoding/json, keeps every job in memory, and goes
// through all jobs of a scope again for every series.
package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A List describes a list of synchronization jobs.
type List struct {
	Cloud, Item string
	// Kind is the kind of the list's scopes: "key_ring", "key_vault" and so on.
	Kind string
	// ScopeFields are the fields of a job that may hold its scopes.
	ScopeFields []string
	// RegionPrefix is set if detailed_status may put a region before a scope, and names are compared
	// ignoring case, as for Azure.
	RegionPrefix bool
}

// A Text is a job and its text in detailed_status for a scope, cut to 512 bytes.
type Text struct{ ID, Text string }

// Texts are the jobs of a scope that the log and the status page show. The id is empty if there is none.
type Texts struct {
	// Newest is the newest job, Last the one that finished last, and Oldest the oldest that is in
	// progress for the scope: of those with a createdAt, if there are any.
	Newest, Last, Oldest Text
	// Results are the ten jobs that finished last, the newest first, as Result writes them.
	Results string
}

// Result writes the result of a scope in a job, which finished at the given time if that is not nil.
func Result(id, status string, finish *time.Time) string {
	at := "-"
	if finish != nil {
		at = finish.UTC().Format(time.RFC3339Nano)
	}
	return id + " " + status + " " + at + "\n"
}

// Compute returns every series of a list that was read completely, by name and labels as [Key] writes
// them, except the duration and the pages of the read; and the texts for every scope. A scope whose newest
// job is older than forgetAfter has no series, unless that is 0.
func Compute(list List, records []json.RawMessage, now time.Time, forgetAfter time.Duration) (map[string]float64, map[string]Texts, error) {
	jobs, err := decode(list, records, now)
	if err != nil {
		return nil, nil, err
	}
	out, texts := make(series), make(map[string]Texts)
	of := map[string]string{"cloud": list.Cloud, "item": list.Item}
	out.set("cckm_sync_up", of, 1)
	for _, reason := range reasons() {
		out.set("cckm_sync_scrape_error", with(of, "reason", reason), 0)
	}
	for _, status := range statuses() {
		n := 0
		for _, j := range jobs {
			if j.counted() == status {
				n++
			}
		}
		out.set("cckm_sync_jobs", with(of, "status", status), float64(n))
	}
	for _, scope := range scopes(jobs) {
		covering := only(jobs, func(j job) bool { return j.scopes[scope] != "" })
		newest := slices.MaxFunc(covering, byCreation)
		name := newest.names[scope]
		texts[name] = textsOf(scope, covering)
		if forgetAfter > 0 && newest.created != nil && now.Sub(*newest.created) > forgetAfter {
			continue
		}
		writeScope(out, with(of, "scope", name), scope, covering, now)
		out.set("cckm_sync_scope_info", info(list, with(of, "scope", name), name), 1)
	}
	return out, texts, nil
}

// textsOf returns the texts of the jobs that cover a scope.
func textsOf(scope string, covering []job) Texts {
	running := only(covering, func(j job) bool { return j.scopes[scope] == inProgress })
	if timed := only(running, func(j job) bool { return j.created != nil }); len(timed) > 0 {
		running = timed
	}
	text := func(jobs []job, choose func([]job, func(a, b job) int) job, order func(a, b job) int) Text {
		if len(jobs) == 0 {
			return Text{}
		}
		chosen := choose(jobs, order)
		return Text{ID: chosen.id, Text: chosen.texts[scope]}
	}
	finished := only(covering, job.finished)
	slices.SortFunc(finished, byFinish)
	slices.Reverse(finished)
	var results strings.Builder
	for _, j := range finished[:min(len(finished), 10)] {
		results.WriteString(Result(j.id, j.scopes[scope], j.finish))
	}
	return Texts{
		Newest: text(covering, slices.MaxFunc, byCreation),
		Last:   text(finished, slices.MaxFunc, byFinish),
		Oldest: text(running, slices.MinFunc, byCreation),

		Results: results.String(),
	}
}

// writeScope writes the series of a scope from the jobs that cover it.
func writeScope(out series, labels map[string]string, scope string, covering []job, now time.Time) {
	for _, status := range statuses() {
		n := 0
		for _, j := range covering {
			if j.scopes[scope] == status {
				n++
			}
		}
		out.set("cckm_sync_scope_jobs", with(labels, "status", status), float64(n))
	}

	newest := slices.MaxFunc(covering, byCreation)
	for _, status := range statuses() {
		out.set("cckm_sync_scope_status", with(labels, "status", status), truth(newest.scopes[scope] == status))
	}
	if newest.created != nil {
		out.set("cckm_sync_scope_last_job_timestamp_seconds", labels, unix(*newest.created))
		out.set("cckm_sync_scope_job_age_seconds", labels, since(now, *newest.created))
	}

	running := only(covering, func(j job) bool { return j.scopes[scope] == inProgress })
	if len(running) == 0 {
		out.set("cckm_sync_scope_in_progress_age_seconds", labels, 0)
	}
	timed := only(running, func(j job) bool { return j.created != nil })
	if len(timed) > 0 {
		out.set("cckm_sync_scope_in_progress_age_seconds", labels, since(now, *slices.MinFunc(timed, byCreation).created))
	}

	writeFinished(out, labels, scope, only(covering, job.finished))
}

// writeFinished writes the series of a scope's finished jobs, if there are any.
func writeFinished(out series, labels map[string]string, scope string, finished []job) {
	if len(finished) == 0 {
		return
	}
	last := slices.MaxFunc(finished, byFinish)
	for _, result := range []string{completed, failed, aborted, unknown} {
		out.set("cckm_sync_scope_last_result", with(labels, "result", result), truth(last.scopes[scope] == result))
	}
	if last.finish != nil && last.created != nil {
		out.set("cckm_sync_scope_last_duration_seconds", labels, since(*last.finish, *last.created))
	}
	for name, ended := range map[string][]job{
		"cckm_sync_scope_last_completion_timestamp_seconds": finished,
		"cckm_sync_scope_last_success_timestamp_seconds":    only(finished, func(j job) bool { return j.scopes[scope] == completed }),
		"cckm_sync_scope_last_failure_timestamp_seconds":    only(finished, func(j job) bool { return j.scopes[scope] == failed }),
	} {
		if len(ended) == 0 {
			continue
		}
		if at := slices.MaxFunc(ended, byFinish).finish; at != nil {
			out.set(name, labels, unix(*at))
		}
	}
}

// info returns the labels of a scope's info series: the parts of its identifier if it has the form of its
// cloud, else the complete identifier as its name.
func info(list List, labels map[string]string, scope string) map[string]string {
	labels = with(labels, "kind", list.Kind)
	labels["name"], labels["project"], labels["location"], labels["subscription"] = scope, "", "", ""
	switch list.Cloud {
	case "google":
		parts := strings.Split(scope, "/")
		if len(parts) == 6 && parts[0] == "projects" && parts[2] == "locations" && parts[4] == "keyRings" &&
			parts[1] != "" && parts[3] != "" && parts[5] != "" {
			labels["project"], labels["location"], labels["name"] = parts[1], parts[3], parts[5]
		}
	case "azure":
		if name, subscription, ok := strings.Cut(scope, "::"); ok && name != "" && subscription != "" {
			labels["name"], labels["subscription"] = name, subscription
		}
	default:
		labels["location"] = regionIn(list.Cloud, scope)
	}
	return labels
}

// The forms of an identifier that contains a region but is used completely as a name: ACCOUNT/REGION, and
// ocid1.vault.REALM.REGION and more.
var (
	regionOfAccount = regexp.MustCompile(`^\d{12}/([a-z][a-z0-9]*(?:-[a-z0-9]+)+-\d+)$`)
	regionOfOCID    = regexp.MustCompile(`(?s)^ocid1\.vault\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\..+$`)
)

// regionIn returns the region in such an identifier, or "".
func regionIn(cloud, scope string) string {
	var found []string
	switch cloud {
	case "aws":
		found = regionOfAccount.FindStringSubmatch(scope)
	case "oci":
		found = regionOfOCID.FindStringSubmatch(scope)
	}
	if found == nil {
		return ""
	}
	return found[1]
}

// scopes returns the key of every scope that a job covers, once.
func scopes(jobs []job) []string {
	all := make(map[string]bool)
	for _, j := range jobs {
		for scope := range j.scopes {
			all[scope] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// only returns the jobs that keep accepts.
func only(jobs []job, keep func(job) bool) []job {
	var kept []job
	for _, j := range jobs {
		if keep(j) {
			kept = append(kept, j)
		}
	}
	return kept
}

// byCreation orders jobs by createdAt, then by id; one without createdAt is older than any other.
func byCreation(a, b job) int {
	if c := compare(a.created, b.created); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

// byFinish orders jobs by their finish time, then by id; one without that time is older than any other.
func byFinish(a, b job) int {
	if c := compare(a.finish, b.finish); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

// compare orders times; nil is older than any other.
func compare(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	default:
		return a.Compare(*b)
	}
}

// since returns the seconds from earlier to later, or 0 if later is the earlier one.
func since(later, earlier time.Time) float64 {
	return max(0, later.Sub(earlier).Seconds())
}

// unix returns a time as seconds since 1970.
func unix(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}

// truth returns the value of a member of a state set.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// reasons returns every reason of a failed read.
func reasons() []string {
	return []string{"auth", "forbidden", "not_found", "timeout", "tls", "network", "server", "decode", "inconsistent", "other"}
}

// series holds values by their key.
type series map[string]float64

// set adds a value. It panics if the series has one: then the oracle is wrong.
func (s series) set(name string, labels map[string]string, value float64) {
	key := Key(name, labels)
	if _, twice := s[key]; twice {
		panic(fmt.Sprintf("the oracle writes %s twice", key))
	}
	s[key] = value
}

// Key returns a series as the text format writes it, its labels sorted by name.
func Key(name string, labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		value := strings.ReplaceAll(labels[label], `\`, `\\`)
		value = strings.ReplaceAll(value, `"`, `\"`)
		value = strings.ReplaceAll(value, "\n", `\n`)
		pairs = append(pairs, label+`="`+value+`"`)
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// with returns the labels and another one.
func with(labels map[string]string, name, value string) map[string]string {
	more := maps.Clone(labels)
	more[name] = value
	return more
}
