package statuspage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

func TestWorstFirst(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, time.March, 14, hour, 0, 0, 0, time.UTC) }
	scope := func(name string, success, inProgress time.Time) *syncjob.Scope {
		return &syncjob.Scope{Name: name, LastSuccess: success, OldestInProgress: inProgress}
	}
	want := []row{
		{state: failed, scope: scope("no success", time.Time{}, at(9))},
		{state: failed, scope: scope("old success", at(1), at(9))},
		{state: failed, scope: scope("late success", at(2), at(3))},
		{state: stuck, scope: scope("longest", at(8), at(1))},
		{state: stuck, scope: scope("long, old success", at(1), at(2))},
		{state: stuck, scope: scope("long, late success", at(2), at(2))},
		{state: neverSucceeded, scope: scope("never", time.Time{}, time.Time{})},
		{state: aborted, scope: scope("aborted", at(3), time.Time{})},
		{state: unknown, scope: scope("unknown", at(3), time.Time{})},
		{state: running, scope: scope("running, old success", at(3), at(9))},
		{state: running, scope: scope("running, late success", at(4), at(1))},
		{state: ok, order: 1, scope: scope("a of the first list", at(5), time.Time{})},
		{state: ok, order: 1, scope: scope("b of the first list", at(5), time.Time{})},
		{state: ok, order: 2, scope: scope("a of the second list", at(5), time.Time{})},
		{state: ok, order: 1, scope: scope("a, late success", at(6), time.Time{})},
	}
	names := func(rows []row) string {
		all := make([]string, 0, len(rows))
		for i := range rows {
			all = append(all, rows[i].scope.Name)
		}
		return strings.Join(all, "; ")
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, worstFirst)
	if names(got) != names(want) {
		t.Errorf("got  %s\nwant %s", names(got), names(want))
	}
}

func TestVerdict(t *testing.T) {
	now := time.Date(2026, time.March, 14, 3, 0, 0, 0, time.UTC)
	good := syncjob.Scope{Name: "ring", Last: &syncjob.Last{Result: syncjob.Completed}, LastSuccess: now}
	good.Jobs[syncjob.Completed] = 1
	busy := good
	busy.Jobs[syncjob.InProgress] = 1
	bad := syncjob.Scope{Name: "vault", Last: &syncjob.Last{Result: syncjob.Failed}}
	read := func(ago time.Duration, scopes ...syncjob.Scope) scrape.Latest {
		r := &scrape.ListRead{Summary: &syncjob.Summary{Scopes: scopes}}
		return scrape.Latest{Read: r, ReadAt: now.Add(-ago), Complete: r, CompleteAt: now.Add(-ago)}
	}
	broken := read(time.Hour, bad, good)
	broken.Read = &scrape.ListRead{}
	pending := scrape.Latest{}
	for want, lists := range map[string][]scrape.Latest{
		"bad: No list is read":                                         nil,
		"pending: Nothing read yet":                                    {pending, pending},
		"ok: All is well: 0 OK":                                        {read(0)},
		"ok: All is well: 2 OK; 1 running":                             {read(0, good, good), read(0, busy)},
		"pending: All is well: 1 OK; 1 list not read yet":              {read(0, good), pending},
		"bad: 1 failed":                                                {read(0, good, bad, busy)},
		"bad: 1 list out of date":                                      {read(time.Hour, good)},
		"bad: 1 list not read; 3 failed (1 old)":                       {broken, read(0, bad, bad)},
		"bad: 2 lists not read; 2 failed (2 old); 1 list not read yet": {broken, pending, broken},
	} {
		targets := []Target{{Lists: lists}}
		verdict, tone := judgeAll(targets, newTable(targets, parseQuery("q=nothing"), now), now)
		if got := tone + ": " + strings.Join(verdict, "; "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
