//! What the ends of a measurement say to each other.

use std::time::Duration;

use super::{Direction, PathSummary, Received, Sent, MAX_TIME, MIN_TIME};

/// Of the request and of its answer, whatever the version.
pub(super) const LEN: usize = 8;

/// The version of these messages.
pub(super) const VERSION: u8 = 1;

const REQUEST: [u8; 4] = *b"PERF";
/// Differs from [`REQUEST`], so that an echo of that is no answer.
const ANSWER: [u8; 4] = *b"perf";

/// Bytes of the report about an upload, and about a download.
pub(super) const RECEIVED_LEN: usize = 16;
pub(super) const SENT_LEN: usize = 52;
/// Bytes that follow the latter: what the path did.
pub(super) const PATH_LEN: usize = 52;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub direction: Direction,
    pub time: Duration,
}

/// What the server makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// It measures for somebody else.
    Busy,
    /// It speaks another version, this one.
    Version(u8),
    /// The request has no meaning, or a time that is not accepted.
    Malformed,
}

impl Request {
    pub(super) fn encode(&self) -> [u8; LEN] {
        let [a, b, c, d] = REQUEST;
        let direction = match self.direction {
            Direction::Upload => 1,
            Direction::Download => 2,
        };
        let millis = u16::try_from(self.time.as_millis()).unwrap_or(u16::MAX); // not accepted
        let [low, high] = millis.to_le_bytes();
        [a, b, c, d, VERSION, direction, low, high]
    }

    /// # Errors
    /// The answer to what is not accepted.
    pub(super) fn decode(bytes: &[u8; LEN]) -> Result<Request, Answer> {
        let [a, b, c, d, version, direction, low, high] = *bytes;
        if [a, b, c, d] != REQUEST {
            return Err(Answer::Malformed);
        }
        if version != VERSION {
            return Err(Answer::Version(VERSION));
        }
        let direction = match direction {
            1 => Direction::Upload,
            2 => Direction::Download,
            _ => return Err(Answer::Malformed),
        };
        let time = Duration::from_millis(u16::from_le_bytes([low, high]).into());
        if !(MIN_TIME..=MAX_TIME).contains(&time) {
            return Err(Answer::Malformed);
        }
        Ok(Request { direction, time })
    }
}

impl Answer {
    pub(super) fn encode(self) -> [u8; LEN] {
        let [a, b, c, d] = ANSWER;
        let (version, status) = match self {
            Answer::Accepted => (VERSION, 0),
            Answer::Busy => (VERSION, 1),
            Answer::Version(version) => (version, 2),
            Answer::Malformed => (VERSION, 3),
        };
        [a, b, c, d, version, status, 0, 0]
    }

    /// `None`: that is no answer.
    pub(super) fn decode(bytes: &[u8; LEN]) -> Option<Answer> {
        let [a, b, c, d, version, status, _, _] = *bytes;
        if [a, b, c, d] != ANSWER {
            return None;
        }
        match status {
            2 => Some(Answer::Version(version)),
            _ if version != VERSION => None,
            0 => Some(Answer::Accepted),
            1 => Some(Answer::Busy),
            3 => Some(Answer::Malformed),
            _ => None,
        }
    }
}

impl Received {
    pub(super) fn encode(&self) -> [u8; RECEIVED_LEN] {
        let mut bytes = [0; RECEIVED_LEN];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.bytes.to_le_bytes());
        second.copy_from_slice(&micros(self.elapsed).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; RECEIVED_LEN]) -> Received {
        let mut words = words(bytes);
        Received { bytes: words.next(), elapsed: Duration::from_micros(words.next()) }
    }
}

impl Sent {
    pub(super) fn encode(&self) -> [u8; SENT_LEN] {
        let mut bytes = [0; SENT_LEN];
        let long = [
            self.payload,
            self.wire,
            self.segments,
            self.timeout_retransmits,
            self.fast_retransmits,
        ];
        let short = [self.srtt, self.srtt_min, self.srtt_max]
            .map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        let whole = long
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .chain(short.into_iter().flat_map(u32::to_le_bytes));
        bytes.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; SENT_LEN]) -> Sent {
        let (long, short) = bytes.split_at(40);
        let (mut long, mut short) = (words(long), short.chunks_exact(4));
        let mut time = || {
            let word = short.next().and_then(|chunk| chunk.try_into().ok()).unwrap_or_default();
            Duration::from_micros(u32::from_le_bytes(word).into())
        };
        Sent {
            payload: long.next(),
            wire: long.next(),
            segments: long.next(),
            timeout_retransmits: long.next(),
            fast_retransmits: long.next(),
            srtt: time(),
            srtt_min: time(),
            srtt_max: time(),
            path: None,
        }
    }
}

