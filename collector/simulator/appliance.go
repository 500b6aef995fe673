package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Appliance is a simulated CipherTrust Manager. It is safe for concurrent use.
type Appliance struct {
	opts     Options
	random   *source
	tokens   *tokenOffice
	log      requestLog
	bodies   bodyPool
	clientID string

	mu        sync.RWMutex
	domains   map[string]*domain
	kinds     []Kind
	fixtures  map[string][]byte
	latency   func(*http.Request) time.Duration
	intercept func(http.ResponseWriter, *http.Request, http.Handler)
}

// domain is one of the appliance's domains, each of which has lists of its own.
type domain struct {
	name string
	id   string
	// account is the part of a job's identifiers that names the domain.
	account string
	// lists are keyed by their path.
	lists map[string]*JobList
}

// rootDomainID is the id that tokens of the root domain carry.
const rootDomainID = "00000000-0000-0000-0000-000000000000"

// New makes an appliance with empty lists.
func New(opts Options) *Appliance {
	opts = opts.withDefaults()
	a := &Appliance{
		opts:     opts,
		random:   newSource(opts.Seed),
		log:      requestLog{keep: opts.RequestLog},
		domains:  make(map[string]*domain),
		fixtures: make(map[string][]byte),
	}
	a.clientID = a.random.uuid()
	a.tokens = newTokenOffice(opts, a.random)
	a.addDomain(&domain{name: RootDomain, id: rootDomainID, account: "kylo"})
	for _, name := range opts.Domains {
		if name == RootDomain || name == "" {
			continue
		}
		id := uuidFrom(hashText(opts.Seed, name), hashText(opts.Seed+1, name))
		a.addDomain(&domain{name: name, id: id, account: "kylo-" + id})
	}
	for _, kind := range opts.Kinds {
		a.Register(kind)
	}
	return a
}

// addDomain is called by New only.
func (a *Appliance) addDomain(d *domain) {
	d.lists = make(map[string]*JobList)
	a.domains[d.name] = d
}

// Register adds a list to every domain, empty, in place of one at the same path, and returns that of
// the root domain.
func (a *Appliance) Register(kind Kind) *JobList {
	kind.Path = trimPath(kind.Path)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds = append(slices.DeleteFunc(a.kinds, func(k Kind) bool { return k.Path == kind.Path }), kind)
	for _, d := range a.domains {
		d.lists[kind.Path] = newJobList(kind, d.account, a.opts.Seed, a.opts.Clock, a.random.uuid)
	}
	return a.domains[RootDomain].lists[kind.Path]
}

// Unregister takes the list of that name away from every domain; its path then answers 404, as on an
// older appliance.
func (a *Appliance) Unregister(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds = slices.DeleteFunc(a.kinds, func(k Kind) bool {
		if k.Name != name {
			return false
		}
		for _, d := range a.domains {
			delete(d.lists, k.Path)
		}
		return true
	})
}

// List returns the root domain's list of that name, such as GoogleKeys, or nil where there is none.
func (a *Appliance) List(name string) *JobList { return a.ListIn(RootDomain, name) }

// ListIn returns a domain's list of that name, or nil where there is none.
func (a *Appliance) ListIn(domainName, name string) *JobList {
	a.mu.RLock()
	defer a.mu.RUnlock()
	d := a.domains[domainName]
	if d == nil {
		return nil
	}
	for _, kind := range a.kinds {
		if kind.Name == name {
			return d.lists[kind.Path]
		}
	}
	return nil
}

// SetLatency makes every request wait as long as the function says before anything else happens to it;
// where the client gives up or the server is closed meanwhile, there is no answer. Nil takes the latency away.
func (a *Appliance) SetLatency(latency func(*http.Request) time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latency = latency
}

// Intercept runs a function around every request, for faults of any kind: it may answer itself, call next,
// or change the request for next. To see or change an answer's plain text, it takes the header
// Accept-Encoding away from the request. Nil takes the interceptor away.
func (a *Appliance) Intercept(intercept func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intercept = intercept
}

// ServeHTTP answers a request as the appliance does.
func (a *Appliance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := apiPath(r)
	tracked := a.log.arrive(w, r, a.opts.Clock(), r.Method == http.MethodGet && a.isList(path))
	defer tracked.leave()

	a.mu.RLock()
	latency, intercept := a.latency, a.intercept
	a.mu.RUnlock()
	if latency != nil && !wait(r, latency(r)) {
		panic(http.ErrAbortHandler) // To return would be to answer 200.
	}
	tracked.Header().Set("Date", a.opts.Clock().UTC().Format(http.TimeFormat))
	next := http.HandlerFunc(a.answer)
	if intercept != nil {
		intercept(tracked, r, next)
		return
	}
	next(tracked, r)
}

// wait lets a time pass and says whether the client is still there.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// isList says whether a list is at a path, in whatever domain.
func (a *Appliance) isList(path string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.domains[RootDomain].lists[path] != nil
}

// list returns a domain's list at a path, or nil.
func (a *Appliance) list(d *domain, path string) *JobList {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return d.lists[path]
}

// domainNamed returns the domain that a login names; no name means the root domain.
func (a *Appliance) domainNamed(name string) *domain {
	if name == "" {
		name = RootDomain
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.domains[name]
}

// domainOf returns the domain of an id, as a token carries it.
func (a *Appliance) domainOf(id string) *domain {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, d := range a.domains {
		if d.id == id {
			return d
		}
	}
	return nil
}

// apiPath returns a request's path below /api/v1/ without slashes at its ends.
func apiPath(r *http.Request) (string, bool) {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v1/")
	return strings.Trim(path, "/"), ok
}

// trimPath brings a path from a caller into the form of apiPath.
func trimPath(path string) string {
	path = strings.Trim(path, "/")
	return strings.TrimPrefix(path, "api/v1/")
}
