#!/usr/bin/env python3
"""echo.py COMMAND…: a TCP echo through two smol-kcpd, each of them run as COMMAND (say, under an emulator).

Encrypted, with a secret that COMMAND makes. Two connections at once, a mebibyte each, and after the half-close the rest of it and the end."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE = time.monotonic() + 60
SIZE = 1 << 20


def left():
    return max(0.1, DEADLINE - time.monotonic())


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def echo(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def serve(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def connected(address):
    """The client listens as soon as it has started; until then it is asked again."""
    while True:
        try:
            return socket.create_connection(address, timeout=left())
        except ConnectionRefusedError:
            if time.monotonic() > DEADLINE:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def tunnel(command, faults):
    """A client's address, behind which there is an echo, and the client itself."""
    target = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(target,), daemon=True).start()
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    ends = [
        ["server", "--listen", f"127.0.0.1:{udp}", "--target", "127.0.0.1:%d" % target.getsockname()[1]],
        ["client", "--listen", f"127.0.0.1:{tcp}", "--server", f"127.0.0.1:{udp}"],
    ]
    with tempfile.TemporaryDirectory() as folder:
        keys = ["--shared-secret-file", os.path.join(folder, "both.key")]
        subprocess.run(command + ["keygen"] + keys, check=True)
        running = [subprocess.Popen(command + end + keys) for end in ends]
        try:
            yield ("127.0.0.1", tcp), running[1]
        finally:
            for process in running:
                process.terminate()
    for end, process in zip(ends, running):
        if status := process.wait(left()):
            faults.append(f"{end[0]}: exit status {status} after SIGTERM")


def talk(address, faults):
    sent = os.urandom(SIZE)
    got = bytearray()
    try:
        with connected(address) as connection:
            def send():
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            while data := connection.recv(65536):
                got += data
            sender.join(left())
        if got != sent:
            faults.append(f"{len(got)} bytes of {SIZE} came back, or others")
    except OSError as error:
        faults.append(f"after {len(got)} bytes of {SIZE}: {error}")


def main():
    command = sys.argv[1:]
    faults = []
    with tunnel(command, faults) as (address, _):
        talks = [threading.Thread(target=talk, args=(address, faults)) for _ in range(2)]
        began = time.monotonic()
        for thread in talks:
            thread.start()
        for thread in talks:
            thread.join()
        took = time.monotonic() - began
    print("\n".join(faults) or f"a TCP echo of 2 x {SIZE} bytes through {' '.join(command)}: {took:.1f} s")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
