//! What the two sides do. `side_x server SCENARIO key=value…` prints its address, works until its
//! standard input ends, and prints what it used; `side_x client SCENARIO address key=value…` works,
//! and prints what it measured. All as lines of `key value`.

mod bulk;
mod echo;
mod idle;

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::peer::{Options, Peer};
use crate::runtime::Runtime;
use crate::usage;

/// `key=value` arguments.
pub(crate) struct Args(Vec<String>);

impl Args {
    pub(crate) fn get<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.iter().find_map(|arg| arg.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    }

    pub(crate) fn need<T: FromStr>(&self, key: &str) -> T {
        self.get(key).unwrap_or_else(|| panic!("{key}=… is missing"))
    }

    fn options(&self) -> Options {
        let is = |key| self.get(key).unwrap_or(false);
        Options { one_socket: is("one_socket"), secure: is("secure") }
    }

    /// Once the sockets are open.
    fn set_buffers(&self) {
        if let Some(size) = self.get("buffers") {
            usage::set_buffers(size);
        }
    }
}

pub(crate) fn say(key: &str, value: impl Display) {
    println!("{key} {value}");
}

/// One side of one measurement.
pub fn run<P: Peer>() {
    let mut args = std::env::args().skip(1);
    let role = args.next().expect("server or client");
    let scenario = args.next().expect("a scenario");
    let args = Args(args.collect());
    if let Some(core) = args.get("core") {
        usage::pin(core);
    }
    match role.as_str() {
        "server" => P::Runtime::run(async move { serve::<P>(&scenario, &args).await }),
        _ => P::Runtime::run(async move {
            let addr: SocketAddr = args.need("addr");
            match scenario.as_str() {
                "bulk" => bulk::client::<P>(addr, &args).await,
                "echo" => echo::client::<P>(addr, &args).await,
                "idle" => idle::client::<P>(addr, &args).await,
                _ => panic!("no scenario {scenario}"),
            }
        }),
    }
}

async fn serve<P: Peer>(scenario: &str, args: &Args) {
    let (listener, addr) = P::bind(args.options()).await.expect("bind");
    args.set_buffers();
    say("addr", addr);
    match scenario {
        "bulk" => bulk::server::<P>(listener, args).await,
        "echo" => echo::server::<P>(listener).await,
        "idle" => idle::server::<P>(listener, args).await,
        _ => panic!("no scenario {scenario}"),
    }
}

/// Waits until the starter has closed our standard input, on a thread of its own.
pub(crate) fn on_end(act: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        act();
        std::process::exit(0);
    });
}
