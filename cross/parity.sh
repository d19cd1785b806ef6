#!/usr/bin/env bash
# parity.sh [TARGET]: instructions that one byte costs to get parity of 10+3, and to be repaired where three of ten
# datagrams of 1,350 bytes are lost, by us as routers get it and by reed-solomon-erasure made for speed; counted by the
# emulator. By default mipsel-unknown-linux-musl.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-mipsel-unknown-linux-musl}
set -- "$target"
. cross/env.sh

export CARGO_TARGET_DIR=$PWD/target/cipher
cross_cargo build --quiet --release --manifest-path cross/parity/Cargo.toml
program=$CARGO_TARGET_DIR/$target/release/parity-instructions

# One line for each instruction. What starting costs is taken off.
export QEMU_SINGLESTEP=1 QEMU_LOG=exec,nochain
count() { "$out/run-$target" "$program" "$@" 2>&1 >/dev/null | grep -c ^Trace; }
for what in encode decode; do
    ours=$(($(count $what 4) - $(count $what 1)))
    theirs=$(($(count $what-theirs 4) - $(count $what-theirs 1)))
    awk -v ours="$ours" -v theirs="$theirs" -v target="$target" -v what=$what 'BEGIN {
        bytes = 3 * 10 * 1350
        printf "%s: %s %.1f instructions a byte, reed-solomon-erasure %.1f: %.2f times as fast\n", target, what, ours / bytes, theirs / bytes, theirs / ours
    }'
done
