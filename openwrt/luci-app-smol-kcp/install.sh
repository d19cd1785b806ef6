#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh ROOT: puts the application below ROOT; install.sh ROOT LANGUAGE: a translation of it, as LuCI calls it.
# The Makefile and make-luci.sh pack what is there then.
set -eu
umask 022
app="$(cd "$(dirname "$0")" && pwd)"
web="$app/../../crates/smol-kcpd/web"
root="$1"

put() { # <file> <path>
	install -D -m 0644 "$1" "$root/$2"
}
translation() { # <folder of po> <language> <its name>
	mkdir -p "$root/usr/lib/lua/luci/i18n" "$root/etc/uci-defaults"
	python3 "$app/../po.py" lmo "$app/po/$1/smol-kcp.po" >"$root/usr/lib/lua/luci/i18n/smol-kcp.$2.lmo"
	echo "uci set luci.languages.$(echo "$2" | tr - _)='$3'; uci commit luci" \
		>"$root/etc/uci-defaults/luci-i18n-smol-kcp-$2"
}

case "${2-}" in
'')
	for view in status tunnels; do
		put "$app/htdocs/luci-static/resources/view/smol-kcp/$view.js" "www/luci-static/resources/view/smol-kcp/$view.js"
	done
	# What the page of the daemon has, too.
	for file in plot.js tunnels.css tunnels.js words.js; do
		put "$web/$file" "www/luci-static/resources/smol-kcp/$file"
	done
	put "$app/root/usr/share/luci/menu.d/luci-app-smol-kcp.json" usr/share/luci/menu.d/luci-app-smol-kcp.json
	put "$app/root/usr/share/rpcd/acl.d/luci-app-smol-kcp.json" usr/share/rpcd/acl.d/luci-app-smol-kcp.json
	;;
de) translation de de 'Deutsch (German)' ;;
zh-cn) translation zh_Hans zh-cn '简体中文 (Chinese Simplified)' ;;
*)
	echo "install.sh: there is no translation to '$2'" >&2
	exit 1
	;;
esac
