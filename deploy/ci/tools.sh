#!/bin/sh
# Puts pinned tools below a directory, once: `tools.sh DIRECTORY [buf] [deny] [moto] [mutants]`.
set -eu

DENY=0.20.2
BUF=1.75.0
MOTO=5.2.5
MUTANTS=27.1.0
tools=${1:?usage: tools.sh DIRECTORY [buf] [deny] [moto] [mutants]}
shift
mkdir -p "$tools"

deny() {
    "$tools/bin/cargo-deny" --version 2>/dev/null | grep -q " $DENY\$" && return
    echo "building cargo-deny $DENY, once (some minutes)"
    cargo install --quiet --locked --root "$tools" --version "$DENY" cargo-deny
}

mutants() {
    "$tools/bin/cargo-mutants" mutants --version 2>/dev/null | grep -q " $MUTANTS\$" && return
    echo "building cargo-mutants $MUTANTS, once (some minutes)"
    cargo install --quiet --locked --root "$tools" --version "$MUTANTS" cargo-mutants
}

# The protocol's linter, and the gRPC client of the tests that is not ours.
buf() {
    "$tools/node_modules/.bin/buf" --version 2>/dev/null | grep -qx "$BUF" && return
    echo "installing buf $BUF"
    npm install --silent --no-fund --no-audit --prefix "$tools" "@bufbuild/buf@$BUF"
}

# Answers as AWS to Amazon's credential helper, in tests. Its authority is copied last: where it
# lies, all of moto does.
moto() {
    [ -f "$tools/moto/ca.crt" ] &&
        "$tools/moto/bin/python3" -m pip show moto 2>/dev/null | grep -qx "Version: $MOTO" && return
    echo "installing moto $MOTO, once (a minute)"
    python3 -m venv --clear "$tools/moto"
    "$tools/moto/bin/python3" -m pip install --quiet --disable-pip-version-check "moto[server]==$MOTO"
    cp "$tools"/moto/lib/python3*/site-packages/moto/moto_proxy/ca.crt "$tools/moto/ca.crt"
}

for tool in "$@"; do
    case $tool in
        buf | deny | moto | mutants) "$tool" ;;
        *)
            echo "no tool is called $tool" >&2
            exit 2
            ;;
    esac
done
