"""python3 cross/documents/check.py COMMAND…: are the documents of smol-kcpd, run as COMMAND, what their readers understand?

The pages by mandoc and groff, the completions by bash, zsh and fish, each as far as it is there: what is not is named,
and is a fault where SMOL_KCP_CI is set."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

import table

HERE = pathlib.Path(__file__).parent
# What is typed, with words that must be offered then, and words that must not.
CASES = [
    ("", ["client", "server", "perf", "keygen", "options"], ["--send-window"]),
    ("cl", ["client"], ["server"]),
    ("client --send-", ["--send-window", "--send-budget"], ["--target"]),
    ("server --tar", ["--target", "--target-timeout"], ["--server"]),
    ("client --profile l", ["lan", "low_bandwidth", "low_memory"], ["wan"]),
    ("server --log-level ", ["error", "warn", "info", "debug", "trace"], ["lan"]),
    ("perf --direction ", ["upload", "download", "both"], []),
    ("keygen --sh", ["--shared", "--shared-secret-file"], ["--send-window"]),
    ("client --secret-file ke", ["key.file"], []),
    ("check tun", ["tunnels.conf"], []),
]


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def bash(script, typed):
    """What bash offers, asked as readline asks."""
    words = ["smol-kcpd", *typed.split(" ")]
    quoted = " ".join("'" + word + "'" for word in words)
    ask = f"source {script}; compopt() {{ COMPREPLY=($(compgen -f -- \"${{COMP_WORDS[COMP_CWORD]}}\")); }}; " \
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _smol_kcpd; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    answer = run(["bash", "--norc", "-c", ask])
    assert not answer.stderr, answer.stderr
    return answer.stdout.split()


def fish(script, typed):
    answer = run(["fish", "--no-config", "-c", f"source {script}; complete -C 'smol-kcpd {typed}'"],
                 env={**os.environ, "HOME": os.getcwd()})
    assert not answer.stderr, answer.stderr
    return [line.split("\t")[0] for line in answer.stdout.splitlines()]


def zsh(script, typed):
    """What zsh shows in a terminal behind a tabulator; it has no other way to ask."""
    leader, follower = pty.openpty()
    shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
                             env={**os.environ, "TERM": "dumb", "COLUMNS": "400", "LINES": "500", "PS1": "$ "})
    os.close(follower)

    def until(mark):
        seen, deadline = "", time.monotonic() + 60
        while mark not in seen:
            if time.monotonic() > deadline or not select.select([leader], [], [], 60)[0]:
                raise TimeoutError(f"zsh does not answer: {seen}")
            seen += os.read(leader, 65536).decode(errors="replace")
        return seen

    try:
        setup = f"stty cols 400 rows 500; fpath=({script.parent} $fpath); autoload -U compinit; compinit -u -D; " \
            "zstyle ':completion:*' list-prompt ''; LISTMAX=10000; unsetopt zle_bracketed_paste auto_menu; " \
            "bindkey '^I' complete-word; finish() { zle -M 'the''-end' }; zle -N finish; bindkey '^X' finish; echo rea''dy\n"
        os.write(leader, setup.encode())
        until("ready")
        # The second tabulator lists what the first has not decided.
        os.write(leader, f"smol-kcpd {typed}\t\t\x18".encode())
        shown = until("the-end")
    finally:
        shell.kill()
        shell.wait()
        os.close(leader)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x08|\x07", "", shown)
    return re.findall(r"[\w.-]+", shown.split("smol-kcpd ", 1)[-1])


def checks(out):
    """Everything that is asked, each with the program that it takes."""
    pages = sorted(out.glob("man/*/*"))
    assert len(pages) == 2

    def lint(*command):
        def check():
            for page in pages:
                answer = run([*command, str(page)])
                said = [line for line in (answer.stdout + answer.stderr).splitlines() if line]
                assert answer.returncode == 0 and not said, said
        return check

    def completion(ask, script):
        def check():
            for typed, wanted, unwanted in CASES:
                offered = ask(script, typed)
                # A word that is the only one is completed in the line, of which a terminal shows what is new.
                missing = [word for word in wanted if not any(word == it or word.endswith(it) and len(wanted) == 1 for it in offered)]
                assert not missing, f"{typed!r}: {missing} is not offered, but {offered}"
                assert not set(unwanted) & set(offered), f"{typed!r}: {offered}"
        return check

    yield "mandoc", lint("mandoc", "-T", "lint")
    yield "groff", lint("groff", "-ww", "-man", "-z", "-T", "utf8")
    yield "shellcheck", lambda: check_call(["shellcheck", "-s", "bash", str(out / "bash/smol-kcpd")])
    yield "bash", completion(bash, out / "bash/smol-kcpd")
    yield "zsh", completion(zsh, out / "zsh/_smol-kcpd")
    yield "fish", completion(fish, out / "fish/smol-kcpd.fish")


def check_call(command):
    answer = run(command)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def complete(out, program):
    """Every command that the program names, and every option of its table, is in every document that has it."""
    said = run([*program, "nothing-like-it"]).stderr.split("must be ")[-1]
    commands = re.findall(r"[a-z][a-z-]*(?=, )", said)
    assert len(commands) >= 9, said
    options = [option.name for option in table.read(program).options]
    for path in ["bash/smol-kcpd", "zsh/_smol-kcpd", "fish/smol-kcpd.fish", "man/man1/smol-kcpd.1"]:
        text = (out / path).read_text(encoding="utf-8").replace("\\-", "-")
        for word in commands + [name.replace("_", "-") for name in options if name != "role"]:
            # Those of a file's sections only have no place on a command line's page of another command.
            assert re.search(rf"(?<![\w]){re.escape(word)}(?![\w-])", text), f"{path} has no {word}"
    text = (out / "man/man5/smol-kcpd.conf.5").read_text(encoding="utf-8").replace("\\-", "-")
    for name in options:
        assert f".BI {name} " in text, f"smol-kcpd.conf(5) has no {name}"


def main():
    # From wherever a relative name of the program leads to it.
    program = [shutil.which(word) and os.path.abspath(shutil.which(word)) or word for word in sys.argv[1:]]
    missing, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out")
        for _ in range(2):
            run([sys.executable, str(HERE), str(out), *program], check=True)
        complete(out, program)
        work = pathlib.Path(folder, "work")
        work.mkdir()
        (work / "key.file").touch()
        (work / "tunnels.conf").touch()
        os.chdir(work)
        for tool, check in checks(out):
            if not shutil.which(tool):
                missing.append(tool)
                continue
            try:
                check()
                print(f"{tool}: well")
            except (AssertionError, TimeoutError) as fault:
                failed.append(tool)
                print(f"{tool}: {fault}", file=sys.stderr)
        os.chdir("/")
    if missing:
        print(f"NOT CHECKED, missing: {' '.join(missing)}", file=sys.stderr)
    sys.exit(bool(failed or missing and os.environ.get("SMOL_KCP_CI")))


if __name__ == "__main__":
    main()
