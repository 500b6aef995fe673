package config

import (
	"regexp"
	"strings"
)

// flagInText is a flag that has an equivalent in the file, with its value.
var flagInText = regexp.MustCompile(`--(no-)?((?:ciphertrust|collector)\.([a-z0-9-]+))(?:=([^\s,;()]+))?`)

// Hint returns advice for the user of a target. If the target is from a file, flags
// in the text are replaced by the target's keys, and its place in the file is
// appended: the flags cannot be used together with the file.
func (t *Target) Hint(hint string) string {
	if t.Source == "" {
		return hint
	}
	if text := withKeys(hint); text != hint {
		return text + " (" + t.Source + ")"
	}
	return hint
}

// withKeys replaces the flags in a text by the keys of a target.
func withKeys(text string) string {
	// A file has no place for the password itself. The proxy is that of the environment unless it has one.
	text = strings.NewReplacer(" or CM_PASSWORD", "", "HTTPS_PROXY", "proxy_url or HTTPS_PROXY", "NO_PROXY", "no_proxy or NO_PROXY").Replace(text)
	return flagInText.ReplaceAllStringFunc(text, func(found string) string {
		parts := flagInText.FindStringSubmatch(found)
		no, flag, name, value := parts[1], parts[2], parts[3], parts[4]
		key, ok := keyOfFlag(flag)
		switch {
		case !ok && no != "":
			return "collectors without " + name
		case !ok:
			return "collectors with " + name
		case value != "":
			return key + ": " + value
		default:
			return key
		}
	})
}
