#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""adb.py OUT FOLDER TIME [KEY=VALUE…]: packs FOLDER as a package of version 3 for apk (OpenWrt from 25.12 on) into OUT.

KEY is a field of apk-package(5), or a script (post-install, pre-deinstall, post-upgrade) whose VALUE is a file. Everything
belongs to root and has the TIME, in seconds of Unix. The same input gives the same bytes. The package has no signature:
`apk add --allow-untrusted`.

The format is that of apk-v3(5): a tree of values, each a word of type and place, in one block; behind it a block for
each file. What the fields are numbered by is apk-tools' src/apk_adb.h, what a block is its src/adb.h (3.0)."""

import hashlib
import pathlib
import stat
import struct
import sys
import zlib

# Types of values, in the upper 4 bits of a word; the rest is the value, or where it is.
INT, INT_32, BLOB_8, BLOB_16, BLOB_32, ARRAY, OBJECT = (n << 28 for n in (1, 2, 8, 9, 10, 13, 14))
NULL = 0
DIRECT = 1 << 28
# Types of blocks, in the upper 2 bits of a block's first word; the rest is its length with that word.
BLOCK_ADB, BLOCK_DATA = 0, 2

INFO = ["name", "version", "hashes", "description", "arch", "license", "origin", "maintainer", "url", "repo-commit",
        "build-time", "installed-size", "file-size", "provider-priority", "depends"]
SCRIPTS = ["trigger", "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade"]
REQUIRED = ["name", "version", "arch"]
# The identity of a package: as many bytes of the SHA-256 of its metadata, in which they are zero.
IDENTITY = 20


class Values:
    """The tree, its leaves first; what is there already is not written again."""

    def __init__(self):
        # Versions (compatible, of the writer), two bytes of nothing, and the root, which is known last.
        self.bytes = bytearray(8)
        self.places = {}

    def put(self, data, alignment):
        key = (bytes(data), alignment)
        if key not in self.places:
            self.bytes += bytes(-len(self.bytes) % alignment)
            self.places[key] = len(self.bytes)
            self.bytes += data
        return self.places[key]

    def blob(self, data):
        data = data.encode() if isinstance(data, str) else data
        if not data:
            return NULL
        for kind, form, most in ((BLOB_8, "<B", 0xFF), (BLOB_16, "<H", 0xFFFF), (BLOB_32, "<I", DIRECT - 1)):
            if len(data) <= most:
                return kind | self.put(struct.pack(form, len(data)) + data, struct.calcsize(form))
        raise ValueError(f"{len(data)} bytes are too many")

    def integer(self, value):
        return INT | value if value < DIRECT else INT_32 | self.put(struct.pack("<I", value), 4)

    def slots(self, kind, values):
        """The values of an array, or of an object, whose last ones may be missing; the first slot counts them and itself."""
        while values and values[-1] == NULL:
            values = values[:-1]
        return kind | self.put(struct.pack(f"<{len(values) + 1}I", len(values) + 1, *values), 4) if values else NULL

    def array(self, values):
        return self.slots(ARRAY, values)

    def object(self, names, fields):
        return self.slots(OBJECT, [fields.get(name, NULL) for name in names])


def rights(values, path):
    mode = stat.S_IMODE(path.stat().st_mode)
    fields = {"mode": values.integer(mode), "user": values.blob("root"), "group": values.blob("root")}
    return values.object(["mode", "user", "group"], fields)


def directory(values, root, folder, files, time):
    """A folder with its files; that of the package itself has no name."""
    listed = []
    for path in files:
        data = path.read_bytes()
        listed.append(values.object(["name", "acl", "size", "mtime", "hash"], {
            "name": values.blob(path.name), "acl": rights(values, path), "size": values.integer(len(data)),
            "mtime": values.integer(time), "hash": values.blob(hashlib.sha256(data).digest()),
        }))
    name = "" if folder == root else folder.relative_to(root).as_posix()
    return values.object(["name", "acl", "files"], {
        "name": values.blob(name), "acl": rights(values, folder), "files": values.array(listed),
    })


def block(kind, data):
    length = 4 + len(data)
    return struct.pack("<I", kind << 30 | length) + data + bytes(-length % 8)


def package(root, time, info, scripts):
    """The whole package, before it is compressed."""
    # Folders by their names, files by theirs, as bytes: apk looks them up so.
    folders = sorted([root, *(path for path in root.rglob("*") if path.is_dir())],
                     key=lambda path: b"" if path == root else path.relative_to(root).as_posix().encode())
    tree = [(folder, sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.name.encode()))
            for folder in folders]
    values = Values()
    fields = {key: values.blob(value) for key, value in info.items() if key not in ("depends", "build-time")}
    fields["hashes"] = values.blob(bytes(IDENTITY))
    fields["build-time"] = values.integer(time)
    fields["installed-size"] = values.integer(sum(path.stat().st_size for _, files in tree for path in files) or 1)
    depends = [values.object(["name"], {"name": values.blob(name)}) for name in sorted(info.get("depends", "").split())]
    fields["depends"] = values.array(depends)
    root_object = values.object(["info", "paths", "scripts"], {
        "info": values.object(INFO, fields),
        "paths": values.array([directory(values, root, folder, files, time) for folder, files in tree]),
        "scripts": values.object(SCRIPTS, {kind: values.blob(text) for kind, text in scripts.items()}),
    })
    struct.pack_into("<I", values.bytes, 4, root_object)
    identity = hashlib.sha256(values.bytes).digest()[:IDENTITY]
    place = (fields["hashes"] & DIRECT - 1) + 1  # behind its length
    values.bytes[place:place + IDENTITY] = identity

    whole = b"ADB." + b"pckg" + block(BLOCK_ADB, bytes(values.bytes))
    for at, (_, files) in enumerate(tree, 1):
        for number, path in enumerate(files, 1):
            if data := path.read_bytes():
                whole += block(BLOCK_DATA, struct.pack("<II", at, number) + data)
    return whole


def compressed(whole):
    """Raw DEFLATE behind a word that says so; the file's own magic is within."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"ADBd" + deflate.compress(whole) + deflate.flush()


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__.splitlines()[0])
    out, root, time = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    given = dict(word.split("=", 1) for word in sys.argv[4:])
    wrong = sorted(set(given) - set(INFO) - set(SCRIPTS)) + [key for key in REQUIRED if not given.get(key)]
    if wrong:
        sys.exit(f"adb.py: {wrong[0]}: no such field, or missing")
    scripts = {key: pathlib.Path(file).read_bytes() for key, file in given.items() if key in SCRIPTS}
    info = {key: value for key, value in given.items() if key in INFO}
    pathlib.Path(out).write_bytes(compressed(package(root, time, info, scripts)))


if __name__ == "__main__":
    main()
