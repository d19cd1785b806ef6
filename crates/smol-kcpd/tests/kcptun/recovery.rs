//! What kcptun notices after a minute: servers that begin anew, and NATs that change their mind.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_lite::future;
use smol_kcpd::{HostPort, Resolve, Resolving, Role, Runtime, Settings};

use crate::support::*;

/// Both versions, with what else differs most.
const WORDS: [&str; 2] = ["--smuxver 2 --ds 10 --ps 3", "--smuxver 1 --ds 0 --nocomp --crypt none"];

#[test]
fn a_server_that_begins_anew_has_new_connections_at_once() {
    if !has_kcptun() {
        return;
    }
    for words in WORDS.map(Words::new) {
        run(|runtime| async move {
            let (target, at) = (echo_server().await, free_port());
            let first = Kcptun::server(&words, at, target);
            let (client, here) = start(&runtime, client(&words, at));
            ask_until_answered(here, 100_000).await;
            let mut old = connect(here).await;
            chat(&mut old, 3, 1000).await.unwrap();
            smol::Timer::after(ms(1100)).await; // what was said lately is believed
            drop(first);
            let second = Kcptun::server(&words, at, target);
            // The very first one: it was about to go to the server that is gone.
            ask(here, 5, 10_000).await.unwrap();
            assert_eq!(client.stats().failed, 1, "the one that was open");
            chat(&mut old, 4, 1000).await.unwrap_err();
            // Nobody is there, and then somebody is: who waits is served.
            smol::Timer::after(ms(1100)).await;
            drop(second);
            let waiting = ask(here, 6, 10_000);
            let starting = async {
                smol::Timer::after(ms(500)).await;
                Kcptun::server(&words, at, target)
            };
            let (asked, _third) = future::zip(waiting, starting).await;
            asked.unwrap();
        });
    }
}

#[test]
fn a_nat_that_changes_its_mind_costs_only_what_was_open() {
    if !has_kcptun() {
        return;
    }
    for words in WORDS.map(Words::new) {
        run(|runtime| async move {
            let at = free_port();
            let _server = Kcptun::server(&words, at, echo_server().await);
            let relay = Relay::to(at);
            let (client, here) = start(&runtime, client(&words, relay.addr));
            ask_until_answered(here, 100_000).await;
            let mut old = connect(here).await;
            chat(&mut old, 3, 1000).await.unwrap();
            smol::Timer::after(ms(1100)).await;
            relay.rebind();
            ask(here, 5, 10_000).await.unwrap();
            assert_eq!(client.stats().failed, 1, "the one that was open");
            chat(&mut old, 4, 1000).await.unwrap_err();
        });
    }
}

#[test]
fn an_open_connection_learns_of_it_by_its_own_words() {
    if !has_kcptun() {
        return;
    }
    run(|runtime| async move {
        let at = free_port();
        let words = Words::new("--smuxver 2");
        let _server = Kcptun::server(&words, at, echo_server().await);
        let relay = Relay::to(at);
        let (_client, here) = start(&runtime, client(&words, relay.addr));
        ask_until_answered(here, 1000).await;
        let mut old = connect(here).await;
        chat(&mut old, 3, 1000).await.unwrap();
        relay.rebind();
        // No other connection comes; kcptun's client would wait for 90 s.
        let began = now();
        chat(&mut old, 4, 1000).await.unwrap_err();
        eprintln!("noticed after {:?}", began.elapsed());
    });
}

#[test]
fn an_outage_is_survived() {
    run(|runtime| async move {
        let words = Words::new("--smuxver 2");
        let (_server, at) = start(&runtime, server(&words, echo_server().await));
        let relay = Relay::to(at);
        let (client, here) = start(&runtime, client(&words, relay.addr));
        let mut old = connect(here).await;
        chat(&mut old, 3, 1000).await.unwrap();
        relay.silence();
        let talk = chat(&mut old, 4, 100_000);
        let silence = async {
            smol::Timer::after(ms(5000)).await;
            relay.resume();
        };
        let (talked, ()) = future::zip(talk, silence).await;
        talked.unwrap();
        assert_eq!(client.stats().failed, 0);
    });
}

/// A name that leads where the test says.
struct Name(Rc<Cell<SocketAddr>>);

impl Resolve for Name {
    fn resolve<'a>(&'a self, _: &'a HostPort) -> Resolving<'a> {
        let addr = self.0.get();
        Box::pin(async move { Ok(vec![addr]) })
    }
}

#[test]
fn a_server_that_has_moved_is_found_by_its_name() {
    let words = Words::new("--ds 0");
    let leads_to = Rc::new(Cell::new(free_port()));
    let runtime = Runtime::with_resolver(Name(Rc::clone(&leads_to)));
    let story = async {
        let target = echo_server().await;
        let (first, at) = start(&runtime, server(&words, target));
        leads_to.set(at);
        let settings = client(&words, at);
        let name = HostPort::parse("moving.example:29900").unwrap();
        let settings = Settings { role: Role::Client { server: name }, ..settings };
        let (_client, here) = start(&runtime, settings);
        ask(here, 1, 10_000).await.unwrap();
        drop(first);
        let (_second, at) = start(&runtime, server(&words, target));
        leads_to.set(at);
        smol::Timer::after(ms(1100)).await; // what was said lately is believed
        ask_until_answered(here, 10_000).await;
    };
    crate::common::run(runtime.run(story));
}
