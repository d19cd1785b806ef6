//! What a bad network cannot be told to do.

use std::fmt;
use std::time::Duration;

use super::config::{LinkConfig, NetemConfig, Probability};
use crate::error::KcpError;

/// Longest accepted delay of a link: more than any path on Earth, and finite.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Slowest accepted link in bits per second; the longest datagram takes it nine minutes.
const MIN_RATE: u64 = 1000;

/// Most bytes of headers of one datagram.
const MAX_OVERHEAD: usize = 1000;

impl NetemConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`KcpError::Config`] with the name of the first bad field, such as `netem.send.loss`.
    pub fn check(&self) -> Result<(), KcpError> {
        self.send.check(&SEND)?;
        self.receive.check(&RECEIVE)
    }
}

/// The names of a link's fields, as errors give them.
struct Names {
    loss: &'static str,
    enter: &'static str,
    leave: &'static str,
    burst_loss: &'static str,
    delay: &'static str,
    jitter: &'static str,
    reorder: &'static str,
    duplicate: &'static str,
    rate: &'static str,
    queue_datagrams: &'static str,
    queue_bytes: &'static str,
    rate_steps: &'static str,
    policer_rate: &'static str,
    policer_burst: &'static str,
    overhead: &'static str,
}

macro_rules! names {
    ($link:literal) => {
        Names {
            loss: concat!($link, ".loss"),
            enter: concat!($link, ".bursts.enter"),
            leave: concat!($link, ".bursts.leave"),
            burst_loss: concat!($link, ".bursts.loss"),
            delay: concat!($link, ".delay"),
            jitter: concat!($link, ".jitter"),
            reorder: concat!($link, ".reorder"),
            duplicate: concat!($link, ".duplicate"),
            rate: concat!($link, ".rate"),
            queue_datagrams: concat!($link, ".queue_datagrams"),
            queue_bytes: concat!($link, ".queue_bytes"),
            rate_steps: concat!($link, ".rate_steps"),
            policer_rate: concat!($link, ".policer.rate"),
            policer_burst: concat!($link, ".policer.burst_bytes"),
            overhead: concat!($link, ".overhead"),
        }
    };
}

const SEND: Names = names!("netem.send");
const RECEIVE: Names = names!("netem.receive");

impl LinkConfig {
    fn check(&self, names: &Names) -> Result<(), KcpError> {
        probability(names.loss, self.loss)?;
        if let Some(bursts) = &self.bursts {
            probability(names.enter, bursts.enter)?;
            probability(names.leave, bursts.leave)?;
            probability(names.burst_loss, bursts.loss)?;
            if bursts.leave == Probability::NEVER {
                let accepted = format!("1 to {}: a burst has to end", Probability::ALWAYS);
                return refused(names.leave, bursts.leave, accepted);
            }
        }
        if self.delay > MAX_DELAY {
            return refused(names.delay, Shown(self.delay), format!("0s to {MAX_DELAY:?}"));
        }
        if self.jitter > self.delay {
            let accepted = format!("0s to {:?}, the delay", self.delay);
            return refused(names.jitter, Shown(self.jitter), accepted);
        }
        probability(names.reorder, self.reorder)?;
        if self.reorder != Probability::NEVER && self.delay.is_zero() {
            return refused(names.reorder, self.reorder, "never, without a delay to skip".into());
        }
        probability(names.duplicate, self.duplicate)?;
        self.check_rate(names)?;
        if let Some(policer) = &self.policer {
            rate(names.policer_rate, policer.rate)?;
            if policer.burst_bytes == 0 {
                return refused(names.policer_burst, 0, "1 and more".into());
            }
        }
        if self.overhead > MAX_OVERHEAD {
            return refused(names.overhead, self.overhead, format!("0 to {MAX_OVERHEAD}"));
        }
        Ok(())
    }

    fn check_rate(&self, names: &Names) -> Result<(), KcpError> {
        let Some(first) = self.rate else {
            for (name, limit) in [
                (names.queue_datagrams, self.queue_datagrams),
                (names.queue_bytes, self.queue_bytes),
                (names.rate_steps, self.rate_steps.first().map(|_| self.rate_steps.len())),
            ] {
                if let Some(limit) = limit {
                    return refused(name, limit, "none, without a rate to wait for".into());
                }
            }
            return Ok(());
        };
        rate(names.rate, first)?;
        let mut before = None;
        for step in &self.rate_steps {
            rate(names.rate_steps, step.rate)?;
            if let Some(before) = before.filter(|&before| step.at <= before) {
                let accepted = format!("after {before:?}, the step before");
                return refused(names.rate_steps, Shown(step.at), accepted);
            }
            before = Some(step.at);
        }
        Ok(())
    }
}

