package documents_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// way says how it is known that a command of a document works: exactly one of wants,
// serves, within, by and cannot is given.
type way struct {
	// wants is what the command writes when it is run here, as a regular expression.
	wants string
	// dir is where it is run, from the top of the repository.
	dir string
	// left looks at what it left behind.
	left func(t *testing.T, b *bench)

	// serves looks at the exporter that the command starts.
	serves func(t *testing.T, b *bench, address string)
	// within is the command that serves while this one is run.
	within string

	// by is what runs it: the directory and name of a test, or ".ci/run" and a step.
	// What is there has the text mentions.
	by, mentions string

	// cannot says why nothing here can run it.
	cannot string
}

const (
	quiet        = `^$`
	allIsWell    = `(?m)^ok    settings: 2 lists enabled\nok    connect: https://127\.0\.0\.1:\d+\nok    login: .*\nok    list google-keys: total [1-9]\d*\nok    list azure-certificates: total [1-9]\d*\n`
	needsRoot    = "needs root on a machine with systemd; deploy/systemd's tests verify the units, and socket activation"
	needsApt     = "installs into the machine; deploy/release's tests install, upgrade and purge the same file below a directory"
	needsYum     = "needs Fedora; deploy/release's tests unpack the same file"
	needsCluster = "needs a cluster; deploy/helm's tests hold each object against the schemas of Kubernetes and the Operator"
	needsStore   = "needs a release and Sigstore; TestPublishRelease checks that publish.sh makes the file"
	needsImage   = "needs Docker's daemon; deploy/image builds the same Dockerfile by buildah and runs it"
	needsTheirs  = "needs an appliance of one's own, or its client certificate; openssl is the user's"
	needsChain   = "needs Docker's daemon and other people's images; deploy's TestCompose holds the file"

	reload = "curl -X POST http://localhost:10458/-/reload"
	fleet  = "./cckm_sync_exporter --config.file=targets.yml"
)

