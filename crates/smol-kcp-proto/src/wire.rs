//! The KCP segment on the wire: 24 bytes of header, little endian, then the payload.
//!
//! Layout and names are those of `ikcp.c`. Several segments share a datagram; what is left at its
//! end and shorter than a header is padding, ignored as `ikcp_input` does. Our control codes live
//! in the `frg` byte of window probes (WASK) and answers (WINS), which other implementations send
//! as 0 and never read.

/// Bytes of a segment header.
pub const HEADER_LEN: usize = 24;

/// `cmd`: a segment with data.
pub const CMD_PUSH: u8 = 81;
/// `cmd`: the acknowledgement of one segment.
pub const CMD_ACK: u8 = 82;
/// `cmd`: window probe ("ask").
pub const CMD_WASK: u8 = 83;
/// `cmd`: window announcement ("tell"), the answer to a probe.
pub const CMD_WINS: u8 = 84;

/// `frg` of WASK and WINS as every implementation sends them. Our WASK is the keepalive too, and our
/// WINS echoes the `sn` and `ts` of what it answers.
pub const CODE_PLAIN: u8 = 0;
/// `frg` of WASK: HELLO, the first segment of a client, `sn` a nonce. Of WINS: HELLO_ACK, which
/// echoes that nonce in `sn` and carries the answerer's own nonce in `ts`.
pub const CODE_HELLO: u8 = 1;
/// `frg` of WASK: FIN, no data after `sn`. Of WINS: FIN_ACK, which echoes `sn`.
pub const CODE_FIN: u8 = 2;
/// `frg` of WINS: RST, no such conversation; `sn` and `ts` echo the segment that provoked it.
pub const CODE_RST: u8 = 3;
/// `frg` of WASK: PATH, "prove that you are the peer", `sn` a random number. Of WINS: the proof, 64 bits
/// in `sn` and `ts` that only who has seen both nonces of the conversation's HELLO can compute. Stock
/// peers answer it as any window probe.
pub const CODE_PATH: u8 = 4;
/// `frg` of WASK: PIECE, a part of the PUSH with the number `sn` that is too long for the path. Only our
/// own kind is sent one; an older version answers it as any window probe.
pub const CODE_PIECE: u8 = 5;

/// A segment header without its payload; `len` is the length of that payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Conversation.
    pub conv: u32,
    /// One of the `CMD_` values.
    pub cmd: u8,
    /// PUSH: fragments of the message still to come. WASK and WINS: a `CODE_` value.
    pub frg: u8,
    /// Free slots in the sender's receive window.
    pub wnd: u16,
    /// PUSH: the sender's clock in milliseconds. ACK: echo of it.
    pub ts: u32,
    /// PUSH: sequence number. ACK: the number acknowledged.
    pub sn: u32,
    /// Everything below it has been received by the sender of this header.
    pub una: u32,
    /// Bytes of payload that follow.
    pub len: u32,
}

impl Header {
    /// Reads a header off the first [`HEADER_LEN`] bytes; `None` if there are fewer.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let b: &[u8; HEADER_LEN] = bytes.get(..HEADER_LEN)?.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        Some(Header {
            conv: word(0),
            cmd: b[4],
            frg: b[5],
            wnd: u16::from_le_bytes([b[6], b[7]]),
            ts: word(8),
            sn: word(12),
            una: word(16),
            len: word(20),
        })
    }

    /// Returns whether an RST may echo this segment: it has a clock or a nonce of its sender's own, which
    /// nobody guesses. ACKs, and the answers to probes, repeat what they were sent: an echo of them proves
    /// nothing.
    #[inline]
    pub(crate) fn can_be_reset(&self) -> bool {
        matches!(self.cmd, CMD_PUSH | CMD_WASK) || (self.cmd, self.frg) == (CMD_WINS, CODE_HELLO)
    }

    /// The header as it travels.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let [wnd, wnd_high] = self.wnd.to_le_bytes();
        // One copy: where code is compiled for size, each is a call.
        let words = [
            self.conv.to_le_bytes(),
            [self.cmd, self.frg, wnd, wnd_high],
            self.ts.to_le_bytes(),
            self.sn.to_le_bytes(),
            self.una.to_le_bytes(),
            self.len.to_le_bytes(),
        ];
        let mut b = [0; HEADER_LEN];
        b.copy_from_slice(words.as_flattened());
        b
    }
}

