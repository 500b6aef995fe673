package joblist

// tries compares the tries of one page. A page whose body was cut short is asked
// for again, and the jobs that came before the cut are counted by then: only
// where every try begins with the same jobs do they belong to one list.
type tries struct {
	now cut
	// cuts are how far the tries before this one came.
	cuts   []cut
	differ bool
}

// cut is a number of jobs and their digest, which depends on their order.
type cut struct {
	jobs   int
	digest uint64
}

// begin begins a try.
func (t *tries) begin() {
	if t.now.jobs > 0 {
		t.cuts = append(t.cuts, t.now)
	}
	t.now = cut{}
}

// note takes the next job.
func (t *tries) note(key jobKey) {
	// An odd factor loses nothing, and makes the order count.
	const factor = 0x9E3779B97F4A7C15
	t.now.jobs++
	t.now.digest = t.now.digest*factor + key[0]
	for _, before := range t.cuts {
		t.differ = t.differ || (before.jobs == t.now.jobs && before != t.now)
	}
}

// agree says whether the last try began with the jobs of each one before it.
func (t *tries) agree() bool {
	for _, before := range t.cuts {
		if before.jobs > t.now.jobs {
			return false
		}
	}
	return !t.differ
}
