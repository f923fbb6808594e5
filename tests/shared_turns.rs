//! Turns that several threads share: those of many connections that inflate and deflate.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

mod support;

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use oxws::engine::compression::direction::{Deflation, new_inflation};
use oxws::engine::{
    ConnectionConfig, ConnectionEvent, ConnectionId, Frame, Reactor, SharedReactor, Status,
    WriteBatch,
};
use oxws::protocol::deflate::{
    Compressor, CompressorConfig, Decompressor, DecompressorConfig, InflateError,
};
use oxws::protocol::{FrameHeader, Limits, MAX_HEADER_LENGTH, Opcode, ProtocolError, Role};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;

use support::{KEY, PATIENCE, Records, Seen, frame, read_frame, see};

const COUNT: usize = 24;

struct Peer {
    socket: UnixStream,
    compressor: Compressor,
    decompressor: Decompressor,
}

/// A reactor with many connections, whose turns three threads may share.
struct Crowd {
    reactor: Arc<SharedReactor>,
    peers: Vec<Peer>,
    role: Role,
    memory: Vec<u8>,
    used: usize,
    seen: Vec<Vec<Seen>>,
    /// How often a thread was called.
    calls: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Default)]
struct Setup {
    no_context_takeover: bool,
    max_payload: u64,
}

impl Crowd {
    fn new(role: Role, setup: Setup) -> Self {
        let Setup { no_context_takeover, max_payload } = setup;
        let mut reactor = Reactor::new().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let spawner = move |job| {
            count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(job);
        };
        reactor.set_spawner(Arc::new(spawner), 3);
        let config = ConnectionConfig {
            limits: Limits { max_payload, ..Limits::default() },
            permessage_deflate: true,
            ..ConnectionConfig::new(role)
        };
        let compressing = CompressorConfig { no_context_takeover, ..CompressorConfig::default() };
        let inflating = DecompressorConfig { no_context_takeover, ..DecompressorConfig::default() };
        let mut connect = |index| {
            let (ours, socket) = UnixStream::pair().unwrap();
            let id = reactor.adopt(ours.as_fd(), config).unwrap();
            assert_eq!(id as usize, index);
            let deflation = Deflation::new(compressing.clone()).unwrap();
            reactor.set_compression(id, deflation, new_inflation(inflating.clone()));
            Peer {
                socket,
                compressor: Compressor::new(compressing.clone()).unwrap(),
                decompressor: Decompressor::new(inflating.clone()),
            }
        };
        let peers = (0..COUNT).map(&mut connect).collect();
        Self {
            reactor: SharedReactor::new(reactor, Box::new(|| {}), || None),
            peers,
            role,
            memory: vec![0; 64 * 1024],
            used: 0,
            seen: vec![Vec::new(); COUNT],
            calls,
        }
    }

    /// A peer sends compressed texts.
    fn say(&mut self, index: usize, texts: &[String]) {
        let peer = &mut self.peers[index];
        let mut bytes = Vec::new();
        for text in texts {
            let payload = peer.compressor.compress(text.as_bytes(), true);
            bytes.extend(frame(self.role, true, true, Opcode::Text, &payload));
        }
        peer.socket.write_all(&bytes).unwrap();
    }

    /// All peers send this many texts of their own; what is expected of each connection.
    fn say_all(&mut self, count: usize) -> Vec<Vec<Seen>> {
        for index in 0..COUNT {
            self.say(index, &texts(index, count));
        }
        (0..COUNT).map(|index| seen(texts(index, count))).collect()
    }

    /// A turn of the owner; whether there is more to do.
    fn poll(&mut self) -> bool {
        let mut records = Records::new(7);
        let status = self.reactor.poll(&mut self.memory, &mut self.used, &mut records).unwrap();
        for (id, event) in records.taken {
            self.seen[id as usize].push(see(event, &self.memory[..self.used]));
        }
        if status == Status::MemoryFull {
            self.used = 0;
        }
        status != Status::Idle || self.reactor.has_ready()
    }

    /// Polls until each connection has reported what is expected of it, and then some.
    fn expect(&mut self, expected: &[Vec<Seen>]) {
        let start = Instant::now();
        let count = |lists: &[Vec<Seen>]| lists.iter().map(Vec::len).sum::<usize>();
        while self.poll() || count(&self.seen) < count(expected) {
            assert!(start.elapsed() < PATIENCE, "waited in vain, seen: {:?}", self.seen);
        }
        assert_eq!(std::mem::replace(&mut self.seen, vec![Vec::new(); COUNT]), expected);
    }

