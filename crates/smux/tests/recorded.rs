//! kcptun's own words, recorded: both of its sides understood, and said again to the byte.

use std::collections::VecDeque;
use std::time::Duration;

use smol_smux::connection::{Connection, Output};
use smol_smux::frame::{Command, Header, Update, HEADER_LEN};
use smol_smux::{Config, Role, Version};

const NOW: Duration = Duration::ZERO;

/// One recorded session.
struct Recording {
    name: String,
    config: Config,
    client: Side,
    server: Side,
}

/// What one side wrote, and the frames that it became.
#[derive(Default)]
struct Side {
    written: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Side {
    fn add(&mut self, key: &str, hex: &str) {
        let mut frame = bytes(hex);
        if !key.is_empty() {
            let at: usize = self.frames.iter().map(|frame| payload(frame).len()).sum();
            frame.extend(&self.written[at..at + key.parse::<usize>().unwrap()]);
        }
        self.frames.push(frame);
    }
}

fn payload(frame: &[u8]) -> &[u8] {
    match frame[1] {
        2 => &frame[HEADER_LEN..],
        _ => &[],
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn written(text: &str) -> Vec<u8> {
    let numbers: Vec<&str> = text.split(' ').collect();
    match numbers[..] {
        [hex] => bytes(hex),
        _ => {
            let [len, a, b] = [0, 1, 2].map(|at: usize| numbers[at].parse::<usize>().unwrap());
            (0..len).map(|i| (a * i + b) as u8).collect()
        }
    }
}

fn recordings() -> Vec<Recording> {
    let mut all: Vec<Recording> = Vec::new();
    let lines = include_str!("data/kcptun.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once(' ').expect(line);
        if key == "session" {
            let words: Vec<&str> = value.splitn(3, ' ').collect();
            let version = if words[0] == "1" { Version::V1 } else { Version::V2 };
            let max_stream_buffer = words[1].parse().unwrap();
            all.push(Recording {
                name: words[2].into(),
                config: Config { version, max_stream_buffer, ..Config::default() },
                client: Side::default(),
                server: Side::default(),
            });
            continue;
        }
        let last = all.last_mut().expect("a session");
        match key.split_at(1) {
            _ if key == "up" => last.client.written = written(value),
            _ if key == "down" => last.server.written = written(value),
            (">", len) => last.client.add(len, value),
            ("<", len) => last.server.add(len, value),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(all.len(), 6);
    all
}

fn header(frame: &[u8], config: &Config) -> Header {
    Header::decode(frame[..HEADER_LEN].try_into().unwrap(), config.version).unwrap()
}

/// One side played by ours, against the frames of the other.
struct Player<'a> {
    connection: Connection,
    config: &'a Config,
    stream: Option<u32>,
    others: VecDeque<&'a [u8]>,
    written: usize,
    read: Vec<u8>,
    output: Output,
}

impl Player<'_> {
    /// Hears the next frame, and reads as kcptun does: what a frame has brought, at once.
    fn hear(&mut self) {
        let frame = self.others.pop_front().expect("the other side goes on");
        self.connection.handle_input(NOW, frame).unwrap();
        self.stream = self.stream.or_else(|| self.connection.accept());
        let mut buf = vec![0; 65536];
        if let Some(n) = self.connection.read(self.stream.unwrap(), &mut buf).unwrap() {
            self.read.extend(&buf[..n]);
        }
    }

    /// Hears the window updates that are possible by now, of no more than was written, and, if it may read,
    /// what is between them.
    fn hear_updates(&mut self, may_read: bool) {
        while let Some(frame) = self.others.front() {
            let possible = match header(frame, self.config).command {
                Command::Update => {
                    let update = Update::decode(frame[HEADER_LEN..].try_into().unwrap());
                    update.consumed as usize <= self.written
                }
                _ => may_read,
            };
            if !possible {
                return;
            }
            self.hear();
        }
    }

    fn said(&mut self) -> Vec<u8> {
        self.connection.poll_output(NOW, usize::MAX, &mut self.output);
        let mut said = Vec::new();
        while !self.output.is_empty() {
            let bytes = self.output.front().to_vec();
            self.output.advance(bytes.len());
            said.extend(bytes);
        }
        said
    }
}

fn play(role: Role, config: &Config, own: &Side, other: &Side) {
    let mut player = Player {
        connection: Connection::new(role, config.clone(), NOW).unwrap(),
        config,
        stream: None,
        others: other.frames.iter().map(|frame| &frame[..]).collect(),
        written: 0,
        read: Vec::new(),
        output: Output::new(),
    };
    if role == Role::Server {
        player.hear();
    }
    let last_update = own.frames.iter().rposition(|frame| frame[1] == Command::Update as u8);
    for (at, frame) in own.frames.iter().enumerate() {
        let header = header(frame, config);
        // Reading makes updates, so it waits until they are expected.
        player.hear_updates(role == Role::Server && last_update.is_none_or(|last| last < at));
        match header.command {
            Command::Syn => player.stream = Some(player.connection.open().unwrap()),
            Command::Push => {
                let data = payload(frame);
                let taken = player.connection.write(header.id, data).unwrap();
                assert_eq!(taken, Some(data.len()), "after {}", player.written);
                player.written += data.len();
            }
            Command::Fin => player.connection.finish(header.id),
            Command::Update => {
                // It comes of reading.
                while !player.connection.has_output() {
                    player.hear();
                }
            }
            Command::Nop => panic!("none is in the recordings"),
        }
        assert_eq!(player.said(), *frame);
    }
    while !player.others.is_empty() {
        player.hear();
    }
    assert_eq!(player.read, other.written);
    assert!(player.said().is_empty());
}

#[test]
fn both_sides_of_kcptun_are_said_again_to_the_byte() {
    for recording in recordings() {
        println!("{}", recording.name);
        let Recording { config, client, server, .. } = &recording;
        play(Role::Client, config, client, server);
        play(Role::Server, config, server, client);
    }
}
