# shellcheck shell=dash disable=SC2154 # who sources it says what is packed
# SPDX-License-Identifier: MIT
#
# How an .ipk and an .apk are made, of any package; sourced by program.sh and make-luci.sh. They leave its files in
# $work/data and say in $name, $architecture, $section, $title, $depends (words), $description (lines, each after a blank),
# $user (USER:GROUP, or nothing), $conffiles (lines, or nothing) and $installed (shell, run after it is installed) what it is.
# The same input gives the same bytes.

tree="$(cd "$(dirname "$0")/.." && pwd)"
out="${OUT:-$tree/target/openwrt}"
makefile="$tree/openwrt/smol-kcp/Makefile"
version="$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/Cargo.toml" | head -n 1)"
release="$(sed -n 's/^PKG_RELEASE:=//p' "$makefile")"
maintainer="$(sed -n 's/^PKG_MAINTAINER:=//p' "$makefile")"
epoch="${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || echo 0)}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
umask 022

fail() {
	echo "$(basename "$0"): $1" >&2
	exit 1
}

# The text of a define of the package $name in $makefile.
define() {
	sed -n "\\|^define Package/$name$1\$|,/^endef\$/p" "$makefile" | sed '1d;$d'
}
# A field of its main define.
field() {
	define "" | sed -n "s/^  $1:=//p"
}

# pack FOLDER MEMBER...: a gzipped tar that depends on nothing but names, modes and contents.
pack() {
	folder="$1"
	shift
	tar -C "$folder" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name \
		--mtime="@$epoch" -cf - "$@" | gzip -9n
}

# script BEFORE CALL [AFTER]: CALL is one of OpenWrt's functions, for the system at IPKG_INSTROOT; AFTER is for one that runs.
script() {
	cat <<SCRIPT
#!/bin/sh
[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "\${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "\${IPKG_INSTROOT}/lib/functions.sh"
${1:+$1
}$2
SCRIPT
	[ -z "${3-}" ] || printf '%s\n' "[ -z \"\${IPKG_INSTROOT}\" ] || exit 0" "$3" 'exit 0'
}

# For opkg (OpenWrt up to 24.10). Needs GNU tar and gzip.
write_ipk() {
	mkdir "$work/control" "$work/ipk"
	pack "$work/data" . >"$work/ipk/data.tar.gz"
	cat >"$work/control/control" <<CONTROL
Package: $name
Version: $version-r$release
Depends: $(echo "$depends" | sed 's/ /, /g')
Source: smol-kcp
License: MIT
LicenseFiles: LICENSE
Section: $section
${user:+Require-User: $user
}SourceDateEpoch: $epoch
Maintainer: $maintainer
Architecture: $architecture
Installed-Size: $(gzip -dc "$work/ipk/data.tar.gz" | wc -c)
Description: $title
$description
CONTROL
	[ -z "$conffiles" ] || echo "$conffiles" >"$work/control/conffiles"
	# Both enable, start and stop the service, and make the user that Require-User asks for.
	script '' "default_postinst \"\$0\" \"\$@\"" "$installed" >"$work/control/postinst"
	script '' "default_prerm \"\$0\" \"\$@\"" >"$work/control/prerm"
	chmod 0755 "$work/control/postinst" "$work/control/prerm"
	pack "$work/control" . >"$work/ipk/control.tar.gz"
	echo 2.0 >"$work/ipk/debian-binary"
	mkdir -p "$out"
	file="$out/${name}_$version-r${release}_$architecture.ipk"
	pack "$work/ipk" ./debian-binary ./data.tar.gz ./control.tar.gz >"$file"
	echo "$file"
}

# For apk (OpenWrt 25.12 and newer), without a signature: `apk add --allow-untrusted`. Needs Python 3.
write_apk() {
	# What OpenWrt keeps of a package beside apk's own records: its files, its user, and which files are configuration,
	# with their sums, so that sysupgrade knows which of them were changed.
	records="$work/data/lib/apk/packages/$name"
	mkdir -p "${records%/*}" "$work/scripts"
	(cd "$work/data" && find . -type f | sed 's/^\.//' | LC_ALL=C sort) >"$work/list"
	[ -z "$user" ] || echo "$user" >"$records.rusers"
	if [ -n "$conffiles" ]; then
		echo "$conffiles" >"$records.conffiles"
		while read -r file; do
			echo "$file $(sha256sum <"$work/data$file" | cut -d ' ' -f 1)"
		done <"$records.conffiles" >"$records.conffiles_static"
	fi
	mv "$work/list" "$records.list"
	self="export root=\"\${IPKG_INSTROOT}\" pkgname=\"$name\""
	script "$self
add_group_and_user" default_postinst "$installed" >"$work/scripts/post-install"
	script "$self
export PKG_UPGRADE=1
add_group_and_user" default_postinst "$installed" >"$work/scripts/post-upgrade"
	script "$self" default_prerm >"$work/scripts/pre-deinstall"
	mkdir -p "$out"
	file="$out/$name-$version-r${release}_$architecture.apk"
	# apk's word for any processor is another than opkg's.
	[ "$architecture" = all ] && arch=noarch || arch="$architecture"
	python3 "$tree/openwrt/adb.py" "$file" "$work/data" "$epoch" \
		name="$name" version="$version-r$release" arch="$arch" license=MIT origin=smol-kcp \
		depends="$depends" maintainer="$maintainer" description="$title" post-install="$work/scripts/post-install" \
		post-upgrade="$work/scripts/post-upgrade" pre-deinstall="$work/scripts/pre-deinstall"
	echo "$file"
}
