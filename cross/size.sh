#!/usr/bin/env bash
# size.sh [--features FEATURES]… TARGET…: builds smol-kcpd and tells what it weighs, also gzipped, and which crates it
# consists of. Fails above the budgets of targets.sh. Before that it tells what it weighs with each set of features, e.g.
# size.sh --features kcptun --features kcptun-ciphers mipsel-unknown-linux-musl
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/targets.sh

sets=()
while [ "${1:-}" = --features ]; do
    sets+=("$2")
    shift 2
done
for set in "${sets[@]}"; do
    cross/build.sh --features "$set" "$@" >/dev/null
    for target in "$@"; do
        program=target/$target/router/smol-kcpd
        echo "$target with $set: $(stat -c %s "$program") bytes, gzipped $(gzip -9cn "$program" | wc -c)"
    done
done
cross/build.sh "$@"
status=0
for target in "$@"; do
    fields "$target"
    program=target/$target/router/smol-kcpd
    size=$(stat -c %s "$program")
    printf '%s: %d bytes, gzipped %d' "$target" "$size" "$(gzip -9cn "$program" | wc -c)"
    if [ "$budget" != - ]; then
        printf ', budget %d' "$budget"
        [ "$size" -le "$budget" ] || { printf ': TOO LARGE'; status=1; }
    fi
    echo
    # The linker has left the same program with its symbols (setup.sh); the newest is that of this build.
    cross/contributors.py "$(ls -t "target/$target/router/deps/"smol_kcpd-*.symbols | head -1)"
done
exit $status
