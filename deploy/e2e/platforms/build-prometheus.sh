#!/usr/bin/env bash
# build-prometheus.sh VERSION DIR builds prometheus and promtool into DIR. The module's v0.316.0 is
# Prometheus 3.16.0. HTTP is the only service discovery, since that of the clouds multiplies the time.
set -euo pipefail
version=$1 dir=$2
export GOFLAGS='' GOWORK=off

minor=$(cut -d . -f 2 <<<"$version")
release=${minor:0:1}.$((10#${minor:1})).$(cut -d . -f 3 <<<"$version")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
dir=$(realpath "$dir")
cd "$work"
go mod init prometheus
module=github.com/prometheus/prometheus
go get -tool "$module/cmd/prometheus@$version" "$module/cmd/promtool@$version"
for program in prometheus promtool; do
  go build -tags remove_all_sd -ldflags "-X github.com/prometheus/common/version.Version=$release" \
    -o "$dir/$program" "$module/cmd/$program"
done
