//! GSO batches leave and arrive in one call or in many: what arrives is the same.

use super::*;

/// Says so and is false where the system knows no GSO batches.
fn has_gso(transport: &UdpTransport) -> bool {
    let found = transport.offload.max_segments > 1 && transport.offload.receives;
    if !found {
        println!("skipped: no UDP GSO and GRO here: {:?}", transport.offload);
    }
    found
}

/// `count` datagrams of `len` bytes that differ.
fn numbered(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| (0..len).map(|at| (i * 31 + at) as u8).collect()).collect()
}

fn queue(to: SocketAddr, datagrams: &[Vec<u8>]) -> Datagrams {
    let mut batch = Datagrams::new(datagrams.len());
    assert!(datagrams.iter().all(|datagram| batch.push(Datagram::new(to, datagram))));
    batch
}

fn only(transport: &mut UdpTransport, sends: bool, receives: bool) {
    transport.offload = transport.offload.only(transport.socket.get_ref(), sends, receives);
}

#[test]
fn what_leaves_with_and_without_gso_batches_arrives_the_same() {
    let ips: [std::net::IpAddr; 2] = [V4.into(), V6.into()];
    for ip in ips {
        if ip.is_ipv6() && !has_v6() {
            continue;
        }
        for (sends, receives) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut client = bound(ip);
            let mut servers = [bound(ip), bound(ip)];
            only(&mut client, sends, receives);
            servers.iter_mut().for_each(|server| only(server, sends, receives));
            // Runs of several lengths to two peers, more bytes than one GSO batch holds, and an end
            // that is shorter, longer, empty.
            let mut plan = vec![(0, 1400); 50];
            plan.extend([(1, 9), (1, 9), (0, 1400), (0, 1400), (0, 3), (0, 1400), (0, 0), (0, 0)]);
            plan.extend([(1, 1200), (1, 1200), (1, 1201), (1, 1), (0, 1), (0, 1), (0, 1)]);
            plan.extend(vec![(1, 2); 70]);
            let mut out = Datagrams::new(plan.len());
            let mut sent = [Vec::new(), Vec::new()];
            for (i, &(to, len)) in plan.iter().enumerate() {
                let datagram = vec![i as u8; len];
                assert!(out.push(Datagram::new(servers[to].local_addr().unwrap(), &datagram)));
                sent[to].push((client.local_addr().unwrap(), datagram));
            }
            block_on(async {
                poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
                assert!(out.is_empty());
                for (server, sent) in servers.iter_mut().zip(sent) {
                    let got = recv(server, sent.len()).await.unwrap();
                    assert_eq!(got, sent, "{ip}, GSO batches: sent {sends}, received {receives}");
                    assert_eq!(server.dropped(), 0);
                }
            });
        }
    }
}

