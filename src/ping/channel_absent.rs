//! What stands in the place of the encrypted channel where it was not compiled in: there is none.

use std::net::SocketAddr;

use crate::transport::Datagrams;
use crate::{KcpConfig, KcpError};
use smol_kcp_proto::time::Time;

/// Nobody has one.
#[derive(Debug)]
pub(super) enum Channel {}

impl Channel {
    pub(super) fn of(_: &KcpConfig, _: SocketAddr, _: Time) -> Result<Option<Channel>, KcpError> {
        Ok(None)
    }

    pub(super) fn transmit(&mut self, _: Time, _: SocketAddr, _: &mut Datagrams) -> bool {
        match *self {}
    }

    pub(super) fn seal(&mut self, _: Time, _: SocketAddr, _: &[u8], _: &mut Datagrams) -> bool {
        match *self {}
    }

    pub(super) fn open(&mut self, _: Time, _: SocketAddr, _: &[u8]) -> Option<&[u8]> {
        match *self {}
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match *self {}
    }
}
