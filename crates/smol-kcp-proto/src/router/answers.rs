//! Answers without a session: to strangers, to ghosts of ended sessions, to newcomers under pressure.

use std::net::SocketAddr;

pub(super) use crate::path::{prefix, Prefix};

use crate::path::Path;
use crate::secret::Secret;
use crate::time::Time;
use crate::wire::HEADER_LEN;

/// Answers in one second at most to all strangers together: enough for every client of a restarted
/// server, too few to be worth an attacker's while (2 Mbit/s).
const PER_SECOND: u32 = 10_000;

/// Answers in one second at most to one [prefix]: enough to tell every stream of a client.
const PER_PREFIX: u16 = 200;

/// Prefixes that are told apart. Two may share a bucket, but nobody can tell which.
const BUCKETS: usize = 1024;

/// The queue of answers and what bounds it.
#[derive(Debug, Default)]
pub(super) struct Answers {
    queue: Vec<(Path, [u8; HEADER_LEN])>,
    /// The second that is counted, and the answers in it.
    second: (u64, u32),
    /// The same for prefixes; empty until the first answer.
    buckets: Vec<(u32, u16)>,
    /// The second in which a prefix was last asked whether a peer has moved there.
    asked: Vec<u32>,
}

impl Answers {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Path, [u8; HEADER_LEN])> + '_ {
        self.queue.drain(..)
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Queues what nothing bounds: the end of a session, or an answer to one datagram of at least its
    /// length that the handshake needs.
    pub(super) fn push(&mut self, to: Path, answer: [u8; HEADER_LEN]) {
        self.queue.push((to, answer));
    }

    /// Queues an answer to a stranger; `false` if the rate is used up.
    pub(super) fn push_limited(
        &mut self,
        now: Time,
        secret: &Secret,
        to: Path,
        answer: [u8; HEADER_LEN],
    ) -> bool {
        let second = now.as_millis() / 1000;
        // A fixed window of a second: twice the rate at its edges does no harm, and there is
        // nothing to refill.
        if self.second.0 != second {
            self.second = (second, 0);
        }
        if self.buckets.is_empty() {
            self.buckets = vec![(0, 0); BUCKETS];
        }
        let Some(bucket) = self.buckets.get_mut(bucket(secret, to.peer)) else { return false };
        // Emptied when somebody looks, so that a quiet table costs nothing.
        if bucket.0 != second as u32 {
            *bucket = (second as u32, 0);
        }
        if self.second.1 >= PER_SECOND || bucket.1 >= PER_PREFIX {
            return false;
        }
        self.second.1 += 1;
        bucket.1 += 1;
        self.queue.push((to, answer));
        true
    }

    /// Returns whether a peer may be looked for at `at`: once a second for each prefix, so that who
    /// tries many numbers learns nothing from how often it is asked.
    pub(super) fn may_ask(&mut self, now: Time, secret: &Secret, at: SocketAddr) -> bool {
        // Second 0 is told from "never".
        let second = (now.as_millis() / 1000) as u32 | 1 << 31;
        if self.asked.is_empty() {
            self.asked = vec![0; BUCKETS];
        }
        self.asked
            .get_mut(bucket(secret, at))
            .is_some_and(|asked| std::mem::replace(asked, second) != second)
    }
}

fn bucket(secret: &Secret, addr: SocketAddr) -> usize {
    secret.number_of_prefix(prefix(addr).0) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: [u8; 4]) -> Path {
        SocketAddr::from((ip, 1)).into()
    }

    #[test]
    fn one_prefix_cannot_use_up_the_answers_of_another() {
        let (mut answers, secret) = (Answers::default(), Secret::new([1, 2]));
        let (noisy, honest) = (at([10, 0, 0, 1]), at([10, 0, 0, 2]));
        let given = |answers: &mut Answers, now, to| {
            answers.push_limited(now, &secret, to, [0; HEADER_LEN])
        };
        let now = Time::from_millis(500);
        let noise = (0..5000).filter(|_| given(&mut answers, now, noisy)).count();
        assert_eq!(noise, usize::from(PER_PREFIX));
        assert!(given(&mut answers, now, honest));
        assert!(given(&mut answers, Time::from_millis(1000), noisy), "another second");
    }

    #[test]
    fn all_prefixes_together_have_a_bound() {
        let (mut answers, secret) = (Answers::default(), Secret::new([1, 2]));
        let given = (0..200_000u32).filter(|n| {
            let to = at(n.to_be_bytes());
            answers.push_limited(Time::ZERO, &secret, to, [0; HEADER_LEN])
        });
        assert_eq!(given.count(), PER_SECOND as usize);
    }

    #[test]
    fn a_prefix_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let of = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(of("10.0.0.1:1"), of("10.0.0.1:2"));
        assert_eq!(of("10.0.0.1:1"), of("[::ffff:10.0.0.1]:1"));
        assert_ne!(of("10.0.0.1:1"), of("10.0.0.2:1"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8:0:0:9::2]:7"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
    }
}
