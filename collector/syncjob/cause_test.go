package syncjob_test

import (
	"testing"

	"cckm_sync_exporter/collector/syncjob"
)

// TestCause checks that what happened comes first, whatever is put before it.
func TestCause(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                       {"", ""},
		"In progress":            {"", ""},
		"failed: 403 Forbidden":  {"failed: 403 Forbidden", ""},
		"[NCERRBadRequest: x]: ": {"[NCERRBadRequest: x]: ", ""},
		"[NCERRBadRequest: Bad HTTP request]: Error Listing Azure vault : AADSTS7000222: expired": {
			"AADSTS7000222: expired", "[NCERRBadRequest: Bad HTTP request]: Error Listing Azure vault",
		},
		"rpc error: code = PermissionDenied desc = Permission 'a' denied": {"Permission 'a' denied", "rpc error: code = PermissionDenied"},
	} {
		if cause, where := syncjob.Cause(text); cause != want[0] || where != want[1] {
			t.Errorf("Cause(%q) = %q, %q, want %q", text, cause, where, want)
		}
	}
}