/// A duration reads better in its debug form: `40ms`.
struct Shown(Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn probability(field: &'static str, value: Probability) -> Result<(), KcpError> {
    if value > Probability::ALWAYS {
        return refused(field, value, format!("0 to {}", Probability::ALWAYS));
    }
    Ok(())
}

fn rate(field: &'static str, value: u64) -> Result<(), KcpError> {
    if value < MIN_RATE {
        return refused(field, value, format!("{MIN_RATE}.. bits per second"));
    }
    Ok(())
}

fn refused(
    field: &'static str,
    value: impl fmt::Display,
    accepted: String,
) -> Result<(), KcpError> {
    Err(KcpError::Config { field, value: value.to_string(), accepted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::netem::config::{
        BlackoutConfig, BurstConfig, MtuConfig, PolicerConfig, RateStep,
    };

    fn send(link: LinkConfig) -> NetemConfig {
        NetemConfig { send: link, ..NetemConfig::default() }
    }

    fn receive(link: LinkConfig) -> NetemConfig {
        NetemConfig { receive: link, ..NetemConfig::default() }
    }

    fn refusal(config: &NetemConfig) -> String {
        config.check().expect_err("must be refused").to_string()
    }

    #[test]
    fn a_perfect_and_a_thoroughly_bad_network_are_accepted() {
        assert!(NetemConfig::default().check().is_ok());
        let bad = LinkConfig {
            loss: Probability::ALWAYS,
            bursts: Some(BurstConfig {
                enter: Probability::NEVER,
                leave: Probability::per_million(1),
                loss: Probability::ALWAYS,
            }),
            delay: MAX_DELAY,
            jitter: MAX_DELAY,
            in_order: true,
            reorder: Probability::ALWAYS,
            duplicate: Probability::ALWAYS,
            rate: Some(MIN_RATE),
            queue_datagrams: Some(0),
            queue_bytes: Some(0),
            rate_steps: vec![
                RateStep { at: Duration::ZERO, rate: MIN_RATE },
                RateStep { at: Duration::MAX, rate: u64::MAX },
            ],
            policer: Some(PolicerConfig { rate: MIN_RATE, burst_bytes: 1 }),
            blackouts: vec![BlackoutConfig { from: Duration::MAX, lasts: Duration::MAX }],
            mtu: Some(MtuConfig { bytes: 0, from: Duration::ZERO }),
            overhead: MAX_OVERHEAD,
        };
        assert!(NetemConfig { seed: 0, send: bad.clone(), receive: bad }.check().is_ok());
    }

    #[test]
    fn a_bad_field_is_named_with_its_direction() {
        let lossy = LinkConfig { loss: Probability::percent(101), ..LinkConfig::default() };
        assert_eq!(
            refusal(&send(lossy.clone())),
            "configuration: netem.send.loss = 1010000 per million: must be 0 to 1000000 per million"
        );
        assert!(refusal(&receive(lossy)).contains("netem.receive.loss = "));
    }

    #[test]
    fn every_field_is_checked() {
        let base = LinkConfig::default;
        let too_often = Probability::per_million(1_000_001);
        let bursts = BurstConfig {
            enter: Probability::percent(1),
            leave: Probability::percent(25),
            loss: Probability::ALWAYS,
        };
        let with = |bursts| LinkConfig { bursts: Some(bursts), ..base() };
        let delay = Duration::from_millis(10);
        let steps = |rate, steps: &[(Duration, u64)]| LinkConfig {
            rate,
            rate_steps: steps.iter().map(|&(at, rate)| RateStep { at, rate }).collect(),
            ..base()
        };
        let policer = |rate, burst_bytes| LinkConfig {
            policer: Some(PolicerConfig { rate, burst_bytes }),
            ..base()
        };
        for (field, link) in [
            ("bursts.enter", with(BurstConfig { enter: too_often, ..bursts.clone() })),
            ("bursts.leave", with(BurstConfig { leave: too_often, ..bursts.clone() })),
            ("bursts.leave", with(BurstConfig { leave: Probability::NEVER, ..bursts.clone() })),
            ("bursts.loss", with(BurstConfig { loss: too_often, ..bursts.clone() })),
            ("delay", LinkConfig { delay: Duration::MAX, ..base() }),
            ("jitter", LinkConfig { delay, jitter: delay * 2, ..base() }),
            ("reorder", LinkConfig { delay, reorder: too_often, ..base() }),
            ("reorder", LinkConfig { reorder: Probability::percent(1), ..base() }),
            ("duplicate", LinkConfig { duplicate: too_often, ..base() }),
            ("rate", LinkConfig { rate: Some(0), ..base() }),
            ("queue_datagrams", LinkConfig { queue_datagrams: Some(10), ..base() }),
            ("queue_bytes", LinkConfig { queue_bytes: Some(10), ..base() }),
            ("rate_steps", steps(None, &[(delay, MIN_RATE)])),
            ("rate_steps", steps(Some(MIN_RATE), &[(delay, MIN_RATE - 1)])),
            ("rate_steps", steps(Some(MIN_RATE), &[(delay, MIN_RATE), (delay, MIN_RATE)])),
            ("policer.rate", policer(MIN_RATE - 1, 1)),
            ("policer.burst_bytes", policer(MIN_RATE, 0)),
            ("overhead", LinkConfig { overhead: MAX_OVERHEAD + 1, ..base() }),
        ] {
            let text = refusal(&receive(link));
            assert!(text.contains(&format!("netem.receive.{field} = ")), "{text}");
        }
    }
}
