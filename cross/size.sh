#!/usr/bin/env bash
# size.sh TARGET…: builds smol-kcpd and tells what it weighs, also gzipped, and which crates it consists of.
# Fails above the budgets of targets.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/targets.sh

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
