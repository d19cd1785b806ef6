"""The secure channel of docs/security.md once more, from that text alone: it is what is tested here.

Slow and without any protection of its secrets: nothing to use. Its names are those of the text.
"""

import base64
import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DATA, PROBE, ANSWER = 1, 2, 3


# Notation


def HASH(x):
    return hashlib.blake2s(x).digest()


def KEY(k, x):
    return hashlib.blake2s(x, key=k).digest()


def MAC(k, x):
    return hashlib.blake2s(x, key=k, digest_size=16).digest()


def HMAC(k, x):
    return hmac.new(k, x, hashlib.blake2s).digest()


def HKDF(chaining_key, data, count):
    secret, outputs = HMAC(chaining_key, data), [b""]
    for number in range(1, count + 1):
        outputs.append(HMAC(secret, outputs[-1] + bytes([number])))
    return outputs[1:]


def AEAD(k, n, x, ad=b""):
    return ChaCha20Poly1305(k).encrypt(nonce(n), x, ad)


def OPEN(k, n, x, ad=b""):
    """The inverse of AEAD; None if it is not authentic."""
    try:
        return ChaCha20Poly1305(k).decrypt(nonce(n), x, ad)
    except InvalidTag:
        return None


def nonce(n):
    return bytes(4) + n.to_bytes(8, "little")


