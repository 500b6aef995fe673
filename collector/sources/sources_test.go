package sources_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/sources"
	"cckm_sync_exporter/collector/syncjob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	schedulesPath = "scheduler/job-configs"
	ringsPath     = "cckm/google/key-rings"
	vaultsPath    = "cckm/azure/vaults"
)

// appliance is a sources.Getter.
type appliance struct {
	mu sync.Mutex
	// records are those of each path. A path without records answers 404.
	records map[string][]string
	// failures are the errors of paths.
	failures map[string]error
	// page changes the answer to a request; it may be nil.
	page     func(path string, skip, limit int) (string, error)
	requests []string
}

func (a *appliance) Get(ctx context.Context, path string, query url.Values, read func(io.Reader) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, path+"?"+query.Encode())
	if ctx.Err() != nil {
		return reason.New(reason.Timeout, ctx.Err(), "")
	}
	skip, _ := strconv.Atoi(query.Get("skip"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	if a.page != nil {
		if body, err := a.page(path, skip, limit); body != "" || err != nil {
			if err != nil {
				return err
			}
			return read(strings.NewReader(body))
		}
	}
	records, ok := a.records[path]
	switch {
	case a.failures[path] != nil:
		return a.failures[path]
	case !ok:
		return status(http.StatusNotFound, reason.NotFound)
	}
	if limit < 0 {
		limit = len(records)
	}
	page := records[min(skip, len(records)):]
	return read(strings.NewReader(pageOf(len(records), page[:min(limit, len(page))])))
}

func pageOf(total int, records []string) string {
	return fmt.Sprintf(`{"skip":0,"limit":0,"total":%d,"resources":[%s]}`, total, strings.Join(records, ","))
}

func status(code int, r reason.Reason) error {
	return reason.New(r, &ciphertrust.APIError{Status: code}, "")
}

// asked returns the requests since the last call.
func (a *appliance) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.requests = nil }()
	return a.requests
}

func (a *appliance) fail(path string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures[path] = err
}

// newAppliance returns an appliance with a schedule, n key rings and a vault.
func newAppliance(n int) *appliance {
	rings := make([]string, 0, n)
	for i := range n {
		rings = append(rings, fmt.Sprintf(`{"id":"%d","name":"ring-%d"}`, i, i))
	}
	return &appliance{failures: map[string]error{}, records: map[string][]string{
		schedulesPath: {`{"id":"1","name":"nightly","run_at":"0 2 * * *","job_config_params":{"cloud_name":"gcp","synchronize_all":true}}`},
		ringsPath:     rings, vaultsPath: {`{"id":"v","name":"vault"}`},
	}}
}

// read reads the sources that are due, and describes what they say.
func read(r *sources.Reader) string {
	<-r.Start()
	return describe(r.State())
}

func describe(state *sources.State) string {
	var words []string
	for _, s := range state.Sources {
		up := "up"
		if s.Err != nil {
			up = string(reason.Of(s.Err))
		}
		words = append(words, s.Name+"="+up)
	}
	list := syncjob.Lists()[0]
	scopes := state.Plan(&list, &syncjob.Summary{})
	return strings.Join(append(words, fmt.Sprintf("schedules=%d rings=%d", len(state.Schedules), len(scopes))), " ")
}

func options(out io.Writer) sources.Options {
	return sources.Options{Schedules: true, Inventory: true, Lists: syncjob.Lists()[:3], PageSize: 1000, Logger: log.NewLogfmtLogger(out)}
}

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
}