#[test]
fn neighbours_travel_in_one_piece_to_any_address() {
    let mut client = bound(V4);
    let mut server = bound(V4);
    if !has_gso(&client) {
        return;
    }
    let mut tied = UdpTransport::connect(&config(), server.local_addr().unwrap()).unwrap();
    let mut both = if has_v6() { bound(Ipv6Addr::UNSPECIFIED) } else { bound(V4) };
    let datagrams = numbered(40, 1400);
    let to = server.local_addr().unwrap();
    for sender in [&mut client, &mut tied, &mut both] {
        let mut out = queue(to, &datagrams);
        block_on(poll_fn(|cx| sender.poll_send(cx, &mut out))).unwrap();
        block_on(server.socket.readable()).unwrap();
        let mut arrived = Datagrams::new(64);
        assert_eq!(server.read(&mut arrived).unwrap(), 40, "by one call");
        let from = SocketAddr::from((V4, sender.local_addr().unwrap().port()));
        assert!(arrived.iter().eq(datagrams.iter().map(|datagram| Datagram::new(from, datagram))));
        assert_eq!(server.read(&mut arrived).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn what_finds_no_room_waits_for_the_next_call_and_keeps_no_memory() {
    let (mut client, mut server) = (bound(V4), bound(V4));
    let datagrams = numbered(50, 700);
    let mut out = queue(server.local_addr().unwrap(), &datagrams);
    block_on(async {
        poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
        let mut got = Vec::new();
        while got.len() < 50 {
            got.extend(batch(&mut server, 8).await.unwrap().into_iter().map(|(_, bytes)| bytes));
        }
        assert_eq!(got, datagrams);
        let mut nothing = Datagrams::new(8);
        let idle = future::poll_once(poll_fn(|cx| server.poll_recv(cx, &mut nothing))).await;
        assert!(idle.is_none());
        assert_eq!(server.overflow.capacity(), 0);
    });
}

#[test]
fn a_gso_batch_of_datagrams_that_are_too_long_is_dropped_and_its_short_end_is_not() {
    let (mut client, mut server) = (bound(V4), bound(V4));
    let datagrams = [vec![1; 3000], vec![2; 3000], vec![3; 2047]];
    let mut out = queue(server.local_addr().unwrap(), &datagrams);
    block_on(async {
        poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
        let got = recv(&mut server, 1).await.unwrap();
        assert_eq!(got, [(client.local_addr().unwrap(), vec![3; 2047])]);
    });
    assert_eq!(server.dropped(), 2);
}

#[test]
fn a_gso_batch_that_the_system_refuses_is_sent_one_by_one_and_no_other_follows() {
    let (mut client, mut server) = (bound(V4), bound(V4));
    if !has_gso(&client) {
        return;
    }
    // More than any kernel takes, so it fails with EINVAL.
    client.offload.max_segments = 1000;
    let datagrams = numbered(200, 100);
    let mut out = queue(server.local_addr().unwrap(), &datagrams);
    block_on(async {
        poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
        let got = recv(&mut server, 200).await.unwrap();
        assert!(got.into_iter().map(|(_, bytes)| bytes).eq(datagrams));
    });
    assert_eq!(client.offload.max_segments, 1);
}

#[test]
fn an_impossible_address_is_no_reason_to_give_up_gso_batches() {
    let mut client = bound(V4);
    let before = client.offload.max_segments;
    // Port 0 gives the same EINVAL as a GSO batch that is refused.
    let mut out = queue((V4, 0).into(), &numbered(3, 100));
    for left in [2, 1, 0] {
        block_on(poll_fn(|cx| client.poll_send(cx, &mut out))).unwrap_err();
        assert_eq!(out.len(), left);
    }
    assert_eq!(client.offload.max_segments, before);
}

#[test]
fn a_refusal_that_a_gso_batch_reports_costs_no_datagram() {
    let (holder, _other, addr) = refuses();
    let mut client = UdpTransport::connect(&config(), addr).unwrap();
    let before = client.offload.max_segments;
    let datagrams = numbered(5, 100);
    let mut out = queue(addr, &datagrams);
    block_on(async {
        send(&mut client, addr, &[b"refused"]).await.unwrap();
        client.socket.readable().await.unwrap();
        holder.connect(client.local_addr().unwrap()).unwrap();
        let error = poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(out.len(), 4, "the first has been sent");
        poll_fn(|cx| client.poll_send(cx, &mut out)).await.unwrap();
    });
    let mut buf = [0; 200];
    for datagram in datagrams {
        let len = holder.recv(&mut buf).unwrap();
        assert_eq!(buf[..len], datagram);
    }
    assert_eq!(client.offload.max_segments, before);
}

#[test]
fn a_rebound_socket_knows_gso_batches_too() {
    let mut client = UdpTransport::connect(&config(), (V4, 9).into()).unwrap();
    let before = (client.offload.max_segments, client.offload.receives);
    only(&mut client, false, false);
    assert!(client.rebind().unwrap());
    assert_eq!((client.offload.max_segments, client.offload.receives), before);
}
