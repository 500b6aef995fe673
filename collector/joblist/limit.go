package joblist

import (
	"errors"
	"net/http"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
)

// startLimit returns the limit to ask for first.
func (r *Reader) startLimit() int {
	if limit := int(r.limit.Load()); limit > 0 {
		return limit
	}
	return r.options.PageSize
}

// smallerLimit returns the limit to try after one that was refused with err,
// and false where err is no refusal of a limit or nothing smaller is left.
func (r *Reader) smallerLimit(limit int, err error) (int, bool) {
	floor := min(documentedLimit, r.options.PageSize)
	if limit <= floor || !refusesRequest(err) {
		return 0, false
	}
	return max(floor, limit/2), true
}

// refusesRequest says whether the appliance refused what was asked, in contrast
// to who asks, for which path, or how often.
func refusesRequest(err error) bool {
	failure, ok := errors.AsType[*ciphertrust.APIError](err)
	if !ok || failure.Status/100 != 4 {
		return false
	}
	switch failure.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		// A refused login is about the credentials, whatever its status.
		return reason.Of(err) != reason.Auth
	}
}
