#!/usr/bin/env bash
# vm.sh [KEY=VALUE…]: a MIPS machine with 64 MB (qemu's malta, Debian's kernel) carries TCP through smol-kcpd, client and
# server inside it; first what they carry is inside too, at last it comes from here and goes to here, as it does past a
# router. Prints memory, processor time, and what is sent again without a loss; fails beyond the budgets below.
# KEY=VALUE goes to cross/vm/init (idle, busy, seconds, most, perf, profiles).
# Debian as root only, with qemu-system-mips; elsewhere it says what is missing, and ends well.
set -euo pipefail
cd "$(dirname "$0")/.."

# What a connection at rest may hold in client and server together, KiB, and how many of them there is room for. What may be
# sent again, %: the goal is 1, which a host stopping the machine for longer than its timers wait breaks. The least
# goodput, MB/s, is a floor and no goal, as nothing else here depends on how fast the host is.
each_kib=8.0
room=2000
again=2.0
goodput=0.5

kernel=linux-image-4kc-malta
target=mipsel-unknown-linux-musl
work=target/vm
mkdir -p "$work"
work=$(cd "$work" && pwd)

not_checked() {
    echo "$*: NOT CHECKED"
    exit 0
}
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    not_checked "a MIPS machine needs Debian's kernel, and this is no Debian"
fi
if ! command -v qemu-system-mipsel >/dev/null || ! command -v cpio >/dev/null; then
    [ "$(id -u)" = 0 ] || not_checked "missing: apt-get install qemu-system-mips cpio, by root"
    echo "installing qemu-system-mips cpio"
    (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        qemu-system-mips seabios ipxe-qemu cpio) >/dev/null 2>&1 || not_checked "qemu-system-mips cannot be installed"
fi

# mipsel left Debian after this release. Lists and files of its own, so that the machine's stay as they are.
apt=$work/apt
mips_apt() {
    local command=$1
    shift
    "$command" -o APT::Architecture=mipsel -o APT::Architectures::=mipsel -o APT::Sandbox::User="$(id -un)" \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::State::status="$apt/status" \
        -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/nonexistent -o Acquire::Languages=none \
        "$@"
}
if [ ! -s "$work/vmlinuz" ] || [ ! -s "$work/busybox" ] || [ ! -s "$work/e1000.ko" ]; then
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/packages"
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" \
        >"$apt/sources.list"
    mips_apt apt-get update -q >/dev/null 2>&1 || not_checked "Debian's packages for mipsel cannot be had"
    image=$(mips_apt apt-cache depends "$kernel" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -1)
    (cd "$work/packages" && mips_apt apt-get download -q "${image:-$kernel}" busybox-static) >/dev/null 2>&1 ||
        not_checked "Debian's packages ${image:-$kernel} and busybox-static for mipsel cannot be had"
    for package in "$work"/packages/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/packages" --wildcards './boot/vmlinuz-*' '*/e1000.ko*' ./bin/busybox 2>/dev/null || true
    done
    mv "$work"/packages/boot/vmlinuz-* "$work/vmlinuz"
    mv "$work/packages/bin/busybox" "$work/busybox"
    find "$work/packages/lib" -name e1000.ko -exec mv {} "$work" \;
    rm -rf "$work/packages" "$apt"
fi

[ -n "${BUILT:-}" ] || cross/build.sh "$target"
root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc}
cp "$work/busybox" "target/$target/router/smol-kcpd" "$root/bin/"
cp "$work/e1000.ko" "$root/"
"target/cross/cc-$target" -O2 -static -s -o "$root/bin/load" cross/vm/load.c
install -m 755 cross/vm/init "$root/init"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 | gzip -9n) >"$work/initramfs"

