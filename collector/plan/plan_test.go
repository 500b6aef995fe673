package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/plan"
	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/schedule"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	sub  = "::260ecbe7-777b-4d3c-84ea-887620498867"
	id   = "c1000000-0000-4000-8000-000000000001"
	ocid = "ocid1.vault.oc1.iad.b.x"
)

// TestPlan checks what is known about each scope of a list: whether it is registered, its display name, when
// it was refreshed, and which schedules cover it.
func TestPlan(t *testing.T) {
	for name, test := range map[string]struct {
		list string
		// jobs are the scopes that jobs cover.
		jobs []string
		// schedules are params of schedules, called s0 and so on. The cloud is the list's.
		schedules []string
		// records are those of the inventory's paths; nil is an unknown inventory.
		records map[string][]string
		want    []string
	}{
		"without anything": {
			list: "google-keys", jobs: []string{"r"}, want: []string{"r job"},
		},
		"all, without inventory": {
			list: "google-keys", jobs: []string{"a", "b"}, schedules: []string{`"synchronize_all":true`}, want: []string{"a job s0", "b job s0"},
		},
		"all covers what is registered": {
			list: "google-keys", jobs: []string{"a", "gone"}, schedules: []string{`"synchronize_all":true`},
			records: map[string][]string{"cckm/google/key-rings": {`"name":"a"`, `"name":"new"`}},
			want:    []string{"a job registered s0", "gone job", "new registered s0"},
		},
		"no schedule": {
			list: "google-keys", jobs: []string{"a"}, schedules: []string{`"synchronize_all":null`, `"key_rings":[]`},
			records: map[string][]string{"cckm/google/key-rings": {}}, want: []string{"a job"},
		},
		"by name and id, with doubles": {
			list: "google-keys", jobs: []string{"a", "b"},
			schedules: []string{`"key_rings":["a","a"]`, `"key_rings":["id-b"]`, `"key_rings":["id-b2"]`},
			records:   map[string][]string{"cckm/google/key-rings": {`"id":"id-a","name":"a"`, `"id":"id-b","name":"b"`, `"id":"id-b2","name":"b"`, `"id":"id-b","name":"b"`}},
			want:      []string{"a job registered s0", "b job registered s1 s2"},
		},
		"two schedules for one scope": {
			list: "google-keys", jobs: []string{"a"}, schedules: []string{`"key_rings":["a"]`, `"synchronize_all":true`}, want: []string{"a job s0 s1"},
		},
		"names without inventory": {
			list: "google-keys", jobs: []string{"a"}, schedules: []string{`"key_rings":["a","never"]`, `"key_rings":["id-a"]`}, want: []string{"a job s0"},
		},
		"Azure ignores case": {
			list: "azure-keys", jobs: []string{"MyVault" + sub},
			schedules: []string{`"key_vaults":["MYVAULT` + sub + `"]`, `"key_vaults":["WestEurope/myvault` + sub + `"]`, `"key_vaults":["V-1"]`},
			records:   map[string][]string{"cckm/azure/vaults": {`"id":"v-1","name":"myvault` + sub + `","location":"westeurope","synced_at":"2026-05-01T02:00:31Z"`}},
			want:      []string{"MyVault" + sub + " job registered refreshed s0 s1 s2"},
		},
		"a managed HSM has keys": {
			list: "azure-keys", schedules: []string{`"synchronize_all":true`},
			records: map[string][]string{"cckm/azure/vaults": {`"name":"hsm","type":"managedHsm"`}}, want: []string{"hsm registered s0"},
		},
		"a managed HSM has no certificates": {
			list: "azure-certificates", jobs: []string{"hsm"}, schedules: []string{`"synchronize_all":true,"sync_items":["all"]`},
			records: map[string][]string{"cckm/azure/vaults": {`"name":"hsm","type":"managedHsm"`, `"name":"hsm2","type":"managedHsm"`, `"name":"v","type":"vault"`}},
			want:    []string{"hsm job", "v registered s0"},
		},
		"items of another list": {
			list: "azure-secrets", jobs: []string{"v"}, schedules: []string{`"synchronize_all":true`, `"synchronize_all":true,"sync_item":"secret"`}, want: []string{"v job s1"},
		},
		"what is archived, gone, deleted or pending": {
			list: "aws-keys", jobs: []string{"a", "both"}, schedules: []string{`"synchronize_all":true`},
			records: map[string][]string{"cckm/aws/kms": {
				`"name":"a","status":"archived"`, `"name":"b","gone":true`, `"name":"c","deleted":true`, `"name":"d","status":"PENDING_DELETION"`, `"name":"e","archived":true`,
				`"name":"both","status":"archived"`, `"name":"both","status":"active"`,
			}},
			want: []string{"a job", "both job registered s0"},
		},
		"regions of AWS": {
			list: "aws-keys", jobs: []string{"kms", "123456789012/eu-west-1", "123456789012/eu-west-3"}, schedules: []string{`"kms":["kms"]`},
			records: map[string][]string{"cckm/aws/kms": {`"id":"0b90","name":"kms","account_id":"123456789012","regions":["eu-west-1","eu-west-2"],"status":"active"`}},
			want:    []string{"123456789012/eu-west-1 job registered s0", "123456789012/eu-west-3 job", "kms job registered s0"},
		},
		"custom key stores have no schedule": {
			list: "aws-custom-key-stores", jobs: []string{"kms", "old", "1/eu-west-1"}, schedules: []string{`"synchronize_all":true`, `"kms":["kms"]`},
			records: map[string][]string{
				"cckm/aws/kms": {`"id":"0b90","name":"kms","account_id":"1","regions":["eu-west-1"]`, `"id":"0b91","name":"old"`, `"id":"0b92","name":"new"`},
				"cckm/aws/custom-key-stores": {
					`"id":"1","name":"store","kms":"0b90","region":"eu-west-1"`, `"id":"2","name":"store2","kms":"old","region":"eu-west-1","gone":true`, `"id":"3","kms":"new","region":"x"`,
				},
			},
			want: []string{"1/eu-west-1 job registered", "kms job registered", "new registered", "old job"},
		},
		"OCI by id": {
			list: "oci-keys", jobs: []string{id}, schedules: []string{`"oci_vaults":["` + ocid + `"]`, `"oci_vaults":["v"]`},
			records: map[string][]string{"cckm/oci/vaults": {`"id":"` + id + `","vault_id":"` + ocid + `","display_name":"v","lifecycle_state":"ACTIVE","vault_type":"DEFAULT","refreshed_at":"2026-05-01T02:00:31Z"`}},
			want:    []string{id + " (v) job registered refreshed s0 s1"},
		},
		"OCI by OCID": {
			list: "oci-keys", jobs: []string{ocid}, schedules: []string{`"oci_vaults":["` + id + `"]`},
			records: map[string][]string{"cckm/oci/vaults": {`"id":"` + id + `","vault_id":"` + ocid + `","display_name":"v","vault_type":"DEFAULT"`, `"id":"x","vault_type":"EXTERNAL"`}},
			want:    []string{ocid + " job registered s0"},
		},
		"a name of two vaults means none": {
			list: "oci-keys", schedules: []string{`"oci_vaults":["v"]`},
			records: map[string][]string{"cckm/oci/vaults": {`"id":"1","display_name":"v"`, `"id":"2","display_name":"v"`}},
			want:    []string{"1 registered", "2 registered"},
		},
		"SAP by id or name": {
			list: "sap-keys", jobs: []string{"Finance", "g-2"}, schedules: []string{`"groups":["1"]`, `"groups":["Hr"]`},
			records: map[string][]string{"cckm/sap/groups": {`"id":"1","group_id":"g-1","Name":"Finance"`, `"id":"2","group_id":"g-2","Name":"Hr"`, `"id":"3","group_id":"g-3","Name":"New"`}},
			want:    []string{"3 registered", "Finance job registered s0", "g-2 job registered s1"},
		},
		"SFDC's certificates have no schedule": {
			list: "sfdc-certificates", jobs: []string{id}, schedules: []string{`"synchronize_all":true`},
			records: map[string][]string{"cckm/sfdc/organizations": {`"id":"` + id + `","name":"Thales"`}}, want: []string{id + " (Thales) job registered"},
		},
		"SFDC by name": {
			list: "sfdc-keys", schedules: []string{`"organizations":["Thales"]`, `"organizations":["00DB"]`},
			records: map[string][]string{"cckm/sfdc/organizations": {`"id":"` + id + `","name":"Thales","organization_id":"00DB"`}}, want: []string{id + " (Thales) registered s0 s1"},
		},
		"DSM": {
			list: "dsm-keys", jobs: []string{id}, schedules: []string{`"domains":["` + id + `"]`},
			records: map[string][]string{"cckm/dsm/domains": {`"id":"` + id + `","dsm_params":{"name":"finance"}`}}, want: []string{id + " (finance) job registered s0"},
		},
		"external CM": {
			list: "external-cm-keys", jobs: []string{id},
			records: map[string][]string{"cckm/external-cm/domains": {`"id":"` + id + `","cm_domain":"root/emea","name":"n","dsm_params":[]`}}, want: []string{id + " (root/emea) job registered"},
		},
		"Luna": {
			list: "luna-keys", schedules: []string{`"partitions":["signing"]`},
			records: map[string][]string{"cckm/hsm/luna/partitions": {`"id":"p-1","name":"signing"`}}, want: []string{"p-1 registered s0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			lists := syncjob.Lists()
			list := &lists[slices.IndexFunc(lists, func(l syncjob.List) bool { return l.Name == test.list })]
			clouds := map[string]string{"google": "gcp", "azure": "AzureCloud", "luna": "hsm-luna"}
			schedules := schedule.NewBuilder(func(text string) string { return text })
			for i, params := range test.schedules {
				cloud := list.Cloud
				if other := clouds[cloud]; other != "" {
					cloud = other
				}
				record := fmt.Sprintf(`"id":"%d","name":"s%d","run_at":"0 2 * * *","job_config_params":{"cloud_name":%q,%s}`, i, i, cloud, params)
				decode(t, []string{record}, schedules.Add)
			}
			var inv *inventory.Inventory
			if test.records != nil {
				b := inventory.NewBuilder(func(text string) string { return text })
				for _, path := range inventory.Paths(list.Cloud, []syncjob.List{*list}) {
					decode(t, test.records[path], func(r *inventory.Record) (bool, error) { return b.Add(path, r) })
				}
				inv = b.Inventory()
			}
			summary := &syncjob.Summary{}
			for _, name := range test.jobs {
				summary.Scopes = append(summary.Scopes, syncjob.Scope{Name: name})
			}
			got := make([]string, 0, len(test.want))
			for _, s := range plan.Of(list, summary, schedules.Schedules(), inv) {
				got = append(got, describe(&s))
				if s.InventoryKnown != (inv != nil) {
					t.Errorf("%s: the inventory is known: %t", s.Name, s.InventoryKnown)
				}
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// decode decodes records, and adds them.
func decode[R any](t *testing.T, records []string, add func(*R) (bool, error)) {
	t.Helper()
	page := `{"total":0,"resources":[]}`
	if len(records) > 0 {
		page = `{"total":1,"resources":[{` + strings.Join(records, "},{") + `}]}`
	}
	_, err := recordjson.Decode(bytes.NewReader([]byte(page)), func(r *R) error {
		_, err := add(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func describe(s *plan.Scope) string {
	words := []string{s.Name}
	if s.DisplayName != "" {
		words = append(words, "("+s.DisplayName+")")
	}
	if s.Job != nil {
		words = append(words, "job")
	}
	if s.Registered {
		words = append(words, "registered")
	}
	if !s.RefreshedAt.IsZero() {
		words = append(words, "refreshed")
	}
	for _, schedule := range s.Schedules() {
		words = append(words, schedule.Label)
	}
	return strings.Join(words, " ")
}

// TestCreatedAt checks that nothing is due before a container was registered, of double records the first
// one.
func TestCreatedAt(t *testing.T) {
	list := syncjob.Lists()[0]
	schedules := schedule.NewBuilder(func(text string) string { return text })
	decode(t, []string{`"id":"1","run_at":"0 2 * * *","job_config_params":{"cloud_name":"gcp","synchronize_all":true}`}, schedules.Add)
	b := inventory.NewBuilder(func(text string) string { return text })
	decode(t, []string{
		`"name":"new","createdAt":"2026-11-20T03:00:00Z"`, `"name":"old","createdAt":"2026-11-20T03:00:00Z"`, `"name":"old","createdAt":"2026-11-19T03:00:00Z"`,
		`"name":"undated","createdAt":"0001-01-01T00:00:00Z"`,
	}, func(r *inventory.Record) (bool, error) { return b.Add("cckm/google/key-rings", r) })
	now := time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
	for _, s := range plan.Of(&list, &syncjob.Summary{}, schedules.Schedules(), b.Inventory()) {
		times := s.Times(now)
		if isDue := !times.Due.IsZero(); isDue != (s.Name != "new") || times.Next.IsZero() {
			t.Errorf("%s: due %v, next %v", s.Name, times.Due, times.Next)
		}
	}
}

// FuzzPlan checks that no inventory makes the join panic, or name a scope twice.
func FuzzPlan(f *testing.F) {
	for _, page := range []string{
		`{"total":1,"resources":[{"id":"v-1","name":"myvault::s","location":"westeurope","type":"vault","synced_at":"2026-05-01T02:00:31Z"}]}`,
		`{"total":2,"resources":[{"id":"0b90","name":"kms","account_id":"1","regions":["a","a",null],"status":"active"},{"name":"KMS","kms":"kms","region":"a"}]}`,
		`{"total":1,"resources":[{"id":"a","vault_id":"b","group_id":"a","Name":"b","display_name":{},"dsm_params":{"name":7},"gone":"true"}]}`,
		`{"total":1,"resources":[{}]}`, `{"total":0,"resources":null}`, `[`,
	} {
		f.Add([]byte(page))
	}
	now := time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, page []byte) {
		schedules := schedule.NewBuilder(func(text string) string { return text })
		decode(t, []string{`"id":"1","run_at":"0 2 * * *","job_config_params":{"cloud_name":"AzureCloud","sync_items":["all"],"key_vaults":["a","v-1"]}`}, schedules.Add)
		for _, list := range syncjob.Lists() {
			b := inventory.NewBuilder(func(text string) string { return text })
			for _, path := range inventory.Paths(list.Cloud, []syncjob.List{list}) {
				_, _ = recordjson.Decode(bytes.NewReader(page), func(r *inventory.Record) error {
					_, err := b.Add(path, r)
					return err
				})
			}
			summary := &syncjob.Summary{Scopes: []syncjob.Scope{{Name: "a"}, {Name: "myVault::s"}}}
			keys := map[string]bool{}
			for _, s := range plan.Of(&list, summary, schedules.Schedules(), b.Inventory()) {
				if key := list.ScopeKey(s.Name); keys[key] || s.Name == "" {
					t.Errorf("%s has the scope %q twice, or without a name", list.Name, s.Name)
				} else {
					keys[key] = true
				}
				s.Times(now)
			}
		}
	})
}
