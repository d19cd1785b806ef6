//! What parity brings and costs: small echoes, bulk and pieces on lines that lose some of what is on them.
//!
//! `CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo test --release -p smol-kcp-proto --lib measure_parity -- --ignored --nocapture`

use super::scenario::{bulk, thin, Flow, Kind};
use super::*;
use crate::config::KcpGoConfig;
use crate::layer::crypto::kcp_go::{Cipher, DerivedKey, PacketCipher};

/// 20 Mbit/s and a queue of a BDP, 20 ms each way, so much loss in both directions.
fn line(name: &str, loss: u32, rtt: u64, flows: Vec<Flow>) -> Scenario {
    let way = LinkConfig {
        loss: Probability::percent(loss),
        rate: Some(20_000_000),
        queue_bytes: Some(2500 * rtt as usize),
        overhead: 28,
        ..link(rtt, 0)
    };
    Scenario {
        name: format!("{name}-{loss}%-{rtt}"),
        up: way.clone(),
        down: way,
        flows,
        cubics: 0,
        cubic_starts: Duration::ZERO,
        length: secs(60),
        from: secs(10),
        clock: Duration::ZERO,
        seed: 7,
        goals: Vec::new(),
        stock: false,
        timer: Duration::from_micros(50),
    }
}

fn with(fec: &str) -> KcpConfig {
    let crypt = PacketCipher::new(Cipher::None, &DerivedKey::from_bytes([7; 32]));
    let kcp_go = KcpGoConfig::new(crypt).with_fec_mode(fec.parse().unwrap());
    KcpConfig { mtu: 1350, kcp_go: Some(kcp_go), ..KcpConfig::wan() }
}

#[test]
#[ignore = "prints"]
fn measure_parity() {
    let pieces = Flow { client: 0, kind: Kind::Pieces, starts: Duration::ZERO };
    print!("{HEAD}");
    for rtt in [40, 200] {
        for loss in [0, 1, 5, 10] {
            for (name, flow) in [("thin", thin(0)), ("bulk", bulk(0)), ("pieces", pieces)] {
                for fec in ["off", "10+2", "10+3", "auto"] {
                    let line = line(name, loss, rtt, vec![flow]);
                    print!("{}", row(&line, fec, &line.run(&with(fec), None)));
                }
            }
        }
    }
}
