//! Options of tunnels that speak as kcptun does. What such a tunnel shares with all others (`mtu`, `send_window`, `dscp`
//! and so on) is in the other table.

use super::*;
use crate::PortRange;

options! {
    /// Options of tunnels that speak as kcptun does: they mean something beside `protocol = kcptun` only.
    KCPTUN_OPTIONS;
    Kcptun Tunnel protocol "NAME" "" "smol-kcp or kcptun" "kcptun: the other side is kcptun, or takes this one for it; not secure"
        set |d, t| match t { "smol-kcp" => d.is_kcptun = false, "kcptun" => d.speak_kcptun()?, _ => return None },
        get |d| Some(if d.is_kcptun { "kcptun".into() } else { "smol-kcp".into() });
    Kcptun Tunnel kcptun_key_file "FILE" "" "the name of a file that only its owner may read, with kcptun's key on its first line"
        "the key of both sides (or KCPTUN_KEY in the environment)"
        set |d, t| d.keys.kcptun_key_file = Some(secret_file(t)?), get |d| d.keys.kcptun_key_file.clone();
    Kcptun Tunnel crypt "NAME" "" "null, none, xor, aes, aes-128, aes-192, tea, xtea, salsa20, aes-128-gcm, and in builds with all ciphers blowfish, twofish, cast5, 3des and sm4"
        "the cipher of both sides"
        set |d, t| d.kcptun.crypt = smol_kcp::kcp_go::Cipher::from_name(t).ok()?, get |d| Some(d.kcptun.crypt.name().into());
    Kcptun Tunnel fec "RATIO" "" "auto, off, or data+parity such as 10+3, at most 256 together" "parity that this side sends, auto: where it is of use; the other may have another or none"
        set |d, t| d.kcptun.fec = t.parse().ok()?, get |d| Some(d.kcptun.fec.to_string());
    Kcptun Tunnel compression "BOOL" "" "true or false, yes or no, on or off, 1 or 0" "streams are compressed, on both sides or on neither"
        set |d, t| d.kcptun.compression = boolean(t)?, get |d| Some(d.kcptun.compression.to_string());
    Kcptun Tunnel smux_version "N" "" "1 to 2" "the version of both sides; kcptun before 2025-11-21 has 1 where it is not told"
        set |d, t| d.kcptun.smux_version = count(t).filter(|version| (1..=2).contains(version))?,
        get |d| Some(d.kcptun.smux_version.to_string());
    Kcptun Tunnel smux_buffer "SIZE" "" "64k to 256m" "bytes that a session holds for the readers of all its streams"
        set |d, t| d.kcptun.smux_buffer = size(t).filter(|bytes| ((64 << 10)..=(256 << 20)).contains(bytes))?,
        get |d| Some(print_size(d.kcptun.smux_buffer));
    Kcptun Tunnel stream_buffer "SIZE" "" "16k to 256m, not more than smux_buffer" "bytes that a stream of version 2 holds for its reader"
        set |d, t| d.kcptun.stream_buffer = size(t).filter(|bytes| ((16 << 10)..=(256 << 20)).contains(bytes))?,
        get |d| Some(print_size(d.kcptun.stream_buffer));
    Kcptun Tunnel frame_size "BYTES" "" "256 to 65535" "payload of a frame: how long one stream delays another"
        set |d, t| d.kcptun.frame_size = count(t).filter(|bytes| (256..=65_535).contains(bytes))?,
        get |d| Some(d.kcptun.frame_size.to_string());
    Kcptun Client sessions "N" "" "1 to 64" "client: UDP sockets with a session each, that connections are dealt to in turn"
        set |d, t| d.kcptun.sessions = count(t).filter(|sessions| (1..=64).contains(sessions))?,
        get |d| Some(d.kcptun.sessions.to_string());
    Kcptun Client auto_expire "TIME" "" "1s to 24d, or none" "client: age at which a session gets no more connections"
        set |d, t| d.kcptun.auto_expire = or_none(t, |t| duration(t).filter(|time| (1_000..=24 * 86_400_000).contains(&time.as_millis())))?,
        get |d| Some(print_or_none(d.kcptun.auto_expire, print_duration));
    Kcptun Client scavenge_ttl "TIME" "" "0s to 24d" "client: how long the connections of such a session may go on"
        set |d, t| d.kcptun.scavenge_ttl = duration(t).filter(|time| time.as_millis() <= 24 * 86_400_000)?,
        get |d| Some(print_duration(d.kcptun.scavenge_ttl));
    Kcptun Tunnel close_wait "TIME" "" "100ms to 24d" "silence after which a connection is closed of which one direction has ended"
        set |d, t| d.kcptun.close_wait = duration(t).filter(|time| (100..=24 * 86_400_000).contains(&time.as_millis()))?,
        get |d| Some(print_duration(d.kcptun.close_wait));
    Kcptun Tunnel ports "PORTS" "" "a port or a range such as 29900-29910; a server has at most 256"
        "instead of the port of server or listen: a client draws one for each session, a server listens at each"
        set |d, t| d.kcptun.ports = Some(PortRange::parse(t)?), get |d| d.kcptun.ports.map(|ports| ports.to_string());
}
