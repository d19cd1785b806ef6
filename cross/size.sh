#!/usr/bin/env bash
# size.sh TARGET…: what a stripped smol-kcpd weighs, also gzipped, and which crates it consists of. Fails
# above the budgets of targets.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/env.sh

# Weighed is what cross/build.sh makes; what it consists of is read from the same program with its symbols.
cross/build.sh "$@" >/dev/null
CARGO_PROFILE_ROUTER_STRIP=none cross_cargo build -q --target-dir target/symbols --profile router \
    --no-default-features --features daemon --bin smol-kcpd

# The crate of each symbol is its first name, or that of the type in <Type as Trait>.
contributors() {
    nm --print-size --demangle "$1" | python3 -c '
import collections, re, sys
sizes = collections.Counter()
for line in sys.stdin:
    match = re.match(r"\S+ ([0-9a-f]+) [tTrRdDwWvV] (.*)", line)
    if match:
        size, name = int(match[1], 16), match[2].lstrip("<&*(").removeprefix("mut ").removeprefix("dyn ")
        crate = re.match(r"([A-Za-z_][A-Za-z0-9_]*)(\[[0-9a-f]+\])?::", name)
        sizes[crate[1] if crate else "C library and constants"] += size
for name, size in sizes.most_common(10):
    print(f"    {size:>8}  {name}")'
}

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
    contributors "target/symbols/$target/router/smol-kcpd"
done
exit $status
