#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs a cross-built smol-kcpd as an .ipk for opkg (OpenWrt up to 24.10), without an SDK:
#
#     openwrt/make-ipk.sh TARGET [BINARY]
#
# TARGET is the Rust target; BINARY defaults to where cross/build.sh leaves it. Environment:
#     ARCHITECTURE        the package architecture of the router (`opkg print-architecture`), if not
#                         the usual one of the target
#     OUT                 the folder for the package, target/openwrt by default
#     SOURCE_DATE_EPOCH   the time of every file, that of the last commit by default
# The same input gives the same bytes. Needs GNU tar and gzip.
set -eu

usage() {
	echo "usage: [ARCHITECTURE=...] [OUT=...] $0 TARGET [BINARY]" >&2
	exit 2
}

fail() {
	echo "make-ipk.sh: $1" >&2
	exit 1
}

[ $# = 1 ] || [ $# = 2 ] || usage
target="$1"
tree="$(cd "$(dirname "$0")/.." && pwd)"
binary="${2:-$tree/target/$target/router/smol-kcpd}"
out="${OUT:-$tree/target/openwrt}"
files="$tree/openwrt/smol-kcp/files"
makefile="$tree/openwrt/smol-kcp/Makefile"

# The package architecture, and what the header of an ELF file for it says: byte order, machine.
case "$target" in
mips-unknown-linux-musl) architecture=mips_24kc elf='2 0 8' ;;
mipsel-unknown-linux-musl) architecture=mipsel_24kc elf='1 8 0' ;;
armv7-unknown-linux-musleabihf) architecture=arm_cortex-a7_neon-vfpv4 elf='1 40 0' ;;
armv7-unknown-linux-musleabi) architecture=arm_cortex-a9 elf='1 40 0' ;;
arm-unknown-linux-musleabi) architecture=arm_arm1176jzf-s_vfp elf='1 40 0' ;;
aarch64-unknown-linux-musl) architecture=aarch64_cortex-a53 elf='1 183 0' ;;
x86_64-unknown-linux-musl) architecture=x86_64 elf='1 62 0' ;;
*) fail "no package architecture is known for the target '$target'" ;;
esac
architecture="${ARCHITECTURE:-$architecture}"

[ -f "$binary" ] || fail "$binary is not there; build it with cross/build.sh $target, or name another"
header="$(od -An -v -tu1 -N20 "$binary")"
# shellcheck disable=SC2086 # the bytes are the words
set -- $header
if [ $# != 20 ] || [ "$1 $2 $3 $4" != "127 69 76 70" ] || [ "$6 ${19} ${20}" != "$elf" ]; then
	fail "$binary is no program for $target"
fi

version="$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)"
release="$(sed -n 's/^PKG_RELEASE:=//p' "$makefile")"
epoch="${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || echo 0)}"
package="smol-kcp_$version-r${release}_$architecture.ipk"

# The text of a define of the package's Makefile.
define() {
	sed -n "\|^define Package/smol-kcp$1\$|,/^endef\$/p" "$makefile" | sed '1d;$d'
}
# A field of its main define.
field() {
	define "" | sed -n "s/^  $1:=//p"
}

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022
mkdir "$work/data" "$work/control" "$work/ipk"

install -D -m 0755 "$binary" "$work/data/usr/bin/smol-kcpd"
install -D -m 0600 "$files/smol-kcp.config" "$work/data/etc/config/smol-kcp"
install -D -m 0755 "$files/smol-kcp.init" "$work/data/etc/init.d/smol-kcp"
install -D -m 0644 "$files/smol-kcp.sysctl" "$work/data/etc/sysctl.d/50-smol-kcp.conf"

# pack FOLDER MEMBER...: a gzipped tar that depends on nothing but names, modes and contents.
pack() {
	folder="$1"
	shift
	tar -C "$folder" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name \
		--mtime="@$epoch" -cf - "$@" | gzip -9n
}

pack "$work/data" . >"$work/ipk/data.tar.gz"
installed="$(gzip -dc "$work/ipk/data.tar.gz" | wc -c)"

cat >"$work/control/control" <<CONTROL
Package: smol-kcp
Version: $version-r$release
Depends: libc
Source: smol-kcp
License: MIT
LicenseFiles: LICENSE
Section: $(field SECTION)
Require-User: $(field USERID)
SourceDateEpoch: $epoch
Maintainer: $(sed -n 's/^PKG_MAINTAINER:=//p' "$makefile")
Architecture: $architecture
Installed-Size: $installed
Description: $(field TITLE)
$(define /description | sed 's/^ */ /')
CONTROL
define /conffiles >"$work/control/conffiles"

# Both enable, start and stop the service, and make the user that Require-User asks for.
script() {
	cat <<SCRIPT
#!/bin/sh
[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "\${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "\${IPKG_INSTROOT}/lib/functions.sh"
default_$1 "\$0" "\$@"
SCRIPT
}
script postinst >"$work/control/postinst"
script prerm >"$work/control/prerm"
chmod 0755 "$work/control/postinst" "$work/control/prerm"

pack "$work/control" . >"$work/ipk/control.tar.gz"
echo 2.0 >"$work/ipk/debian-binary"

mkdir -p "$out"
pack "$work/ipk" ./debian-binary ./data.tar.gz ./control.tar.gz >"$out/$package"
echo "$out/$package"
