package targets_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// domain is the child domain that each simulated appliance has.
const domain = "child"

// appliance is a simulated one whose lists are long enough to be cached.
type appliance struct {
	*simulator.Appliance

	server *simulator.Server
	// password and ca are files.
	password, ca string
}

func startAppliance(t *testing.T) *appliance {
	t.Helper()
	a := &appliance{Appliance: simulator.New(simulator.Options{Domains: []string{domain}})}
	for _, in := range []string{simulator.RootDomain, domain} {
		a.ListIn(in, simulator.GoogleKeys).SetHistory(300, simulator.HistoryShape{})
	}
	server, err := a.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	a.server = server
	dir := t.TempDir()
	a.password, a.ca = filepath.Join(dir, "password"), filepath.Join(dir, "ca.pem")
	write(t, a.password, []byte(simulator.DefaultPassword+"\n"))
	write(t, a.ca, server.CAPEM)
	return a
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// target returns a configuration of the appliance.
func (a *appliance) target(name string) config.Target {
	return config.Target{
		Name: name, URL: a.server.URL, Lists: syncjob.Lists()[:1], Source: "targets.yml:2",
		Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, PasswordFile: a.password},
		TLS:         ciphertrust.TLSConfig{CAFile: a.ca},
		Labels:      map[string]string{"region": "eu"},
		Reading:     config.Reading{PageSize: 100, Concurrency: 2, Timeout: 10 * time.Minute, FullReadInterval: time.Hour},
	}
}

// logins counts the logins by any grant.
func (a *appliance) logins() int { return a.count(http.MethodPost) }

// revocations counts the refresh tokens that were revoked.
func (a *appliance) revocations() int { return a.count(http.MethodDelete) }

func (a *appliance) count(method string) (n int) {
	for _, request := range a.Requests() {
		if request.Method == method {
			n++
		}
	}
	return n
}

// tokens returns how many refresh tokens are on the appliance.
func (a *appliance) tokens() int { return len(a.RefreshTokens()) }

// hold delays the requests for lists until release is called, which may be called again. asked gets a value
// for each request.
func (a *appliance) hold() (asked chan struct{}, release func()) {
	released, release := context.WithCancel(context.Background())
	asked = make(chan struct{}, 1000)
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet {
			asked <- struct{}{}
			select {
			case <-r.Context().Done():
				return
			case <-released.Done():
			}
		}
		next.ServeHTTP(w, r)
	})
	return asked, release
}

// logBuffer is a log that several goroutines write to.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// set is one under test.
type set struct {
	*targets.Set

	log *logBuffer
}

func newSet(t *testing.T, configs ...config.Target) *set {
	t.Helper()
	s := &set{log: &logBuffer{}}
	s.Set = targets.NewSet(targets.Options{Logger: log.NewLogfmtLogger(s.log)})
	t.Cleanup(func() { s.close(t) })
	s.load(t, configs...)
	return s
}

func (s *set) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	s.Close(ctx)
}

// load loads a valid configuration, and returns the names of the new targets.
func (s *set) load(t *testing.T, configs ...config.Target) string {
	t.Helper()
	added, err := s.Load(configs)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(added))
	for _, one := range added {
		names = append(names, one.Config.Name)
	}
	return strings.Join(names, ",")
}

// read reads a target as a probe does.
func (s *set) read(t *testing.T, name string) *scrape.Snapshot {
	t.Helper()
	one, done, ok := s.Use(name)
	if !ok {
		t.Errorf("there is no target %s", name)
		return &scrape.Snapshot{}
	}
	defer done()
	return one.Read(t.Context())
}

// mustRead reads a target, and fails the test if a list fails.
func (s *set) mustRead(t *testing.T, name string) {
	t.Helper()
	for _, list := range s.read(t, name).Lists {
		if list.Err != nil {
			t.Errorf("target %s: %v", name, list.Err)
		}
	}
}

// reads returns how often a target's lists were read completely and incrementally, according to the metrics.
func (s *set) reads(t *testing.T, name string) (full, incremental int) {
	t.Helper()
	families, err := s.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "cckm_sync_exporter_list_reads_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			switch n := int(metric.GetCounter().GetValue()); {
			case labels[targets.Label] != name:
			case labels["kind"] == "full":
				full += n
			default:
				incremental += n
			}
		}
	}
	return full, incremental
}

// wantReads fails unless reads returns these numbers.
func (s *set) wantReads(t *testing.T, name string, full, incremental int) {
	t.Helper()
	if f, i := s.reads(t, name); f != full || i != incremental {
		t.Errorf("target %s was read %d times completely and %d times incrementally, want %d and %d", name, f, i, full, incremental)
	}
}

// eventually waits for a condition that other goroutines fulfill.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it is still not so: %s", what)
		}
	}
}
