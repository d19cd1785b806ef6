#!/usr/bin/env bash
# build.sh TARGET…: smol-kcpd for routers, without containers: target/TARGET/router/smol-kcpd, static and
# stripped. Installs what it needs on Debian as root, says what is missing elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/env.sh

cross_cargo build --profile router --no-default-features --features daemon --bin smol-kcpd
for target in "$@"; do
    ls -l "target/$target/router/smol-kcpd"
done
