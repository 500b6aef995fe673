package joblist_test

import (
	"errors"
	"testing"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// TestForbiddenList checks that a list that the user may not read names its own
// permission, unless the client knows better why it is forbidden.
func TestForbiddenList(t *testing.T) {
	t.Parallel()
	const license = "license CCKM"
	for _, list := range syncjob.Lists() {
		for hint, want := range map[string]string{"": list.AccessHint(), license: license} {
			client := &failing{err: reason.New(reason.Forbidden, errors.New("403"), hint)}
			reader := joblist.NewReader(list, client, joblist.Options{})
			readErr := reader.NewFullRead(false).Run(t.Context())
			_, firstErr := reader.Total(t.Context())
			for _, err := range []error{readErr, firstErr} {
				if got := reason.HintOf(err); reason.Of(err) != reason.Forbidden || got != want {
					t.Errorf("%s: reason %s, hint %q, want %q", list.Name, reason.Of(err), got, want)
				}
			}
		}
	}
}
