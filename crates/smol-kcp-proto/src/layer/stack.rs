//! The layers of a socket, in their fixed order: outward the capture, then the bad network; inward
//! the other way round. So a capture shows what this side sent, also what the bad network then
//! loses, and what reached it.

use std::io::Write;
use std::net::SocketAddr;

use crate::path::Path;
use crate::time::Time;

/// Where a capture goes.
pub type Sink = Box<dyn Write + Send>;

/// The layers of one socket; those that are off are absent.
#[derive(Default)]
pub struct LayerStack {
    #[cfg(feature = "netem")]
    netem: Option<(super::netem::Netem, super::netem::Netem)>,
    #[cfg(feature = "pcap")]
    capture: Option<super::pcap::Capture<Sink>>,
}

/// When and where something happens, for the layers that want to know.
#[cfg_attr(not(feature = "pcap"), allow(dead_code))]
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time on the endpoint's clock.
    pub now: Time,
    /// Microseconds since 1970, for captures.
    pub unix_micros: u64,
    /// This side's address, for captures.
    pub local: SocketAddr,
}

// A layer that is off has no use for what only it looks at.
#[cfg_attr(not(all(feature = "netem", feature = "pcap")), allow(unused_variables))]
impl LayerStack {
    /// Begins without a bad network; `capture` is given where there is to be one.
    ///
    /// # Errors
    /// Those of writing the head of a capture.
    pub fn new(capture: Option<Sink>) -> std::io::Result<LayerStack> {
        Ok(LayerStack {
            #[cfg(feature = "pcap")]
            capture: capture.map(super::pcap::Capture::new).transpose()?,
            #[cfg(feature = "netem")]
            netem: None,
        })
    }

    /// Puts a bad network between this side and its socket, if there is to be one.
    #[cfg(feature = "netem")]
    pub fn with_netem(mut self, config: Option<&crate::NetemConfig>) -> LayerStack {
        self.netem = config.map(super::netem::Netem::pair);
        self
    }

    /// Returns whether there is a capture, so that the time of day matters.
    pub fn captures(&self) -> bool {
        #[cfg(feature = "pcap")]
        return self.capture.is_some();
        #[cfg(not(feature = "pcap"))]
        false
    }

    /// Takes a datagram that leaves, and hands on what leaves now.
    pub fn outward(
        &mut self,
        moment: Moment,
        to: Path,
        datagram: &[u8],
        out: &mut dyn FnMut(Path, &[u8]),
    ) {
        self.record(moment, to, false, datagram);
        #[cfg(feature = "netem")]
        if let Some((send, _)) = &mut self.netem {
            send.enqueue(moment.now, to, datagram);
            while let Some((to, datagram)) = send.dequeue(moment.now) {
                out(to, &datagram);
            }
            return;
        }
        out(to, datagram);
    }

    /// Takes a datagram that arrives, and hands on what arrives now.
    pub fn inward(
        &mut self,
        moment: Moment,
        from: Path,
        datagram: &mut [u8],
        into: &mut dyn FnMut(Path, &mut [u8]),
    ) {
        #[cfg(feature = "netem")]
        if let Some((_, receive)) = &mut self.netem {
            receive.enqueue(moment.now, from, datagram);
            return self.arrivals(moment, into);
        }
        self.record(moment, from, true, datagram);
        into(from, datagram);
    }

    /// Hands on what the layers held back until now, from outside.
    pub fn arrivals(&mut self, moment: Moment, into: &mut dyn FnMut(Path, &mut [u8])) {
        #[cfg(feature = "netem")]
        while let Some((from, mut datagram)) =
            self.netem.as_mut().and_then(|(_, receive)| receive.dequeue(moment.now))
        {
            self.record(moment, from, true, &datagram);
            into(from, &mut datagram);
        }
    }

    /// Hands on what the layers held back until now, from inside.
    pub fn departures(&mut self, now: Time, out: &mut dyn FnMut(Path, &[u8])) {
        #[cfg(feature = "netem")]
        if let Some((send, _)) = &mut self.netem {
            while let Some((to, datagram)) = send.dequeue(now) {
                out(to, &datagram);
            }
        }
    }

    /// Returns what the bad network did to what was sent and to what was received.
    #[cfg(feature = "netem")]
    pub fn netem_stats(&self) -> Option<(crate::LinkStats, crate::LinkStats)> {
        self.netem.as_ref().map(|(send, receive)| (send.stats(), receive.stats()))
    }

    /// Returns when [`arrivals`](LayerStack::arrivals) and [`departures`](LayerStack::departures) must be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        #[cfg(feature = "netem")]
        if let Some((send, receive)) = &self.netem {
            return [send.poll_timeout(), receive.poll_timeout()].into_iter().flatten().min();
        }
        None
    }

    /// Makes what was captured readable for others.
    pub fn flush(&mut self) {
        #[cfg(feature = "pcap")]
        if let Some(capture) = &mut self.capture {
            if let Err(error) = capture.flush() {
                log::warn!("the capture ends here: {error}");
                self.capture = None;
            }
        }
    }

    fn record(&mut self, moment: Moment, path: Path, arrives: bool, datagram: &[u8]) {
        #[cfg(feature = "pcap")]
        if let Some(capture) = &mut self.capture {
            let Moment { local, .. } = moment;
            let local = path.local.map_or(local, |ip| SocketAddr::new(ip, local.port()));
            let (from, to) = if arrives { (path.peer, local) } else { (local, path.peer) };
            if let Err(error) = capture.record(moment.unix_micros, from, to, datagram) {
                log::warn!("the capture ends here: {error}");
                self.capture = None;
            }
        }
    }
}

impl std::fmt::Debug for LayerStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerStack").finish_non_exhaustive()
    }
}
