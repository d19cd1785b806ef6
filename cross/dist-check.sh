#!/usr/bin/env bash
# dist-check.sh [TARGET…]: does cross/dist.sh give the same bytes twice? From programs that are there; in another folder,
# with another mask, language and name of the clock.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- x86_64-unknown-linux-musl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BUILT=1 SOURCE_DATE_EPOCH=1700000000
OUT=$work/one cross/dist.sh "$@" >/dev/null
(umask 077 && TZ=Asia/Shanghai LC_ALL=C.UTF-8 OUT=$work/another/two cross/dist.sh "$@" >/dev/null)
(cd "$work/one" && sha256sum --quiet --check SHA256SUMS)
diff -r "$work/one" "$work/another/two"
echo "cross/dist.sh gives the same bytes twice: $(find "$work/one" -type f ! -name SHA256SUMS | wc -l) files"
