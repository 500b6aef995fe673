// Package hostile_test runs the exporter as a process with a hostile target and a good one. It bounds the
// memory, the log and the duration of scrapes, and checks that the good target is read.
package hostile_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

const (
	scrapeTimeout = 10 * time.Second
	// slack is the time that a busy machine may add to a scrape's timeout.
	slack = 2 * time.Second
	// shutdownLimit bounds the exporter's shutdown.
	shutdownLimit = 5*time.Second + slack

	memoryLimit = 128 << 20
	logLimit    = 256 << 10
	// requestLimit bounds the requests that one scrape causes.
	requestLimit = 5_000

	googlePath = "/api/v1/cckm/google/synchronization-jobs"
)

// hostile is an appliance that the exporter has to survive.
type hostile struct {
	name string
	// pages responds to the requests for pages of the list google-keys.
	pages http.HandlerFunc
	// login responds to logins; nil returns a token.
	login http.HandlerFunc
	// reasons are the allowed values of cckm_sync_scrape_error; "up" means that the list may be read.
	reasons string
	// memory is the limit if the list has so many scopes or jobs that memoryLimit
	// cannot hold them; 0 means memoryLimit.
	memory int64
	// slow leaves it out of the soak: it takes seconds, or has lasting effects.
	slow bool
}

// TestHostileAppliance scrapes each hostile appliance twice. The good target must be read each time.
func TestHostileAppliance(t *testing.T) {
	livetest.All(t)
	t.Parallel()
	executable := livetest.BuildExporter(t)
	good := simulator.New(simulator.Options{})
	good.SetFixture(strings.TrimPrefix(googlePath, "/api/v1/"), simulator.GoogleKeysExample())
	server := livetest.Serve(t, good)
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			h.test(t, executable, server)
		})
	}
}

func (h *hostile) test(t *testing.T, executable string, good *simulator.Server) {
	t.Helper()
	var requests atomic.Int64
	bad := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		switch {
		case req.Method == http.MethodGet && req.URL.Path == googlePath:
			h.pages(w, req)
		case req.Method == http.MethodPost && h.login != nil:
			h.login(w, req)
		default:
			_, _ = io.WriteString(w, `{"jwt":"token-of-the-hostile","duration":300}`)
		}
	}))
	t.Cleanup(func() {
		bad.CloseClientConnections()
		bad.Close()
	})
	p, address := start(t, executable, nil, map[string]target{
		"good":    {good.URL, string(good.CAPEM)},
		"hostile": {bad.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bad.Certificate().Raw}))},
	})
	started := len(p.Log())
	var outcomes strings.Builder
	for range 2 {
		requests.Store(0)
		other := make(chan string, 1)
		go func() { other <- probe(t, address, "good") }()
		begun := time.Now()
		outcome := probe(t, address, "hostile")
		took := time.Since(begun)
		if !strings.Contains(" "+h.reasons+" ", " "+outcome+" ") {
			t.Errorf("the hostile target's outcome is %q, want one of %q", outcome, h.reasons)
		}
		if took > scrapeTimeout+slack {
			t.Errorf("the response took %s", took)
		}
		if outcome := <-other; outcome != "up" {
			t.Errorf("the good target's outcome is %q", outcome)
		}
		if n := requests.Load(); n > requestLimit {
			t.Errorf("%d requests", n)
		}
		fmt.Fprintf(&outcomes, " %s in %.1f s with %d requests,", outcome, took.Seconds(), requests.Load())
	}
	livetest.Get(t, "http://"+address+"/")
	memory := p.PeakMemory(t)
	begun := time.Now()
	code, cpu := p.End(t)
	if took := time.Since(begun); code != 0 || took > shutdownLimit {
		t.Errorf("exit code %d, %s after SIGTERM", code, took)
	}
	logged := len(p.Log()) - started
	t.Logf("%s %d MiB, %d bytes of log, %.1f s of CPU", outcomes.String(), memory>>20, logged, cpu.Seconds())
	if limit := max(h.memory, memoryLimit); memory > limit {
		t.Errorf("the peak is %d MiB, want at most %d", memory>>20, limit>>20)
	}
	if logged > 2*logLimit {
		t.Errorf("%d bytes of log for two scrapes, want at most %d", logged, 2*logLimit)
	}
}

// target is an appliance's address and its CA.
type target struct{ url, ca string }

// start starts the exporter with targets that read the list google-keys.
func start(t *testing.T, executable string, env []string, targets map[string]target, args ...string) (p *livetest.Process, address string) {
	t.Helper()
	password := livetest.WriteFile(t, "password", []byte(simulator.DefaultPassword))
	var config strings.Builder
	config.WriteString("targets:\n")
	for name, to := range targets {
		fmt.Fprintf(&config, "  - {name: %s, url: %q, username: %s, password_file: %q, collectors: [google-keys], tls_config: {ca_file: %q}}\n",
			name, to.url, simulator.DefaultUsername, password, livetest.WriteFile(t, "ca.pem", []byte(to.ca)))
	}
	args = append(args, "--config.file="+livetest.WriteFile(t, "targets.yml", []byte(config.String())))
	return livetest.StartExporter(t, executable, env, args...)
}

// probe scrapes a target as Prometheus does. It returns "up", the reason of a failed read, or the error of
// the scrape.
func probe(t *testing.T, address, name string) (outcome string) {
	t.Helper()
	failure := regexp.MustCompile(`^cckm_sync_scrape_error\{.*reason="(\w+)"\} 1$`)
	status, err := get(t.Context(), &http.Transport{DisableKeepAlives: true}, "http://"+address+"/probe?target="+name, func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			if lines.Text() == `cckm_sync_up{cloud="google",item="key"} 1` {
				outcome = "up"
			}
			if found := failure.FindStringSubmatch(lines.Text()); found != nil {
				outcome += found[1]
			}
		}
		return lines.Err() //nolint:wrapcheck // The test shows it.
	})
	if err != nil {
		return err.Error()
	}
	if status != http.StatusOK {
		return http.StatusText(status)
	}
	return outcome
}
