package joblist

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// pass is one reading of the list from its start to its end.
//
// Its proof that what it read is one list: every page begins with the record
// that the page before it ended with. A job that is inserted or deleted before
// that place, between the reading of the two, shifts one of them against the
// other and shows. The list ends where a page reaches the total that the same
// page tells. Where as many jobs came before a seam as went, the two make up
// for each other; what went behind it then shows in a total that is smaller than
// the first page's. No order is assumed.
type pass struct {
	reader *Reader
	limit  int
	// total is what the first page told; 0 before it came.
	total int
	// longest bounds where the list may end.
	longest int
	// seen is the jobs that came already.
	seen *seenSet
	// order is the jobs by their position; it is nil where no history is kept.
	order *order
	// audited is a history that this pass is to be compared with, or nil.
	audited *history

	mu sync.Mutex
	// idle are the workers that read no page just now.
	idle []*worker
	// short is true where the list is one page.
	short bool
	// single is true where pages hold one record each, so that they cannot
	// overlap; digest then tells one pass from another.
	single bool
	digest uint64
}

func newPass(r *Reader) *pass {
	seen := r.spare
	r.spare = nil
	if seen == nil {
		seen = new(seenSet)
	}
	seen.reset()
	p := &pass{reader: r, seen: seen}
	if r.keeps() {
		p.order = new(order)
	}
	return p
}

// proven says whether the pass has proven that it read one list.
func (p *pass) proven() bool { return !p.single }

// read reads the list.
func (p *pass) read(ctx context.Context) error {
	first, err := p.first(ctx)
	if err != nil {
		return err
	}
	switch {
	case first.count == first.total:
		p.short = true
		return nil
	case first.count == 0:
		return gapf("the first page is empty and tells a total of %d", first.total)
	case first.total > maxPositions:
		return gapf("the first page tells a total of %d, and no more than %d can be read", first.total, maxPositions)
	}
	p.total = first.total
	p.seen.expect(first.total)
	if p.order != nil {
		p.order.expect(first.total)
	}
	// A list may grow while it is read, and no list doubles meanwhile.
	p.longest = min(maxPositions, 2*first.total+maxGrowth)
	if first.count == 1 {
		return p.readSingly(ctx, first)
	}
	return p.readRest(ctx, first)
}

// first reads the first page, with a smaller limit where one is refused.
func (p *pass) first(ctx context.Context) (*page, error) {
	p.limit = p.reader.startLimit()
	for {
		first, err := p.page(ctx, 0, math.MaxInt)
		if err == nil {
			p.reader.limit.Store(int64(p.limit))
			return first, nil
		}
		smaller, ok := p.reader.smallerLimit(p.limit, err)
		if !ok {
			return nil, err
		}
		p.limit = smaller
	}
}

// readRest reads what is behind the first page, several pages at once, in
// segments that are as long as the first page and overlap by one record.
func (p *pass) readRest(ctx context.Context, first *page) error {
	stride := first.count - 1
	seams := &seams{last: first.lastID, waiting: map[int]segment{}}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.reader.options.Concurrency)
	segments, from := 0, stride
	for ; from+1 < first.total && groupCtx.Err() == nil; from += stride {
		segments++
		number, start, until := segments, from, from+stride+1
		if until >= first.total {
			// The last segment goes on to where the list ends by then.
			until = math.MaxInt
		}
		group.Go(func() error {
			s, err := p.segment(groupCtx, start, until)
			if err != nil {
				return err
			}
			return seams.add(number, s)
		})
	}
	switch err := group.Wait(); {
	case err != nil:
		return err
	case from+1 < first.total:
		return reason.New(reason.Timeout, fmt.Errorf("between two pages: %w", context.Cause(ctx)), remedyTimeout)
	case seams.joined != segments:
		return gapf("of %d segments %d join", segments, seams.joined)
	default:
		return nil
	}
}

// segment is a stretch of the list that was read.
type segment struct {
	firstID, lastID string
}

