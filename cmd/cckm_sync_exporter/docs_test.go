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

// docs are the documents with generated tables.
const docs = "../../deploy/docs"

// update rewrites the tables: go test ./cmd/... -run TestTables -update.
var update = flag.Bool("update", false, "rewrite the generated tables of deploy/docs")

// TestTables compares the tables of deploy/docs with the program: the metrics
// with what a scrape gathers, the flags with the parser, the lists
// with the table in code.
func TestTables(t *testing.T) {
	for name, want := range map[string]string{
		"metrics.md": metricsTable(t), "configuration.md": flagsTable(), "lists.md": listsTable(),
	} {
		path := filepath.Join(docs, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- generated -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(string(content), begin)
		got, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Errorf("%s has no generated table", name)
			continue
		}
		if *update {
			if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil { //nolint:gosec // The documents are for everybody.
				t.Fatal(err)
			}
		} else if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("the table of %s is not what the program has (-want +got); run this test with -update:\n%s", name, diff)
		}
	}
}

// TestReasons checks that each reason has a row with what to do.
func TestReasons(t *testing.T) {
	document, err := os.ReadFile(filepath.Join(docs, "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(document), -1)
	got := make([]reason.Reason, 0, len(rows))
	for _, row := range rows {
		got = append(got, reason.Reason(row[1]))
	}
	if diff := gocmp.Diff(reason.All(), got); diff != "" {
		t.Errorf("the reasons in troubleshooting.md (-want +got):\n%s", diff)
	}
}

// metricsTable returns the table of the metrics of an exporter that reads an appliance, of one whose login
// is rejected, and of one during a full read.
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

// gatherOnce returns the metrics of an exporter that has read an appliance once.
func gatherOnce(t *testing.T, password ciphertrust.Secret) []*dto.MetricFamily {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
		t.Fatal(err)
	}
	appliance.SetPlans(simulator.DefaultLives())
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_, s, err := parse([]string{"--collector.schedules", "--collector.inventory"})
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
	// A scrape of serve does not wait for the schedules.
	e, err := newExporter(configs, log.NewNopLogger(), true)
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
	add := func(command string, flags []*kingpin.FlagModel) {
		for _, f := range flags {
			if !f.Hidden {
				fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", command+flagName(f), code(f.Envar), code(strings.Join(f.Default, " ")), f.Help)
			}
		}
	}
	add("", app.Model().Flags)
	for _, command := range app.Model().Commands {
		add(command.Name+" ", command.Flags)
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
