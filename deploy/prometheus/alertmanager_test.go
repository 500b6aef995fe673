package prometheus_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestInhibitions checks which of the firing alerts Alertmanager inhibits.
func TestInhibitions(t *testing.T) {
	path := livetest.Program(t, "alertmanager", "prometheus-alertmanager")
	const (
		exporter = "instance=a"
		list     = "instance=a cloud=azure item=certificate"
		other    = "instance=a cloud=google item=key"
		vault    = "instance=a cloud=azure item=certificate scope=vault"
	)
	tests := []struct {
		name string
		// firing are the names of alerts, without CCKMSync, and labels. One that begins
		// with - is inhibited.
		firing []string
	}{
		{"an exporter that is down inhibits its other alerts", []string{
			"ExporterDown " + exporter, "-ListUnreadable " + list, "-CredentialsRejected " + exporter, "-TokenNotRenewed " + exporter,
			"-ConfigNotReloaded " + exporter, "-Overdue " + vault, "-Missed " + vault, "-ThresholdMissing " + list, "Overdue instance=b cloud=azure item=certificate scope=vault",
			"ExporterDown instance=b-of-another-job job=x", "ExporterAbsent job=",
		}},
		{"rejected credentials inhibit their consequences", []string{
			"CredentialsRejected " + exporter, "-ListUnreadable " + list, "-ListUnreadable " + other, "-ListFlapping " + list,
			"-TokenNotRenewed " + exporter, "-SourceUnreadable " + exporter + " source=schedules", "ListUnreadable instance=b cloud=azure item=certificate",
		}},
		{"a list that cannot be read inhibits its key rings and vaults", []string{
			"ListUnreadable " + list, "-Failed " + vault, "-PartlyFailed " + vault, "-Stuck " + vault, "-Overdue " + vault,
			"-NeverSucceeded " + vault, "-Missed " + vault, "-Unscheduled " + list, "-Aborted " + vault, "-StatusUnknown " + vault, "-ListFlapping " + list,
			"-TokenNotRenewed " + exporter, "Failed " + other + " scope=ring", "ThresholdMissing " + list,
		}},
		{"never succeeded inhibits failed", []string{
			"NeverSucceeded " + vault, "-Failed " + vault, "-Aborted " + vault, "Stuck " + vault, "Failed " + list + " scope=other",
		}},
		{"overdue inhibits missed", []string{
			"Overdue " + vault, "-Missed " + vault, "Missed " + list + " scope=other",
		}},
		{"one target inhibits nothing of another", []string{
			"CredentialsRejected instance=a target=eu", "-ListUnreadable " + list + " target=eu", "ListUnreadable " + list + " target=us",
			"-Failed " + vault + " target=us", "Failed " + vault + " target=ap", "TokenNotRenewed instance=a target=ap",
		}},
		{"one cluster inhibits nothing of another", twoClusters()},
		{"expiry within a week inhibits expiry within a month", []string{
			"CertificateExpiresSoon instance=a certificate=client", "-CertificateExpiring instance=a certificate=client",
			"CertificateExpiring instance=a certificate=appliance", "CertificateExpiring instance=b certificate=client",
		}},
		{"alerts without a cause", []string{
			"Failed " + vault, "Stuck " + vault, "Overdue " + vault, "StatusUnknown " + vault, "ListFlapping " + list, "TokenNotRenewed " + exporter,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := startAlertmanager(t, path)
			var alerts []map[string]map[string]string
			want := map[string]bool{}
			for _, alert := range test.firing {
				text, inhibited := strings.CutPrefix(alert, "-")
				labels := map[string]string{"job": "cckm_sync"}
				for i, field := range strings.Fields(text) {
					name, value, _ := strings.Cut(field, "=")
					if i == 0 {
						name, value = "alertname", "CCKMSync"+field
					}
					labels[name] = value
				}
				want[labelsText(labels)] = inhibited
				alerts = append(alerts, map[string]map[string]string{"labels": labels})
			}
			body, err := json.Marshal(alerts)
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			client := &http.Client{Timeout: 10 * time.Second}
			resp, err := client.Do(req)
			if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			var got map[string]bool
			livetest.WaitFor(30*time.Second, func() bool {
				got = inhibited(t, url)
				return maps.Equal(got, want)
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("inhibited (-want +got):\n%s", diff)
			}
		})
	}
}

// twoClusters returns causes and consequences in two clusters whose exporters have the same job and instance.
// Each pair is told apart by one of the labels that targets or external_labels usually have.
func twoClusters() []string {
	const vault = " cloud=azure item=certificate scope=vault "
	labels := []string{
		"cluster", "cluster_name", "k8s_cluster", "prometheus", "monitor", "namespace", "env", "environment", "stage",
		"region", "datacenter", "dc", "site", "zone", "tenant",
	}
	firing := make([]string, 0, 17*len(labels))
	for _, label := range labels {
		a, b := label+"=a", label+"=b"
		// The other causes and consequences have instances of their own.
		firing = append(firing, "ExporterDown instance=a "+a, "-Overdue instance=a"+vault+a, "Overdue instance=a"+vault+b,
			"ListUnreadable instance=b cloud=azure item=certificate "+a, "-Failed instance=b"+vault+a, "Failed instance=b"+vault+b,
			"-TokenNotRenewed instance=b "+a, "TokenNotRenewed instance=b "+b,
			"CredentialsRejected instance=c "+a, "-ListUnreadable instance=c cloud=azure item=certificate "+a, "ListUnreadable instance=c cloud=azure item=certificate "+b,
			"NeverSucceeded instance=d"+vault+a, "-Failed instance=d"+vault+a, "Failed instance=d"+vault+b,
			"CertificateExpiresSoon instance=e "+a, "-CertificateExpiring instance=e "+a, "CertificateExpiring instance=e "+b)
	}
	return firing
}

// inhibited returns for each alert whether it is inhibited.
func inhibited(t *testing.T, url string) map[string]bool {
	t.Helper()
	var alerts []struct {
		Labels map[string]string `json:"labels"`
		Status struct {
			InhibitedBy []string `json:"inhibitedBy"`
		} `json:"status"`
	}
	_, body, _ := livetest.Get(t, url)
	if err := json.Unmarshal([]byte(body), &alerts); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, alert := range alerts {
		found[labelsText(alert.Labels)] = len(alert.Status.InhibitedBy) > 0
	}
	return found
}

func labelsText(labels map[string]string) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			fields = append(fields, name+"="+labels[name])
		}
	}
	return strings.Join(fields, " ")
}

// startAlertmanager starts an Alertmanager and returns the URL of its alerts.
func startAlertmanager(t *testing.T, path string) string {
	t.Helper()
	address := livetest.FreeAddress(t)
	livetest.Start(t, nil, path, "--config.file=alertmanager.yml", "--storage.path="+t.TempDir(),
		"--web.listen-address="+address, "--cluster.listen-address=")
	url := "http://" + address + "/api/v2/alerts"
	livetest.Eventually(t, time.Minute, "Alertmanager answers", func() bool {
		status, _, ok := livetest.Get(t, url)
		return ok && status == http.StatusOK
	})
	return url
}
