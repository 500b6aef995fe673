package faults_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/syncjob"
)

// transcript is everything that the exporter has shown: log lines of every level in both formats, the
// responses of every path, the doctor's report, and every error, formatted with every verb.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

// Write implements io.Writer.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// logger returns a logger of every level in both formats.
func (t *transcript) logger() log.Logger {
	logfmt, asJSON := log.NewLogfmtLogger(t), log.NewJSONLogger(t)
	both := log.LoggerFunc(func(keyvals ...any) error {
		return errors.Join(logfmt.Log(keyvals...), asJSON.Log(keyvals...))
	})
	return log.With(both, "caller", log.DefaultCaller)
}

// show writes a value and the errors that it wraps with every verb.
func (t *transcript) show(value any) {
	if value == nil {
		return
	}
	_, _ = fmt.Fprintf(t, "%v\n%+v\n%#v\n%s\n%q\n%x\n", value, value, value, value, value, value)
	if err, ok := value.(error); ok {
		t.show(errors.Unwrap(err))
	}
}

// showWords writes the appliance's texts.
func (t *transcript) showWords(summary *syncjob.Summary) {
	if summary == nil {
		return
	}
	_, _ = fmt.Fprintf(t, "%+v\n", *summary)
	for i := range summary.Scopes {
		_, _ = fmt.Fprintf(t, "%+v\n", summary.Scopes[i].Last)
	}
}

// secret adds a text that must not be shown.
func (t *transcript) secret(texts ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, text := range texts {
		if text != "" && !slices.Contains(t.secrets, text) {
			t.secrets = append(t.secrets, text)
		}
	}
}

// secretKey adds a private key and each line of its PEM form.
func (t *transcript) secretKey(keyPEM string) {
	block, _ := pem.Decode([]byte(keyPEM))
	t.secret(string(block.Bytes), base64.StdEncoding.EncodeToString(block.Bytes))
	for line := range strings.Lines(keyPEM) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			t.secret(line)
		}
	}
}

// half is the length of a secret's beginning or end that must not be shown.
const half = 12

// forms returns the encodings of a secret that a text may contain, and the beginning and end of each.
func forms(secret string) []string {
	quoted, err := json.Marshal(secret)
	if err != nil {
		return nil
	}
	all := []string{
		secret, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", secret), `"`),
		url.QueryEscape(secret), url.PathEscape(secret), strings.ToLower(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	for _, form := range all {
		if len(form) > half {
			all = append(all, form[:half], form[len(form)-half:])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shown returns the forms of secrets in the transcript, and the number of forms that it was searched for.
func (t *transcript) shown() (found []string, searched int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text.String()
	for _, secret := range t.secrets {
		for _, form := range forms(secret) {
			searched++
			if at := strings.Index(text, form); at >= 0 {
				found = append(found, fmt.Sprintf("%q in %q", form, text[max(0, at-200):min(len(text), at+200)]))
			}
		}
	}
	return found, searched
}

// wantNoSecrets fails if the exporter has shown a secret that it was configured with or received.
func (r *rig) wantNoSecrets() {
	r.t.Helper()
	r.transcript.secret(r.appliance.Issued()...)
	found, searched := r.transcript.shown()
	for _, text := range found {
		r.t.Errorf("a secret is shown: %s", text)
	}
	if searched == 0 {
		r.t.Error("no secret was searched for")
	}
}

// errors returns the log lines of failures, for the message of a failed test.
func (t *transcript) errors() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(t.text.String()) {
		if strings.HasPrefix(line, "level=") && strings.Contains(line, " err=") {
			lines = append(lines, line[:min(len(line), 500)])
		}
	}
	return strings.Join(lines[max(0, len(lines)-8):], "")
}

// count returns the number of lines that contain all texts.
func (t *transcript) count(texts ...string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.text.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}
