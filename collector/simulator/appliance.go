package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Appliance is a simulated CipherTrust Manager. It is safe for concurrent use.
type Appliance struct {
	opts    Options
	domains []domain
	tokens  *tokenStore
	log     requestLog
	// compressors holds gzip writers, which are expensive to make.
	compressors sync.Pool

	mu        sync.RWMutex
	lists     map[listKey]*JobList
	fixtures  map[string][]byte
	records   map[string]*records
	latency   func(*http.Request) time.Duration
	intercept func(http.ResponseWriter, *http.Request, http.Handler)
}

// domain is one of the appliance's domains.
type domain struct {
	name string
	id   string
	// account is the part of a job's identifiers that names the domain.
	account string
}

type listKey struct{ domain, path string }

// rootDomainID is the root domain's id in a token.
const rootDomainID = "00000000-0000-0000-0000-000000000000"

// tokensPath is the path of tokens below /api/v1/.
const tokensPath = "auth/tokens" //nolint:gosec // It is a path, not a token.

// New makes an appliance with empty lists.
func New(opts Options) *Appliance {
	opts = opts.withDefaults()
	a := &Appliance{
		opts:     opts,
		domains:  []domain{{name: RootDomain, id: rootDomainID, account: "kylo"}},
		tokens:   newTokenStore(opts),
		lists:    make(map[listKey]*JobList),
		fixtures: make(map[string][]byte),
		records:  make(map[string]*records),
	}
	for _, name := range opts.Domains {
		id := uuidFrom(hashText(opts.Seed, name), hashText(opts.Seed+1, name)).String()
		a.domains = append(a.domains, domain{name: name, id: id, account: "kylo-" + id})
	}
	for _, kind := range opts.Kinds {
		a.Register(kind)
	}
	return a
}

// Register adds an empty list to every domain. It replaces a list at the same path.
func (a *Appliance) Register(kind Kind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.domains {
		a.lists[listKey{d.name, kind.Path}] = newJobList(kind, d.account, a.opts.Seed, a.opts.Clock)
	}
}

// Unregister removes the list with that name from every domain. Its path then returns 404, as on an older
// appliance.
func (a *Appliance) Unregister(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.lists, func(_ listKey, l *JobList) bool { return l.kind.Name == name })
}

// List returns the root domain's list with that name, such as GoogleKeys, or nil.
func (a *Appliance) List(name string) *JobList { return a.ListIn(RootDomain, name) }

// ListIn returns a domain's list with that name, or nil.
func (a *Appliance) ListIn(domainName, name string) *JobList {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for key, l := range a.lists {
		if key.domain == domainName && l.kind.Name == name {
			return l
		}
	}
	return nil
}

// SetLatency delays every request by what the function returns. If the client gives up or the server is
// closed meanwhile, there is no response. Nil removes the latency.
func (a *Appliance) SetLatency(latency func(*http.Request) time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latency = latency
}

// Intercept runs a function around every request, to simulate faults: it may respond itself, call next,
// or change the request for next. To see or change the plain text of a response, it must remove the
// request's Accept-Encoding header. Nil removes the interceptor.
func (a *Appliance) Intercept(intercept func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intercept = intercept
}

// SetFixture returns these bytes for every GET of a path below /api/v1/, such as
// "cckm/google/synchronization-jobs", whatever skip and limit are. The token is still checked. Nil removes
// the fixture.
func (a *Appliance) SetFixture(path string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fixtures[path] = slices.Clone(body)
}

// ServeHTTP responds to a request as the appliance does.
func (a *Appliance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.RLock()
	latency, intercept := a.latency, a.intercept
	a.mu.RUnlock()

	tracked := a.log.arrive(w, r, a.opts.Clock())
	if latency != nil && !wait(r, latency(r)) {
		panic(http.ErrAbortHandler) // Returning would send a 200.
	}
	tracked.Header().Set("Date", a.opts.Clock().UTC().Format(http.TimeFormat))
	next := http.HandlerFunc(a.respond)
	if intercept != nil {
		intercept(tracked, r, next)
		return
	}
	next(tracked, r)
}

// wait reports whether the client is still there after a time.
func wait(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

// respond routes a request. Only a login needs no token.
func (a *Appliance) respond(w http.ResponseWriter, r *http.Request) {
	path := apiPath(r)
	if path == tokensPath && r.Method == http.MethodPost {
		a.serveLogin(w, r)
		return
	}
	domainName, fault := a.authenticate(r)
	if fault != nil {
		refuse(w, fault)
		return
	}
	if id, found := strings.CutPrefix(path, tokensPath+"/"); found && r.Method == http.MethodDelete {
		a.serveRevoke(w, id)
		return
	}
	a.mu.RLock()
	fixture, list, records := a.fixtures[path], a.lists[listKey{domainName, path}], a.records[path]
	a.mu.RUnlock()
	switch {
	case fixture == nil && list == nil && records == nil:
		refuse(w, &apiError{http.StatusNotFound, "no such path"})
	case r.Method != http.MethodGet:
		refuse(w, &apiError{http.StatusMethodNotAllowed, r.Method + " is not simulated"})
	case fixture != nil:
		out, end := a.openBody(w, r)
		_, _ = out.Write(fixture) // end flushes; a client that has gone misses nothing.
		end()
	case records != nil:
		a.serveRecords(w, r, records)
	default:
		a.servePage(w, r, list)
	}
}

// apiPath returns a request's path below /api/v1/ without a trailing slash, or "" for other paths.
func apiPath(r *http.Request) string {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v1/")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(path, "/")
}
