//! Connections whose messages the engine inflates and deflates, in both roles.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

mod support;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use oxws::engine::compression::direction::{Deflation, Shared, new_inflation};
use oxws::engine::threads::pool::Job;
use oxws::engine::{
    ConnectionConfig, ConnectionId, Frame, Reactor, SharedReactor, Status, WriteBatch,
};
use oxws::protocol::deflate::{
    Compressor, CompressorConfig, Decompressor, DecompressorConfig, InflateError,
};
use oxws::protocol::{FrameHeader, Limits, Opcode, ProtocolError, Role};

use support::{KEY, PATIENCE, Records, Seen, frame, read_frame, see, text};

/// A reactor with one connection, the peer's end of it, and what the peer compresses with.
struct Pair {
    reactor: Arc<SharedReactor>,
    id: ConnectionId,
    peer: UnixStream,
    role: Role,
    compressor: Compressor,
    memory: Vec<u8>,
    used: usize,
    seen: Vec<Seen>,
    jobs: mpsc::Receiver<Job>,
}

#[derive(Clone, Copy, Default)]
struct Setup {
    no_context_takeover: bool,
    max_payload: u64,
}

impl Pair {
    fn new(role: Role, setup: Setup) -> Self {
        let Setup { no_context_takeover, max_payload } = setup;
        let (ours, peer) = UnixStream::pair().unwrap();
        let (queue, jobs) = mpsc::channel();
        let mut reactor = Reactor::new().unwrap();
        reactor.set_spawner(Arc::new(move |job| queue.send(job).unwrap()), 1);
        let config = ConnectionConfig {
            limits: Limits { max_payload, ..Limits::default() },
            permessage_deflate: true,
            ..ConnectionConfig::new(role)
        };
        let id = reactor.adopt(ours.as_fd(), config).unwrap();
        let compressing = CompressorConfig { no_context_takeover, ..CompressorConfig::default() };
        let inflating = DecompressorConfig { no_context_takeover, ..DecompressorConfig::default() };
        let deflation = Deflation::new(compressing.clone()).unwrap();
        reactor.set_compression(id, deflation, new_inflation(inflating));
        Self {
            reactor: SharedReactor::new(reactor, Box::new(|| {}), || None),
            id,
            peer,
            role,
            compressor: Compressor::new(compressing).unwrap(),
            memory: vec![0; 64 * 1024],
            used: 0,
            seen: Vec::new(),
            jobs,
        }
    }

    /// Bytes of a frame of the peer's.
    fn frame(&self, opcode: Opcode, fin: bool, rsv1: bool, payload: &[u8]) -> Vec<u8> {
        frame(self.role, fin, rsv1, opcode, payload)
    }

    /// Bytes of a compressed message of the peer's.
    fn message(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let deflated = self.compressor.compress(payload, true);
        self.frame(opcode, true, true, &deflated)
    }

    /// Polls until there is nothing to do.
    fn settle(&mut self) {
        loop {
            let mut records = Records::new(3);
            let Self { reactor, memory, used, .. } = self;
            let status = reactor.poll(memory, used, &mut records).unwrap();
            for (_, event) in records.taken {
                self.seen.push(see(event, &self.memory[..self.used]));
            }
            match status {
                Status::Idle if !self.reactor.has_ready() => return,
                Status::MemoryFull => self.used = 0,
                _ => {}
            }
        }
    }

    fn expect(&mut self, expected: &[Seen]) {
        let start = Instant::now();
        while self.seen.len() < expected.len() {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {expected:?}");
            self.settle();
        }
        self.settle();
        assert_eq!(std::mem::take(&mut self.seen), expected);
    }

    /// Does the work that was given to other threads.
    fn work(&mut self) -> usize {
        let jobs: Vec<Job> = self.jobs.try_iter().collect();
        let count = jobs.len();
        jobs.into_iter().for_each(|job| job());
        count
    }

    /// Sends payloads in one flush: what is to be compressed with its header, the rest as it is.
    fn send(&self, payloads: &[(Option<FrameHeader>, &[u8])]) {
        let mut bytes = Vec::new();
        let mut batch = WriteBatch::default();
        for (header, payload) in payloads {
            let start = bytes.len();
            bytes.extend_from_slice(payload);
            let range = start..bytes.len();
            let frame = match header {
                Some(header) => Frame::compressed(range, *header),
                None => Frame::plain(range),
            };
            batch.push(self.id, frame);
        }
        self.reactor.write(&bytes, &batch, &mut Vec::new());
    }

    fn header(&self, fin: bool, rsv1: bool, opcode: Opcode) -> FrameHeader {
        let masking_key = (self.role == Role::Client).then_some(KEY);
        FrameHeader { fin, rsv1, opcode, masking_key, payload_length: 0 }
    }

