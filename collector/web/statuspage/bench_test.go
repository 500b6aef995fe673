package statuspage_test

import (
	"fmt"
	"net/http"
	"testing"

	"cckm_sync_exporter/collector/web/statuspage/fleettest"
)

// BenchmarkPage renders the page of many scopes, and a search without results. With
//
//	go test ./collector/web/statuspage -run '^$' -bench BenchmarkPage -benchtime 10x
//
// on two busy cores, the page took 50 ms for 10,000 scopes and 0.3 s for 100,000, and a search without results
// half of that. It has at most 0.8 MB.
func BenchmarkPage(b *testing.B) {
	for _, scopes := range []int{100, 10_000, 100_000} {
		page := newPage(b, fleettest.Large(fleettest.Now(), scopes))
		for _, query := range []string{"", "?q=nothing-has-this"} {
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
