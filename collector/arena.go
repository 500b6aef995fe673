package collector

import (
	dto "github.com/prometheus/client_model/go"
)

// arena is the memory of one exposition's series. It is reused, because allocating it at each scrape
// would cost more than the rest of an exposition.
type arena struct {
	sampleSlices chunk[sample]
	pairs        chunk[pair]
	labels       chunk[*dto.LabelPair]
	gauges       chunk[gauge]
	metrics      chunk[dto.Metric]
	pointers     chunk[*dto.Metric]
	planned      chunk[plannedScope]
}

// pair is a label with the strings that it points to.
type pair struct {
	label       dto.LabelPair
	name, value string
}

// gauge is a gauge with the value that it points to.
type gauge struct {
	gauge dto.Gauge
	value float64
}

// reset frees everything that was taken.
func (a *arena) reset() {
	a.sampleSlices.reset()
	a.pairs.reset()
	a.labels.reset()
	a.gauges.reset()
	a.metrics.reset()
	a.pointers.reset()
	a.planned.reset()
}

// label returns a label.
func (a *arena) label(name, value string) *dto.LabelPair {
	p := &a.pairs.take(1)[0]
	p.name, p.value = name, value
	p.label.Name, p.label.Value = &p.name, &p.value
	return &p.label
}

// join returns the labels and more.
func (a *arena) join(labels []*dto.LabelPair, more ...*dto.LabelPair) []*dto.LabelPair {
	return append(append(a.labels.take(len(labels) + len(more))[:0], labels...), more...)
}

// gauge returns a series.
func (a *arena) gauge(value float64, labels []*dto.LabelPair) *dto.Metric {
	g := &a.gauges.take(1)[0]
	g.value = value
	g.gauge.Value = &g.value
	metric := &a.metrics.take(1)[0]
	metric.Gauge, metric.Label = &g.gauge, labels
	return metric
}

// chunk is a slice from which parts are taken. Their values are those of the last use.
type chunk[T any] struct {
	all, free []T
}

// take returns n values.
func (c *chunk[T]) take(n int) []T {
	if n > len(c.free) {
		// Parts that were taken keep the old slice alive.
		c.all = make([]T, max(n, 2*len(c.all), 64))
		c.free = c.all
	}
	part := c.free[:n:n]
	c.free = c.free[n:]
	return part
}

// reset frees all parts.
func (c *chunk[T]) reset() { c.free = c.all }