/// One segment of a datagram, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its header.
    pub header: Header,
    /// Its payload, `header.len` bytes.
    pub payload: &'a [u8],
}

/// Why a datagram is not a row of KCP segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than one header.
    Short,
    /// A segment claims more payload than there is.
    Length,
    /// `cmd` is none of the four.
    Command,
    /// The segments of the datagram disagree about the conversation.
    Conv,
}

/// A datagram that has been checked: a row of whole segments of one conversation. What all who look at it
/// want to know is gathered in the same walk.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
    conv: u32,
    una: u32,
    wnd: u16,
    /// A bit for each `cmd` that occurs.
    commands: u8,
    /// Where the first segment begins that an RST may echo, or [`NOWHERE`].
    echo_at: usize,
    #[cfg(feature = "kcptun")]
    recovered: bool,
}

/// Beyond every datagram.
const NOWHERE: usize = usize::MAX;

impl<'a> View<'a> {
    /// Checks that all of `datagram` is well formed.
    ///
    /// # Errors
    /// The first fault found. `ikcp_input` would already have applied the segments before it.
    #[inline]
    pub fn new(datagram: &'a [u8]) -> Result<View<'a>, Malformed> {
        let Header { conv, una, wnd, .. } = Header::decode(datagram).ok_or(Malformed::Short)?;
        let mut view = View {
            bytes: datagram,
            conv,
            una,
            wnd,
            commands: 0,
            echo_at: NOWHERE,
            #[cfg(feature = "kcptun")]
            recovered: false,
        };
        let mut rest = datagram;
        while let Some(header) = Header::decode(rest) {
            if !(CMD_PUSH..=CMD_WINS).contains(&header.cmd) {
                return Err(Malformed::Command);
            }
            let body = &rest[HEADER_LEN..];
            if header.len as usize > body.len() {
                return Err(Malformed::Length);
            }
            if header.conv != conv {
                return Err(Malformed::Conv);
            }
            view.commands |= 1 << (header.cmd - CMD_PUSH);
            if view.echo_at == NOWHERE && header.can_be_reset() {
                view.echo_at = datagram.len() - rest.len();
            }
            if diff(header.una, view.una) >= 0 {
                (view.una, view.wnd) = (header.una, header.wnd);
            }
            rest = &body[header.len as usize..];
        }
        Ok(view)
    }

    /// Checks one that has come out of parity, as [`new`](View::new) does.
    ///
    /// # Errors
    /// Those of `new`.
    #[cfg(feature = "kcptun")]
    pub fn recovered(datagram: &'a [u8]) -> Result<View<'a>, Malformed> {
        View::new(datagram).map(|view| View { recovered: true, ..view })
    }

    /// Returns whether it has come out of parity, after datagrams that were sent later: its clocks measure no
    /// round trip, and its window is an old one. kcp-go takes neither of it too.
    #[inline(always)]
    pub fn is_recovered(&self) -> bool {
        #[cfg(feature = "kcptun")]
        return self.recovered;
        #[cfg(not(feature = "kcptun"))]
        false
    }

    /// Returns the whole datagram, padding included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the conversation.
    pub fn conv(&self) -> u32 {
        self.conv
    }

    /// Returns the first header.
    pub fn first(&self) -> Header {
        Header::decode(self.bytes).unwrap_or_default()
    }

    /// Returns the newest `una`, and the window that came with it.
    pub fn newest(&self) -> (u32, u16) {
        (self.una, self.wnd)
    }

    /// Returns whether there is a segment with this `cmd`.
    pub fn has(&self, cmd: u8) -> bool {
        self.commands & 1u8.checked_shl(u32::from(cmd.wrapping_sub(CMD_PUSH))).unwrap_or(0) != 0
    }

    /// Returns the first segment that an RST may echo.
    pub(crate) fn reset_echo(&self) -> Option<Header> {
        Header::decode(self.bytes.get(self.echo_at..)?)
    }

    /// Iterates over the segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> {
        segments(self.bytes).flatten()
    }

    /// Iterates over their headers.
    pub fn headers(&self) -> impl Iterator<Item = Header> + 'a {
        self.segments().map(|segment| segment.header)
    }
}

