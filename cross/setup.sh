#!/usr/bin/env bash
# setup.sh DIR TARGET…: everything but Rust that building for TARGETs and running the result needs, into DIR:
# cc-TARGET (a C compiler and linker with musl), run-TARGET (an emulator). The image that `cross` builds
# from cross/Dockerfile and the builds without containers (cross/build.sh) are both made by this text.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/targets.sh"

# The C compiler, linker, and musl: zig, from the Python package index. 0.13 and 0.17 fail to link.
ZIG=ziglang==0.15.2

dir=$1
shift

# install COMMAND PACKAGE…: Debian's packages, unless the command is there.
install() {
    local command=$1
    shift
    ! command -v "$command" >/dev/null || return 0
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "missing: $command; on Debian, as root: apt-get install $*" >&2
        exit 1
    fi
    echo "installing $*"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ "$here" -ef "$dir" ] || cp "$here/mips.ld" "$here/unwind.c" "$dir"
zig_python=$dir/zig/bin/python
if [ "$("$zig_python" -m ziglang version 2>/dev/null)" != "${ZIG#*==}" ]; then
    # Debian's own Python: its venv needs a package, which `import ensurepip` notices.
    python=$(command -v /usr/bin/python3 || command -v python3 || true)
    "${python:-false}" -c 'import ensurepip' 2>/dev/null || {
        install /nonexistent python3 python3-venv
        python=/usr/bin/python3
    }
    "$python" -m venv "$dir/zig" # pip refuses to install into a Debian's own Python
    "$dir/zig/bin/pip" install -q --disable-pip-version-check "$ZIG"
fi

for target in "$@"; do
    fields "$target"
    # Rust's C dependencies name the target in their own words (--target=…), which zig does not know;
    # its traps on undefined behaviour are not what a test of ours asks ikcp.c about. What is linked
    # without symbols is linked with them too, beside it, for size.sh to read.
    script=
    case $target in mips*) script="\"-Wl,-T,$dir/mips.ld\"" ;; esac
    # A program that is stripped is the routers', which aborts where it would panic: it unwinds nothing.
    # ARM's tables are others, of which there is little.
    unwind=
    case $target in arm*) ;; *) unwind="\"$dir/unwind.c\"" ;; esac
    cat >"$dir/cc-$target" <<END
#!/bin/sh
cc() { "$zig_python" -m ziglang cc -target $zig -mcpu=$cpu -fno-sanitize=undefined $script "\$@"; }
stripped=
for arg do
    shift
    case \$arg in
    --target=*) continue ;;
    -Wl,--strip-all) stripped=yes ;;
    esac
    set -- "\$@" "\$arg"
done
[ -z "\$stripped" ] || set -- $unwind "\$@"
cc "\$@" || exit
[ "\$stripped" ] || exit 0
last=
for arg do
    shift
    [ "\$last" != -o ] || arg=\$arg.symbols
    last=\$arg
    [ "\$arg" = -Wl,--strip-all ] || set -- "\$@" "\$arg"
done
cc "\$@"
END
    if [ "$qemu" = native ]; then
        run=
    else
        run="qemu-${qemu%:*}-static -cpu ${qemu#*:}"
        install "${run%% *}" qemu-user-static
        if [ "$qemu" = mips:24Kc ]; then # the one of another byte order than this machine
            "$zig_python" -m ziglang cc -O2 -target "$(uname -m)-linux-musl" "$here/single.c" -o "$dir/single"
            run="$dir/single $run"
        fi
    fi
    printf '#!/bin/sh\nexec %s "$@"\n' "$run" >"$dir/run-$target"
    chmod +x "$dir/cc-$target" "$dir/run-$target"
done