// ways has an entry for each command of each document.
func ways() map[string]way {
	wellFleet := `(?m)^ok .*prod-eu.*list azure-keys: total [1-9](.*\n)+.*prod-us.*list google-keys: total [1-9]`
	return map[string]way{
		// The program.
		"go run ./cmd/cckm_sync_exporter demo":                          {serves: showsDemo},
		"go run ./cmd/cckm_sync_exporter demo --collector.NAME":         {serves: showsList},
		"./cckm_sync_exporter demo --targets=5":                         {serves: showsFleet(5)},
		"demo --targets=N":                                              {serves: showsFleet(3)},
		"demo --jobs=1000000 --latency=200ms":                           {serves: showsLongList},
		"./cckm_sync_exporter --ciphertrust.ca-file=/etc/ssl/cm-ca.pem": {serves: showsLists},
		fleet:                               {serves: showsTargets},
		reload:                              {within: fleet},
		"go build ./cmd/cckm_sync_exporter": {wants: quiet},
		"export CM_ADDRESS=https://cm.example.com CM_USERNAME=prometheus CM_PASSWORD_FILE=/run/secrets/cm": {wants: quiet},
		"./cckm_sync_exporter check --ciphertrust.ca-file=/etc/ssl/cm-ca.pem":                              {wants: allIsWell},
		"./cckm_sync_exporter --version":                                                       {wants: `(?m)^cckm_sync_exporter, version `},
		"./cckm_sync_exporter check --config.file=targets.yml":                                 {wants: wellFleet},
		"./cckm_sync_exporter check --offline --config.file=targets.yml":                       {wants: `(?m)^ok .*settings`},
		"cckm_sync_exporter check":                                                             {wants: allIsWell},
		"cckm_sync_exporter check --offline":                                                   {wants: `(?m)^ok    settings: 2 lists enabled\n1 target: 2 ok, 0 warnings, 0 failures\n`},
		"cckm_sync_exporter check --offline --config.file=FILE":                                {wants: `(?m)^ok .*settings`},
		"once --config.file=targets.yml":                                                       {wants: `(?m)^cckm_sync_up\{cloud="azure",item="key",.*target="prod-eu"\} 1$`},
		"./cckm_sync_exporter once > cckm_sync.prom.new; mv cckm_sync.prom.new cckm_sync.prom": {wants: `.`, left: textfile},

		// Go's own tests, and what measures.
		"go test ./...": {by: ".ci/run test", mentions: "go test ./..."},
		".ci/run":       {by: ".ci/run layout", mentions: "#!/usr/bin/env bash"},
		"go test ./collector/e2e -run TestGolden -update":                      {by: "collector/e2e TestGolden", mentions: `flag.Bool("update"`},
		"go test ./cmd/... -run TestTables -update":                            {by: "cmd/cckm_sync_exporter TestTables", mentions: `flag.Bool("update"`},
		"go test ./deploy/grafana -run TestGenerated -update":                  {by: "deploy/grafana TestGenerated", mentions: `flag.Bool("update"`},
		"go test ./deploy/grafana":                                             {by: ".ci/run live", mentions: "./deploy/..."},
		"go test ./deploy/e2e/screenshots":                                     {by: "deploy/e2e/screenshots TestStatusPageInBrowser", mentions: `flag.Bool("update"`},
		"go test ./deploy/e2e/peers -count 1 -v":                               {by: ".ci/run live", mentions: "./deploy/..."},
		"go test ./deploy/e2e/peers -count 1 -v -peers.jobs 1000,10000,100000": {by: "deploy/e2e/peers TestPeers", mentions: `flag.String("peers.jobs"`},
		"go run ./deploy/performance":                                          {by: "deploy/performance TestRecorded", mentions: "go run ./deploy/performance"},
		"npm ci":                                                               {by: ".ci/run install", mentions: "cd deploy/e2e/screenshots && npm ci"},
		"go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2":            {by: ".ci/run install", mentions: "nfpm v2.45.2 github.com/goreleaser/nfpm/v2/cmd/nfpm"},

		"go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0": {by: ".ci/run install", mentions: "cyclonedx-gomod v1.10.0 github.com/CycloneDX/cyclonedx-gomod"},

		"deploy/release/release.sh":                {by: "deploy/release TestRelease", mentions: `"release.sh"`},
		"deploy/release/release.sh --snapshot":     {by: "deploy/documents TestSnapshot", mentions: "release.sh --snapshot"},
		"deploy/image/build.sh cckm_sync_exporter": {by: "deploy/image TestImage", mentions: "build.sh"},

		// Rules.
		"promtool check rules cckm_sync_*.yml && promtool test rules tests/*.test.yml": {by: "deploy/prometheus TestPromtoolTestRules", mentions: `"tests/*.test.yml"`},
		"promtool check rules cckm_sync_*.yml":                                         {wants: `SUCCESS: \d+ rules found`, dir: "deploy/prometheus"},
		"prometheus --config.file=prometheus.yml":                                      {by: "deploy/prometheus TestPromtoolCheckConfig", mentions: `"prometheus.yml"`},
		"alertmanager --config.file=alertmanager.yml":                                  {by: "deploy/prometheus TestAmtoolCheckConfig", mentions: `"alertmanager.yml"`},
		"sed -i 's|https://github.com/cckm-sync-exporter/cckm_sync_exporter/blob/main/deploy/runbooks/|https://wiki.example.com/cckm/|' cckm_sync_alerts.yml": {
			wants: quiet, dir: "deploy/prometheus",
			left: replaced("deploy/prometheus/cckm_sync_alerts.yml", "https://github.com/", "https://wiki.example.com/cckm/CCKMSyncFailed"),
		},
		// The sentence names the two files.
		`sed -i 's/\[20m\]/[80m]/; s/\[10m\]/[40m]/'`: {within: "TestLongerWindows"},

		"openssl s_client -connect cm.example.com:443 -showcerts </dev/null | openssl x509 -noout -subject -enddate": {cannot: needsTheirs},
		"openssl x509 -noout -subject -enddate -in client.pem":                                                       {cannot: needsTheirs},

		// On a machine.
		"install -m 0755 cckm_sync_exporter /usr/bin/":                                   {wants: quiet},
		"install -m 0644 deploy/systemd/cckm_sync_exporter.service /etc/systemd/system/": {wants: quiet},
		"install -d -m 0700 /etc/cckm_sync_exporter":                                     {wants: quiet},
		"install -m 0600 password /etc/cckm_sync_exporter/":                              {wants: quiet},
		"cat > /etc/default/cckm_sync_exporter <<END\nCM_ADDRESS=https://cm.example.com\nCM_USERNAME=prometheus\n" +
			"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=/etc/ssl/certs/cm-ca.pem\nEND": {wants: quiet, left: settingsOfService},
		"echo CCKM_SYNC_EXPORTER_WEB_SYSTEMD_SOCKET=true >> /etc/default/cckm_sync_exporter": {wants: quiet},
		"systemctl daemon-reload && systemctl enable --now cckm_sync_exporter":               {cannot: needsRoot},
		"systemctl enable --now cckm_sync_exporter":                                          {cannot: needsRoot},
		"systemctl disable --now cckm_sync_exporter.service":                                 {cannot: needsRoot},
		"systemctl enable --now cckm_sync_exporter.socket":                                   {cannot: needsRoot},
		"systemctl restart":                                   {cannot: needsRoot},
		"systemctl edit --full":                               {cannot: needsRoot},
		"systemctl edit cckm_sync_exporter":                   {cannot: needsRoot},
		"systemctl edit cckm_sync_exporter.socket":            {cannot: needsRoot},
		"systemd-analyze verify":                              {by: "deploy/systemd TestUnit", mentions: `"verify"`},
		"systemd-analyze security":                            {by: "deploy/systemd TestUnit", mentions: `"security"`},
		"apt install ./cckm-sync-exporter_1.2.3-1_amd64.deb":  {cannot: needsApt},
		"apt remove":                                          {cannot: needsApt},
		"apt purge":                                           {cannot: needsApt},
		"dnf install ./cckm-sync-exporter-1.2.3-1.x86_64.rpm": {cannot: needsYum},
		"docker compose -f deploy/compose.yaml up --build":    {cannot: needsChain},
		"docker build -t cckm_sync_exporter .":                {cannot: needsImage},

		// In a cluster.
		"helm install cckm-sync-exporter deploy/helm/cckm-sync-exporter " +
			"--set ciphertrust.url=https://cm.example.com --set ciphertrust.username=prometheus " +
			"--set ciphertrust.existingSecret=cckm-login --set ciphertrust.caConfigMap.name=cm-ca": {by: "deploy/helm TestReadmeExamples", mentions: "helm install"},
		"helm template cckm-sync-exporter ../helm/cckm-sync-exporter --values mine.yaml": {by: "deploy/helm TestPlainManifests", mentions: `"--values", values`},
		"helm package":                           {by: "deploy/helm TestOneSource", mentions: `"package", chart`},
		"helm test":                              {by: "deploy/helm TestProgram", mentions: "helm test"},
		"helm test cckm-sync-exporter --logs":    {by: "deploy/helm TestProgram", mentions: "helm test"},
		"kubectl -n cckm apply -f exporter.yaml": {cannot: needsCluster},
		"kubectl -n cckm apply -f servicemonitor.yaml -f prometheusrule.yaml":                 {cannot: needsCluster},
		"kubectl create namespace cckm":                                                       {cannot: needsCluster},
		"kubectl create secret generic cckm-login --from-file=password":                       {cannot: needsCluster},
		"kubectl create configmap cm-ca --from-file=ca.crt":                                   {cannot: needsCluster},
		"kubectl -n cckm create secret generic cckm-sync-exporter --from-file=password":       {cannot: needsCluster},
		"kubectl -n cckm create configmap cckm-sync-exporter-ca --from-file=ca.crt":           {cannot: needsCluster},
		"kubectl -n cckm create configmap cckm-sync-boards --from-file=../grafana/dashboards": {cannot: needsCluster},
		"kubectl -n cckm label configmap cckm-sync-boards grafana_dashboard=1":                {cannot: needsCluster},

		// Releases.
		"sha256sum --check --ignore-missing sha256sums.txt": {wants: `^targets\.yml: OK\n$`},
		"cosign verify-blob --bundle sha256sums.txt.sigstore.json sha256sums.txt " +
			"--certificate-oidc-issuer=https://token.actions.githubusercontent.com " +
			"--certificate-identity=https://github.com/cckm-sync-exporter/cckm_sync_exporter/.github/workflows/release.yml@refs/tags/v1.2.3": {cannot: needsStore},
		"gh attestation verify cckm_sync_exporter-1.2.3.linux-amd64.tar.gz --repo cckm-sync-exporter/cckm_sync_exporter": {cannot: needsStore},
	}
}

