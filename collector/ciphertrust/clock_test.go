package ciphertrust_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestClockOffset checks the offset after each of some responses.
func TestClockOffset(t *testing.T) {
	const year = 365 * 24 * time.Hour
	type response struct {
		// ahead is by how much the clock is ahead that writes Date, halfway through the time that
		// the request takes.
		ahead, takes time.Duration
		// change changes the response.
		change func(http.ResponseWriter)
		// want is the offset, which is off by off at most, and correction what ages use of it.
		want, off time.Duration
		corrects  bool
	}
	age := func(w http.ResponseWriter) { w.Header().Set("Age", "7200") }
	date := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.Header().Set("Date", text) }
	}
	gateway := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	for name, responses := range map[string][]response{
		"in step, of appliances fast and slow": {{}, {takes: 40 * time.Second}, {takes: 10 * time.Millisecond}},
		"in step as far as whole seconds show": {{ahead: 300 * time.Millisecond, off: 300 * time.Millisecond}},
		"a little ahead":                       {{ahead: 4 * time.Second, want: 4 * time.Second, off: time.Second / 2}},
		"ahead":                                {{ahead: 2 * time.Hour, want: 2 * time.Hour, off: time.Second / 2, corrects: true}},
		"behind, then slow, then set right": {
			{ahead: -2 * time.Hour, want: -2 * time.Hour, off: time.Second / 2, corrects: true},
			{ahead: -2 * time.Hour, takes: 40 * time.Second, want: -2 * time.Hour, off: time.Second / 2, corrects: true},
			{off: time.Second},
		},
		"a year ahead": {{ahead: year, want: year, off: time.Second / 2, corrects: true}},
		"responses that say nothing of the appliance's clock": {
			{ahead: time.Hour, want: time.Hour, off: time.Second / 2, corrects: true},
			{change: age, want: time.Hour, off: time.Second / 2, corrects: true},
			{change: gateway, want: time.Hour, off: time.Second / 2, corrects: true},
			{change: date(""), want: time.Hour, off: time.Second / 2, corrects: true},
			{change: date("yesterday"), want: time.Hour, off: time.Second / 2, corrects: true},
			{change: date("Thu, 01 Jan 1970 00:00:00 GMT"), want: time.Hour, off: time.Second / 2, corrects: true},
			{change: date("Fri, 31 Dec 9999 23:59:59 GMT"), want: time.Hour, off: time.Second / 2, corrects: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				advance(year + 200*time.Millisecond) // The clock of a bubble begins with the year 2000.
				h := inMemory(t, simulator.Options{Clock: func() time.Time { return time.Now().Add(responses[0].ahead) }}, nil)
				if offset, known := h.client.ClockOffset(); known || offset != 0 || h.client.ClockCorrection() != 0 {
					t.Errorf("before the first response: %s, known %t", offset, known)
				}
				for i, r := range responses {
					h.appliance.Intercept(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
						advance(r.takes / 2)
						w.Header().Set("Date", time.Now().Add(r.ahead).UTC().Format(http.TimeFormat))
						if r.change != nil {
							r.change(w)
						}
						advance(r.takes / 2)
						next.ServeHTTP(w, req)
					})
					_ = h.get(t.Context())
					offset, known := h.client.ClockOffset()
					if !known || (offset-r.want).Abs() > r.off {
						t.Errorf("response %d: %s, known %t, want %s to within %s", i, offset, known, r.want, r.off)
					}
					want := time.Duration(0)
					if r.corrects {
						want = offset
					}
					if got := h.client.ClockCorrection(); got != want {
						t.Errorf("response %d: ages use %s, want %s", i, got, want)
					}
				}
			})
		})
	}
}
