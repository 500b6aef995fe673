package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/schedule"
)

// build returns the schedules of records.
func build(tb testing.TB, records ...schedule.Record) []*schedule.Schedule {
	tb.Helper()
	b := schedule.NewBuilder(func(text string) string { return text })
	for i := range records {
		if _, err := b.Add(&records[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Schedules()
}

// at parses a time in UTC.
func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	tb.Fatalf("%q is not a time", text)
	return time.Time{}
}

// TestTimes checks when jobs are due, at noon of Friday, November 20, 2026.
func TestTimes(t *testing.T) {
	for name, test := range map[string]struct {
		runAt string
		// created, updated, start and end are those of the schedule, and container is when the container was
		// registered.
		created, updated, start, end, container string
		disabled                                bool
		now                                     string
		due, next                               string
		interval                                time.Duration
	}{
		"nightly":                        {runAt: "0 2 * * *", due: "2026-11-20 02:00", next: "2026-11-21 02:00", interval: 24 * time.Hour},
		"due this minute":                {runAt: "0 12 * * *", due: "2026-11-20 12:00", next: "2026-11-21 12:00", interval: 24 * time.Hour},
		"every minute":                   {runAt: "* * * * *", due: "2026-11-20 12:00", next: "2026-11-20 12:01", interval: time.Minute},
		"on working days":                {runAt: "0 2 * * 1-5", due: "2026-11-20 02:00", next: "2026-11-23 02:00", interval: 72 * time.Hour},
		"names of days and months":       {runAt: "0 2 * nov,dec sun", due: "2026-11-15 02:00", next: "2026-11-22 02:00", interval: 7 * 24 * time.Hour},
		"every minute of some days":      {runAt: "* * 1-20 * *", due: "2026-11-20 12:00", next: "2026-11-20 12:01", interval: 11*24*time.Hour + time.Minute},
		"a question mark is a star":      {runAt: "0 2 ? * ?", due: "2026-11-20 02:00", next: "2026-11-21 02:00", interval: 24 * time.Hour},
		"either of both day fields":      {runAt: "0 2 1 * 5", due: "2026-11-20 02:00", next: "2026-11-27 02:00", interval: 7 * 24 * time.Hour},
		"a star and a day of the week":   {runAt: "0 2 */1 * 5", due: "2026-11-20 02:00", next: "2026-11-27 02:00", interval: 7 * 24 * time.Hour},
		"monthly":                        {runAt: "0 2 1 * *", due: "2026-11-01 02:00", next: "2026-12-01 02:00", interval: 31 * 24 * time.Hour},
		"yearly":                         {runAt: "0 2 1 1 *", due: "2026-01-01 02:00", next: "2027-01-01 02:00", interval: 365 * 24 * time.Hour},
		"in leap years":                  {runAt: "0 2 29 2 *", due: "2024-02-29 02:00", next: "2028-02-29 02:00", interval: 1461 * 24 * time.Hour},
		"never":                          {runAt: "0 2 30 2 *"},
		"a descriptor":                   {runAt: "@daily", due: "2026-11-20 00:00", next: "2026-11-21 00:00", interval: 24 * time.Hour},
		"no fixed times":                 {runAt: "@every 1h"},
		"a time zone":                    {runAt: "CRON_TZ=Asia/Kolkata 0 2 * * *", due: "2026-11-19 20:30", next: "2026-11-20 20:30", interval: 24 * time.Hour},
		"a time zone alone":              {runAt: "TZ=UTC"},
		"six fields":                     {runAt: "0 0 2 * * *"},
		"no expression":                  {runAt: ""},
		"disabled":                       {runAt: "0 2 * * *", disabled: true},
		"created since":                  {runAt: "0 2 * * *", created: "2026-11-20 02:00:01", next: "2026-11-21 02:00"},
		"created at that time":           {runAt: "0 2 * * *", created: "2026-11-20 02:00", due: "2026-11-20 02:00", next: "2026-11-21 02:00", interval: 24 * time.Hour},
		"changed since":                  {runAt: "0 2 * * *", created: "2026-01-01 00:00", updated: "2026-11-20 03:00", next: "2026-11-21 02:00"},
		"not started":                    {runAt: "0 2 * * *", start: "2026-12-01T00:00:00+09:00", next: "2026-12-01 02:00"},
		"started in another zone":        {runAt: "0 2 * * *", start: "2026-11-20T11:30:00+09:00", next: "2026-11-21 02:00"},
		"its first time is its start":    {runAt: "0 2 * * *", start: "2026-12-01 02:00", next: "2026-12-01 02:00"},
		"ended":                          {runAt: "0 2 * * *", end: "2026-11-18 02:00", due: "2026-11-18 02:00"},
		"ended before any":               {runAt: "0 2 * * *", start: "2026-11-18 03:00", end: "2026-11-18 04:00"},
		"ends soon":                      {runAt: "0 2 * * *", end: "2026-11-21 02:00", due: "2026-11-20 02:00", next: "2026-11-21 02:00", interval: 24 * time.Hour},
		"ends before the next":           {runAt: "0 2 * * *", end: "2026-11-21 01:59", due: "2026-11-20 02:00"},
		"the container is newer":         {runAt: "0 2 * * *", container: "2026-11-20 02:00:01", next: "2026-11-21 02:00"},
		"the container is of the future": {runAt: "0 2 * * *", container: "2026-11-22 02:00", next: "2026-11-22 02:00"},
	} {
		t.Run(name, func(t *testing.T) {
			r := schedule.Record{ID: "1", Disabled: recordFlag(test.disabled)}
			r.RunAt = recordText(test.runAt)
			r.CreatedAt.Time, r.UpdatedAt.Time = at(t, test.created), at(t, test.updated)
			r.StartDate.Time, r.EndDate.Time = at(t, test.start), at(t, test.end)
			now := at(t, "2026-11-20 12:00:59")
			times := schedule.NewSet(build(t, r)).Times(now, at(t, test.container))
			interval := test.interval
			if interval == 0 && times.Due.IsZero() {
				// Without a time that was due, the gaps are those of the next times.
				interval = times.Interval
			}
			if !times.Due.Equal(at(t, test.due)) || !times.Next.Equal(at(t, test.next)) || times.Interval != interval {
				t.Errorf("due %v, next %v, interval %v, want %s, %s, %v", times.Due, times.Next, times.Interval, test.due, test.next, test.interval)
			}
		})
	}
}

// TestMissed checks when a run counts as missed, for a schedule at 02:00.
func TestMissed(t *testing.T) {
	set := schedule.NewSet(build(t, schedule.Record{ID: "1", RunAt: "0 2 * * *"}))
	for _, test := range []struct {
		now, newest string
		want        bool
	}{
		{"2026-11-20 02:14", "2026-11-19 02:00", false},
		{"2026-11-20 02:15", "2026-11-19 02:00", true},
		{"2026-11-20 02:15", "2026-11-20 01:57", true},
		{"2026-11-20 02:15", "2026-11-20 01:58", false},
		{"2026-11-20 02:15", "2026-11-20 02:14", false},
		{"2026-11-20 02:15", "", false},
	} {
		times := set.Times(at(t, test.now), time.Time{})
		if got := times.Missed(at(t, test.newest)); got != test.want {
			t.Errorf("at %s, with a job of %s: missed is %t", test.now, test.newest, got)
		}
	}
}

// randomCron returns a cron expression and a function that matches its minutes.
func randomCron(tb testing.TB, rng *rand.Rand) (text string, matches func(time.Time) bool) {
	tb.Helper()
	field := func(least, most int) (string, map[int]bool) {
		set := map[int]bool{}
		switch rng.IntN(5) {
		case 0, 1:
			for i := least; i <= most; i++ {
				set[i] = true
			}
			return "*", set
		case 2:
			step := 1 + rng.IntN(most)
			for i := least; i <= most; i += step {
				set[i] = true
			}
			return fmt.Sprintf("%d-%d/%d", least, most, step), set
		default:
			var values []string
			for range 1 + rng.IntN(3) {
				value := least + rng.IntN(most-least+1)
				set[value] = true
				values = append(values, strconv.Itoa(value))
			}
			return strings.Join(values, ","), set
		}
	}
	minute, minutes := field(0, 59)
	hour, hours := field(0, 23)
	dom, doms := field(1, 31)
	month, months := field(1, 12)
	dow, dows := field(0, 6)
	zone := [...]string{"", "Asia/Kolkata", "America/New_York"}[rng.IntN(3)]
	location, err := time.LoadLocation(zone)
	if err != nil {
		tb.Fatal(err)
	}
	text = strings.Join([]string{minute, hour, dom, month, dow}, " ")
	if zone != "" {
		text = "TZ=" + zone + " " + text
	}
	return text, func(t time.Time) bool {
		t = t.In(location)
		onDay := doms[t.Day()] || dows[int(t.Weekday())]
		if dom == "*" || dow == "*" {
			onDay = doms[t.Day()] && dows[int(t.Weekday())]
		}
		return minutes[t.Minute()] && hours[t.Hour()] && months[int(t.Month())] && onDay
	}
}

// TestTimesOfOracle compares the times of random schedules with an oracle that steps through the minutes.
func TestTimesOfOracle(t *testing.T) {
	seed := rand.Uint64() //nolint:gosec // Cases have to come again with their seed.
	// The oracle sees the times within reach, which is longer than the horizon.
	const reach = 40 * 24 * time.Hour
	for number := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, number)) //nolint:gosec // Cases have to come again with their seed.
		now := at(t, "2026-01-01 00:00").Add(time.Duration(rng.Int64N(int64(4 * 365 * 24 * time.Hour)))).Round(time.Second)
		somewhen := func(oneIn int) time.Time {
			if rng.IntN(oneIn) > 0 {
				return time.Time{}
			}
			return now.Add(time.Duration(rng.Int64N(int64(2*reach))) - reach).Round(time.Minute)
		}
		records := make([]schedule.Record, 1+rng.IntN(3))
		match := make([]func(time.Time) bool, len(records))
		container := somewhen(4)
		texts := make([]string, len(records))
		for i := range records {
			r := &records[i]
			var matches func(time.Time) bool
			texts[i], matches = randomCron(t, rng)
			r.ID, r.RunAt, r.Disabled = recordText(strconv.Itoa(i)), recordText(texts[i]), rng.IntN(9) == 0
			r.CreatedAt.Time, r.UpdatedAt.Time, r.StartDate.Time, r.EndDate.Time = somewhen(4), somewhen(4), somewhen(4), somewhen(4)
			match[i] = func(t time.Time) bool {
				return !bool(r.Disabled) && matches(t) && !t.Before(r.CreatedAt.Time) && !t.Before(r.UpdatedAt.Time) && !t.Before(r.StartDate.Time) &&
					(r.EndDate.IsZero() || !t.After(r.EndDate.Time)) && !t.Before(container)
			}
		}
		var want schedule.Times
		var last time.Time
		for m := now.Add(-reach).Truncate(time.Minute); !m.After(now.Add(2 * reach)); m = m.Add(time.Minute) {
			if !slices.ContainsFunc(match, func(matches func(time.Time) bool) bool { return matches(m) }) {
				continue
			}
			if !m.After(now) {
				want.Due = m
				if !m.After(now.Add(-schedule.Grace)) {
					want.Late = m
				}
				last = m
				continue
			}
			if want.Next.IsZero() {
				want.Next = m
			}
			if !last.IsZero() {
				want.Interval = max(want.Interval, m.Sub(last))
			}
			last = m
			if m.After(now.Truncate(time.Minute).Add(schedule.Horizon)) {
				break
			}
		}
		got := schedule.NewSet(build(t, records...)).Times(now, container)
		// What is beyond the oracle's reach counts as none.
		if got.Due.Before(now.Add(-reach)) || got.Late.Before(now.Add(-reach)) || got.Next.After(now.Add(2*reach)) || last.Before(now.Add(schedule.Horizon)) {
			if got.Due.After(now) || (!want.Due.IsZero() && !got.Due.Equal(want.Due)) || (!want.Next.IsZero() && !got.Next.Equal(want.Next)) {
				t.Fatalf("case %d of seed %d: at %v of %q: got %+v, want %+v", number, seed, now, texts, got, want)
			}
			continue
		}
		if !got.Due.Equal(want.Due) || !got.Late.Equal(want.Late) || !got.Next.Equal(want.Next) || got.Interval != want.Interval {
			t.Fatalf("case %d of seed %d: at %v of %q: got %+v, want %+v", number, seed, now, texts, got, want)
		}
	}
}

