package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
)

// order is the order in which a list is served.
type order int

const (
	newestFirst order = iota
	oldestFirst
	// unordered lists have an order that does not follow from the jobs.
	unordered
)

// String implements fmt.Stringer.
func (o order) String() string { return [...]string{"newest first", "oldest first", "unordered"}[o] }

// filter is how a list handles the filter overall_status.
type filter int

const (
	usesFilter filter = iota
	ignoresFilter
	refusesFilter
	// misreadsFilter lists nothing for any filter.
	misreadsFilter
)

// String implements fmt.Stringer.
func (f filter) String() string { return [...]string{"used", "ignored", "refused", "misread"}[f] }

// pagedList is a list of an appliance in memory; it implements joblist.Getter. It may change between
// two pages, and records its versions since the read began.
type pagedList struct {
	order order
	// clamp is the maximum number of records in a page; 0 means no maximum.
	clamp int
	// refused is the limit above which a request is rejected with 422; 0 means none.
	refused int
	// short makes pages contain a random number of records, but at least two.
	short bool
	// cut truncates random bodies. The page is then requested again, as the client retries a temporary failure.
	cut    bool
	filter filter
	// between is called before each page of a read except the first, and may change the list.
	between func()

	mu       sync.Mutex
	rng      *rand.Rand
	records  []record
	versions [][]record
	pages    int
}

// Get implements joblist.Getter.
func (l *pagedList) Get(ctx context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	if err := context.Cause(ctx); err != nil {
		return reason.New(reason.Timeout, err, "")
	}
	for {
		body, whole, err := l.page(query)
		if err != nil {
			return err
		}
		if err := read(strings.NewReader(body)); whole {
			return err
		}
	}
}

// page returns the body of a page, and reports whether it is complete.
func (l *pagedList) page(query url.Values) (body string, whole bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages++
	if l.pages > 10_000 {
		return "", false, reason.New(reason.Other, errors.New("too many pages"), "")
	}
	if l.pages > 1 && l.between != nil {
		l.between()
	}
	skip, limit, err := position(query)
	if err != nil {
		return "", false, err
	}
	if l.refused > 0 && limit > l.refused {
		failure := &ciphertrust.APIError{Status: http.StatusUnprocessableEntity, CodeDesc: "NCERRBadRequest", Message: "limit is too large"}
		return "", false, reason.New(reason.Other, failure, "")
	}
	if l.clamp > 0 {
		limit = min(limit, l.clamp)
	}
	if l.short && limit > 2 {
		limit = 2 + l.rng.IntN(limit-1)
	}
	records, err := l.filtered(query)
	if err != nil {
		return "", false, err
	}
	from := min(skip, len(records))
	until := min(from+limit, len(records))
	body = pageBody(skip, limit, len(records), raws(records[from:until]))
	if l.cut && l.rng.IntN(3) == 0 {
		return body[:l.rng.IntN(len(body))], false, nil
	}
	return body, true, nil
}

// filtered returns the records that match the filter of a request.
func (l *pagedList) filtered(query url.Values) ([]record, error) {
	if !query.Has("overall_status") || l.filter == ignoresFilter {
		return l.records, nil
	}
	if l.filter == misreadsFilter {
		return nil, nil
	}
	if l.filter == refusesFilter {
		failure := &ciphertrust.APIError{Status: http.StatusBadRequest, CodeDesc: "NCERRInvalidParam", Message: "overall_status"}
		return nil, reason.New(reason.Other, failure, "")
	}
	var matching []record
	for _, r := range l.records {
		if r.form() == query.Get("overall_status") {
			matching = append(matching, r)
		}
	}
	return matching, nil
}

// status returns the overall_status of a record, or "" if it has none.
func (r record) status() string {
	var job struct {
		Status string `json:"overall_status"`
	}
	_ = json.Unmarshal(r.raw, &job) // It is JSON by its making.
	return job.Status
}

// form returns the overall_status of a record in the form that the API documents.
func (r record) form() string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(r.status()))
}

// settle waits until no full read of the list is in progress.
func settle(list *scrape.List) {
	for list.FullReadProgress() != nil {
		runtime.Gosched()
	}
}

// begin starts a new read.
func (l *pagedList) begin() {
	l.pages = 0
	l.versions = [][]record{slices.Clone(l.records)}
}

// insert adds a job at the position of a new one.
func (l *pagedList) insert(r record) {
	at := 0
	switch l.order {
	case newestFirst:
	case oldestFirst:
		at = len(l.records)
	case unordered:
		at = l.rng.IntN(len(l.records) + 1)
	}
	l.records = slices.Insert(l.records, at, r)
}

// remove removes a random job.
func (l *pagedList) remove() {
	if len(l.records) > 0 {
		at := l.rng.IntN(len(l.records))
		l.records = slices.Delete(slices.Clone(l.records), at, at+1)
	}
}

// remember records the current version.
func (l *pagedList) remember() { l.versions = append(l.versions, slices.Clone(l.records)) }

// String describes the list for the message of a failed test.
func (l *pagedList) String() string {
	return fmt.Sprintf("%s, %d records, clamp %d, refused above %d, short %t, cut %t, filter %s", l.order, len(l.records), l.clamp, l.refused, l.short, l.cut, l.filter)
}

// raws returns the records as they are served.
func raws(records []record) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(records))
	for _, r := range records {
		out = append(out, r.raw)
	}
	return out
}

// position returns skip and limit of a request.
func position(query url.Values) (skip, limit int, err error) {
	if skip, err = strconv.Atoi(query.Get("skip")); err != nil {
		return 0, 0, reason.New(reason.Other, err, "")
	}
	if limit, err = strconv.Atoi(query.Get("limit")); err != nil {
		return 0, 0, reason.New(reason.Other, err, "")
	}
	if skip < 0 || limit < 1 {
		return 0, 0, reason.New(reason.Other, fmt.Errorf("skip=%d&limit=%d", skip, limit), "")
	}
	return skip, limit, nil
}

// pageBody returns the body of a page.
func pageBody(skip, limit, total int, resources []json.RawMessage) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"skip":%d,"limit":%d,"total":%d,"resources":[`, skip, limit, total)
	for i, resource := range resources {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(resource)
	}
	b.WriteString("]}")
	return b.String()
}