    /// Sends, and gives the connections of which something waits then.
    fn send(&self, payloads: &[(usize, bool, &[u8])]) -> Vec<ConnectionId> {
        let masking_key = (self.role == Role::Client).then_some(KEY);
        let (mut bytes, mut batch) = (Vec::new(), WriteBatch::default());
        for &(index, compressed, payload) in payloads {
            let start = bytes.len();
            let opcode = Opcode::Text;
            let header = FrameHeader {
                fin: true,
                rsv1: compressed,
                opcode,
                masking_key,
                payload_length: payload.len() as u64,
            };
            if compressed {
                bytes.extend_from_slice(payload);
            } else {
                bytes.extend(frame(self.role.peer(), true, false, Opcode::Text, payload));
            }
            let header = compressed.then_some(header);
            batch.push(
                index as ConnectionId,
                Frame { bytes: start..bytes.len(), header, plain_start: None },
            );
        }
        let mut waiting = Vec::new();
        self.reactor.write(&bytes, &batch, &mut waiting);
        waiting
    }

    /// The text that a peer gets, and whether it was compressed.
    fn hear(&mut self, index: usize) -> (bool, Vec<u8>) {
        let peer = &mut self.peers[index];
        let (first, mut payload) = read_frame(&mut peer.socket, self.role == Role::Client);
        let compressed = first & 0x40 != 0;
        if compressed {
            payload = peer.decompressor.decompress(&payload, true, None).unwrap();
        }
        (compressed, payload)
    }
}

#[expect(unsafe_code, reason = "the runtime wants to be promised that the descriptor stays")]
fn watch(descriptor: OwnedFd) -> AsyncFd<OwnedFd> {
    // SAFETY: the descriptor is owned and stays as it is.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE).unwrap() }
}

/// A text of its own for each connection and number.
fn text(index: usize, number: usize) -> String {
    format!(
        "{{\"connection\":{index},\"number\":{number},\"padding\":\"{:0>900}\"}}",
        number * index
    )
}

fn texts(index: usize, count: usize) -> Vec<String> {
    (0..count).map(|number| text(index, number)).collect()
}

fn seen(texts: Vec<String>) -> Vec<Seen> {
    texts.into_iter().map(Seen::Text).collect()
}

/// Runs a test in both roles, with and without windows that are taken over.
fn in_all_ways(max_payload: u64, test: impl Fn(Crowd)) {
    for role in [Role::Server, Role::Client] {
        for no_context_takeover in [false, true] {
            test(Crowd::new(role, Setup { no_context_takeover, max_payload }));
        }
    }
}

#[test]
fn inflates_in_the_order_of_each_connection() {
    in_all_ways(0, |mut crowd| {
        for _ in 0..3 {
            let expected = crowd.say_all(6);
            crowd.expect(&expected);
        }
        assert!(crowd.calls.load(Ordering::Relaxed) > 0, "nobody was asked to help");
    });
}

