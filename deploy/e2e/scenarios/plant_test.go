package scenarios_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors/version"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
	"cckm_sync_exporter/collector/web"
)

// The timeouts of a read. Prometheus' scrape timeout of one second is shorter.
const (
	timeout       = 30 * time.Second
	timeoutOffset = 400 * time.Millisecond
)

// sourceInterval is the time between two reads of the schedules and the inventories.
const sourceInterval = 5 * minute

// plant is the appliance and the exporters of a life.
type plant struct {
	t          *testing.T
	life       *life
	appliance  *simulator.Appliance
	server     *simulator.Server
	exporters  []*exporter
	prometheus *prometheusServer
	// dir holds the password file.
	dir     string
	running map[string]runningJob
}

type runningJob struct {
	list string
	id   simulator.UUID
}

// exporter is an address with an exporter that can be stopped.
type exporter struct {
	scraped
	handler atomic.Pointer[http.Handler]
	stop    func()
}

// ServeHTTP calls the exporter at the address, or closes the connection if it is stopped. The address stays
// in use, so that no other program takes it.
func (e *exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler := e.handler.Load()
	if handler == nil {
		panic(http.ErrAbortHandler)
	}
	(*handler).ServeHTTP(w, r)
}

// newPlant starts an appliance with empty lists and its exporters.
func newPlant(t *testing.T, l *life) *plant {
	t.Helper()
	p := &plant{t: t, life: l, dir: t.TempDir(), running: make(map[string]runningJob)}
	p.appliance = simulator.New(simulator.Options{
		Clock:         func() time.Time { return time.Now().Add(l.skew) },
		TokenLifetime: simulator.DefaultTokenLifetime / scale,
	})
	if l.planned {
		p.register(google)
		p.register(azure)
		p.schedules(google)
	}
	var err error
	if p.server, err = p.appliance.StartTLS(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.server.Close)
	for _, name := range append(l.targets(), "") {
		p.setPasswordFileOf(name, simulator.DefaultPassword)
	}
	instances := []string{l.name}
	if l.pair {
		instances = []string{l.name + ", a", l.name + ", b"}
	}
	job := l.job
	if job == "" {
		job = "cckm_sync: " + l.name
	}
	for _, instance := range instances {
		e := &exporter{scraped: scraped{job: job, instance: instance}}
		address := httptest.NewServer(e)
		e.address = strings.TrimPrefix(address.URL, "http://")
		t.Cleanup(func() {
			address.Close()
			p.stopExporter(e)
		})
		p.exporters = append(p.exporters, e)
	}
	if l.startsLate {
		for _, e := range p.exporters {
			var nothing http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			e.handler.Store(&nothing)
		}
		return p
	}
	p.startExporters()
	return p
}

// startExporters starts new exporters, wired like the program.
func (p *plant) startExporters() {
	for _, e := range p.exporters {
		targets := targets.NewSet(targets.Options{Logger: log.NewNopLogger(), SourceInterval: sourceInterval})
		if _, err := targets.Load(p.configs()); err != nil {
			p.t.Fatal(err)
		}
		process := prometheus.NewRegistry()
		process.MustRegister(version.NewCollector("cckm_sync_exporter"))
		collector.NewReloads(process)
		cfg := web.Config{
			Targets: targets, Telemetry: prometheus.Gatherers{process, targets}, TelemetryPath: "/metrics",
			Timeout: timeout, TimeoutOffset: timeoutOffset, Logger: log.NewNopLogger(),
		}
		if len(p.life.fleet) == 0 {
			single := targets.All()[0]
			cfg.Lists, cfg.Read, cfg.Exposition = single.ListNames(), single.ReadSome, single.Exposition()
		}
		handler, err := web.NewHandler(cfg)
		if err != nil {
			p.t.Fatal(err)
		}
		e.handler.Store(&handler)
		e.stop = func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			targets.Close(ctx)
		}
	}
}

// configs returns the configuration of an exporter: the appliance, or the appliance once for each target,
// each with its own password file.
func (p *plant) configs() []config.Target {
	names := p.life.targets()
	if len(names) == 0 {
		names = []string{""}
	}
	configs := make([]config.Target, 0, len(names))
	for _, name := range names {
		cfg := config.Target{
			Name: name, URL: p.server.URL,
			Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, PasswordFile: p.passwordFile(name)},
			TLS:         ciphertrust.TLSConfig{CA: string(p.server.CAPEM)},
			Reading: config.Reading{
				PageSize: 1000, Concurrency: 4, Timeout: timeout, TimeoutOffset: timeoutOffset, ForgetScopesAfter: p.life.forgetScopesAfter,
				Schedules: p.life.planned, Inventory: p.life.planned,
			},
		}
		for _, list := range syncjob.Lists() {
			if list.Default {
				cfg.Lists = append(cfg.Lists, list)
			}
		}
		configs = append(configs, cfg)
	}
	return configs
}

func (p *plant) stopExporters() {
	for _, e := range p.exporters {
		p.stopExporter(e)
	}
}

func (*plant) stopExporter(e *exporter) {
	e.handler.Store(nil)
	if e.stop != nil {
		e.stop()
		e.stop = nil
	}
}

// now returns the appliance's time.
func (p *plant) now() time.Time { return time.Now().Add(p.life.skew) }

