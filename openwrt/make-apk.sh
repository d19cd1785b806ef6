#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs a cross-built smol-kcpd as an .apk for apk (OpenWrt 25.12 and newer), without an SDK:
#
#     openwrt/make-apk.sh TARGET [BINARY]
#
# with the arguments and the environment of make-ipk.sh. The same input gives the same bytes. Needs Python 3.
# The package has no signature: `apk add --allow-untrusted`.
set -eu
# shellcheck source-path=SCRIPTDIR source=package.sh
. "$(dirname "$0")/package.sh"

package="smol-kcp-$version-r${release}_$architecture.apk"
mkdir "$work/scripts"

# What OpenWrt keeps of a package beside apk's own records: its files, its user, and which files are configuration,
# with their sums, so that sysupgrade knows which of them were changed.
records="$work/data/lib/apk/packages"
mkdir -p "$records"
(cd "$work/data" && find . -type f | sed 's/^\.//' | LC_ALL=C sort) >"$work/list"
field USERID >"$records/smol-kcp.rusers"
define /conffiles >"$records/smol-kcp.conffiles"
while read -r file; do
	echo "$file $(sha256sum <"$work/data$file" | cut -d ' ' -f 1)"
done <"$records/smol-kcp.conffiles" >"$records/smol-kcp.conffiles_static"
mv "$work/list" "$records/smol-kcp.list"

# script WHAT [COMMAND]: WHAT is done by OpenWrt's functions, for the system at IPKG_INSTROOT.
script() {
	cat <<SCRIPT
#!/bin/sh
[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "\${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "\${IPKG_INSTROOT}/lib/functions.sh"
export root="\${IPKG_INSTROOT}" pkgname="smol-kcp"
$1
SCRIPT
}
script 'add_group_and_user
default_postinst' >"$work/scripts/post-install"
script 'export PKG_UPGRADE=1
add_group_and_user
default_postinst' >"$work/scripts/post-upgrade"
script default_prerm >"$work/scripts/pre-deinstall"

mkdir -p "$out"
python3 "$tree/openwrt/adb.py" "$out/$package" "$work/data" "$epoch" \
	name=smol-kcp version="$version-r$release" arch="$architecture" license=MIT origin=smol-kcp depends=libc \
	maintainer="$(sed -n 's/^PKG_MAINTAINER:=//p' "$makefile")" description="$(field TITLE)" \
	post-install="$work/scripts/post-install" post-upgrade="$work/scripts/post-upgrade" \
	pre-deinstall="$work/scripts/pre-deinstall"
echo "$out/$package"
