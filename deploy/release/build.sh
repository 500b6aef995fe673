#!/usr/bin/env bash
# build.sh FILE compiles the program for GOOS and GOARCH, stamped with VERSION,
# REVISION, BRANCH, BUILD_USER and BUILD_DATE. The same source, stamps and Go make
# the same bytes in any directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# --version and cckm_sync_exporter_build_info show them. The Dockerfile has the same line.
p=github.com/prometheus/common/version
CGO_ENABLED=0 GOFLAGS='' GOWORK=off go build -trimpath -buildvcs=false \
  -ldflags "-s -w -X '${p}.Version=${VERSION}' -X '${p}.Revision=${REVISION}' -X '${p}.Branch=${BRANCH}' -X '${p}.BuildUser=${BUILD_USER}' -X '${p}.BuildDate=${BUILD_DATE}'" \
  -o "$1" ./cmd/cckm_sync_exporter
