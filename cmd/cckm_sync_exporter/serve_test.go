package main

import (
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestServe checks the metrics of a server, also without those of the process.
func TestServe(t *testing.T) {
	for _, process := range []bool{true, false} {
		r := newRig(t)
		p := r.start(t, map[bool]string{true: "--no-web.disable-exporter-metrics", false: "--web.disable-exporter-metrics"}[process])
		p.wantUp(t, "/metrics")
		metrics := p.metrics(t)
		wantLines(t, metrics, `cckm_sync_exporter_logins_total{grant="password",result="success"} 1`,
			`cckm_sync_scope_last_completion_timestamp_seconds{cloud="azure",item="certificate",scope="cckm-vault::260ecbe7-777b-4d3c-84ea-887620498863"} 1.652780461958222e+09`)
		for name, want := range map[string]bool{
			"go_goroutines": process, "process_open_fds": process, "promhttp_metric_handler_requests_total": process,
			"cckm_sync_exporter_build_info": true, "cckm_sync_exporter_api_requests_total": true,
		} {
			if got := strings.Contains(metrics, "\n"+name); got != want {
				t.Errorf("%s is in the metrics: %t, want %t", name, got, want)
			}
		}
		if n := len(r.RefreshTokens()); n != 1 {
			t.Errorf("%d refresh tokens while the exporter runs", n)
		}
		p.terminate(t)
		r.wantNoTokens(t)
		if log := p.log(); strings.Contains(log, simulator.DefaultPassword) || strings.Contains(log, "eyJ") {
			t.Errorf("the log has a secret:\n%s", log)
		}
	}
}

// TestPasswordFromTheEnvironment checks that only a newline at the end of the password is removed.
func TestPasswordFromTheEnvironment(t *testing.T) {
	for _, variable := range []string{"CM_PASSWORD", "CIPHERTRUST_PASSWORD"} {
		r := newRig(t)
		r.SetPassword(" pa55-word ")
		r.env = append(r.env, "CM_PASSWORD=", variable+"= pa55-word \n")
		r.start(t).wantUp(t, "/metrics")
	}
}

// TestSocketActivation passes a listener to the exporter as systemd does.
func TestSocketActivation(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		t.Fatalf("the listener is a %T", listener)
	}
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// The variable has the id of the process that listens.
	cmd := shell(t, `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --web.systemd-socket`)
	cmd.ExtraFiles = []*os.File{file}
	p := launch(t, cmd, newRig(t).env).awaitListening(t)
	if p.address != listener.Addr().String() {
		t.Errorf("it listens on %s, want %s", p.address, listener.Addr())
	}
	p.wantUp(t, "/metrics")
}

// TestAddressInUse checks that a server that cannot listen ends at once.
func TestAddressInUse(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	_, log, code := runCommand(t, r.env, "--web.listen-address="+p.address)
	if want := "--web.listen-address " + p.address + " is in use"; code != 1 || strings.Count(log, "\n") != 1 || !strings.Contains(log, want) {
		t.Errorf("code %d, want one line with %q:\n%s", code, want, log)
	}
	p.signal(t, syscall.Signal(0))
}

// TestStartLog checks that the first lines have what is read, when, and where to look.
func TestStartLog(t *testing.T) {
	r := newRig(t)
	cert, key, err := r.server.ClientCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "web.key", string(key))
	tls := r.write(t, "tls.yml", "tls_server_config: {cert_file: web.pem, key_file: web.key}\n")
	r.write(t, "web.pem", string(cert))
	targets := newTargetsFile(t)
	targets.set(t, targets.entry("one", ""), targets.entry("two", ""))
	for name, test := range map[string]struct {
		env, args []string
		want      []string
	}{
		"flags": {r.env, nil, []string{
			"appliance=" + r.server.URL + ` lists=google-keys,azure-certificates msg="each scrape reads these lists; without scrapes, nothing is read"`,
			"metrics=http://ADDRESS/metrics page=http://ADDRESS/ ",
		}},
		"TLS": {r.env, []string{"--web.config.file=" + tls, "--web.telemetry-path=/m"}, []string{"metrics=https://ADDRESS/m page=https://ADDRESS/ "}},
		"file": {nil, []string{"--config.file=" + targets.path}, []string{
			`targets=2 names=one,two msg="each scrape reads the lists of one target`, "discovery=http://ADDRESS/sd page=http://ADDRESS/ ",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, test.env, test.args...)
			for _, want := range test.want {
				if want := strings.ReplaceAll(want, "ADDRESS", p.address); !strings.Contains(p.log(), want) {
					t.Errorf("the log does not have %s:\n%s", want, p.log())
				}
			}
			for line := range strings.Lines(p.log()) {
				if len(line) > 200 {
					t.Errorf("a line has %d characters: %s", len(line), line)
				}
			}
		})
	}
}

