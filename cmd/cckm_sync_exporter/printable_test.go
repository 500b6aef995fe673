package main

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"cckm_sync_exporter/collector/simulator"
)

// TestPrintable has the appliance put invisible characters, the password and the token into each text. The
// log, the status page and the commands show them printable and redacted. Labels have exact names.
func TestPrintable(t *testing.T) {
	const invisible = "\x1b[2J\u202e\u2028\u009b\u200b"
	job := func(id, status, scope, text string) map[string]any {
		return map[string]any{
			"id": id, "overall_status": status, "key_rings": []string{scope}, "detailed_status": map[string]string{scope: text},
			"createdAt": "2026-05-17T09:00:00Z", "completed_at": "2026-05-17T09:01:01Z",
		}
	}
	for name, test := range map[string]struct {
		// response returns the status and the body of a page; evil is what the appliance repeats.
		response func(evil string) (int, any)
		// shown are the outputs that show the response, and labels whether labels do.
		shown  []string
		labels bool
	}{
		"jobs": {func(evil string) (int, any) {
			return http.StatusOK, map[string]any{"total": 3, "resources": []any{
				job("1 "+evil, "failed", "ring "+evil, "403 Forbidden: "+evil), job("2 "+evil, evil, "b", ""), job("3", "completed", "c", evil),
			}}
		}, []string{"log", "page", "once"}, true},
		"an error": {func(evil string) (int, any) {
			return http.StatusForbidden, map[string]any{"code": 5, "codeDesc": evil, "message": evil, "requestID": evil}
		}, []string{"log", "page", "check", "once"}, false},
		"a mistake behind a name": {func(evil string) (int, any) {
			return http.StatusOK, map[string]any{"total": 1, "resources": []any{map[string]any{"id": "1", "detailed_status": map[string]any{
				strings.Repeat(evil, 3): "in_progress",
			}}}}
		}, []string{"log", "page", "check", "once"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			var label atomic.Pointer[string]
			r.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				token, isPage := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				if !isPage || !strings.Contains(r.URL.Path, "/google/synchronization-jobs") {
					next.ServeHTTP(w, r)
					return
				}
				evil := invisible + simulator.DefaultPassword + "/" + token
				scope := "ring " + evil
				label.CompareAndSwap(nil, &scope)
				status, body := test.response(evil)
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(body)
			})
			p := r.start(t)
			metrics := p.metrics(t)
			if got := strings.Contains(metrics, `scope="`+*label.Load()+`"`); got != test.labels {
				t.Errorf("the exact name is a label: %t", got)
			}
			texts := map[string]string{"page": html.UnescapeString(p.mustRequest(t, http.MethodGet, "/", http.StatusOK))}
			p.terminate(t)
			texts["log"] = p.log()
			out, log, _ := runCommand(t, r.env, "check")
			texts["check"] = log + out
			_, texts["once"], _ = runCommand(t, r.env, "once")
			for _, output := range test.shown {
				if text := texts[output]; !strings.Contains(text, "<secret>") || !strings.Contains(text, `u{202E}`) {
					t.Errorf("%s does not show the response:\n%s", output, text)
				}
			}
			for output, text := range texts {
				if err := clean(text, append(r.Issued(), simulator.DefaultPassword)); err != nil {
					t.Errorf("%s %v:\n%s", output, err, text)
				}
			}
		})
	}
}

// clean returns an error if a text has an invisible character, or a secret, or the beginning of one.
func clean(text string, secrets []string) error {
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return fmt.Errorf("has %U", r)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret[:min(len(secret), 20)]) {
			return fmt.Errorf("has the secret %s", secret)
		}
	}
	return nil
}
