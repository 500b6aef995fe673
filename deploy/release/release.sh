#!/usr/bin/env bash
# Builds everything of a release into dist/: programs in archives, deb and rpm
# packages, a bill of materials of each program, the Helm chart, and checksums.
#
#   deploy/release/release.sh              the tag on HEAD, such as v1.2.3
#   deploy/release/release.sh --snapshot   the current files, to try them out
#
# PLATFORMS="linux/amd64 linux/arm/v7" makes fewer of them. The same commit and tools make the same
# bytes: all times are the commit's. It signs and uploads nothing. Needs Linux, GNU tar, zip, jq, nfpm and cyclonedx-gomod.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC GOFLAGS='' GOWORK=off
unset GOAMD64 GOARM GOARM64 GOEXPERIMENT
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"

name=cckm_sync_exporter
# Debian does not allow underscores in the names of packages.
package=cckm-sync-exporter
read -ra platforms <<<"${PLATFORMS:-linux/amd64 linux/arm64 linux/arm/v7 linux/ppc64le linux/s390x linux/riscv64 darwin/arm64 freebsd/amd64 windows/amd64}"

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# The version of the newest section of CHANGELOG.md, and its date or "unreleased".
changelog_head() { sed -n 's|^## \(.*\) / \(.*\)$|\1 \2|p' CHANGELOG.md | sed -n 1p; }

