package prometheus_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestInhibitions has a real Alertmanager say which of the alerts that fire
// are held back.
func TestInhibitions(t *testing.T) {
	path := livetest.Program(t, "prometheus-alertmanager", "alertmanager")
	const (
		exporter = "instance=a"
		list     = "instance=a cloud=azure item=certificate"
		other    = "instance=a cloud=google item=key"
		vault    = "instance=a cloud=azure item=certificate scope=vault"
	)
	tests := []struct {
		name string
		// firing holds an alert's name behind CCKMSync and its labels; one that
		// begins with - shall be held back.
		firing []string
	}{
		{"an exporter that is down holds back all of its own", []string{
			"ExporterDown " + exporter, "-ListUnreadable " + list, "-CredentialsRejected " + exporter, "-TokenNotRenewed " + exporter,
			"-ConfigNotReloaded " + exporter, "-Overdue " + vault, "-ThresholdMissing " + list, "Overdue instance=b cloud=azure item=certificate scope=vault",
			"ExporterDown instance=b-of-another-job job=x", "ExporterAbsent job=",
		}},
		{"rejected credentials hold back what follows from them", []string{
			"CredentialsRejected " + exporter, "-ListUnreadable " + list, "-ListUnreadable " + other, "-ListFlapping " + list,
			"-TokenNotRenewed " + exporter, "ListUnreadable instance=b cloud=azure item=certificate",
		}},
		{"a list that cannot be read holds back its key rings and vaults", []string{
			"ListUnreadable " + list, "-Failed " + vault, "-PartlyFailed " + vault, "-Stuck " + vault, "-Overdue " + vault,
			"-NeverSucceeded " + vault, "-Aborted " + vault, "-StatusUnknown " + list, "-ListFlapping " + list,
			"-TokenNotRenewed " + exporter, "Failed " + other + " scope=ring", "ThresholdMissing " + list,
		}},
		{"what never succeeded need not fail as well", []string{
			"NeverSucceeded " + vault, "-Failed " + vault, "-Aborted " + vault, "Stuck " + vault, "Failed " + list + " scope=other",
		}},
		{"one target's cause holds back nothing of another's", []string{
			"CredentialsRejected instance=a target=eu", "-ListUnreadable " + list + " target=eu", "ListUnreadable " + list + " target=us",
			"-Failed " + vault + " target=us", "Failed " + vault + " target=ap", "TokenNotRenewed instance=a target=ap",
		}},
		{"one cluster's cause holds back nothing of another's", []string{
			"ExporterDown instance=a cluster=a", "-Overdue " + vault + " cluster=a", "Overdue " + vault + " cluster=b",
			"ExporterDown instance=a namespace=x", "-Stuck " + vault + " namespace=x", "Stuck " + vault + " namespace=y", "Stuck " + vault,
			"ListUnreadable " + list + " region=eu", "-Failed " + vault + " region=eu", "Failed " + vault + " region=us",
			"CredentialsRejected instance=a environment=prod", "-ListUnreadable " + other + " environment=prod", "ListUnreadable " + other + " environment=test",
			"NeverSucceeded " + vault + " cluster=c", "-Failed " + vault + " cluster=c", "Failed " + vault + " cluster=d",
		}},
		{"a certificate that expires within a week need not expire within a month", []string{
			"CertificateExpiresSoon instance=a certificate=client", "-CertificateExpiring instance=a certificate=client",
			"CertificateExpiring instance=a certificate=appliance", "CertificateExpiring instance=b certificate=client",
		}},
		{"what has no cause speaks", []string{
			"Failed " + vault, "Stuck " + vault, "Overdue " + vault, "StatusUnknown " + list, "ListFlapping " + list, "TokenNotRenewed " + exporter,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := startAlertmanager(t, path)
			var alerts []map[string]map[string]string
			want := map[string]bool{}
			for _, alert := range test.firing {
				text, held := strings.CutPrefix(alert, "-")
				labels := map[string]string{"job": "cckm_sync"}
				for i, field := range strings.Fields(text) {
					name, value, _ := strings.Cut(field, "=")
					if i == 0 {
						name, value = "alertname", "CCKMSync"+field
					}
					labels[name] = value
				}
				want[labelsText(labels)] = held
				alerts = append(alerts, map[string]map[string]string{"labels": labels})
			}
			body, err := json.Marshal(alerts)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask[any](t, http.MethodPost, url, body); err != nil {
				t.Fatal(err)
			}
			var got map[string]bool
			livetest.WaitFor(30*time.Second, func() bool {
				got = heldBack(t, url)
				return maps.Equal(got, want)
			})
			for alert, held := range want {
				if is, ok := got[alert]; !ok || is != held {
					t.Errorf("%s: held back %t, want %t", alert, is, held)
				}
			}
		})
	}
}

// heldBack returns for each alert whether an inhibition mutes it.
func heldBack(t *testing.T, url string) map[string]bool {
	t.Helper()
	answer, err := ask[[]struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}](t, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	for _, alert := range answer {
		held[labelsText(alert.Labels)] = len(alert.Status.InhibitedBy) > 0
	}
	return held
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
		_, err := ask[any](t, http.MethodGet, url, nil)
		return err == nil
	})
	return url
}

// ask sends a request and decodes the answer, if there is one.
func ask[T any](t *testing.T, method, url string, body []byte) (answer T, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return answer, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("%s %s: %s", method, url, resp.Status)
	}
	if method == http.MethodGet {
		err = json.NewDecoder(resp.Body).Decode(&answer)
	}
	return answer, err
}
