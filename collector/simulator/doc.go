// Package simulator simulates the part of a Thales CipherTrust Manager that an exporter of
// synchronization jobs talks to, so that tests and the demo have an honest opposite.
//
// It answers over real TLS: token logins (password, refresh token, client certificate),
// the lists of synchronization jobs with their paging, filters and orders, the start and the
// cancelling of a job, and errors in the appliance's form. Where the public documentation does not
// say how an appliance behaves (the order of a list, the largest limit, whether filters are
// honoured), a test chooses with [ListBehaviour].
//
// The package shares no code with the exporter: what it knows of the API, it states for itself.
// A mistake in one of the two therefore shows as a disagreement.
//
// An [Appliance] is an [net/http.Handler]; [Appliance.StartTLS] gives it an address. Jobs are put
// into a [JobList] one by one, computed from their index by [JobList.SetHistory], or moved along in
// time by a [Fleet].
package simulator