// segment reads the positions that begin with from and end before until, or at
// the end of the list. It advances by what came: a page may be shorter than asked.
func (p *pass) segment(ctx context.Context, from, until int) (segment, error) {
	var s segment
	for at := from; ; {
		got, err := p.page(ctx, at, until-at)
		if err != nil {
			return segment{}, err
		}
		switch {
		case got.count == 0:
			return segment{}, gapf("the page at skip=%d is empty and tells a total of %d", at, got.total)
		case at == from:
			s.firstID = got.firstID
		case got.firstID != s.lastID:
			return segment{}, gapf("the page at skip=%d does not begin where the one before it ends", at)
		}
		s.lastID = got.lastID
		end := at + got.count
		switch {
		case end >= until, end == got.total:
			return s, nil
		case got.count == 1:
			return segment{}, gapf("the page at skip=%d has one record and tells a total of %d", at, got.total)
		case end > p.longest:
			return segment{}, gapf("the list does not end within %d records", p.longest)
		}
		at = end - 1
	}
}

// readSingly reads a list whose pages hold one record each. They cannot
// overlap, so that only a second pass can prove this one.
func (p *pass) readSingly(ctx context.Context, first *page) error {
	p.single = true
	p.mix(0, first.firstID)
	for at := 1; ; at++ {
		got, err := p.page(ctx, at, 1)
		if err != nil {
			return err
		}
		if got.count == 0 {
			return gapf("the page at skip=%d is empty and tells a total of %d", at, got.total)
		}
		p.mix(at, got.firstID)
		if at+1 == got.total {
			return p.differs(got.total)
		}
		if at > p.longest {
			return gapf("the list does not end within %d records", p.longest)
		}
	}
}

// differs returns a gap where the pages of one record held the same ones over
// and over: then the appliance does not heed skip.
func (p *pass) differs(total int) error {
	if seen := p.seen.len(); 2*seen <= total {
		return gapf("only %d different records came at %d positions", seen, total)
	}
	return nil
}

// mix adds a position to the digest.
func (p *pass) mix(position int, id string) {
	p.digest += maphash.String(p.reader.seeds[0], strconv.Itoa(position)+" "+id)
}

// page reads the page at skip and counts its jobs, of which no more than want.
func (p *pass) page(ctx context.Context, skip, want int) (*page, error) {
	got := &page{pass: p, worker: p.worker(), skip: skip, want: min(want, maxPositions)}
	defer p.release(got.worker)
	var err error
	got.total, err = p.reader.ask(ctx, question{skip: skip, limit: p.limit}, got)
	switch {
	case err != nil:
		return nil, err
	case !got.tries.agree():
		return nil, gapf("the page at skip=%d was cut short, and was another when it was asked for again", skip)
	case skip+got.count > got.total && got.count > 0:
		return nil, gapf("the page at skip=%d has %d records and tells a total of %d", skip, got.count, got.total)
	case got.total < p.total:
		return nil, gapf("the page at skip=%d tells a total of %d, and the first page told %d", skip, got.total, p.total)
	}
	if p.order != nil {
		p.order.add(skip, &got.stretch)
	}
	return got, nil
}

// page is one page of a pass, and what the proof needs of it.
type page struct {
	pass       *pass
	worker     *worker
	skip, want int
	tries      tries
	stretch    stretch

	total int
	// count is how many records came.
	count int
	// firstID is the id of the first record, lastID that of the last one that
	// was wanted.
	firstID, lastID string
}

// begin implements visitor.
func (p *page) begin() {
	p.count, p.firstID, p.lastID = 0, "", ""
	p.tries.begin()
	p.stretch.begin()
}

// visit implements visitor.
func (p *page) visit(job *syncjob.Job) error {
	p.count++
	at := p.count - 1
	if at == 0 {
		p.firstID = job.ID
	}
	if at < p.want {
		p.lastID = job.ID
		key := p.pass.reader.seeds.key(job.ID)
		p.tries.note(key)
		if p.pass.order != nil {
			p.stretch.add(key, job.CreatedAt)
		}
		if p.pass.seen.add(key) {
			return p.worker.add(key, p.skip+at, job)
		}
	}
	return nil
}
