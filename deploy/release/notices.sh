#!/bin/sh
# notices.sh prints the licenses of the code in the program for GOOS and GOARCH, which most
# of them require of redistributions: of each package, those in its directory and in the
# directories above, because a module may contain code of others.
set -eu
export LC_ALL=C CGO_ENABLED=0 GOFLAGS='' GOWORK=off
cd "$(dirname "$0")/../.."

packages=$(go list -deps -f '{{if .Standard}}go '"$(go env GOROOT)"' {{.Dir}}{{else if not .Module.Main}}{{.Module.Path}} {{.Module.Dir}} {{.Dir}}{{end}}' ./cmd/cckm_sync_exporter)
# A line for each module, and after it one for each of its files.
files=$(printf '%s\n' "$packages" | while read -r module root dir; do
  [ -n "$module" ] || continue
  printf '%s\n' "$module"
  while [ "${dir#"$root"}" != "$dir" ]; do
    for file in "$dir"/LICENSE* "$dir"/License* "$dir"/LICENCE* "$dir"/COPYING* "$dir"/NOTICE*; do
      [ ! -f "$file" ] || printf '%s\t%s\t%s\n' "$module" "${file#"$root"/}" "$file"
    done
    dir=${dir%/*}
  done
done | sort -u)

missing=$(printf '%s\n' "$files" | awk -F '\t' 'NF == 1 { lines[$1]++ } NF > 1 { delete lines[$1] } END { for (module in lines) print module }')
if [ -n "$missing" ]; then
  printf 'error: modules without a license: %s\n' "$missing" >&2
  exit 1
fi
printf '%s\n' "$files" | while IFS='	' read -r module name file; do
  [ -z "$file" ] || { printf '== %s: %s\n\n' "$module" "$name" && cat "$file" && printf '\n\n'; }
done
