package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// jobMaker makes random records of synchronization jobs: those that the API's documents describe, and those
// that they do not exclude.
type jobMaker struct {
	rng  *rand.Rand
	list syncjob.List
	now  time.Time
	made int
	// scopes are the identifiers that the jobs choose from.
	scopes []string
	// instants are times that many jobs share, so that their order depends on the id.
	instants []time.Time
}

// record is one position of a list.
type record struct {
	raw json.RawMessage
	// id, created and scopes never change during a job's life; they are JSON, or empty if absent.
	id, created, scopes string
	// open is true while the job may still change.
	open bool
}

func newJobMaker(rng *rand.Rand, list syncjob.List, now time.Time) *jobMaker {
	m := &jobMaker{rng: rng, list: list, now: now}
	for i := range 1 + rng.IntN(6) {
		m.scopes = append(m.scopes, m.scope(i))
	}
	for range 4 {
		m.instants = append(m.instants, m.instant())
	}
	return m
}

// pick returns a random one of several values.
func pick[T any](rng *rand.Rand, values ...T) T {
	return values[rng.IntN(len(values))]
}

// oneIn is true one time in n.
func (m *jobMaker) oneIn(n int) bool { return m.rng.IntN(n) == 0 }

// scope returns an identifier in the form of the list's cloud, and sometimes in another.
func (m *jobMaker) scope(i int) string {
	if m.oneIn(8) {
		return pick(m.rng, "plain", `back\slash "quoted"`, "two\nlines", "ключ", "projects/p/keyRings/r", "a/b/c", "::", "no-subscription")
	}
	n := strconv.Itoa(i)
	switch m.list.Kind {
	case "key_ring":
		return "projects/p" + n + "/locations/global/keyRings/ring-" + n
	case "key_vault":
		return "vault-" + n + "::260ecbe7-777b-4d3c-84ea-88762049886" + n
	default:
		return pick(m.rng, "2f7c6f46-4b04-4f43-8b5d-00000000000", "123456789012/us-east-", "org/unit ", "ocid1.vault.oc1.iad.b.") + n
	}
}

// instant returns a time in the last days, or in the next minutes, as by a clock that is fast.
func (m *jobMaker) instant() time.Time {
	return m.now.Add(time.Duration(m.rng.Int64N(int64(72*time.Hour))-int64(72*time.Hour-2*time.Minute)) / 1000 * 1000)
}

// time returns a time as JSON, or "" if the field is to be missing.
func (m *jobMaker) time() string {
	if m.oneIn(10) {
		return pick(m.rng, "", "null", `""`, `"yesterday"`, "1652780461", "true", `{"at":1}`, `"0001-01-01T00:00:00Z"`, `"2022-13-01T00:00:00Z"`,
			`"0001-01-01T08:05:43+08:05"`, `"1970-01-01T00:00:00Z"`, `"1999-12-31T23:59:59.9-00:00"`, `"2000-01-01T00:59:59+01:00"`,
			`"1999-12-31T23:59:60Z"`, `"2021-12-20t10:00:00.5z"`, `"2021-12-20T23:59:60.25-08:00"`, `"9999-12-31T23:59:60Z"`)
	}
	at := m.instant()
	if m.oneIn(2) {
		at = pick(m.rng, m.instants...)
	}
	layout := "2006-01-02T15:04:05.000000Z07:00"
	switch m.rng.IntN(12) {
	case 0:
		at = at.In(time.FixedZone("", 19800))
	case 1:
		layout = "2006-01-02T15:04:05.000000000Z07:00"
	case 2:
		layout = "2006-01-02t15:04:05.00z"
	case 3:
		// The appliance's clock was wrong; some of these times begin to count soon.
		at = at.Add(pick(m.rng, 24*time.Hour, 72*time.Hour, 96*time.Hour, 120*time.Hour, 9000*time.Hour))
	}
	return quote(at.Format(layout))
}

// next returns a new job.
func (m *jobMaker) next() record {
	m.made++
	id := fmt.Sprintf("%08x-%04d", m.rng.Uint32(), m.made)
	return m.make(record{id: quote(id), created: m.time(), scopes: m.scopeFields()})
}

// later changes a job that may still change, and returns any other unchanged.
func (m *jobMaker) later(r record) record {
	if !r.open {
		return r
	}
	return m.make(r)
}