// TestDemoPage checks that the demo prints its addresses, and that the page then shows a failing key ring
// with its cause.
func TestDemoPage(t *testing.T) {
	cmd := command(t, "demo", "--web.listen-address=127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, cmd, nil).awaitListening(t)
	want := fmt.Sprintf("Status page: http://%[1]s/\nMetrics:     http://%[1]s/metrics\n", p.address)
	printed := make([]byte, len(want))
	if _, err := io.ReadFull(stdout, printed); err != nil || string(printed) != want {
		t.Fatalf("it prints %q, want %q: %v", printed, want, err)
	}
	page := html.UnescapeString(p.mustRequest(t, http.MethodGet, "/", http.StatusOK))
	for _, text := range []string{"projects/acme-staging/locations/us-east1/keyRings/payments", "Permission 'cloudkms.cryptoKeys.list' denied on resource"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not have %s:\n%s", text, page)
		}
	}
	p.terminate(t)
}

// TestDemoAppliancesDiffer checks that no two appliances share a scope, that neighbors read other lists,
// and that each has a trouble.
func TestDemoAppliancesDiffer(t *testing.T) {
	_, s, err := parse([]string{commandDemo})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	var before []syncjob.List
	for i := range 20 {
		lists, troubles := s.demoLists(i), 0
		if len(lists) != 2 || reflect.DeepEqual(lists, before) {
			t.Errorf("appliance %d has the lists %v, the one before %v", i, lists, before)
		}
		before = lists
		for _, life := range simulator.LivesOf(i) {
			isRead := slices.ContainsFunc(lists, func(list syncjob.List) bool { return list.Name == life.List })
			if isRead && life.Fate != simulator.Succeeds {
				troubles++
			}
			for _, scope := range life.Scopes {
				if other, known := of[scope]; known && other != i {
					t.Errorf("the appliances %d and %d have the scope %s", other, i, scope)
				}
				of[scope] = i
			}
		}
		if troubles == 0 {
			t.Errorf("appliance %d has no trouble in %v", i, lists)
		}
	}
	_, s, err = parse([]string{"--collector.disable-defaults", "--collector.oci-keys", commandDemo})
	if err != nil {
		t.Fatal(err)
	}
	if lists := s.demoLists(1); len(lists) != 1 || lists[0].Name != "oci-keys" {
		t.Errorf("a user who chose oci-keys gets %v", lists)
	}
}

// TestDemo enables every list of the demo, which has jobs of each status.
func TestDemo(t *testing.T) {
	lists := syncjob.Lists()
	args := make([]string, 0, len(lists))
	for _, list := range lists {
		args = append(args, "--collector."+list.Name)
	}
	p := start(t, nil, append(args, "demo", "--jobs=3000")...)
	metrics := p.metrics(t)
	for _, list := range lists {
		labels := fmt.Sprintf("{cloud=%q,item=%q", list.Cloud, list.Item)
		wantLines(t, metrics, "cckm_sync_up"+labels+"} 1")
		if n := strings.Count(metrics, "\ncckm_sync_scope_info"+labels+fmt.Sprintf(",kind=%q,", list.Kind)); n < 2 {
			t.Errorf("the list %s has %d scopes", list.Name, n)
		}
		if !strings.Contains(metrics, "\ncckm_sync_scope_last_result"+labels+`,result="completed"`) {
			t.Errorf("no job of the list %s has finished", list.Name)
		}
	}
	jobs := regexp.MustCompile(`(?m)^cckm_sync_jobs\{cloud="azure",item="certificate",status="(\w+)"\} [1-9]`).FindAllStringSubmatch(metrics, -1)
	statuses := make([]string, 0, len(jobs))
	for _, job := range jobs {
		statuses = append(statuses, job[1])
	}
	if want := []string{"aborted", "completed", "failed", "in_progress"}; !slices.Equal(slices.Sorted(slices.Values(statuses)), want) {
		t.Errorf("the demo has jobs of the statuses %v, want %v", statuses, want)
	}
	if !regexp.MustCompile(`(?m)^cckm_sync_jobs\{cloud="google",item="key",status="completed"\} [23]\d\d\d$`).MatchString(metrics) {
		t.Errorf("the history is not as long as --jobs:\n%s", metrics)
	}
	// The history can be cached.
	wantLines(t, p.metrics(t), `cckm_sync_exporter_list_reads_total{cloud="google",item="key",kind="incremental"} 1`)
	if strings.Contains(p.log(), "level=warn during=read list") && strings.Contains(p.log(), "could not be read") {
		t.Errorf("the log has failures:\n%s", p.log())
	}
	p.terminate(t)
}

