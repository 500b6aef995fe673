// Command sbom writes a bill of materials of a Go program as CycloneDX 1.6 JSON:
// the modules that the linker put into it, as the program itself tells.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bom is as much of CycloneDX as a Go program has to say.
type bom struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Scope   string `json:"scope,omitempty"`
	URL     string `json:"purl"`
}

func main() {
	version := flag.String("version", "", "version of the program, which it does not tell of itself")
	seconds := flag.Int64("time", 0, "when it was made, in seconds since the epoch")
	flag.Parse()
	if err := write(os.Stdout, flag.Arg(0), *version, time.Unix(*seconds, 0)); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: error: %v\n", err)
		os.Exit(1)
	}
}

// write writes the bill of materials of a program.
func write(out io.Writer, program, version string, at time.Time) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("the program's modules cannot be read: %w", err)
	}
	main := module("application", info.Main.Path, version)
	list := bom{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{Timestamp: at.UTC().Format(time.RFC3339), Component: main},
		// Most advisories for Go programs are about the standard library.
		Components: []component{required("std", strings.TrimPrefix(info.GoVersion, "go"))},
	}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		list.Components = append(list.Components, required(dependency.Path, dependency.Version))
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

func required(path, version string) component {
	c := module("library", path, version)
	c.Scope = "required"
	return c
}

// module names a module as https://github.com/package-url/purl-spec has it.
func module(kind, path, version string) component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: kind, Ref: purl, Name: path, Version: version, URL: purl}
}