/// Iterates over the segments of a datagram and ends at the first fault.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
}

/// The segments of `datagram`, in order. A caller that must not act on half a datagram makes a [`View`]
/// of it.
pub fn segments(datagram: &[u8]) -> Segments<'_> {
    Segments { rest: datagram }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = Header::decode(self.rest)?;
        let body = &self.rest[HEADER_LEN..];
        self.rest = &[];
        if !(CMD_PUSH..=CMD_WINS).contains(&header.cmd) {
            return Some(Err(Malformed::Command));
        }
        if header.len as usize > body.len() {
            return Some(Err(Malformed::Length));
        }
        let (payload, rest) = body.split_at(header.len as usize);
        self.rest = rest;
        Some(Ok(Segment { header, payload }))
    }
}

/// How far sequence number or clock `a` is ahead of `b`; negative if it is behind. Safe around the
/// wrap of 32 bits, as `_itimediff` of `ikcp.c` is.
pub const fn diff(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First client packet of the recorded session `none_nofec_nocomp_smux1`, without its 20 bytes
    /// of nonce and checksum.
    const RECORDED: [u8; 32] = [
        0x37, 0x7f, 0xf4, 0xcf, 0x51, 0x00, 0x00, 0x02, 0x97, 0x08, 0x00, 0x00, 0, 0, 0, 0, 0, 0,
        0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0,
    ];

    #[test]
    fn a_recorded_packet_reads_and_writes_back() {
        let header = View::new(&RECORDED).unwrap().first();
        assert_eq!(
            header,
            Header { conv: 0xcff47f37, cmd: CMD_PUSH, wnd: 512, ts: 2199, len: 8, ..header }
        );
        assert_eq!(header.encode(), RECORDED[..HEADER_LEN]);
        let segment = segments(&RECORDED).next().unwrap().unwrap();
        assert_eq!(segment.payload, [1, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn faults_are_told_apart() {
        let mut long = RECORDED;
        long[20] = 9;
        let mut command = RECORDED;
        command[4] = 85;
        let mut two = RECORDED[..24].to_vec();
        two[20] = 0;
        two.extend_from_slice(&two.clone());
        two[24] ^= 1;
        let check = |datagram: &[u8]| View::new(datagram).map(|_| ());
        assert_eq!(check(&RECORDED[..23]), Err(Malformed::Short));
        assert_eq!(check(&long), Err(Malformed::Length));
        assert_eq!(check(&command), Err(Malformed::Command));
        assert_eq!(check(&two), Err(Malformed::Conv));
    }

    #[test]
    fn a_view_gathers_what_counts() {
        let plain = |cmd, una, wnd| Header { conv: 7, cmd, una, wnd, ..Header::default() };
        let datagram = [
            plain(CMD_ACK, 5, 10).encode(),
            plain(CMD_ACK, u32::MAX, 11).encode(),
            Header { sn: 3, ts: 4, ..plain(CMD_WASK, 6, 12) }.encode(),
            plain(CMD_WASK, 6, 13).encode(),
        ];
        let datagram = datagram.as_flattened();
        let view = View::new(datagram).unwrap();
        assert_eq!((view.conv(), view.newest(), view.bytes()), (7, (6, 13), datagram));
        let has = [80, CMD_PUSH, CMD_ACK, CMD_WASK, CMD_WINS, 85, 0].map(|cmd| view.has(cmd));
        assert_eq!(has, [false, false, true, true, false, false, false]);
        assert_eq!(view.reset_echo().map(|echo| (echo.sn, echo.ts)), Some((3, 4)));
        assert_eq!(view.headers().count(), 4);
        assert_eq!(View::new(&datagram[..2 * HEADER_LEN]).unwrap().reset_echo(), None);
    }

    #[test]
    fn a_tail_shorter_than_a_header_is_padding() {
        let padded = [&RECORDED[..], &[0xff; 23]].concat();
        assert_eq!(segments(&padded).count(), 1);
    }

    #[test]
    fn differences_survive_the_wrap() {
        assert_eq!(diff(2, u32::MAX), 3);
        assert_eq!(diff(u32::MAX, 2), -3);
        assert_eq!(diff(0x8000_0000, 0x7fff_ffff), 1);
    }
}
