package syncjob_test

import (
	"slices"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/syncjob"
)

// FuzzScopeStatus compares a job's status, its scopes and the scopes' own statuses with the contract's rules, which
// are written here again in the most obvious way.
func FuzzScopeStatus(f *testing.F) {
	for _, text := range []string{
		"", "in_progress", " IN_PROGRESS\n", "key ring synchronized successfully", "failover-vault synchronized successfully",
		"notsynchronized synchronized successfully", "vault synchronized successfully: 3 keys failed", "could not be synchronized successfully",
		"has never been fully synchronized", "isn't  complete", "not\tbe\nsynchronized", "notwithstanding, completed", "not only completed",
		"incomplete", "resynchronized", "succeeded", "completed: cancelled", "cancelled: timeout", "not synchronized: aborted", "timed out", "\u017fuccess",
		"comple\u0130te", "not\u00a0complete", "\xffcompleted\xff", "ошибка", "completed2", "completed_", "don't yet be fully success",
	} {
		for i, overall := range []string{"in_progress", "completed", "failed", "error", "cancelled"} {
			f.Add(overall, i%2 == 0, "vault::sub", "eastus/vault::sub", text)
		}
	}
	f.Add("completed", true, "a/b", "a/b", "")
	f.Add("completed", false, "", "/", "failed")
	f.Add("In Progress", true, "MyVault::S", "eastus/myvault::s", "In-Progress")
	f.Add("completed", false, "a", "b", "TooManyRequests")
	f.Add("completed", true, "a", "b", "nobody knows")
	f.Add("completed", false, "a", "b", "synchronized "+strings.Repeat("é", syncjob.MaxText))
	f.Add("COMPLETED", true, "projects/p/keyRings/r", "projects/p/keyRings/r", "failed")
	lists := make(map[bool]syncjob.List)
	for _, l := range syncjob.Lists() {
		lists[l.RegionPrefixed] = l
	}
	f.Fuzz(func(t *testing.T, overall string, abort bool, field, key, text string) {
		text = printable.Shorten(text, syncjob.MaxText)
		job := syncjob.Job{
			ID: "1", OverallStatus: overall, Abort: abort, Scopes: []string{field}, Details: []syncjob.Detail{{Key: key, Text: text}},
		}
		own := plainJob(overall, abort)
		for prefixed, l := range lists {
			s := syncjob.NewSummarizer(l)
			add(t, s, &job, at(59))
			got := s.Summary(at(59))
			if got.Jobs[own] != 1 {
				t.Errorf("%q, abort %t: the list counts %v, want one that is %s", overall, abort, got.Jobs, own)
			}
			lower := strings.ToLower
			same := func(a, b string) bool { return a == b || prefixed && lower(a) == lower(b) }
			scope := key
			if _, vault, ok := strings.Cut(key, "/"); ok && prefixed && (field == "" || !same(key, field)) {
				scope = vault
			}
			want := map[string]syncjob.Status{field: own, scope: plainScope(overall, abort, text)}
			if scope != field && same(scope, field) {
				want[field] = want[scope]
				delete(want, scope)
			}
			delete(want, "")
			if len(got.Scopes) != len(want) {
				t.Errorf("field %q, key %q: %d scopes, want %v", field, key, len(got.Scopes), want)
			}
			for i := range got.Scopes {
				if status, ok := want[got.Scopes[i].Name]; !ok || got.Scopes[i].Newest.Status != status || got.Scopes[i].Jobs[status] != 1 {
					t.Errorf("%q, abort %t, text %q: scope %+v, want %v", overall, abort, text, got.Scopes[i], want)
				}
			}
		}
	})
}

// plainJob returns a job's own status.
func plainJob(overall string, abort bool) syncjob.Status {
	return plainAbort(plainOverall(overall), overall, abort)
}

func plainOverall(overall string) syncjob.Status {
	switch plainForm(overall) {
	case "in_progress":
		return inProgress
	case "completed":
		return completed
	case "failed", "error":
		return failed
	default:
		return unknown
	}
}

// plainForm returns a value in lower case with underscores.
func plainForm(value string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(plainLower(value))
}

// plainLower returns a text with its ASCII letters in lower case.
func plainLower(text string) string {
	letters := []byte(text)
	for i, c := range letters {
		if 'A' <= c && c <= 'Z' {
			letters[i] = c + 32
		}
	}
	return string(letters)
}