// TestIntervals checks when sources are read again, how long their last good state is kept, and what is
// logged, while one fails and another is refused.
func TestIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAppliance(2)
		var logged bytes.Buffer
		r := sources.New(a, options(&logged))
		defer r.Close()
		if got := describe(r.State()); got != "schedules=0 rings=0" {
			t.Errorf("before the first read: %s", got)
		}
		const good = "inventory-azure=up inventory-google=up schedules=up schedules=1 rings=2"
		if got := read(r); got != good {
			t.Fatalf("got %s", got)
		}
		first := r.State()
		if got := len(a.asked()); got != 3 {
			t.Errorf("%d requests, want 3", got)
		}
		for range 20 {
			read(r)
			advance(14 * time.Second)
		}
		if got := a.asked(); got != nil || r.State() != first {
			t.Errorf("within 5 minutes: requests %v, or another state", got)
		}
		a.fail(schedulesPath, status(http.StatusForbidden, reason.Forbidden))
		a.fail(ringsPath, status(http.StatusBadGateway, reason.Server))
		advance(20 * time.Second)
		const failing = "inventory-azure=up inventory-google=server schedules=forbidden schedules=1 rings=2"
		if got := read(r); got != failing {
			t.Errorf("failing: %s", got)
		}
		a.asked()
		for range 10 {
			advance(5 * time.Minute)
			if got := read(r); got != failing {
				t.Errorf("while the good state is kept: %s", got)
			}
		}
		counts := map[string]int{}
		for _, request := range a.asked() {
			path, _, _ := strings.Cut(request, "?")
			counts[path]++
		}
		if diff := gocmp.Diff(map[string]int{ringsPath: 10, vaultsPath: 10}, counts); diff != "" {
			t.Errorf("requests within 50 minutes (-want +got):\n%s", diff)
		}
		advance(5 * time.Minute)
		if got := read(r); got != "inventory-azure=up inventory-google=server schedules=forbidden schedules=0 rings=0" {
			t.Errorf("after an hour: %s", got)
		}
		advance(5 * time.Minute)
		a.fail(schedulesPath, nil)
		a.fail(ringsPath, nil)
		if got := read(r); got != good {
			t.Errorf("good again: %s", got)
		}
		for text, want := range map[string]int{
			`source=schedules reason=forbidden`: 1, `source=inventory-google reason=server`: 12, `msg="the source can be read again"`: 2,
			`hint="let the user view the scheduler's job configurations`: 1, "level=warn": 2,
		} {
			if got := strings.Count(logged.String(), text); got != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", text, got, want, &logged)
			}
		}
	})
}

// TestPaging checks what is requested, and which answers are refused.
func TestPaging(t *testing.T) {
	rejected := status(http.StatusUnprocessableEntity, reason.Other)
	for name, test := range map[string]struct {
		rings int
		page  func(skip, limit int) (string, error)
		// want is the reason, or the number of rings, and requests those for them.
		want     string
		requests int
	}{
		"one page":                {rings: 1000, want: "1000", requests: 1},
		"none":                    {rings: 0, want: "0", requests: 1},
		"several pages":           {rings: 2500, want: "2500", requests: 3},
		"a null list":             {page: func(int, int) (string, error) { return `{"total":0,"resources":null}`, nil }, want: "0", requests: 1},
		"a smaller page":          {rings: 25, page: clamp(25, 10), want: "25", requests: 3},
		"a rejected limit":        {rings: 250, page: func(_, limit int) (string, error) { return "", when(limit > 100, rejected) }, want: "250", requests: 4},
		"every limit is rejected": {rings: 5, page: func(int, int) (string, error) { return "", rejected }, want: "other", requests: 3},
		"too many":                {page: func(int, int) (string, error) { return pageOf(20_001, []string{`{"name":"r"}`}), nil }, want: "decode", requests: 1},
		"skip is ignored":         {page: func(int, int) (string, error) { return pageOf(3, []string{`{"name":"r"}`}), nil }, want: "inconsistent", requests: 6},
		"an empty page":           {page: func(int, int) (string, error) { return pageOf(3, nil), nil }, want: "inconsistent", requests: 3},
		"more than the total":     {page: func(int, int) (string, error) { return pageOf(1, []string{`{"name":"r"}`, `{"name":"s"}`}), nil }, want: "inconsistent", requests: 3},
		"nonsense":                {page: func(int, int) (string, error) { return "<html>", nil }, want: "decode", requests: 1},
		"an array":                {page: func(int, int) (string, error) { return "[]", nil }, want: "decode", requests: 1},
		"no total":                {page: func(int, int) (string, error) { return `{"resources":[]}`, nil }, want: "decode", requests: 1},
		"no resources":            {page: func(int, int) (string, error) { return `{"total":0}`, nil }, want: "decode", requests: 1},
		"texts as records":        {page: func(int, int) (string, error) { return `{"total":1,"resources":["r"]}`, nil }, want: "decode", requests: 1},
		"a record without a name": {page: func(int, int) (string, error) { return pageOf(1, []string{`{"id":"1","name":7}`}), nil }, want: "decode", requests: 1},
		"a name that is too long": {page: func(int, int) (string, error) {
			return pageOf(1, []string{`{"name":"` + strings.Repeat("x", 3000) + `"}`}), nil
		}, want: "decode", requests: 1},
		"data after the page":      {page: func(int, int) (string, error) { return pageOf(0, nil) + "{}", nil }, want: "decode", requests: 1},
		"a bug":                    {page: func(int, int) (string, error) { panic("a bug") }, want: "other", requests: 1},
		"changed while it is read": {page: growing(), want: "15", requests: 4},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAppliance(test.rings)
			a.page = func(path string, skip, limit int) (string, error) {
				if path != ringsPath || test.page == nil {
					return "", nil
				}
				return test.page(skip, limit)
			}
			r := sources.New(a, sources.Options{Inventory: true, Lists: syncjob.Lists()[:1], PageSize: 1000})
			defer r.Close()
			<-r.Start()
			state := r.State()
			got := string(reason.Of(state.Sources[0].Err))
			if state.Sources[0].Err == nil {
				got = strconv.Itoa(state.Sources[0].Records)
			}
			if requests := a.asked(); got != test.want || len(requests) != test.requests {
				t.Errorf("got %s by %d requests, want %s by %d: %v", got, len(requests), test.want, test.requests, requests)
			}
		})
	}
}