# Sets VERSION, or fails if this cannot be released.
find_version() {
  local tag section dated changes
  changes=$(git status --porcelain)
  read -r section dated < <(changelog_head) || die "CHANGELOG.md has no section"
  if [[ ${1:-} == --snapshot ]]; then
    VERSION=$section-snapshot.g$(git rev-parse --short=12 HEAD)
    [[ -z $changes ]] || VERSION+=.dirty
    return
  fi
  [[ $# -eq 0 ]] || die "usage: release.sh [--snapshot]"
  tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null) ||
    die "there is no tag on HEAD: git tag v1.2.3, or use --snapshot"
  VERSION=${tag#v}
  [[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "the tag $tag is not of the form v1.2.3 or v1.2.3-rc.0"
  [[ -z $changes ]] || die "the tree has changes that $tag does not have: git status"
  [[ $section == "$VERSION" && $dated =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
    die "the first section of CHANGELOG.md is '$section / $dated', and for $tag it has to be '$VERSION / $(date +%F)'"
}

# make_archive GOOS GOARCH PROGRAM
make_archive() {
  local base=$name-$VERSION.$1-$2
  local dir=$work/archive/$base
  install -D -m 0755 -t "$dir" "$3"
  install -m 0644 -t "$dir" LICENSE README.md CHANGELOG.md "${3%/*}/THIRD_PARTY_NOTICES.txt"
  install -D -m 0644 -t "$dir/deploy/docs" deploy/docs/*.md
  install -D -m 0644 -t "$dir/deploy/runbooks" deploy/runbooks/*.md
  install -D -m 0644 -t "$dir/deploy/config" deploy/config/*
  if [[ $1 != windows ]]; then
    install -D -m 0644 -t "$dir/man" "$work/$name.1"
    install -D -m 0644 -t "$dir/completions" "$work/completions"/*
  fi
  if [[ $1 == linux ]]; then
    install -D -m 0644 -t "$dir/systemd" deploy/systemd/"$name".{service,socket} deploy/systemd/README.md
  fi
  find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  if [[ $1 == windows ]]; then
    (cd "$work/archive" && find "$base" -type f | sort | zip -q -X "$top/dist/$base.zip" -@)
  else
    tar -C "$work/archive" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner -c "$base" |
      gzip -n >"dist/$base.tar.gz"
  fi
}

# make_packages GOARCH PROGRAM makes the deb and the rpm. It prepares all files, so that
# nfpm.yaml only lists where they go.
make_packages() {
  local format dir=$work/packages-$1
  mkdir -p "$dir"
  cp -R deploy/packages/. "$dir"
  cp -R deploy/docs deploy/systemd deploy/prometheus deploy/grafana deploy/runbooks deploy/config "$work/completions" LICENSE README.md "$2" "$dir"
  [[ -z $REPOSITORY ]] || sed -i "s|^Upstream-Name: .*|&\nSource: $REPOSITORY|" "$dir/deb/copyright"
  gzip -n -9 -c "${2%/*}/THIRD_PARTY_NOTICES.txt" >"$dir/THIRD_PARTY_NOTICES.txt.gz"
  gzip -n -9 -c "$work/$name.1" >"$dir/$name.1.gz"
  gzip -n -9 -c CHANGELOG.md >"$dir/changelog.gz"
  # Debian's changelog is about the package, not the program.
  printf '%s (%s-1) stable; urgency=medium\n\n  * Release %s; what is new is in changelog.gz.\n\n -- %s  %s\n' \
    "$package" "${VERSION/-/\~}" "$VERSION" "$MAINTAINER" "$(date -R -d "@$SOURCE_DATE_EPOCH")" |
    gzip -n -9 >"$dir/changelog.Debian.gz"
  find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  for format in deb rpm; do
    (cd "$dir" && ARCH=$1 nfpm package --config nfpm.yaml --packager "$format" --target "$top/dist/" >/dev/null)
  done
}

# make_chart packs the Helm chart, which deploys the image of the same version. Unlike "helm package",
# it gives the same bytes each time.
make_chart() {
  local dir=$work/chart
  mkdir "$dir"
  # The rules and dashboards in the chart are links.
  cp -RL "deploy/helm/$package" "$dir"
  rm -r "$dir/$package/ci"
  sed -i "s/^version: .*/version: $VERSION/; s/^appVersion: .*/appVersion: $VERSION/" "$dir/$package/Chart.yaml"
  find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  tar -C "$dir" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner -c "$package" |
    gzip -n >"dist/$package-$VERSION.tgz"
}

# bill_of_materials GOOS GOARCH ARCH PROGRAM writes the SBOM of a program from the modules
# that Go recorded in it, with their hashes and licenses.
bill_of_materials() {
  local sbom=${4%/*}/sbom.json log=${4%/*}/sbom.log
  # Its URLs of packages name the platform of the environment.
  GOOS=$1 GOARCH=$2 cyclonedx-gomod bin -json -std -licenses -noserial -notimestamp -version "$VERSION" -output "$sbom" "$4" \
    2>"$log" || die "cyclonedx-gomod: $(<"$log")"
  # A module that cannot be downloaded lacks its license; the program's own module and std are not downloaded.
  jq --arg time "$BUILD_DATE" '
    .metadata.timestamp = $time | .metadata.component.licenses = [{license: {id: "Apache-2.0"}}]
    | if all(.components[]; .name == "std" or .evidence.licenses) then . else error("a license is missing") end
  ' "$sbom" >"dist/$name-$VERSION.$1-$3.cdx.json" || die "$(<"$log")"
}

# make_platform OS/ARCH[/VARIANT] makes the files of one platform.
make_platform() {
  local os goarch variant arch program
  IFS=/ read -r os goarch variant <<<"$1"
  arch=$goarch$variant
  program=$work/$os-$arch/$name
  [[ $os != windows ]] || program+=.exe
  [[ -e $program ]] || GOOS=$os GOARCH=$goarch GOARM=${variant#v} deploy/release/build.sh "$program"
  GOOS=$os GOARCH=$goarch deploy/release/notices.sh >"${program%/*}/THIRD_PARTY_NOTICES.txt"
  make_archive "$os" "$arch" "$program"
  # Packages call arm/v7 by another name.
  [[ $os != linux ]] || make_packages "$goarch${variant#v}" "$program"
  bill_of_materials "$os" "$goarch" "$arch" "$program"
}

find_version "$@"
[[ $(uname -s) == Linux ]] || die "needs Linux: the flags of the man page differ elsewhere"
for tool in go tar gzip zip jq nfpm cyclonedx-gomod; do
  command -v "$tool" >/dev/null || die "$tool is not installed"
done
REVISION=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
BUILD_DATE=$(date -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
# shellcheck source=deploy/address/published.env
. deploy/address/published.env
# A package needs an address: nobody can have one in .invalid.
: "${MAINTAINER:=cckm_sync_exporter maintainers <maintainers@cckm-sync-exporter.invalid>}"
export VERSION REVISION BUILD_DATE SOURCE_DATE_EPOCH MAINTAINER REPOSITORY

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$work"' EXIT
rm -rf dist
mkdir dist

# The program prints its man page and completions.
here=$work/linux-$(go env GOHOSTARCH)/$name
GOOS=linux GOARCH=$(go env GOHOSTARCH) deploy/release/build.sh "$here"
env -i "$here" --help-man >"$work/$name.1"
mkdir "$work/completions"
env -i "$here" --completion-script-bash >"$work/completions/$name.bash"
env -i "$here" --completion-script-zsh >"$work/completions/_$name"
# At the first <TAB>, zsh runs the file as the function, which would complete nothing.
# shellcheck disable=SC2016 # zsh expands it.
printf '[[ ${funcstack[1]-} != _%s ]] || _%s "$@"\n' "$name" "$name" >>"$work/completions/_$name"

# As many at once as there are processors.
running=()
for platform in "${platforms[@]}"; do
  make_platform "$platform" &
  running+=("$!")
  if ((${#running[@]} == $(nproc))); then
    wait "${running[0]}"
    running=("${running[@]:1}")
  fi
done
for job in "${running[@]}"; do wait "$job"; done
make_chart

cd dist
sha256sum -- * >"$work/sha256sums.txt"
install -m 0644 "$work/sha256sums.txt" .
printf '%s %s\n' "$name" "$VERSION"
ls -l --time-style=+
