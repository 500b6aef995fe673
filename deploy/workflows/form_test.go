package workflows_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestProblemForm holds that reporters are asked for what a problem is found by, in
// a form that GitHub can show: it drops one with a mistake without a word.
func TestProblemForm(t *testing.T) {
	var form struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
		Body        []struct {
			Type       string `yaml:"type"`
			ID         string `yaml:"id"`
			Attributes struct {
				Label, Description, Render, Value string
			} `yaml:"attributes"`
			Validations struct {
				Required bool `yaml:"required"`
			} `yaml:"validations"`
		} `yaml:"body"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(read(t, ".github", "ISSUE_TEMPLATE", "problem.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&form); err != nil {
		t.Fatal(err)
	}
	if form.Name == "" || form.Description == "" {
		t.Error("the form has no name or no description")
	}
	asked := map[string]string{}
	for _, field := range form.Body {
		if field.Type == "markdown" {
			continue
		}
		if field.ID == "" || field.Attributes.Label == "" || asked[field.ID] != "" {
			t.Errorf("a field has no id or label of its own: %+v", field)
		}
		asked[field.ID] = field.Attributes.Description + " "
		if field.Validations.Required {
			asked[field.ID] += "required"
		}
	}
	for id, wants := range map[string][]string{
		"check": {"`cckm_sync_exporter check`", "required"}, "version": {"`cckm_sync_exporter --version`", "required"},
		"log": {"`--log.level=debug`"},
	} {
		for _, want := range wants {
			if !strings.Contains(asked[id], want) {
				t.Errorf("the field %s has no %s: %q", id, want, asked[id])
			}
		}
	}
}
