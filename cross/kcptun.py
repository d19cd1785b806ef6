#!/usr/bin/env python3
"""kcptun.py [RUNS] PROGRAM…: smol-kcpd in kcptun's place beside kcptun itself, in alternating runs.

An echo of 200 MiB between two processes of a kind over loopback: processor time of both per GB echoed, MB/s, and what the
client holds (VmRSS) idle and right after the first 20 MiB. Medians of RUNS (3). A PROGRAM is built with the feature
kcptun; Debian's kcptun must be installed."""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import threading
import time

from echo import free_port, serve
from memory import resident

CASES = {
    "aes, 10+3": [],
    "salsa20, no parity": ["--crypt", "salsa20", "--ds", "0", "--ps", "0"],
}
# What both are told beside that; the rest are kcptun's defaults.
BOTH = ["--key", "a key of both", "--smuxver", "2"]
SIZES = (20 << 20, 180 << 20)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(process):
    """Seconds so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def connected(address):
    """The client listens as soon as it has started; until then it is asked again."""
    for _ in range(200):
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("the client does not listen")


def echo(connection, size):
    """There and back; what comes back is what was sent."""
    piece = os.urandom(min(size, 1 << 20))

    def send():
        for _ in range(size // len(piece)):
            connection.sendall(piece)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = bytearray()
    for _ in range(size // len(piece)):
        while len(got) < len(piece):
            data = connection.recv(len(piece) - len(got))
            if not data:
                sys.exit("the connection ended")
            got += data
        if got != piece:
            sys.exit("other bytes came back")
        got.clear()
    sender.join()


def run(client, server, words, target):
    """Idle and later MB, seconds of both per GB, MB/s."""
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    ends = [
        [server, "--listen", f"127.0.0.1:{udp}", "--target", target],
        [client, "--localaddr", f"127.0.0.1:{tcp}", "--remoteaddr", f"127.0.0.1:{udp}"],
    ]
    running = [
        subprocess.Popen(end[0].split() + end[1:] + BOTH + words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in ends
    ]
    try:
        # So that there is a session. What a start leaves behind needs a while.
        with connected(("127.0.0.1", tcp)) as connection:
            echo(connection, 1000)
        time.sleep(2)
        idle = resident(running[1])
        with connected(("127.0.0.1", tcp)) as connection:
            began, spent = time.monotonic(), sum(map(cpu, running))
            echo(connection, SIZES[0])
            later = resident(running[1])
            echo(connection, SIZES[1])
            took, spent = time.monotonic() - began, sum(map(cpu, running)) - spent
    finally:
        for process in running:
            process.kill()
            process.wait()
    return idle, later, spent / (sum(SIZES) / 1e9), sum(SIZES) / 1e6 / took


def main():
    args = sys.argv[1:]
    runs = int(args.pop(0)) if args and args[0].isdigit() else 3
    echoing = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(echoing,), daemon=True).start()
    target = "127.0.0.1:%d" % echoing.getsockname()[1]
    programs = {"kcptun": ("kcptun-client", "kcptun-server")}
    programs |= {program: (f"{program} kcptun-client", f"{program} kcptun-server") for program in args}
    for case, words in CASES.items():
        rows = {name: [] for name in programs}
        for _ in range(runs):
            for name, (client, server) in programs.items():
                rows[name].append(run(client, server, words, target))
        print(f"{case}: client's MB idle, right after 20 MiB; CPU s/GB of both, MB/s; CPU beside kcptun")
        medians = {name: [statistics.median(column) for column in zip(*of)] for name, of in rows.items()}
        for name, (idle, later, spent, rate) in medians.items():
            times = spent / medians["kcptun"][2]
            print(f"  {name}: {idle:.1f}, {later:.1f}; {spent:.2f}, {rate:.0f}; {times:.2f} x", flush=True)


if __name__ == "__main__":
    main()
