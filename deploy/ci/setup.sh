#!/bin/sh
# Installs from the distribution's packages what is missing for `make demo`, `make test`, and with
# the word "check" for `make check` too. Does nothing where everything is there.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
packages=""
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || packages="$packages $2"
}

need cc "gcc libc6-dev"
need dockerd docker.io
need docker-registry docker-registry
need skopeo skopeo
need ip iproute2
need iptables iptables
need nsenter util-linux
need curl curl
need tar tar
need jq jq
[ "${1:-}" != check ] || need npm npm

[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing:$packages; run as root, or install them" >&2
    exit 1
fi
command -v apt-get >/dev/null || {
    echo "missing:$packages; install them with this distribution's own tool" >&2
    exit 1
}
echo "installing:$packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word a package
apt-get install -y --no-install-recommends $packages ca-certificates >/dev/null 2>&1 || {
    apt-get update -q
    apt-get install -y --no-install-recommends $packages ca-certificates
}
