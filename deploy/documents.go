// Package deploy has the documents that the exporter serves, so that a user has those of the version that
// runs, without another host.
package deploy

import "embed"

// Documents are the documents of the exporter and the runbooks of the alerts, as Markdown.
//
//go:embed docs/*.md runbooks/*.md
var Documents embed.FS
