package joblist

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// page is a stretch of the list.
type page struct {
	full  *FullRead
	tally *tally

	skip, total, count int
	first, last        jobID
	// ids are the jobs in their order: all of them if they are recorded, else the last ones.
	ids []jobID
	// firstStatus and lastStatus are the overall_status of the first and the last job.
	firstStatus, lastStatus string
	// known counts the jobs that other pages, or this one, had before; repeated those that this
	// page has more than once.
	known, repeated int
	// rising and falling count the neighbors of which the later one is newer, or older.
	rising, falling int
	created         time.Time
	// digest is that of all jobs except the first.
	digest digest
}

func (p *page) end() int { return p.skip + p.count }

// reachesEnd reports whether no job is behind the page.
func (p *page) reachesEnd() bool { return p.end() == p.total && (p.count > 0 || p.skip == 0) }

// contradictsTotal reports whether the page has jobs behind its own total. Then its total, or
// the page, is of another moment, and the page is requested again.
func (p *page) contradictsTotal() bool { return p.count > 0 && p.end() > p.total }

// begin implements visitor. Jobs of a transfer that failed stay counted: they are in the list.
func (p *page) begin() {
	*p = page{full: p.full, tally: p.tally, skip: p.skip, ids: p.ids[:0]}
}

// visit implements visitor.
func (p *page) visit(job *syncjob.Job) error {
	if most := max(p.full.limit, maxUnasked); p.count >= most {
		return inconsistentf("a page has more than %d jobs although %d were requested", most, p.full.limit)
	}
	id := newJobID(job.ID)
	p.lastStatus = job.OverallStatus
	if p.count == 0 {
		p.first, p.firstStatus = id, p.lastStatus
	} else {
		p.digest.add(id)
	}
	p.last = id
	p.count++
	p.ids = append(p.ids, id)
	if !p.full.reader.options.Cache && len(p.ids) >= 2*recentIDs {
		p.ids = append(p.ids[:0], p.ids[len(p.ids)-recentIDs:]...)
	}
	p.compare(job.CreatedAt)
	if !p.full.seen.add(id) {
		p.known++
		if p.known > p.full.limit+recentIDs {
			return inconsistentf("a page repeats more than %d jobs", p.full.limit+recentIDs)
		}
		return nil
	}
	return p.tally.add(id, job, p.full.reader.options.Cache, p.full.began)
}

// compare counts whether a job is newer or older than the one before it.
func (p *page) compare(created time.Time) {
	if created.IsZero() {
		return
	}
	if !p.created.IsZero() {
		switch created.Compare(p.created) {
		case 1:
			p.rising++
		case -1:
			p.falling++
		}
	}
	p.created = created
}

// countRepeated counts the jobs that the page has more than once, of those that ids has.
func (p *page) countRepeated() {
	// The first record of a page is the last one of the page before.
	if p.known <= 1 {
		return
	}
	once := make(map[jobID]struct{}, len(p.ids))
	for _, id := range p.ids {
		once[id] = struct{}{}
	}
	p.repeated = len(p.ids) - len(once)
}

// digest differs between two sequences of jobs that differ in a job or in its place.
type digest uint64

// digestFactor is odd, so that a multiplication loses nothing.
const digestFactor = 0x9E3779B97F4A7C15

func (d *digest) add(id jobID) { *d = *d*digestFactor + digest(id.high*3+id.low) }

// join adds a sequence of so many jobs.
func (d *digest) join(next digest, jobs int) {
	factor := digest(digestFactor)
	for ; jobs > 0; jobs >>= 1 {
		if jobs&1 == 1 {
			*d *= factor
		}
		factor *= factor
	}
	*d += next
}

// join is where a page continues the chain.
type join struct {
	// keep is how many of chain.ids stand before the page's jobs, and from the number of the
	// page's first job that is not among them.
	keep, from int
	// behind is how many jobs of the chain stand behind the page's last one.
	behind int
	// extends is true if the page has jobs behind those of the chain, or reaches the list's end.
	extends bool
	// restart gives up the chain before the page.
	restart bool
}

