# shellcheck shell=dash disable=SC2034 # what is said here is used by package.sh
# SPDX-License-Identifier: MIT
#
# The program's package, smol-kcp; sourced by make-ipk.sh and make-apk.sh with their arguments.

[ $# = 1 ] || [ $# = 2 ] || {
	echo "usage: [ARCHITECTURE=...] [OUT=...] $0 TARGET [BINARY]" >&2
	exit 2
}
# shellcheck source-path=SCRIPTDIR source=package.sh
. "$(dirname "$0")/package.sh"

target="$1"
binary="${2:-$tree/target/$target/router/smol-kcpd}"
files="$tree/openwrt/smol-kcp/files"

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

name=smol-kcp
section="$(field SECTION)"
title="$(field TITLE)"
depends=libc
description="$(define /description | sed 's/^ */ /')"
user="$(field USERID)"
conffiles="$(define /conffiles)"
installed=''
install -D -m 0755 "$binary" "$work/data/usr/bin/smol-kcpd"
install -D -m 0600 "$files/smol-kcp.config" "$work/data/etc/config/smol-kcp"
install -D -m 0755 "$files/smol-kcp.init" "$work/data/etc/init.d/smol-kcp"
install -D -m 0644 "$files/smol-kcp.sysctl" "$work/data/etc/sysctl.d/50-smol-kcp.conf"
