#!/usr/bin/env bash
# build-alertmanager.sh VERSION DIR builds alertmanager and amtool into DIR. Alertmanager embeds its
# pages, which its module does not have: they are empty here.
set -euo pipefail
version=$1 dir=$2
export GOFLAGS='' GOWORK=off

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
dir=$(realpath "$dir")
cd "$work"
go mod init alertmanager
module=github.com/prometheus/alertmanager
go get -tool "$module/cmd/alertmanager@$version" "$module/cmd/amtool@$version"
cp -r "$(go list -m -f '{{.Dir}}' "$module")" copy
chmod -R u+w copy
mkdir -p copy/ui/app/dist
touch copy/ui/app/dist/index.html
go mod edit -replace "$module=./copy"
for program in alertmanager amtool; do
  go build -ldflags "-X github.com/prometheus/common/version.Version=${version#v}" -o "$dir/$program" "$module/cmd/$program"
done
