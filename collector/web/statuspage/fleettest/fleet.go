// Package fleettest has the data of the status page's tests and screenshots: two appliances with scopes in
// every state and lists in every condition. It depends only on the given time.
package fleettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web/statuspage"
)

// Source is targets that do not change.
type Source []statuspage.Target

// Targets is statuspage.Config.Targets.
func (s Source) Targets() []statuspage.Target { return s }

const day = 24 * time.Hour

// Now returns the time of the golden files and the screenshots.
func Now() time.Time { return time.Date(2026, time.March, 14, 3, 7, 21, 0, time.UTC) }

// Fleet returns two appliances with every list at the given time.
func Fleet(now time.Time) Source {
	f := fleet{now: now}
	return Source{
		{
			Name: "prod-eu", URL: "https://cm-eu.example.com", Domain: "root", Labels: map[string]string{"region": "eu", "team": "kms"},
			Lists: f.lists(map[string]func(syncjob.List) scrape.Latest{
				"google-keys":        f.googleKeys,
				"azure-certificates": f.azureCertificates,
				"azure-keys":         f.outlasted,
				"aws-keys":           f.awsKeys,
				"luna-keys":          f.notThere,
			}),
			Sources: f.sources(),
		},
		{
			Name: "prod-us", URL: "https://cm-us.example.com/api", Labels: map[string]string{"region": "us"},
			Lists: f.lists(map[string]func(syncjob.List) scrape.Latest{
				"google-keys":        f.manyKeys,
				"azure-certificates": f.expired,
				"sap-keys":           f.pending,
				"oci-keys":           f.coming,
			}),
		},
	}
}

// Empty returns one appliance whose lists have no jobs.
func Empty(now time.Time) Source {
	return Source{{URL: "https://cm.example.com", Lists: fleet{now: now}.lists(nil)}}
}

// Large returns one appliance with a list of many scopes: some in each state, and most of them in sync.
func Large(now time.Time, scopes int) Source {
	f := fleet{now: now}
	summary := &syncjob.Summary{}
	for i := range scopes {
		age := time.Duration(i%1400) * time.Minute
		name := fmt.Sprintf("projects/acme-%02d/locations/europe-west1/keyRings/ring-%06d", i%40, i)
		scope := f.completed(name, age+time.Hour, 12*time.Second)
		switch {
		case i%20 == 7:
			scope = f.failed(name, age+time.Hour, age+40*time.Hour, "rpc error: code = PermissionDenied desc = Permission 'cloudkms.cryptoKeys.list' denied on resource '"+name+"'")
		case i%100 == 19:
			scope = f.failed(name, age+2*time.Hour, 0, "oauth2: cannot fetch token: invalid_grant")
		case i%100 == 13:
			scope = f.running(f.completed(name, age+30*time.Hour, time.Minute), age)
		case i%1000 == 23:
			scope = f.ended(name, syncjob.Aborted, age+time.Hour, age+20*time.Hour, "")
		}
		summary.Scopes = append(summary.Scopes, scope)
	}
	summary.Jobs[syncjob.Completed] = 100 * scopes
	return Source{{URL: "https://cm.example.com", Lists: []scrape.Latest{f.read(listNamed("google-keys"), summary, 9*time.Second)}}}
}

func listNamed(name string) syncjob.List {
	for _, list := range syncjob.Lists() {
		if list.Name == name {
			return list
		}
	}
	panic("no such list: " + name)
}

// fleet makes lists and scopes at a time.
type fleet struct{ now time.Time }

// lists returns every list: those that are given, and empty ones.
func (f fleet) lists(special map[string]func(syncjob.List) scrape.Latest) []scrape.Latest {
	lists := make([]scrape.Latest, 0, len(syncjob.Lists()))
	for _, list := range syncjob.Lists() {
		if known := special[list.Name]; known != nil {
			lists = append(lists, known(list))
		} else {
			lists = append(lists, f.read(list, &syncjob.Summary{}, 31*time.Millisecond))
		}
	}
	return lists
}

// records are those of an appliance's schedules and inventories.
type records map[string]string

