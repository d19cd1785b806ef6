#!/usr/bin/env bash
# check.sh: is Cross.toml what `cross` understands, and what cross/build.sh does? Keys and files always; where
# the revision of `cross` that Cross.toml names is installed, also what it asks of a container engine: ours
# builds and runs nothing, it only writes down what it is asked. Any other `cross` is left alone (0.2.5
# changes the installed toolchains).
set -euo pipefail
cd "$(dirname "$0")/.."
cross/check.py

revision=$(sed -n 's/.*--rev \([0-9a-f]*\)$/\1/p' Cross.toml)
cross=${CROSS:-$(command -v cross || true)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
# Whatever it does to toolchains, it does to empty folders.
export RUSTUP_HOME=$work/rustup HOME=$work/home CROSS_CUSTOM_TOOLCHAIN=1 CROSS_NO_WARNINGS=1
found=
[ -z "$cross" ] || found=$("$cross" --version 2>/dev/null | sed -n 's/^cross .*(\([0-9a-f]\{7,40\}\)[ )].*/\1/p' | head -1)
if [ -z "$found" ] || [ "${revision#"$found"}" = "$revision" ]; then
    echo "skipped: what cross asks of a container engine: no cross of revision $revision"
    exit 0
fi

cat >"$work/engine" <<END
#!/bin/sh
echo "\$*" >>"$work/asked"
case "\$1 \$2" in
--help*) echo "Usage: docker" ;;
version*) echo 1.44 ;;
info*) echo linux/amd64 ;;
esac
END
chmod +x "$work/engine"
export CROSS_CONTAINER_ENGINE=$work/engine PATH=/usr/bin:$PATH

# asked TARGET PATTERN: the engine was asked for this.
asked() {
    grep -qE -- "$2" "$work/asked" || {
        echo "$1: the engine was never asked for: $2; but for:" >&2
        cat "$work/asked" >&2
        exit 1
    }
}
for target in $(sed -n 's/^\[target\.\(.*\)\]$/\1/p' Cross.toml); do
    : >"$work/asked"
    "$cross" build --target "$target" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    if grep -q "^$target\b.* mips" cross/targets.sh; then
        asked "$target" 'build.*--file [^ ]*cross/Dockerfile\b.* [^ ]*cross$'
        asked "$target" "run.*cargo.* build .*-Z ?build-std=std,panic_abort.*"
    else
        asked "$target" "run .*ghcr.io/cross-rs/$target:main"
    fi
    asked "$target" "run.*cargo.* build.*--target.? ?$target"
    if grep -qE 'run .*-e RUSTFLAGS=' "$work/asked"; then
        echo "$target: RUSTFLAGS is set and hides .cargo/config.toml" >&2
        exit 1
    fi
done
echo "cross asks for the images, the Dockerfile and the flags of Cross.toml"
