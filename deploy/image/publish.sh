#!/usr/bin/env bash
# Builds the image for each platform, pushes all under one name, signs the name's digest,
# attaches to each platform's image the SBOM of its program, which release.sh wrote to
# dist/, and writes name and digest to GITHUB_OUTPUT.
#
#   TAG=v1.2.3 REGISTRY_USER=… REGISTRY_PASSWORD=… deploy/image/publish.sh
#
# IMAGE is the name that deploy/address has set, unless it is given, such as registry.example.com/owner/name.
# Needs buildah, jq, and cosign, which signs with the identity of the workflow.
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
read -ra platforms <<<"${PLATFORMS:-linux/amd64 linux/arm64 linux/arm/v7 linux/ppc64le linux/s390x linux/riscv64}"

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# sbom PLATFORM prints the name of the SBOM of linux/arm/v7, for example.
sbom() {
  local arch=${1#linux/}
  printf 'dist/cckm_sync_exporter-%s.linux-%s.cdx.json' "$version" "${arch//\//}"
}

for platform in "${platforms[@]}"; do
  [[ -e $(sbom "$platform") ]] || die "$(sbom "$platform") is missing, release.sh makes it"
done
# BUILDAH may contain options, as in build.sh.
read -ra buildah <<<"${BUILDAH:-buildah}"

# cosign and the attestation read the login from Docker's file.
export REGISTRY_AUTH_FILE=${DOCKER_CONFIG:-$HOME/.docker}/config.json
mkdir -p "${REGISTRY_AUTH_FILE%/*}"
"${buildah[@]}" login --username "$REGISTRY_USER" --password-stdin "${image%%/*}" <<<"$REGISTRY_PASSWORD"

list=localhost/cckm_sync_exporter:$version
"${buildah[@]}" manifest create "$list"
for platform in "${platforms[@]}"; do
  name=$list-${platform//\//-}
  # Go cross-compiles, so that nothing has to be emulated.
  VERSION=$version deploy/image/build.sh "$name" --platform "$platform"
  # Not all versions of buildah read the variant from the image.
  IFS=/ read -r _ _ variant <<<"$platform"
  "${buildah[@]}" manifest add ${variant:+--variant="$variant"} "$list" "containers-storage:$name"
done

digest_file=$(mktemp)
trap 'rm -f "$digest_file"' EXIT
"${buildah[@]}" manifest push --all --digestfile "$digest_file" "$list" "docker://$image:$version"
digest=$(<"$digest_file")
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || die "buildah wrote no digest: $digest"
cosign sign --yes "$image@$digest"

# The registry has the digests of what was pushed, which was compressed on its way.
index=$("${buildah[@]}" manifest inspect "$image@$digest")
for platform in "${platforms[@]}"; do
  # Some versions of buildah add a variant, such as linux/arm64/v8.
  digest_of=$(jq -r --arg platform "$platform/" '.manifests[]
    | select("\(.platform.os)/\(.platform.architecture)/\(.platform.variant // "")/" | startswith($platform)).digest' <<<"$index")
  [[ $digest_of =~ ^sha256:[0-9a-f]{64}$ ]] || die "the registry has no image of $platform: $index"
  cosign attest --yes --type cyclonedx --predicate "$(sbom "$platform")" "$image@$digest_of"
done
printf 'image=%s\ndigest=%s\n' "$image" "$digest" >>"${GITHUB_OUTPUT:-/dev/stdout}"
