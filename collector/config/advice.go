package config

import (
	"slices"
	"strings"
)

// unknown adds the mistake of an unknown key. It returns the key that was probably meant, or "".
func (r *reader) unknown(at place, key string, allowed []string, belongs func(string) (todo, meant string)) (meant string) {
	if todo, meant := belongs(key); todo != "" {
		r.addf(at, "unknown key; %s", todo)
		return meant
	}
	r.addf(at, "unknown key; %s", advise(key, allowed))
	return Closest(key, allowed)
}

// advise returns the word that was probably meant, or all allowed words.
func advise(word string, allowed []string) string {
	if meant := Closest(word, allowed); meant != "" {
		return "did you mean " + meant + "?"
	}
	if len(allowed) == 1 {
		return "allowed here is only " + allowed[0]
	}
	return "allowed here are " + enumerate(allowed)
}

// enumerate joins two or more words.
func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// Closest returns the allowed word that was probably meant: at most two bytes differ, or the word is
// its beginning. It returns "" if there is none.
func Closest(word string, allowed []string) string {
	const shortest, longest, slips = 3, 64, 2
	if len(word) < shortest || len(word) > longest {
		return ""
	}
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	best, least := "", slips+1
	for _, candidate := range allowed {
		if n := distance(word, strings.ReplaceAll(candidate, "-", "_")); n < least {
			best, least = candidate, n
		}
	}
	if best != "" {
		return best
	}
	i := slices.IndexFunc(allowed, func(candidate string) bool { return strings.HasPrefix(candidate, word) })
	if i < 0 {
		return ""
	}
	return allowed[i]
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
