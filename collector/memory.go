package collector

import (
	dto "github.com/prometheus/client_model/go"
)

// memory is what the series of one exposition are made of. Made anew at each
// scrape, it would cost more than all else that is done to make them.
type memory struct {
	cells    slab[cell]
	pairs    slab[pair]
	labels   slab[*dto.LabelPair]
	gauges   slab[gauge]
	metrics  slab[dto.Metric]
	pointers slab[*dto.Metric]
}

// pair is a label with what it points to.
type pair struct {
	label       dto.LabelPair
	name, value string
}

// gauge is a value with what points to it.
type gauge struct {
	gauge dto.Gauge
	value float64
}

// reset takes back all that was handed out.
func (m *memory) reset() {
	m.cells.reset()
	m.pairs.reset()
	m.labels.reset()
	m.gauges.reset()
	m.metrics.reset()
	m.pointers.reset()
}

// label returns a label.
func (m *memory) label(name, value string) *dto.LabelPair {
	p := &m.pairs.take(1)[0]
	p.name, p.value = name, value
	p.label.Name, p.label.Value = &p.name, &p.value
	return &p.label
}

// join returns some labels and more.
func (m *memory) join(some []*dto.LabelPair, more ...*dto.LabelPair) []*dto.LabelPair {
	return append(append(m.labels.take(len(some) + len(more))[:0], some...), more...)
}

// metric returns a series.
func (m *memory) metric(value float64, labels []*dto.LabelPair) *dto.Metric {
	g := &m.gauges.take(1)[0]
	g.value = value
	g.gauge.Value = &g.value
	metric := &m.metrics.take(1)[0]
	metric.Gauge, metric.Label = &g.gauge, labels
	return metric
}

// slab hands out pieces of one slice. What they held before is still in them.
type slab[T any] struct {
	all, free []T
}

// take hands out a piece of n values.
func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		// The pieces that are out keep what they are part of.
		s.all = make([]T, max(n, 2*len(s.all), 64))
		s.free = s.all
	}
	piece := s.free[:n:n]
	s.free = s.free[n:]
	return piece
}

// reset takes back all pieces.
func (s *slab[T]) reset() { s.free = s.all }
