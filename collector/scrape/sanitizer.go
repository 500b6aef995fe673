package scrape

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"cckm_sync_exporter/collector/syncjob"
)

// words makes the appliance's own words in the summaries of one list fit to be
// shown: without secrets, and without characters that do something to a terminal
// or to the text around them. Names of scopes are identifiers and stay as they are.
type sanitizer struct {
	redact func(string) string

	mu sync.Mutex
	// from is the summary that came last, and to what was made of it.
	from, to *syncjob.Summary
	// hidden holds what is shown of the texts of that summary which repeated a
	// secret. It goes on for as long as they do: the client forgets old tokens, and
	// the appliance does not forget texts.
	hidden map[string]string
}

// summary returns a summary that can be shown: the very same one where nothing is to
// be hidden, and the same one again for a summary that comes again, so that what is
// made of it can be kept.
func (s *sanitizer) summary(summary *syncjob.Summary) *syncjob.Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	if summary != s.from {
		r := reading{sanitizer: s, seen: map[string]string{}, secret: map[string]string{}}
		s.to = r.summary(summary)
		s.from, s.hidden = summary, r.secret
	}
	return s.to
}

// reading is the words of one summary on their way.
type reading struct {
	*sanitizer

	// seen holds the texts so far and what is shown of them; secret holds those that
	// repeat a secret.
	seen, secret map[string]string
	// different is true once something else is shown than what came.
	different bool
}

func (r *reading) summary(from *syncjob.Summary) *syncjob.Summary {
	to := *from
	to.UnknownStatuses, to.UnknownTexts = r.texts(from.UnknownStatuses), r.texts(from.UnknownTexts)
	to.Future.ID = r.id(from.Future.ID)
	changed, copied := r.different, false
	for i := range from.Scopes {
		r.different = false
		scope := r.scope(from.Scopes[i])
		if !r.different {
			continue
		}
		if !copied {
			changed, copied, to.Scopes = true, true, slices.Clone(from.Scopes)
		}
		to.Scopes[i] = scope
	}
	if !changed {
		return from
	}
	return &to
}

func (r *reading) scope(scope syncjob.Scope) syncjob.Scope {
	scope.Newest.ID, scope.Newest.Text = r.id(scope.Newest.ID), r.text(scope.Newest.Text)
	scope.OldestInProgressID, scope.OldestInProgressText = r.id(scope.OldestInProgressID), r.text(scope.OldestInProgressText)
	if scope.Last == nil {
		return scope
	}
	if id, text := r.id(scope.Last.ID), r.text(scope.Last.Text); id != scope.Last.ID || text != scope.Last.Text {
		last := *scope.Last
		last.ID, last.Text = id, text
		scope.Last = &last
	}
	return scope
}

// id returns what is shown of a job's id, which is a UUID as a rule.
func (r *reading) id(id string) string {
	if len(id) <= len("2f7c6f46-4b04-4f43-8b5d-000000000000") && strings.Trim(id, "0123456789abcdef-") == "" {
		return id
	}
	return syncjob.Shorten(r.text(id))
}

func (r *reading) texts(texts []string) []string {
	shown := make([]string, len(texts))
	for i, text := range texts {
		shown[i] = r.text(text)
	}
	return shown
}

func (r *reading) text(text string) string {
	if text == "" {
		return ""
	}
	shown, ok := r.seen[text]
	if !ok {
		shown = r.withoutSecrets(text)
		if shown != text {
			r.secret[text] = shown
		}
		shown = harmless(shown)
		r.seen[text] = shown
	}
	r.different = r.different || shown != text
	return shown
}

func (r *reading) withoutSecrets(text string) string {
	if shown, ok := r.hidden[text]; ok {
		return shown
	}
	if r.redact == nil {
		return text
	}
	return r.redact(text)
}

// harmless returns a text as one line of valid UTF-8, in which no character
// controls a terminal or the direction of what follows.
func harmless(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.TrimSpace(text)
}
