"""A conversation of plain KCP inside the channel, with an endpoint that sends back what it gets.

conversation.py HOST PORT SERVER_KEY SECRET PSK    keys in Base64
"""

import struct
import sys

import secure_channel as sc
from client import Channel, WAITS

PUSH, ACK, WINDOW = 81, 82, 128
# conv, cmd, frg, wnd, ts, sn, una, len
HEADER = struct.Struct("<IBBHIIII")
CONV = 0x01020304


def segments(datagram):
    """Each header of a datagram with its data."""
    at = 0
    while at < len(datagram):
        header = HEADER.unpack_from(datagram, at)
        yield header, datagram[at + HEADER.size : at + HEADER.size + header[-1]]
        at += HEADER.size + header[-1]


def say(channel, number, words):
    """One segment, repeated until it has come back; acknowledges that."""
    for wait in WAITS:
        channel.send(HEADER.pack(CONV, PUSH, 0, WINDOW, 1000 + number, number, number, len(words)) + words)
        acknowledged = back = False
        while not (acknowledged and back):
            datagram = channel.receive(wait)
            if datagram is None:
                break
            for (conv, cmd, _, _, ts, sn, una, _), data in segments(datagram):
                assert conv == CONV, conv
                acknowledged |= cmd == ACK and sn == number or una > number
                if cmd == PUSH and sn == number and data:
                    assert data == words, data
                    channel.send(HEADER.pack(CONV, ACK, 0, WINDOW, ts, sn, sn + 1, 0))
                    back = True
        if acknowledged and back:
            return
    raise SystemExit("nothing comes back")


def main(host, port, server_key, secret, psk):
    channel = Channel((host, int(port)), *(sc.read_key_text(text) for text in (server_key, secret, psk)))
    channel.connect()
    for number, words in enumerate((b"hello", b"\0" * 1000, b"goodbye")):
        say(channel, number, words)
    channel.connect()
    say(channel, 3, b"with new keys")
    print("everything came back")


main(*sys.argv[1:])
