//! What all sessions of a tunnel are made with.

use smol_kcp::kcp_go::{derive_key, KcpGoConfig, PacketCipher};
use smol_kcp::KcpConfig;
use smol_smux::Version;

use crate::context::TunnelContext;
use crate::runtime::now;
use crate::KcptunSettings;

/// The configuration of each layer, with the expanded key.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub(super) kcp: KcpConfig,
    pub(super) crypt: PacketCipher,
    pub(super) compression: bool,
    pub(super) smux: smol_smux::Config,
}

impl Layers {
    /// Derives the key, in a thread of its own: it takes seconds on a slow router. `None`: the tunnel is none of kcptun's.
    pub(super) async fn new(context: &TunnelContext) -> Option<Layers> {
        let settings = context.settings();
        let kcptun = settings.kcptun.clone()?;
        let (cipher, key) = (kcptun.crypt, kcptun.key.clone());
        let began = now();
        let crypt =
            smol::unblock(move || PacketCipher::new(cipher, &derive_key(key.as_bytes()))).await;
        let name = &context.name;
        if cipher.needs_key() {
            log::info!("{name}: the key was derived in {} ms", began.elapsed().as_millis());
        }
        if cipher.needs_key() && kcptun.key.is_known_to_all() {
            log::warn!("{name}: the key is kcptun's own, which everybody knows: nothing is secret");
        }
        let smux = smux(&settings.kcp, &kcptun, settings.max_connections);
        let mut kcp = settings.kcp.clone();
        kcp.kcp_go = Some(KcpGoConfig::new(crypt.clone()).with_fec_mode(kcptun.fec));
        // smux asks for signs of life, and misses them.
        (kcp.keep_alive, kcp.session_expire) = (None, None);
        Some(Layers { kcp, crypt, compression: kcptun.compression, smux })
    }
}

fn smux(kcp: &KcpConfig, kcptun: &KcptunSettings, max_streams: usize) -> smol_smux::Config {
    smol_smux::Config {
        version: if kcptun.smux_version == 1 { Version::V1 } else { Version::V2 },
        keep_alive: kcp.keep_alive,
        keep_alive_timeout: kcp.session_expire,
        max_frame_size: kcptun.frame_size,
        max_receive_buffer: kcptun.smux_buffer,
        max_stream_buffer: kcptun.stream_buffer,
        max_streams,
        ..smol_smux::Config::default()
    }
}