// TestScrapesReadSources checks that scrapes start the reads of schedules and inventories, and have their
// series, also if they choose lists. The page of the demo then shows a missed night, what is registered and was
// never synchronized, and what was removed.
func TestScrapesReadSources(t *testing.T) {
	p := start(t, nil, "demo")
	for _, path := range []string{"/metrics", "/metrics?collect[]=google-keys"} {
		livetest.Eventually(t, 30*time.Second, "the sources at "+path, func() bool {
			metrics := p.mustRequest(t, http.MethodGet, path, http.StatusOK)
			return strings.Contains(metrics, `cckm_sync_source_up{source="schedules"} 1`) &&
				strings.Contains(metrics, `cckm_sync_scope_registered{cloud="google",item="key",`)
		})
	}
	_, page, _ := strings.Cut(p.mustRequest(t, http.MethodGet, "/", http.StatusOK), `<table class="scopes"`)
	page = regexp.MustCompile(`(<[^>]*>| )+`).ReplaceAllString(page, " ")
	for _, row := range []string{
		`statements google-keys ◷ Missed .* due .* ago , next in .* , statements`,
		`acme-fresh-vault::.* azure-certificates ∅ Never succeeded .* never none due .* ago , next in .* , fresh-vault`,
		`acme-spare-vault::.* azure-certificates ○ No job none finished – never none all-vaults-paused \(off\)`,
		`acme-retired-vault::.* azure-certificates – Removed .* no schedule`,
		`schedules ✓ Readable .* records`,
	} {
		if !regexp.MustCompile(row).MatchString(page) {
			t.Errorf("the page does not have %s:\n%s", row, page)
		}
	}
	p.terminate(t)
}

// TestDemoSources checks that the demo reads schedules and the inventory unless a flag or variable disables
// them.
func TestDemoSources(t *testing.T) {
	for _, test := range []struct {
		env                  string
		args                 []string
		schedules, inventory bool
	}{
		{"", nil, true, true},
		{"", []string{"--no-collector.schedules"}, false, true},
		{"", []string{"--no-collector.inventory", "--collector.schedules"}, true, false},
		{"false", nil, true, false},
		{"true", nil, true, true},
	} {
		t.Setenv("CCKM_SYNC_EXPORTER_COLLECTOR_INVENTORY", test.env)
		_, s, err := parse(append([]string{commandDemo}, test.args...))
		if err != nil {
			t.Fatal(err)
		}
		s.readSources()
		if s.reading.Schedules != test.schedules || s.reading.Inventory != test.inventory {
			t.Errorf("%+v: schedules %t, inventory %t", test, s.reading.Schedules, s.reading.Inventory)
		}
	}
}

func TestDemoBounds(t *testing.T) {
	for args, want := range map[string]string{
		"--jobs=-1":        "--jobs is -1: give 0 to 1000000",
		"--jobs=1000001":   "--jobs is 1000001: give 0 to 1000000",
		"--latency=-1s":    "--latency is -1s: give 0s or more",
		"--targets=-1":     "--targets is -1: give 0 to 1000",
		"--targets=1001":   "--targets is 1001: give 0 to 1000",
		"--config.file=/x": "does not read --config.file",
	} {
		_, s, err := parse([]string{commandDemo, args})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.validateDemo(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// TestHints checks that the log, the status page and check name the keys of a target and its line, also
// after the line has moved.
func TestHints(t *testing.T) {
	f := newTargetsFile(t)
	f.SetPassword("another-password")
	f.set(t, f.entry("one", ""))
	p := f.serve(t)
	p.mustRequest(t, http.MethodGet, "/probe?target=one", http.StatusOK)
	hint := "check username, the password (password_file), domain, auth_domain and connection, and whether the user is locked out (" + f.path + ":2)"
	p.await(t, `hint="`+hint+`"`, 1)
	page := p.mustRequest(t, http.MethodGet, "/", http.StatusOK)
	out, _, code := runCommand(t, nil, "check", "--config.file="+f.path)
	for where, text := range map[string]string{"page": page, "check": out} {
		if !strings.Contains(text, hint) || strings.Contains(text+p.log(), "--ciphertrust.") || code != 1 {
			t.Errorf("%s: code %d, want %q and no flag:\n%s", where, code, hint, text)
		}
	}
	f.set(t, "# a comment\n", f.entry("one", ""))
	p.mustRequest(t, http.MethodPost, "/-/reload", http.StatusOK)
	f.write(t, "password", simulator.DefaultPassword+"x")
	p.mustRequest(t, http.MethodGet, "/probe?target=one", http.StatusOK)
	if page := p.mustRequest(t, http.MethodGet, "/", http.StatusOK); !strings.Contains(page, f.path+":3)") {
		t.Errorf("the status page does not have line 3:\n%s", page)
	}
}