// finished inserts a job that took a minute and ended some time ago. All scopes of a failed one have failed.
func (p *plant) finished(list, status string, ago time.Duration, scopes ...string) {
	p.t.Helper()
	p.insert(list, simulator.Job{OverallStatus: status, Scopes: scopes}, ago)
}

// aborted inserts a job that was canceled some time ago.
func (p *plant) aborted(list string, ago time.Duration, scopes ...string) {
	p.t.Helper()
	p.insert(list, simulator.Job{OverallStatus: simulator.StatusCompleted, Abort: true, Scopes: scopes}, ago)
}

// partlyFailed inserts a job in which only the first scope failed.
func (p *plant) partlyFailed(list string, ago time.Duration, scopes ...string) {
	p.t.Helper()
	kind := p.list(list).Kind()
	detail := make(map[string]string)
	for i, scope := range scopes {
		detail[kind.DetailKey(scope)] = kind.Noun + " synchronized successfully"
		if i == 0 {
			detail[kind.DetailKey(scope)] = "failed to synchronize " + kind.Noun + ": 403 Forbidden"
		}
	}
	p.insert(list, simulator.Job{OverallStatus: simulator.StatusFailed, Scopes: scopes, DetailedStatus: detail}, ago)
}

func (p *plant) insert(list string, job simulator.Job, ago time.Duration) {
	p.t.Helper()
	job.CompletedAt = p.now().Add(-ago)
	job.CreatedAt = job.CompletedAt.Add(-minute)
	p.list(list).Put(job)
}

// begin inserts a job that has been in progress for some time. complete finds it by its name.
func (p *plant) begin(name, list string, ago time.Duration, scopes ...string) {
	p.t.Helper()
	job := p.list(list).Put(simulator.Job{CreatedAt: p.now().Add(-ago), Scopes: scopes})
	p.running[name] = runningJob{list, job.ID}
}

// complete completes a job of begin.
func (p *plant) complete(name string) {
	p.t.Helper()
	job := p.running[name]
	if !p.list(job.list).Complete(job.id, p.now()) {
		p.t.Fatalf("%s: there is no job %q", p.life.name, name)
	}
}

// purge removes all jobs of a list except the newest.
func (p *plant) purge(list string, keep int) {
	p.t.Helper()
	for _, job := range p.list(list).Jobs()[keep:] {
		p.list(list).Remove(job.ID)
	}
}

func (p *plant) list(name string) *simulator.JobList {
	p.t.Helper()
	list := p.appliance.List(name)
	if list == nil {
		p.t.Fatalf("%s: the appliance has no list %s", p.life.name, name)
	}
	return list
}

// addList adds a list to the appliance.
func (p *plant) addList(name string) {
	p.t.Helper()
	kind, ok := simulator.KindNamed(name)
	if !ok {
		p.t.Fatalf("there is no list %s", name)
	}
	p.appliance.Register(kind)
}

func (p *plant) setPasswordFile(password string) {
	p.t.Helper()
	p.setPasswordFileOf("", password)
}

// setPasswordFileOf writes the password file of a target.
func (p *plant) setPasswordFileOf(name, password string) {
	p.t.Helper()
	write(p.t, p.dir, filepath.Base(p.passwordFile(name)), password+"\n")
}

func (p *plant) passwordFile(name string) string { return filepath.Join(p.dir, "password"+name) }

// changePassword changes the appliance's password and ends every session.
func (p *plant) changePassword(password string) {
	p.appliance.SetPassword(password)
	p.appliance.RevokeRefreshTokens()
	p.appliance.RevokeAllTokens()
}

// unreachable makes the appliance close every connection.
func (p *plant) unreachable() {
	p.appliance.Intercept(func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })
}

// answerError makes the appliance respond with 500 to requests whose path contains a text.
func (p *plant) answerError(path string) {
	p.answer(path, http.StatusInternalServerError)
}

// answer makes the appliance respond with a status to requests whose path contains a text.
func (p *plant) answer(path string, status int) {
	p.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, path) {
			_, _ = io.Copy(io.Discard, r.Body)
			simulator.WriteError(w, status, "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// reachable ends unreachable, answerError and answer.
func (p *plant) reachable() { p.appliance.Intercept(nil) }

// removeTargets removes the targets from the configuration of Prometheus; addTargets adds them again.
func (p *plant) removeTargets() {
	p.t.Helper()
	p.prometheus.configure(p.t, p.prometheus.rules, nil)
	p.prometheus.reload(p.t)
}

func (p *plant) addTargets() { p.loadRules() }

// killPrometheus kills the second Prometheus.
func (p *plant) killPrometheus() { p.prometheus.end(syscall.SIGKILL) }

// restartPrometheus starts it again, without rules until loadRules.
func (p *plant) restartPrometheus() {
	p.t.Helper()
	p.prometheus.configure(p.t, nil, p.prometheus.targets)
	p.prometheus.start(p.t)
}

func (p *plant) loadRules() {
	p.t.Helper()
	p.prometheus.loadRules(p.t)
}

// loseThresholds makes Prometheus reload its rules without the thresholds.
func (p *plant) loseThresholds() {
	p.t.Helper()
	write(p.t, p.prometheus.dir, thresholdsFile, "groups: []\n")
	p.prometheus.reload(p.t)
}
