#!/usr/bin/env python3
"""Checks Cross.toml: that `cross` knows every key (it only warns of those that it does not), that every
file exists, and that what the image of cross/Dockerfile promises is what cross/setup.sh makes."""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What the revision that Cross.toml names reads (src/cross_toml.rs there): a type, or a table of keys.
ENV = {"volumes": list, "passthrough": list}
DOCKERFILE = {"file": str, "context": str, "build-args": dict}
ZIG = {"enable": bool, "version": str, "image": str}
BOTH = {"xargo": bool, "build-std": (bool, list), "zig": (bool, str, ZIG), "pre-build": (str, list),
        "dockerfile": (str, DOCKERFILE), "env": ENV}
BUILD = {**BOTH, "default-target": str}
TARGET = {**BOTH, "image": (str, {"name": str, "toolchain": list}), "runner": str}


def unknown(value, wanted, path=""):
    """The paths of what does not fit."""
    options = wanted if isinstance(wanted, tuple) else (wanted,)
    table = next((option for option in options if isinstance(option, dict)), None)
    if isinstance(value, dict) and table is not None:
        for key, inner in value.items():
            at = f"{path}.{key}" if path else key
            yield from unknown(inner, table[key], at) if key in table else [f"{at}: unknown"]
    elif not any(isinstance(option, type) and isinstance(value, option) for option in options):
        yield f"{path}: {value!r} is of the wrong type"


def faults(root):
    text = (root / "Cross.toml").read_text()
    config = tomllib.loads(text)
    schema = {"build": BUILD, "target": {name: TARGET for name in config.get("target", {})}}
    yield from unknown(config, schema)

    table = re.search(r"TARGETS='(.*?)'", (root / "cross/targets.sh").read_text(), re.S)
    ours = {line.split()[0] for line in table[1].split("\n") if line.strip()}
    theirs = set(config.get("target", {}))
    if ours != theirs:
        yield f"only in one of Cross.toml and cross/targets.sh: {sorted(ours ^ theirs)}"

    if len(set(re.findall(r"--rev (\S+)", text))) != 1 or not re.search(r"--rev [0-9a-f]{40}\b", text):
        yield "Cross.toml names no full revision of cross, or several"

    for name, target in config["target"].items():
        if ("image" in target) == ("dockerfile" in target):
            yield f"{name}: neither or both of image and dockerfile"
        dockerfile = target.get("dockerfile")
        if dockerfile is None:
            continue
        if isinstance(dockerfile, str):
            dockerfile = {"file": dockerfile}
        file, context = root / dockerfile["file"], root / dockerfile.get("context", ".")
        if not file.is_file() or not context.is_dir():
            yield f"{name}: {file} or {context} does not exist"
            continue
        image = file.read_text()
        for line in re.findall(r"^COPY (.*) \S+$", image, re.M):
            yield from (f"{file}: {one} does not exist" for one in line.split() if not (context / one).is_file())
        if name not in re.search(r"^RUN \S*/setup\.sh (.*)$", image, re.M)[1].split():
            yield f"{file}: sets nothing up for {name}"
        for key in (f"CARGO_TARGET_{name.upper().replace('-', '_')}_LINKER", f"CC_{name.replace('-', '_')}"):
            if f"{key}=/cross/cc-{name}" not in image:
                yield f"{file}: {key} is not the compiler of setup.sh"


found = list(faults(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
print("\n".join(found) or "Cross.toml: every key is known and every file exists")
sys.exit(bool(found))