// Get implements sources.Getter.
func (r records) Get(_ context.Context, path string, _ url.Values, read func(io.Reader) error) error {
	if r[path] == "" {
		return reason.New(reason.Forbidden, errors.New("the appliance answered 403 Forbidden, code 7, NCERRUnauthorizedAccess"),
			"give it the permission view on each vault")
	}
	return read(strings.NewReader(fmt.Sprintf(`{"skip":0,"total":%d,"resources":[%s]}`, strings.Count(r[path], `"id"`), r[path])))
}

// sources returns what an appliance's schedules and inventories said at the time.
func (f fleet) sources() *sources.State {
	names := []string{"billing", "payments", "ledger", "signing", "archive", "trial", "partner-7", "fresh", "spare"}
	rings := make([]string, 0, len(names))
	for i, name := range names {
		rings = append(rings, fmt.Sprintf(`{"id":"%d","name":"projects/acme-prod/locations/europe-west1/keyRings/%s"}`, i, name))
	}
	reader := sources.New(records{
		"cckm/google/key-rings":   strings.Join(rings, ","),
		"cckm/sfdc/organizations": `{"id":"2c3e8f41-7b0a-4d5e-9c61-0fa2b8d4e7a9","name":"Acme Sales","synced_at":"2026-03-12T01:00:00Z"}`,
		"scheduler/job-configs": `
			{"id":"1","name":"google-nightly","run_at":"0 2 * * *","job_config_params":{"cloud_name":"gcp","key_rings":["0","1","2","4","7"]}},
			{"id":"2","name":"trial-weekly","run_at":"0 5 * * 0","disabled":true,"job_config_params":{"cloud_name":"gcp","key_rings":["5"]}},
			{"id":"3","name":"azure-nightly","run_at":"0 1 * * *","job_config_params":{"cloud_name":"AzureCloud","sync_items":["certificate"],"synchronize_all":true}}`,
	}, sources.Options{Schedules: true, Inventory: true, PageSize: 1000, Lists: []syncjob.List{listNamed("google-keys"), listNamed("oci-keys"), listNamed("sfdc-keys")}})
	<-reader.Start()
	state := reader.State()
	for i := range state.Sources {
		if s := &state.Sources[i]; s.Err == nil {
			s.CompleteAt = f.now.Add(-2 * time.Minute)
		}
	}
	return state
}

func (f fleet) googleKeys(list syncjob.List) scrape.Latest {
	ring := func(name string) string { return "projects/acme-prod/locations/europe-west1/keyRings/" + name }
	summary := &syncjob.Summary{Scopes: []syncjob.Scope{
		f.completed(ring("billing"), 21*time.Minute, 12*time.Second),
		f.failed(ring("payments"), 26*time.Minute, 51*time.Hour,
			"rpc error: code = PermissionDenied desc = Permission 'cloudkms.cryptoKeys.list' denied on resource "+
				"'projects/acme-prod/locations/europe-west1/keyRings/payments' (or it may not exist)."),
		f.running(f.completed(ring("ledger"), 27*time.Hour, 40*time.Second), 3*time.Hour+12*time.Minute),
		f.running(f.completed(ring("signing"), 24*time.Hour, 14*time.Second), 18*time.Second),
		f.ended(ring("archive"), syncjob.Aborted, 5*time.Hour, 29*time.Hour, ""),
		f.ended(ring("trial"), syncjob.Aborted, 2*time.Hour, 0, "canceled by user"),
		f.ended(ring("partner-7"), syncjob.Unknown, 90*time.Minute, 25*time.Hour, "partially_synchronized"),
		f.completed(ring("retired"), 40*day, 11*time.Second),
	}}
	summary.UnknownTexts = []string{"partially_synchronized"}
	summary.Jobs = [...]int{syncjob.InProgress: 2, syncjob.Completed: 18204, syncjob.Failed: 31, syncjob.Aborted: 4, syncjob.Unknown: 1}
	return f.read(list, summary, 412*time.Millisecond)
}