// TestTimesLater checks that times which were computed before give the same later times as new ones.
func TestTimesLater(t *testing.T) {
	seed := rand.Uint64() //nolint:gosec // Cases have to come again with their seed.
	for number := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, number)) //nolint:gosec // Cases have to come again with their seed.
		now := at(t, "2026-01-01 00:00").Add(time.Duration(rng.Int64N(int64(365 * 24 * time.Hour))))
		records := make([]schedule.Record, 1+rng.IntN(3))
		for i := range records {
			text, _ := randomCron(t, rng)
			records[i].ID, records[i].RunAt = recordText(strconv.Itoa(i)), recordText(text)
			records[i].StartDate.Time = now.Add(time.Duration(rng.Int64N(int64(20*24*time.Hour))) - 10*24*time.Hour)
			if rng.IntN(2) == 0 {
				records[i].EndDate.Time = now.Add(time.Duration(rng.Int64N(int64(40 * 24 * time.Hour))))
			}
		}
		old := schedule.NewSet(build(t, records...))
		for range 60 {
			// Some steps go back, as the appliance's clock may.
			now = now.Add([]time.Duration{time.Minute, 7 * time.Minute, time.Hour, 26 * time.Hour, -time.Minute, -30 * time.Hour}[rng.IntN(6)])
			want, got := schedule.NewSet(build(t, records...)).Times(now, time.Time{}), old.Times(now, time.Time{})
			if got != want {
				t.Fatalf("case %d of seed %d: at %v of %+v: got %+v, want %+v", number, seed, now, records, got, want)
			}
		}
	}
}

// BenchmarkTimes computes the times of one set of schedules, as happens once a minute.
func BenchmarkTimes(b *testing.B) {
	for _, runAt := range []string{"0 2 * * *", "*/5 * * * *", "* * * * *", "0 2 29 2 *", "0 2 30 2 *"} {
		b.Run(runAt, func(b *testing.B) {
			set := schedule.NewSet(build(b, schedule.Record{ID: "1", RunAt: recordText(runAt)}))
			now := at(b, "2026-11-20 12:00")
			for b.Loop() {
				now = now.Add(time.Minute)
				set.Times(now, time.Time{})
			}
		})
	}
}
