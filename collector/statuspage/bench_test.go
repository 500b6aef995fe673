package statuspage_test

import (
	"fmt"
	"net/http"
	"testing"

	"cckm_sync_exporter/collector/statuspage/fleettest"
)

// BenchmarkPage makes the page of many scopes: its first page as it is opened, its
// largest, and one that is searched for.
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
