//! The reference implementation, ikcp.c, at the other end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use kcp_io::core::Kcp;

use super::*;

/// What ikcp.c has emitted.
type Out = Rc<RefCell<Vec<Vec<u8>>>>;

/// ikcp.c, ticked every 10 ms as its own examples do it.
pub(super) struct Reference {
    kcp: Kcp,
    out: Out,
    next_tick: Time,
    /// Flushes in every turn too, as users of it that care for speed do.
    pub eager: bool,
    /// Segments that may wait in it, sent or not.
    pub most_waiting: usize,
}

impl Reference {
    pub(super) fn new(config: &KcpConfig) -> Reference {
        let out = Out::default();
        let sink = Rc::clone(&out);
        let mut kcp = Kcp::new(CONV, move |datagram: &[u8]| {
            sink.borrow_mut().push(datagram.to_vec());
            Ok(datagram.len())
        })
        .unwrap();
        kcp.set_nodelay(true, 10, 2, config.nodelay.nc);
        kcp.set_mtu(MTU as u32).unwrap();
        kcp.set_wndsize(u32::from(config.wnd_size.0), u32::from(config.wnd_size.1));
        kcp.set_stream_mode(config.stream);
        kcp.update(0);
        Reference { kcp, out, next_tick: Time::ZERO, eager: false, most_waiting: 300 }
    }
}

impl Station for Reference {
    fn input(&mut self, now: Time, datagram: &[u8]) {
        self.kcp.update(now.as_millis() as u32);
        self.kcp.input(datagram).unwrap();
    }

    fn write(&mut self, buf: &[u8]) -> usize {
        let part = match self.kcp.is_stream_mode() {
            true => &buf[..buf.len().min(64 * MSS)],
            false => buf,
        };
        if (self.kcp.waitsnd() as usize) < self.most_waiting {
            self.kcp.send(part).unwrap()
        } else {
            0
        }
    }

    fn read(&mut self, into: &mut Vec<u8>) -> Option<usize> {
        let len = self.kcp.peeksize().ok()?;
        let at = into.len();
        into.resize(at + len, 0);
        assert_eq!(self.kcp.recv(&mut into[at..]).unwrap(), len);
        Some(len)
    }

    fn flush(&mut self, now: Time) {
        self.kcp.update(now.as_millis() as u32);
        if self.eager {
            self.kcp.flush();
        }
        self.next_tick = ms(now.as_millis() / 10 * 10 + 10);
    }

    fn take(&mut self, sink: &mut dyn FnMut(&[u8])) {
        for datagram in self.out.borrow_mut().drain(..) {
            sink(&datagram);
        }
    }

    fn timeout(&self, _now: Time) -> Option<Time> {
        Some(self.next_tick)
    }
}

/// Ours at `place`, the reference at the other end.
fn sim(make: Make, config: &KcpConfig, place: usize) -> Sim {
    let ours = make(setup(config)).unwrap();
    let ours: Box<dyn Station> = Box::new(Ours::new(ours));
    let reference: Box<dyn Station> = Box::new(Reference::new(config));
    Sim::new(if place == 0 { [ours, reference] } else { [reference, ours] })
}

#[test]
fn ikcp_sends_and_receives_in_both_roles_both_modes_and_under_loss() {
    for &make in ENGINES {
        for config in [fast(), messages()] {
            for loss in [0, 10] {
                for place in [0, 1] {
                    let mut sim = sim(make, &config, place);
                    sim.loss_percent = loss;
                    sim.jitter = Duration::from_millis(u64::from(loss));
                    let data = pattern(200_000);
                    let parts: Vec<Vec<u8>> = data.chunks(7919).map(<[u8]>::to_vec).collect();
                    for app in &mut sim.apps {
                        app.to_write = parts.clone().into();
                    }
                    sim.run_until(ms(120_000), |sim| {
                        let arrived = sim.apps.iter().all(|app| app.got.len() >= data.len());
                        arrived && sim.engine(place).unacked() == 0
                    });
                    for app in &sim.apps {
                        assert!(app.got == data);
                        assert!(
                            config.stream
                                || app.lens == parts.iter().map(Vec::len).collect::<Vec<_>>()
                        );
                    }
                    let now = sim.now;
                    assert_eq!(sim.engine(place).poll_timeout(now), None);
                }
            }
        }
    }
}