impl PathSummary {
    pub(super) fn encode(&self) -> [u8; PATH_LEN] {
        let mut bytes = [0; PATH_LEN];
        let long = [self.rate, self.in_flight, self.window];
        let short = [self.loss_ppm, self.min_rtt_ms, self.queue_ms, self.queue_p95_ms];
        let whole = long
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .chain(short.into_iter().flat_map(u32::to_le_bytes))
            .chain(self.waits)
            .chain(self.phase);
        bytes.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; PATH_LEN]) -> PathSummary {
        let (long, rest) = bytes.split_at(24);
        let (short, rest) = rest.split_at(16);
        let (waits, phase) = rest.split_at(4);
        let (mut long, mut short) = (words(long), short.chunks_exact(4));
        let mut number = || {
            let word = short.next().and_then(|chunk| chunk.try_into().ok()).unwrap_or_default();
            u32::from_le_bytes(word)
        };
        PathSummary {
            rate: long.next(),
            in_flight: long.next(),
            window: long.next(),
            loss_ppm: number(),
            min_rtt_ms: number(),
            queue_ms: number(),
            queue_p95_ms: number(),
            waits: waits.try_into().unwrap_or_default(),
            phase: phase.try_into().unwrap_or_default(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Words of 64 bits in a row.
struct Words<'a>(std::slice::ChunksExact<'a, u8>);

fn words(bytes: &[u8]) -> Words<'_> {
    Words(bytes.chunks_exact(8))
}

impl Words<'_> {
    fn next(&mut self) -> u64 {
        let word = self.0.next().and_then(|chunk| chunk.try_into().ok()).unwrap_or_default();
        u64::from_le_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_read_as_they_were_written() {
        for direction in [Direction::Upload, Direction::Download] {
            for time in [MIN_TIME, Duration::from_millis(12_345), MAX_TIME] {
                let request = Request { direction, time };
                assert_eq!(Request::decode(&request.encode()), Ok(request));
            }
        }
        for answer in [Answer::Accepted, Answer::Busy, Answer::Version(7), Answer::Malformed] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }

    #[test]
    fn a_request_that_is_not_one_is_refused_with_the_reason() {
        let good = Request { direction: Direction::Upload, time: MIN_TIME }.encode();
        let changed = |at: usize, to: u8| {
            let mut bytes = good;
            bytes[at] = to;
            Request::decode(&bytes)
        };
        assert_eq!(changed(0, b'p'), Err(Answer::Malformed));
        assert_eq!(changed(4, 2), Err(Answer::Version(1)));
        assert_eq!(changed(5, 0), Err(Answer::Malformed));
        assert_eq!(changed(5, 3), Err(Answer::Malformed));
        assert_eq!(changed(6, 99), Err(Answer::Malformed), "99 ms");
        assert_eq!(changed(7, 255), Err(Answer::Malformed), "more than 60 s");
        assert_eq!(Answer::decode(&good), None, "an echo");
        assert_eq!(Answer::decode(&[0; LEN]), None);
    }

    #[test]
    fn reports_are_read_as_they_were_written() {
        let received = Received { bytes: u64::MAX - 1, elapsed: Duration::from_micros(10_000_001) };
        assert_eq!(Received::decode(&received.encode()), received);
        let sent = Sent {
            payload: 1,
            wire: u64::MAX,
            segments: 3,
            timeout_retransmits: 4,
            fast_retransmits: 5 << 40,
            srtt: Duration::from_micros(6),
            srtt_min: Duration::from_micros(7),
            srtt_max: Duration::from_micros(u32::MAX.into()),
            path: None,
        };
        assert_eq!(Sent::decode(&sent.encode()), sent);
        let path = PathSummary {
            rate: u64::MAX - 7,
            phase: *b"cruise\0\0",
            loss_ppm: 1,
            min_rtt_ms: u32::MAX,
            queue_ms: 2,
            queue_p95_ms: 3,
            in_flight: 5 << 40,
            window: 6,
            waits: [50, 49, 1, 0],
        };
        assert_eq!(PathSummary::decode(&path.encode()), path);
        assert_eq!(path.encode()[PATH_LEN - 3], b'e', "the last one is at the end");
    }
}
