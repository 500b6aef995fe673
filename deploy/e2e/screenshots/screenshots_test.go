// Package screenshots looks at the status page in a browser, and takes the
// screenshots that README shows.
package screenshots_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/web/statuspage"
	"cckm_sync_exporter/collector/web/statuspage/fleettest"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// update takes the screenshots: CCKM_TEST_ALL=1 go test ./deploy/e2e/screenshots -update.
var update = flag.Bool("update", false, "take the screenshots again")

// TestStatusPageInBrowser has Chromium open the page at several widths, in the
// light and in the dark, checks what can be checked, and uses it with the keyboard.
func TestStatusPageInBrowser(t *testing.T) {
	node, chromium := livetest.Program(t, "node"), livetest.Program(t, "chromium", "chromium-browser", "google-chrome")
	for _, module := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join("node_modules", module)); err != nil {
			t.Fatalf("%s is needed: run npm ci in deploy/e2e/screenshots: %s", module, err)
		}
	}
	mux := http.NewServeMux()
	for path, source := range map[string]fleettest.Source{
		"/": fleettest.Fleet(fleettest.Now()), "/large/": fleettest.Large(fleettest.Now(), 500), "/empty/": fleettest.Empty(fleettest.Now()),
	} {
		handler, err := statuspage.New(statuspage.Config{
			Targets: source.Targets, TelemetryPath: "/metrics", ProbePath: "/probe", DiscoveryPath: "/sd", Version: "1.0.0", Now: fleettest.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle(path, http.StripPrefix(strings.TrimSuffix(path, "/"), handler))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	args := []string{"look.mjs", chromium, server.URL + "/"}
	shots := t.TempDir()
	if *update {
		args = append(args, shots)
	}
	cmd := exec.CommandContext(t.Context(), node, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("look.mjs: %s\n%s", err, out)
	}
	var wrong []string
	if err := json.Unmarshal(out, &wrong); err != nil {
		t.Fatalf("look.mjs wrote %q: %s", out, err)
	}
	for _, sentence := range wrong {
		t.Error(sentence)
	}
	if *update {
		for _, name := range names() {
			shrink(t, filepath.Join(shots, name), name)
		}
	}
}

// names returns the screenshots' names, which look.mjs has as well.
func names() []string { return []string{"wide-light.png", "wide-dark.png", "narrow-dark.png"} }

// shrink writes a picture again with its 256 most frequent colours, which nobody
// sees and which makes it half as large.
func shrink(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[color.Color]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[picture.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	small := image.NewPaletted(bounds, colours[:min(256, len(colours))])
	draw.Draw(small, bounds, picture, bounds.Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestScreenshotsAreSmall keeps the pictures fit for a repository, and there.
func TestScreenshotsAreSmall(t *testing.T) {
	for _, name := range names() {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if size := info.Size(); size < 10_000 || size > 150_000 {
			t.Errorf("%s has %d bytes, want 10,000 to 150,000", name, size)
		}
	}
}
