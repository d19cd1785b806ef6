//! Back-pressure: of a session in version 1, of each stream in version 2.

use super::*;

/// Writes as much as `id` takes while everything arrives. Returns how much.
fn fill(pair: &mut Pair, id: u32) -> usize {
    let mut all = 0;
    loop {
        match pair.client.write(id, &[id as u8; 5000]).unwrap() {
            Some(n) => all += n,
            None => {
                let before = pair.client.stats().send_buffered;
                pair.settle();
                if pair.client.stats().send_buffered == before {
                    return all;
                }
            }
        }
        pair.settle();
    }
}

#[test]
fn one_buffer_stops_all_streams_of_version_1() {
    let config = Config {
        max_receive_buffer: 100_000,
        max_stream_buffer: 1,
        max_send_buffer: 50_000,
        ..v1()
    };
    let mut pair = Pair::new(config);
    let (stalled, other) = (pair.open(), pair.open());
    let taken = fill(&mut pair, stalled);
    let held = pair.server.stats().receive_buffered;
    assert!((100_000..=100_000 + 16_384).contains(&held), "{held}");
    assert!(taken >= held);
    assert!(!pair.server.wants_input());
    assert_eq!(pair.client.write(other, b"behind it").unwrap(), Some(9));
    pair.settle();
    assert_eq!(read_all(&mut pair.server, other).0, b"");
    assert_eq!(read_all(&mut pair.server, stalled).0.len(), held);
    assert!(pair.server.take_attention(), "reading goes on");
    pair.settle();
    assert_eq!(read_all(&mut pair.server, other).0, b"behind it");
}

#[test]
fn a_stalled_stream_of_version_2_holds_its_window_and_nobody_else() {
    let mut pair = Pair::new(Config::default());
    let (stalled, other) = (pair.open(), pair.open());
    assert_eq!(fill(&mut pair, stalled), 256 * 1024, "the window before the first update");
    let mut echoed = 0;
    while echoed < 8 << 20 {
        let n = pair.client.write(other, &[7; 8192]).unwrap().expect("room");
        pair.settle();
        assert_eq!(read_all(&mut pair.server, other).0.len(), n);
        pair.settle();
        echoed += n;
    }
    // Once it is read, it has the whole window.
    assert_eq!(read_all(&mut pair.server, stalled).0.len(), 256 * 1024);
    pair.settle();
    events(&mut pair.client);
    assert_eq!(fill(&mut pair, stalled), 2 << 20);
}

/// With windows of 2 MiB in a buffer of 4 MiB, two of them would stop all streams.
#[test]
fn several_stalled_streams_of_version_2_leave_something_to_others() {
    let mut pair = Pair::new(Config::default());
    let ids: Vec<u32> = (0..6).map(|_| pair.open()).collect();
    for id in &ids {
        // Each is read once, so that it has a window of the reader's choice, and then no more.
        assert!(pair.client.write(*id, b"x").unwrap().is_some());
        pair.settle();
        assert_eq!(read_all(&mut pair.server, *id).0, b"x");
        pair.settle();
        fill(&mut pair, *id);
    }
    let held = pair.server.stats().receive_buffered;
    assert!(held < pair.server.config().max_receive_buffer, "{held}");
    assert!(pair.server.wants_input());
    let other = pair.open();
    for _ in 0..1000 {
        let n = pair.client.write(other, &[7; 8192]).unwrap().expect("room");
        pair.settle();
        assert_eq!(read_all(&mut pair.server, other).0.len(), n);
        pair.settle();
    }
}

#[test]
fn updates_are_sent_as_xtaci_smux_sends_them() {
    let config = Config { max_stream_buffer: 65536, ..Config::default() };
    let mut server = one(Role::Server, config);
    server.handle_input(ZERO, &frame(Version::V2, Command::Syn, 3, &[])).unwrap();
    let mut buf = [0; 4096];
    let mut updates = Vec::new();
    for _ in 0..34 {
        server.handle_input(ZERO, &frame(Version::V2, Command::Push, 3, &[0; 4096])).unwrap();
        assert_eq!(server.read(3, &mut buf).unwrap(), Some(4096));
        updates.extend(said(&mut server, ZERO));
    }
    let at = [4096, 36864, 69632, 102400, 135168];
    assert_eq!(updates, at.map(|consumed| update(3, consumed, 65536)).concat());
}

#[test]
fn an_update_wakes_who_waits_for_it() {
    let mut client = one(Role::Client, Config { max_frame_size: 65535, ..Config::default() });
    let id = client.open().unwrap();
    let mut sent = 0;
    while let Some(n) = client.write(id, &[1; 65535]).unwrap() {
        sent += n;
        said(&mut client, ZERO);
    }
    assert_eq!(sent, 262_144);
    events(&mut client);
    assert_eq!(client.write(id, b"x").unwrap(), None);
    // What opens nothing wakes nobody.
    client.handle_input(ZERO, &update(id, 1000, 261_144)).unwrap();
    assert_eq!(events(&mut client), []);
    client.handle_input(ZERO, &update(id, 1000, 261_145)).unwrap();
    assert_eq!(events(&mut client), [Event::Writable(id)]);
    assert_eq!(client.write(id, b"xyz").unwrap(), Some(1));
}
