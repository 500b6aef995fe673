package collector

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Joined gathers from several gatherers that have no family in common, and whose
// families are right by themselves: those of an Exposition, and those of a
// registry, which checks its own.
//
// It stands in for prometheus.Gatherers, which may have families in common, and
// so looks every series up among all others and sorts them all once more. That
// would cost as much as all else that a scrape of many scopes does.
type Joined []prometheus.TransactionalGatherer

// Gather implements prometheus.TransactionalGatherer. What a gatherer returns
// beside its error is kept. Of two families of one name the first is kept, and the
// error says so.
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
			errs = append(errs, fmt.Errorf("metric %s was left out where it came for the second time", a.GetName()))
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
