// Command address sets where the project is published, in every file that refers to it. Without it, no
// file refers to an address.
//
//	go run ./deploy/address https://github.com/OWNER/cckm_sync_exporter
//	go run ./deploy/address -none
//
// published.env has what was set. The scripts that make packages, images and releases read that file.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// file is the one place that has the address; its path is within the repository.
const file = "deploy/address/published.env"

// address is where the project is published. Parts that are empty are not.
type address struct {
	// Repository is the URL of the repository's page, without a "/" at its end.
	Repository string
	// Image is the name of the image without a tag, and Charts the place of the chart in a registry.
	Image, Charts string
	// Maintainer is the name and mail address in packages.
	Maintainer string
}

func main() {
	changed, err := run(os.Args[1:], ".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	for _, name := range changed {
		_, _ = fmt.Fprintln(os.Stdout, "changed", name)
	}
}

// run sets the address that the arguments have, in the repository at top. It returns the names of the
// files that changed.
func run(args []string, top string) ([]string, error) {
	var a address
	flags := flag.NewFlagSet("address", flag.ContinueOnError)
	flags.StringVar(&a.Image, "image", "", "name of the image without a tag; for a repository on GitHub, by default ghcr.io/OWNER/NAME")
	flags.StringVar(&a.Charts, "charts", "", "where charts are pushed to; by default beside the image, such as ghcr.io/OWNER/charts")
	flags.StringVar(&a.Maintainer, "maintainer", "", `name and mail address in packages, such as "Jane Doe <jane@example.com>"`)
	none := flags.Bool("none", false, "forget the address")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	switch {
	case *none && flags.NArg() == 0 && flags.NFlag() == 1:
	case !*none && flags.NArg() == 1:
		a.Repository = strings.TrimSuffix(flags.Arg(0), "/")
		if err := a.complete(); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("exactly one argument is required, the URL of the repository's page, or -none alone; see -help")
	}
	return a.apply(top)
}

// complete derives what is not given, and validates all.
func (a *address) complete() error {
	if !regexp.MustCompile(`^https://[\w.-]+(:\d+)?(/[\w.-]+){2,}$`).MatchString(a.Repository) {
		return fmt.Errorf("%q is not the URL of a repository, such as https://github.com/OWNER/NAME", a.Repository)
	}
	if path, ok := strings.CutPrefix(a.Repository, "https://github.com/"); ok && a.Image == "" {
		a.Image = "ghcr.io/" + strings.ToLower(path)
	}
	if a.Image == "" {
		return errors.New("-image is required, because the registry of this host is not known")
	}
	if a.Charts == "" {
		a.Charts = a.Image[:strings.LastIndex(a.Image, "/")+1] + "charts"
	}
	for _, name := range []string{a.Image, a.Charts} {
		if !regexp.MustCompile(`^[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`).MatchString(name) {
			return fmt.Errorf("%q is not a name in a registry without a tag, such as registry.example.com/owner/name", name)
		}
	}
	if a.Maintainer != "" && !regexp.MustCompile(`^[^'<>]+ <[^'<>\s]+@[^'<>\s]+>$`).MatchString(a.Maintainer) {
		return fmt.Errorf(`%q is not of the form "Jane Doe <jane@example.com>"`, a.Maintainer)
	}
	return nil
}

// edit replaces what the pattern matches in a file, which must be exactly one place. The replacement
// is literal, except that $1 and so on are the pattern's groups.
type edit struct{ name, pattern, replacement string }

// edits are all places that have the address.
func (a *address) edits() []edit {
	const chart = "deploy/helm/cckm-sync-exporter/"
	registry, image, _ := strings.Cut(a.Image, "/")
	home, runbooks, repository := "", "", "https://github.com/OWNER/REPOSITORY"
	if a.Repository != "" {
		home = "home: " + a.Repository + "\nsources: [" + a.Repository + "]\n"
		runbooks, repository = a.Repository+"/blob/main/deploy/runbooks", a.Repository
	} else {
		image = "cckm_sync_exporter"
	}
	manifests := registry
	if manifests == "" {
		manifests = "registry.example.com"
	}
	_, path, _ := strings.Cut(repository, "://")
	return []edit{
		{file, `(?m)^REPOSITORY=.*$`, "REPOSITORY='" + a.Repository + "'"},
		{file, `(?m)^IMAGE=.*$`, "IMAGE='" + a.Image + "'"},
		{file, `(?m)^CHARTS=.*$`, "CHARTS='" + a.Charts + "'"},
		{file, `(?m)^MAINTAINER=.*$`, "MAINTAINER='" + a.Maintainer + "'"},

		{chart + "Chart.yaml", `(?m)^(kubeVersion: .*\n)(?:home: .*\nsources: .*\n)?`, "${1}" + home},
		{chart + "values.yaml", `(?m)^(image:\n.*\n  registry: ).*\n(.*\n  repository: ).*$`, "${1}" + quoted(registry) + "\n${2}" + image},
		{chart + "README.md", "(?m)^(\\| `image\\.registry` \\| )`[^`]*`", "${1}`\"" + registry + "\"`"},
		{chart + "README.md", "(?m)^(\\| `image\\.repository` \\| )`[^`]*`", "${1}`\"" + image + "\"`"},
		{"deploy/kubernetes/values/values.yaml", `(?m)^(image:\n  registry: ).*$`, "${1}" + manifests},
		{"deploy/kubernetes/exporter.yaml", `(?m)^( *image: ")[^:"]*(:\d+/[^:"]*)?(:[^:"]*")$`, "${1}" + manifests + "/" + image + "${3}"},

		{"deploy/prometheus/cckm_sync_thresholds.yml", `(runbooks: )"[^"]*"`, `${1}"` + runbooks + `"`},
		{"deploy/kubernetes/prometheusrule.yaml", `(?m)^( *runbooks: ).*$`, "${1}" + quoted(runbooks)},

		{".github/SECURITY.md", `(--certificate-identity=)\S+(/\.github/workflows/)`, "${1}" + repository + "${2}"},
		{".github/SECURITY.md", `(--repo )\S+`, "${1}" + strings.TrimPrefix(path, "github.com/")},
	}
}

// quoted returns a scalar of YAML as Helm writes it.
func quoted(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

// apply makes all edits, and returns the names of the files that changed. If one is impossible, none is made.
func (a *address) apply(top string) ([]string, error) {
	before, after := map[string]string{}, map[string]string{}
	var names []string
	for _, e := range a.edits() {
		text, known := after[e.name]
		if !known {
			content, err := os.ReadFile(filepath.Join(top, e.name))
			if err != nil {
				return nil, fmt.Errorf("run this at the top of the repository: %w", err)
			}
			text = string(content)
			before[e.name] = text
			names = append(names, e.name)
		}
		pattern := regexp.MustCompile(e.pattern)
		if found := len(pattern.FindAllStringIndex(text, -1)); found != 1 {
			return nil, fmt.Errorf("%s: %d places match %s, want 1", e.name, found, e.pattern)
		}
		after[e.name] = pattern.ReplaceAllString(text, e.replacement)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return before[name] == after[name] })
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(top, name), []byte(after[name]), 0o644); err != nil { //nolint:gosec // The files are for everybody.
			return nil, err
		}
	}
	return names, nil
}
