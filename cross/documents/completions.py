"""Completions for bash, zsh and fish, none of which needs anything but its shell."""

GLOBAL = [("--config", "FILE", "every section of the file is a tunnel"), ("--help", "", "the help"), ("--version", "", "the version")]


def shorten(words):
    """A help of one line that is not in the way."""
    words = words.split("; ")[0].replace("`", "")
    return words if len(words) < 78 else words[:75].rsplit(" ", 1)[0] + " ..."


def quote(words):
    return "'" + words.replace("'", "'\\''") + "'"


def flags_in(program, command):
    return [o.flag for o in program.options_of(command)] + [f.flag for f in program.flags_of(command)]


def choices(flag):
    """Words of a flag's value such as upload|download|both."""
    return flag.value.split("|") if "|" in flag.value else []


def bash(program):
    names = [command.name for command in program.commands]
    values, files, others = {}, {"--config"}, set()
    for option in program.options:
        if option.words:
            values[option.flag] = option.words
        else:
            (files if option.is_file else others).add(option.flag)
    for command in program.commands:
        for flag in program.flags_of(command):
            if choices(flag):
                values[flag.flag] = choices(flag)
            elif flag.value and flag.flag not in values:
                (files if "FILE" in flag.value else others).add(flag.flag)
    out = [
        "# bash completion for smol-kcpd, made of its table of options", "_smol_kcpd() {",
        '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=""',
        "    COMPREPLY=()", "    case $prev in",
    ]
    for flag, words in sorted(values.items()):
        out += [f"        {flag}) words={quote(' '.join(words))} ;;"]
    out += [f"        {'|'.join(sorted(files))}) compopt -o default; return ;;"]
    out += [f"        {'|'.join(sorted(others - files - set(values)))}) return ;;", "    esac"]
    # A switch needs no value, so what may follow it is offered too.
    switches = "|".join(sorted(o.flag for o in program.options if o.is_switch))
    out += ['    case $words:$prev in', f"        :*|*:{switches.replace('|', '|*:')})", "            case ${COMP_WORDS[1]} in"]
    for command in program.commands:
        offered = " ".join(flags_in(program, command))
        out += [f"                {command.name}) [ \"$COMP_CWORD\" = 1 ] || words+={quote(' ' + offered)} ;;"]
    process = [o.flag for o in program.options if o.set_by == ["process"]]
    out += [f"                --config) words+={quote(' '.join(['', '--insecure'] + process))} ;;", "            esac ;;", "    esac"]
    words = " ".join(names + [flag for flag, _, _ in GLOBAL])
    out += [
        f"    [ \"$COMP_CWORD\" != 1 ] || words={quote(words)}",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")',
        "    case ${COMP_WORDS[1]}:$cur in check:[!-]*|check:|import:[!-]*|import:) compopt -o default ;; esac",
        "}", "complete -F _smol_kcpd smol-kcpd",
    ]
    return "\n".join(out) + "\n"


def zsh_help(words):
    for char in "\\[]:":
        words = words.replace(char, "\\" + char)
    return words


def zsh_option(option):
    spec = ("*" if option.is_list else "") + f"{option.flag}[{zsh_help(shorten(option.help))}]"
    colon = "::" if option.is_switch else ":"
    action = "_files" if option.is_file else "(" + " ".join(option.words) + ")" if option.words else ""
    if option.unit == "NAME" and "user" in option.accepted:
        action = "_users"
    return quote(f"{spec}{colon}{zsh_help(option.unit)}:{action}")


def zsh_flag(flag, value, words=(), help_text=""):
    spec = flag + (f"[{zsh_help(help_text)}]" if help_text else "")
    if not value:
        return quote(spec)
    action = "_files" if "FILE" in value else "(" + " ".join(words) + ")" if words else ""
    return quote(f"{spec}:{zsh_help(value)}:{action}")


def zsh(program):
    out = ["#compdef smol-kcpd", "# made of smol-kcpd's table of options", "", "_smol_kcpd() {", "    if (( CURRENT == 2 )); then"]
    out += ["        local -a commands=("]
    for command in program.commands:
        out += ["            " + quote(f"{command.name}:{shorten(command.summary)}")]
    out += ["        )", "        _describe -t commands command commands"]
    out += ["        _arguments " + " ".join(zsh_flag(flag, value, (), about) for flag, value, about in GLOBAL), "        return", "    fi"]
    out += ["    local command=$words[2]", "    shift words", "    (( CURRENT-- ))", "    case $command in"]
    for command in program.commands:
        specs = [zsh_option(o) for o in program.options_of(command)]
        specs += [zsh_flag(f.flag, f.value, choices(f)) for f in program.flags_of(command)]
        specs += ["'*:file:_files'"] if any("FILE" in line.split() for line in command.usage) else []
        if specs:
            out += [f"        {command.name}) _arguments \\", " \\\n".join("            " + spec for spec in specs), "            ;;"]
    process = [zsh_option(o) for o in program.options if o.set_by == ["process"] or o.name == "insecure"]
    out += ["        --config) _arguments '1:file:_files' \\", " \\\n".join("            " + spec for spec in process), "            ;;"]
    out += ["    esac", "}", "", '_smol_kcpd "$@"']
    return "\n".join(out) + "\n"


def fish(program):
    def line(condition, rest):
        return f"complete -c smol-kcpd -n {quote(condition)} {rest}"

    first = "test (count (commandline -opc)) -eq 1"
    out = ["# fish completion for smol-kcpd, made of its table of options", "complete -c smol-kcpd -f"]
    for command in program.commands:
        out += [line(first, f"-a {command.name} -d {quote(shorten(command.summary))}")]
    for flag, value, about in GLOBAL:
        out += [line(first, f"-l {flag[2:]} {'-r -F ' if value else ''}-d {quote(about)}")]

    def option(condition, one):
        takes = "-r -F" if one.is_file else "-x" if not one.is_switch else "-f"
        words = f" -a {quote(' '.join(one.words))}" if one.words and not one.is_switch else ""
        return line(condition, f"-l {one.flag[2:]} {takes}{words} -d {quote(shorten(one.help))}")

    for one in program.options:
        users = [c.name for c in program.commands if one in program.options_of(c)]
        if users:
            out += [option("__fish_seen_subcommand_from " + " ".join(users), one)]
        if one.set_by == ["process"] or one.name == "insecure":
            out += [option("__fish_contains_opt config", one)]
    for command in program.commands:
        seen = f"__fish_seen_subcommand_from {command.name}"
        for flag in program.flags_of(command):
            name = f"-l {flag.flag[2:]}" if flag.flag.startswith("--") else f"-s {flag.flag[1:]}"
            takes = "" if not flag.value else " -r -F" if "FILE" in flag.value else " -x"
            words = f" -a {quote(' '.join(choices(flag)))}" if choices(flag) else ""
            out += [line(seen, name + takes + words)]
        if any("FILE" in usage.split() for usage in command.usage):
            out += [line(seen, "-F")]
    return "\n".join(out) + "\n"
