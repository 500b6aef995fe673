package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxRequestBody is the longest body that a request may have.
const maxRequestBody = 1 << 20

// tokensPath is where tokens are.
const tokensPath = "auth/tokens" //nolint:gosec // It is a path, not a token.

// answer finds what a request is for. A login is the only thing that needs no token.
func (a *Appliance) answer(w http.ResponseWriter, r *http.Request) {
	path, ok := apiPath(r)
	if ok && path == tokensPath && r.Method == http.MethodPost {
		a.serveLogin(w, r)
		return
	}
	domain, fault := a.authenticate(r)
	if fault != nil {
		a.refuse(w, fault)
		return
	}
	if !ok {
		a.refuse(w, &apiError{http.StatusNotFound, "no such path"})
		return
	}
	if id, found := strings.CutPrefix(path, tokensPath+"/"); found && r.Method == http.MethodDelete {
		a.serveRevoke(w, id)
		return
	}
	if fixture := a.fixture(path); fixture != nil && r.Method == http.MethodGet {
		body := a.openBody(w, r, http.StatusOK)
		body.buf = append(body.buf, fixture...)
		body.close()
		return
	}
	a.serveLists(w, r, domain, path)
}

// serveLists answers what the lists offer: a page, the start of a job, one job, and its cancelling.
func (a *Appliance) serveLists(w http.ResponseWriter, r *http.Request, d *domain, path string) {
	if l := a.list(d, path); l != nil {
		switch r.Method {
		case http.MethodGet:
			a.servePage(w, r, l)
		case http.MethodPost:
			a.serveStart(w, r, l)
		default:
			a.refuse(w, methodNotAllowed(r))
		}
		return
	}
	parent, last := splitPath(path)
	if l := a.list(d, parent); l != nil {
		if r.Method != http.MethodGet {
			a.refuse(w, methodNotAllowed(r))
			return
		}
		a.serveJob(w, r, l, last)
		return
	}
	if grandparent, id := splitPath(parent); last == "cancel" {
		if l := a.list(d, grandparent); l != nil {
			if r.Method != http.MethodPost {
				a.refuse(w, methodNotAllowed(r))
				return
			}
			a.serveCancel(w, r, l, id)
			return
		}
	}
	a.refuse(w, &apiError{http.StatusNotFound, "no such path"})
}

func methodNotAllowed(r *http.Request) *apiError {
	return &apiError{http.StatusMethodNotAllowed, r.Method + " is not allowed here"}
}

// splitPath takes the last segment off a path.
func splitPath(path string) (parent, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// serveJob answers with one job.
func (a *Appliance) serveJob(w http.ResponseWriter, r *http.Request, l *JobList, id string) {
	j, ok := l.Get(id)
	if !ok {
		a.refuse(w, noSuchJob(id))
		return
	}
	a.writeJob(w, r, l, j, http.StatusOK, layoutMicros)
}

// serveStart starts a job over the scopes that the body names. Its answer shows times with nine
// fraction digits, as the appliance's does; the list keeps six. The job then runs until a test,
// or a cancel, ends it.
func (a *Appliance) serveStart(w http.ResponseWriter, r *http.Request, l *JobList) {
	var fields map[string]json.RawMessage
	if fault := readBody(r, &fields); fault != nil {
		a.refuse(w, fault)
		return
	}
	scopes, fault := startScopes(fields, l.kind)
	if fault != nil {
		a.refuse(w, fault)
		return
	}
	now := a.opts.Clock().UTC()
	j, err := l.Insert(Job{CreatedAt: now, Scopes: scopes})
	if err != nil {
		a.refuse(w, &apiError{http.StatusInternalServerError, err.Error()})
		return
	}
	j.CreatedAt, j.UpdatedAt = now, now
	a.writeJob(w, r, l, j, http.StatusCreated, layoutNanos)
}

// startScopes reads what a job is to be about. What the scope field of a job over everything holds is not
// documented; here it is empty.
func startScopes(fields map[string]json.RawMessage, kind Kind) ([]string, *apiError) {
	var all bool
	if raw, ok := fields["synchronize_all"]; ok {
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, &apiError{http.StatusBadRequest, "synchronize_all: not a boolean"}
		}
	}
	for _, name := range [...]string{kind.ScopeField, kind.StartField} {
		raw, ok := fields[name]
		if !ok || name == "" {
			continue
		}
		var scopes []string
		if err := json.Unmarshal(raw, &scopes); err != nil {
			return nil, &apiError{http.StatusBadRequest, name + ": not an array of strings"}
		}
		if len(scopes) > 0 {
			return scopes, nil
		}
	}
	if all {
		return []string{}, nil
	}
	return nil, &apiError{http.StatusUnprocessableEntity, kind.ScopeField + ": cannot be blank"}
}

// serveCancel asks a running job to end.
func (a *Appliance) serveCancel(w http.ResponseWriter, r *http.Request, l *JobList, id string) {
	j, found, running := l.cancel(id)
	switch {
	case !found:
		a.refuse(w, noSuchJob(id))
	case !running:
		a.refuse(w, &apiError{http.StatusBadRequest, "the synchronization job is not in progress"})
	default:
		a.writeJob(w, r, l, j, http.StatusOK, layoutMicros)
	}
}

func noSuchJob(id string) *apiError {
	return &apiError{http.StatusNotFound, "no synchronization job of the id " + id}
}

// writeJob answers with one job.
func (a *Appliance) writeJob(w http.ResponseWriter, r *http.Request, l *JobList, j Job, status int, layout string) {
	body := a.openBody(w, r, status)
	body.buf = l.kind.appendJob(body.buf, &j, layout)
	body.close()
}

// readBody decodes a request's body, which must be one JSON value.
func readBody(r *http.Request, into any) *apiError {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	if err != nil {
		return &apiError{http.StatusBadRequest, "the body could not be read"}
	}
	if len(text) > maxRequestBody {
		return &apiError{http.StatusRequestEntityTooLarge, "the body is too long"}
	}
	if err := json.Unmarshal(text, into); err != nil {
		message := "the body is not valid JSON"
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			message = wrong.Field + ": must not be a " + wrong.Value
		}
		return &apiError{http.StatusBadRequest, message}
	}
	return nil
}
