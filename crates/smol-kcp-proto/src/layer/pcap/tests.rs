//! Captures read back: by hand, and by tshark where it is installed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn capture(records: &[(u64, &str, &str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut capture = Capture::new(&mut file).expect("memory takes everything");
    for &(micros, from, to, payload) in records {
        capture.record(micros, addr(from), addr(to), payload).expect("memory takes everything");
    }
    file
}

/// One record of a file: its header's four numbers and its bytes.
type Record<'a> = ([u32; 4], &'a [u8]);

/// Takes a file apart.
fn records(file: &[u8]) -> Vec<Record<'_>> {
    let (_, mut rest) = file.split_at(24);
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(16);
        let numbers: [u32; 4] = std::array::from_fn(|n| {
            u32::from_le_bytes(head[4 * n..4 * n + 4].try_into().expect("four bytes"))
        });
        let (packet, tail) = tail.split_at(numbers[2] as usize);
        out.push((numbers, packet));
        rest = tail;
    }
    out
}

/// The sum of RFC 1071 in its plainest form: with the checksum included, all ones is right.
fn plain_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u16;
    for word in bytes.chunks(2) {
        let word = u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]);
        let (low, carry) = sum.overflowing_add(word);
        sum = low + u16::from(carry);
    }
    sum
}

/// Is the UDP checksum of this packet right?
fn udp_is_sound(packet: &[u8]) -> bool {
    let (addresses, udp) = match packet[0] >> 4 {
        4 => (&packet[12..20], &packet[20..]),
        _ => (&packet[8..40], &packet[40..]),
    };
    let mut all = addresses.to_vec();
    all.extend([0, 17]);
    all.extend((udp.len() as u16).to_be_bytes());
    all.extend(udp);
    plain_sum(&all) == 0xffff && udp[6..8] != [0, 0]
}

#[test]
fn the_file_begins_with_what_libpcap_expects() {
    let file = capture(&[]);
    let expected =
        [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    assert_eq!(file, expected);
}

#[test]
fn checksums_are_those_of_the_literature() {
    // RFC 1071, section 3.
    let mut sum = Sum::default();
    sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.checksum(), !0xddf2);
    // The header that textbooks show: 115 bytes of UDP from 192.168.0.1 to 192.168.0.199.
    let header = ipv4_header(95, [192, 168, 0, 1], [192, 168, 0, 199]);
    assert_eq!(header[10..12], [0xb8, 0x61]);
}

#[test]
fn a_datagram_over_ipv4() {
    let file =
        capture(&[(1_700_000_000_123_456, "192.0.2.1:4000", "198.51.100.2:29900", b"hello")]);
    let all = records(&file);
    let &[(head, packet)] = &all[..] else { panic!("one record, not {all:?}") };
    assert_eq!(head, [1_700_000_000, 123_456, 33, 33]);
    #[rustfmt::skip]
    let expected = [
        0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0x4e, 0x95,
        192, 0, 2, 1, 198, 51, 100, 2,
        0x0f, 0xa0, 0x74, 0xcc, 0, 13, 0x4b, 0x5e,
        b'h', b'e', b'l', b'l', b'o',
    ];
    assert_eq!(packet, expected);
    assert_eq!(plain_sum(&packet[..20]), 0xffff);
    assert!(udp_is_sound(packet));
}

#[test]
fn a_datagram_over_ipv6() {
    let file = capture(&[(5, "[2001:db8::1]:1", "[2001:db8::2]:65535", b"even")]);
    let all = records(&file);
    let (head, packet) = all[0];
    assert_eq!(head, [0, 5, 52, 52]);
    assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 12, 17, 64]);
    assert_eq!(packet[8..24], v6_octets(addr("[2001:db8::1]:1").ip()));
    assert_eq!(packet[24..40], v6_octets(addr("[2001:db8::2]:1").ip()));
    assert_eq!(packet[40..46], [0, 1, 0xff, 0xff, 0, 12]);
    assert_eq!(packet[48..], *b"even");
    assert!(udp_is_sound(packet));
}

#[test]
fn of_two_families_the_older_is_mapped() {
    let file = capture(&[
        (0, "192.0.2.1:4000", "[2001:db8::2]:4001", b"there"),
        (0, "[::]:4001", "192.0.2.1:4000", b"back"),
    ]);
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
    let all = records(&file);
    assert_eq!(all[0].1[8..24], mapped);
    assert_eq!(all[1].1[24..40], mapped);
    assert!(all.iter().all(|(_, packet)| packet[0] == 0x60 && udp_is_sound(packet)));
}

