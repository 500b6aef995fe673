package simulator

import (
	"net/http"
	"net/url"
	"strconv"
)

// pageRequest is what a request for a page asks for, after the list's behaviour was applied.
type pageRequest struct {
	skip, limit int
	filter      filter
	keys        []sortKey
	order       Order
}

// parsePage reads skip, limit, sort and the filters. What cannot be read is a 400; a number that can be
// read but not be served is a 422.
func parsePage(query url.Values, kind Kind, b ListBehaviour) (pageRequest, *apiError) {
	req := pageRequest{order: b.Order}
	var fault *apiError
	if req.skip, fault = parseCount(query, "skip", 0); fault != nil {
		return req, fault
	}
	if req.limit, fault = parseCount(query, "limit", DefaultLimit); fault != nil {
		return req, fault
	}
	if b.RefuseLimitAbove > 0 && req.limit > b.RefuseLimitAbove {
		return req, &apiError{http.StatusUnprocessableEntity, "limit: must be no greater than " + strconv.Itoa(b.RefuseLimitAbove)}
	}
	if b.MaxLimit > 0 {
		req.limit = min(req.limit, b.MaxLimit)
	}
	if !b.IgnoreFilters {
		req.filter = newFilter(query, kind)
	}
	if b.IgnoreSort {
		return req, nil
	}
	keys, unknown := parseSort(query.Get("sort"))
	if unknown != "" {
		return req, &apiError{http.StatusBadRequest, "sort: unknown property " + unknown}
	}
	if order, ok := asOrder(keys); ok {
		req.order = order
		return req, nil
	}
	req.keys = keys
	return req, nil
}

// parseCount reads a number that must not be negative.
func parseCount(query url.Values, name string, absent int) (int, *apiError) {
	text := query.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, &apiError{http.StatusBadRequest, name + ": not a number"}
	}
	if n < 0 {
		return 0, &apiError{http.StatusUnprocessableEntity, name + ": must be no less than 0"}
	}
	return n, nil
}

// servePage answers a request for a page of a list. The page is written piece by piece, so that one of a
// hundred megabytes needs no more memory than one of ten jobs.
func (a *Appliance) servePage(w http.ResponseWriter, r *http.Request, l *JobList) {
	req, fault := parsePage(r.URL.Query(), l.kind, l.Behaviour())
	if fault != nil {
		a.refuse(w, fault)
		return
	}
	seq := l.sequence(req.order, req.filter)
	total := seq.len()
	var refs []ref
	if req.keys == nil {
		refs = seq.page(req.skip, req.limit)
	} else if all := sortedRefs(seq, req.keys); req.skip < total {
		refs = all[req.skip:]
		refs = refs[:min(req.limit, len(refs))]
	}

	body := a.openBody(w, r, http.StatusOK)
	body.buf = append(body.buf, `{"skip":`...)
	body.buf = strconv.AppendInt(body.buf, int64(req.skip), 10)
	body.buf = append(body.buf, `,"limit":`...)
	body.buf = strconv.AppendInt(body.buf, int64(req.limit), 10)
	body.buf = append(body.buf, `,"total":`...)
	body.buf = strconv.AppendInt(body.buf, int64(total), 10)
	body.buf = append(body.buf, `,"resources":[`...)
	for i, ref := range refs {
		if i > 0 {
			body.buf = append(body.buf, ',')
		}
		if ref.rec != nil {
			body.buf = l.kind.appendJob(body.buf, &ref.rec.job, layoutMicros)
		} else {
			j := seq.history.job(ref.index)
			body.buf = l.kind.appendJob(body.buf, &j, layoutMicros)
		}
		if !body.spill() {
			break // The client has gone.
		}
	}
	body.buf = append(body.buf, "]}"...)
	body.close()
}
