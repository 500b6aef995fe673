package documents_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestCommands runs every command of the documents against a simulated appliance. A
// block of shell is one script. Every script must succeed; some have further checks.
func TestCommands(t *testing.T) {
	b := newBench(t)
	for _, d := range documents(t) {
		if d.name == "CHANGELOG.md" { // Nobody is asked to type what it mentions.
			continue
		}
		for _, script := range d.scripts() {
			if !b.seen[script] && elsewhere()[script] == "" {
				t.Run(d.name+" "+script, func(t *testing.T) { b.try(t, script) })
			}
			b.seen[script] = true
		}
	}
	for _, script := range slices.Concat(slices.Collect(maps.Keys(elsewhere())), slices.Collect(maps.Keys(servers())), slices.Collect(maps.Keys(outputs()))) {
		if !b.seen[script] {
			t.Errorf("no document has %q", script)
		}
	}
}

func (b *bench) try(t *testing.T, script string) {
	t.Helper()
	if check, ok := servers()[script]; ok {
		check(t, b, b.serve(t, script))
		return
	}
	dir := ""
	if regexp.MustCompile(`^(promtool|sed) `).MatchString(script) {
		dir = "deploy/prometheus"
	}
	run := script
	if regexp.MustCompile(`^(once|check) `).MatchString(run) { // Sentences leave the program out.
		run = "cckm_sync_exporter " + run
	}
	output := b.shell(t, dir, run)
	if want := outputs()[script]; !regexp.MustCompile(want).MatchString(output) {
		t.Errorf("the output does not match %s:\n%s", want, output)
	}
	switch {
	case strings.Contains(script, "/etc/default/cckm_sync_exporter <<"):
		b.checkService(t)
	case strings.Contains(script, "once --output=cckm_sync.prom"):
		b.checkFile(t, "cckm_sync.prom", `cckm_sync_up{cloud="google",item="key"} 1`)
	case strings.Contains(script, "[80m]"):
		for _, name := range []string{"cckm_sync_recording.yml", "cckm_sync_alerts.yml"} {
			b.checkFile(t, "deploy/prometheus/"+name, "[80m]", "[40m]")
			if text := livetest.ReadFile(t, b.dir, "deploy/prometheus/"+name); strings.Contains(text, "[20m]") || strings.Contains(text, "[10m]") {
				t.Errorf("%s has a window that was not enlarged", name)
			}
		}
	}
}

const fleet = "./cckm_sync_exporter --config.file=targets.yml"

// servers are the commands that serve, with what to check meanwhile.
func servers() map[string]func(*testing.T, *bench, string) {
	return map[string]func(*testing.T, *bench, string){
		"go run ./cmd/cckm_sync_exporter demo":                          checkDemo,
		"go run ./cmd/cckm_sync_exporter demo --collector.NAME":         checkMetrics(`cckm_sync_up{cloud="azure",item="key"} 1`),
		"demo --jobs=1000000 --latency=200ms":                           checkMetrics(`cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`, `full_read_progress_ratio{cloud="google",item="key"} 0.0`),
		"demo --targets=5":                                              checkFleet,
		"./cckm_sync_exporter --ciphertrust.ca-file=/etc/ssl/cm-ca.pem": checkMetrics(`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`),
		fleet: checkTargets,
	}
}

// outputs are regular expressions that the outputs of commands match.
func outputs() map[string]string {
	const fine = `ok    login: .*\nok    list google-keys: total [1-9]\d*\nok    list azure-certificates: total [1-9]\d*\n`
	return map[string]string{
		"go build ./cmd/cckm_sync_exporter\n" +
			"export CM_ADDRESS=https://cm.example.com CM_USERNAME=prometheus CM_PASSWORD_FILE=/run/secrets/cm\n" +
			"./cckm_sync_exporter check --ciphertrust.ca-file=/etc/ssl/cm-ca.pem": fine,
		"./cckm_sync_exporter check --ciphertrust.ca-file=/etc/ssl/cm-ca.pem\n./cckm_sync_exporter --version": fine + `(.*\n)*cckm_sync_exporter, version `,
		"cckm_sync_exporter check":                                       fine,
		"./cckm_sync_exporter check --config.file=targets.yml":           `(?m)^ok .*prod-eu.*list azure-keys: total [1-9](.*\n)+.*prod-us.*list google-keys: total [1-9]`,
		"./cckm_sync_exporter check --offline --config.file=targets.yml": `(?m)^ok .*settings`,
		"once --config.file=targets.yml":                                 `(?m)^cckm_sync_up\{cloud="azure",item="key",.*target="prod-eu"\} 1$`,
		"promtool check rules cckm_sync_*.yml":                           `SUCCESS: \d+ rules found`,
	}
}

