package livetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Prometheus is a running Prometheus.
type Prometheus struct {
	*Process

	// URL is its address, such as "http://127.0.0.1:40123".
	URL string

	client *http.Client
}

// StartPrometheus starts a Prometheus with a configuration. It needs the program as
// Program does.
func StartPrometheus(t *testing.T, config string, args ...string) *Prometheus {
	t.Helper()
	return StartPrometheusWith(t, t.TempDir(), config, args...)
}

// StartPrometheusWith starts one with the data of a directory.
func StartPrometheusWith(t *testing.T, data, config string, args ...string) *Prometheus {
	t.Helper()
	address := FreeAddress(t)
	return startAPI(t, Program(t, "prometheus"), address, append(args, "--config.file="+WriteFile(t, "prometheus.yml", []byte(config)),
		"--storage.tsdb.path="+data, "--web.listen-address="+address))
}

// StartVictoriaMetrics starts a VictoriaMetrics that scrapes by the configuration of a Prometheus, and has its API.
// Samples can be queried as soon as they are stored.
func StartVictoriaMetrics(t *testing.T, config string) *Prometheus {
	t.Helper()
	address := FreeAddress(t)
	return startAPI(t, Program(t, "victoria-metrics"), address, []string{
		"-promscrape.config=" + WriteFile(t, "prometheus.yml", []byte(config)),
		"-storageDataPath=" + t.TempDir(), "-httpListenAddr=" + address, "-search.latencyOffset=0s",
	})
}

func startAPI(t *testing.T, path, address string, args []string) *Prometheus {
	t.Helper()
	p := &Prometheus{
		Process: Start(t, nil, path, args...),
		URL:     "http://" + address,
		client:  &http.Client{Transport: &http.Transport{}, Timeout: time.Minute},
	}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// Sample is a series of an instant query's result, with its value.
type Sample struct {
	Metric map[string]string `json:"metric"`
	// Value is a time and a value in text form.
	Value [2]any `json:"value"`
}

// Query returns the result of an instant query.
func (p *Prometheus) Query(ctx context.Context, query string) ([]Sample, error) {
	var data struct {
		Result []Sample `json:"result"`
	}
	err := p.Get(ctx, "/api/v1/query", url.Values{"query": {query}}, &data)
	return data.Result, err
}

// Await waits until the result of a query is not empty.
func (p *Prometheus) Await(t *testing.T, patience time.Duration, query string) {
	t.Helper()
	Eventually(t, patience, query, func() bool {
		samples, err := p.Query(t.Context(), query)
		return err == nil && len(samples) > 0
	})
}

// Get decodes the data of a response of Prometheus' API.
func (p *Prometheus) Get(ctx context.Context, path string, parameters url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path+"?"+parameters.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("status %s: %s", answer.Status, answer.Error)
	}
	return nil
}
