package scenarios_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// run fails the test unless the program succeeds.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), livetest.Program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}

// server is a Prometheus or an Alertmanager, which can be restarted.
type server struct {
	path    string
	args    []string
	address string
	cmd     *exec.Cmd
	log     livetest.Buffer
	ended   chan struct{}
}

// startServer starts a server and waits until it is ready.
func startServer(t *testing.T, path string, args ...string) *server {
	t.Helper()
	s := &server{path: path, args: args}
	t.Cleanup(func() {
		s.end(syscall.SIGTERM)
		if t.Failed() && testing.Verbose() {
			t.Logf("%s wrote:\n%s", filepath.Base(path), s.log.String())
		}
	})
	// Another program may use the free address first.
	for range 3 {
		s.start(t)
		if livetest.WaitFor(30*time.Second, func() bool {
			return s.hasEnded() || s.ask(t.Context(), http.MethodGet, "/-/ready", nil) == nil
		}) && !s.hasEnded() {
			return s
		}
		s.end(syscall.SIGTERM)
	}
	t.Fatalf("%s is not ready:\n%s", filepath.Base(path), s.log.String())
	return nil
}

// start starts the server's program on a new address.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.address = livetest.FreeAddress(t)
	s.cmd = exec.Command(s.path, append([]string{"--log.level=warn", "--web.listen-address=" + s.address}, s.args...)...) //nolint:noctx // The test ends it.
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // The test may have killed it.
	}()
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// end sends a signal to the server and waits until it has ended.
func (s *server) end(signal syscall.Signal) {
	if s.cmd == nil || s.ended == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal)
	<-s.ended
}

// ask sends a request to the server and decodes the response, unless answer is nil.
func (s *server) ask(ctx context.Context, method, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// prometheusServer is a Prometheus that scrapes some of the lives.
type prometheusServer struct {
	*server
	dir          string
	alertmanager string
	rules        []string
	targets      []scraped
}

// startPrometheus starts a Prometheus whose own durations are divided, too. The delay after which it repeats
// an alert is longer: an alert is over if it is not repeated in four times that, and a busy machine may stop a
// program for seconds.
//
// It has no rules before loadRules: Prometheus takes five to ten real seconds to find its targets, which would
// be minutes for the rules.
func startPrometheus(t *testing.T, alertmanager string, targets []scraped) *prometheusServer {
	t.Helper()
	dir := t.TempDir()
	p := &prometheusServer{
		dir: dir, alertmanager: alertmanager, targets: targets,
		rules: ruleFiles(t, dir, thresholdsFile, "cckm_sync_recording.yml", "cckm_sync_alerts.yml"),
	}
	p.configure(t, nil, targets)
	p.server = startServer(t, livetest.Program(t, "prometheus"), "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data",
		"--web.enable-lifecycle", "--query.lookback-delta=5s", "--rules.alert.resend-delay=5s",
		"--rules.alert.for-outage-tolerance=1m", "--rules.alert.for-grace-period=10s")
	return p
}

// configure writes the configuration.
func (p *prometheusServer) configure(t *testing.T, rules []string, targets []scraped) {
	t.Helper()
	run(t, "promtool", "check", "config", write(t, p.dir, "prometheus.yml", prometheusConfig(t, p.alertmanager, rules, targets)))
}

// reload reloads the configuration and the rules.
func (p *prometheusServer) reload(t *testing.T) {
	t.Helper()
	if err := p.ask(t.Context(), http.MethodPost, "/-/reload", nil); err != nil {
		t.Fatal(err)
	}
}

// loadRules configures the rules.
func (p *prometheusServer) loadRules(t *testing.T) {
	t.Helper()
	p.configure(t, p.rules, p.targets)
	p.reload(t)
}

// knowsAlertmanager reports whether Prometheus has found Alertmanager, which takes up to five seconds after a
// start or a reload.
func (p *prometheusServer) knowsAlertmanager(ctx context.Context) bool {
	var answer struct {
		Data struct {
			Active []any `json:"activeAlertmanagers"`
		} `json:"data"`
	}
	err := p.ask(ctx, http.MethodGet, "/api/v1/alertmanagers", &answer)
	return err == nil && len(answer.Data.Active) > 0
}

// reachesAll reports whether every target was scraped.
func (p *prometheusServer) reachesAll(ctx context.Context) bool {
	var answer struct{ Data struct{ Result []any } }
	err := p.ask(ctx, http.MethodGet, "/api/v1/query?query="+url.QueryEscape("up == 1"), &answer)
	return err == nil && len(answer.Data.Result) == len(p.targets)
}

// startAlertmanager starts an Alertmanager that sends all notifications to a webhook.
func startAlertmanager(t *testing.T, webhook string) *server {
	t.Helper()
	dir := t.TempDir()
	return startServer(t, livetest.Program(t, "alertmanager", "prometheus-alertmanager"),
		"--config.file="+alertmanagerConfig(t, dir, webhook), "--storage.path="+dir, "--cluster.listen-address=")
}

// alert identifies an alert in a notification.
type alert struct {
	name, instance, cloud, item, scope, severity, receiver string
}

// change is a notification that changed the state of an alert.
type change struct {
	firing bool
	at     time.Time
	// message is the notification's number.
	message int
}

// webhook records the notifications of Alertmanager.
type webhook struct {
	url string

	mu       sync.Mutex
	messages int
	changes  map[alert][]change
	errs     []error
}

func startWebhook(t *testing.T) *webhook {
	t.Helper()
	w := &webhook{changes: make(map[alert][]change)}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// ServeHTTP records a notification.
func (w *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		Receiver string `json:"receiver"`
		Alerts   []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	err := json.NewDecoder(r.Body).Decode(&message)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	w.messages++
	for _, notified := range message.Alerts {
		a := alert{
			name: strings.TrimPrefix(notified.Labels["alertname"], "CCKMSync"), instance: notified.Labels["instance"],
			cloud: notified.Labels["cloud"], item: notified.Labels["item"], scope: notified.Labels["scope"],
			severity: notified.Labels["severity"], receiver: message.Receiver,
		}
		changes, firing := w.changes[a], notified.Status == "firing"
		if len(changes) == 0 || changes[len(changes)-1].firing != firing {
			w.changes[a] = append(changes, change{firing, time.Now(), w.messages})
		}
	}
}