# Outside: the program behind the tunnel, and in front of it one that holds connections.
cc -O2 -o "$work/load" cross/vm/load.c
rm -f "$work/console" "$work/more"
mkfifo "$work/console" "$work/more"
exec 3<>"$work/console" 4<>"$work/more"
"$work/load" echo 0 >"$work/echo" 3>&- 4>&- &
echo=$!
trap 'kill $echo' EXIT
until grep -q port= "$work/echo"; do kill -0 $echo; sleep 0.1; done
port=$("$work/load" port)
port=${port#port=}
most=$room
for word in "$@"; do [ "${word%%=*}" != most ] || most=${word#*=}; done

# The machine ends by itself; a kernel that panics ends it too. (With -icount its clock would not depend on how busy this
# machine is, but qemu 7.2 then loses interrupts of the 24Kf's timer, and the guest's time jumps by tens of seconds.)
began=$SECONDS
printed=$work/printed
: >"$printed"
timeout "${LIMIT:-600}" qemu-system-mipsel -M malta -cpu 24Kf -m 64 -kernel "$work/vmlinuz" -initrd "$work/initramfs" \
    -nographic -no-reboot -vga none -nic "user,model=e1000,hostfwd=tcp:127.0.0.1:$port-:2222" \
    -append "console=ttyS0 quiet panic=1 $(printf 'load_%s ' "$@" "$(cat "$work/echo")")" \
    <"$work/console" 3>&- 4>&- | sed -u 's/\r//' >"$printed" &
machine=$!
# says TEXT: whether the machine says that before it ends.
says() {
    until grep -q "^$1" "$printed"; do
        kill -0 $machine 2>/dev/null || return 1
        sleep 1
    done
}
# What is said of the connections from here goes to the machine, which asks when it has seen enough of them at rest. Two at
# once: no more may wait for qemu to accept them.
if says outside; then
    "$work/load" hold "$port" 2 "$most" <"$work/more" 4>&- >&3 &
    holder=$!
    says ask || true
    echo >&4
    wait $holder || true
fi
wait $machine || true
cat "$printed"
echo "$((SECONDS - began)) s"

# value KEY: the first word that the machine says of it.
value() { sed -n "s/^@ $1 \([^ ]*\).*/\1/p" "$printed"; }
status=0
# holds TEXT A OP B: a budget; what was not measured breaks it.
holds() {
    if awk -v a="${2:-none}" -v b="${4:-none}" -v op="$3" 'BEGIN {
        if (a !~ /^-?[0-9.]+$/ || b !~ /^-?[0-9.]+$/) exit 1
        exit !(op == "<=" ? a + 0 <= b + 0 : op == "==" ? a + 0 == b + 0 : a + 0 >= b + 0)
    }'; then
        echo "$1: ${2:-none} $3 ${4:-none}"
    else
        echo "$1: ${2:-none}, must be $3 ${4:-none}: BEYOND THE BUDGET"
        status=1
    fi
}
grep -q '^@ end$' "$printed" || { echo "the machine did not come to its end" >&2; exit 1; }
holds "idle connections inside" "$(value idle_held)" ">=" 1000
holds "of which answer again" "$(value idle_again)" "==" "$(value idle_held)"
holds "KiB of both daemons for each" "$(value idle_each_kib)" "<=" "$each_kib"
holds "busy connections end with" "$(value busy_status)" "==" 0
holds "idle connections from outside" "$(value most_held)" ">=" "$room"
holds "of which answer again" "$(value most_again)" "==" "$(value most_held)"
sed -n 's/^@ perf_\([a-z_]*\) .*/\1/p' "$printed" >"$work/profiles"
[ -s "$work/profiles" ] || holds "profiles measured" 0 ">=" 1
while read -r profile; do
    holds "$profile: MB/s" "$(value "perf_$profile")" ">=" "$goodput"
    holds "$profile: % sent again" "$(sed -n "s/^@ perf_$profile .*again \([0-9.]*\) %.*/\1/p" "$printed")" "<=" "$again"
done <"$work/profiles"
exit $status