// chain is the list as far as its pages are joined.
type chain struct {
	tail *page
	// pages, positions and repeated count what was joined.
	pages, positions, repeated int
	rising, falling            int
	// firstStatus is the overall_status of the first job.
	firstStatus string
	// exact is true if the pages joined as they do in a list that does not change.
	exact bool
	// single is true if the pages hold one record each.
	single bool
	// digest is that of the jobs, if exact.
	digest digest
	// ids are the jobs in the list's order: all of them if recorded, else the last ones.
	ids      []jobID
	recorded bool
}

// recentIDs is how many of a chain's last jobs a page is joined with at least.
const recentIDs = 2000

// expect makes room for so many jobs.
func (c *chain) expect(jobs int) {
	if c.recorded && cap(c.ids) < jobs {
		c.ids = append(make([]jobID, 0, jobs+jobs/64), c.ids...)
	}
}

// joins returns where a page continues the chain: behind the first record that they have in
// common. It reports whether there is one.
func (c *chain) joins(p *page) (j join, ok bool) {
	if p.count == 0 {
		return join{}, false
	}
	// In a list that has not changed, the positions say where.
	if at := len(c.ids) - (c.tail.end() - p.skip); at >= 0 && at < len(c.ids) && c.ids[at] == p.first {
		switch behind := c.tail.end() - p.end(); {
		case behind < 0:
			return join{keep: at + 1, from: 1, extends: true}, true
		case c.ids[len(c.ids)-1-behind] == p.last:
			return join{keep: at + 1, from: 1, behind: behind, extends: p.reachesEnd()}, true
		}
	}
	from := max(0, len(c.ids)-max(recentIDs, c.tail.count))
	places := make(map[jobID]int, len(c.ids)-from)
	for i, id := range c.ids[from:] {
		places[id] = from + i
	}
	for i, id := range p.ids {
		at, ok := places[id]
		if !ok {
			// A new job, before the first one that the chain has.
			continue
		}
		j = join{keep: at + 1, from: p.count - len(p.ids) + i + 1, extends: true}
		if last, ok := places[p.last]; ok && last >= at {
			j.behind, j.extends = len(c.ids)-1-last, p.reachesEnd()
		}
		return j, true
	}
	return join{}, false
}

// append continues the chain.
func (c *chain) append(p *page, j join) {
	if c.tail != nil {
		c.single = c.single || c.tail.count == 1
		c.exact = c.exact && !j.restart && j.from <= 1 && c.tail.end()-len(c.ids)+j.keep == p.skip+j.from
		c.positions -= len(c.ids) - j.keep
		if j.restart {
			c.positions = 0
		}
	}
	c.ids = c.ids[:j.keep]
	if len(p.ids) == p.count {
		c.ids = append(c.ids, p.ids[j.from:]...)
	} else {
		c.ids = append(c.ids[:0], p.ids...)
	}
	if most := max(recentIDs, len(p.ids)); !c.recorded && len(c.ids) > 2*most {
		c.ids = append(c.ids[:0], c.ids[len(c.ids)-most:]...)
	}
	if j.from == 0 && p.count > 0 {
		c.digest.add(p.first)
		c.firstStatus = p.firstStatus
	}
	c.digest.join(p.digest, p.count-1)
	c.pages++
	c.positions += p.count - j.from
	c.repeated += p.repeated
	c.rising += p.rising
	c.falling += p.falling
	c.tail = p
}

// cacheable reports whether incremental reads can prove the list: it has an order, so that new
// jobs are at one end of it, and each job has one position. A list of one page is read as fast
// without a cache.
func (c *chain) cacheable(distinct int) bool {
	_, ordered := c.newestFirst()
	return c.recorded && ordered && !c.single && c.pages > 1 && len(c.ids) == distinct
}

// newestFirst reports whether the list has its newest jobs first; ok is false if it has them
// neither first nor last. The clocks of an appliance's nodes may differ a little, so a few
// neighbors in the other order do not count.
func (c *chain) newestFirst() (first, ok bool) {
	const few = 20
	switch {
	case c.falling > 0 && c.rising*few <= c.falling:
		return true, true
	case c.rising > 0 && c.falling*few <= c.rising:
		return false, true
	default:
		return false, false
	}
}
