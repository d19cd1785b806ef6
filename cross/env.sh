# What building without containers needs; sourced by build.sh, test.sh and size.sh with the targets as
# arguments. Installs it on Debian, or says what is missing. Defines $out (see setup.sh) and `cross_cargo`.
. cross/targets.sh

if [ $# = 0 ]; then
    echo "usage: $0 TARGET…; targets: $(awk '{ print $1 }' <<<"$TARGETS" | xargs)" >&2
    exit 2
fi
out=target/cross
cross/setup.sh "$out" "$@"
out=$(cd "$out" && pwd)

# The standard library is built from its source, with which Debian's compiler comes, or a nightly one of
# rustup's. Others than nightly allow that under this variable's eyes only.
export RUSTC_BOOTSTRAP=1
debian_rust() { [ -x /usr/bin/cargo ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]; }
nightly_rust() { [ -d "$(rustc +nightly --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library" ]; }
if ! debian_rust && ! nightly_rust; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "missing: Rust with the source of its standard library. With rustup:" \
            "rustup toolchain install nightly --component rust-src; on Debian, as root:" \
            "apt-get install rustc-web cargo-web rust-web-src" >&2
        exit 1
    fi
    echo "installing rustc-web cargo-web rust-web-src"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        rustc-web cargo-web rust-web-src gcc libc6-dev >/dev/null
fi
if debian_rust; then
    export RUSTC=/usr/bin/rustc
    cargo=(/usr/bin/cargo)
else
    cargo=(cargo +nightly)
fi

for target in "$@"; do
    fields "$target"
    key=${target^^} && key=${key//-/_}
    export "CARGO_TARGET_${key}_LINKER=$out/cc-$target" "CARGO_TARGET_${key}_RUNNER=$out/run-$target"
    export "CC_${target//-/_}=$out/cc-$target"
    # For MIPS these are in .cargo/config.toml, together with the cure of its timers. For the others only
    # here, since whoever builds with rustup's own C runtime and standard library must not have them.
    # $rustflags is the caller's; cargo joins it with what the file says.
    case $target in
        mips*) export "CARGO_TARGET_${key}_RUSTFLAGS=${rustflags:-}" ;;
        *) export "CARGO_TARGET_${key}_RUSTFLAGS=-Ctarget-feature=+crt-static -Clink-self-contained=no ${rustflags:-}" ;;
    esac
done

# cross_cargo COMMAND ARGUMENT…: cargo for all of the targets at once, so that what runs on this machine
# is built once.
targets=("${@/#/--target=}")
cross_cargo() {
    local command=$1
    shift
    "${cargo[@]}" "$command" --locked -Zbuild-std=std,panic_abort "${targets[@]}" "$@"
}
