package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// listFaults are lists whose pages are valid but do not fit together.
func listFaults() []fault {
	lies := func(name string, change func(page map[string]any)) fault {
		return page("list: "+name, fails(reason.Inconsistent), rewrite(change))
	}
	behaves := func(name string, change func(*simulator.ListBehaviour)) fault {
		return fault{name: "list: " + name, google: whole, start: behave(change)}
	}
	total := func(change func(int) int) func(map[string]any) {
		return func(page map[string]any) {
			number, _ := page["total"].(json.Number)
			n, _ := number.Int64()
			page["total"] = max(0, change(int(n)))
		}
	}
	var asked atomic.Int64
	return []fault{
		page("list: without end", fails(reason.Inconsistent), endless),
		lies("total too high", total(func(n int) int { return n + 10 })),
		lies("total too low", total(func(n int) int { return n - 10 })),
		lies("total beyond all bounds", total(func(int) int { return 1_000_000_000_000 })),
		lies("total of 0 with records", total(func(int) int { return 0 })),
		lies("total grows with each page", total(func(n int) int { return n + int(asked.Add(50)) })),
		// So fast that no page ends at its total, as the last page of a list with deleted jobs does.
		lies("total falls with each page", total(func(n int) int { return n - pageSize*int(asked.Add(1)) })),
		lies("pages are empty", func(page map[string]any) { page["resources"] = []any{} }),
		lies("each page lacks its last record", func(page map[string]any) {
			if jobs := jobsOf(page); len(jobs) > 0 {
				page["resources"] = jobs[:len(jobs)-1]
				page["total"] = jobsInAList
			}
		}),
		page("list: later pages are empty", fails(reason.Inconsistent), later(rewrite(func(page map[string]any) { page["resources"] = []any{} }))),
		page("list: skip is ignored", fails(reason.Inconsistent), func(_ *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
			first := req.Clone(req.Context())
			first.URL.RawQuery = strings.Replace(req.URL.RawQuery, "skip="+req.URL.Query().Get("skip"), "skip=0", 1)
			next.ServeHTTP(w, first)
		}),
		behaves("pages are smaller", func(b *simulator.ListBehaviour) { b.MaxLimit = 7 }),
		// It needs many requests one after another.
		alone(behaves("pages of one record", func(b *simulator.ListBehaviour) { b.MaxLimit = 1 })),
		behaves("oldest first", func(b *simulator.ListBehaviour) { b.Order = simulator.OldestFirst }),
		behaves("no order", func(b *simulator.ListBehaviour) { b.Order = simulator.NoOrder }),
	}
}

// endless is a list whose total grows with each page.
func endless(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
	skip, err := strconv.Atoi(req.URL.Query().Get("skip"))
	if err != nil {
		r.t.Error(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"total":%d,"resources":[`, skip+3*pageSize)
	for i := range pageSize {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"job-%d"}`, skip+i)
	}
	b.WriteString("]}")
	body(b.String())(r, w, req, next)
}
