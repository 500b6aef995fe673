// Package documents_test holds the documents to what they tell of: it runs their
// commands, or names what does, and looks up their links, settings and names.
package documents_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// top is the repository.
const top = "../.."

// document is a Markdown file.
type document struct {
	// name is its path within the repository.
	name string
	// text is all of it, prose what is not in fences.
	text, prose string
	fences      []fence
}

// fence is a block of code.
type fence struct{ language, text string }

// command is something that a document tells its reader to type in.
type command struct {
	text string
	// block is the number of the block that it stands in, from 1, or 0 where it
	// stands in a sentence.
	block int
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documents returns every document of the repository, in order of their names.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	err := fs.WalkDir(os.DirFS(top), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata", "dist"}, entry.Name()) {
			return fs.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(path, ".md") {
			all = append(all, parse(path, read(t, path)))
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents: %v", len(all), err)
	}
	return all
}

// parse takes a document apart. A fence within a list is indented like the list.
func parse(name, text string) document {
	d := document{name: name, text: text}
	var prose []string
	var block strings.Builder
	open, language, indent := false, "", ""
	for line := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(trimmed, "```") && !open:
			open, language, indent = true, strings.TrimPrefix(trimmed, "```"), line[:len(line)-len(trimmed)]
			prose = append(prose, "")
		case strings.HasPrefix(trimmed, "```"):
			open = false
			d.fences = append(d.fences, fence{language, strings.TrimSuffix(block.String(), "\n")})
			block.Reset()
		case open:
			block.WriteString(strings.TrimPrefix(line, indent) + "\n")
		default:
			prose = append(prose, line)
		}
	}
	d.prose = strings.Join(prose, "\n")
	return d
}

// spans returns what stands between backticks in sentences.
func (d document) spans() []string {
	var all []string
	for paragraph := range strings.SplitSeq(d.prose, "\n\n") {
		for _, found := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(paragraph, -1) {
			all = append(all, strings.Join(strings.Fields(found[1]), " "))
		}
	}
	return all
}

// commands returns what the document has its reader type in.
func (d document) commands() []command {
	// The words that begin a command in a sentence. One word alone names a program.
	typed := regexp.MustCompile(`^(((\./)?cckm_sync_exporter|go|bash|sh|docker|curl|promtool|prometheus|alertmanager|amtool|apt|dnf|` +
		`systemctl|systemd-analyze|sed|npm|helm|kubectl|git|sha256sum|cosign|gh|install|kill|buildah|nfpm|sudo|make|python3|echo|cat) \S.*` +
		`|(once|check|serve|demo) --.*|(deploy/\S+\.sh|\.ci/run)( .*)?)$`)
	var all []command
	for _, span := range d.spans() {
		if typed.MatchString(span) {
			all = append(all, command{text: span})
		}
	}
	for i, f := range d.fences {
		if slices.Contains([]string{"sh", "bash", "shell", "console", ""}, f.language) {
			for _, line := range lines(f.text) {
				all = append(all, command{text: line, block: i + 1})
			}
		}
	}
	return all
}

// lines returns the commands of a script: without comments, and with what belongs
// together in one.
func lines(script string) []string {
	var all []string
	var ending string
	for line := range strings.SplitSeq(script, "\n") {
		last := len(all) - 1
		switch {
		case ending != "":
			all[last] += "\n" + line
			if line == ending {
				ending = ""
			}
		case last >= 0 && strings.HasSuffix(all[last], "\\"):
			all[last] = strings.TrimSuffix(all[last], "\\") + strings.TrimLeft(line, " ")
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		default:
			all = append(all, strings.TrimRight(regexp.MustCompile(`\s+# .*$`).ReplaceAllString(line, ""), " "))
			if here := regexp.MustCompile(`<<'?(\w+)'?$`).FindStringSubmatch(line); here != nil {
				ending = here[1]
			}
		}
	}
	return all
}
