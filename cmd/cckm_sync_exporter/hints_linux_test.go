package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
)

// flagOfTarget is a flag that a target of a file has a key for.
var flagOfTarget = regexp.MustCompile(`--(?:no-)?((?:ciphertrust|collector)\.[a-z-]*[a-z])`)

// TestHintsHaveKeys holds that everything in the packages which advises a flag
// advises a key of the file to those who have one, and that the file accepts it.
func TestHintsHaveKeys(t *testing.T) {
	texts := textsWithFlags(t, filepath.Join("..", "..", "collector"))
	if len(texts) < 15 {
		t.Fatalf("only %d texts with flags were found", len(texts))
	}
	app, _ := newApp()
	for _, flag := range app.Model().Flags {
		if strings.HasPrefix(flag.Name, "ciphertrust.") || strings.HasPrefix(flag.Name, "collector.") {
			texts = append(texts, "--"+flag.Name)
		}
	}
	target := config.Target{Source: "targets.yml:2"}
	for _, text := range texts {
		got := target.Hint(text)
		if strings.Contains(got, "--ciphertrust.") || strings.Contains(got, "--collector.") || strings.Contains(got, "--no-collector.") ||
			strings.Contains(got, "CM_PASSWORD") || !strings.HasSuffix(got, " (targets.yml:2)") {
			t.Errorf("%q becomes %q", text, got)
		}
		for _, flag := range flagOfTarget.FindAllStringSubmatch(text, -1) {
			if app.GetFlag(flag[1]) == nil {
				t.Errorf("%q names --%s, which is no flag", text, flag[1])
			}
			key, _, _ := strings.Cut(strings.TrimSuffix(target.Hint("--"+flag[1]), " (targets.yml:2)"), " ")
			wantKnownKey(t, key)
		}
	}
}

// wantKnownKey fails unless a file of targets accepts the key.
func wantKnownKey(t *testing.T, key string) {
	t.Helper()
	content := "targets:\n- {" + key + ": null}\n"
	if within, below, ok := strings.Cut(key, "."); ok {
		content = "targets:\n- {" + within + ": {" + below + ": null}}\n"
	}
	_, err := config.Load(write(t, t.TempDir(), "targets.yml", []byte(content)), config.Defaults{})
	if err == nil || !strings.Contains(err.Error(), "targets[0]."+key+": ") || strings.Contains(err.Error(), "unknown key") {
		t.Errorf("the key %q: %v", key, err)
	}
}

// textsWithFlags returns the constant texts below a directory that name a flag of
// an appliance. A hint in a call of a logger has none: no target translates it.
func textsWithFlags(t *testing.T, dir string) []string {
	t.Helper()
	var texts []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		// The pages of tests show what they are given.
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "fleettest") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && isLog(call) {
				for i, arg := range call.Args {
					if text, _ := constant(arg); text == "hint" && flagOfTarget.MatchString(first(constant(call.Args[i+1]))) {
						t.Errorf("%s: a hint in the log names a flag instead of a key", path)
					}
				}
			}
			expr, ok := node.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := constant(expr)
			if !ok {
				return true
			}
			if flagOfTarget.MatchString(text) {
				// The name of a list, in a format.
				texts = append(texts, strings.ReplaceAll(text, "-collector.%s", "-collector.google-keys"))
			}
			return false
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func isLog(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "Log"
}

func first(text string, _ bool) string { return text }

// constant returns the text of a literal, or of several that are joined.
func constant(expr ast.Expr) (string, bool) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, too := constant(e.Y)
		return left + right, ok && too && e.Op == token.ADD
	default:
		return "", false
	}
}

// TestHintsOfAFile holds that the log, the status page and check name the keys of a
// target and its line, also after the line has moved.
func TestHintsOfAFile(t *testing.T) {
	f := newTargetsFile(t)
	f.appliance.SetPassword("another-password")
	f.set(t, f.entry("one", ""))
	p := f.serve(t)
	p.request(t, http.MethodGet, "/probe?target=one", http.StatusOK)
	hint := "check username, the password (password_file), domain, auth_domain and connection, and whether the user is locked out (" + f.path + ":2)"
	p.await(t, `hint="`+hint+`"`)
	page := p.request(t, http.MethodGet, "/", http.StatusOK)
	if !strings.Contains(page, hint) {
		t.Errorf("the status page does not say %q:\n%s", hint, page)
	}
	if strings.Contains(p.log(), "--ciphertrust.") || strings.Contains(page, "--ciphertrust.") {
		t.Errorf("flags are advised:\n%s", p.log())
	}

	check := exec.CommandContext(t.Context(), executable(t), "check", "--config.file="+f.path)
	check.Env = append(slices.Clone(os.Environ()), actAsProgram+"=1")
	output, err := check.CombinedOutput()
	if err == nil || !strings.Contains(string(output), hint) || strings.Contains(string(output), "--ciphertrust.") {
		t.Errorf("check: %v\n%s", err, output)
	}

	f.set(t, "# a comment\n", f.entry("one", ""))
	p.request(t, http.MethodPost, "/-/reload", http.StatusOK)
	f.appliance.SetPassword(simulator.DefaultPassword)
	write(t, f.dir, "password", []byte(simulator.DefaultPassword+"\n"))
	f.appliance.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNotFound) })
	p.request(t, http.MethodGet, "/probe?target=one", http.StatusOK)
	if page := p.request(t, http.MethodGet, "/", http.StatusOK); !strings.Contains(page, f.path+":3)") {
		t.Errorf("the status page does not say line 3:\n%s", page)
	}
}
