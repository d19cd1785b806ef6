//! The endpoints of a tunnel that has several: in kcptun's place each session has a socket.

use std::cell::{Cell, RefCell};

use async_channel::{Receiver, Sender};
use smol_kcp::{EndpointStats, KcpEndpoint, SessionInfo};

/// Has the endpoints that run, and the counters of those that did.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    list: RefCell<Vec<(u64, KcpEndpoint)>>,
    next: Cell<u64>,
    /// Its clones are with the drivers.
    running: RefCell<Option<(Sender<()>, Receiver<()>)>>,
    gone: Cell<EndpointStats>,
}

impl Endpoints {
    /// Adds one. Returns its number, what its driver is to drop at its end, and what is closed when all have done so and
    /// nothing is added any more.
    pub(super) fn add(&self, endpoint: KcpEndpoint) -> (u64, Sender<()>, Receiver<()>) {
        let id = self.next.get();
        self.next.set(id + 1);
        self.list.borrow_mut().push((id, endpoint));
        let mut running = self.running.borrow_mut();
        let (sender, receiver) = running.get_or_insert_with(|| async_channel::bounded(1));
        (id, sender.clone(), receiver.clone())
    }

    pub(super) fn remove(&self, id: u64) {
        let mut list = self.list.borrow_mut();
        let Some(at) = list.iter().position(|(other, _)| *other == id) else { return };
        let (_, endpoint) = list.swap_remove(at);
        drop(list);
        let mut counted = endpoint.stats();
        (counted.sessions, counted.unconfirmed, counted.time_wait) = (0, 0, 0);
        self.gone.set(sum(self.gone.get(), counted));
    }

    pub(super) fn clear(&self) {
        drop(self.list.take());
        drop(self.running.take());
    }

    pub(super) fn stats(&self) -> EndpointStats {
        let list = self.list.borrow();
        list.iter().map(|(_, endpoint)| endpoint.stats()).fold(self.gone.get(), sum)
    }

    pub(super) fn sessions(&self) -> Vec<SessionInfo> {
        self.list.borrow().iter().flat_map(|(_, endpoint)| endpoint.sessions()).collect()
    }
}

/// The counters of both that the log has.
fn sum(mut all: EndpointStats, one: EndpointStats) -> EndpointStats {
    macro_rules! add {
        ($($field:ident)*) => {$(all.$field = all.$field.saturating_add(one.$field);)*};
    }
    add!(sessions unconfirmed time_wait connected accepted refused evicted stateless moved stalled black_holes);
    add!(datagrams_received bytes_received datagrams_sent bytes_sent unknown malformed resets_sent);
    add!(transmit_dropped receive_dropped transport_errors driver_polls driver_arrivals driver_deadlines);
    // Of a budget that all share.
    (all.memory_used, all.memory_budget) = (one.memory_used, one.memory_budget);
    all
}
