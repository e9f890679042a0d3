#!/bin/sh
# Fails if a pure crate can reach a clock, a socket, a random source, a log, a lock or a database.
#
# What decides lives in these crates; that it can be replayed from its arguments alone holds only as
# long as nothing else is within its reach.
set -eu

impure="axum bollard chrono fastrand getrandom hyper log mio parking_lot prost rand reqwest rusqlite
rustls socket2 sqlx time tokio tonic tower tracing"

# The standard library has clocks, locks and the like of its own, and a map in random order.
reach='HashMap|HashSet|SystemTime::now|Instant::now|Mutex|RwLock|std::(env|fs|net|process|thread)'

fail=0
check() { # CRATE DIRECTORY
    tree=$(cargo tree --quiet --locked -e normal --prefix none --format '{p}' -p "$1")
    features=$(cargo tree --quiet --locked -e normal,features --prefix none --format '{p}' -p "$1")
    for name in $impure; do
        if printf '%s\n' "$tree" | grep -q "^$name v"; then
            echo "$1 reaches $name:" >&2
            cargo tree --quiet --locked -e normal -p "$1" -i "$name" >&2
            fail=1
        fi
    done
    # With its `std`, jiff reads the clock and the system's time zones; without it, it can do neither.
    if printf '%s\n' "$features" | grep -q '^jiff feature "std"'; then
        echo "$1 reaches the clock and the files of jiff's feature std; name its features one by one" >&2
        fail=1
    fi
    if grep -rnE "$reach" "$2/src" --include='*.rs' | grep -vE '^[^:]*:[0-9]+: *//'; then
        echo "$1 uses what is above; a pure crate gets everything as an argument" >&2
        fail=1
    fi
}

check pinion-model proto/model
check pinion-rollout coordinator/rollout
check pinion-workload agent/workload
[ $fail = 1 ] || echo "pure: pinion-model, pinion-rollout, pinion-workload"
exit $fail
