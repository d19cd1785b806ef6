#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs the LuCI application and its translations, without an SDK and for every processor:
#
#     openwrt/make-luci.sh ipk|apk
#
# with the environment of make-ipk.sh (without ARCHITECTURE). The same input gives the same bytes. Needs Python 3.
# shellcheck disable=SC2034 # what is said here is used by package.sh
set -eu
case "${1-}" in
ipk | apk) [ $# = 1 ] ;;
*) false ;;
esac || {
	echo "usage: [OUT=...] $0 ipk|apk" >&2
	exit 2
}
# shellcheck source-path=SCRIPTDIR source=package.sh
. "$(dirname "$0")/package.sh"

architecture=all
section=luci
user=''
conffiles=''

# one LANGUAGE NAME DEPENDS TITLE DESCRIPTION INSTALLED: LANGUAGE is nothing for the application itself.
one() {
	name="$2"
	depends="libc $3"
	title="$4"
	description=" $5"
	installed="$6"
	rm -rf "${work:?}"/*
	mkdir "$work/data"
	"$tree/openwrt/luci-app-smol-kcp/install.sh" "$work/data" "$1"
	"write_$format"
}
format="$1"

# The menu and the access list are read again.
one '' luci-app-smol-kcp 'luci-base smol-kcp' 'LuCI support for smol-kcp' \
	'Shows what the tunnels of smol-kcp do, and configures them.' \
	'rm -f /tmp/luci-indexcache*
rm -rf /tmp/luci-modulecache
/etc/init.d/rpcd reload 2>/dev/null'
one de luci-i18n-smol-kcp-de luci-app-smol-kcp 'luci-app-smol-kcp - de translation' \
	'Translation for luci-app-smol-kcp - Deutsch (German)' ''
one zh-cn luci-i18n-smol-kcp-zh-cn luci-app-smol-kcp 'luci-app-smol-kcp - zh-cn translation' \
	'Translation for luci-app-smol-kcp - 简体中文 (Chinese Simplified)' ''
