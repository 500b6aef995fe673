#!/bin/sh
# Builds the container image without a daemon. The same commit makes the same bytes,
# because every time in the image is that of the commit.
#
#   deploy/image/build.sh NAME [options of "buildah build" …]
#
# VERSION, REVISION and BUILD_DATE are git's unless they are set. Docker makes the
# same image with the same arguments and --output rewrite-timestamp=true.
set -eu

if [ $# -eq 0 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
name=$1
shift
cd "$(dirname "$0")/../.."

: "${REVISION=$(git rev-parse HEAD)}"
: "${VERSION=$(git describe --tags --always --dirty | sed 's/^v//')}"
: "${SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)}"
: "${BUILD_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)}"

case $(uname -m) in
  x86_64) machine=amd64 ;;
  aarch64) machine=arm64 ;;
  *) machine=$(uname -m) ;;
esac

# shellcheck source=deploy/address/published.env
. deploy/address/published.env
if [ -n "$REPOSITORY" ]; then
  for label in source url documentation; do
    set -- --label "org.opencontainers.image.$label=$REPOSITORY" "$@"
  done
fi

# BUILDAH may contain options, such as another storage. Its versions before 1.31 do not set
# BUILDPLATFORM in FROM.
exec ${BUILDAH:-buildah} build --timestamp "$SOURCE_DATE_EPOCH" --build-arg "BUILDPLATFORM=linux/$machine" \
  --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" --build-arg "BUILD_DATE=$BUILD_DATE" \
  --tag "$name" "$@" .