// clamp returns pages of a limited size.
func clamp(rings, most int) func(int, int) (string, error) {
	all := newAppliance(rings).records[ringsPath]
	return func(skip, limit int) (string, error) {
		page := all[min(skip, rings):]
		return pageOf(rings, page[:min(limit, most, len(page))]), nil
	}
}

// growing returns pages of ten records. A record appears after the first page.
func growing() func(int, int) (string, error) {
	calls := 0
	return func(skip, limit int) (string, error) {
		calls++
		if calls == 1 {
			return clamp(14, 10)(skip, limit)
		}
		return clamp(15, 10)(skip, limit)
	}
}

func when(condition bool, err error) error {
	if condition {
		return err
	}
	return nil
}

// TestRequests checks the paths that each list needs.
func TestRequests(t *testing.T) {
	for list, want := range map[string]string{
		"google-keys": ringsPath, "azure-secrets": vaultsPath, "aws-keys": "cckm/aws/kms",
		"aws-custom-key-stores": "cckm/aws/kms cckm/aws/custom-key-stores", "oci-keys": "cckm/oci/vaults", "sap-keys": "cckm/sap/groups",
		"sfdc-certificates": "cckm/sfdc/organizations", "dsm-keys": "cckm/dsm/domains", "external-cm-keys": "cckm/external-cm/domains",
		"luna-synchronizations": "cckm/hsm/luna/partitions",
	} {
		lists := slices.DeleteFunc(syncjob.Lists(), func(l syncjob.List) bool { return l.Name != list })
		a := &appliance{records: map[string][]string{
			"cckm/aws/kms": {}, "cckm/aws/custom-key-stores": {}, ringsPath: {}, vaultsPath: {}, "cckm/oci/vaults": {}, "cckm/sap/groups": {},
			"cckm/sfdc/organizations": {}, "cckm/dsm/domains": {}, "cckm/external-cm/domains": {}, "cckm/hsm/luna/partitions": {},
		}}
		r := sources.New(a, sources.Options{Inventory: true, Lists: lists, PageSize: 500})
		<-r.Start()
		r.Close()
		requests := a.asked()
		got := make([]string, 0, len(requests))
		for _, request := range requests {
			path, query, _ := strings.Cut(request, "?")
			got = append(got, path)
			if query != "limit=500&skip=0" {
				t.Errorf("%s is requested with %s", path, query)
			}
		}
		if strings.Join(got, " ") != want || r.State().Sources[0].Err != nil {
			t.Errorf("%s: got %v, want %s; %v", list, got, want, r.State().Sources[0].Err)
		}
	}
	a := newAppliance(0)
	r := sources.New(a, sources.Options{Schedules: true})
	<-r.Start()
	r.Close()
	if got := a.asked(); len(got) != 1 || got[0] != schedulesPath+"?limit=-1&operation=cckm_synchronization&skip=0" {
		t.Errorf("schedules are requested by %v", got)
	}
}

