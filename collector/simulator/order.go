package simulator

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
)

// Order is the order of a list that is not asked to sort. No public source says which one an
// appliance has; the documentation's only example of two jobs shows the newest first.
type Order int

const (
	// NewestFirst orders by createdAt, then id, descending.
	NewestFirst Order = iota
	// OldestFirst orders by createdAt, then id, ascending.
	OldestFirst
	// NoOrder scatters the jobs. Each has its place by its id, so the order is stable, and a new
	// job appears anywhere among the others without moving them against each other.
	NoOrder
)

// stored is a job in a list. It is never changed, only replaced, so an answer may be written while
// the list moves on.
type stored struct {
	job Job
	// place is where NoOrder puts the job.
	place uint64
}

// ref names one job of a list: a stored one, or else the history's at that index.
type ref struct {
	rec   *stored
	index int
}

// sequence is a list as one request sees it: the history's jobs and the stored ones, filtered and
// merged in one order, without ever being laid out.
type sequence struct {
	order   Order
	history *history
	// match holds the positions of the history's jobs that pass the filters, ascending; all do where every is true.
	match []uint32
	every bool
	// records are the stored jobs that pass, in the sequence's order.
	records []*stored
}

// historyLen is the number of the history's jobs in the sequence.
func (s *sequence) historyLen() int {
	if s.every {
		return s.history.n
	}
	return len(s.match)
}

// len is the number of jobs in the sequence.
func (s *sequence) len() int { return s.historyLen() + len(s.records) }

// indexAt returns the index of the history's k-th job in the sequence.
func (s *sequence) indexAt(k int) int {
	if !s.every {
		k = int(s.match[k])
	}
	return indexAtPosition(s.order, s.history, k)
}

// indexAtPosition returns which of the history's jobs an order puts at a position.
func indexAtPosition(order Order, h *history, position int) int {
	switch order {
	case OldestFirst:
		return position
	case NoOrder:
		return permute(unsigned(h.n), h.salt, position)
	default:
		return h.n - 1 - position
	}
}

// rank is the position in the sequence of its r-th stored job: r, and what of the history lies before it.
func (s *sequence) rank(r int) int {
	rec := s.records[r]
	var before int
	switch s.order {
	case OldestFirst:
		before = s.history.olderThan(&rec.job)
	case NoOrder:
		scaled, _ := bits.Mul64(rec.place, unsigned(s.history.n))
		before = signed(scaled)
	default:
		before = s.history.n - s.history.olderThan(&rec.job)
	}
	if !s.every {
		before = sort.Search(len(s.match), func(m int) bool { return int(s.match[m]) >= before })
	}
	return before + r
}

// page returns the jobs at the positions from skip on, at most limit of them.
func (s *sequence) page(skip, limit int) []ref {
	end := s.len()
	if limit < end-skip {
		end = skip + limit
	}
	if skip >= end {
		return nil
	}
	refs := make([]ref, 0, end-skip)
	next := sort.Search(len(s.records), func(r int) bool { return s.rank(r) >= skip })
	nextRank := -1
	if next < len(s.records) {
		nextRank = s.rank(next)
	}
	for k := skip; k < end; k++ {
		if k != nextRank {
			refs = append(refs, ref{index: s.indexAt(k - next)})
			continue
		}
		refs = append(refs, ref{rec: s.records[next]})
		next++
		if next < len(s.records) {
			nextRank = s.rank(next)
		}
	}
	return refs
}

// permute maps 0 to n-1 onto themselves in a scattered order: a Feistel network over the next power
// of four, walked until it lands below n. It stands in for a shuffled table of a million entries.
func permute(n, salt uint64, position int) int {
	half := uint((bits.Len64(n-1) + 1) / 2)
	mask := uint64(1)<<half - 1
	x := unsigned(position)
	for {
		left, right := x>>half, x&mask
		for round := range uint64(4) {
			left, right = right, left^(mix(right^salt^round<<56)&mask)
		}
		if x = left<<half | right; x < n {
			return signed(x)
		}
	}
}

// ordered returns the stored jobs in an order. The argument holds them oldest first and is left as it is.
func ordered(byAge []*stored, order Order) []*stored {
	records := slices.Clone(byAge)
	switch order {
	case OldestFirst:
	case NewestFirst:
		slices.Reverse(records)
	case NoOrder:
		slices.SortFunc(records, func(a, b *stored) int {
			if c := cmp.Compare(a.place, b.place); c != 0 {
				return c
			}
			return a.job.compareAge(b.job.CreatedAt, b.job.ID)
		})
	}
	return records
}
