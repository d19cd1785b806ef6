#!/usr/bin/env bash
# cipher.sh [TARGET]: instructions that one byte costs to be sealed, in datagrams of 1,400 bytes: by the encrypted mode with its
# headers, and by OpenSSL's C for the same processor, both counted by the emulator. OpenSSL's source comes from
# crates.io (openssl-src). By default mipsel-unknown-linux-musl.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-mipsel-unknown-linux-musl}
set -- "$target"
. cross/env.sh

# Ours: the program of a router's build.
export CARGO_TARGET_DIR=$PWD/target/cipher
cross_cargo build --quiet --release --manifest-path cross/cipher/Cargo.toml
ours=$CARGO_TARGET_DIR/$target/release/cipher-instructions

# OpenSSL's: its source is fetched by Cargo and not built. Of its configuration the two files need nothing.
vendored=$(cargo metadata --locked --format-version 1 --all-features --manifest-path cross/cipher/Cargo.toml |
    python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "openssl-src":
        print(package["manifest_path"].removesuffix("Cargo.toml") + "openssl")')
theirs=$CARGO_TARGET_DIR/openssl-$target
include=$CARGO_TARGET_DIR/include
mkdir -p "$include/openssl"
for header in configuration opensslv; do : >"$include/openssl/$header.h"; done
echo '#include <stddef.h>
void OPENSSL_cleanse(void *, size_t);' >"$include/openssl/crypto.h"
case $target in mips-*) order=-DB_ENDIAN ;; *) order=-DL_ENDIAN ;; esac
"$out/cc-$target" -O3 $order -DOPENSSL_VERSION_MAJOR=3 -DOPENSSL_VERSION_MINOR=5 -DOPENSSL_CONFIGURED_API=30500 -static -I "$include" -I "$vendored/include" -I "$vendored" \
    cross/cipher/openssl.c "$vendored/crypto/chacha/chacha_enc.c" "$vendored/crypto/poly1305/poly1305.c" -o "$theirs"

# One line for each instruction. What starting costs is taken off.
count() { "$out/run-$target" "$@" 2>&1 >/dev/null | grep -c ^Trace; }
emulator() {
    local few many
    export QEMU_SINGLESTEP=1 QEMU_LOG=exec,nochain
    few=$(count "$1" 2)
    many=$(count "$1" 12)
    echo $(((many - few) / 10))
}
ours=$(emulator "$ours")
theirs=$(emulator "$theirs")
awk -v ours="$ours" -v theirs="$theirs" -v target="$target" 'BEGIN {
    printf "%s: %.1f instructions a byte, OpenSSL %.1f: %.2f times\n", target, ours / 1400, theirs / 1400, ours / theirs
}'
