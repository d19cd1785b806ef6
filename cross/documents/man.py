"""The manual pages, in man(7)."""

import re
import textwrap
import time

EXIT = [
    ("0", "It did what it was asked; a measurement was answered; a tunnel was ended by a signal."),
    ("1", "It failed, which the last line on stderr explains."),
    ("2", "The command line or a file has a mistake, which is named with its place and what is accepted."),
]

WHAT = """\
A client listens for TCP connections and carries each as a stream of KCP to a server, which connects it to its target.
All of it is encrypted and authenticated both ways.
Lost datagrams are repaired in about a round trip, and how fast each side sends it finds out itself."""

SYNTAX = """\
A file of tunnels for
.BR "smol\\-kcpd \\-\\-config" .
Every section is a tunnel, and its name is that in the log.
Lines are empty, a comment after
.BR # ,
the beginning of a section
.BI [ name ]
or
.IB "option " = " value" .
What stands before the first section holds for all tunnels that do not say
otherwise, and is the place of the options of the process.
An option is given once in a section, but for lists, which have several values
separated by blanks, or several lines.
.PP
Options are those of the command line with _ for \\-.
.B "smol\\-kcpd check"
.I FILE
names every mistake with its line, or prints each value that is in effect.
Secrets have files of their own, which only their owner may read."""

EXAMPLE = """\
log_level = info

[ssh]
role = client
listen = 127.0.0.1:2222
invite_file = /etc/smol\\-kcpd/ssh.invite

[backup]
role = client
listen = [::1]:8730
server = backup.example:29900
shared_secret_file = /etc/smol\\-kcpd/backup.key
rate = polite"""


def text(words):
    """Words of somebody else's, as man(7) prints them: `program` is bold."""
    words = words.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", words)


def prose(*sentences):
    """Sentences, each of which begins a line, as its readers like it."""
    lines = []
    for words in sentences:
        lines += textwrap.wrap(text(words), 79, break_long_words=False, break_on_hyphens=False)
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in lines)


def head(name, section, program, epoch, what):
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    return [
        f'.TH {text(name).upper()} {section} {date} "smol\\-kcpd {program.version}" "smol\\-kcp"',
        ".SH NAME", f"{text(name)} \\- {what}",
    ]


def facts(option):
    """What is accepted, what it is without a word, who may set it, and what it needs."""
    yield f"Accepted: {option.accepted}."
    if option.default:
        yield f"Default: {option.default}."
    ends = {"client", "server", "process"} & set(option.set_by)
    if len(ends) == 1:
        yield f"Of the {ends.pop()} only."
    if option.needs:
        yield f"Only with {option.needs.replace('=', ' = ')}."
    if option.is_list:
        yield "May be given several times."


def options(table, spell):
    """Every option under its heading; spell writes its name and what stands for its value."""
    page, heading = [], None
    for option in table:
        if option.heading != heading:
            heading = option.heading
            page += [".SS " + text(heading)]
        page += [".TP", spell(option), prose(sentence(option.help)), ".br", prose(*facts(option))]
    return page


def sentence(words):
    """A text of the table's, with a capital and a point, unless it begins with the name of something."""
    first = words.split()[0]
    words = words if "_" in first or first.endswith(":") else words[0].upper() + words[1:]
    return words if words.endswith(".") else words + "."


def sentences(words):
    return re.split(r"(?<=[.]) (?=[A-Z])", " ".join(words.split()))


def page_1(program, epoch):
    page = head("smol-kcpd", 1, program, epoch, "carries TCP connections over KCP, a reliable UDP protocol")
    page += [".SH SYNOPSIS", ".nf"]
    for command in program.commands:
        page += [f".B smol\\-kcpd {text(command.name)}"]
    page += [".B smol\\-kcpd \\-\\-config FILE", ".fi", ".SH DESCRIPTION"]
    page += [prose(*sentences(WHAT))]
    for note in program.notes:
        page += [".PP", prose(*sentences(note))]
    page += [".SH COMMANDS"]
    for command in program.commands:
        page += [".SS " + text(command.name), ".nf"]
        for usage in command.usage:
            is_call = usage.split()[0] == command.name
            page += [text(("smol-kcpd " if is_call else "    ") + usage)]
        page += [".fi"] + ([".PP", prose(*map(sentence, command.help))] if command.help else [])
    page += [".SH OPTIONS", "A BOOL is true where its value is missing."]
    on_command_line = [option for option in program.options if option.name != "role"]
    page += options(on_command_line, lambda o: f".BI {text(o.flag)} \" {text(o.unit)}\"")
    page += [".SH EXIT STATUS"]
    for code, why in EXIT:
        page += [".TP", f".B {code}", prose(why)]
    page += [".SH SEE ALSO", ".BR smol\\-kcpd.conf (5)"]
    return "\n".join(page) + "\n"


def page_5(program, epoch):
    page = head("smol-kcpd.conf", 5, program, epoch, "tunnels of smol\\-kcpd")
    page += [".SH DESCRIPTION", SYNTAX, ".SH OPTIONS"]
    page += options(program.options, lambda o: f".BI {text(o.name)} \" = {text(o.unit)}\"")
    page += [".SH EXAMPLES", ".nf", EXAMPLE, ".fi", ".SH SEE ALSO", ".BR smol\\-kcpd (1)"]
    return "\n".join(page) + "\n"
