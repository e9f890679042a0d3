#!/bin/sh
# Puts the pinned tools of `make check` below target/tools, once.
set -eu

DENY=0.20.2
BUF=1.75.0
tools=${1:?usage: tools.sh DIRECTORY}

mkdir -p "$tools"
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -q " $DENY\$"; then
    echo "building cargo-deny $DENY, once (some minutes)"
    cargo install --quiet --locked --root "$tools" --version "$DENY" cargo-deny
fi
if ! "$tools/node_modules/.bin/buf" --version 2>/dev/null | grep -qx "$BUF"; then
    echo "installing buf $BUF"
    npm install --silent --no-fund --no-audit --prefix "$tools" "@bufbuild/buf@$BUF"
fi
