#!/usr/bin/env bash
# build-rootfs.sh RELEASE DIR writes DIR/rootfs.tar: a minimal Debian RELEASE, such as
# bookworm, that systemd-nspawn boots. Needs mmdebstrap, root or sudo, and Debian's archive.
set -euo pipefail
release=$1 dir=$2
[[ $(id -u) -eq 0 ]] || exec sudo -n "$0" "$@"

mkdir -p "$dir"
mmdebstrap --quiet --mode=root --variant=minbase --include=systemd,systemd-sysv,dbus,curl,ca-certificates,procps,iproute2,rpm \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$release" "$dir/rootfs.tar"
