#!/usr/bin/env bash
# dist.sh [TARGET…]: everything that users install, for TARGETs (all of targets.sh by default), into target/dist (OUT):
# .ipk and .apk for OpenWrt, also of its LuCI application, .deb for x86_64 and arm64, tarballs, manual pages and completions, and SHA256SUMS.
# The same tree and SOURCE_DATE_EPOCH (the last commit's) give the same bytes, with the same tools. BUILT=1 takes the programs
# that cross/build.sh has left, and builds none.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/targets.sh
. cross/targets.sh

# shellcheck disable=SC2153 # it is of targets.sh
[ $# -gt 0 ] || mapfile -t targets < <(awk 'NF { print $1 }' <<<"$TARGETS")
[ $# = 0 ] || targets=("$@")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
OUT=${OUT:-$PWD/target/dist}
DOCUMENTS=$OUT/documents
export SOURCE_DATE_EPOCH OUT DOCUMENTS
[ "$OUT" != "$PWD/target/dist" ] || rm -rf "$OUT" # no folder of somebody else's
mkdir -p "$OUT"
umask 022

[ -n "${BUILT:-}" ] || cross/build.sh "${targets[@]}"

# All of them have the same options: one says what they are, in an emulator where it needs one.
first=${targets[0]}
for target in "${targets[@]}"; do
    [ "$target" != "$(uname -m)-unknown-linux-musl" ] || first=$target
done
python3 cross/documents "$DOCUMENTS" "target/cross/run-$first" "target/$first/router/smol-kcpd"

# pack ARCHIVE FOLDER: a tarball that depends on nothing but names, modes and contents.
pack() {
    tar -C "$2" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name --mode=go-w \
        --mtime="@$SOURCE_DATE_EPOCH" -cf - . | gzip -9n >"$1"
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "${targets[@]}"; do
    openwrt/make-ipk.sh "$target"
    openwrt/make-apk.sh "$target"
    case $target in x86_64-* | aarch64-*) cross/make-deb.sh "$target" ;; esac
    root=$work/$target
    put() { install -D -m "$1" "$2" "$root/$3"; }
    put 755 "target/$target/router/smol-kcpd" usr/local/bin/smol-kcpd
    put 644 "$DOCUMENTS/man/man1/smol-kcpd.1" usr/local/share/man/man1/smol-kcpd.1
    put 644 "$DOCUMENTS/man/man5/smol-kcpd.conf.5" usr/local/share/man/man5/smol-kcpd.conf.5
    put 644 "$DOCUMENTS/bash/smol-kcpd" usr/local/share/bash-completion/completions/smol-kcpd
    put 644 "$DOCUMENTS/zsh/_smol-kcpd" usr/local/share/zsh/site-functions/_smol-kcpd
    put 644 "$DOCUMENTS/fish/smol-kcpd.fish" usr/local/share/fish/vendor_completions.d/smol-kcpd.fish
    put 644 LICENSE usr/local/share/doc/smol-kcpd/LICENSE
    put 644 cross/server/server.conf etc/smol-kcpd/server.conf.example
    put 644 cross/server/client.conf etc/smol-kcpd/client.conf.example
    put 644 "cross/server/smol-kcpd@.service" etc/systemd/system/smol-kcpd@.service
    sed -i 's,/usr/bin/smol-kcpd,/usr/local/bin/smol-kcpd,' "$root/etc/systemd/system/smol-kcpd@.service"
    pack "$OUT/smol-kcpd-$version-${target%-unknown-linux-*}-${target##*-}.tar.gz" "$root"
done
openwrt/make-luci.sh ipk
openwrt/make-luci.sh apk
pack "$OUT/smol-kcpd-$version-documents.tar.gz" "$DOCUMENTS"
rm -r "$DOCUMENTS"
(cd "$OUT" && LC_ALL=C sha256sum -- * >SHA256SUMS)
ls -l "$OUT"