// has fails for each text that is not there.
func has(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s has no %s:\n%.2000s", what, want, text)
		}
	}
}

// showsDemo looks where README says that there is something to see.
func showsDemo(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/metrics", b.get(t, "http://"+address+"/metrics"),
		`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_scope_last_result{cloud="azure",item="certificate",result="failed"`)
	has(t, "/", b.get(t, "http://"+address+"/"), "Key rings and vaults", "Failed")
	// The parameters that README tells of are understood, and others are told.
	page := b.get(t, "http://"+address+"/?q=payments&state=ok&list=google-keys&per=10&page=1")
	if strings.Contains(page, "There is no") || strings.Contains(page, "is no ") {
		t.Errorf("the status page does not know its parameters:\n%.2000s", page)
	}
	has(t, "/?list=no-such-list", b.get(t, "http://"+address+"/?list=no-such-list"), "There is no list")
}

func showsLists(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/metrics", b.get(t, "http://"+address+"/metrics"),
		`cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
}

func showsList(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/metrics", b.get(t, "http://"+address+"/metrics"), `cckm_sync_up{cloud="azure",item="key"} 1`)
}

func showsFleet(n int) func(*testing.T, *bench, string) {
	return func(t *testing.T, b *bench, address string) {
		t.Helper()
		if sd := b.get(t, "http://"+address+"/sd"); strings.Count(sd, `"__param_target"`) != n {
			t.Errorf("/sd has not %d targets:\n%s", n, sd)
		}
	}
}

// showsLongList scrapes for less time than a full read takes, and looks at its progress.
func showsLongList(t *testing.T, b *bench, address string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "2")
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	has(t, "/metrics", string(body), `cckm_sync_scrape_error{cloud="google",item="key",reason="timeout"} 1`,
		`cckm_sync_exporter_full_read_progress_ratio{cloud="google",item="key"} 0.0`)
	has(t, "/", b.get(t, "http://"+address+"/"), " of about 1,002 pages")
}

// showsTargets follows Many appliances of configuration.md, a reload included.
func showsTargets(t *testing.T, b *bench, address string) {
	t.Helper()
	has(t, "/sd", b.get(t, "http://"+address+"/sd"), `"prod-eu"`, `"prod-us"`, `"region"`)
	has(t, "/probe", b.get(t, "http://"+address+"/probe?target=prod-eu"), `cckm_sync_up{cloud="azure",item="key"} 1`)
	has(t, "/?target=prod-eu", b.get(t, "http://"+address+"/?target=prod-eu"), "azure-keys")
	b.shell(t, "", strings.Replace(reload, "localhost:10458", address, 1))
	b.ran[reload] = true
	has(t, "/metrics", b.get(t, "http://"+address+"/metrics"), "cckm_sync_exporter_config_last_reload_successful 1")
}
