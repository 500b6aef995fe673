package syncjob

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTextsAreClassifiedOnce checks that the meaning of each text is cached, also in a copy, until the
// cache is full.
func TestTextsAreClassifiedOnce(t *testing.T) {
	t.Parallel()
	s := NewSummarizer(Lists()[0])
	add := func(text string) {
		t.Helper()
		if err := s.Add(&Job{ID: "1", OverallStatus: OverallCompleted, Details: []Detail{{Key: "ring", Text: text}}}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	const texts = 10_000
	for i := range texts {
		add("done " + strconv.Itoa(i))
	}
	if got := len(s.Copy().texts.of); got != texts {
		t.Errorf("%d of %d texts are cached", got, texts)
	}
	for i := range texts {
		add(strings.Repeat("x", MaxText-5) + strconv.Itoa(i))
	}
	bytes := 0
	for text := range s.texts.of {
		bytes += len(text)
	}
	if bytes > maxMeaningBytes {
		t.Errorf("%d bytes of texts are cached, want at most %d", bytes, maxMeaningBytes)
	}
}
