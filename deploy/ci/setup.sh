#!/bin/sh
# Installs from the distribution's packages what is missing to build and, by what is asked for:
#
#   setup.sh engines   also to run tenant machines and registries: `make demo`, `make test`
#   setup.sh bench     also to measure beside Compose: `make bench`
#   setup.sh buf       also to install buf: `make check`, `make test`
#   setup.sh moto      also to log in to an AWS that moto plays: `make test`
#   setup.sh metrics   also to measure with a real Prometheus: `make test`
#
# Does nothing where everything is there.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
packages=""
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || packages="$packages $2"
}

need cc "gcc libc6-dev"
for part in "$@"; do
    case $part in
        engines)
            need dockerd docker.io
            # Its tests run without systemd, and with runc, which comes with docker.io.
            need podman podman
            [ -x /usr/lib/podman/netavark ] || packages="$packages netavark aardvark-dns"
            need docker-registry docker-registry
            need docker-compose docker-compose
            need skopeo skopeo
            need ip iproute2
            need iptables iptables
            need nsenter util-linux
            need curl curl
            need tar tar
            need jq jq
            ;;
        bench) need docker-compose docker-compose ;;
        buf) need npm npm ;;
        moto)
            need docker-credential-ecr-login amazon-ecr-credential-helper
            need openssl openssl
            # Debian's python3 has venv, but not what fills one.
            python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
            ;;
        metrics) need prometheus prometheus ;;
        *)
            echo "usage: setup.sh [engines] [bench] [buf] [moto] [metrics]" >&2
            exit 2
            ;;
    esac
done

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
