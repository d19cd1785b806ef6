//! What goes into a batch comes out, in order and whole.

use super::*;

fn addr(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn to(port: u16, payload: &[u8]) -> Datagram<'_> {
    Datagram::new(addr(port), payload)
}

fn contents(batch: &Datagrams) -> Vec<(SocketAddr, Vec<u8>)> {
    batch.iter().map(|datagram| (datagram.peer, datagram.payload.to_vec())).collect()
}

#[test]
fn datagrams_come_out_in_order_with_their_addresses_and_lengths() {
    let mut batch = Datagrams::new(3);
    assert!(batch.push(to(1, b"first")));
    assert!(batch.push(to(2, b"")));
    assert!(batch.push(to(1, b"third")));
    let all = [(addr(1), b"first".to_vec()), (addr(2), Vec::new()), (addr(1), b"third".to_vec())];
    assert_eq!(contents(&batch), all);
    for (from, datagram) in &all {
        assert_eq!(batch.front(), Some(Datagram::new(*from, datagram)));
        batch.pop_front();
    }
    assert!(batch.is_empty() && batch.front().is_none());
    batch.pop_front();
    assert_eq!(batch.room(), 3);
}

#[test]
fn a_full_batch_takes_nothing_until_one_leaves() {
    let mut batch = Datagrams::new(1);
    assert!(batch.push(to(1, b"one")));
    assert!(batch.is_full());
    assert!(!batch.push(to(1, b"two")));
    let asked = batch.push_with(8, |_| panic!("a full batch must not read"));
    assert_eq!(asked.unwrap(), None);
    assert_eq!(contents(&batch), [(addr(1), b"one".to_vec())]);
    batch.pop_front();
    assert!(batch.push(to(1, b"two")));
    assert!(!Datagrams::new(0).push(to(1, b"")), "no room at all");
}

#[test]
fn a_failed_or_cut_read_leaves_the_batch_as_it_was() {
    let mut batch = Datagrams::new(4);
    batch.push(to(1, b"kept"));
    let failed = batch.push_with(8, |room| {
        room.fill(0xee);
        Err(io::ErrorKind::WouldBlock.into())
    });
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(batch.push_with(8, |_| Ok((9, addr(2)))).unwrap(), None);
    let read = batch.push_with(8, |room| {
        assert_eq!(room.len(), 8);
        room[..3].copy_from_slice(b"abc");
        Ok((3, addr(3)))
    });
    assert_eq!(read.unwrap(), Some(3));
    assert_eq!(contents(&batch), [(addr(1), b"kept".to_vec()), (addr(3), b"abc".to_vec())]);
}

#[test]
fn a_queue_that_is_never_empty_stays_small_and_whole() {
    let mut batch = Datagrams::new(8);
    let datagram = |i: usize| vec![i as u8; 1 + i * 7 % 1400];
    for i in 0..5 {
        assert!(batch.push(to(i as u16, &datagram(i))));
    }
    for i in 5..20_000 {
        let read = batch.push_with(1500, |room| {
            let bytes = datagram(i);
            room[..bytes.len()].copy_from_slice(&bytes);
            Ok((bytes.len(), addr(i as u16)))
        });
        assert_eq!(read.unwrap(), Some(datagram(i).len()));
        assert_eq!(batch.front(), Some(to((i - 5) as u16, &datagram(i - 5))));
        batch.pop_front();
    }
    // At most twice the 6 * 1400 live bytes and one read; Vec's doubling at most doubles that.
    assert!(batch.bytes.len() <= 2 * 6 * 1400 + 1500, "{}", batch.bytes.len());
    assert!(batch.bytes.capacity() <= 2 * (2 * 6 * 1400 + 1500));
    assert!(batch.spans.capacity() <= 16);
}

/// Lengths of the GSO batches that such datagrams leaves in.
fn gso_counts(datagrams: &[(u16, usize)], max: usize, max_bytes: usize) -> Vec<usize> {
    let mut batch = Datagrams::new(datagrams.len());
    for (i, &(port, len)) in datagrams.iter().enumerate() {
        assert!(batch.push(to(port, &vec![i as u8; len])));
    }
    let mut counts = Vec::new();
    while let Some(gso) = batch.front_gso_batch(max, max_bytes) {
        let singles: Vec<_> = contents(&batch).into_iter().take(gso.count).collect();
        let cut: Vec<_> = match gso.bytes {
            [] => vec![(gso.path.peer, Vec::new())],
            bytes => bytes.chunks(gso.segment).map(|d| (gso.path.peer, d.to_vec())).collect(),
        };
        assert_eq!(cut, singles, "what the system cuts is what was queued");
        counts.push(gso.count);
        batch.pop_segments(counts[counts.len() - 1]);
    }
    counts
}

