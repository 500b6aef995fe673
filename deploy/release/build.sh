#!/bin/sh
# build.sh FILE compiles the program for GOOS and GOARCH, stamped with VERSION, REVISION and
# BUILD_DATE. The same source, stamps and Go make the same bytes in any directory, so the
# program in the image is the one in the packages.
set -eu
cd "$(dirname "$0")/../.."

# --version and cckm_sync_exporter_build_info show the stamps. Who builds where is none of them.
p=github.com/prometheus/common/version
CGO_ENABLED=0 GOFLAGS='' GOWORK=off go build -trimpath -buildvcs=false \
  -ldflags "-s -w -X '$p.Version=$VERSION' -X '$p.Revision=$REVISION' -X '$p.Branch=HEAD' -X '$p.BuildUser=release' -X '$p.BuildDate=$BUILD_DATE'" \
  -o "$1" ./cmd/cckm_sync_exporter