#[test]
fn the_longest_message_passes_both_ways() {
    for &make in ENGINES {
        let mut sim = sim(make, &messages(), 0);
        sim.loss_percent = 5;
        for app in &mut sim.apps {
            app.to_write.push_back(pattern(127 * MSS));
        }
        sim.run_until(ms(60_000), |sim| sim.apps.iter().all(|app| app.lens == [127 * MSS]));
        assert!(sim.apps.iter().all(|app| app.got == pattern(127 * MSS)));
    }
}

#[test]
fn a_slow_reader_on_either_side_stalls_and_resumes() {
    for &make in ENGINES {
        for slow in [0, 1] {
            let config = KcpConfig { wnd_size: (256, 128), recv_budget: MSS, ..fast() };
            let mut sim = sim(make, &config, 0);
            let data = pattern(600_000);
            sim.apps[1 - slow].to_write.push_back(data.clone());
            sim.apps[slow].paused = true;
            sim.run_until(ms(20_000), |sim| sim.now >= ms(15_000));
            assert!(sim.apps[slow].got.is_empty());
            let stats = sim.engine(0).stats();
            match slow {
                0 => assert_eq!(stats.segments_received, 129, "not more than was announced"),
                _ => assert_eq!((stats.peer_window, stats.in_flight), (0, 0)),
            }
            sim.apps[slow].paused = false;
            sim.run_until(ms(60_000), |sim| sim.apps[slow].got.len() == data.len());
            assert!(sim.apps[slow].got == data);
        }
    }
}

/// Acknowledges segments to a sender, and counts what it sends.
struct Listener {
    sender: Box<dyn Station>,
    outstanding: BTreeMap<u32, u32>,
    una: u32,
}

impl Listener {
    /// Lets it send as much as it may, and returns how many segments that is.
    fn turn(&mut self, now: Time) -> usize {
        while self.sender.write(&pattern(64 * MSS)) > 0 {}
        self.sender.flush(now);
        let mut count = 0;
        let outstanding = &mut self.outstanding;
        self.sender.take(&mut |datagram| {
            for segment in wire::segments(datagram).flatten() {
                if segment.header.cmd == CMD_PUSH {
                    outstanding.insert(segment.header.sn, segment.header.ts);
                    count += 1;
                }
            }
        });
        count
    }

    /// Acknowledges what is outstanding but the first `but`, each with a datagram of its own.
    fn acknowledge(&mut self, now: Time, but: usize) {
        let acked: Vec<(u32, u32)> =
            self.outstanding.iter().skip(but).map(|(&sn, &ts)| (sn, ts)).collect();
        for (sn, ts) in acked {
            self.outstanding.remove(&sn);
            let first = self.outstanding.keys().next();
            self.una = first.map_or(sn.max(self.una.saturating_sub(1)) + 1, |&first| first);
            let una = self.una;
            let ack = Header {
                conv: CONV,
                cmd: wire::CMD_ACK,
                wnd: 500,
                sn,
                ts,
                una,
                ..Header::default()
            };
            self.sender.input(now, &ack.encode());
        }
    }
}

#[test]
fn the_congestion_window_goes_the_way_of_ikcp() {
    let nodelay = KcpNoDelayConfig { nc: false, ..fast().nodelay };
    let config = KcpConfig { nodelay, wnd_size: (400, 400), send_budget: 1 << 20, ..fast() };
    let ours = ring(ArqParams { ts_base: 0, ..setup(&config) }).unwrap();
    let mut reference = Reference::new(&config);
    reference.eager = true;
    reference.most_waiting = 1000;
    let stations: [Box<dyn Station>; 2] = [Box::new(Ours::new(ours)), Box::new(reference)];
    let mut listeners =
        stations.map(|sender| Listener { sender, outstanding: BTreeMap::new(), una: 0 });
    let mut now = 0;
    let mut widest = 0;
    for round in 0..300 {
        let sent = listeners.each_mut().map(|listener| listener.turn(ms(now)));
        match round % 60 {
            // Where nothing at all was acknowledged, a few ask instead of everything.
            56 => assert_eq!(sent[0], 4, "round {round}"),
            _ => assert_eq!(sent[0], sent[1], "round {round}: ours and that of ikcp.c"),
        }
        widest = widest.max(sent[0]);
        now += 50;
        match round % 60 {
            // The first of a round trip is lost: the others overtake it, and it is sent again alone.
            35 => listeners.each_mut().map(|listener| listener.acknowledge(ms(now), 1)),
            // All of a round trip is lost.
            55 => {
                now += 1000;
                continue;
            }
            _ => listeners.each_mut().map(|listener| listener.acknowledge(ms(now), 0)),
        };
    }
    assert!(widest > 10, "{widest}");
}
