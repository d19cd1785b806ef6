#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh ROOT: puts the application below ROOT; install.sh ROOT LANGUAGE FOLDER NAME: the translation of the FOLDER in
# po/, whose language is called so in packages, and by that NAME in LuCI's menu. The Makefile and make-luci.sh, which
# takes them from there, pack what is there then.
set -eu
umask 022
app="$(cd "$(dirname "$0")" && pwd)"
web="$app/../../crates/smol-kcpd/web"
root="$1"

put() { # <file> <path>
	install -D -m 0644 "$1" "$root/$2"
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
*)
	mkdir -p "$root/usr/lib/lua/luci/i18n" "$root/etc/uci-defaults"
	python3 "$app/../po.py" lmo "$app/po/$3/smol-kcp.po" >"$root/usr/lib/lua/luci/i18n/smol-kcp.$2.lmo"
	echo "uci set luci.languages.$(echo "$2" | tr - _)='$4'; uci commit luci" \
		>"$root/etc/uci-defaults/luci-i18n-smol-kcp-$2"
	;;
esac