func (f fleet) azureCertificates(list syncjob.List) scrape.Latest {
	summary := &syncjob.Summary{Scopes: []syncjob.Scope{
		f.failed("kv-web-prod::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 44*time.Minute, 26*time.Hour,
			"AADSTS7000222: The provided client secret keys for app 'cckm' are expired."),
		f.completed("kv-mail::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 45*time.Minute, 33*time.Second),
		f.failed("kv-legacy::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 45*time.Minute, 30*time.Hour, "[NCERRBadRequest: Bad HTTP request]: Error Listing Azure vault : vault kv-legacy not found"),
		f.completed("kv-idle::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 73*time.Hour, 30*time.Second),
		f.running(f.completed("kv-edge::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 30*time.Hour, time.Hour), 4*time.Hour),
	}}
	summary.Jobs = [...]int{syncjob.InProgress: 1, syncjob.Completed: 921, syncjob.Failed: 2, syncjob.Aborted: 0, syncjob.Unknown: 0}
	return f.read(list, summary, 96*time.Millisecond)
}

func (f fleet) awsKeys(list syncjob.List) scrape.Latest {
	summary := &syncjob.Summary{Scopes: []syncjob.Scope{
		f.completed("111122223333/eu-west-1", 3*time.Hour, 8*time.Second),
		f.completed("111122223333/eu-central-1", 3*time.Hour, 9*time.Second),
	}}
	summary.Jobs = [...]int{syncjob.InProgress: 0, syncjob.Completed: 64, syncjob.Failed: 0, syncjob.Aborted: 0, syncjob.Unknown: 0}
	return f.read(list, summary, 58*time.Millisecond)
}

func (f fleet) manyKeys(list syncjob.List) scrape.Latest {
	summary := &syncjob.Summary{}
	for i := range 240 {
		name := fmt.Sprintf("projects/acme-us/locations/us-east1/keyRings/tenant-%03d", i)
		summary.Scopes = append(summary.Scopes, f.completed(name, time.Duration(10+i)*time.Minute, 7*time.Second))
	}
	summary.Jobs[syncjob.Completed] = 103_440
	return f.checked(f.read(list, summary, 1700*time.Millisecond))
}

// outlasted returns a list whose last complete read was an hour ago.
func (f fleet) outlasted(list syncjob.List) scrape.Latest {
	summary := &syncjob.Summary{Scopes: []syncjob.Scope{
		f.failed("kv-db::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 2*time.Hour, 50*time.Hour, "vault not found"),
		f.completed("kv-app::0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", 2*time.Hour, 21*time.Second),
	}}
	summary.Jobs = [...]int{syncjob.InProgress: 0, syncjob.Completed: 80, syncjob.Failed: 3, syncjob.Aborted: 0, syncjob.Unknown: 0}
	latest := f.read(list, summary, 77*time.Millisecond)
	latest.CompleteAt = f.now.Add(-time.Hour)
	failed := f.unread(list, reason.New(reason.Timeout, fmt.Errorf("list azure-keys: page at 1000: %w", context.DeadlineExceeded),
		"raise Prometheus' scrape_timeout and --collector.timeout, or read fewer lists"), 29500*time.Millisecond)
	latest.Read, latest.ReadAt = failed.Read, failed.ReadAt
	return latest
}

func (f fleet) notThere(list syncjob.List) scrape.Latest {
	return f.unread(list, reason.New(reason.NotFound, fmt.Errorf("list luna-keys: page at 0: %w", errors.New("the appliance answered 404 Not Found, code 5, NCERRResourceNotFound: Resource not found")),
		"this appliance does not have the list: turn it off with --no-collector.luna-keys"), 22*time.Millisecond)
}

func (f fleet) expired(list syncjob.List) scrape.Latest {
	return f.unread(list, reason.New(reason.TLS, fmt.Errorf("list azure-certificates: page at 0: Get \"https://cm-us.example.com/api/v1/cckm/azure/certificates/synchronization-jobs\": %w", errors.New("tls: failed to verify certificate: x509: certificate has expired")),
		"renew the appliance's certificate"), 15*time.Millisecond)
}

func (fleet) pending(list syncjob.List) scrape.Latest { return scrape.Latest{List: list} }

// coming returns a long list that is being read for the first time.
func (f fleet) coming(list syncjob.List) scrape.Latest {
	return scrape.Latest{List: list, FullRead: f.reading(42, 41_958, 17*time.Second)}
}

// checked returns a list with a full read in the background.
func (f fleet) checked(latest scrape.Latest) scrape.Latest {
	latest.FullRead = f.reading(7, 6_994, 2*time.Second)
	return latest
}

func (f fleet) reading(pages, jobs int, since time.Duration) *scrape.FullReadProgress {
	return &scrape.FullReadProgress{
		Progress: joblist.Progress{Pages: pages, Jobs: jobs, PagesExpected: 100, JobsExpected: 100_000},
		Started:  f.now.Add(-since),
	}
}

// read returns a list that was read completely a moment ago.
func (f fleet) read(list syncjob.List, summary *syncjob.Summary, took time.Duration) scrape.Latest {
	at := f.now.Add(-12 * time.Second)
	read := &scrape.ListRead{List: list, Summary: summary, Started: at.Add(-took), Took: took, Pages: 1 + summary.Jobs[syncjob.Completed]/1000}
	return scrape.Latest{List: list, Read: read, ReadAt: at, Complete: read, CompleteAt: at}
}

// unread returns a list that has never been read, and failed a moment ago.
func (f fleet) unread(list syncjob.List, err error, took time.Duration) scrape.Latest {
	at := f.now.Add(-12 * time.Second)
	return scrape.Latest{List: list, ReadAt: at, Read: &scrape.ListRead{List: list, Err: err, Started: at.Add(-took), Took: took, Pages: 2}}
}

// id returns a job's id that depends on its scope and status.
func id(scope string, status syncjob.Status) string {
	sum := uint64(14695981039346656037)
	for _, b := range []byte(scope + status.String()) {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(sum), uint16(sum>>32), sum>>48&0xfff, sum>>20&0xfff, sum>>8&0xffffffffffff) //nolint:gosec // Bits are cut off on purpose.
}

// completed returns a scope whose newest job completed some time ago.
func (f fleet) completed(name string, ago, took time.Duration) syncjob.Scope {
	return f.ended(name, syncjob.Completed, ago, ago, "key ring synchronized successfully", took)
}

// failed returns a scope whose newest job failed after an earlier success.
func (f fleet) failed(name string, ago, successAgo time.Duration, text string) syncjob.Scope {
	scope := f.ended(name, syncjob.Failed, ago, successAgo, text)
	scope.LastFailure = scope.Last.FinishedAt
	return scope
}

// ended returns a scope whose newest job has ended with a result. A successAgo of 0 means no success.
func (f fleet) ended(name string, result syncjob.Status, ago, successAgo time.Duration, text string, took ...time.Duration) syncjob.Scope {
	finished, lasted := f.now.Add(-ago), 41*time.Second
	if len(took) > 0 {
		lasted = took[0]
	}
	last := &syncjob.ScopeJob{ID: id(name, result), Status: result, CreatedAt: finished.Add(-lasted), FinishedAt: finished, Text: text}
	scope := syncjob.Scope{
		Name: name, Last: last,
		Newest: syncjob.ScopeJob{ID: last.ID, Status: result, CreatedAt: last.CreatedAt, Text: text},
	}
	scope.Jobs[result]++
	if successAgo > 0 {
		scope.Jobs[syncjob.Completed] = 30
		scope.LastSuccess = f.now.Add(-successAgo)
	}
	scope.Results = f.results(*last, scope.LastSuccess)
	return scope
}

// results returns those of a scope that is synchronized every six hours, and had no success after the given
// time.
func (fleet) results(last syncjob.ScopeJob, success time.Time) []syncjob.Result {
	all := make([]syncjob.Result, syncjob.MaxResults)
	for i := range all {
		r := &all[i]
		r.FinishedAt, r.Status = last.FinishedAt.Add(-6*time.Hour*time.Duration(i)), last.Status
		if !r.FinishedAt.After(success) {
			r.Status = syncjob.Completed
		}
	}
	return all
}

// running adds a job to a scope that has been in progress for some time.
func (f fleet) running(scope syncjob.Scope, since time.Duration) syncjob.Scope {
	scope.Newest = syncjob.ScopeJob{
		ID: id(scope.Name, syncjob.InProgress), Status: syncjob.InProgress, CreatedAt: f.now.Add(-since), Text: "in_progress",
	}
	scope.Jobs[syncjob.InProgress] = 1
	scope.OldestInProgress, scope.OldestInProgressID, scope.OldestInProgressText = f.now.Add(-since), scope.Newest.ID, "in_progress"
	return scope
}
