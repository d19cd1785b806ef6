"""Computes every value of vectors.txt, whose path is the argument, anew."""

import sys

import secure_channel as sc


def read(path):
    values, counters = {}, []
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, separator, value = line.rstrip("\n").partition(" = ")
            if separator and name == "counter":
                counters.append([int(number) for number in value.split()])
            elif separator:
                values[name] = value
    return values, counters


def main(path):
    values, counters = read(path)
    unchecked = set(values)

    def check(name, computed):
        wanted = values[name] if isinstance(computed, str) else bytes.fromhex(values[name])
        assert computed == wanted, f"{name}: {computed!r} instead of {wanted!r}"
        unchecked.discard(name)

    def given(name):
        unchecked.discard(name)
        return bytes.fromhex(values[name])

    a, b, psk = given("a_secret"), given("b_secret"), given("psk")
    for name, secret in (("a", a), ("b", b)):
        check(f"{name}_public", sc.public(secret))
        check(f"{name}_secret_text", sc.key_text(secret))
        check(f"{name}_public_text", sc.key_text(sc.public(secret)))
        assert sc.read_key_text(values[f"{name}_secret_text"]) == secret
    S = sc.public(b)
    check("mac1_key", sc.mac1_key(S))
    check("mask_key", sc.mask_key(S))
    check("cookie_key", sc.cookie_key(S))

    # The initiation.
    a_e, a_header_key = given("a_ephemeral_secret"), given("a_header_key")
    payload = sc.initiation_payload(b"instance", 7, 0x04030201, a_header_key, 5)
    check("initiation_payload", payload)
    noise, message = sc.write_first(a, a_e, S, payload)
    check("initiation_noise", message)
    salt, random = given("initiation_salt"), given("initiation_random_mac2")
    datagram, mac1 = sc.initiation(S, salt, message, random=random)
    check("initiation", datagram)
    cookie, reply_salt = given("cookie"), given("cookie_reply_salt")
    reply = given("cookie_reply")
    assert sc.cookie_reply(S, reply_salt, mac1, cookie, len(reply) - 48) == reply
    assert sc.read_cookie_reply(S, mac1, reply) == cookie
    assert sc.read_cookie_reply(S, bytes(16), reply) is None
    check("initiation_with_cookie", sc.initiation(S, salt, message, cookie=cookie)[0])

    # The response: what the responder makes of it, and the initiator of that.
    b_e, b_header_key = given("b_ephemeral_secret"), given("b_header_key")
    responder, e, initiator, read_payload = sc.read_first(b, message)
    assert (e, initiator, read_payload) == (sc.public(a_e), sc.public(a), payload)
    answer = sc.response_payload(b"INSTANCE", 0x08070605, b_header_key, 2)
    check("response_payload", answer)
    second = sc.write_second(responder, b_e, e, initiator, psk, answer)
    check("response_noise", second)
    datagram = sc.response(a_header_key, 0x04030201, given("response_salt"), second)
    check("response", datagram)
    assert sc.read_header(a_header_key, datagram) == (0x04030201, 0)
    assert sc.read_response(a_header_key, datagram) == second
    assert sc.read_second(noise, a, a_e, psk, second) == answer
    assert sc.read_response_payload(answer) == (b"INSTANCE", 0x08070605, b_header_key)
    check("handshake_hash", noise.h)
    key_a_to_b, key_b_to_a = noise.split()
    assert responder.split() == [key_a_to_b, key_b_to_a]
    check("key_a_to_b", key_a_to_b)
    check("key_b_to_a", key_b_to_a)

    # Data.
    kinds = {"Data": sc.DATA, "Probe": sc.PROBE, "Answer": sc.ANSWER}
    for i in range(len([name for name in values if name.endswith("_counter")])):
        name = f"data_{i}"
        content, kind = given(f"{name}_content"), kinds[values[f"{name}_kind"]]
        counter, padding = int(values[f"{name}_counter"]), int(values[f"{name}_padding"])
        unchecked -= {f"{name}_{which}" for which in ("kind", "counter", "padding")}
        sealed = sc.seal(key_a_to_b, b_header_key, 0x08070605, counter, content, kind, padding)
        check(name, sealed)
        assert sc.read_header(b_header_key, sealed) == (0x08070605, counter % 2**32)
        assert sc.open_data(key_a_to_b, counter, sealed) == (kind, content)
        assert sc.open_data(key_a_to_b, counter + 1, sealed) is None

    for expected, lower, counter in counters:
        assert sc.reconstruct(expected, lower) == counter, (expected, lower)

    # Texts.
    shared = sc.read_key_text(values["shared_secret"])
    unchecked.discard("shared_secret")
    server_key, shared_psk = sc.shared_keys(shared)
    check("shared_server_key", sc.key_text(server_key))
    check("shared_psk", sc.key_text(shared_psk))
    own = a + bytes(range(0x20, 0x40)) + bytes(32)
    check("invitation_own", sc.invitation("router.example:29900", 1, own))
    check("invitation_shared", sc.invitation("router.example:29900", 2, shared))

    assert not unchecked, f"nobody has checked {sorted(unchecked)}"
    print(f"{len(values)} values and {len(counters)} counters")


main(sys.argv[1])
