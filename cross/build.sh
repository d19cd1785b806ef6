#!/usr/bin/env bash
# build.sh [--features FEATURES] TARGET…: smol-kcpd for routers, without containers: target/TARGET/router/smol-kcpd,
# static and stripped. Installs what it needs on Debian as root, says what is missing elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
features=
if [ "${1:-}" = --features ]; then
    features=$2
    shift 2
fi
# A panic ends the program with its message (panic = "abort"): nothing unwinds, so neither tables for that
# nor the standard library's backtraces, which are among its default features, are needed.
rustflags=-Cforce-unwind-tables=no
. cross/env.sh

cross_cargo build -Zbuild-std-features=optimize_for_size --profile router -p smol-kcpd --no-default-features --features "$features"
for target in "$@"; do
    ls -l "target/$target/router/smol-kcpd"
done
