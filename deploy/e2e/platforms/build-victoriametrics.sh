#!/usr/bin/env bash
# build-victoriametrics.sh VERSION DIR builds victoria-metrics and vmalert into DIR.
set -euo pipefail
version=$1 dir=$2
export GOFLAGS='' GOWORK=off CGO_ENABLED=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
dir=$(realpath "$dir")
cd "$work"
go mod init victoriametrics
module=github.com/VictoriaMetrics/VictoriaMetrics
programs=(victoria-metrics vmalert)
go get -tool "$module/app/victoria-metrics@$version" "$module/app/vmalert@$version"
for program in "${programs[@]}"; do
  go build -ldflags "-X $module/lib/buildinfo.Version=$program-$version" -o "$dir/$program" "$module/app/$program"
done