#[test]
fn neighbours_of_one_length_to_one_peer_are_a_gso_batch() {
    assert_eq!(gso_counts(&[(1, 9); 5], 64, 1000), [5]);
    assert_eq!(gso_counts(&[(1, 9), (1, 9), (2, 9), (1, 9)], 64, 1000), [2, 1, 1]);
    // A shorter one ends a GSO batch, a longer one begins the next.
    assert_eq!(gso_counts(&[(1, 9), (1, 9), (1, 4), (1, 9), (1, 9)], 64, 1000), [3, 2]);
    assert_eq!(gso_counts(&[(1, 4), (1, 9), (1, 9), (1, 10)], 64, 1000), [1, 2, 1]);
    assert_eq!(gso_counts(&[(1, 0), (1, 0), (1, 9), (1, 0), (1, 9)], 64, 1000), [1; 5]);
}

#[test]
fn a_gso_batch_has_bounds() {
    assert_eq!(gso_counts(&[(1, 9); 7], 3, 1000), [3, 3, 1]);
    assert_eq!(gso_counts(&[(1, 9); 7], 1, 1000), [1; 7]);
    assert_eq!(gso_counts(&[(1, 9); 7], 64, 20), [2, 2, 2, 1]);
    assert_eq!(gso_counts(&[(1, 9), (1, 9), (1, 2), (1, 9)], 64, 20), [3, 1]);
    assert_eq!(gso_counts(&[(1, 90), (1, 90)], 64, 20), [1, 1], "it cannot be made shorter");
    assert_eq!(gso_counts(&[], 64, 20), [0; 0]);
}

#[test]
fn addresses_are_replaced_and_the_bytes_stay() {
    let mut batch = Datagrams::new(2);
    batch.push(to(1, b"a"));
    batch.push(to(2, b"b"));
    batch.map_addrs(|from| if from == addr(2) { addr(3) } else { from });
    assert_eq!(batch.iter().collect::<Vec<_>>(), [to(1, b"a"), to(3, b"b")]);
}

#[test]
fn what_one_receive_brings_arrives_as_its_datagrams() {
    let (mut batch, mut overflow) = (Datagrams::new(4), Datagrams::new(1));
    assert!(!batch.has_spare(1));
    let mut arrive = |len: usize, segment: usize| {
        let fill = |room: &mut [u8]| {
            room.iter_mut().zip(0..).for_each(|(byte, at)| *byte = at);
            Ok((addr(1).into(), len, segment))
        };
        let said = batch.push_segments(20, 9, &mut overflow, fill).unwrap();
        (said, contents(&batch), contents(&overflow))
    };
    let one = |bytes: std::ops::Range<u8>| (addr(1), bytes.collect::<Vec<_>>());
    assert_eq!(arrive(5, 0), ((1, 0), vec![one(0..5)], vec![]), "a single one");
    let mut all = vec![one(0..5)];
    assert_eq!(arrive(20, 10), ((2, 2), all.clone(), vec![]), "too long");
    all.push(one(10..18));
    assert_eq!(arrive(18, 10), ((2, 1), all.clone(), vec![]), "but for its end");
    all.extend([one(0..8), one(8..16)]);
    let last = vec![one(16..18)];
    assert_eq!(arrive(18, 8), ((3, 0), all.clone(), last.clone()), "room for two");
    assert_eq!(arrive(4, 2), ((2, 2), all, last), "no room at all");
    batch.clear();
    assert!(batch.has_spare(20));
    let failed = batch
        .push_segments(20, 9, &mut overflow, |_| Err(io::Error::from(io::ErrorKind::WouldBlock)));
    assert!(failed.is_err() && batch.is_empty());
}

#[test]
fn clear_keeps_the_memory_and_release_gives_it_back() {
    let mut batch = Datagrams::new(2);
    batch.push(to(1, &[1; 1000]));
    batch.clear();
    assert!(batch.is_empty() && batch.bytes.capacity() >= 1000);
    batch.push(to(1, &[2; 10]));
    batch.release();
    assert!(batch.is_empty());
    assert_eq!((batch.bytes.capacity(), batch.spans.capacity()), (0, 0));
    assert!(batch.push(to(1, b"a")) && batch.push(to(1, b"b")) && batch.is_full());
}
