package soak

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// fault is something that goes wrong for a while.
type fault struct {
	name string
	// strike answers a request in place of the appliance; nil where no request is
	// answered otherwise.
	strike func(w http.ResponseWriter, req *http.Request, next http.Handler)
	// begin and end are the while's, and reason is then how it is felt, where no request
	// is struck.
	begin, end func()
	reason     reason.Reason
	// oneIn is how many requests there are to one that is struck.
	oneIn int
}

// weather lets a fault pass after the other, and calm lie between them.
type weather struct {
	t   *testing.T
	rig *rig
	// length is how many scrapes each of them lasts at least.
	length int64

	mu     sync.Mutex
	rng    *rand.Rand
	faults []*fault
	// deck are the faults of this round that are still to come.
	deck    []*fault
	present *fault
	// until is the scrape before which nothing changes.
	until int64
	// hit is true once the present fault was felt.
	hit bool
	// struck counts how often each fault was felt.
	struck map[string]int
	// spoiled counts the logins and revocations that a fault may have cut short.
	spoiled int
	// password is the appliance's.
	password int
}

func newWeather(t *testing.T, r *rig, seed uint64, length int64) *weather {
	t.Helper()
	w := &weather{
		t: t, rig: r, length: length, struck: make(map[string]int),
		rng: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // A soak has to come again with its seed.
	}
	w.faults = w.table()
	r.appliance.Intercept(w.intercept)
	return w
}

// table returns every fault.
func (w *weather) table() []*fault {
	status := func(code int, header string) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
			if header != "" {
				rw.Header().Set("Retry-After", header)
			}
			simulator.WriteError(rw, code, "something is wrong")
		}
	}
	revoked := func(also func()) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(rw http.ResponseWriter, req *http.Request, next http.Handler) {
			w.rig.appliance.RevokeAllTokens()
			also()
			next.ServeHTTP(rw, req)
		}
	}
	return []*fault{
		{name: "connection reset", oneIn: 12, strike: func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(rw) }},
		{name: "body cut short", oneIn: 12, strike: cutShort},
		{name: "garbage", oneIn: 12, strike: w.garbage},
		{name: "401 for a page", oneIn: 6, strike: onlyPages(status(http.StatusUnauthorized, ""))},
		{name: "tokens revoked", oneIn: 6, strike: revoked(func() {})},
		{name: "refresh tokens revoked", oneIn: 6, strike: revoked(w.rig.appliance.RevokeRefreshTokens)},
		{name: "answer to a login lost", oneIn: 6, strike: w.loseLogin},
		{name: "429", oneIn: 12, strike: status(http.StatusTooManyRequests, "0")},
		{name: "503", oneIn: 12, strike: status(http.StatusServiceUnavailable, "Sun, 06 Nov 1994 08:49:37 GMT")},
		{name: "503 for a second", oneIn: 24, strike: status(http.StatusServiceUnavailable, "1")},
		{name: "500", oneIn: 12, strike: status(http.StatusInternalServerError, "")},
		{name: "403", oneIn: 12, strike: onlyPages(status(http.StatusForbidden, ""))},
		{name: "404", oneIn: 12, strike: onlyPages(status(http.StatusNotFound, ""))},
		{name: "no answer", oneIn: 24, strike: func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
			<-req.Context().Done()
			panic(http.ErrAbortHandler)
		}},
		{name: "skip ignored", oneIn: 2, strike: onlyPages(skipping(func(int) int { return 0 }))},
		{name: "list with a gap", oneIn: 2, strike: onlyPages(skipping(func(skip int) int { return skip + min(skip, 1) }))},
		{name: "list without an end", oneIn: 4, strike: onlyPages(endless)},
		{name: "another password", reason: reason.Auth, begin: w.changePassword, end: func() { w.rig.setPasswordFile(w.t, w.passwordText()) }},
		{name: "connection refused", reason: reason.Network, begin: func() { w.spoiled++; w.rig.server.Stop() }, end: func() { w.rig.resume(w.t) }},
	}
}

// intercept strikes some of the requests.
func (w *weather) intercept(rw http.ResponseWriter, req *http.Request, next http.Handler) {
	w.mu.Lock()
	f := w.present
	strikes := f != nil && f.strike != nil && w.rng.IntN(f.oneIn) == 0
	if strikes {
		w.note(f)
		if !isPage(req) {
			w.spoiled++
		}
	}
	w.mu.Unlock()
	if strikes {
		f.strike(rw, req, next)
		return
	}
	next.ServeHTTP(rw, req)
}

// note counts that a fault was felt. The caller holds the lock.
func (w *weather) note(f *fault) {
	w.hit = true
	w.struck[f.name]++
}

