#!/usr/bin/env python3
"""contributors.py PROGRAM: the ten crates that most of an ELF program's symbols belong to, in bytes.

Debian's nm knows the ELF of its own machine only. What was inlined counts for the crate it was inlined into."""

import collections
import pathlib
import re
import struct
import sys


def symbols(elf):
    """Names and sizes of the functions and objects of an ELF program."""
    wide, order = elf[4] == 2, "<" if elf[5] == 1 else ">"
    offset, = struct.unpack_from(order + ("Q" if wide else "I"), elf, 0x28 if wide else 0x20)
    size, count = struct.unpack_from(order + "HH", elf, 0x3A if wide else 0x2E)
    header = order + ("IIQQQQIIQQ" if wide else "10I")
    sections = [struct.unpack_from(header, elf, offset + at * size) for at in range(count)]
    for _, kind, _, _, start, length, link, *_, entry in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for at in range(start, start + length, entry):
            if wide:
                name, info, _, _, _, weight = struct.unpack_from(order + "IBBHQQ", elf, at)
            else:
                name, _, weight, info, _, _ = struct.unpack_from(order + "IIIBBH", elf, at)
            if info & 15 in (1, 2):  # STT_OBJECT, STT_FUNC
                end = elf.index(b"\0", names + name)
                yield elf[names + name:end].decode(), weight


def crate(symbol):
    """The crate that a symbol is named after: where a function is written, or a type that it is for."""
    if symbol.startswith("_R"):  # the first crate root: C, a disambiguator, a length, a name
        found = re.search(r"C(?:s[0-9A-Za-z]*_)?([0-9]+)_?([A-Za-z_].*)", symbol)
        return found[2][:int(found[1])] if found else "Rust, no crate"
    if symbol.startswith("_ZN"):  # a length and a name; <Type as Trait> is written $LT$..., :: is ..
        found = re.match(r"_ZN[0-9]+_?(?:\$[A-Z]+\$|mut |dyn |_)*([A-Za-z_][A-Za-z0-9_]*?)(?:\.\.|[0-9]|\$|E)", symbol)
        return found[1] if found else "Rust, no crate"
    return "C library and other"


sizes = collections.Counter()
for name, weight in symbols(pathlib.Path(sys.argv[1]).read_bytes()):
    sizes[crate(name)] += weight
for name, weight in sizes.most_common(10):
    print(f"{weight:>9}  {name}")
