//! Captures that Wireshark and tshark open: the classic pcap file of libpcap.
//!
//! Below UDP nothing is captured, so IP and UDP headers are made up: right in addresses, ports,
//! lengths and checksums, and without news in all else. Wireshark 4.0 has no dissector for KCP of
//! its own and shows UDP with data.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};

/// pcap's magic number of a file with microseconds, in the byte order of the whole file.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Records begin with an IPv4 or IPv6 header (LINKTYPE_RAW).
const LINKTYPE_RAW: u32 = 101;
/// Longest record, as tcpdump has it: more than any IP packet.
const SNAPLEN: u32 = 262_144;

const RECORD_LEN: usize = 16;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
/// UDP, in an IP header (RFC 768).
const PROTOCOL_UDP: u8 = 17;
/// Routers a packet may pass (RFC 1700's default).
const TTL: u8 = 64;

/// A capture that is being written.
#[derive(Debug)]
pub(crate) struct Capture<W: io::Write> {
    writer: W,
}

impl<W: io::Write> Capture<W> {
    /// Begins a capture: writes the header of the file. Each record is two small writes, so
    /// `writer` had better be buffered.
    ///
    /// # Errors
    /// Those of `writer`.
    pub(crate) fn new(mut writer: W) -> io::Result<Capture<W>> {
        let mut header = [0; 24];
        let mut fields = Fields { out: &mut header };
        fields.put(&MAGIC.to_le_bytes());
        fields.put(&2u16.to_le_bytes()); // version 2.4
        fields.put(&4u16.to_le_bytes());
        fields.put(&[0; 8]); // time zone and accuracy, zero in every file
        fields.put(&SNAPLEN.to_le_bytes());
        fields.put(&LINKTYPE_RAW.to_le_bytes());
        writer.write_all(&header)?;
        Ok(Capture { writer })
    }

    /// Appends a datagram that travelled at `unix_micros`, in microseconds since 1970 (the file's
    /// 32 bits of seconds begin anew in 2106). Of addresses of different families the IPv4 one is
    /// recorded as IPv4-mapped. What is longer than IP can carry is recorded cut, with its true
    /// length beside it.
    ///
    /// # Errors
    /// Those of the writer. The file may then end within a record, and nothing more can be
    /// appended to it.
    pub(crate) fn record(
        &mut self,
        unix_micros: u64,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let ip_len = if from.is_ipv4() && to.is_ipv4() { IPV4_LEN } else { IPV6_LEN };
        // IPv4 counts its own header into its 16 bits of length, IPv6 does not.
        let most = usize::from(u16::MAX) - UDP_LEN - if ip_len == IPV4_LEN { IPV4_LEN } else { 0 };
        let kept = payload.get(..most).unwrap_or(payload);
        let headers = ip_len + UDP_LEN;

        let mut head = [0; RECORD_LEN + IPV6_LEN + UDP_LEN];
        let mut fields = Fields { out: &mut head };
        let original = u32::try_from(headers.saturating_add(payload.len())).unwrap_or(u32::MAX);
        fields.put(&((unix_micros / 1_000_000) as u32).to_le_bytes());
        fields.put(&((unix_micros % 1_000_000) as u32).to_le_bytes());
        fields.put(&((headers + kept.len()) as u32).to_le_bytes());
        fields.put(&original.to_le_bytes());

        let udp_len = (UDP_LEN + kept.len()) as u16; // `most` fits
        let mut sum = Sum::default();
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                fields.put(&ipv4_header(udp_len, from.octets(), to.octets()));
                sum.add(&from.octets());
                sum.add(&to.octets());
            }
            (from, to) => {
                let (from, to) = (v6_octets(from), v6_octets(to));
                fields.put(&[0x60, 0, 0, 0]); // version 6, no class, no flow
                fields.put(&udp_len.to_be_bytes());
                fields.put(&[PROTOCOL_UDP, TTL]);
                fields.put(&from);
                fields.put(&to);
                sum.add(&from);
                sum.add(&to);
            }
        }
        // The rest of the pseudo header (RFC 768, RFC 8200 8.1), then the UDP header and payload.
        sum.add(&u16::from(PROTOCOL_UDP).to_be_bytes());
        sum.add(&udp_len.to_be_bytes());
        for field in [from.port(), to.port(), udp_len] {
            fields.put(&field.to_be_bytes());
            sum.add(&field.to_be_bytes());
        }
        sum.add(kept);
        // Zero would say that there is no checksum.
        let checksum = match sum.checksum() {
            0 => u16::MAX,
            checksum => checksum,
        };
        fields.put(&checksum.to_be_bytes());

        self.writer.write_all(&head[..RECORD_LEN + headers])?;
        self.writer.write_all(kept)
    }

    /// Lets what the writer holds back through to the file.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A header of 20 bytes (RFC 791).
fn ipv4_header(udp_len: u16, from: [u8; 4], to: [u8; 4]) -> [u8; IPV4_LEN] {
    let mut header = [0; IPV4_LEN];
    let mut fields = Fields { out: &mut header };
    fields.put(&[0x45, 0]); // version 4, five words, no service class
    fields.put(&(IPV4_LEN as u16 + udp_len).to_be_bytes());
    fields.put(&[0, 0, 0x40, 0]); // no identification, as it must not be fragmented
    fields.put(&[TTL, PROTOCOL_UDP, 0, 0]); // the checksum follows
    fields.put(&from);
    fields.put(&to);
    let mut sum = Sum::default();
    sum.add(&header);
    header[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
    header
}

fn v6_octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Fields of a header, written one after the other.
struct Fields<'a> {
    out: &'a mut [u8],
}

impl Fields<'_> {
    fn put(&mut self, field: &[u8]) {
        let (this, rest) = std::mem::take(&mut self.out).split_at_mut(field.len());
        this.copy_from_slice(field);
        self.out = rest;
    }
}

/// The checksum of the Internet (RFC 1071). Only the last piece added may be of odd length.
#[derive(Default)]
struct Sum(u32);

impl Sum {
    /// At most 64 KiB and some headers are added, so 32 bits cannot overflow.
    fn add(&mut self, bytes: &[u8]) {
        let words = bytes.chunks_exact(2);
        if let [last] = *words.remainder() {
            self.0 += u32::from(last) << 8;
        }
        for word in words {
            self.0 += u32::from(word[0]) << 8 | u32::from(word[1]);
        }
    }

    fn checksum(&self) -> u16 {
        let folded = (self.0 & 0xffff) + (self.0 >> 16);
        !((folded & 0xffff) + (folded >> 16)) as u16
    }
}
