//! The application at one end of a session.

use crate::error::KcpError;
use crate::router::{Key, Router};
use crate::time::Time;
use crate::{READABLE, WRITABLE};

/// What an application writes that floods.
static FLOOD: [u8; 16 * 1024] = [0x5a; 16 * 1024];

/// What the application does with its session, and what came of it.
#[derive(Debug)]
pub(super) struct App {
    pub key: Key,
    /// What the router has announced; nothing else is tried.
    pub awake: u8,
    /// What is still to be written, after what is no more.
    pub to_write: Vec<u8>,
    pub written: usize,
    /// Writes without end.
    pub never_done: bool,
    /// Closes its writing side when everything is written.
    pub closes: bool,
    /// Closes its writing side when the peer has.
    pub closes_at_end: bool,
    /// Writes this when the peer has closed its writing side.
    pub reply: Vec<u8>,
    /// Lets go of its handle when everything is delivered and the end read.
    pub releases: bool,
    /// Sends back what it reads.
    pub echoes: bool,
    /// Reads what there is to read.
    pub reads: bool,
    /// Only counts what it reads.
    pub forgets: bool,
    pub read: Vec<u8>,
    /// When how much was read; while it is wanted, instead of what was read.
    pub arrivals: Option<Vec<(Time, usize)>>,
    /// Writes whatever there is room for, without an end.
    pub floods: bool,
    pub at_end: bool,
    pub connected: Option<Time>,
    pub delivered: Option<Time>,
    pub failed: Option<(Time, KcpError)>,
    pub released: bool,
    pub closed: bool,
}

impl App {
    pub(super) fn new(key: Key) -> App {
        App {
            key,
            awake: READABLE | WRITABLE,
            to_write: Vec::new(),
            written: 0,
            never_done: false,
            closes: false,
            closes_at_end: false,
            reply: Vec::new(),
            releases: false,
            echoes: false,
            reads: true,
            forgets: false,
            read: Vec::new(),
            arrivals: None,
            floods: false,
            at_end: false,
            connected: None,
            delivered: None,
            failed: None,
            released: false,
            closed: false,
        }
    }

    /// The cause of the failure.
    pub(super) fn cause(&self) -> Option<&KcpError> {
        self.failed.as_ref().map(|(_, cause)| cause)
    }

    /// Does what can be done now.
    pub(super) fn pump(&mut self, now: Time, router: &mut Router) {
        if self.released || self.failed.is_some() || self.awake == 0 {
            return;
        }
        if let Err(error) = self.try_pump(now, router) {
            self.failed = Some((now, error));
        }
    }

    fn try_pump(&mut self, now: Time, router: &mut Router) -> Result<(), KcpError> {
        // What was received comes before the cause of the end.
        let mut buf = [0; 4096];
        let readable = std::mem::take(&mut self.awake) & READABLE != 0;
        while readable && self.reads && !self.at_end {
            match router.read(|| now, self.key, &mut buf, false)? {
                None => break,
                Some(0) => {
                    self.at_end = true;
                    self.to_write.append(&mut self.reply);
                    self.closes |= self.closes_at_end;
                }
                Some(_) if self.forgets => {}
                Some(n) => {
                    match &mut self.arrivals {
                        Some(arrivals) => arrivals.push((now, n)),
                        None => self.read.extend_from_slice(&buf[..n]),
                    }
                    if self.echoes {
                        self.to_write.extend_from_slice(&buf[..n]);
                    }
                }
            }
        }
        let delivered = self.closed && router.is_delivered(self.key)?;
        if delivered && self.delivered.is_none() {
            self.delivered = Some(now);
        }
        if self.releases && delivered && self.at_end {
            router.release(now, self.key);
            self.released = true;
            return Ok(());
        }
        if self.connected.is_none() && router.is_connected(self.key)? {
            self.connected = Some(now);
        }
        if self.never_done {
            while router.write(now, self.key, &[7; 16 * 1024])?.is_some() {}
            return Ok(());
        }
        while self.written < self.to_write.len() {
            let rest = &self.to_write[self.written..];
            match router.write(now, self.key, &rest[..rest.len().min(16 * 1024)])? {
                None => return Ok(()),
                Some(n) => self.written += n,
            }
        }
        self.to_write.clear();
        self.written = 0;
        if self.floods {
            while router.write(now, self.key, &FLOOD)?.is_some() {}
        }
        if self.closes && !self.closed {
            router.close(now, self.key);
            self.closed = true;
        }
        Ok(())
    }
}
