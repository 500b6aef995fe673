package schedule

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
	// Horizon is how far ahead gaps between times are searched.
	Horizon = 35 * day
	// oldest is how far back the last time is searched. It is more than the longest gap of a cron
	// expression that fires at all, which is that of February 29.
	oldest = 8*year + 3*day
)

// NextRun returns the first time after now at which the schedule starts jobs, or the zero time.
func (s *Schedule) NextRun(now time.Time) time.Time { return s.next(now) }

// next returns the first time after a time at which the schedule starts jobs, or the zero time. It is zero
// for a schedule that is disabled.
func (s *Schedule) next(after time.Time) time.Time {
	if s.spec == nil || s.Disabled {
		return time.Time{}
	}
	if after.Before(s.from) {
		// The first time itself counts.
		after = s.from.Add(-1)
	}
	next := s.spec.Next(after.UTC())
	if !s.until.IsZero() && next.After(s.until) {
		return time.Time{}
	}
	return next
}

// last returns the last time up to now at which the schedule should have started jobs, or the zero time.
//
// The cron package has no such function. So last doubles a window that ends now until a time is in it, and
// halves that until only the last one is in it.
func (s *Schedule) last(now time.Time) time.Time {
	if !s.until.IsZero() && now.After(s.until) {
		now = s.until
	}
	now = now.UTC().Truncate(time.Minute)
	if s.spec == nil || s.Disabled {
		return time.Time{}
	}
	inWindow := func(window time.Duration) bool {
		next := s.spec.Next(now.Add(-window))
		return !next.IsZero() && !next.After(now)
	}
	window := time.Minute
	for ; !inWindow(window); window *= 2 {
		if window > oldest || now.Add(-window).Before(s.from) {
			return time.Time{}
		}
	}
	for without := window / 2; window-without > time.Minute; {
		if middle := (without + (window-without)/2).Truncate(time.Minute); inWindow(middle) {
			window = middle
		} else {
			without = middle
		}
	}
	last := s.spec.Next(now.Add(-window))
	if last.Before(s.from) {
		return time.Time{}
	}
	return last
}

// Grace is how late a job may start before its run counts as missed, and Early by how much it may have
// started before the time, because the clocks of an appliance's nodes differ.
const (
	Grace = 15 * time.Minute
	Early = 2 * time.Minute
)

// Times say when jobs of a scope should start. A time is zero if there is none.
type Times struct {
	// Due is the last time up to now, and Next the first one after it.
	Due, Next time.Time
	// Late is the last time that is at least Grace ago.
	Late time.Time
	// Interval is the longest gap between consecutive times, from Due to the first one after the next 35
	// days. It is 0 if there are fewer than two times.
	Interval time.Duration
}

// Missed reports whether a scope missed a run, given the createdAt of its newest job. A scope without jobs
// or without that time has missed none: it was never synchronized, or nobody knows.
func (t *Times) Missed(newest time.Time) bool {
	return !newest.IsZero() && !t.Late.IsZero() && newest.Before(t.Late.Add(-Early))
}

// Set is a set of schedules that cover the same scopes. It is safe for concurrent use.
type Set struct {
	schedules []*Schedule
	// latest is what was computed last.
	latest atomic.Pointer[moment]
}

// NewSet returns a set of schedules.
func NewSet(schedules []*Schedule) *Set { return &Set{schedules: schedules} }

// Schedules returns the schedules. They must not be changed.
func (s *Set) Schedules() []*Schedule { return s.schedules }

// moment has the times of a set at one minute. All times are whole minutes, so they do not change within
// it.
type moment struct {
	now time.Time
	// due and late are those of each schedule.
	due, late []time.Time
	// next is the first time after now, and gap the longest gap after it.
	next time.Time
	gap  time.Duration
}

// instant has the times of one schedule at one minute.
type instant struct {
	now, due, late, next time.Time
	// beyond is the first time after the horizon.
	beyond time.Time
	days   *days
}

// at returns the times at a minute. Many sets may have the schedule, and most of its times are those of the
// minute before.
func (s *Schedule) at(now time.Time) *instant {
	before := s.instant.Load()
	if before != nil && before.now.Equal(now) {
		return before
	}
	i := &instant{now: now}
	if before != nil && before.now.Before(now) {
		i.due, i.next, i.beyond = before.due, before.next, before.beyond
		if !i.next.IsZero() && !i.next.After(now) {
			i.due, i.next = s.last(now), s.next(now)
		}
		if !i.beyond.IsZero() && !i.beyond.After(now.Add(Horizon)) {
			i.beyond = s.next(now.Add(Horizon))
		}
	} else {
		i.due, i.next, i.beyond = s.last(now), s.next(now), s.next(now.Add(Horizon))
	}
	i.late = i.due
	if i.due.After(now.Add(-Grace)) {
		i.late = s.last(now.Add(-Grace))
	}
	if before != nil && before.days.first.Equal(now.Truncate(day)) {
		i.days = before.days
	} else {
		i.days = newDays(s, now.Truncate(day))
	}
	s.instant.Store(i)
	return i
}

// Times returns the times of a container that was registered at created, which may be zero. Times before
// that are not due.
func (s *Set) Times(now, created time.Time) (t Times) {
	now = now.UTC().Truncate(time.Minute)
	m := s.latest.Load()
	switch {
	case created.After(now):
		m = s.compute(now, created)
	case m == nil || !m.now.Equal(now):
		m = s.compute(now, now)
		s.latest.Store(m)
	}
	t = Times{Due: latest(m.due, created), Late: latest(m.late, created), Next: m.next, Interval: m.gap}
	if !t.Due.IsZero() && !t.Next.IsZero() {
		t.Interval = max(t.Interval, t.Next.Sub(t.Due))
	}
	return t
}

