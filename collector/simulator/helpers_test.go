package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
	googlePath    = "/api/v1/cckm/google/synchronization-jobs"
	azurePath     = "/api/v1/cckm/azure/certificates/synchronization-jobs"
	tokensPath    = "/api/v1/auth/tokens/"
	passwordLogin = `{"grant_type":"password","username":"prometheus","password":"demo-password"}`
)

// clock stands still until it is moved.
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

// client sends requests to an appliance, without a network.
type client struct {
	t         testing.TB
	appliance *simulator.Appliance
	token     string
}

// connect logs in with a password.
func connect(tb testing.TB, a *simulator.Appliance) *client {
	tb.Helper()
	c := &client{t: tb, appliance: a}
	c.login(passwordLogin)
	return c
}

// request returns a request with the client's token.
func (c *client) request(method, path, body string) *http.Request {
	req := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req
}

// ask sends a request, checks the response's status, and decodes it.
func ask[T any](c *client, method, path, body string, want int) T {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.appliance.ServeHTTP(w, c.request(method, path, body))
	var response T
	if err := json.Unmarshal(w.Body.Bytes(), &response); w.Code != want || err != nil {
		c.t.Fatalf("%s %s: status %d, want %d: %v: %s", method, path, w.Code, want, err, w.Body)
	}
	return response
}

// tokens is the response to a login.
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
	response := ask[tokens](c, http.MethodPost, tokensPath, body, http.StatusOK)
	c.token = response.JWT
	return response
}

// fault is the appliance's form of an error.
type fault struct {
	Code      int    `json:"code"`
	CodeDesc  string `json:"codeDesc"`
	RequestID string `json:"requestID"`
}

// refused sends a request that must fail.
func (c *client) refused(method, path, body string, status, code int) {
	c.t.Helper()
	got := ask[fault](c, method, path, body, status)
	if got.Code != code || !strings.HasPrefix(got.CodeDesc, "NCERR") || got.RequestID == "" {
		c.t.Fatalf("%s %s: %+v, want code %d", method, path, got, code)
	}
}

// page is a page of a list.
type page struct {
	Skip, Limit, Total int
	Resources          []shown
}

// shown is a job as a page shows it.
type shown struct {
	ID             string            `json:"id"`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
	CompletedAt    time.Time         `json:"completed_at"`
	OverallStatus  string            `json:"overall_status"`
	DetailedStatus map[string]string `json:"detailed_status"`
	KeyRings       []string          `json:"key_rings"`
	KeyVaults      []string          `json:"key_vaults"`
	Abort          bool              `json:"abort"`
}

// show returns what a page must show of a job.
func show(kind simulator.Kind, j simulator.Job) shown {
	micros := func(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
	s := shown{
		ID: j.ID.String(), CreatedAt: micros(j.CreatedAt), UpdatedAt: micros(j.UpdatedAt), CompletedAt: micros(j.CompletedAt),
		OverallStatus: j.OverallStatus, DetailedStatus: j.DetailedStatus, KeyRings: j.Scopes, Abort: j.Abort,
	}
	if kind.ScopeField == "key_vaults" {
		s.KeyRings, s.KeyVaults = nil, j.Scopes
	}
	return s
}

// page requests a page; query is what follows skip and limit.
func (c *client) page(path string, skip, limit int, query string) page {
	c.t.Helper()
	return ask[page](c, http.MethodGet, path+"?skip="+strconv.Itoa(skip)+"&limit="+strconv.Itoa(limit)+query, "", http.StatusOK)
}

// all reads a list page by page.
func (c *client) all(path string, limit int, query string) (jobs []shown) {
	c.t.Helper()
	for {
		p := c.page(path, len(jobs), limit, query)
		jobs = append(jobs, p.Resources...)
		if len(p.Resources) == 0 {
			if len(jobs) != p.Total {
				c.t.Fatalf("read %d jobs of %d", len(jobs), p.Total)
			}
			return jobs
		}
	}
}