    /// Takes a frame that the peer got: its first byte and its payload.
    fn receive(&mut self) -> (u8, Vec<u8>) {
        read_frame(&mut self.peer, self.role == Role::Client)
    }
}

/// Runs a test in both roles.
fn in_both_roles(setup: Setup, test: impl Fn(Pair)) {
    for role in [Role::Server, Role::Client] {
        test(Pair::new(role, setup));
    }
}

#[test]
fn inflates_messages_over_their_windows() {
    for no_context_takeover in [false, true] {
        in_both_roles(Setup { no_context_takeover, ..Setup::default() }, |mut pair| {
            let long = "a longer text, ".repeat(700);
            let mut bytes = Vec::new();
            for payload in ["", "one", "one", &long, &long] {
                bytes.extend(pair.message(Opcode::Text, payload.as_bytes()));
            }
            bytes.extend(pair.frame(Opcode::Text, true, false, b"plain"));
            pair.peer.write_all(&bytes).unwrap();
            let mut expected: Vec<_> = ["", "one", "one", &long, &long].map(text).into();
            expected.push(text("plain"));
            pair.expect(&expected);
        });
    }
}

#[test]
fn inflates_the_same_however_the_bytes_are_cut() {
    in_both_roles(Setup::default(), |mut pair| {
        let mut bytes = pair.message(Opcode::Text, "grüße ".repeat(60).as_bytes());
        bytes.extend(pair.message(Opcode::Binary, &[7; 300]));
        for byte in &bytes {
            pair.peer.write_all(&[*byte]).unwrap();
            pair.settle();
        }
        pair.expect(&[text(&"grüße ".repeat(60)), Seen::Binary(vec![7; 300])]);
    });
}

#[test]
fn puts_fragments_together() {
    in_both_roles(Setup::default(), |mut pair| {
        let parts: [&[u8]; 4] = [b"one", b"", b"two", b"three"];
        let mut bytes = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let fin = index == 3;
            let deflated = pair.compressor.compress(part, fin);
            let opcode = if index == 0 { Opcode::Binary } else { Opcode::Continuation };
            bytes.extend(pair.frame(opcode, fin, index == 0, &deflated));
            if index == 1 {
                bytes.extend(pair.frame(Opcode::Ping, true, false, b""));
            }
        }
        pair.peer.write_all(&bytes).unwrap();
        pair.expect(&[
            Seen::Ping(Vec::new()),
            Seen::Fragments(b"onetwothree".to_vec(), vec![3, 3, 5]),
        ]);
    });
}

#[test]
fn leaves_large_messages_to_other_threads_and_keeps_the_order() {
    in_both_roles(Setup::default(), |mut pair| {
        let large = vec![9; 5_000_000];
        let mut bytes = pair.message(Opcode::Text, b"before");
        bytes.extend(pair.message(Opcode::Binary, &large));
        bytes.extend(pair.frame(Opcode::Ping, true, false, b""));
        bytes.extend(pair.message(Opcode::Text, b"behind"));
        pair.peer.write_all(&bytes).unwrap();
        pair.peer.shutdown(std::net::Shutdown::Write).unwrap();
        pair.expect(&[text("before")]);
        assert_eq!(pair.work(), 1);
        let expected = [Seen::Binary(large), Seen::Ping(Vec::new()), text("behind"), Seen::End];
        pair.expect(&expected);
        assert_eq!(pair.work(), 0);
    });
}

#[test]
fn inflates_so_much_in_a_turn() {
    in_both_roles(Setup::default(), |mut pair| {
        let long = "x".repeat(150_000);
        let half = vec![0; 75_000];
        let mut bytes = Vec::new();
        for _ in 0..10 {
            bytes.extend(pair.message(Opcode::Text, long.as_bytes()));
        }
        for _ in 0..10 {
            let deflated = pair.compressor.compress(&half, false);
            bytes.extend(pair.frame(Opcode::Binary, false, true, &deflated));
            let deflated = pair.compressor.compress(&half, true);
            bytes.extend(pair.frame(Opcode::Continuation, true, false, &deflated));
        }
        pair.peer.write_all(&bytes).unwrap();
        // 1 MiB, and what goes beyond.
        for so_far in [7, 14, 20] {
            let mut all = Records::new(usize::MAX);
            let Pair { reactor, memory, used, .. } = &mut pair;
            reactor.poll(memory, used, &mut all).unwrap();
            pair.seen.extend(all.taken.into_iter().map(|(_, it)| see(it, &pair.memory)));
            assert_eq!(pair.seen.len(), so_far);
        }
        let expected = (0..20).map(|number| match number {
            0..10 => text(&long),
            _ => Seen::Fragments(vec![0; 150_000], vec![75_000; 2]),
        });
        assert_eq!(pair.seen, expected.collect::<Vec<_>>());
    });
}

