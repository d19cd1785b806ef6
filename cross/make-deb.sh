#!/bin/sh
# make-deb.sh TARGET [BINARY]: packs a cross-built smol-kcpd for Debian and its kin, and prints the package's path.
#
# TARGET is x86_64-unknown-linux-musl (amd64) or aarch64-unknown-linux-musl (arm64); BINARY defaults to where
# cross/build.sh leaves it. Environment:
#     DOCUMENTS           manual pages and completions, as cross/documents leaves them; target/documents by default
#     OUT                 the folder for the package, target/dist by default
#     VERSION             that of the package; that of the project and -1 by default
#     SOURCE_DATE_EPOCH   the time of every file, that of the last commit by default
# The same input gives the same bytes. Needs dpkg-deb and gzip.
set -eu

fail() {
    echo "make-deb.sh: $1" >&2
    exit 1
}

[ $# = 1 ] || [ $# = 2 ] || {
    echo "usage: [DOCUMENTS=...] [OUT=...] [VERSION=...] $0 TARGET [BINARY]" >&2
    exit 2
}
target="$1"
tree="$(cd "$(dirname "$0")/.." && pwd)"
binary="${2:-$tree/target/$target/router/smol-kcpd}"
out="${OUT:-$tree/target/dist}"
documents="${DOCUMENTS:-$tree/target/documents}"
server="$tree/cross/server"

# Debian's name, and the machine in the header of an ELF file.
case "$target" in
x86_64-unknown-linux-musl) architecture=amd64 machine=62 ;;
aarch64-unknown-linux-musl) architecture=arm64 machine=183 ;;
*) fail "there is no Debian package for the target '$target'" ;;
esac
[ -f "$binary" ] || fail "$binary is not there; build it with cross/build.sh $target, or name another"
[ "$(od -An -v -tu1 -j18 -N1 "$binary" | tr -d ' ')" = "$machine" ] || fail "$binary is no program for $target"
[ -f "$documents/man/man1/smol-kcpd.1" ] || fail "$documents has no manual pages; see cross/documents"

version="${VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)-1}"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022
root="$work/root"
# put MODE SOURCE PLACE
put() { install -D -m "$1" "$2" "$root/$3"; }
put 755 "$binary" usr/bin/smol-kcpd
put 644 "$server/smol-kcpd@.service" lib/systemd/system/smol-kcpd@.service
put 644 "$server/server.conf" etc/smol-kcpd/server.conf
put 644 "$server/client.conf" etc/smol-kcpd/client.conf
put 644 "$documents/bash/smol-kcpd" usr/share/bash-completion/completions/smol-kcpd
put 644 "$documents/zsh/_smol-kcpd" usr/share/zsh/vendor-completions/_smol-kcpd
put 644 "$documents/fish/smol-kcpd.fish" usr/share/fish/vendor_completions.d/smol-kcpd.fish
put 644 "$documents/man/man1/smol-kcpd.1" usr/share/man/man1/smol-kcpd.1
put 644 "$documents/man/man5/smol-kcpd.conf.5" usr/share/man/man5/smol-kcpd.conf.5
put 644 "$tree/CHANGELOG.md" usr/share/doc/smol-kcpd/changelog
put 644 "$tree/docs/daemon.md" usr/share/doc/smol-kcpd/daemon.md
gzip -9n "$root"/usr/share/man/man*/* "$root"/usr/share/doc/smol-kcpd/*
put 644 "$tree/LICENSE" usr/share/doc/smol-kcpd/copyright

mkdir "$root/DEBIAN"
installed="$(find "$root" -type f -exec cat {} + | wc -c)"
cat >"$root/DEBIAN/control" <<CONTROL
Package: smol-kcpd
Version: $version
Architecture: $architecture
Maintainer: smol-kcp contributors <smol-kcp@localhost>
Installed-Size: $(((installed + 1023) / 1024))
Section: net
Priority: optional
Description: TCP tunnels over KCP, a fast and reliable UDP protocol
 smol-kcpd carries TCP connections over KCP, which repairs losses in about a
 round trip. Everything is encrypted and authenticated both ways. A tunnel
 NAME is configured in /etc/smol-kcpd/NAME.conf and run by systemd as
 smol-kcpd@NAME, with no rights but that to its port.
CONTROL
(cd "$root" && find etc -type f | LC_ALL=C sort | sed 's,^,/,') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr lib -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do
    install -m 755 "$server/$script" "$root/DEBIAN/$script"
done
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
package="$out/smol-kcpd_${version}_$architecture.deb"
dpkg-deb --root-owner-group --uniform-compression -Zxz -z9 --build "$root" "$package" >/dev/null
echo "$package"
