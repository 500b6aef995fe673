package faults_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web"
)

const (
	// password has characters that JSON, URLs and HTML write in other ways.
	password = `pa"ss/w<o>rd&%41+sécrèt-9f31c7`
	clientID = "client-of-the-exporter"

	googlePath = "/api/v1/cckm/google/synchronization-jobs"
	azurePath  = "/api/v1/cckm/azure/certificates/synchronization-jobs"
	tokensPath = "/api/v1/auth/tokens"

	jobsInAList = 80
	pageSize    = 20
	concurrency = 4
	// offset is what the exporter leaves of Prometheus' own timeout.
	offset = 500 * time.Millisecond
)

// place is the configuration of a row's appliance and exporter.
type place struct {
	// proxied adds a proxy between them.
	proxied bool
	// name is the appliance's name, which only the row's resolver knows; empty means that the exporter
	// connects to the address.
	name string
	// certificate enables logins with a client certificate.
	certificate bool
	// caches enables the cache, and so incremental reads.
	caches bool
	// timeout is --collector.timeout; 0 means its default.
	timeout time.Duration
	// options are the appliance's.
	options simulator.Options
}

// rig is an appliance, the exporter, and what is between them.
type rig struct {
	t          *testing.T
	place      place
	appliance  *simulator.Appliance
	server     *simulator.Server
	proxy      *proxy
	resolver   *resolver
	settings   ciphertrust.Config
	exporter   *exporter
	http       *httptest.Server
	transcript *transcript
	ended      sync.Once
	// looked is true after the doctor has connected to the appliance.
	looked atomic.Bool
	// caFile and passwordFile are files of the exporter.
	caFile, passwordFile string
}

func newRig(t *testing.T, p place) *rig {
	t.Helper()
	p.options.Password, p.options.ClientID = password, clientID
	r := &rig{t: t, place: p, appliance: simulator.New(p.options), transcript: new(transcript)}
	// The testing package keeps references until the last row has ended.
	t.Cleanup(func() { *r = rig{} })
	r.fill()
	certificate := simulator.Certificate{}
	if p.name != "" {
		r.resolver = installResolver(t)
		certificate.Names = []string{p.name}
	}
	var err error
	if r.server, err = r.appliance.StartTLSWith(certificate); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	address := r.server.Addr().String()
	if p.proxied {
		r.proxy = &proxy{address: "127.0.0.1:0", upstream: address}
		up(r)
		t.Cleanup(func() { r.proxy.stop() })
		address = r.proxy.address
	}
	if p.name != "" {
		_, port, _ := strings.Cut(address, ":")
		address = p.name + ":" + port
	}
	r.caFile = r.write("ca.pem", string(r.server.CAPEM))
	r.configure("https://" + address)
	if r.exporter, err = r.wire(); err != nil {
		t.Fatal(err)
	}
	r.http = httptest.NewServer(r.exporter.handler)
	t.Cleanup(func() { r.end() })
	return r
}

// end stops the exporter and searches everything that it has shown for secrets.
func (r *rig) end() {
	r.ended.Do(func() {
		r.http.Close()
		r.exporter.close(r)
		r.transcript.show(r.settings)
		r.wantNoSecrets()
	})
}

// fill adds finished jobs and a job in progress to both lists.
func (r *rig) fill() {
	r.t.Helper()
	for name, scopes := range map[string][]string{
		simulator.GoogleKeys:        {"projects/acme/locations/global/keyRings/blue", "projects/acme/locations/us-east1/keyRings/red"},
		simulator.AzureCertificates: {"blue::11111111-2222-3333-4444-555555555555", "red::11111111-2222-3333-4444-555555555555"},
	} {
		list := r.appliance.List(name)
		list.SetHistory(jobsInAList-1, simulator.HistoryShape{Scopes: scopes, FailOneIn: 5, AbortOneIn: 7})
		list.Put(simulator.Job{Scopes: scopes[:1]})
	}
}

func (r *rig) configure(address string) {
	r.t.Helper()
	r.settings = ciphertrust.Config{URL: address, Concurrency: concurrency, Retries: ciphertrust.DefaultRetries, UserAgent: "cckm_sync_exporter/test"}
	r.settings.TLS.CAFile = r.caFile
	r.settings.Logger = r.transcript.logger()
	if !r.place.certificate {
		r.passwordFile = r.write("password", password+"\n")
		r.settings.Credentials = ciphertrust.Credentials{Username: simulator.DefaultUsername, PasswordFile: r.passwordFile}
		r.transcript.secret(password)
		return
	}
	cert, key, err := r.server.ClientCertificate("exporter")
	if err != nil {
		r.t.Fatal(err)
	}
	r.transcript.secretKey(string(key))
	r.settings.Credentials = ciphertrust.Credentials{ClientID: clientID}
	r.settings.TLS.CertFile, r.settings.TLS.KeyFile = r.write("cert.pem", string(cert)), r.write("key.pem", string(key))
}

// write writes a file that the exporter reads.
func (r *rig) write(name, content string) (path string) {
	r.t.Helper()
	path = filepath.Join(r.t.TempDir(), name)
	r.overwrite(path, content)
	return path
}

// overwrite replaces a file atomically, since the exporter may read it at any time.
func (r *rig) overwrite(path, content string) {
	r.t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		r.t.Fatal(err)
	}
}

// trust adds a CA that the exporter trusts.
func (r *rig) trust(ca []byte) {
	r.t.Helper()
	r.overwrite(r.caFile, string(r.server.CAPEM)+string(ca))
}

// exporter is an exporter that is wired like the command serve.
type exporter struct {
	targets *targets.Set
	target  *targets.Target
	handler http.Handler
}