#[test]
fn reports_what_it_has_inflated_before_it_inflates_much_more() {
    in_both_roles(Setup { no_context_takeover: true, ..Setup::default() }, |mut pair| {
        let message = pair.message(Opcode::Binary, &[7; 40_000]);
        let mut others = Vec::new();
        for _ in 0..4 {
            let (ours, peer) = UnixStream::pair().unwrap();
            let config =
                ConnectionConfig { permessage_deflate: true, ..ConnectionConfig::new(pair.role) };
            pair.reactor.with(|reactor| {
                let id = reactor.adopt(ours.as_fd(), config).unwrap();
                let deflation = Deflation::new(CompressorConfig::default()).unwrap();
                let inflation = new_inflation(DecompressorConfig::default());
                reactor.set_compression(id, deflation, inflation);
            });
            (&peer).write_all(&message).unwrap();
            others.push(peer);
        }
        pair.peer.write_all(&message).unwrap();
        for (count, status) in
            [(2, Status::RecordsFull), (2, Status::RecordsFull), (1, Status::Idle)]
        {
            let mut all = Records::new(usize::MAX);
            let Pair { reactor, memory, used, .. } = &mut pair;
            assert_eq!(reactor.poll(memory, used, &mut all).unwrap(), status);
            let seen: Vec<Seen> =
                all.taken.into_iter().map(|(_, it)| see(it, &pair.memory)).collect();
            let expected = (0..count).map(|_| Seen::Binary(vec![7; 40_000]));
            assert_eq!(seen, expected.collect::<Vec<_>>());
        }
    });
}

#[test]
fn forgets_the_work_of_a_connection_that_was_closed() {
    in_both_roles(Setup::default(), |mut pair| {
        let bytes = pair.message(Opcode::Binary, &vec![9; 1_000_000]);
        pair.peer.write_all(&bytes).unwrap();
        pair.expect(&[]);
        pair.reactor.close(pair.id, false);
        assert_eq!(pair.work(), 1);
        pair.expect(&[]);
    });
}

#[test]
fn survives_work_that_panics_or_is_dropped() {
    in_both_roles(Setup::default(), |mut pair| {
        let bytes = pair.message(Opcode::Binary, &vec![9; 1_000_000]);
        pair.peer.write_all(&bytes).unwrap();
        pair.expect(&[]);
        drop(pair.jobs.try_recv().unwrap());
        pair.expect(&[Seen::Uninflatable(InflateError::InvalidData("Zlib error"))]);
    });
}

#[test]
fn refuses_what_is_too_long_before_it_is_there() {
    let limited = Setup { max_payload: 1000, ..Setup::default() };
    in_both_roles(limited, |mut pair| {
        let fits = pair.message(Opcode::Binary, &[1; 1000]);
        let bomb = pair.message(Opcode::Binary, &vec![0; 500_000]);
        pair.peer.write_all(&fits).unwrap();
        pair.peer.write_all(&bomb).unwrap();
        pair.expect(&[
            Seen::Binary(vec![1; 1000]),
            Seen::Uninflatable(InflateError::LimitExceeded),
        ]);
        assert_eq!(pair.work(), 0);
        let behind = pair.frame(Opcode::Text, true, false, b"behind");
        pair.peer.write_all(&behind).unwrap();
        pair.expect(&[]);
    });
    let limited = Setup { max_payload: 1_000_000, ..Setup::default() };
    in_both_roles(limited, |mut pair| {
        let bomb = pair.message(Opcode::Binary, &vec![0; 9_000_000]);
        pair.peer.write_all(&bomb).unwrap();
        pair.expect(&[]);
        assert_eq!(pair.work(), 1);
        pair.expect(&[Seen::Uninflatable(InflateError::LimitExceeded)]);
    });
}

#[test]
fn refuses_what_is_no_message() {
    in_both_roles(Setup::default(), |mut pair| {
        let bytes = pair.frame(Opcode::Text, true, true, &[0xff, 0xff]);
        pair.peer.write_all(&bytes).unwrap();
        pair.expect(&[Seen::Uninflatable(InflateError::InvalidData("invalid block type"))]);
    });
    in_both_roles(Setup::default(), |mut pair| {
        let bytes = pair.message(Opcode::Text, &[0xff]);
        pair.peer.write_all(&bytes).unwrap();
        pair.expect(&[Seen::Violation(ProtocolError::InvalidUtf8)]);
    });
}