// felt is told by a scraper why a list was not read, or "".
func (w *weather) felt(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.present != nil && w.present.strike == nil && string(w.present.reason) == why {
		w.note(w.present)
	}
}

// change is told by each scrape its number, and lets the next fault, or the next calm, begin where it is time.
func (w *weather) change(scrape int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if scrape < w.until || w.present != nil && !w.hit {
		return
	}
	w.until = scrape + w.length
	if w.present != nil {
		w.clear()
		return
	}
	if len(w.deck) == 0 {
		w.deck = append(w.deck, w.faults...)
		w.rng.Shuffle(len(w.deck), func(i, j int) { w.deck[i], w.deck[j] = w.deck[j], w.deck[i] })
	}
	w.present, w.deck, w.hit = w.deck[0], w.deck[1:], false
	if w.present.begin != nil {
		w.present.begin()
	}
}

// clear ends the present fault. The caller holds the lock.
func (w *weather) clear() {
	if w.present != nil && w.present.end != nil {
		w.present.end()
	}
	w.present = nil
}

// calm ends the present fault.
func (w *weather) calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear()
}

// counts returns how often each fault was felt, and how many logins and revocations may have been cut short.
func (w *weather) counts() (struck map[string]int, spoiled int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.struck), w.spoiled
}

func (w *weather) passwordText() string { return "password-" + strconv.Itoa(w.password) }

// changePassword leaves the exporter with a password that was right before.
func (w *weather) changePassword() {
	w.password++
	w.rig.appliance.SetPassword(w.passwordText())
	w.rig.appliance.RevokeAllTokens()
	w.rig.appliance.RevokeRefreshTokens()
}

// isPage says whether a request is for a page of a list.
func isPage(req *http.Request) bool { return req.Method == http.MethodGet }

// onlyPages leaves logins and revocations to the appliance.
func onlyPages(strike func(http.ResponseWriter, *http.Request, http.Handler)) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if isPage(req) {
			strike(w, req, next)
			return
		}
		next.ServeHTTP(w, req)
	}
}

// reset ends the connection without a word.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = conn.Close() }()
	if secure, ok := conn.(*tls.Conn); ok {
		if plain, ok := secure.NetConn().(*net.TCPConn); ok {
			_ = plain.SetLinger(0)
			_ = plain.Close()
		}
	}
}

// answerOf has the appliance answer a request in plain text.
func answerOf(req *http.Request, next http.Handler) *httptest.ResponseRecorder {
	req.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, req)
	return answer
}

// cutShort promises a body and sends half of it.
func cutShort(w http.ResponseWriter, req *http.Request, next http.Handler) {
	answer := answerOf(req, next)
	body := answer.Body.Bytes()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// garbage answers with what is no page and no token.
func (w *weather) garbage(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.mu.Lock()
	n := w.rng.IntN(4)
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(w.rng.Uint32()) //nolint:gosec // Any eight bits will do.
	}
	w.mu.Unlock()
	switch n {
	case 0:
		_, _ = rw.Write(noise)
	case 1:
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(noise)
	case 2:
		fmt.Fprint(rw, "<html><body>The appliance is being set up.</body></html>")
	default:
		fmt.Fprintf(rw, `{"total":1,"resources":[{"id":"a","deep":%s`, strings.Repeat("[", 100_000))
	}
}

// loseLogin has the exporter log in, and the answer not come.
func (w *weather) loseLogin(rw http.ResponseWriter, req *http.Request, next http.Handler) {
	if isPage(req) {
		w.rig.appliance.RevokeAllTokens()
		next.ServeHTTP(rw, req)
		return
	}
	answerOf(req, next)
	reset(rw)
}

// skipping answers with another place of the list than was asked for.
func skipping(change func(int) int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		query := req.URL.Query()
		if skip, err := strconv.Atoi(query.Get("skip")); err == nil {
			query.Set("skip", strconv.Itoa(change(skip)))
			req.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, req)
	}
}

// endless promises more jobs than there are.
func endless(w http.ResponseWriter, req *http.Request, next http.Handler) {
	answer := answerOf(req, next)
	w.WriteHeader(answer.Code)
	_, _ = w.Write(bytes.Replace(answer.Body.Bytes(), []byte(`"total":`), []byte(`"total":9`), 1))
}

// patience returns how long a scraper says that it waits, in seconds.
func (w *weather) patience() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []string{"0.05", "0.1", "0.3", "1"}[w.rng.IntN(4)]
}

// givesUp returns after how long a scraper hangs up, and false where it does not.
func (w *weather) givesUp() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(1+w.rng.IntN(30)) * time.Millisecond, w.rng.IntN(12) == 0
}
