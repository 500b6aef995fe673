package scrape

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/syncjob"
)

// sanitizer makes the texts and ids in the summaries of one list safe to print: it redacts secrets,
// and replaces characters that control a terminal or the text around them. Names of scopes are
// identifiers and stay as they are.
type sanitizer struct {
	redact func(string) string

	mu sync.Mutex
	// last is the last summary, and sanitized the result for it.
	last, sanitized *syncjob.Summary
	// redacted maps the texts of that summary with secrets to their redacted forms. A text that stays
	// in the next summary stays redacted: redact forgets old tokens, and the appliance keeps texts.
	redacted map[string]string
}

// summary returns a sanitized summary. It returns its argument if nothing has to change, and the
// same pointer as before if the argument is the last one, so that callers can cache what they derive
// from the result.
func (s *sanitizer) summary(summary *syncjob.Summary) *syncjob.Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	if summary != s.last {
		p := sanitizerPass{sanitizer: s, texts: map[string]string{}, redacted: map[string]string{}}
		s.sanitized = p.summary(summary)
		s.last, s.redacted = summary, p.redacted
	}
	return s.sanitized
}

// sanitizerPass sanitizes one summary.
type sanitizerPass struct {
	sanitizer *sanitizer

	// texts maps the texts so far to their sanitized forms, and redacted those with secrets to their
	// redacted forms.
	texts, redacted map[string]string
	// changed is true if a result differs from its text. The caller resets it.
	changed bool
}

func (p *sanitizerPass) summary(from *syncjob.Summary) *syncjob.Summary {
	to := *from
	to.UnknownStatuses, to.UnknownTexts = p.list(from.UnknownStatuses), p.list(from.UnknownTexts)
	to.Future.ID = p.id(from.Future.ID)
	changed, copied := p.changed, false
	for i := range from.Scopes {
		p.changed = false
		scope := p.scope(from.Scopes[i])
		if !p.changed {
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

func (p *sanitizerPass) scope(scope syncjob.Scope) syncjob.Scope {
	scope.Newest.ID, scope.Newest.Text = p.id(scope.Newest.ID), p.text(scope.Newest.Text)
	scope.OldestInProgressID, scope.OldestInProgressText = p.id(scope.OldestInProgressID), p.text(scope.OldestInProgressText)
	if scope.Last == nil {
		return scope
	}
	if id, text := p.id(scope.Last.ID), p.text(scope.Last.Text); id != scope.Last.ID || text != scope.Last.Text {
		last := *scope.Last
		last.ID, last.Text = id, text
		scope.Last = &last
	}
	return scope
}

// id sanitizes a job's id. Nearly all are UUIDs, which stay as they are.
func (p *sanitizerPass) id(id string) string {
	if len(id) <= len("2f7c6f46-4b04-4f43-8b5d-000000000000") && strings.Trim(id, "0123456789abcdef-") == "" {
		return id
	}
	sanitized := printable.Shorten(p.text(id), syncjob.MaxText)
	p.changed = p.changed || sanitized != id
	return sanitized
}

func (p *sanitizerPass) list(texts []string) []string {
	sanitized := make([]string, len(texts))
	for i, text := range texts {
		sanitized[i] = p.text(text)
	}
	return sanitized
}

func (p *sanitizerPass) text(text string) string {
	if text == "" {
		return ""
	}
	sanitized, ok := p.texts[text]
	if !ok {
		redacted := p.redact(text)
		if redacted != text {
			p.redacted[text] = redacted
		}
		sanitized = printableText(redacted)
		p.texts[text] = sanitized
	}
	p.changed = p.changed || sanitized != text
	return sanitized
}

func (p *sanitizerPass) redact(text string) string {
	if redacted, ok := p.sanitizer.redacted[text]; ok {
		return redacted
	}
	if p.sanitizer.redact == nil {
		return text
	}
	return p.sanitizer.redact(text)
}

// printableText returns a text as one line of valid UTF-8. Characters that control a terminal or the
// direction of text become blanks.
func printableText(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.TrimSpace(text)
}
