package simulator

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// defaultLimit is the number of jobs in a page if the request does not say.
const defaultLimit = 10

// servePage responds with a page of a list. It writes job by job, so that a page of 100 MB needs no more
// memory than a small one.
func (a *Appliance) servePage(w http.ResponseWriter, r *http.Request, l *JobList) {
	query, behaviour := r.URL.Query(), l.Behaviour()
	skip, fault := parseCount(query, "skip", 0)
	if fault != nil {
		refuse(w, fault)
		return
	}
	limit, fault := parseCount(query, "limit", defaultLimit)
	if refused := behaviour.RefuseLimitAbove; fault == nil && refused > 0 && limit > refused {
		fault = &apiError{http.StatusUnprocessableEntity, "limit: must be no greater than " + strconv.Itoa(refused)}
	}
	if fault != nil {
		refuse(w, fault)
		return
	}
	if behaviour.MaxLimit > 0 {
		limit = min(limit, behaviour.MaxLimit)
	}
	page, total := l.page(skip, limit, query["overall_status"])

	out, end := a.openBody(w, r)
	defer end()
	_, _ = fmt.Fprintf(out, `{"skip":%d,"limit":%d,"total":%d,"resources":[`, skip, limit, total)
	for i := range page {
		b := out.AvailableBuffer()
		if i > 0 {
			b = append(b, ',')
		}
		job := page[i].full()
		if _, err := out.Write(l.kind.appendJob(b, l.account, &job)); err != nil {
			return // The client has gone.
		}
	}
	_, _ = out.WriteString("]}")
}

// parseCount returns a number that must not be negative.
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