#[test]
fn ends_raw_mode_between_messages_only() {
    in_both_roles(Setup::default(), |mut pair| {
        pair.reactor.update(pair.id, |it| it.set_raw(true));
        pair.peer.write_all(b"raw").unwrap();
        pair.expect(&[Seen::Raw(b"raw".to_vec())]);
        assert!(pair.reactor.begin_frames(pair.id));
        let bytes = pair.message(Opcode::Text, b"a message");
        let (first, rest) = bytes.split_at(4);
        pair.peer.write_all(first).unwrap();
        pair.settle();
        pair.reactor.update(pair.id, |it| it.set_raw(true));
        assert!(!pair.reactor.begin_frames(pair.id));
        pair.peer.write_all(rest).unwrap();
        pair.expect(&[text("a message")]);
        pair.peer.write_all(b"raw").unwrap();
        pair.expect(&[Seen::Raw(b"raw".to_vec())]);
    });
}

#[test]
fn deflates_what_it_is_told_to() {
    for no_context_takeover in [false, true] {
        in_both_roles(Setup { no_context_takeover, ..Setup::default() }, |mut pair| {
            let config = DecompressorConfig { no_context_takeover, ..Default::default() };
            let mut decompressor = Decompressor::new(config);
            let long = "over and over ".repeat(100).into_bytes();
            let first = pair.header(false, true, Opcode::Text);
            let last = pair.header(true, false, Opcode::Continuation);
            let whole = pair.header(true, true, Opcode::Binary);
            for _ in 0..2 {
                pair.send(&[
                    (Some(whole), &long),
                    (Some(whole), b""),
                    (Some(first), b"frag"),
                    (Some(last), b"ment"),
                    (Some(whole), &[0xaa; 30]),
                ]);
                for (bits, fin, expected) in [
                    (0xc2, true, long.as_slice()),
                    (0xc2, true, b""),
                    (0x41, false, b"frag"),
                    (0x80, true, b"ment"),
                    (0xc2, true, &[0xaa; 30]),
                ] {
                    let (first, payload) = pair.receive();
                    assert_eq!(first, bits);
                    assert_eq!(decompressor.decompress(&payload, fin, None).unwrap(), expected);
                }
            }
        });
    }
}

#[test]
fn sends_a_header_that_fits_whatever_the_payload_becomes() {
    in_both_roles(Setup::default(), |mut pair| {
        let mut decompressor = Decompressor::new(DecompressorConfig::default());
        let whole = pair.header(true, true, Opcode::Binary);
        // The header gets shorter, and longer, than that of the payload as it is.
        let random: Vec<u8> =
            (0..125_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for payload in [vec![0; 5000], random] {
            pair.send(&[(Some(whole), &payload), (Some(whole), b"next")]);
            for expected in [payload.as_slice(), b"next"] {
                let (_, deflated) = pair.receive();
                assert_eq!(decompressor.decompress(&deflated, true, None).unwrap(), expected);
            }
        }
    });
}

#[test]
fn compresses_for_all_who_compress_alike_at_once() {
    let reactor = SharedReactor::new(Reactor::new().unwrap(), Box::new(|| {}), || None);
    let config = |level, no_context_takeover| CompressorConfig {
        level,
        no_context_takeover,
        ..CompressorConfig::default()
    };
    let configs = [config(6, true), config(6, true), config(1, true), config(6, false)];
    let deflations: Vec<Shared<Deflation>> =
        configs.iter().map(|config| Deflation::new(config.clone()).unwrap()).collect();
    let alike = |a: usize, b: usize| {
        let stateless = |index: usize| deflations[index].lock().unwrap().stateless().cloned();
        stateless(a).zip(stateless(b)).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b))
    };
    assert!(alike(0, 1) && !alike(0, 2) && !alike(0, 3) && !alike(3, 3));

    let payload = "{\"price\":1}".repeat(90).into_bytes();
    let mut batch = WriteBatch::default();
    let mut peers = Vec::new();
    for deflation in deflations {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let config =
            ConnectionConfig { permessage_deflate: true, ..ConnectionConfig::new(Role::Server) };
        let id = reactor.with(|reactor| {
            let id = reactor.adopt(ours.as_fd(), config).unwrap();
            let inflation = new_inflation(DecompressorConfig::default());
            reactor.set_compression(id, deflation, inflation);
            id
        });
        let header = FrameHeader {
            fin: true,
            rsv1: true,
            opcode: Opcode::Text,
            masking_key: None,
            payload_length: 0,
        };
        batch.push(id, Frame::compressed(0..payload.len(), header));
        peers.push(theirs);
    }
    reactor.write(&payload, &batch, &mut Vec::new());
    for mut peer in peers {
        let mut bytes = vec![0; payload.len()];
        let count = peer.read(&mut bytes).unwrap();
        let mut decompressor = Decompressor::new(DecompressorConfig::default());
        let header = if bytes[1] < 126 { 2 } else { 4 };
        let inflated = decompressor.decompress(&bytes[header..count], true, None).unwrap();
        assert_eq!(inflated, payload);
    }
}
