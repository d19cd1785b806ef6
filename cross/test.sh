#!/usr/bin/env bash
# test.sh [--smoke] TARGET…: smol-kcpd, built for TARGETs and run on emulated processors of theirs, carries a TCP echo;
# then, without --smoke, the tests: those of the libraries, operations, timers, other implementations, transfers, and those
# of the daemon as routers get it.
set -euo pipefail
cd "$(dirname "$0")/.."
smoke=""
tests=(--lib --test secure --test operations --test recorded --test sessions --test timers --test interop --test transfer)
daemon=(--lib --test daemon --test measure --test options)
case "${1:-}" in
    --smoke) smoke=yes; shift ;;
esac
. cross/env.sh

cross/build.sh "$@"
for target in "$@"; do
    "$out/run-$target" "target/$target/router/smol-kcpd" --version
    cross/echo.py "$out/run-$target" "target/$target/router/smol-kcpd"
done
[ -z "$smoke" ] || exit 0

# Sessions of hours in virtual time know nothing of bytes and words: the developer's machine is enough for them. Those of
# tests/sessions and with other implementations run here too.
skipped=(--skip sixty_four --skip tests::lines:: --skip router::tests::)
skipped+=(--skip a_stream_in_bulk_goes_on_within_two_seconds --skip a_queue_that_grows_is_no_loss)

# An emulator is some ten times slower than the machine: fewer cases, no long transfers, overflow checks but no
# debug assertions, which is what routers run (the engine's check their whole state at each step). All is
# optimized a little, as that shortens the run by more than it lengthens the build; not so what is large and
# little used.
export PROPTEST_CASES=8
options=(opt-level=1 debug=false debug-assertions=false overflow-checks=true)
options+=(package.tokio.opt-level=0 package.regex-syntax.opt-level=0 package.indicatif.opt-level=0)
cross_cargo test "${options[@]/#/--config=profile.test.}" \
    -p smol-kcp-crypto -p smol-kcp-proto -p smol-smux -p smol-kcp -p smol-kcp-interop "${tests[@]}" -- "${skipped[@]}"

# By itself, so that no other package's features are in it. Its tests start the program, in the emulator too.
for target in "$@"; do
    targets=("--target=$target")
    SMOL_KCP_RUNNER=$out/run-$target cross_cargo test "${options[@]/#/--config=profile.test.}" \
        -p smol-kcpd --no-default-features "${daemon[@]}"
done
