package scrape_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/go-kit/log"
)

// logbook is a log for a test.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

// line has the values of a line by their keys.
type line map[string]any

func (l *logbook) logger() log.Logger { return log.NewJSONLogger(l) }

// Write implements io.Writer.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

// take returns the lines of the given levels since the last call, and drops the others.
func (l *logbook) take(t *testing.T, levels ...string) []line {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []line
	for text := range bytes.Lines(l.lines.Bytes()) {
		var one line
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if level, ok := one["level"].(string); !ok || slices.Contains(levels, level) {
			taken = append(taken, one)
		}
	}
	l.lines.Reset()
	return taken
}

// wantLines fails unless there are as many lines as wanted, each with the wanted values.
func wantLines(t *testing.T, what string, got []line, want ...line) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d: %v", what, len(got), len(want), got)
		return
	}
	for i := range want {
		for key, value := range want[i] {
			if got[i][key] != value {
				t.Errorf("%s: %s=%v, want %v, in %v", what, key, got[i][key], value, got[i])
			}
		}
	}
}
