package faults_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"cckm_sync_exporter/collector/syncjob"
)

// TestTextsThatRepeatSecrets repeats every secret in the texts and statuses of jobs, in each encoding, at the
// beginning of a text and where a long text is cut.
func TestTextsThatRepeatSecrets(t *testing.T) {
	r := newRig(t, place{caches: true})
	r.whole()
	var texts []string
	for _, secret := range append(r.appliance.Issued(), password) {
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{
			secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			long := strings.Repeat("x", syncjob.MaxText-len("failed …")-min(len(form)-1, 30))
			texts = append(texts, "failed: "+form, "failed "+long+form)
		}
	}
	if len(texts) < 3*14 || len(texts) > jobsInAList {
		t.Fatalf("%d texts for %d jobs", len(texts), jobsInAList)
	}
	var mu sync.Mutex
	number := map[any]int{}
	r.onPages(rewrite(func(page map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		for _, job := range jobsOf(page) {
			n, known := number[job["id"]]
			if !known {
				n = len(number)
				number[job["id"]] = n
			}
			ring := fmt.Sprintf("projects/p/locations/l/keyRings/r%d", n%len(texts))
			job["key_rings"], job["overall_status"], job["completed_at"] = []string{ring}, "failed", job["updatedAt"]
			job["detailed_status"] = map[string]string{ring: texts[n%len(texts)]}
			if n%10 == 1 {
				job["overall_status"] = "paused by " + password
			}
		}
	}))
	for range 2 {
		r.whole()
	}
	if n := r.transcript.count("level=warn", "msg=\"job failed\"", "<secret>"); n < 10 {
		t.Errorf("%d failed jobs that repeat a secret were logged", n)
	}
	if n := r.transcript.count("level=warn", "unknown overall_status", "<secret>"); n == 0 {
		t.Error("no status that repeats a secret was logged")
	}
	r.end()
	r.wantNoSecrets()
}
