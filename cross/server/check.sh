#!/usr/bin/env bash
# check.sh: is the Debian package of x86_64 what dpkg and systemd make of it? Installs, upgrades with a changed
# configuration, removes and purges it in a folder of its own; holds the service to systemd's measure of exposure.
# Needs what cross/build.sh x86_64-unknown-linux-musl leaves, and cross/documents.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=x86_64-unknown-linux-musl
# Of 10, by `systemd-analyze security`; 0.5 of it is that a tunnel needs a network.
exposure=2.0

if ! command -v dpkg-deb >/dev/null; then
    echo "no dpkg here: NOT CHECKED"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "the Debian package: $*" >&2
    exit 1
}

export SOURCE_DATE_EPOCH=1700000000
first=$(OUT=$work/first cross/make-deb.sh $target)
again=$(umask 077 && OUT=$work/again LC_ALL=C.UTF-8 cross/make-deb.sh $target)
cmp "$first" "$again" || fail "the same input gives other bytes"
second=$(OUT=$work/second VERSION=99.0-1 cross/make-deb.sh $target)

root=$work/root
mkdir -p "$root" "$work/admin"/{updates,info}
touch "$work/admin/status"
# The scripts run on this machine, told by DPKG_ROOT that it is not the one that they are about.
run_dpkg() {
    dpkg --instdir="$root" --admindir="$work/admin" --log="$work/log" --force-script-chrootless --force-not-root \
        --force-confold "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; fail "dpkg $* failed"; }
}
# has TEXT FILE: an installed file has it.
has() { grep -q -- "$1" "$root/$2" || fail "$2 has no '$1'"; }

run_dpkg --install "$first"
"$root/usr/bin/smol-kcpd" --version
[ -z "$(dpkg --instdir="$root" --admindir="$work/admin" --verify smol-kcpd)" ] || fail "files differ from its sums"
[ "$(stat -c %a "$root/usr/bin/smol-kcpd")" = 755 ] || fail "the program has other rights"
# Both examples are what the program accepts, once there is a secret.
"$root/usr/bin/smol-kcpd" keygen --shared-secret-file "$root/etc/smol-kcpd/server.key"
(cd "$root/etc/smol-kcpd" && "$root/usr/bin/smol-kcpd" check server.conf >/dev/null)
(umask 077 && "$root/usr/bin/smol-kcpd" invite --server a.example:29900 \
    --shared-secret-file "$root/etc/smol-kcpd/server.key" >"$root/etc/smol-kcpd/client.key")
(cd "$root/etc/smol-kcpd" && "$root/usr/bin/smol-kcpd" check client.conf >/dev/null)

sed -i 's/127.0.0.1:22/127.0.0.1:2200/' "$root/etc/smol-kcpd/server.conf"
run_dpkg --install "$second"
has 127.0.0.1:2200 etc/smol-kcpd/server.conf
[ "$(dpkg-query --admindir="$work/admin" -W -f '${Version}' smol-kcpd)" = 99.0-1 ] || fail "it is not upgraded"

run_dpkg --remove smol-kcpd
[ ! -e "$root/usr/bin/smol-kcpd" ] || fail "the program is still there"
has 127.0.0.1:2200 etc/smol-kcpd/server.conf
run_dpkg --purge smol-kcpd
left=$(cd "$root" && find . -type f | LC_ALL=C sort | xargs)
[ "$left" = "./etc/smol-kcpd/client.key ./etc/smol-kcpd/server.key" ] || fail "a purge leaves $left"

if command -v systemd-analyze >/dev/null; then
    measured=$(systemd-analyze security --offline=yes cross/server/smol-kcpd@.service |
        sed -n 's/.*Overall exposure.*: \([0-9.]*\) .*/\1/p')
    echo "exposure by systemd-analyze security: $measured, budget $exposure"
    awk "BEGIN { exit !($measured <= $exposure) }" || fail "its service is exposed by $measured"
else
    echo "no systemd-analyze here: the service is NOT CHECKED"
fi
echo "the Debian package: install, upgrade with a changed configuration, remove and purge are well"