func (r *rig) wire() (*exporter, error) {
	cfg := config.Target{
		URL: r.settings.URL, Credentials: r.settings.Credentials, TLS: r.settings.TLS,
		Reading: config.Reading{PageSize: pageSize, Concurrency: concurrency, Timeout: cmp.Or(r.place.timeout, 30*time.Second), TimeoutOffset: offset},
	}
	for _, list := range syncjob.Lists() {
		if list.Default {
			cfg.Lists = append(cfg.Lists, list)
		}
	}
	if r.place.caches {
		cfg.FullReadInterval = time.Hour
	}
	e := &exporter{targets: targets.NewSet(targets.Options{Logger: r.settings.Logger})}
	if _, err := e.targets.Load([]config.Target{cfg}); err != nil {
		return nil, err
	}
	e.target = e.targets.All()[0]
	scrapes := prometheus.NewRegistry()
	var err error
	e.handler, err = web.NewHandler(web.Config{
		Targets:       e.targets,
		Read:          r.printing(e.target.ReadSome),
		Lists:         e.target.ListNames(),
		Exposition:    e.target.Exposition(),
		Telemetry:     prometheus.Gatherers{scrapes, e.targets},
		Instrument:    scrapes,
		TelemetryPath: "/metrics",
		MaxRequests:   40,
		Timeout:       cfg.Timeout,
		TimeoutOffset: offset,
		Reload:        func() (string, error) { return "", nil },
		Logger:        r.settings.Logger,
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// close stops the exporter as the command serve does.
func (e *exporter) close(r *rig) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), 250*time.Millisecond)
	defer cancel()
	e.targets.Close(ctx)
	r.transcript.show(e.target.Client())
	r.transcript.show(e.target.Config)
}

// printing returns a function that reads, and prints the snapshot.
func (r *rig) printing(read func(context.Context, []string) *scrape.Snapshot) func(context.Context, []string) *scrape.Snapshot {
	return func(ctx context.Context, lists []string) *scrape.Snapshot {
		snapshot := read(ctx, lists)
		for i := range snapshot.Lists {
			r.transcript.show(snapshot.Lists[i].Err)
			r.transcript.showWords(snapshot.Lists[i].Summary)
		}
		r.transcript.show(*snapshot)
		return snapshot
	}
}

// firstPages returns the lists of a target for the doctor, which print their errors.
func (r *rig) firstPages(t *targets.Target) []doctor.Source {
	lists := make([]doctor.Source, 0, len(t.Lists()))
	for i, reader := range t.Lists() {
		lists = append(lists, doctor.Source{Name: t.Config.Lists[i].Name, Read: func(ctx context.Context) (int, error) {
			total, err := reader.Total(ctx)
			r.transcript.show(err)
			return total, err
		}})
	}
	return lists
}

// get sends a request to the exporter with the timeout of a scrape.
func (r *rig) get(method, path string, patience time.Duration) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.http.URL+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	if patience > 0 {
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(patience.Seconds()))
	}
	resp, err := r.http.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.transcript.show(resp.Header)
	_, _ = r.transcript.Write(text)
	return resp.StatusCode, string(text)
}

// look requests everything that the exporter serves except the metrics, and runs the doctor like the
// command check.
func (r *rig) look() {
	r.t.Helper()
	for _, path := range []string{"/", "/-/healthy", "/-/ready", "/sd", "/probe?target=appliance", "/nowhere"} {
		r.get(http.MethodGet, path, 0)
	}
	r.get(http.MethodPost, "/-/reload", 0)
	r.looked.Store(true)
	patient, err := r.wire()
	if err != nil {
		r.transcript.show(err)
		return
	}
	doctor := doctor.Doctor{
		Client: printingClient{patient.target.Client(), r.transcript}, Lists: r.firstPages(patient.target), Timeout: 200 * time.Millisecond, Report: doctor.NewReport(r.transcript),
	}
	doctor.Check(r.t.Context())
	patient.close(r)
}

type printingClient struct {
	*ciphertrust.Client

	transcript *transcript
}

func (c printingClient) Login(ctx context.Context) error {
	err := c.Client.Login(ctx)
	c.transcript.show(err)
	return err
}

// onPages handles the requests for pages of the google list.
func (r *rig) onPages(handle interceptor) { r.intercept(isGooglePage, handle) }

// onLogins handles the logins.
func (r *rig) onLogins(handle interceptor) { r.intercept(isLogin, handle) }

// interceptor responds instead of the appliance, or passes the request to next.
type interceptor func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler)

// intercept handles the requests that fit.
func (r *rig) intercept(fits func(*http.Request) bool, handle interceptor) {
	r.appliance.Intercept(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if fits(req) {
			handle(r, w, req, next)
			return
		}
		next.ServeHTTP(w, req)
	})
}

func isPage(req *http.Request) bool {
	return req.Method == http.MethodGet && (req.URL.Path == googlePath || req.URL.Path == azurePath)
}

func isGooglePage(req *http.Request) bool {
	return req.Method == http.MethodGet && req.URL.Path == googlePath
}

func isLogin(req *http.Request) bool {
	return req.Method == http.MethodPost && strings.HasPrefix(req.URL.Path, tokensPath)
}

// laterPage is true for the pages behind the first.
func laterPage(req *http.Request) bool {
	return isGooglePage(req) && req.URL.Query().Get("skip") != "0"
}

// echo returns everything that was ever sent to the appliance. The doctor and the exporter do not know
// each other's refresh tokens and could not redact them.
func (r *rig) echo(req *http.Request) string {
	var b strings.Builder
	b.WriteString("refused: " + req.Header.Get("Authorization"))
	for _, login := range r.appliance.Logins() {
		b.WriteString(" " + login.Request.Password)
		if !r.looked.Load() {
			b.WriteString(" " + login.Request.RefreshToken)
		}
	}
	return b.String()
}
