#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the LuCI application says, as LuCI's tools have it (no gettext and no SDK is needed):

    smol-kcpd options --json | openwrt/po.py template > openwrt/luci-app-smol-kcp/po/templates/smol-kcp.pot
    openwrt/po.py lmo openwrt/luci-app-smol-kcp/po/de/smol-kcp.po > smol-kcp.de.lmo

The template has every text of the views, the menu, the access list and the options (of a program with all features). An
.lmo is the catalogue that LuCI reads: texts, padded to 4 bytes, then for each, by its number, where it is, and at the end
where that index begins; all numbers are big-endian. The number of a text is SuperFastHash (Paul Hsieh) of its original."""

import json
import pathlib
import re
import struct
import sys

APP = pathlib.Path(__file__).resolve().parent / "luci-app-smol-kcp"


def texts(options):
    """Every text and where it is, in the order of the places."""
    views = sorted((APP / "htdocs").rglob("*.js"))
    for path in views:
        for text in re.findall(r"\b_\('((?:[^'\\]|\\.)*)'\)", path.read_text(encoding="utf-8")):
            yield text.replace("\\'", "'"), path.name
    for entry in json.loads((APP / "root/usr/share/luci/menu.d/luci-app-smol-kcp.json").read_text()).values():
        yield entry["title"], "menu"
    for entry in json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-smol-kcp.json").read_text()).values():
        yield entry["description"], "access"
    for option in options:
        yield option["help"], option["name"]


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def template(options):
    places = {}
    for text, place in texts(options):
        places.setdefault(text, []).append(place)
    lines = ['msgid ""', 'msgstr "Content-Type: text/plain; charset=UTF-8"']
    for text, where in places.items():
        lines += ["", "#: " + " ".join(dict.fromkeys(where)), "msgid " + quoted(text), 'msgstr ""']
    return "\n".join(lines) + "\n"


def catalogue(text):
    """The pairs of a .po, without its head and without what is not translated."""
    pairs, fields, field = [], {}, None
    for line in text.splitlines() + ['msgid ""']:
        word, _, rest = line.partition(" ")
        if word in ("msgid", "msgstr"):
            if word == "msgid":
                if fields.get("msgid") and fields.get("msgstr"):
                    pairs.append((fields["msgid"], fields["msgstr"]))
                fields = {}
            field, line = word, rest
            fields[field] = ""
        if field and line.startswith('"'):
            fields[field] += re.sub(r'\\(["\\])', r"\1", line.strip()[1:-1])
    return pairs


def number_of(text):
    data = text.encode()
    mask, total, at = 0xFFFFFFFF, len(data), 0
    two = lambda at: int.from_bytes(data[at:at + 2], "little")
    signed = lambda at: int.from_bytes(data[at:at + 1], "little", signed=True)
    value = total
    while total - at >= 4:
        value = value + two(at) & mask
        value = (value << 16 ^ two(at + 2) << 11 ^ value) & mask
        value = value + (value >> 11) & mask
        at += 4
    rest = total - at
    if rest == 3:
        value = value + two(at) & mask
        value = (value ^ value << 16) & mask
        value = (value ^ signed(at + 2) << 18) & mask
        value = value + (value >> 11) & mask
    elif rest == 2:
        value = value + two(at) & mask
        value = (value ^ value << 11) & mask
        value = value + (value >> 17) & mask
    elif rest == 1:
        value = value + signed(at) & mask
        value = (value ^ value << 10) & mask
        value = value + (value >> 1) & mask
    for left, right in ((3, 5), (4, 17), (25, 6)):
        value = (value ^ value << left) & mask
        value = value + (value >> right) & mask
    return value


def lmo(pairs):
    body, index = bytearray(), []
    for original, translation in pairs:
        data = translation.encode()
        if number_of(original) != number_of(translation):
            index.append((number_of(original), 1, len(body), len(data)))
            body += data + bytes(-len(data) % 4)
    entries = b"".join(struct.pack(">4I", *entry) for entry in sorted(index))
    return bytes(body) + entries + struct.pack(">I", len(body))


def main():
    words = sys.argv[1:]
    if words == ["template"]:
        sys.stdout.write(template(json.load(sys.stdin)["options"]))
    elif len(words) == 2 and words[0] == "lmo":
        sys.stdout.buffer.write(lmo(catalogue(pathlib.Path(words[1]).read_text(encoding="utf-8"))))
    else:
        sys.exit(__doc__)


main()