// make returns the record of a job with the given constant fields.
func (m *jobMaker) make(r record) record {
	status := pick(m.rng, `"in_progress"`, `"completed"`, `"completed"`, `"completed"`, `"failed"`)
	if m.oneIn(8) {
		status = pick(m.rng, `"error"`, `"queued"`, `"cancelled"`, `"COMPLETED"`, `"Failed"`, `"in progress"`, `"In-Progress"`,
			`"a_\"new\"_one"`, `""`, "null", "")
	}
	r.open = !slices.Contains([]string{"completed", "failed", "error"}, strings.ToLower(strings.Trim(status, `"`)))
	fields := []string{`"id":` + r.id, r.scopes}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, quote(name)+":"+value)
		}
	}
	add("uri", quote("kylo:kylo:cckm:synchronize:"+r.id))
	add("createdAt", r.created)
	add("updatedAt", m.time())
	add("overall_status", status)
	if status != `"in_progress"` || m.oneIn(10) {
		add("completed_at", m.time())
	}
	add("abort", pick(m.rng, "true", "false", "false", "false", "null", ""))
	add("detailed_status", m.details())
	add("sync_item", pick(m.rng, "", `"azure-certificate"`, `{"nested":["id",1e3,null]}`))

	m.rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	r.raw = json.RawMessage("{" + join(fields) + "}")
	return r
}

// scopeFields returns the scope fields of a job.
func (m *jobMaker) scopeFields() string {
	fields := make([]string, 0, len(m.list.ScopeFields))
	for _, field := range m.list.ScopeFields {
		var value string
		switch m.rng.IntN(10) {
		case 0:
			value = pick(m.rng, "null", `""`, "[]", `[""]`)
		case 1:
			value = quote(m.spelled())
		case 2:
			continue
		default:
			var names []string
			for range 1 + m.rng.IntN(3) {
				names = append(names, quote(m.spelled()))
			}
			if m.oneIn(12) {
				names = append(names, pick(m.rng, "null", `""`, quote("west/"+m.scopes[0])))
			}
			value = "[" + strings.Join(names, ",") + "]"
		}
		fields = append(fields, quote(field)+":"+value)
	}
	return join(fields)
}

// spelled returns one of the scopes, for Azure sometimes in another case.
func (m *jobMaker) spelled() string {
	scope := pick(m.rng, m.scopes...)
	if m.list.RegionPrefixed && m.oneIn(6) {
		return pick(m.rng, strings.ToUpper(scope), strings.Replace(scope, "v", "V", 1))
	}
	return scope
}

// details returns a detailed_status.
func (m *jobMaker) details() string {
	if m.oneIn(12) {
		return pick(m.rng, "", "null", `"all of them"`, `["in_progress"]`, "7", "{}")
	}
	var entries []string
	seen := make(map[string]bool)
	for range m.rng.IntN(4) {
		key := m.spelled()
		if m.list.RegionPrefixed && !m.oneIn(6) {
			key = pick(m.rng, "northcentralus", "eastus", "west") + "/" + key
		}
		if m.oneIn(15) {
			key = pick(m.rng, "", "west/", "only-in-details", "a/b")
		}
		// JSON does not define the meaning of a repeated name.
		if !seen[key] {
			seen[key] = true
			entries = append(entries, quote(key)+":"+m.text())
		}
	}
	return "{" + join(entries) + "}"
}

// text returns a text of detailed_status.
func (m *jobMaker) text() string {
	switch m.rng.IntN(4) {
	case 0:
		return `"in_progress"`
	case 1:
		return pick(m.rng, `"key ring synchronized successfully"`, `"vault synchronized successfully"`, `"region synchronized successfully"`)
	}
	return pick(m.rng,
		"null", "[]", `["vault synchronized successfully"]`, "1", "false", `{"failed":true}`,
		`""`, `" In_Progress "`, `"in progress"`, `"In-Progress"`, `"incomplete"`, `"completely gone"`, `"Completed"`, `"success"`, `"succeeded"`, `"partial success"`,
		`"VAULT SYNCHRONIZED SUCCESSFULLY\n"`, `"failover-vault synchronized successfully"`, `"was unsuccessful"`,
		`"could not be synchronized successfully"`, `"has never been fully synchronized"`, `"isn't complete"`, `"not yet completed"`,
		`"failed"`, `"ERROR 500"`, `"Access denied"`, `"403 Forbidden"`, `"unauthorized"`, `"unable to list keys"`, `"cannot connect"`,
		`"key ring not found"`, `"timed out"`, `"i/o timeout"`, `"invalid credentials"`, `"exception in thread main"`,
		`"aborted"`, `"Abort requested"`, `"cancelled by user"`, `"canceled before it was complete"`, `"cancelled: failed to stop"`,
		`"something else"`, `"ошибка"`, `"domain refreshed"`, `"not refreshed"`,
		`"[NCERRBadRequest: Bad HTTP request]: Error Listing Keys : TooManyRequests"`, `"context deadline exceeded"`, `"Service unavailable"`,
		`"AADSTS7000222: The provided client secret keys for app 'x' are expired."`, `"not authorized to perform: kms:ListKeys"`,
		`"connection refused"`, `"no such host"`, `"skipped: archived"`,
		quote("synchronized "+strings.Repeat("ключ ", 120)), quote(strings.Repeat("x", 600)+" failed"))
}

// quote returns a text as JSON.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// join joins the parts of an object that are not empty.
func join(parts []string) string {
	var some []string
	for _, part := range parts {
		if part != "" {
			some = append(some, part)
		}
	}
	return strings.Join(some, ",")
}
