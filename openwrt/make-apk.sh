#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs a cross-built smol-kcpd as an .apk for apk (OpenWrt 25.12 and newer), without an SDK:
#
#     openwrt/make-apk.sh TARGET [BINARY]
#
# with the arguments and the environment of make-ipk.sh. The same input gives the same bytes. Needs Python 3.
# The package has no signature: `apk add --allow-untrusted`.
set -eu
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
write_apk
