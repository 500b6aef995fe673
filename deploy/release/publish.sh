#!/usr/bin/env bash
# Signs and publishes the files that release.sh wrote to dist/, for the tag that the
# workflow runs for, and writes name and digest of the chart to GITHUB_OUTPUT. It builds nothing.
#
#   TAG=v1.2.3 GH_TOKEN=… REGISTRY_USER=… REGISTRY_PASSWORD=… deploy/release/publish.sh
#
# CHARTS is the place that deploy/address has set, unless it is given, such as registry.example.com/owner/charts.
# Needs gh, helm, and cosign, which signs with the identity of the workflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

: "${TAG:?is not set, it is the tag of the release}"
charts=${CHARTS:-}
# shellcheck source=deploy/address/published.env
. deploy/address/published.env
charts=${charts:-$CHARTS}
: "${charts:?CHARTS is not set: go run ./deploy/address sets it}"
: "${REGISTRY_USER:?is not set}" "${REGISTRY_PASSWORD:?is not set}"
[[ $TAG =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "the tag $TAG is not of the form v1.2.3"
version=${TAG#v}

# Files of another tag, or changed on their way here, are not signed.
(cd dist && sha256sum --check --strict --quiet sha256sums.txt) || die "dist/ is not what release.sh made"
[[ -e dist/cckm_sync_exporter-$version.linux-amd64.tar.gz ]] || die "dist/ is not the release $TAG"

# The newest section of CHANGELOG.md; release.sh has compared it with the tag.
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
awk '/^## / { sections++; next } sections == 1' CHANGELOG.md >"$notes"
grep -q . "$notes" || die "CHANGELOG.md has no entries for $TAG"

cosign sign-blob --yes --bundle dist/sha256sums.txt.sigstore.json dist/sha256sums.txt

# cosign reads the login from Docker's file.
export HELM_REGISTRY_CONFIG=${DOCKER_CONFIG:-$HOME/.docker}/config.json
mkdir -p "${HELM_REGISTRY_CONFIG%/*}"
helm registry login --username "$REGISTRY_USER" --password-stdin "${charts%%/*}" <<<"$REGISTRY_PASSWORD"
pushed=$(helm push "dist/cckm-sync-exporter-$version.tgz" "oci://$charts" 2>&1) || die "$pushed"
digest=$(sed -n 's/^Digest: *//p' <<<"$pushed")
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || die "helm printed no digest: $pushed"
cosign sign --yes "$charts/cckm-sync-exporter@$digest"
printf 'chart=%s\ndigest=%s\n' "$charts/cckm-sync-exporter" "$digest" >>"${GITHUB_OUTPUT:-/dev/stdout}"

kind=()
[[ $version != *-* ]] || kind=(--prerelease)
# gh publishes a release after uploading all of its files.
gh release create "$TAG" --verify-tag --title "$TAG" --notes-file "$notes" "${kind[@]}" dist/*