// TestClean checks that what people read has no secret and is printable, and that a schedule that is not
// understood is logged once.
func TestClean(t *testing.T) {
	const secret = "hunter2hunter2"
	a := newAppliance(0)
	a.records[schedulesPath] = []string{
		`{"id":"1","name":"a ` + secret + `\u001b[31m","run_at":"` + secret + `","job_config_params":{"cloud_name":"` + secret + `"}}`,
	}
	var logged bytes.Buffer
	r := sources.New(a, sources.Options{Schedules: true, Logger: log.NewLogfmtLogger(&logged), Redact: func(text string) string {
		return strings.ReplaceAll(text, secret, "<secret>")
	}})
	<-r.Start()
	r.Close()
	s := r.State().Schedules[0]
	if shown := s.Label + s.Cloud + s.RunAt + logged.String(); strings.Contains(shown, secret) || strings.Contains(shown, "\x1b") {
		t.Errorf("got %q", shown)
	}
	if strings.Count(logged.String(), "are not understood") != 1 {
		t.Errorf("logged: %s", &logged)
	}
}

// TestCloseAndOverlap checks that Start does not wait, that there is one read at a time, and that Close ends
// it.
func TestCloseAndOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := hanging{calls: new(int)}
		r := sources.New(g, sources.Options{Schedules: true})
		first := r.Start()
		synctest.Wait()
		if second := r.Start(); first != second || *g.calls != 1 {
			t.Errorf("%d reads at a time", *g.calls)
		}
		advance(3 * time.Minute)
		if got := describe(r.State()); got != "schedules=timeout schedules=0 rings=0" {
			t.Errorf("got %s", got)
		}
		advance(3 * time.Minute)
		done := r.Start()
		synctest.Wait()
		r.Close()
		<-done
		<-r.Start()
		if *g.calls != 2 {
			t.Errorf("%d reads, want 2", *g.calls)
		}
	})
}

// hanging is a sources.Getter that never answers.
type hanging struct{ calls *int }

func (h hanging) Get(ctx context.Context, _ string, _ url.Values, _ func(io.Reader) error) error {
	*h.calls++
	<-ctx.Done()
	return reason.New(reason.Timeout, context.Cause(ctx), "")
}

// TestHints checks the hints of what is refused.
func TestHints(t *testing.T) {
	a := &appliance{failures: map[string]error{ringsPath: status(http.StatusForbidden, reason.Forbidden)}, records: map[string][]string{ringsPath: nil}}
	o := options(io.Discard)
	o.Lists, o.Hint = o.Lists[:1], func(hint string) string { return "HINT " + hint }
	r := sources.New(a, o)
	defer r.Close()
	<-r.Start()
	want := map[string]string{
		"inventory-google": `HINT add the user to the group "CCKM Users" and give it the permission view on each key ring, or turn this off (--no-collector.inventory)`,
		"schedules":        "HINT an older appliance does not have this path: turn this off (--no-collector.schedules)",
	}
	for _, s := range r.State().Sources {
		if got := reason.HintOf(s.Err); got != want[s.Name] {
			t.Errorf("%s: %s", s.Name, got)
		}
		if _, ok := errors.AsType[*ciphertrust.APIError](s.Err); !ok {
			t.Errorf("%s: %v", s.Name, s.Err)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", slices.Collect(maps.Keys(want)))
	}
}
