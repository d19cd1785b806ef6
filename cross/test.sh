#!/usr/bin/env bash
# test.sh TARGET…: the tests, built for TARGETs and run on emulated processors of theirs.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/env.sh

# An emulator is some ten times slower than the machine: fewer cases, no long transfers. Debug assertions
# and overflow checks are on, as in all tests.
export PROPTEST_CASES=8
export CARGO_PROFILE_TEST_OPT_LEVEL=1 CARGO_PROFILE_TEST_DEBUG=false
cross_cargo test --lib --test timers --test interop --test transfer -- --skip sixty_four
