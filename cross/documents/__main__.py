"""python3 cross/documents OUT COMMAND…: manual pages and completions of smol-kcpd, which is run as COMMAND, into OUT.

The same program and SOURCE_DATE_EPOCH (0 unless it is set) give the same bytes."""

import os
import pathlib
import sys

import completions
import man
import table


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.splitlines()[0])
    out, program = pathlib.Path(sys.argv[1]), table.read(sys.argv[2:])
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path, text in {
        "man/man1/smol-kcpd.1": man.page_1(program, epoch),
        "man/man5/smol-kcpd.conf.5": man.page_5(program, epoch),
        "bash/smol-kcpd": completions.bash(program),
        "zsh/_smol-kcpd": completions.zsh(program),
        "fish/smol-kcpd.fish": completions.fish(program),
    }.items():
        path = out / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
