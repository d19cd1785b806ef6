#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs a cross-built smol-kcpd as an .ipk for opkg (OpenWrt up to 24.10), without an SDK:
#
#     openwrt/make-ipk.sh TARGET [BINARY]
#
# TARGET is the Rust target; BINARY defaults to where cross/build.sh leaves it. Environment:
#     ARCHITECTURE        the package architecture of the router (`opkg print-architecture`), if not
#                         the usual one of the target
#     OUT                 the folder for the package, target/openwrt by default
#     SOURCE_DATE_EPOCH   the time of every file, that of the last commit by default
# The same input gives the same bytes. Needs GNU tar and gzip.
set -eu
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
write_ipk
