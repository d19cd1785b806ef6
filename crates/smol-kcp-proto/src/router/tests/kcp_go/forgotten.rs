//! Peers that are made of kcp-go and have forgotten a conversation: all that they say is that they know nothing.

use proptest::prelude::*;

use super::*;

/// A client of ours and a peer that knows nothing of our codes, between which `bytes` have travelled each way.
fn with_stock(line: LinkConfig, seed: u64, bytes: usize) -> World {
    // Without a cipher and parity kcp-go's layers are nothing at all.
    let mut world = World::new(line, seed);
    world.add_stock(&config(), 77, addr(CLIENT));
    world.add(&with(Cipher::Null, "off"));
    world.connect(CLIENT, SERVER, Some(77));
    world.stock(SERVER).echoes = true;
    world.app(CLIENT, 0).to_write = data(bytes);
    world.run_until(secs(60), |w| read(w, CLIENT, 0) == bytes);
    world
}

#[test]
fn a_peer_that_has_forgotten_the_conversation_is_noticed_by_what_it_says() {
    // Within its window the new one acknowledges what comes next; beyond, nothing.
    for (bytes, rtt, idle) in [(5000, 40, 0), (5000, 200, 30), (700_000, 40, 0), (700_000, 200, 30)]
    {
        let mut world = with_stock(link(rtt, 0), 18, bytes);
        world.run(secs(idle));
        // Its process begins anew, or this side has become another one for it.
        world.hosts[SERVER].stock = Some(Stock::new(&config(), 77, addr(CLIENT)));
        let began = world.now;
        world.app(CLIENT, 0).to_write = data(100);
        world.run_until(secs(4), |w| w.hosts[CLIENT].apps[0].failed.is_some());
        assert!(matches!(world.app(CLIENT, 0).cause(), Some(KcpError::Reset)));
        let took = world.now.since(began);
        assert!(took <= ms(900) + 5 * ms(rtt), "{bytes} {rtt} {idle}: {took:?}");
    }
}

#[test]
fn a_peer_whose_words_arrive_out_of_order_is_not_taken_for_one_that_has_forgotten() {
    for seed in 0..8 {
        let wild =
            LinkConfig { jitter: ms(150), duplicate: Probability::percent(10), ..link(100, 10) };
        let mut world = with_stock(wild, 20 + seed, 400_000);
        for n in 1..=20 {
            world.app(CLIENT, 0).to_write = data(3000);
            world.run_until(secs(30), |w| read(w, CLIENT, 0) == 400_000 + n * 3000);
            world.run(ms(500));
        }
        assert!(world.app(CLIENT, 0).failed.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever has the key, or needs none, may say what it likes: nothing panics, memory is bounded, and who is
    /// there already goes on.
    #[test]
    fn nothing_that_a_peer_makes_up_disturbs_another(
        contents in prop::collection::vec(
            (any::<u32>(), 0xf0u16..0xf5, prop::collection::vec(any::<u8>(), 0..200)), 1..60),
    ) {
        let mut world = World::pair(&with(Cipher::None, "10+3"), link(20, 0), 17);
        let app = world.connect(CLIENT, SERVER, None);
        world.run(secs(1));
        let seal = crypt(Cipher::None);
        for (n, (seqid, kind, rest)) in contents.iter().enumerate() {
            let mut buf = vec![0; 20];
            buf.extend(seqid.to_le_bytes());
            buf.extend(kind.to_le_bytes());
            buf.extend(rest);
            let len = buf.len() - 20;
            let len = seal.seal(&mut buf, len, &[9; 16]).unwrap();
            prop_assert!(is_fec(&buf[20..len]) == (0xf1..=0xf3).contains(kind));
            let from = if n % 2 == 0 { addr(CLIENT) } else { ([192, 0, 2, 1], 9).into() };
            world.inject(SERVER, from, &buf[..len]);
        }
        world.app(CLIENT, app).to_write = data(20_000);
        world.run(secs(2));
        prop_assert_eq!(read(&world, SERVER, 0), 20_000);
        prop_assert_eq!(&world.app(SERVER, 0).read, &data(20_000));
        prop_assert!(stats(&world, SERVER).memory < 400_000);
    }
}
