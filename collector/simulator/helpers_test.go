package simulator_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	googlePath = "/api/v1/cckm/google/synchronization-jobs"
	azurePath  = "/api/v1/cckm/azure/certificates/synchronization-jobs"
	tokensPath = "/api/v1/auth/tokens/"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, time.March, 4, 5, 6, 7, 123_456_789, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// client talks to an appliance over TLS.
type client struct {
	t     *testing.T
	http  *http.Client
	base  string
	token string
}

// start makes the appliance listen for the time of the test.
func start(t *testing.T, a *simulator.Appliance) *simulator.Server {
	t.Helper()
	s, err := a.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newClient returns a client that trusts the server and presents the given certificates.
func newClient(t *testing.T, s *simulator.Server, certificates ...tls.Certificate) *client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CAPEM) {
		t.Fatal("the server's CA certificate cannot be read")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates}}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, http: &http.Client{Transport: transport}, base: s.URL}
}

// connect starts the appliance and logs in by password.
func connect(t *testing.T, a *simulator.Appliance) *client {
	t.Helper()
	c := newClient(t, start(t, a))
	c.login(`{"grant_type":"password","username":"prometheus","password":"demo-password"}`)
	return c
}

// do sends a request and returns the answer's status and body.
func (c *client) do(method, path, body string) (status int, answer []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// ask sends a request, checks the answer's status, and decodes it.
func ask[T any](c *client, method, path, body string, want int) T {
	c.t.Helper()
	status, text := c.do(method, path, body)
	if status != want {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, text)
	}
	var answer T
	if err := json.Unmarshal(text, &answer); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return answer
}

// tokens is the answer to a login.
type tokens struct {
	JWT            string `json:"jwt"`
	Duration       int    `json:"duration"`
	TokenType      string `json:"token_type"`
	ClientID       string `json:"client_id"`
	RefreshToken   string `json:"refresh_token"`
	RefreshTokenID string `json:"refresh_token_id"`
}

// login logs in and uses the token from then on.
func (c *client) login(body string) tokens {
	c.t.Helper()
	answer := ask[tokens](c, http.MethodPost, tokensPath, body, http.StatusOK)
	c.token = answer.JWT
	return answer
}

// fault is the appliance's form of an error.
type fault struct {
	Code      int    `json:"code"`
	CodeDesc  string `json:"codeDesc"`
	Message   string `json:"message"`
	RequestID string `json:"requestID"`
}

// refused sends a request that must be answered by an error.
func (c *client) refused(method, path, body string, status, code int) fault {
	c.t.Helper()
	answer := ask[fault](c, method, path, body, status)
	if answer.Code != code || !strings.HasPrefix(answer.CodeDesc, "NCERR") || answer.RequestID == "" {
		c.t.Fatalf("%s %s: %+v, want code %d", method, path, answer, code)
	}
	return answer
}

// page is the answer to a request for a page, its jobs left as they came.
type page struct {
	Skip      int               `json:"skip"`
	Limit     int               `json:"limit"`
	Total     int               `json:"total"`
	Resources []json.RawMessage `json:"resources"`
}

// page gets a page; the query is everything after "skip=0&".
func (c *client) page(path string, skip, limit int, query string) page {
	c.t.Helper()
	return ask[page](c, http.MethodGet, path+"?skip="+strconv.Itoa(skip)+"&limit="+strconv.Itoa(limit)+"&"+query, "", http.StatusOK)
}

// all reads a list page by page, advancing by what came, and checks the totals on the way.
func (c *client) all(path string, limit int, query string) []json.RawMessage {
	c.t.Helper()
	var jobs []json.RawMessage
	for {
		p := c.page(path, len(jobs), limit, query)
		if p.Skip != len(jobs) {
			c.t.Fatalf("the page says skip %d, want %d", p.Skip, len(jobs))
		}
		jobs = append(jobs, p.Resources...)
		if len(p.Resources) == 0 || len(jobs) >= p.Total {
			if len(jobs) != p.Total {
				c.t.Fatalf("read %d jobs of %d", len(jobs), p.Total)
			}
			return jobs
		}
	}
}

// ids returns the ids of jobs in JSON.
func ids(t *testing.T, jobs []json.RawMessage) []string {
	t.Helper()
	out := make([]string, len(jobs))
	for i, raw := range jobs {
		var job struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &job); err != nil {
			t.Fatal(err)
		}
		out[i] = job.ID
	}
	return out
}

// insert adds a job that must be possible.
func insert(t *testing.T, l *simulator.JobList, j simulator.Job) simulator.Job {
	t.Helper()
	j, err := l.Insert(j)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// equalJSON says whether two texts of jobs are the same byte for byte.
func equalJSON(a, b []json.RawMessage) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
