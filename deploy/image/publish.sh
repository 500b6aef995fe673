#!/usr/bin/env bash
# Builds the image for amd64 and arm64, pushes both under one name, signs the name's
# digest, and writes both to GITHUB_OUTPUT.
#
#   TAG=v1.2.3 REGISTRY_USER=… REGISTRY_PASSWORD=… deploy/image/publish.sh
#
# IMAGE is the name that deploy/address has set, unless it is given, such as registry.example.com/owner/name.
# Needs buildah, and cosign, which signs with the identity of the workflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

image=${IMAGE:-}
# shellcheck source=deploy/address/published.env
. deploy/address/published.env
image=${image:-$IMAGE}
: "${image:?IMAGE is not set: go run ./deploy/address sets it}"
: "${TAG:?is not set, it is the tag of the release}"
: "${REGISTRY_USER:?is not set}" "${REGISTRY_PASSWORD:?is not set}"
version=${TAG#v}
# BUILDAH may contain options, as in build.sh.
read -ra buildah <<<"${BUILDAH:-buildah}"

# cosign and the attestation read the login from Docker's file.
export REGISTRY_AUTH_FILE=${DOCKER_CONFIG:-$HOME/.docker}/config.json
mkdir -p "${REGISTRY_AUTH_FILE%/*}"
"${buildah[@]}" login --username "$REGISTRY_USER" --password-stdin "${image%%/*}" <<<"$REGISTRY_PASSWORD"

list=localhost/cckm_sync_exporter:$version
"${buildah[@]}" manifest create "$list"
for arch in amd64 arm64; do
  # Go cross-compiles, so that nothing has to be emulated.
  VERSION=$version deploy/image/build.sh "$list-$arch" --platform "linux/$arch"
  "${buildah[@]}" manifest add "$list" "containers-storage:$list-$arch"
done

digest_file=$(mktemp)
trap 'rm -f "$digest_file"' EXIT
"${buildah[@]}" manifest push --all --digestfile "$digest_file" "$list" "docker://$image:$version"
digest=$(<"$digest_file")
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || {
  printf 'error: buildah wrote no digest: %s\n' "$digest" >&2
  exit 1
}
cosign sign --yes "$image@$digest"
printf 'image=%s\ndigest=%s\n' "$image" "$digest" >>"${GITHUB_OUTPUT:-/dev/stdout}"
