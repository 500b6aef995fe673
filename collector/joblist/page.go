package joblist

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"cckm_sync_exporter/collector/jobjson"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// question is what a page is asked for by.
type question struct {
	skip, limit int
	// status, where it is not empty, asks only for the jobs that have it as
	// their overall_status.
	status string
}

func (q question) values() url.Values {
	values := url.Values{"skip": {strconv.Itoa(q.skip)}, "limit": {strconv.Itoa(q.limit)}}
	if q.status != "" {
		values.Set("overall_status", q.status)
	}
	return values
}

// String returns the question as an error names it.
func (q question) String() string {
	if q.status != "" {
		return fmt.Sprintf("overall_status=%s&skip=%d&limit=%d", q.status, q.skip, q.limit)
	}
	return fmt.Sprintf("skip=%d&limit=%d", q.skip, q.limit)
}

// visitor is told what a page holds. A page whose body was cut short may be
// asked for again: it begins anew then.
type visitor interface {
	// begin is called before the first job of each try.
	begin()
	// visit is called with each job, in order. The job is overwritten by the next.
	visit(job *syncjob.Job) error
}

// ask asks for a page and returns the total that it tells.
func (r *Reader) ask(ctx context.Context, q question, v visitor) (total int, err error) {
	r.asked.Add(1)
	d, ok := r.decoders.Get().(*jobjson.Decoder)
	if !ok {
		d = jobjson.NewDecoder(r.list.ScopeFields)
	}
	defer r.decoders.Put(d)
	err = r.getter.Get(ctx, r.list.Path, q.values(), func(body io.Reader) error {
		v.begin()
		var err error
		total, err = d.Decode(body, v.visit)
		return err
	})
	if err != nil {
		return 0, reason.New(reason.Of(err), fmt.Errorf("page at %s: %w", q, err), reason.RemedyOf(err))
	}
	return total, nil
}
