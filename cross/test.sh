#!/usr/bin/env bash
# test.sh [--smoke] TARGET…: smol-kcpd, built for TARGETs and run on emulated processors of theirs, carries a TCP
# echo; then, without --smoke, the tests: those of the library, timers, other implementations, transfers.
set -euo pipefail
cd "$(dirname "$0")/.."
smoke=
[ "${1:-}" != --smoke ] || { smoke=yes; shift; }
. cross/env.sh

cross/build.sh "$@"
for target in "$@"; do
    "$out/run-$target" "target/$target/router/smol-kcpd" --version
    cross/echo.py "$out/run-$target" "target/$target/router/smol-kcpd"
done
[ -z "$smoke" ] || exit 0

# An emulator is some ten times slower than the machine: fewer cases, no long transfers. Debug assertions
# and overflow checks are on, as in all tests. What is not of this crate is not optimized: compiling it
# would take longer than running it.
export PROPTEST_CASES=8
cross_cargo test --config profile.test.opt-level=1 --config profile.test.debug=false \
    --config 'profile.test.package."*".opt-level=0' \
    --lib --test timers --test interop --test transfer -- --skip sixty_four
