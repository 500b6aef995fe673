package syncjob_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/syncjob"
)

// TestLists holds the table of lists that the API's description has.
func TestLists(t *testing.T) {
	t.Parallel()
	type row struct {
		Name, Cloud, Item, Path string
		Fields                  []string
		Kind                    string
		Default                 bool
		Permissions             []string
	}
	want := []row{
		{"google-keys", "google", "key", "cckm/google/synchronization-jobs", []string{"key_rings"}, "key_ring", true, []string{"view"}},
		{"azure-certificates", "azure", "certificate", "cckm/azure/certificates/synchronization-jobs", []string{"key_vaults"}, "key_vault", true, []string{"certificateview"}},
		{"azure-keys", "azure", "key", "cckm/azure/synchronization-jobs", []string{"key_vaults"}, "key_vault", false, []string{"view"}},
		{"azure-secrets", "azure", "secret", "cckm/azure/secrets/synchronization-jobs", []string{"key_vaults"}, "key_vault", false, []string{"secretview"}},
		{"aws-keys", "aws", "key", "cckm/aws/synchronization-jobs", []string{"kms"}, "kms", false, []string{"viewnative", "viewbyok", "viewhyokkey", "viewcloudhsmkey"}},
		{"aws-custom-key-stores", "aws", "custom_key_store", "cckm/aws/custom-key-stores/synchronization-jobs", []string{"kms"}, "kms", false, []string{"viewkeystore"}},
		{"oci-keys", "oci", "key", "cckm/oci/synchronization-jobs", []string{"vaults"}, "vault", false, []string{"view"}},
		{"sap-keys", "sap", "key", "cckm/sap/synchronization-jobs", []string{"groups"}, "group", false, []string{"view"}},
		{"sfdc-keys", "sfdc", "key", "cckm/sfdc/keys/synchronization-jobs", []string{"organizations", "organization_ids"}, "organization", false, nil},
		{"sfdc-certificates", "sfdc", "certificate", "cckm/sfdc/certificates/synchronization-jobs", []string{"organizations", "organization_ids"}, "organization", false, nil},
		{"dsm-keys", "dsm", "key", "cckm/dsm/refresh", []string{"domains"}, "domain", false, nil},
		{"external-cm-keys", "external-cm", "key", "cckm/external-cm/refresh", []string{"domains"}, "domain", false, nil},
		{"luna-keys", "luna", "key", "cckm/hsm/luna/refresh", []string{"partitions"}, "partition", false, nil},
		{"luna-synchronizations", "luna", "synchronization", "cckm/hsm/luna/synchronize", []string{"partitions"}, "partition", false, nil},
	}
	var got []row
	for _, l := range syncjob.Lists() {
		got = append(got, row{l.Name, l.Cloud, l.Item, l.Path, l.ScopeFields, l.Kind, l.Default, l.Permissions})
		if want := l.Cloud == "azure"; l.RegionPrefixed != want {
			t.Errorf("%s: region prefixed %t, want %t", l.Name, l.RegionPrefixed, want)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
	// Whoever gets the table may change it and changes nobody else's.
	syncjob.Lists()[0].ScopeFields[0] = "changed"
	if got := syncjob.Lists()[0].ScopeFields[0]; got != "key_rings" {
		t.Errorf("the table has become %q", got)
	}
}

// TestAccessHint pins the advice for a list that the user may not read.
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

// TestIdentify holds the parts of identifiers.
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
		{"azure-keys", "v::s", syncjob.Identifier{Name: "v", Subscription: "s"}},
		{"azure-secrets", "west/v::s", syncjob.Identifier{Name: "west/v", Subscription: "s"}},
		{"aws-keys", "123456789012/us-east-1", syncjob.Identifier{Name: "123456789012/us-east-1", Location: "us-east-1"}},
		{"aws-keys", "000000000001/us-gov-west-1", syncjob.Identifier{Name: "000000000001/us-gov-west-1", Location: "us-gov-west-1"}},
		{
			"aws-custom-key-stores", "123456789012/eusc-de-east-1",
			syncjob.Identifier{Name: "123456789012/eusc-de-east-1", Location: "eusc-de-east-1"},
		},
		{"oci-keys", "ocid1.vault.oc1.iad.a.b", syncjob.Identifier{Name: "ocid1.vault.oc1.iad.a.b", Location: "iad"}},
		{"oci-keys", "ocid1.vault.oc19.eu-frankfurt-2.b", syncjob.Identifier{Name: "ocid1.vault.oc19.eu-frankfurt-2.b", Location: "eu-frankfurt-2"}},

		// Other forms are names as a whole.
		{"google-keys", "demo-key-ring", whole("demo-key-ring")},
		{"google-keys", "projects/p/locations/l/keyRings", whole("projects/p/locations/l/keyRings")},
		{"google-keys", "projects/p/locations/l/keyRings/r/cryptoKeys/k", whole("projects/p/locations/l/keyRings/r/cryptoKeys/k")},
		{"google-keys", "projects/p/locations/l/keyrings/r", whole("projects/p/locations/l/keyrings/r")},
		{"google-keys", "folders/p/locations/l/keyRings/r", whole("folders/p/locations/l/keyRings/r")},
		{"google-keys", "projects/p/regions/l/keyRings/r", whole("projects/p/regions/l/keyRings/r")},
		{"google-keys", "projects//locations/l/keyRings/r", whole("projects//locations/l/keyRings/r")},
		{"google-keys", "projects/p/locations//keyRings/r", whole("projects/p/locations//keyRings/r")},
		{"google-keys", "projects/p/locations/l/keyRings/", whole("projects/p/locations/l/keyRings/")},
		{"google-keys", "v::s", whole("v::s")},
		{"azure-keys", "v", whole("v")},
		{"azure-keys", "v:s", whole("v:s")},
		{"azure-keys", "::s", whole("::s")},
		{"azure-keys", "v::", whole("v::")},
		{"azure-keys", "::", whole("::")},
		{"azure-keys", "projects/p/locations/l/keyRings/r", whole("projects/p/locations/l/keyRings/r")},
		{"azure-keys", "123456789012/us-east-1", whole("123456789012/us-east-1")},
		{"aws-keys", "acme-production", whole("acme-production")},
		{"aws-keys", "5f0c1d52-3a7b-4d0e-8d55-0b6a4c1f7e21", whole("5f0c1d52-3a7b-4d0e-8d55-0b6a4c1f7e21")},
		{"aws-keys", "a::b", whole("a::b")},
		{"aws-keys", "12345678901/us-east-1", whole("12345678901/us-east-1")},
		{"aws-keys", "1234567890123/us-east-1", whole("1234567890123/us-east-1")},
		{"aws-keys", "12345678901x/us-east-1", whole("12345678901x/us-east-1")},
		{"aws-keys", "acme/us-east-1", whole("acme/us-east-1")},
		{"aws-keys", "us-east-1/123456789012", whole("us-east-1/123456789012")},
		{"aws-keys", "123456789012/", whole("123456789012/")},
		{"aws-keys", "123456789012/prod", whole("123456789012/prod")},
		{"aws-keys", "123456789012/prod-1", whole("123456789012/prod-1")},
		{"aws-keys", "123456789012/us-east", whole("123456789012/us-east")},
		{"aws-keys", "123456789012/us-east-x", whole("123456789012/us-east-x")},
		{"aws-keys", "123456789012/us--1", whole("123456789012/us--1")},
		{"aws-keys", "123456789012/1s-east-1", whole("123456789012/1s-east-1")},
		{"aws-keys", "123456789012/US-East-1", whole("123456789012/US-East-1")},
		{"aws-keys", "123456789012/us-east-1/x", whole("123456789012/us-east-1/x")},
		{"aws-keys", "ocid1.vault.oc1.iad.a.b", whole("ocid1.vault.oc1.iad.a.b")},
		{"oci-keys", "acme-vault", whole("acme-vault")},
		{"oci-keys", "ocid1.vault.oc1..b", whole("ocid1.vault.oc1..b")},
		{"oci-keys", "ocid1.vault.oc1.iad", whole("ocid1.vault.oc1.iad")},
		{"oci-keys", "ocid1.vault.oc1.iad.", whole("ocid1.vault.oc1.iad.")},
		{"oci-keys", "ocid1.vault..iad.b", whole("ocid1.vault..iad.b")},
		{"oci-keys", "ocid1.key.oc1.iad.b", whole("ocid1.key.oc1.iad.b")},
		{"oci-keys", "ocid2.vault.oc1.iad.b", whole("ocid2.vault.oc1.iad.b")},
		{"oci-keys", "ocid1.vault.oc1.I AD.b", whole("ocid1.vault.oc1.I AD.b")},
		{"oci-keys", "123456789012/us-east-1", whole("123456789012/us-east-1")},
		{"sap-keys", "europe/Acme Finance", whole("europe/Acme Finance")},
		{"sfdc-keys", "00D5g00000AcmeUKEA0", whole("00D5g00000AcmeUKEA0")},
		{"dsm-keys", "ocid1.vault.oc1.iad.a.b", whole("ocid1.vault.oc1.iad.a.b")},
		{"external-cm-keys", "root/emea", whole("root/emea")},
		{"luna-keys", "projects/p/locations/l/keyRings/r", whole("projects/p/locations/l/keyRings/r")},
	} {
		l := list(t, test.list)
		if diff := cmp.Diff(test.want, l.Identify(test.scope)); diff != "" {
			t.Errorf("%s, %q (-want +got):\n%s", test.list, test.scope, diff)
		}
	}
}

// TestScopesOfAJob holds which scopes a job covers.
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
