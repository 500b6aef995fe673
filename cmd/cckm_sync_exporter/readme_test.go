package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	commonconfig "github.com/prometheus/common/config"

	"cckm_sync_exporter/collector"
	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

// update rewrites README.md's tables: go test ./cmd/... -run TestReadme -update.
var update = flag.Bool("update", false, "rewrite the tables of README.md")

// TestReadmeTables holds README.md's tables against the program: the metrics
// against what a scrape gathers, the flags against the parser, the lists
// against the table in code.
func TestReadmeTables(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	readme := string(content)
	for name, want := range map[string]string{
		"metrics": metricsTable(t), "flags": flagsTable(), "lists": listsTable(),
	} {
		begin, end := "<!-- table: "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(readme, begin)
		got, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Errorf("README.md has no table of %s", name)
			continue
		}
		if *update {
			readme = before + begin + want + end + after
		} else if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("README.md's table of %s is not what the program has (-want +got); run this test with -update:\n%s", name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(readme), 0o644); err != nil { //nolint:gosec // README.md is for everybody.
			t.Fatal(err)
		}
	}
}

// TestReadmeReasons holds that each reason has a row with what to do.
func TestReadmeReasons(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Troubleshooting")
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1)
	got := make([]reason.Reason, 0, len(rows))
	for _, row := range rows {
		got = append(got, reason.Reason(row[1]))
	}
	if diff := gocmp.Diff(reason.All(), got); diff != "" {
		t.Errorf("the reasons in README.md (-want +got):\n%s", diff)
	}
}

// metricsTable returns the table of the metrics of an exporter that reads a lively
// appliance, of one whose login is rejected, and of one during a full read.
func metricsTable(t *testing.T) string {
	t.Helper()
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	rows := make(map[string]string)
	reading := prometheus.NewRegistry()
	reading.MustRegister(collector.NewFullReadProgress(func() []scrape.Latest {
		return []scrape.Latest{{FullRead: &scrape.FullReadProgress{}}}
	}))
	during, err := reading.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, families := range [][]*dto.MetricFamily{gatherOnce(t, simulator.DefaultPassword), gatherOnce(t, "wrong"), during} {
		for _, family := range families {
			rows[family.GetName()] = fmt.Sprintf("| %#q | %s | %s | %s |\n", family.GetName(), strings.ToLower(family.GetType().String()),
				labelsOf(family), family.GetHelp())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		table.WriteString(rows[name])
	}
	return table.String()
}

// gatherOnce returns what an exporter has that reads an appliance once.
func gatherOnce(t *testing.T, password ciphertrust.Secret) []*dto.MetricFamily {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
		t.Fatal(err)
	}
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_, s, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := server.ClientCertificate("exporter")
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.tls = server.URL, ciphertrust.TLSConfig{CA: string(server.CAPEM), Cert: string(cert), Key: commonconfig.Secret(key)}
	s.credentials = ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: password}
	configs, err := s.targets()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newExporter(configs, log.NewNopLogger(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer e.closeAfter(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	gatherers, _ := e.readOnce(ctx)
	families, err := append(gatherers, e.telemetry()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func labelsOf(family *dto.MetricFamily) string {
	labels := family.GetMetric()[0].GetLabel()
	names := make([]string, 0, len(labels))
	for _, pair := range labels {
		names = append(names, "`"+pair.GetName()+"`")
	}
	return strings.Join(names, " ")
}

func flagsTable() string {
	app, _ := newApp()
	// Parsing gives the flags their environment variables.
	_, _ = app.ParseContext(nil)
	var table strings.Builder
	table.WriteString("| flag | environment | default | meaning |\n|---|---|---|---|\n")
	for _, f := range app.Model().Flags {
		if f.Hidden {
			continue
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", flagName(f), code(f.Envar), code(strings.Join(f.Default, " ")), f.Help)
	}
	return table.String()
}

// flagName shows that the flag of a list can be turned off.
func flagName(f *kingpin.FlagModel) string {
	if on := strings.Join(f.Default, ""); on == "true" || on == "false" {
		return "--[no-]" + f.Name
	}
	return "--" + f.Name
}

func listsTable() string {
	var table strings.Builder
	table.WriteString("| `--collector.NAME` | `cloud` | `item` | path below `/api/v1/` | scope | permission | default |\n|---|---|---|---|---|---|---|\n")
	for _, list := range syncjob.Lists() {
		on, permissions := "off", "–"
		if list.Default {
			on = "on"
		}
		if len(list.Permissions) > 0 {
			permissions = code(strings.Join(list.Permissions, "` `"))
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | `%s` | `%s` | %s | %s | %s |\n",
			list.Name, list.Cloud, list.Item, list.Path, list.Kind, permissions, on)
	}
	return table.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
