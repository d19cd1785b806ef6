//! The reference implementation, ikcp.c, at the other end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use kcp_io::core::Kcp;

use super::*;

/// What ikcp.c has emitted.
type Out = Rc<RefCell<Vec<Vec<u8>>>>;

/// ikcp.c, ticked every 10 ms as its own examples do it.
struct Reference {
    kcp: Kcp,
    out: Out,
    next_tick: Time,
}

impl Reference {
    fn new(config: &KcpConfig) -> Reference {
        let out = Out::default();
        let sink = Rc::clone(&out);
        let mut kcp = Kcp::new(CONV, move |datagram: &[u8]| {
            sink.borrow_mut().push(datagram.to_vec());
            Ok(datagram.len())
        })
        .unwrap();
        kcp.set_nodelay(true, 10, 2, true);
        kcp.set_mtu(MTU as u32).unwrap();
        kcp.set_wndsize(u32::from(config.wnd_size.0), u32::from(config.wnd_size.1));
        kcp.set_stream_mode(config.stream);
        kcp.update(0);
        Reference { kcp, out, next_tick: Time::ZERO }
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
        if self.kcp.waitsnd() < 300 {
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

/// Ours at `place`, the reference at the other end; numbers begin at 0, as ikcp.c has it.
fn sim(make: Make, config: &KcpConfig, place: usize) -> Sim {
    let ours = make(Setup { sn_base: 0, ..setup(config) }).unwrap();
    let ours: Box<dyn Station> = Box::new(Ours::new(ours, config.stream));
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
            let config = KcpConfig { wnd_size: (256, 128), ..fast() };
            let mut sim = sim(make, &config, 0);
            let data = pattern(600_000);
            sim.apps[1 - slow].to_write.push_back(data.clone());
            sim.apps[slow].paused = true;
            sim.run_until(ms(20_000), |sim| sim.now >= ms(15_000));
            assert!(sim.apps[slow].got.is_empty());
            let stats = sim.engine(0).stats();
            match slow {
                0 => assert_eq!(stats.segments_received, 128, "not more than was announced"),
                _ => assert_eq!((stats.peer_window, stats.in_flight), (0, 0)),
            }
            sim.apps[slow].paused = false;
            sim.run_until(ms(60_000), |sim| sim.apps[slow].got.len() == data.len());
            assert!(sim.apps[slow].got == data);
        }
    }
}