#[test]
fn a_checksum_of_zero_is_written_as_all_ones() {
    // Every payload of two bytes occurs, so one of them brings the sum to zero.
    for n in 0..=u16::MAX {
        let file = capture(&[(0, "192.0.2.1:1", "192.0.2.2:2", &n.to_be_bytes())]);
        let (_, packet) = records(&file)[0];
        if packet[26..28] == [0xff, 0xff] {
            assert!(udp_is_sound(packet));
            return;
        }
        assert_ne!(packet[26..28], [0, 0]);
    }
    panic!("no payload had that checksum");
}

#[test]
fn what_no_packet_can_carry_is_recorded_cut() {
    let payload = vec![1; 70_000];
    let file = capture(&[
        (0, "192.0.2.1:1", "192.0.2.2:2", &payload[..65_507]),
        (0, "192.0.2.1:1", "192.0.2.2:2", &payload),
        (0, "[::1]:1", "[::1]:2", &payload[..65_527]),
        (0, "[::1]:1", "[::1]:2", &payload),
    ]);
    let all = records(&file);
    let lengths: Vec<_> = all.iter().map(|(head, _)| (head[2], head[3])).collect();
    assert_eq!(lengths, [(65_535, 65_535), (65_535, 70_028), (65_575, 65_575), (65_575, 70_048)]);
    assert_eq!(all[1].1[2..4], [0xff, 0xff], "IPv4's total length");
    assert_eq!(all[3].1[4..6], [0xff, 0xff], "IPv6's payload length");
    assert!(all.iter().all(|(_, packet)| udp_is_sound(packet)));
}

#[test]
fn a_disk_that_is_full_is_reported() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(taken)
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let kind = |room| {
        let mut capture = Capture::new(Full(room))?;
        capture.record(0, addr("192.0.2.1:1"), addr("192.0.2.2:2"), b"hello")
    };
    let full = |room| kind(room).map_err(|error: io::Error| error.kind());
    assert_eq!(full(23), Err(io::ErrorKind::StorageFull));
    assert_eq!(full(24 + 16 + 28 + 4), Err(io::ErrorKind::StorageFull));
    assert_eq!(full(24 + 16 + 28 + 5), Ok(()));
}

#[test]
fn tshark_reads_it() {
    let long = vec![7; 70_000];
    let file = capture(&[
        (1_700_000_000_000_001, "192.0.2.1:4000", "198.51.100.2:29900", &[1; 24]),
        (1_700_000_000_999_999, "198.51.100.2:29900", "192.0.2.1:4000", &[2; 1399]),
        (1_700_000_001_000_000, "[2001:db8::1]:40000", "[2001:db8::2]:29900", &[3; 33]),
        (1_700_000_002_000_000, "192.0.2.1:4000", "[2001:db8::2]:29900", &[]),
        (1_700_000_003_000_000, "192.0.2.1:4000", "198.51.100.2:29900", &long[..65_507]),
        (1_700_000_004_000_000, "192.0.2.1:4000", "198.51.100.2:29900", &long),
    ]);
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", "-", "-T", "fields", "-E", "separator=,"]);
    for preference in ["ip.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
        command.args(["-o", preference]);
    }
    for field in [
        "frame.len",
        "ip.src",
        "ipv6.src",
        "udp.srcport",
        "udp.dstport",
        "udp.length",
        "ip.checksum.status",
        "udp.checksum.status",
        "_ws.malformed",
    ] {
        command.args(["-e", field]);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Set where everything must be tested, as in .ci/run.
            assert!(std::env::var_os("SMOL_KCP_CI").is_none(), "tshark: {error}");
            eprintln!("skipped: tshark: {error}");
            return;
        }
        child => child.expect("tshark starts"),
    };
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(&file).expect("tshark reads to the end");
    drop(input);
    let output = child.wait_with_output().expect("tshark ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    // A checksum's status 1 is good. Times are left to the tests above: versions of tshark show
    // them differently.
    let expected = "\
52,192.0.2.1,,4000,29900,32,1,1,
1427,198.51.100.2,,29900,4000,1407,1,1,
81,,2001:db8::1,40000,29900,41,,1,
48,,::ffff:192.0.2.1,4000,29900,8,,1,
65535,192.0.2.1,,4000,29900,65515,1,1,
70028,192.0.2.1,,4000,29900,65515,1,1,
";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{said}");
}