def STREAM(k, sample, length):
    """Block by block: OpenSSL would carry the counter into the nonce."""
    counter, out = int.from_bytes(sample[:4], "little"), b""
    while len(out) < length:
        block = ((counter + len(out) // 64) % 2**32).to_bytes(4, "little")
        cipher = Cipher(algorithms.ChaCha20(k, block + sample[4:16]), mode=None)
        out += cipher.encryptor().update(bytes(64))
    return out[:length]


def SIPHASH(k, x):
    """SipHash-2-4 of Aumasson and Bernstein."""
    k0, k1 = struct.unpack("<QQ", k)
    v0, v1, v2, v3 = (
        k ^ c
        for k, c in zip(
            (k0, k1, k0, k1),
            (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573),
        )
    )

    def rotated(v, by):
        return (v << by | v >> 64 - by) % 2**64

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = (v0 + v1) % 2**64, (v2 + v3) % 2**64
            v1, v3 = rotated(v1, 13) ^ v0, rotated(v3, 16) ^ v2
            v0 = rotated(v0, 32)
            v2, v0 = (v2 + v1) % 2**64, (v0 + v3) % 2**64
            v1, v3 = rotated(v1, 17) ^ v2, rotated(v3, 21) ^ v0
            v2 = rotated(v2, 32)

    whole = len(x) - len(x) % 8
    last = x[whole:] + bytes(7 - len(x) % 8) + bytes([len(x) % 256])
    for (word,) in struct.iter_unpack("<Q", x[:whole] + last):
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


def DH(a, B):
    """A result of zeros raises ValueError."""
    return X25519PrivateKey.from_private_bytes(a).exchange(X25519PublicKey.from_public_bytes(B))


def public(secret):
    key = X25519PrivateKey.from_private_bytes(secret).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def XOR(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def mac1_key(S):
    return HASH(b"smol-kcp 1 mac1" + S)


def mask_key(S):
    return HASH(b"smol-kcp 1 mask" + S)


def cookie_key(S):
    return HASH(b"smol-kcp 1 cookie" + S)


# The handshake


class Noise:
    """Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, both sides."""

    def __init__(self, responder):
        self.h = self.ck = HASH(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
        self.mix_hash(b"smol-kcp secure 1")
        self.mix_hash(responder)

    def mix_hash(self, data):
        self.h = HASH(self.h + data)

    def mix_key(self, data):
        (self.ck, self.k), self.n = HKDF(self.ck, data, 2), 0

    def mix_psk(self, psk):
        (self.ck, mixed, self.k), self.n = HKDF(self.ck, psk, 3), 0
        self.mix_hash(mixed)

    def mix_e(self, e):
        self.mix_hash(e)
        self.mix_key(e)  # As there is a psk.

    def encrypt(self, plain):
        sealed = AEAD(self.k, self.n, plain, self.h)
        self.n += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed):
        plain = OPEN(self.k, self.n, sealed, self.h)
        if plain is None:
            raise ValueError("it does not decrypt")
        self.n += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        return HKDF(self.ck, b"", 2)


def write_first(s, e, responder, payload):
    """Returns the state and the first Noise message."""
    noise = Noise(responder)
    noise.mix_e(public(e))
    noise.mix_key(DH(e, responder))  # es
    static = noise.encrypt(public(s))
    noise.mix_key(DH(s, responder))  # ss
    return noise, public(e) + static + noise.encrypt(payload)


def read_first(s, message):
    """Returns the state, the initiator's e and s, and the payload."""
    noise, e = Noise(public(s)), message[:32]
    noise.mix_e(e)
    noise.mix_key(DH(s, e))  # es
    initiator = noise.decrypt(message[32:80])
    noise.mix_key(DH(s, initiator))  # ss
    return noise, e, initiator, noise.decrypt(message[80:])


def write_second(noise, e, initiator_e, initiator, psk, payload):
    noise.mix_e(public(e))
    noise.mix_key(DH(e, initiator_e))  # ee
    noise.mix_key(DH(e, initiator))  # se
    noise.mix_psk(psk)
    return public(e) + noise.encrypt(payload)


def read_second(noise, s, e, psk, message):
    """Returns the payload."""
    noise.mix_e(message[:32])
    noise.mix_key(DH(e, message[:32]))  # ee
    noise.mix_key(DH(s, message[:32]))  # se
    noise.mix_psk(psk)
    return noise.decrypt(message[32:])


def initiation_payload(instance, sequence, index, header_key, padding):
    return instance + struct.pack("<III", sequence, index, 0) + header_key + bytes(padding)


def response_payload(instance, index, header_key, padding):
    return instance + struct.pack("<II", index, 0) + header_key + bytes(padding)


def read_response_payload(payload):
    """Returns instance, index and header key."""
    index, _features = struct.unpack("<II", payload[8:16])
    if index == 0:
        raise ValueError("index 0")
    return payload[:8], index, payload[16:48]


def initiation(responder, salt, message, cookie=None, random=None):
    """Returns the datagram and its mac1."""
    datagram = salt + XOR(message, STREAM(mask_key(responder), salt, len(message)))
    mac1 = MAC(mac1_key(responder), datagram)
    datagram += mac1
    return datagram + (random if cookie is None else MAC(cookie, datagram)), mac1


def response(header_key, index, salt, message):
    mask = STREAM(KEY(header_key, b"smol-kcp 1 response"), salt, len(message))
    return with_header(header_key, index, 0, salt + XOR(message, mask))


def read_response(header_key, datagram):
    """Returns the Noise message."""
    salt, masked = datagram[8:24], datagram[24:]
    return XOR(masked, STREAM(KEY(header_key, b"smol-kcp 1 response"), salt, len(masked)))


def cookie_reply(responder, salt, mac1, cookie, padding):
    key = KEY(cookie_key(responder), salt + mac1)
    return salt + AEAD(key, 0, cookie + bytes(padding))


def read_cookie_reply(responder, mac1, datagram):
    """Returns the cookie; None: it is no reply to that initiation."""
    if not 48 <= len(datagram) <= 128:
        return None
    plain = OPEN(KEY(cookie_key(responder), datagram[:16] + mac1), 0, datagram[16:])
    return plain and plain[:16]


# Data


def with_header(header_key, index, counter, rest):
    header = struct.pack("<II", index, counter % 2**32)
    return XOR(header, SIPHASH(header_key[:16], rest[:16])) + rest


def read_header(header_key, datagram):
    """Returns the index, and the lower half of the counter."""
    return struct.unpack("<II", XOR(datagram[:8], SIPHASH(header_key[:16], datagram[8:24])))


def seal(key, header_key, index, counter, content, kind=DATA, padding=0):
    plain = content + bytes([kind]) + bytes(padding)
    return with_header(header_key, index, counter, AEAD(key, counter, plain))


def open_data(key, counter, datagram):
    """Returns the kind and the content; None: it is not authentic."""
    plain = OPEN(key, counter, datagram[8:])
    if plain is None:
        return None
    plain = plain.rstrip(b"\0")
    return (plain[-1], plain[:-1]) if plain else (0, b"")


def reconstruct(expected, lower):
    candidate = expected - expected % 2**32 + lower
    if candidate + 2**31 <= expected:
        return candidate + 2**32
    if candidate > expected + 2**31 and candidate >= 2**32:
        return candidate - 2**32
    return candidate


# Texts


def key_text(key):
    return base64.b64encode(key).decode()


def read_key_text(text):
    key = base64.b64decode(text.strip(), validate=True)
    if len(key) != 32 or key_text(key) != text.strip():
        raise ValueError("no key: " + text)
    return key


def shared_keys(secret):
    """Returns the server's static key and the preshared key."""
    prk = HMAC(b"smol-kcp 1 shared secret", secret)
    return HMAC(prk, b"server static\x01"), HMAC(prk, b"preshared key\x01")


def invitation(server, kind, keys):
    body = bytes([kind]) + keys
    body += HASH(b"smol-kcp 1 invitation" + server.encode() + body)[:4]
    text = base64.urlsafe_b64encode(body).decode().rstrip("=")
    return f"smol-kcp://{server}/#{text}"
