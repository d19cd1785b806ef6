#!/usr/bin/env python3
"""memory.py COMMAND…: what a client of smol-kcpd, run as COMMAND, holds (VmRSS) around an echo of 20 MiB.

The stream stays open and silent after it. Under an emulator the figures are the emulator's too."""

import os
import pathlib
import socket
import sys
import threading
import time

from echo import connected, left, tunnel

SIZE = 20 << 20


def resident(process, field="VmRSS"):
    """Megabytes."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) * 1024 / 1e6


def echo(connection):
    """Everything there and back; how long it took."""
    sent, got = os.urandom(SIZE), bytearray()
    began = time.monotonic()
    sender = threading.Thread(target=connection.sendall, args=(sent,), daemon=True)
    sender.start()
    while len(got) < SIZE and (data := connection.recv(65536)):
        got += data
    took = time.monotonic() - began
    sender.join(left())
    if got != sent:
        sys.exit(f"{len(got)} bytes of {SIZE} came back, or others")
    return took


def main():
    faults = []
    with tunnel(sys.argv[1:], faults) as (address, client):
        connected(address).close()
        time.sleep(1)
        idle = resident(client)
        with socket.create_connection(address, timeout=left()) as connection:
            took = echo(connection)
            after = [resident(client)]
            for wait in (2, 10):
                time.sleep(wait)
                after.append(resident(client))
        most = resident(client, "VmHWM")
    print("\n".join(faults) or (
        f"a client's memory, MB: idle {idle:.2f}, right after the echo {after[0]:.2f}, 2 s later {after[1]:.2f}, "
        f"12 s later {after[2]:.2f}, at most {most:.2f}; {SIZE / 1e6 / took:.0f} MB/s there and back"
    ))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