// elsewhere are the commands that something else runs: a test in a directory, or a
// step of .ci/run.
func elsewhere() map[string]string {
	return map[string]string{
		"curl -X POST http://localhost:10458/-/reload":                                       "deploy/documents checkTargets",
		"curl -sS http://localhost:10458/-/healthy\ncurl -sS http://localhost:10458/-/ready": "deploy/documents checkTargets",
		"go test ./...":                  ".ci/run test",
		".ci/run":                        ".ci/run layout",
		".ci/run lint test":              ".ci/run lint",
		"bash .ci/run install platforms": ".ci/run programs",
		"go test ./collector/e2e -run TestGolden -update":                                 "collector/e2e TestGolden",
		"go test ./collector/config -run TestSchemaFile -update":                          "collector/config TestSchemaFile",
		"go test ./cmd/... -run TestTables -update":                                       "cmd/cckm_sync_exporter TestTables",
		"go test ./deploy/grafana -run TestGenerated -update && go test ./deploy/grafana": "deploy/grafana TestGenerated",
		"go test ./deploy/e2e/screenshots":                                                "deploy/e2e/screenshots TestStatusPageInBrowser",
		"go test ./deploy/e2e/peers -count 1 -v":                                          "deploy/e2e/peers TestPeers",
		"go test ./deploy/e2e/peers -count 1 -v -peers.jobs 1000,10000,100000":            "deploy/e2e/peers TestPeers",
		"go run ./deploy/performance":                                                     "deploy/performance TestRecorded",
		"go run ./deploy/address https://github.com/example/cckm_sync_exporter":           "deploy/address TestSet",
		"prometheus --config.file=prometheus.yml\nalertmanager --config.file=alertmanager.yml\n" +
			"promtool check rules cckm_sync_*.yml && promtool test rules tests/*.test.yml": "deploy/prometheus TestPromtoolTestRules",
		"npm ci": ".ci/run install",
		"go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0": ".ci/run install",
		"go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2":                   ".ci/run install",
		"deploy/release/release.sh":                                                   "deploy/release TestRelease",
		"deploy/release/release.sh --snapshot":                                        "deploy/release TestRelease",
		"deploy/image/build.sh cckm_sync_exporter":                                    "deploy/image TestImage",
	}
}

// TestElsewhere checks that the test or step that runs a command exists.
func TestElsewhere(t *testing.T) {
	for script, by := range elsewhere() {
		where, name, _ := strings.Cut(by, " ")
		if tool, version, ok := strings.Cut(strings.TrimPrefix(script, "go install "), "@"); ok {
			has(t, ".ci/run", read(t, ".ci/run"), version+" "+tool)
		}
		paths, want := []string{filepath.Join(top, where)}, "\nstep_"+name+"() {"
		if where != ".ci/run" {
			paths, _ = filepath.Glob(filepath.Join(top, where, "*_test.go"))
			want = "\nfunc " + name + "(t *testing.T"
		}
		if !slices.ContainsFunc(paths, func(path string) bool {
			content, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(content), want)
		}) {
			t.Errorf("%q: there is no %s", script, by)
		}
	}
}

func (b *bench) checkFile(t *testing.T, name string, wants ...string) {
	t.Helper()
	has(t, name, livetest.ReadFile(t, b.dir, name), wants...)
}

// checkService runs the program that was installed by hand, with the service's settings.
func (b *bench) checkService(t *testing.T) {
	t.Helper()
	unit := livetest.ReadFile(t, b.root, "etc/systemd/system/cckm_sync_exporter.service")
	has(t, "the unit", unit, "EnvironmentFile=-/etc/default/cckm_sync_exporter\n",
		"LoadCredential=password:/etc/cckm_sync_exporter/password\n", "ExecStart=/usr/bin/cckm_sync_exporter")
	bare := *b
	bare.env = nil
	output := bare.shell(t, "", "set -a; . "+b.root+"/etc/default/cckm_sync_exporter; "+
		"CM_PASSWORD_FILE="+b.root+"/etc/cckm_sync_exporter/password "+b.root+"/usr/bin/cckm_sync_exporter check")
	has(t, "check", output, "ok    list google-keys: total ")
}

func checkDemo(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/metrics", b.get(t, address, "/metrics"),
		`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_scope_last_result{cloud="azure",item="certificate",result="failed"`)
	// The parameters that troubleshooting.md names are accepted, and others rejected.
	if page := b.get(t, address, "/?q=payments&state=in_sync&list=google-keys"); strings.Contains(page, "There is no") {
		t.Errorf("the status page does not know its parameters:\n%.2000s", page)
	}
	has(t, "/?list=no-such-list", b.get(t, address, "/?list=no-such-list"), "There is no list")
}

func checkMetrics(wants ...string) func(*testing.T, *bench, string) {
	return func(t *testing.T, b *bench, address string) {
		t.Helper()
		has(t, "/metrics", b.get(t, address, "/metrics"), wants...)
	}
}

func checkFleet(t *testing.T, b *bench, address string) {
	t.Helper()
	if sd := b.get(t, address, "/sd"); strings.Count(sd, `"__param_target"`) != 5 {
		t.Errorf("/sd does not have 5 targets:\n%s", sd)
	}
}

// checkTargets follows configuration.md's section Many appliances, with its reload.
func checkTargets(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/sd", b.get(t, address, "/sd"), `"prod-eu"`, `"prod-us"`, `"region"`)
	has(t, "/probe", b.get(t, address, "/probe?target=prod-eu"), `cckm_sync_up{cloud="azure",item="key"} 1`)
	has(t, "/?target=prod-eu", b.get(t, address, "/?target=prod-eu"), "azure-keys")
	b.shell(t, "", "curl -sS http://"+address+"/-/healthy\ncurl -sS http://"+address+"/-/ready")
	b.shell(t, "", "curl -X POST http://"+address+"/-/reload")
	has(t, "/metrics", b.get(t, address, "/metrics"), "cckm_sync_exporter_config_last_reload_successful 1")
}

func has(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s has no %s:\n%.2000s", what, want, text)
		}
	}
}
