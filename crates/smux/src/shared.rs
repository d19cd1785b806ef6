//! What a driver and the handles of its session share.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use crate::connection::{Connection, Event};

/// What a task waits for at a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

/// One lock for a session: nobody contends on the machines this is made for.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connection: Connection,
    /// [`Session`](crate::Session) handles.
    pub(crate) handles: usize,
    /// Tasks that wait at streams, by direction. Streams at which nobody waits are not listed.
    streams: BTreeMap<u32, [Option<Waker>; 2]>,
    /// Tasks that wait for a stream of the peer.
    acceptors: Vec<Waker>,
    /// Tasks that wait for the end of the session.
    watchers: Vec<Waker>,
    driver: Option<Waker>,
    /// To be woken, and to be dropped, without the lock: both are foreign code.
    woken: Vec<Waker>,
    replaced: Vec<Waker>,
}

impl Shared {
    pub(crate) fn new(connection: Connection) -> Shared {
        Shared(Mutex::new(State {
            connection,
            handles: 1,
            streams: BTreeMap::new(),
            acceptors: Vec::new(),
            watchers: Vec::new(),
            driver: None,
            woken: Vec::new(),
            replaced: Vec::new(),
        }))
    }

    /// Does something for a handle, then wakes the tasks for which that has changed something, the
    /// driver among them.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        self.run(|state| {
            let result = act(state);
            if state.connection.take_attention() {
                state.woken.extend(state.driver.take());
            }
            result
        })
    }

    /// Does something for the driver, which sees to what has come up itself, then wakes the other tasks.
    pub(crate) fn drive<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        self.run(act)
    }

    fn run<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state);
        state.collect();
        let (woken, replaced) = (mem::take(&mut state.woken), mem::take(&mut state.replaced));
        drop(state);
        drop(replaced);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

impl State {
    /// Notes that a task waits at a stream, in the place of the last one.
    pub(crate) fn wait(&mut self, id: u32, direction: Direction, cx: &mut Context<'_>) {
        let waker = &mut self.streams.entry(id).or_default()[direction as usize];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.replaced.extend(waker.replace(cx.waker().clone()));
        }
    }

    /// Forgets the tasks that wait at a stream.
    pub(crate) fn forget(&mut self, id: u32) {
        self.replaced.extend(self.streams.remove(&id).into_iter().flatten().flatten());
    }

    /// Notes that a task waits for a stream of the peer.
    pub(crate) fn wait_incoming(&mut self, cx: &mut Context<'_>) {
        add(&mut self.acceptors, cx);
    }

    /// Notes that a task waits for the end of the session.
    pub(crate) fn wait_end(&mut self, cx: &mut Context<'_>) {
        add(&mut self.watchers, cx);
    }

    /// Notes the driver's task, which handles wake when there is something to do.
    pub(crate) fn set_driver(&mut self, cx: &mut Context<'_>) {
        if !self.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.replaced.extend(self.driver.replace(cx.waker().clone()));
        }
    }

    /// Collects the tasks to be woken.
    fn collect(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Incoming => self.woken.append(&mut self.acceptors),
                Event::Readable(id) => self.take(id, Direction::Read),
                Event::Writable(id) => self.take(id, Direction::Write),
            }
        }
        if self.connection.ended().is_some() {
            let waiting = mem::take(&mut self.streams).into_values().flatten().flatten();
            self.woken.extend(waiting);
            self.woken.append(&mut self.acceptors);
            self.woken.append(&mut self.watchers);
        } else if self.connection.is_closing() {
            self.woken.append(&mut self.acceptors);
        }
    }

    fn take(&mut self, id: u32, direction: Direction) {
        let Some(wakers) = self.streams.get_mut(&id) else { return };
        self.woken.extend(wakers[direction as usize].take());
        if wakers.iter().all(Option::is_none) {
            self.streams.remove(&id);
        }
    }
}

fn add(wakers: &mut Vec<Waker>, cx: &mut Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}
