package syncjob_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/syncjob"
)

// TestAccessHint checks the hint for a list that the user may not read.
func TestAccessHint(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"google-keys":           `add the user to the group "CCKM Users" and give it the permission view on each key ring`,
		"azure-certificates":    `add the user to the group "CCKM Users" and give it the permission certificateview on each key vault`,
		"aws-keys":              `add the user to the group "CCKM Users" and give it the permissions viewnative, viewbyok, viewhyokkey and viewcloudhsmkey on each KMS`,
		"aws-custom-key-stores": `add the user to the group "CCKM Users" and give it the permission viewkeystore on each KMS`,
		"luna-synchronizations": `add the user to the group "CCKM Users" and let it view each partition (the name of that permission is not documented)`,
	} {
		l := list(t, name)
		if got := l.AccessHint(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestIdentify checks the parts of identifiers.
func TestIdentify(t *testing.T) {
	t.Parallel()
	whole := func(name string) syncjob.Identifier { return syncjob.Identifier{Name: name} }
	for _, test := range []struct {
		list, scope string
		want        syncjob.Identifier
	}{
		{
			"google-keys", "projects/gemalto-kyloeng/locations/global/keyRings/demo-key-ring",
			syncjob.Identifier{Name: "demo-key-ring", Project: "gemalto-kyloeng", Location: "global"},
		},
		{
			"google-keys", "projects/example.com:p/locations/europe-west1/keyRings/r",
			syncjob.Identifier{Name: "r", Project: "example.com:p", Location: "europe-west1"},
		},
		{
			"azure-certificates", "cckm-vault::260ecbe7-777b-4d3c-84ea-887620498863",
			syncjob.Identifier{Name: "cckm-vault", Subscription: "260ecbe7-777b-4d3c-84ea-887620498863"},
		},
		{"azure-secrets", "west/v::s", syncjob.Identifier{Name: "west/v", Subscription: "s"}},
		{"aws-keys", "123456789012/us-east-1", syncjob.Identifier{Name: "123456789012/us-east-1", Location: "us-east-1"}},
		{
			"aws-custom-key-stores", "123456789012/eusc-de-east-1",
			syncjob.Identifier{Name: "123456789012/eusc-de-east-1", Location: "eusc-de-east-1"},
		},
		{"oci-keys", "ocid1.vault.oc1.iad.a.b", syncjob.Identifier{Name: "ocid1.vault.oc1.iad.a.b", Location: "iad"}},
		{"oci-keys", "ocid1.vault.oc19.eu-frankfurt-2.b", syncjob.Identifier{Name: "ocid1.vault.oc19.eu-frankfurt-2.b", Location: "eu-frankfurt-2"}},

		// Other forms are names as a whole.
		{"google-keys", "demo-key-ring", whole("demo-key-ring")},
		{"google-keys", "projects/p/locations/l/keyRings/r/cryptoKeys/k", whole("projects/p/locations/l/keyRings/r/cryptoKeys/k")},
		{"google-keys", "projects/p/locations/l/keyrings/r", whole("projects/p/locations/l/keyrings/r")},
		{"google-keys", "projects//locations/l/keyRings/r", whole("projects//locations/l/keyRings/r")},
		{"azure-keys", "v", whole("v")},
		{"azure-keys", "v:s", whole("v:s")},
		{"azure-keys", "::s", whole("::s")},
		{"azure-keys", "v::", whole("v::")},
		{"aws-keys", "acme-production", whole("acme-production")},
		{"aws-keys", "12345678901/us-east-1", whole("12345678901/us-east-1")},
		{"aws-keys", "12345678901x/us-east-1", whole("12345678901x/us-east-1")},
		{"aws-keys", "123456789012/us-east", whole("123456789012/us-east")},
		{"aws-keys", "123456789012/us-east-x", whole("123456789012/us-east-x")},
		{"aws-keys", "123456789012/us--1", whole("123456789012/us--1")},
		{"aws-keys", "123456789012/1s-east-1", whole("123456789012/1s-east-1")},
		{"aws-keys", "123456789012/us-east-1/x", whole("123456789012/us-east-1/x")},
		{"oci-keys", "acme-vault", whole("acme-vault")},
		{"oci-keys", "ocid1.vault.oc1..b", whole("ocid1.vault.oc1..b")},
		{"oci-keys", "ocid1.vault.oc1.iad.", whole("ocid1.vault.oc1.iad.")},
		{"oci-keys", "ocid1.key.oc1.iad.b", whole("ocid1.key.oc1.iad.b")},
		{"oci-keys", "ocid2.vault.oc1.iad.b", whole("ocid2.vault.oc1.iad.b")},
		{"oci-keys", "ocid1.vault.oc1.I AD.b", whole("ocid1.vault.oc1.I AD.b")},
		{"sap-keys", "europe/Acme Finance", whole("europe/Acme Finance")},
		{"sfdc-keys", "00D5g00000AcmeUKEA0", whole("00D5g00000AcmeUKEA0")},
	} {
		l := list(t, test.list)
		if diff := cmp.Diff(test.want, l.Identify(test.scope)); diff != "" {
			t.Errorf("%s, %q (-want +got):\n%s", test.list, test.scope, diff)
		}
	}
}

// TestScopesOfAJob checks which scopes a job covers.
func TestScopesOfAJob(t *testing.T) {
	t.Parallel()
	const done = "synchronized successfully"
	for name, test := range map[string]struct {
		list    string
		scopes  []string
		details []string
		want    []string
	}{
		"none":                                 {"google-keys", nil, nil, nil},
		"of the scope field":                   {"google-keys", []string{"r", "s"}, nil, []string{"r", "s"}},
		"of the scope field, twice":            {"google-keys", []string{"r", "r"}, []string{"r"}, []string{"r"}},
		"of detailed_status alone":             {"google-keys", nil, []string{"s", "r"}, []string{"r", "s"}},
		"of both":                              {"google-keys", []string{"r"}, []string{"s"}, []string{"r", "s"}},
		"empty names":                          {"google-keys", []string{"", "r"}, []string{""}, []string{"r"}},
		"all of them, by an empty field":       {"azure-keys", nil, []string{"west/a::s", "east/b::s"}, []string{"a::s", "b::s"}},
		"Google's names contain slashes":       {"google-keys", nil, []string{"projects/p/locations/l/keyRings/r"}, []string{"projects/p/locations/l/keyRings/r"}},
		"AWS' names contain slashes":           {"aws-keys", []string{"kms-1"}, []string{"123456789012/us-east-1"}, []string{"123456789012/us-east-1", "kms-1"}},
		"other clouds' names are whole":        {"sfdc-keys", nil, []string{"west/v::s", "/x"}, []string{"/x", "west/v::s"}},
		"Azure, behind a region":               {"azure-certificates", []string{"a::s"}, []string{"northcentralus/a::s"}, []string{"a::s"}},
		"Azure, without a region":              {"azure-certificates", []string{"a::s"}, []string{"a::s"}, []string{"a::s"}},
		"Azure, both":                          {"azure-certificates", nil, []string{"a::s", "west/a::s"}, []string{"a::s"}},
		"Azure, the first slash ends it":       {"azure-certificates", nil, []string{"west/a/b::s"}, []string{"a/b::s"}},
		"Azure, a region alone":                {"azure-certificates", nil, []string{"west/"}, nil},
		"Azure, no region before the slash":    {"azure-certificates", nil, []string{"/a::s"}, []string{"a::s"}},
		"Azure, listed as a whole":             {"azure-certificates", []string{"west/a::s"}, []string{"west/a::s"}, []string{"west/a::s"}},
		"Azure, listed as a whole and in part": {"azure-certificates", []string{"west/a::s", "a::s"}, []string{"west/a::s"}, []string{"a::s", "west/a::s"}},
		"Azure, not listed":                    {"azure-certificates", []string{"a::s"}, []string{"west/b::s"}, []string{"a::s", "b::s"}},
		"Azure, in another case":               {"azure-certificates", []string{"MyVault::S"}, []string{"eastus/myvault::s", "EASTUS/MYVAULT::s"}, []string{"MyVault::S"}},
		"Azure, spelled by details alone":      {"azure-certificates", nil, []string{"eastus/v::s", "west/V::S"}, []string{"V::S"}},
		"Azure, listed as a whole in capitals": {"azure-certificates", []string{"WEST/a::s"}, []string{"west/A::s"}, []string{"WEST/a::s"}},
		"Azure, beyond ASCII":                  {"azure-certificates", []string{"Ä::s"}, []string{"west/ä::s"}, []string{"Ä::s"}},
		"other clouds' names keep their case":  {"sap-keys", []string{"A"}, []string{"a"}, []string{"A", "a"}},
		"Azure, named so only by a detail":     {"azure-certificates", nil, []string{"x/west/a::s", "west/a::s"}, []string{"a::s", "west/a::s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := syncjob.Job{ID: "1", OverallStatus: "completed", Scopes: test.scopes}
			for _, key := range test.details {
				job.Details = append(job.Details, syncjob.Detail{Key: key, Text: done})
			}
			summary := summarize(t, test.list, job)
			if got := names(summary); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for i := range summary.Scopes {
				if got := summary.Scopes[i].Jobs; got != [syncjob.NumStatuses]int{syncjob.Completed: 1} {
					t.Errorf("%s counts %v", summary.Scopes[i].Name, got)
				}
			}
		})
	}
}
