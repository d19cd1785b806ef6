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
# shellcheck source-path=SCRIPTDIR source=package.sh
. "$(dirname "$0")/package.sh"

package="smol-kcp_$version-r${release}_$architecture.ipk"
mkdir "$work/control" "$work/ipk"

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
