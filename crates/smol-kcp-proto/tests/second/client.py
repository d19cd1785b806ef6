"""An initiator of the secure channel, against a server that sends back what it gets.

client.py HOST PORT SERVER_KEY SECRET PSK [--flood N]    keys in Base64

--flood: first so many initiations that do not decrypt, so that the server asks for a cookie; it must.
"""

import os
import socket
import struct
import sys
import time

import secure_channel as sc

# Seconds after which something is said again. Nothing gets lost on the way to oneself, and a test must not fail
# because a machine is slow.
WAITS = (30, 60, 120)


class Keys:
    """What one handshake has agreed on."""

    def __init__(self, noise, own_index, peer_index, peer_header_key):
        self.send, self.receive = noise.split()
        self.own_index, self.peer_index, self.peer_header_key = own_index, peer_index, peer_header_key
        self.counter, self.expected, self.seen = 0, 0, set()


class Channel:
    def __init__(self, address, server_key, secret, psk):
        self.address, self.server_key, self.secret, self.psk = address, server_key, secret, psk
        family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.restart()

    def restart(self):
        """Forgets all, but keeps the socket."""
        self.instance, self.header_key, self.sequence = os.urandom(8), os.urandom(32), 0
        self.keys, self.by_index, self.peer_instance = None, {}, None
        self.cookies, self.sent = 0, []

    def put(self, datagram):
        self.sent.append(datagram)
        self.socket.sendto(datagram, self.address)

    def get(self, deadline):
        """The next datagram of the server's; None: none has come until then."""
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                return self.socket.recvfrom(65536)[0]
            except (TimeoutError, socket.timeout):
                pass
        return None

    def connect(self):
        """Makes new keys, beside those that there are."""
        index, e = int.from_bytes(os.urandom(4), "little") or 1, os.urandom(32)
        padding = os.urandom(1)[0] % 64
        payload = sc.initiation_payload(self.instance, self.sequence, index, self.header_key, padding)
        self.sequence += 1
        noise, message = sc.write_first(self.secret, e, self.server_key, payload)
        cookie = None
        for wait in WAITS:
            while True:
                salt = os.urandom(16)
                datagram, mac1 = sc.initiation(self.server_key, salt, message, cookie, os.urandom(16))
                self.put(datagram)
                answer = self.answer(index, mac1, time.monotonic() + wait)
                if isinstance(answer, bytes):
                    payload = sc.read_second(noise, self.secret, e, self.psk, answer)
                    self.peer_instance, peer_index, header_key = sc.read_response_payload(payload)
                    self.keys = self.by_index[index] = Keys(noise, index, peer_index, header_key)
                    return self.confirm()
                if answer is None or cookie is not None:
                    break
                (cookie,), self.cookies = answer, self.cookies + 1
        raise SystemExit("no answer; is the server's key right?")

    def answer(self, index, mac1, deadline):
        """A second Noise message, or a cookie in a tuple, or None."""
        while (datagram := self.get(deadline)) is not None:
            if len(datagram) >= 120 and sc.read_header(self.header_key, datagram)[0] == index:
                return sc.read_response(self.header_key, datagram)
            cookie = sc.read_cookie_reply(self.server_key, mac1, datagram)
            if cookie is not None:
                return (cookie,)
        return None

    def confirm(self):
        """Says that the keys have arrived, until the server has."""
        for wait in WAITS:
            self.send(b"", sc.PROBE)
            if self.receive(wait, sc.ANSWER) is not None:
                return
        raise SystemExit("the server does not take the keys")

    def send(self, content, kind=sc.DATA):
        keys, padding = self.keys, os.urandom(1)[0] % 64 if kind != sc.DATA else 0
        self.put(
            sc.seal(keys.send, keys.peer_header_key, keys.peer_index, keys.counter, content, kind, padding)
        )
        keys.counter += 1

    def receive(self, wait, wanted=sc.DATA):
        """The next content of that kind; None: none comes."""
        deadline = time.monotonic() + wait
        while (datagram := self.get(deadline)) is not None:
            if len(datagram) < 25:
                continue
            index, lower = sc.read_header(self.header_key, datagram)
            if index not in self.by_index:
                continue
            keys = self.by_index[index]
            counter = sc.reconstruct(keys.expected, lower)
            opened = sc.open_data(keys.receive, counter, datagram)
            if opened is None or counter in keys.seen:
                continue
            keys.seen.add(counter)
            keys.expected = max(keys.expected, counter + 1)
            kind, content = opened
            if kind == sc.PROBE:
                self.send(b"", sc.ANSWER)
            if kind == wanted:
                return content
        return None


def echo(channel, content):
    for wait in WAITS:
        channel.send(content)
        if (back := channel.receive(wait)) is not None:
            assert back == content, f"{back!r} instead of {content!r}"
            return
    raise SystemExit("nothing comes back")


def flood(channel, count):
    """Initiations for which the server has to compute something before it knows what they are."""
    for _ in range(count):
        message = os.urandom(148)
        datagram, _ = sc.initiation(channel.server_key, os.urandom(16), message, random=os.urandom(16))
        channel.socket.sendto(datagram, channel.address)


def main(host, port, server_key, secret, psk, *options):
    keys = [sc.read_key_text(text) for text in (server_key, secret, psk)]
    channel = Channel((host, int(port)), *keys)
    if options:
        flood(channel, int(options[1]))
    channel.connect()
    assert channel.cookies == bool(options), f"{channel.cookies} cookies"
    for content in (b"hello", b"", bytes(10), b"\x01\x00", bytes(range(256)) * 5):
        echo(channel, content)

    # What comes again is not heard again.
    last = channel.sent[-1]
    channel.socket.sendto(last, channel.address)
    echo(channel, struct.pack("<I", 1))

    # New keys, by the same run.
    before = channel.peer_instance
    channel.connect()
    echo(channel, struct.pack("<I", 2))

    # Another run of the same key, and the first one is still there.
    other = Channel((host, int(port)), *keys)
    other.connect()
    echo(other, struct.pack("<I", 3))
    echo(channel, struct.pack("<I", 4))

    # A restart of the first one.
    channel.restart()
    channel.connect()
    echo(channel, struct.pack("<I", 5))
    assert channel.peer_instance == other.peer_instance == before
    print("everything came back")


if __name__ == "__main__":
    main(*sys.argv[1:])
