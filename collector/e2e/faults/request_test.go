package faults_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
)

// asked returns the different requests to the appliance since the last call: method, path and query.
func (r *rig) asked() []string {
	requests := r.appliance.Requests()
	all := make([]string, 0, len(requests))
	for _, request := range requests {
		all = append(all, request.Method+" "+request.Path+"?"+request.RawQuery)
	}
	r.appliance.ResetRequests()
	slices.Sort(all)
	return slices.Compact(all)
}

// TestRequestsChooseNothing sends unusual and malicious requests to the exporter. Each must cause requests
// to the appliance that a plain scrape causes, too, or none.
func TestRequestsChooseNothing(t *testing.T) {
	r := newRig(t, place{})
	r.whole()
	r.asked()
	r.whole()
	plain := r.asked()
	if len(plain) < 4 {
		t.Fatalf("a scrape requests only %q", plain)
	}
	elsewhere := "https://elsewhere.example"
	lines := make([]string, 0, 1000)
	for _, name := range []string{
		"target", "module", "url", "host", "skip", "limit", "sort", "id", "domain", "username", "password", "list",
		"collect[]", "name[]", "collector.google-keys", "ciphertrust.url", "path", "token", "X-Amz-Security-Token",
	} {
		for _, value := range []string{
			elsewhere, "//elsewhere.example", "../../../auth/tokens", "..%2f..%2fauth%2ftokens", "%00", "%0d%0aHost:%20elsewhere.example",
			"1", "-1", "99999999999999999999", "google-keys", "%7B%7D", "a%26skip%3D5", "%3Fskip=5", "%23", "",
		} {
			lines = append(lines, "GET /metrics?"+name+"="+value+" HTTP/1.1", "GET /probe?"+name+"="+value+" HTTP/1.1")
		}
	}
	for _, path := range []string{
		"/metrics/", "//metrics", "/metrics/../api/v1/auth/tokens", "/metrics;skip=5", "/metrics%2f..%2fapi", "/metrics#skip=5", "/api/v1/auth/tokens/",
		elsewhere + "/metrics", "http://elsewhere.example/metrics?skip=5", "/" + elsewhere, "/%2e%2e/metrics", "/.well-known/x", "/sd?target=x",
		simulator.New(simulator.Options{}).List(simulator.GoogleKeys).Kind().Path, "*", "/metrics?skip=1&skip=2&limit=3&limit=4",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"} {
			lines = append(lines, method+" "+path+" HTTP/1.1")
		}
	}
	for _, header := range []string{
		"Host: elsewhere.example", "X-Forwarded-Host: elsewhere.example", "X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: http",
		"Forwarded: host=elsewhere.example", "X-Original-URL: /api/v1/auth/tokens", "X-Rewrite-URL: /api", "X-HTTP-Method-Override: DELETE",
		"Authorization: Bearer " + forged, "Proxy-Authorization: Basic eDp5", "Cookie: token=" + forged, "Referer: " + elsewhere, "Origin: " + elsewhere,
		"Accept: */*", "Accept-Encoding: br", "Range: bytes=0-1", "Content-Length: 5", "Transfer-Encoding: chunked", "Expect: 100-continue",
		"Upgrade: h2c", "Connection: X-Prometheus-Scrape-Timeout-Seconds", "Te: trailers", "Via: 1.1 elsewhere.example",
		"X-Prometheus-Scrape-Timeout-Seconds: " + elsewhere, "X-Prometheus-Scrape-Timeout-Seconds: 1e308",
	} {
		lines = append(lines, "GET /metrics HTTP/1.1\r\n"+header, "GET /probe HTTP/1.1\r\n"+header)
	}
	scrapes := 0
	for _, line := range lines {
		r.send(line)
		got := r.asked()
		if slices.Equal(got, plain) {
			scrapes++
		}
		if slices.ContainsFunc(got, func(request string) bool { return !slices.Contains(plain, request) }) {
			t.Errorf("%q causes the requests %q, want some of %q", line, got, plain)
		}
	}
	t.Logf("%d requests, of which %d were scrapes", len(lines), scrapes)
	if scrapes < len(lines)/4 {
		t.Errorf("only %d of %d requests were scrapes", scrapes, len(lines))
	}
}

// send sends a request unchanged, unlike net/http, and waits for the end of the response.
func (r *rig) send(line string) {
	r.t.Helper()
	conn, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.http.Listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if !strings.Contains(line, "\nHost:") {
		line += "\r\nHost: localhost"
	}
	body := ""
	switch {
	case strings.Contains(line, "Content-Length"):
		body = "hello"
	case strings.Contains(line, "chunked"):
		body = "0\r\n\r\n"
	}
	if _, err := fmt.Fprintf(conn, "%s\r\nConnection: close\r\n\r\n%s", line, body); err != nil {
		r.t.Fatal(err)
	}
	method, _, _ := strings.Cut(line, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return // An invalid request may have no response.
	}
	defer answer.Body.Close()
	_, _ = io.Copy(r.transcript, answer.Body)
}
