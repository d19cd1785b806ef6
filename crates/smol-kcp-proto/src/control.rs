//! Control segments: those of a session, and those that answer a datagram where there is no session.

use crate::wire::{self, Header, View, CMD_WASK, CMD_WINS, CODE_HELLO, CODE_RST, HEADER_LEN};

/// A control segment that waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub cmd: u8,
    pub frg: u8,
    pub sn: u32,
    /// `None`: the clock at the time of sending.
    pub ts: Option<u32>,
}

/// Window announced where there is no session: not 0, which would make a stock peer probe, and
/// small.
pub(crate) const QUIET_WINDOW: u16 = 32;

/// Returns the first segment of an own datagram that an RST may echo.
pub(crate) fn reset_echo(datagram: &[u8]) -> Option<Header> {
    wire::segments(datagram).flatten().map(|segment| segment.header).find(Header::can_be_reset)
}

/// Makes the RST that answers `datagram`; `None` if that only answers something itself.
pub(crate) fn rst_for(datagram: &View<'_>) -> Option<[u8; HEADER_LEN]> {
    let Header { conv, sn, ts, .. } = datagram.reset_echo()?;
    let reset =
        Header { conv, cmd: CMD_WINS, frg: CODE_RST, wnd: QUIET_WINDOW, ts, sn, una: 0, len: 0 };
    Some(reset.encode())
}

/// Makes the RST that tells a client of our own kind, which has proved its address with these nonces, that
/// there is no room for it.
pub(crate) fn no_room(conv: u32, (client, server): (u32, u32)) -> [u8; HEADER_LEN] {
    let (cmd, frg) = (CMD_WINS, CODE_RST);
    Header { conv, cmd, frg, ts: client, sn: server, ..Header::default() }.encode()
}

/// Finds the nonce of the HELLO in a datagram.
pub(crate) fn hello_nonce(datagram: &View<'_>) -> Option<u32> {
    let is_hello = |header: &Header| (header.cmd, header.frg) == (CMD_WASK, CODE_HELLO);
    datagram.headers().find(is_hello).map(|hello| hello.sn)
}
