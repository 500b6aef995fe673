package hostile_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestStrangersAtThePort scrapes the exporter while many misbehaving clients use its port.
func TestStrangersAtThePort(t *testing.T) {
	livetest.All(t)
	good := simulator.New(simulator.Options{})
	good.SetFixture(strings.TrimPrefix(googlePath, "/api/v1/"), simulator.GoogleKeysExample())
	large := simulator.New(simulator.Options{})
	rings := make([]string, 2_000)
	for i := range rings {
		rings[i] = fmt.Sprintf("projects/p/locations/global/keyRings/ring-%d", i)
	}
	large.List(simulator.GoogleKeys).SetHistory(4_000, simulator.HistoryShape{Scopes: rings})
	targets := make(map[string]target)
	for name, appliance := range map[string]*simulator.Appliance{"good": good, "large": large} {
		server := livetest.Serve(t, appliance)
		targets[name] = target{server.URL, string(server.CAPEM)}
	}
	p, address := start(t, livetest.BuildExporter(t), nil, targets)
	if outcome := probe(t, address, "large"); outcome != "up" {
		t.Fatalf("the large target's outcome is %q", outcome)
	}
	idle, started := p.PeakMemory(t), len(p.Log())

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var clients sync.WaitGroup
	for _, kind := range strangers() {
		kind.busy = new(atomic.Int64)
		for range kind.clients {
			clients.Go(func() {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				if err != nil {
					t.Errorf("%s: %v", kind.name, err)
					return
				}
				defer func() { _ = conn.Close() }()
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				kind.behave(&client{Conn: conn, ctx: ctx, busy: kind.busy})
			})
		}
		livetest.Eventually(t, time.Minute, fmt.Sprintf("all of %s are busy", kind.name), func() bool {
			return kind.busy.Load() >= int64(kind.clients)
		})
		if outcome := probe(t, address, "good"); outcome != "up" {
			t.Errorf("the outcome beside %s is %q", kind.name, outcome)
		}
		t.Logf("with %d of %s: %d MiB", kind.clients, kind.name, p.PeakMemory(t)>>20)
	}
	leave()
	clients.Wait()
	for _, name := range []string{"good", "large"} {
		if outcome := probe(t, address, name); outcome != "up" {
			t.Errorf("afterwards, the outcome of %s is %q", name, outcome)
		}
	}
	memory := p.PeakMemory(t)
	code, cpu := p.End(t)
	logged := len(p.Log()) - started
	t.Logf("%d MiB, %d of them after one scrape, %d bytes of log, %.1f s of CPU", memory>>20, idle>>20, logged, cpu.Seconds())
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if memory > memoryLimit {
		t.Errorf("the peak is %d MiB, want at most %d", memory>>20, memoryLimit>>20)
	}
	if logged > logLimit {
		t.Errorf("%d bytes of log, want at most %d", logged, logLimit)
	}
}

// stranger is a kind of client.
type stranger struct {
	name    string
	clients int
	behave  func(c *client)
	// busy counts the clients that have begun to misbehave.
	busy *atomic.Int64
}

// client is a connection to the exporter until ctx ends.
type client struct {
	net.Conn

	ctx  context.Context //nolint:containedctx // It ends the client.
	busy *atomic.Int64
}

// strangers returns the kinds of clients.
func strangers() []*stranger {
	const scrape = "GET /probe?target=large HTTP/1.1\r\nHost: exporter\r\n"
	return []*stranger{
		{name: "clients that send a byte from time to time", clients: 200, behave: func(c *client) {
			_, err := io.WriteString(c, scrape+"X-A: ")
			c.busy.Add(1)
			c.repeat(100*time.Millisecond, err, func() error {
				_, err := io.WriteString(c, "a")
				return err //nolint:wrapcheck // It only ends the client.
			})
		}},
		{name: "clients that hang up", clients: 200, behave: func(c *client) {
			_, _ = io.WriteString(c, scrape+"\r\n")
			_, _ = io.ReadFull(c, make([]byte, 100))
			if tcp, ok := c.Conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
			c.busy.Add(1)
		}},
		{name: "huge headers", clients: 40, behave: func(c *client) {
			_, err := io.WriteString(c, scrape)
			for line := "X-A: " + strings.Repeat("a", 64*kilobyte) + "\r\n"; err == nil; {
				_, err = io.WriteString(c, line)
			}
			c.busy.Add(1)
		}},
		{name: "reloads", clients: 500, behave: func(c *client) {
			_, _ = io.WriteString(c, "POST /-/reload HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
			c.busy.Add(1)
		}},
		{name: "unknown targets", clients: 500, behave: func(c *client) {
			_, _ = fmt.Fprintf(c, "GET /probe?target=%s HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n", strings.Repeat("x", 10_000))
			_, _ = io.Copy(io.Discard, c)
			c.busy.Add(1)
		}},
		{name: "slow readers of the status page", clients: 100, behave: func(c *client) { c.readSlowly("GET / HTTP/1.1\r\nHost: exporter\r\n\r\n") }},
		{name: "slow readers that accept gzip", clients: 20, behave: func(c *client) { c.readSlowly(scrape + "Accept-Encoding: gzip\r\n\r\n") }},
		{name: "slow readers", clients: 20, behave: func(c *client) { c.readSlowly(scrape + "\r\n") }},
	}
}

// readSlowly reads the response to a request.
func (c *client) readSlowly(request string) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 * kilobyte)
	}
	_, _ = io.WriteString(c, request)
	buffer := make([]byte, kilobyte)
	_, err := c.Read(buffer)
	c.busy.Add(1)
	c.repeat(100*time.Millisecond, err, func() error {
		_, err := c.Read(buffer)
		return err //nolint:wrapcheck // It only ends the client.
	})
}

// repeat calls act at each interval until there is an error.
func (c *client) repeat(interval time.Duration, err error, act func() error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for err == nil {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
			err = act()
		}
	}
}