// plainAbort makes a success an aborted one if the job has ended and was canceled.
func plainAbort(status syncjob.Status, overall string, abort bool) syncjob.Status {
	if status == completed && abort && plainOverall(overall) != inProgress {
		return aborted
	}
	return status
}

// plainScope returns the status of a scope with this text.
func plainScope(overall string, abort bool, text string) syncjob.Status {
	own := plainOverall(overall)
	cut := len(text) > syncjob.MaxText-4 && strings.HasSuffix(text, "…")
	text = plainLower(strings.TrimSpace(text))
	holds := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
	}
	denied := plainlyDenied(text)
	status := own
	switch {
	case strings.HasSuffix(text, "synchronized successfully") && !denied:
		status = completed
	case holds("fail", "error", "denied", "forbidden", "unauthorized", "unable", "cannot", "not found", "timed out", "timeout", "invalid",
		"unsuccessful", "exception", "not authorized", "exceeded", "refused", "unavailable", "unreachable", "not reachable", "throttl",
		"too many", "toomany", "quota", "expired", "reset by", "no such host", "aadsts"):
		status = failed
	case holds("abort", "cancel"):
		status = aborted
	case !denied && !cut && slices.ContainsFunc(words(text), func(word string) bool {
		return strings.HasPrefix(word, "success") || slices.Contains([]string{"complete", "completed", "synchronized", "refreshed"}, word)
	}):
		status = completed
	case text == "" || plainForm(text) == "in_progress":
	case own == completed:
		status = unknown
	}
	return plainAbort(status, overall, abort)
}

// words returns the words of a text.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// plainlyDenied reports whether a text denies a success: "could not be synchronized".
func plainlyDenied(text string) bool {
	parts := strings.Fields(text)
	for i, part := range parts {
		last := ""
		if all := words(part); len(all) > 0 && strings.HasSuffix(part, all[len(all)-1]) {
			last = all[len(all)-1]
		}
		if last != "not" && last != "never" && !strings.HasSuffix(part, "n't") {
			continue
		}
		rest := parts[i+1:]
		for len(rest) > 0 && slices.Contains([]string{"be", "been", "yet", "fully"}, rest[0]) {
			rest = rest[1:]
		}
		if len(rest) > 0 && slices.ContainsFunc([]string{"synchronized", "complete", "success", "refreshed"}, func(word string) bool {
			return strings.HasPrefix(rest[0], word)
		}) {
			return true
		}
	}
	return false
}

// FuzzIdentify holds that only Google's and Azure's identifiers are taken apart: every other one is a name as a
// whole, and where its form says that it holds a location, that is a part of it as it stands there.
func FuzzIdentify(f *testing.F) {
	for _, scope := range []string{
		"", "/", "projects/p/locations/l/keyRings/r", "v::s", "123456789012/us-gov-west-1", "123456789012/us-east-1/", "123456789012/us--1",
		"ocid1.vault.oc1.eu-frankfurt-1.a.b", "ocid1.vault.oc1.iad.", "ocid1.vault.oc1..b", "١23456789012/us-east-1", "\xff/us-east-1",
	} {
		f.Add(scope)
	}
	lists := syncjob.Lists()
	f.Fuzz(func(t *testing.T, scope string) {
		for i := range lists {
			id := lists[i].Identify(scope)
			if lists[i].Cloud == "google" || lists[i].Cloud == "azure" {
				if (id.Name == "") != (scope == "") || !strings.Contains(scope, id.Name) {
					t.Errorf("%s: %q has the name %q", lists[i].Name, scope, id.Name)
				}
				continue
			}
			if want := (syncjob.Identifier{Name: scope, Location: id.Location}); id != want {
				t.Errorf("%s: %q has become %+v", lists[i].Name, scope, id)
			}
			if id.Location != "" && !holdsRegion(lists[i].Cloud, scope, id.Location) {
				t.Errorf("%s: %q lies in %q", lists[i].Name, scope, id.Location)
			}
		}
	})
}

// holdsRegion says whether a scope of a cloud has a region where its form has one.
func holdsRegion(cloud, scope, region string) bool {
	switch cloud {
	case "aws":
		return len(scope) == len("123456789012/")+len(region) && strings.HasSuffix(scope, "/"+region)
	case "oci":
		return strings.HasPrefix(scope, "ocid1.vault.") && strings.Contains(scope, "."+region+".")
	default:
		return false
	}
}