#[test]
fn does_it_alone_where_few_are_ready() {
    in_all_ways(0, |mut crowd| {
        let mut expected = vec![Vec::new(); COUNT];
        for (index, expected) in expected.iter_mut().enumerate().take(3) {
            crowd.say(index, &texts(index, 2));
            *expected = seen(texts(index, 2));
        }
        crowd.expect(&expected);
        assert_eq!(crowd.send(&[(0, true, b"small"), (1, true, b"small")]), []);
        assert_eq!(crowd.calls.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn deflates_in_the_order_of_each_connection() {
    in_all_ways(0, |mut crowd| {
        let payloads: Vec<_> = (0..5)
            .flat_map(|number| (0..COUNT).map(move |index| (index, number, text(index, number))))
            .collect();
        // Not all of them compressed, and those of a connection not in a row.
        let sent: Vec<_> = payloads
            .iter()
            .map(|(index, number, text)| (*index, (index + number) % 4 > 0, text.as_bytes()))
            .collect();
        assert_eq!(crowd.send(&sent), []);
        assert!(crowd.calls.load(Ordering::Relaxed) > 0, "nobody was asked to help");
        for (index, compressed, payload) in sent {
            assert_eq!(crowd.hear(index), (compressed, payload.to_vec()));
        }
    });
}

#[test]
fn sends_the_same_to_all() {
    in_all_ways(0, |mut crowd| {
        let news = [text(1, 1), text(2, 2), text(1, 3)];
        let sent: Vec<_> = (0..COUNT)
            .flat_map(|index| news.iter().map(move |news| (index, true, news.as_bytes())))
            .collect();
        assert_eq!(crowd.send(&sent), []);
        for (index, compressed, payload) in sent {
            assert_eq!(crowd.hear(index), (compressed, payload.to_vec()));
        }
    });
}

#[test]
fn writes_behind_what_waits() {
    in_all_ways(0, |mut crowd| {
        // More than a socket takes: incompressible, and read by nobody yet.
        let mut state = 1_u32;
        let mut noise = || -> Vec<u8> {
            let mut next = || {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
                b' ' + (state >> 16) as u8 % 90
            };
            (0..60_000).map(|_| next()).collect()
        };
        let all: Vec<Vec<u8>> = (0..20).map(|_| noise()).collect();
        let (mut bytes, mut batch) = (Vec::new(), WriteBatch::default());
        let masking_key = (crowd.role == Role::Client).then_some(KEY);
        for payload in &all {
            let start = bytes.len();
            bytes.extend_from_slice(payload);
            for id in 0..2 {
                let header = FrameHeader {
                    fin: true,
                    rsv1: true,
                    opcode: Opcode::Text,
                    masking_key,
                    payload_length: 0,
                };
                batch.push(id, Frame::compressed(start..bytes.len(), header));
            }
        }
        let mut waiting = Vec::new();
        crowd.reactor.write(&bytes, &batch, &mut waiting);
        waiting.sort_unstable();
        assert_eq!(waiting, [0, 1]);
        let reactor = Arc::clone(&crowd.reactor);
        let stop = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::clone(&stop);
        let polling = thread::spawn(move || {
            let (mut memory, mut used) = (vec![0; 64 * 1024], 0);
            while stopped.load(Ordering::Relaxed) == 0 {
                reactor.poll(&mut memory, &mut used, &mut Records::new(7)).unwrap();
                thread::yield_now();
            }
        });
        for index in 0..2 {
            for payload in &all {
                assert_eq!(crowd.hear(index), (true, payload.clone()));
            }
        }
        stop.store(1, Ordering::Relaxed);
        polling.join().unwrap();
    });
}

#[test]
fn reports_what_is_wrong_with_one_among_many() {
    in_all_ways(2000, |mut crowd| {
        let mut expected = Vec::new();
        for index in 0..COUNT {
            let mut said = texts(index, 3);
            if index == 5 {
                said[1] = "x".repeat(20_000);
            }
            crowd.say(index, &said);
            expected.push(seen(said));
        }
        crowd.peers[9].socket.shutdown(std::net::Shutdown::Write).unwrap();
        expected[9].push(Seen::End);
        expected[5].truncate(1);
        expected[5].push(Seen::Uninflatable(InflateError::LimitExceeded));
        crowd.expect(&expected);
    });
}

#[test]
fn lets_a_limit_be_raised_that_a_frame_exceeds() {
    in_all_ways(2000, |mut crowd| {
        let long = "x".repeat(2001);
        let masking_key = (crowd.role == Role::Server).then_some([0; 4]);
        let (opcode, payload_length) = (Opcode::Text, 2001);
        let header = FrameHeader { fin: true, rsv1: false, opcode, masking_key, payload_length };
        let mut expected = Vec::new();
        for index in 0..COUNT {
            let mut head = [0; MAX_HEADER_LENGTH];
            let length = header.encode(&mut head);
            crowd.peers[index].socket.write_all(&head[..length]).unwrap();
            crowd.peers[index].socket.write_all(long.as_bytes()).unwrap();
            let violation = Seen::Violation(ProtocolError::UnsupportedMessageLength);
            expected.push(vec![violation]);
            // Every other one is allowed it.
            if index % 2 == 0 {
                expected[index].push(Seen::Text(long.clone()));
            }
        }
        let mut raised = [false; COUNT];
        let start = Instant::now();
        while crowd.poll() || crowd.seen != expected {
            assert!(start.elapsed() < PATIENCE, "waited in vain, seen: {:?}", crowd.seen);
            for index in (0..COUNT).step_by(2) {
                if !crowd.seen[index].is_empty() && !std::mem::replace(&mut raised[index], true) {
                    let limits = Limits { max_payload: 3000, ..Limits::default() };
                    let id = index as ConnectionId;
                    crowd.reactor.update(id, |it| it.set_limits(limits, false));
                }
            }
        }
    });
}

#[test]
fn forgets_a_connection_that_is_closed_before_all_is_handed_out() {
    in_all_ways(0, |mut crowd| {
        let mut expected = crowd.say_all(2);
        assert!(crowd.poll());
        let closed: Vec<_> = (0..COUNT).filter(|index| crowd.seen[*index].is_empty()).collect();
        assert!(!closed.is_empty());
        for index in &closed {
            crowd.reactor.close(*index as ConnectionId, false);
        }
        for index in closed {
            expected[index].clear();
        }
        crowd.expect(&expected);
    });
}

#[test]
fn gives_a_connection_what_is_its_own_before_it_is_closed() {
    in_all_ways(0, |mut crowd| {
        let mut expected = crowd.say_all(2);
        assert!(crowd.poll());
        let last = (0..COUNT).find(|index| crowd.seen[*index].is_empty()).unwrap();
        let drained = crowd.reactor.drain(last as ConnectionId, true, true);
        let drained: Vec<_> = drained.into_iter().map(|event| see(event, &[])).collect();
        assert_eq!(drained, seen(texts(last, 2)));
        expected[last].clear();
        crowd.expect(&expected);
    });
}

#[test]
fn reads_no_more_in_a_turn_than_is_soon_handed_out() {
    in_all_ways(0, |mut crowd| {
        // A few hundred bytes each, which become more than a turn of one connection.
        let said = vec!["x".repeat(150_000); 10];
        for index in 0..COUNT {
            crowd.say(index, &said);
        }
        assert!(crowd.poll());
        let reactor = &crowd.reactor;
        let read = |index: &usize| {
            reactor.with(|it| it.connection(*index as ConnectionId).unwrap().bytes_read() > 0)
        };
        let count = (0..COUNT).filter(read).count();
        assert!((1..=3).contains(&count), "{count} were read at once");
        // Who has had no turn comes first: but for those who have it at the same time.
        let start = Instant::now();
        while crowd.seen.iter().any(Vec::is_empty) {
            assert!(start.elapsed() < PATIENCE);
            crowd.poll();
            let waiting = crowd.seen.iter().filter(|seen| seen.is_empty()).count();
            assert!(
                waiting <= 2 || crowd.seen.iter().all(|seen| seen.len() <= 7),
                "{waiting} wait"
            );
        }
        crowd.expect(&vec![seen(said); COUNT]);
    });
}

#[test]
fn goes_on_while_the_owner_is_busy() {
    in_all_ways(0, |mut crowd| {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let reactor = Arc::clone(&crowd.reactor);
        let descriptor = reactor.with(|reactor| reactor.as_fd().try_clone_to_owned()).unwrap();
        let readiness = {
            let _runtime = runtime.enter();
            watch(descriptor)
        };
        reactor.set_tasked(true);
        runtime.spawn(Arc::clone(&reactor).drive(readiness));
        // First little, then more than there is room for behind that.
        for count in [1, 7] {
            reactor.with(|_| {
                for index in 0..COUNT {
                    crowd.say(index, &texts(index, count));
                }
            });
            thread::sleep(Duration::from_millis(100));
        }
        let mut taken = Records::new(usize::MAX);
        let (mut memory, mut used) = (vec![0; 1024 * 1024], 0);
        reactor.poll(&mut memory, &mut used, &mut taken).unwrap();
        reactor.end();
        taken.taken.retain(|(_, event)| !matches!(event, ConnectionEvent::NextTurn));
        assert_eq!(taken.taken.len(), COUNT * 8, "the task waits for the owner");
    });
}

#[cfg(debug_assertions)]
#[test]
fn loses_one_connection_by_a_panic_in_it() {
    use oxws::engine::Fault;

    in_all_ways(0, |mut crowd| {
        crowd.reactor.with(|reactor| reactor.inject(3, Fault::Receive));
        crowd.reactor.with(|reactor| reactor.inject(4, Fault::Write));
        let mut expected = crowd.say_all(2);
        expected[3] = vec![Seen::Fault];
        crowd.expect(&expected);
        let payloads: Vec<_> = (0..COUNT).map(|index| (index, text(index, 9))).collect();
        let sent: Vec<_> =
            payloads.iter().map(|(index, text)| (*index, true, text.as_bytes())).collect();
        assert_eq!(crowd.send(&sent), [4]);
        for (index, compressed, payload) in sent {
            if index != 3 && index != 4 {
                assert_eq!(crowd.hear(index), (compressed, payload.to_vec()));
            }
        }
        // What nobody can compress any more isn't sent; what comes behind it is.
        assert_eq!(crowd.send(&[(3, true, b"lost"), (3, false, b"good bye")]), []);
        assert_eq!(crowd.hear(3), (false, b"good bye".to_vec()));
        assert!(crowd.seen.iter().all(Vec::is_empty));
    });
}