// latest returns the latest of the times that are not before another one, or the zero time.
func latest(times []time.Time, earliest time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) && !t.Before(earliest) {
			last = t
		}
	}
	return last
}

// compute computes the times at a minute. Next times before earliest, which is not before now, do not
// count.
func (s *Set) compute(now, earliest time.Time) *moment {
	m := &moment{now: now}
	union := &days{first: now.Truncate(day)}
	var beyond time.Time
	for _, one := range s.schedules {
		i := one.at(now)
		m.due, m.late = append(m.due, i.due), append(m.late, i.late)
		m.next, beyond = earlier(m.next, i.next), earlier(beyond, i.beyond)
		union.add(i.days)
	}
	horizon := now.Add(Horizon)
	if earliest.After(now) {
		m.next = s.next(earliest.Add(-1))
	}
	if earliest.After(horizon) {
		beyond = m.next
	}
	if m.next.IsZero() {
		return m
	}
	var last time.Time
	m.gap, last = union.longestGap(m.next, horizon)
	if !beyond.IsZero() {
		m.gap = max(m.gap, beyond.Sub(last))
	}
	return m
}

// earlier returns the earlier one of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// next returns the first time after a time of any of the schedules.
func (s *Set) next(after time.Time) (next time.Time) {
	for _, one := range s.schedules {
		next = earlier(next, one.next(after))
	}
	return next
}

// numDays is how many days overlap with a horizon that begins within the first.
const numDays = int(Horizon/day) + 1

// days has a bit for each minute at which jobs should start, in the hours from the first day on.
type days struct {
	first time.Time
	hours [24 * numDays]uint64
}

// newDays returns the times of a schedule.
func newDays(s *Schedule, first time.Time) *days {
	d := &days{first: first}
	end := first.Add(time.Duration(numDays) * day)
	for t := s.next(first.Add(-1)); !t.IsZero() && t.Before(end); t = s.next(t) {
		begin, next := localDay(t, s.spec.Location)
		// Most days have all times that the expression has on a day. Searching one after another takes much longer.
		if next.Sub(begin) == day && !begin.Before(s.from) && (s.until.IsZero() || !next.After(s.until)) {
			for hour := range 24 {
				if s.spec.Hour>>hour&1 == 1 {
					d.addHour(begin.Add(time.Duration(hour)*time.Hour), s.spec.Minute)
				}
			}
			t = next.Add(-1)
			continue
		}
		d.addHour(t, 1)
	}
	return d
}

// localDay returns the beginnings of a time's day and of the next one in the location of a cron expression,
// which is UTC unless the expression says otherwise.
func localDay(t time.Time, location *time.Location) (begin, next time.Time) {
	if location == time.Local {
		location = time.UTC
	}
	year, month, date := t.In(location).Date()
	return time.Date(year, month, date, 0, 0, 0, 0, location), time.Date(year, month, date+1, 0, 0, 0, 0, location)
}

// addHour adds times of the hour that begins at a time, given as bits. The time may be in the middle of an hour
// of UTC.
func (d *days) addHour(begin time.Time, minutes uint64) {
	const all = 1<<60 - 1
	since := begin.Sub(d.first)
	hour, minute := int(since.Truncate(time.Hour)/time.Hour), int(since%time.Hour/time.Minute)
	if minute < 0 {
		hour, minute = hour-1, minute+60
	}
	for i, part := range [...]uint64{minutes & all << minute & all, minutes & all >> (60 - minute)} {
		if at := hour + i; at >= 0 && at < len(d.hours) {
			d.hours[at] |= part
		}
	}
}

// add adds the times of other, which has the same days.
func (d *days) add(other *days) {
	for hour := range d.hours {
		d.hours[hour] |= other.hours[hour]
	}
}

// longestWithin returns the longest gap between consecutive bits from a first to a last one.
func longestWithin(minutes uint64, first, last int) int {
	all := uint64(1)<<(last+1) - uint64(1)<<first
	gap := 1
	// Each step shortens every gap by one.
	for ; minutes&all != all; minutes |= minutes << 1 {
		gap++
	}
	return gap
}

// longestGap returns the longest gap between consecutive times, from a time that is one of them on and up
// to another time, and the last of them.
func (d *days) longestGap(from, upTo time.Time) (longest time.Duration, last time.Time) {
	begin, end := int(from.Sub(d.first)/time.Minute), int(upTo.Sub(d.first)/time.Minute)
	previous, gap := begin, 0
	for hour := begin / 60; hour <= end/60 && hour < len(d.hours); hour++ {
		minutes := d.hours[hour]
		if hour == begin/60 {
			minutes &= ^uint64(0) << (begin % 60)
		}
		if hour == end/60 {
			minutes &= 1<<(end%60+1) - 1
		}
		if minutes == 0 {
			continue
		}
		first, last := bits.TrailingZeros64(minutes), bits.Len64(minutes)-1
		gap = max(gap, hour*60+first-previous)
		previous = hour*60 + last
		if first < last {
			gap = max(gap, longestWithin(minutes, first, last))
		}
	}
	return time.Duration(gap) * time.Minute, d.first.Add(time.Duration(previous) * time.Minute)
}
