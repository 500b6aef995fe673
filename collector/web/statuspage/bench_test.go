package statuspage_test

import (
	"fmt"
	"net/http"
	"testing"

	"cckm_sync_exporter/collector/web/statuspage/fleettest"
)

// BenchmarkPage renders the page of many scopes: the first page, the largest one, and a search. With
//
//	go test ./collector/web/statuspage -run '^$' -bench BenchmarkPage -benchtime 10x
//
// on two busy cores, the first page took 10 ms and 138 kB for 10,000 scopes, and 0.3 s and 138 kB for
// 100,000; 500 rows took 48 ms and 515 kB, and 0.4 s and 626 kB; a search without results took 25 ms, and
// 0.23 s.
func BenchmarkPage(b *testing.B) {
	for _, scopes := range []int{100, 10_000, 100_000} {
		page := newPage(b, fleettest.Large(fleettest.Now(), scopes))
		for _, query := range []string{"", "?per=500", "?q=nothing-has-this"} {
			b.Run(fmt.Sprintf("scopes=%d/query=%s", scopes, query), func(b *testing.B) {
				b.ReportAllocs()
				size := 0
				for b.Loop() {
					w := request(b, page, http.MethodGet, "/"+query)
					size = w.Body.Len()
				}
				b.ReportMetric(float64(size), "page_bytes")
			})
		}
	}
}
