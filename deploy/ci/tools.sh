#!/bin/sh
# Puts pinned tools below a directory, once: `tools.sh DIRECTORY [buf] [deny]`.
set -eu

DENY=0.20.2
BUF=1.75.0
tools=${1:?usage: tools.sh DIRECTORY [buf] [deny]}
shift
mkdir -p "$tools"

deny() {
    "$tools/bin/cargo-deny" --version 2>/dev/null | grep -q " $DENY\$" && return
    echo "building cargo-deny $DENY, once (some minutes)"
    cargo install --quiet --locked --root "$tools" --version "$DENY" cargo-deny
}

# The protocol's linter, and the gRPC client of the tests that is not ours.
buf() {
    "$tools/node_modules/.bin/buf" --version 2>/dev/null | grep -qx "$BUF" && return
    echo "installing buf $BUF"
    npm install --silent --no-fund --no-audit --prefix "$tools" "@bufbuild/buf@$BUF"
}

for tool in "$@"; do
    case $tool in
        buf | deny) "$tool" ;;
        *)
            echo "no tool is called $tool" >&2
            exit 2
            ;;
    esac
done
