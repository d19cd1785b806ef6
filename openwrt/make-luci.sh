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

format="$1"
luci="$tree/openwrt/luci-app-smol-kcp"
architecture=all
section=luci
user=''
conffiles=''

# one NAME [LANGUAGE FOLDER NAME-OF-LANGUAGE]: packs what install.sh makes of these.
one() {
	name="$1"
	shift
	rm -rf "${work:?}"/*
	mkdir "$work/data"
	"$luci/install.sh" "$work/data" "$@"
	"write_$format"
}

makefile="$luci/Makefile"
name="luci-app-smol-kcp"
title="$(field TITLE)"
depends="libc $(field DEPENDS | tr -d +)"
description="$(define /description | sed 's/^ */ /')"
# Its commands, without what packages of an SDK need around them.
installed="$(define /postinst | sed -n 's/^\t//p')"
one "$name"

# shellcheck disable=SC2016 # they are make's
sed -n 's/^$(eval $(call Translation,\([^,]*\),\([^,]*\),\(.*\)))$/\1 \2 \3/p' "$makefile" |
	while read -r language folder language_name; do
		title="luci-app-smol-kcp - $language translation"
		depends='libc luci-app-smol-kcp'
		description=" Translation for luci-app-smol-kcp - $language_name"
		installed=''
		one "luci-i18n-smol-kcp-$language" "$language" "$folder" "$language_name"
	done
