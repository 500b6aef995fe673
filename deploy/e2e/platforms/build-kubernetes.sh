#!/usr/bin/env bash
# build-kubernetes.sh VERSION DIR builds kube-apiserver, kube-controller-manager and kubectl into DIR. The
# libraries that share Kubernetes' repository are v0.0.0 in its go.mod: v1.37.2 needs the released v0.37.2.
set -euo pipefail
version=$1 dir=$2
export GOFLAGS='' GOWORK=off

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dir"
dir=$(realpath "$dir")
cd "$work"
go mod init kubernetes
module=k8s.io/kubernetes
source=$(go mod download -json "$module@$version" | jq -r .Dir)
libraries=$(sed -n 's|^[[:space:]]*\(k8s.io/[a-z0-9-]*\) => ./staging.*|\1|p' "$source/go.mod")
for library in $libraries; do
  go mod edit -replace "$library=$library@v0.${version#v1.}"
done
programs=(kube-apiserver kube-controller-manager kubectl)
packages=("${programs[@]/#/$module/cmd/}")
go get -tool "${packages[@]/%/@$version}"

IFS=. read -r major minor _ <<<"${version#v}"
flags="-s -w -X k8s.io/client-go/pkg/version.gitVersion=$version"
for value in "gitVersion=$version" "gitMajor=$major" "gitMinor=$minor"; do
  flags+=" -X k8s.io/component-base/version.$value"
done
go build -ldflags "$flags" -o "$dir" "${packages[@]}"
