package collector

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Joined gathers from several gatherers that have no family in common, such as those of an Exposition
// and of a registry.
//
// prometheus.Gatherers allows common families, so it looks up and sorts every series again, which would
// double the cost of a scrape of many scopes.
type Joined []prometheus.TransactionalGatherer

// Gather implements prometheus.TransactionalGatherer. Families that a gatherer returns with an error
// are kept. If two have the same name, the first is kept and an error is returned.
func (j Joined) Gather() (families []*dto.MetricFamily, done func(), err error) {
	errs := make([]error, 0, len(j))
	dones := make([]func(), 0, len(j))
	for _, gatherer := range j {
		some, done, err := gatherer.Gather()
		families = append(families, some...)
		dones = append(dones, done)
		errs = append(errs, err)
	}
	slices.SortStableFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	families = slices.CompactFunc(families, func(a, b *dto.MetricFamily) bool {
		same := a.GetName() == b.GetName()
		if same {
			errs = append(errs, fmt.Errorf("metric %s was gathered twice; the second one was dropped", a.GetName()))
		}
		return same
	})
	done = func() {
		for _, done := range dones {
			done()
		}
	}
	return families, done, errors.Join(errs...)
}
