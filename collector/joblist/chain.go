package joblist

import (
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// page is a page of the list: its jobs from position skip on, as they were at one moment.
type page struct {
	skip, total, count int
	first, last        jobID
	// ids are the page's jobs in order: all of them if the list is to be cached, else at least the
	// last recentIDs.
	ids []jobID
	// firstStatus and lastStatus are the overall_status of the first and the last job.
	firstStatus, lastStatus string
	// duplicates counts the records whose job was read before, in this page or in another one, and
	// repeated those whose job is in this page before.
	duplicates, repeated int
	// rising counts the records that are newer than the one before them, and falling those that
	// are older.
	rising, falling int
	// created is the createdAt of the last record that has one.
	created time.Time
	// digest is the digest of all jobs except the first.
	digest uint64
}

// end returns the position after the page.
func (p *page) end() int { return p.skip + p.count }

// reachesEnd reports whether the page has the last job of the list.
func (p *page) reachesEnd() bool { return p.end() == p.total && (p.count > 0 || p.skip == 0) }

// contradictsTotal reports whether the page has jobs at positions beyond its own total. Then the
// total and the jobs are not of the same moment, and the page is requested again.
func (p *page) contradictsTotal() bool { return p.count > 0 && p.end() > p.total }

// add adds a job.
func (p *page) add(job *syncjob.Job) {
	id := newJobID(job.ID)
	p.lastStatus = job.OverallStatus
	if p.count == 0 {
		p.first, p.firstStatus = id, p.lastStatus
	} else {
		p.digest = extendDigest(p.digest, id)
	}
	p.last = id
	p.count++
	p.ids = append(p.ids, id)
	p.compare(job.CreatedAt)
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

// countRepeated sets repeated, as far as ids shows.
func (p *page) countRepeated() {
	// One duplicate is expected: the record that the page shares with the page before it.
	if p.duplicates <= 1 {
		return
	}
	once := make(map[jobID]struct{}, len(p.ids))
	for _, id := range p.ids {
		once[id] = struct{}{}
	}
	p.repeated = len(p.ids) - len(once)
}

// digestFactor is odd, so multiplying by it is reversible.
const digestFactor = 0x9E3779B97F4A7C15

// extendDigest returns the digest of a sequence of jobs and one more. It depends on their order.
func extendDigest(digest uint64, id jobID) uint64 { return digest*digestFactor + id.high*3 + id.low }

// joinDigests returns the digest of two sequences, the second of which has the given number of jobs.
func joinDigests(first, second uint64, jobs int) uint64 {
	for factor := uint64(digestFactor); jobs > 0; jobs, factor = jobs>>1, factor*factor {
		if jobs&1 == 1 {
			first *= factor
		}
	}
	return first + second
}

// splice describes how a page continues the chain. The first keep ids of the chain stay, and the page's jobs
// from index from on follow them. If the list has not changed, the whole chain stays and from is 1: the
// page's first job is the chain's last one.
type splice struct {
	keep, from int
	// behind is how many jobs of the chain follow the page's last job.
	behind int
	// extends is true if the page has jobs that follow the last one of the chain, or reaches the
	// end of the list.
	extends bool
	// restart is true if the chain begins again with this page.
	restart bool
}

// chain is the part of the list that was read without a gap: pages from position 0 on, each of
// which has a record in common with the one before it.
type chain struct {
	// tail is the last page.
	tail *page
	// pages and positions are the numbers of pages and of records, each position counted once.
	// repeated is the sum of page.repeated.
	pages, positions, repeated int
	// rising and falling are the sums of those of the pages.
	rising, falling int
	// firstStatus is the overall_status of the first job.
	firstStatus string
	// exact is true if all pages fit together by their positions, as in a list that does not change.
	exact bool
	// hasSinglePage is true if a page before the last has one record only, so that it cannot overlap.
	hasSinglePage bool
	// digest is the digest of the jobs. It is only valid if exact is true.
	digest uint64
	// ids are the jobs in the order of the list: all of them if recorded, else at least the last
	// recentIDs.
	ids      []jobID
	recorded bool
}

// recentIDs is how many of the chain's last jobs are searched at least for a job of the next page.
const recentIDs = 2000

// spliceOf returns how a page continues the chain: after the first record that they have in common. It
// returns false if they have none.
func (c *chain) spliceOf(p *page) (j splice, ok bool) {
	if p.count == 0 {
		return splice{}, false
	}
	// Fast path: if the list has not changed, the page's first record is at position skip of the chain.
	if at := len(c.ids) - (c.tail.end() - p.skip); at >= 0 && at < len(c.ids) && c.ids[at] == p.first {
		switch behind := c.tail.end() - p.end(); {
		case behind < 0:
			return splice{keep: at + 1, from: 1, extends: true}, true
		case c.ids[len(c.ids)-1-behind] == p.last:
			return splice{keep: at + 1, from: 1, behind: behind, extends: p.reachesEnd()}, true
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
			// This job is new: it appeared after the chain was read.
			continue
		}
		j = splice{keep: at + 1, from: p.count - len(p.ids) + i + 1, extends: true}
		if last, ok := places[p.last]; ok && last >= at {
			j.behind, j.extends = len(c.ids)-1-last, p.reachesEnd()
		}
		return j, true
	}
	return splice{}, false
}

// append adds a page to the chain.
func (c *chain) append(p *page, j splice) {
	if c.tail != nil {
		c.hasSinglePage = c.hasSinglePage || c.tail.count == 1
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
		c.digest = extendDigest(c.digest, p.first)
		c.firstStatus = p.firstStatus
	}
	c.digest = joinDigests(c.digest, p.digest, p.count-1)
	c.pages++
	c.positions += p.count - j.from
	c.repeated += p.repeated
	c.rising += p.rising
	c.falling += p.falling
	c.tail = p
}

// cacheable reports whether incremental reads can prove the list. It must be ordered, so that new
// jobs appear at one end only, and each job must have one position. A list of one page needs no
// cache: a full read is as fast.
func (c *chain) cacheable(distinct int) bool {
	_, ordered := c.newestFirst()
	return c.recorded && ordered && !c.hasSinglePage && c.pages > 1 && len(c.ids) == distinct
}

// newestFirst reports whether the list is ordered from the newest job to the oldest, or in the
// opposite order; ok is false if it is not ordered. A few neighbors in the wrong order are ignored,
// because the clocks of an appliance's nodes may differ a little.
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
