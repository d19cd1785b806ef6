"""What smol-kcpd says of itself: its commands by `--help`, its options by `options --json`."""

import json
import re
import subprocess
from dataclasses import dataclass, field

# What the meaning of the JSON is counted by; docs/daemon.md says what it has.
VERSION = 1


@dataclass
class Option:
    """One option of the table, with the heading of `--help` that it stands under."""

    name: str
    unit: str
    accepted: str
    help: str
    set_by: list
    needs: str
    default: str
    is_switch: bool
    is_list: bool
    heading: str = ""

    @property
    def flag(self):
        return "--" + self.name.replace("_", "-")

    @property
    def words(self):
        """The values that can be counted up; what follows them in the table's words is no word."""
        if self.is_switch:
            return ["true", "false"]
        found = []
        for word in re.split(r", or |, and | or |, ", self.accepted):
            if not re.fullmatch(r"[a-z][a-z0-9_-]*", word):
                break
            found.append(word)
        return found or (["none"] if self.accepted.endswith("or none") else [])

    @property
    def is_file(self):
        return self.unit == "FILE"


@dataclass
class Flag:
    """A flag that a command has beside the options of the table."""

    flag: str
    value: str = ""


@dataclass
class Command:
    """A command: how it is called, what it does, and what may stand behind it."""

    name: str
    usage: list = field(default_factory=list)
    help: list = field(default_factory=list)
    flags: list = field(default_factory=list)

    @property
    def summary(self):
        return re.split(r"[;:]", (self.help or [self.name])[0])[0]


@dataclass
class Program:
    version: str
    commands: list
    options: list
    notes: list

    def options_of(self, command):
        """What of the table a command takes."""
        if command.name in ("client", "server"):
            return [o for o in self.options if {command.name, "process"} & set(o.set_by) and o.name != "role"]
        if command.name == "perf":
            return [o for o in self.options if "perf" in o.set_by]
        if any("[keys]" in line for line in command.usage):
            return [o for o in self.options if "perf" in o.set_by and o.heading == "Keys"]
        return []

    def flags_of(self, command):
        """What it has of its own."""
        known = {option.flag for option in self.options_of(command)}
        return [flag for flag in command.flags if flag.flag not in known]


def default(one):
    """What it is on every machine where nobody says anything; the ends may differ."""
    if one["by_machine"] or one["name"] == "role":
        return ""
    ends = {side: one[side] for side in ("client", "server") if one[side] is not None}
    if len(set(ends.values())) < 2:
        return next(iter(ends.values()), "")
    return ", ".join(f"{value} ({side})" for side, value in ends.items())


def flags(text):
    """Flags of a usage, with what stands for their values."""
    found = {}
    for flag, value in re.findall(r"(?<![\w-])(--?[A-Za-z][a-z-]*)(?: (?![-\[|(])([^\s\]]+))?", text):
        value = value.strip("'.,;")
        if found.get(flag, "") == "":
            found[flag] = value
    return [Flag(flag, value) for flag, value in found.items()]


def commands(usage):
    """The commands of a usage: of each the lines that begin with it, and those below that are indented more."""
    found, current = {}, None
    for line in usage:
        call = re.match(r"  smol-kcpd (.*?)(?:   *(\S.*))?$", line)
        if call:
            names = [word for word in call[1].split(" | ") if re.fullmatch(r"[a-z][a-z-]*( .*)?", word)]
            current = [found.setdefault(name, Command(name)) for name in (word.split()[0] for word in names)]
            for command in current:
                # Of `one | two [flags]` each is called by its own name alone.
                command.usage.append(re.sub(r"^.*\b" + command.name + r"(?![\w-])(?: \| [^\[]*)?", command.name + " ", call[1]).strip())
                command.help += [call[2]] if call[2] else []
        elif current and line.startswith("   "):
            # A call may go on in the next line; what is far to the right describes it.
            is_usage = re.match(r" {6,14}\S", line)
            for command in current:
                if is_usage:
                    command.usage.append(line.strip())
                elif command.help:
                    command.help[-1] += " " + line.strip()
                else:
                    command.help.append(line.strip())
    for command in found.values():
        command.flags = flags(" ".join(command.usage + command.help))
    return list(found.values())


def read(program):
    """Asks the program, a list of words."""
    def ask(*words):
        return subprocess.run(program + list(words), check=True, capture_output=True, text=True).stdout

    table, text = json.loads(ask("options", "--json")), ask("--help").splitlines()
    if table["version"] != VERSION:
        raise SystemExit(f"options --json has version {table['version']}, and {VERSION} is understood")
    headings, heading = {}, ""
    for line in text:
        if line[:1].strip():
            heading = line
        elif named := re.match(r"  --([a-z-]+) ", line):
            headings[named[1].replace("-", "_")] = re.split(r" \(|;", heading)[0]
    options = [
        Option(
            name=one["name"], unit=one["unit"], accepted=one["accepted"], help=one["help"], set_by=one["set_by"],
            needs=one["needs"] or "", default=default(one), is_switch=one["switch"], is_list=one["list"],
            heading=headings.get(one["name"], "The tunnel"),
        )
        for one in table["options"]
    ]
    paragraphs = "\n".join(text).split("\n\n")
    calls = [line for part in paragraphs if "\n  smol-kcpd " in "\n" + part for line in part.splitlines()]
    notes = [part for part in paragraphs[1:] if not re.search(r"^  ", part, re.MULTILINE)]
    return Program(table["smol_kcpd"], commands(calls), options, notes)
