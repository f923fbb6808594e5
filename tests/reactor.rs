//! A reactor and its peers, over loopback and over pairs of Unix sockets.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use std::collections::HashMap;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxws::engine::{
    Connection, ConnectionConfig, ConnectionEvent, ConnectionId, FailedCall, Fault, MIN_READ,
    NO_CONNECTION, Reactor, Sink, Status,
};
use oxws::protocol::deflate::InflateError;
use oxws::protocol::{
    Event, FrameHeader, LargeMessage, Limits, MAX_HEADER_LENGTH, Opcode, Payload, ProtocolError,
    Role, mask_in_place,
};
use rustix::net::sockopt;

/// The time in which everything that a test waits for happens.
const PATIENCE: Duration = Duration::from_secs(20);

const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

const SERVER: ConnectionConfig = ConnectionConfig::new(Role::Server);
const CLIENT: ConnectionConfig = ConnectionConfig::new(Role::Client);
const RAW: ConnectionConfig = ConnectionConfig { raw: true, ..SERVER };

/// What a connection reported, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Raw(Vec<u8>),
    Violation(ProtocolError),
    Uninflatable(InflateError),
    End,
    Failed(io::ErrorKind),
    Written,
    ShutDown,
    Fault,
}

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

/// Collects events, at most so many at a time.
struct Records {
    capacity: usize,
    taken: Vec<(ConnectionId, ConnectionEvent)>,
    /// Whether large messages are received apart.
    takes_large: bool,
}

impl Sink for Records {
    fn takes_large(&self) -> bool {
        self.takes_large
    }

    fn has_room(&self) -> bool {
        self.taken.len() < self.capacity
    }

    fn push(&mut self, id: ConnectionId, event: ConnectionEvent) {
        assert!(self.has_room(), "pushed without room");
        self.taken.push((id, event));
    }
}

/// A reactor with its memory, and everything that it reported.
struct Driver {
    reactor: Reactor,
    memory: Vec<u8>,
    used: usize,
    records: Records,
    seen: Vec<(ConnectionId, Seen)>,
    /// Payloads that came in memory of their own.
    owned: usize,
    /// Large messages that are received apart, as far as they have arrived.
    large: HashMap<ConnectionId, Vec<u8>>,
    /// How many came so.
    apart: usize,
    /// What the last poll returned.
    status: Status,
}

impl Driver {
    fn new() -> Self {
        Self::with(64 * 1024, usize::MAX)
    }

    fn with(memory: usize, records: usize) -> Self {
        Self {
            reactor: Reactor::new().unwrap(),
            memory: vec![0xaa; memory],
            used: 0,
            records: Records { capacity: records, taken: Vec::new(), takes_large: false },
            seen: Vec::new(),
            owned: 0,
            large: HashMap::new(),
            apart: 0,
            status: Status::Idle,
        }
    }

    /// A connection whose other end is returned, too.
    fn pair(&mut self, config: ConnectionConfig) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (self.reactor.adopt(ours.as_fd(), config).unwrap(), theirs)
    }

    fn connection(&self, id: ConnectionId) -> &Connection {
        self.reactor.connection(id).unwrap()
    }

    fn shutdown(&mut self, id: ConnectionId) -> bool {
        self.reactor.update(id, Connection::shutdown).unwrap()
    }

    fn tcp_pair(&mut self, config: ConnectionConfig) -> (ConnectionId, TcpStream) {
        let (ours, theirs) = tcp_pair();
        (self.reactor.adopt(ours.as_fd(), config).unwrap(), theirs)
    }

    /// Polls once and takes what was reported.
    fn poll(&mut self) -> Status {
        if self.status == Status::MemoryFull {
            self.memory.fill(0xaa);
            self.used = 0;
        }
        self.status =
            self.reactor.poll(&mut self.memory, &mut self.used, &mut self.records).unwrap();
        assert!(self.used <= self.memory.len());
        for (id, event) in std::mem::take(&mut self.records.taken) {
            if let ConnectionEvent::Large(message) = event {
                self.receive_apart(id, message);
                continue;
            }
            let (owned, seen) = see(event, &self.memory[..self.used]);
            self.owned += usize::from(owned);
            self.seen.push((id, seen));
        }
        self.status
    }

    /// Receives what has arrived of a large message, in memory that grows in odd steps.
    fn receive_apart(&mut self, id: ConnectionId, message: LargeMessage) {
        let length = message.length as usize;
        let mut bytes = self.large.remove(&id).unwrap_or_default();
        assert_eq!(bytes.len() as u64, length as u64 - message.missing);
        loop {
            let filled = bytes.len();
            bytes.resize(length.min(filled + 77_777), 0xaa);
            match self.reactor.update(id, |it| it.receive_apart(&mut bytes[filled..])).unwrap() {
                Ok(count) if filled + count == length => break,
                Ok(count) if filled + count == bytes.len() => {}
                Ok(count) => {
                    bytes.truncate(filled + count);
                    self.large.insert(id, bytes);
                    return;
                }
                Err(error) => return self.seen.push((id, Seen::Violation(error))),
            }
        }
        self.apart += 1;
        let seen = match message.opcode {
            Opcode::Text => Seen::Text(String::from_utf8(bytes).unwrap()),
            _ => Seen::Binary(bytes),
        };
        self.seen.push((id, seen));
    }

    /// Polls until the reactor has nothing to do at once.
    fn settle(&mut self) {
        let start = Instant::now();
        while self.poll() != Status::Idle || self.reactor.has_ready() {
            assert!(start.elapsed() < PATIENCE, "never settles: {:?}", self.seen.len());
        }
    }

    /// Polls until `done`.
    fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain, got {:?}", self.seen.len());
            if self.poll() == Status::Idle && !self.reactor.has_ready() {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Polls until there are so many reports, then checks that there are no more.
    fn expect(&mut self, expected: &[(ConnectionId, Seen)]) {
        self.until(|driver| driver.seen.len() >= expected.len());
        self.settle();
        assert_eq!(std::mem::take(&mut self.seen), expected);
    }

    fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        self.reactor.write(id, &mut [IoSlice::new(bytes)])
    }
}

/// Whether something that waits for the reactor would wake up.
fn wakes(driver: &Driver) -> bool {
    let mut outer = mio::Poll::new().unwrap();
    let raw = driver.reactor.as_fd().as_raw_fd();
    outer
        .registry()
        .register(&mut mio::unix::SourceFd(&raw), mio::Token(0), mio::Interest::READABLE)
        .unwrap();
    let mut events = mio::Events::with_capacity(1);
    outer.poll(&mut events, Some(Duration::ZERO)).unwrap();
    !events.is_empty()
}

/// What an event says, and whether its bytes came in memory of their own.
fn see(event: ConnectionEvent, memory: &[u8]) -> (bool, Seen) {
    let mut owned = false;
    let mut bytes = |payload: Payload| {
        owned |= matches!(payload, Payload::Owned(_));
        payload.as_slice(memory).to_vec()
    };
    let seen = match event {
        ConnectionEvent::Frame(Event::Text { payload, .. }) => {
            Seen::Text(String::from_utf8(bytes(payload)).unwrap())
        }
        ConnectionEvent::Frame(Event::Binary { payload, .. }) => Seen::Binary(bytes(payload)),
        ConnectionEvent::Frame(Event::Ping(payload)) => Seen::Ping(bytes(payload)),
        ConnectionEvent::Frame(Event::Close { code, .. }) => Seen::Close(code.map(u16::from)),
        ConnectionEvent::Frame(event) => panic!("not expected: {event:?}"),
        ConnectionEvent::Raw(payload) => Seen::Raw(bytes(payload)),
        ConnectionEvent::Violation(error) => Seen::Violation(error),
        ConnectionEvent::Uninflatable(error) => Seen::Uninflatable(error),
        ConnectionEvent::End => Seen::End,
        ConnectionEvent::Failed(_, error) => Seen::Failed(error.kind()),
        ConnectionEvent::Written => Seen::Written,
        ConnectionEvent::ShutDown => Seen::ShutDown,
        ConnectionEvent::Fault => Seen::Fault,
        ConnectionEvent::Large(message) => panic!("not expected: {message:?}"),
        ConnectionEvent::AnsweredPing(_) | ConnectionEvent::Waiting => {
            unreachable!("there is no task")
        }
    };
    (owned, seen)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (ours, theirs)
}

/// A frame as the peer of `role` sends it.
fn frame_to(role: Role, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let masking_key = role.peer().masks().then_some(KEY);
    let payload_length = payload.len() as u64;
    let header = FrameHeader { fin, rsv1: false, opcode, masking_key, payload_length };
    let mut frame = vec![0; MAX_HEADER_LENGTH];
    let length = header.encode(&mut frame);
    frame.truncate(length);
    frame.extend_from_slice(payload);
    if let Some(key) = masking_key {
        mask_in_place(&mut frame[length..], key, 0);
    }
    frame
}

fn text_to(role: Role, text: &str) -> Vec<u8> {
    frame_to(role, true, Opcode::Text, text.as_bytes())
}

/// The limit of a message's length, alone.
fn max_payload(max_payload: u64) -> Limits {
    Limits { max_payload, ..SERVER.limits }
}

/// Bytes that are not all alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[test]
fn receives_in_both_roles_over_both_kinds_of_socket() {
    for config in [SERVER, CLIENT] {
        let mut driver = Driver::new();
        let (unix, mut theirs) = driver.pair(config);
        let (tcp, mut remote) = driver.tcp_pair(config);
        theirs.write_all(&text_to(config.role, "one")).unwrap();
        driver.expect(&[(unix, text("one"))]);
        remote.write_all(&text_to(config.role, "two")).unwrap();
        remote.write_all(&frame_to(config.role, true, Opcode::Ping, b"3")).unwrap();
        driver.expect(&[(tcp, text("two")), (tcp, Seen::Ping(b"3".to_vec()))]);
        assert_eq!(driver.owned, 0);
    }
}

#[test]
fn receives_bytes_that_arrive_one_by_one() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    for byte in [text_to(Role::Server, "slow"), text_to(Role::Server, "")].concat() {
        theirs.write_all(&[byte]).unwrap();
        driver.settle();
    }
    driver.expect(&[(id, text("slow")), (id, text(""))]);
    assert_eq!(driver.connection(id).bytes_read(), 4 + 6 + 6);
}

#[test]
fn takes_fed_bytes_first() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let first = text_to(Role::Server, "first");
    theirs.write_all(&first[4..]).unwrap();
    theirs.write_all(&text_to(Role::Server, "second")).unwrap();
    driver.reactor.update(id, |it| it.feed(&first[..2]));
    driver.reactor.update(id, |it| it.feed(&first[2..4]));
    assert!(driver.reactor.has_ready());
    driver.expect(&[(id, text("first")), (id, text("second"))]);
}

#[test]
fn feeds_more_than_the_memory_holds() {
    let mut driver = Driver::with(MIN_READ, usize::MAX);
    let (id, _theirs) = driver.pair(SERVER);
    let messages = text_to(Role::Server, "message").repeat(10_000);
    driver.reactor.update(id, |it| it.feed(&messages));
    driver.until(|driver| driver.seen.len() == 10_000);
    assert!(driver.seen.iter().all(|seen| *seen == (id, text("message"))));
}

#[test]
fn writes_at_once_what_the_kernel_takes() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let mut parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
    assert_eq!(driver.reactor.write(id, &mut parts), 0);
    assert_eq!(driver.write(id, b"e"), 0);
    assert_eq!(driver.write(id, b""), 0);
    assert_eq!(driver.connection(id).bytes_written(), 5);
    let mut bytes = [0; 5];
    theirs.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"abcde");
    driver.expect(&[]);
}

#[test]
fn writes_more_parts_than_one_call_takes() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let bytes = pattern(5000);
    let mut parts: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
    assert_eq!(driver.reactor.write(id, &mut parts), 0);
    let mut parts: Vec<IoSlice<'_>> = (0..2500).map(|_| IoSlice::new(&[])).collect();
    parts.push(IoSlice::new(b"!"));
    assert_eq!(driver.reactor.write(id, &mut parts), 0);
    let mut received = vec![0; 5001];
    theirs.read_exact(&mut received).unwrap();
    assert_eq!(received, [&bytes[..], b"!"].concat());
}

#[test]
fn serves_many_connections() {
    const CONNECTIONS: usize = 200;
    let mut driver = Driver::with(MIN_READ + 64, 7);
    let mut peers: Vec<_> = (0..CONNECTIONS).map(|_| driver.pair(SERVER)).collect();
    for round in 0..5 {
        for (id, theirs) in &mut peers {
            theirs.write_all(&text_to(Role::Server, &format!("{round}: {id}"))).unwrap();
            theirs.write_all(&text_to(Role::Server, "again")).unwrap();
        }
        driver.until(|driver| driver.seen.len() == 2 * CONNECTIONS);
        for (id, _) in &peers {
            let own: Vec<_> = driver.seen.iter().filter(|(of, _)| of == id).collect();
            let expected = [(*id, text(&format!("{round}: {id}"))), (*id, text("again"))];
            assert!(own.into_iter().eq(&expected));
        }
        driver.seen.clear();
        for (id, theirs) in &mut peers {
            assert_eq!(driver.write(*id, &id.to_le_bytes()), 0);
            let mut answer = [0; 4];
            theirs.read_exact(&mut answer).unwrap();
            assert_eq!(answer, id.to_le_bytes());
        }
    }
}

#[test]
fn reads_every_connection_once_a_turn() {
    let mut driver = Driver::with(8 * MIN_READ, usize::MAX);
    let (greedy, mut flood) = driver.tcp_pair(RAW);
    let (modest, mut trickle) = driver.tcp_pair(RAW);
    flood.set_nonblocking(true).unwrap();
    while flood.write(&[7; 4096]).is_ok() {}
    trickle.write_all(b"me, too").unwrap();
    // What one connection takes of the memory comes before the other one's turn, never twice.
    let mut last = None;
    driver.until(|driver| driver.seen.iter().any(|(id, _)| *id == modest));
    for (id, seen) in &driver.seen {
        assert!(*id != greedy || last != Some(greedy), "a connection was read twice: {last:?}");
        assert!(matches!(seen, Seen::Raw(_)));
        last = Some(*id);
    }
    assert!(driver.seen.len() <= 3, "{}", driver.seen.len());
}

#[test]
fn goes_on_in_the_middle_of_a_chunk_when_the_records_are_full() {
    for capacity in [1, 2, 7] {
        let mut driver = Driver::with(64 * 1024, capacity);
        let (id, mut theirs) = driver.pair(SERVER);
        let (other, mut others) = driver.pair(SERVER);
        let messages: Vec<String> = (0..100).map(|index| index.to_string()).collect();
        let bytes: Vec<u8> =
            messages.iter().flat_map(|message| text_to(Role::Server, message)).collect();
        // The last frame comes in two parts.
        theirs.write_all(&bytes[..bytes.len() - 1]).unwrap();
        others.write_all(&text_to(Role::Server, "other")).unwrap();
        driver.until(|driver| driver.status == Status::RecordsFull);
        assert!(driver.reactor.has_ready());
        driver.until(|driver| driver.seen.len() == 100);
        theirs.write_all(&bytes[bytes.len() - 1..]).unwrap();
        drop(theirs);
        driver.until(|driver| driver.seen.len() == 102);
        driver.settle();
        let own: Vec<_> = driver.seen.iter().filter(|(of, _)| *of == id).collect();
        let expected = messages.iter().map(|message| text(message)).chain([Seen::End]);
        assert!(own.into_iter().map(|(_, seen)| seen).eq(&expected.collect::<Vec<_>>()));
        assert!(driver.seen.contains(&(other, text("other"))));
    }
}

#[test]
fn may_be_closed_in_the_middle_of_a_chunk() {
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "a").repeat(10)).unwrap();
    driver.until(|driver| driver.seen.len() == 1);
    assert_eq!(driver.status, Status::RecordsFull);
    driver.reactor.close(id, false);
    let (again, mut theirs) = driver.pair(SERVER);
    assert_eq!(again, id, "the number is free again");
    theirs.write_all(&text_to(Role::Server, "b")).unwrap();
    driver.expect(&[(id, text("a")), (again, text("b"))]);
}

#[test]
fn may_be_made_raw_in_the_middle_of_a_chunk() {
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(SERVER);
    let frames = text_to(Role::Server, "a").repeat(4);
    theirs.write_all(&frames).unwrap();
    driver.until(|driver| driver.seen.len() == 1);
    // The memory may be another one now.
    driver.memory.fill(0xbb);
    driver.used = 0;
    driver.reactor.update(id, |it| it.feed(b"fed"));
    assert_eq!(driver.poll(), Status::RecordsFull);
    driver.reactor.update(id, |it| it.set_raw(true));
    let rest = [&frames[frames.len() / 2..], b"fed"].concat();
    driver.expect(&[(id, text("a")), (id, text("a")), (id, Seen::Raw(rest))]);
}

#[test]
fn reports_a_chunk_to_its_end_though_paused_in_the_middle() {
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "a").repeat(3)).unwrap();
    driver.until(|driver| driver.seen.len() == 1);
    driver.reactor.update(id, |it| it.set_paused(true));
    driver.reactor.update(id, |it| it.feed(&text_to(Role::Server, "fed")));
    theirs.write_all(&text_to(Role::Server, "behind")).unwrap();
    driver.memory.fill(0xbb);
    driver.used = 0;
    driver.expect(&[(id, text("a")), (id, text("a")), (id, text("a"))]);
    driver.reactor.update(id, |it| it.set_paused(false));
    driver.expect(&[(id, text("fed")), (id, text("behind"))]);
}

#[test]
fn gives_the_rest_of_a_chunk_to_who_closes_the_connection() {
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "a").repeat(3)).unwrap();
    driver.until(|driver| driver.seen.len() == 1);
    theirs.write_all(&text_to(Role::Server, "not read")).unwrap();
    let drained = driver.reactor.drain(id, false);
    let drained: Vec<_> = drained.into_iter().map(|event| see(event, &[]).1).collect();
    assert_eq!(drained, [text("a"), text("a")]);
}

#[test]
fn is_told_that_the_peer_of_a_paused_connection_has_ended() {
    let unread = text_to(Role::Server, "unread");
    for (sent, reset) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.tcp_pair(SERVER);
        driver.settle();
        driver.reactor.update(id, |it| it.set_paused(true));
        driver.settle();
        if sent {
            theirs.write_all(&unread).unwrap();
        }
        if reset {
            sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
        }
        drop(theirs);
        let end = if reset { Seen::Failed(io::ErrorKind::ConnectionReset) } else { Seen::End };
        if sent && !reset {
            // What comes before it isn't read.
            driver.expect(&[]);
            driver.reactor.update(id, |it| it.set_paused(false));
            driver.expect(&[(id, text("unread")), (id, end)]);
            continue;
        }
        driver.expect(&[(id, end)]);
        let drained = driver.reactor.drain(id, false);
        let drained: Vec<_> = drained.into_iter().map(|it| see(it, &[]).1).collect();
        assert_eq!(drained, if sent { vec![text("unread")] } else { vec![] });
    }
}

#[test]
fn does_not_look_for_an_end_behind_more_than_is_read_ahead() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    driver.reactor.update(id, |it| {
        it.set_paused(true);
        it.set_read_ahead(10);
    });
    let frames = text_to(Role::Server, "a").repeat(10_000);
    theirs.write_all(&frames).unwrap();
    sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
    drop(theirs);
    std::thread::sleep(Duration::from_millis(20));
    driver.expect(&[]);
    assert!(!driver.reactor.has_ready());
}

#[test]
#[cfg(target_os = "linux")]
fn goes_on_behind_urgent_data() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    driver.settle();
    for round in 0..3 {
        theirs.write_all(&text_to(Role::Server, "before")).unwrap();
        rustix::net::send(&theirs, b"!", rustix::net::SendFlags::OOB).unwrap();
        theirs.write_all(&text_to(Role::Server, "behind")).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        driver.until(|driver| driver.seen.len() >= 2 * (round + 1));
    }
    driver.expect(&vec![[(id, text("before")), (id, text("behind"))]; 3].concat());
}

#[test]
fn asks_for_fresh_memory_and_loses_nothing() {
    let mut driver = Driver::with(MIN_READ + 10, usize::MAX);
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    let message = "0123456789".repeat(20);
    let sender = std::thread::spawn({
        let frame = text_to(Role::Server, &message);
        move || {
            theirs.write_all(&frame.repeat(2000)).unwrap();
            theirs
        }
    });
    let mut full = 0;
    driver.until(|driver| {
        full += usize::from(driver.status == Status::MemoryFull);
        driver.seen.len() == 2000
    });
    assert!(full > 10, "{full}");
    assert!(driver.seen.iter().all(|seen| *seen == (id, text(&message))));
    drop(sender.join().unwrap());
}

#[test]
fn gives_back_memory_that_holds_no_payload() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(1000));
    for part in frame.chunks(100) {
        theirs.write_all(part).unwrap();
        driver.settle();
    }
    assert_eq!((driver.used, driver.owned), (0, 1));
    theirs.write_all(&[&frame[..], &frame[..500]].concat()).unwrap();
    driver.settle();
    assert_eq!((driver.used, driver.owned), (frame.len(), 1));
    driver.expect(&[(id, Seen::Binary(pattern(1000))), (id, Seen::Binary(pattern(1000)))]);
}

#[test]
fn receives_frames_larger_than_the_memory() {
    for role in [SERVER, CLIENT] {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.tcp_pair(role);
        let payload = pattern(5_000_000);
        let sender = std::thread::spawn({
            let frame = frame_to(role.role, true, Opcode::Binary, &payload);
            move || {
                for _ in 0..3 {
                    theirs.write_all(&frame).unwrap();
                }
                theirs
            }
        });
        driver.until(|driver| driver.seen.len() == 3);
        assert!(driver.seen.drain(..).eq(vec![(id, Seen::Binary(payload)); 3]));
        assert_eq!(driver.owned, 3);
        assert_eq!(driver.connection(id).bytes_read(), 3 * (5_000_000 + frame_overhead(role.role)));
        drop(sender.join().unwrap());
    }
}

#[test]
fn looks_after_others_while_it_guesses_who_is_ready() {
    let mut driver = Driver::new();
    driver.reactor.set_guessing(true);
    let (busy, mut theirs) = driver.pair(SERVER);
    let (other, mut others) = driver.pair(SERVER);
    driver.settle();
    let send = |driver: &mut Driver, theirs: &mut UnixStream| {
        theirs.write_all(&text_to(Role::Server, "busy")).unwrap();
        driver.poll();
        assert_eq!(driver.seen.pop(), Some((busy, text("busy"))));
    };
    // Nobody else is ready, then nobody is at all.
    for _ in 0..30 {
        send(&mut driver, &mut theirs);
    }
    driver.expect(&[]);
    assert!(!wakes(&driver));
    // Somebody else is, while the first goes on.
    for _ in 0..5 {
        for _ in 0..3 {
            send(&mut driver, &mut theirs);
        }
        others.write_all(&text_to(Role::Server, "other")).unwrap();
        let mut turns = 0;
        while !driver.seen.contains(&(other, text("other"))) {
            assert!(wakes(&driver));
            theirs.write_all(&text_to(Role::Server, "busy")).unwrap();
            driver.poll();
            turns += 1;
        }
        assert!(turns <= 9, "{turns}");
        driver.settle();
        driver.seen.clear();
    }
    // The first ends, and its number is another's.
    for _ in 0..3 {
        send(&mut driver, &mut theirs);
    }
    driver.reactor.close(busy, false);
    let (again, mut theirs) = driver.pair(SERVER);
    assert_eq!(again, busy);
    driver.expect(&[]);
    theirs.write_all(&text_to(Role::Server, "new")).unwrap();
    drop(others);
    driver.until(|driver| driver.seen.len() == 2);
    assert!(driver.seen.contains(&(again, text("new"))));
    assert!(driver.seen.contains(&(other, Seen::End)));
}

/// A driver that receives large messages apart, behind the first one of a connection.
fn apart(config: ConnectionConfig) -> (Driver, ConnectionId, TcpStream) {
    let mut driver = Driver::new();
    driver.records.takes_large = true;
    let (id, mut theirs) = driver.tcp_pair(config);
    let first = frame_to(config.role, true, Opcode::Binary, &pattern(65_536));
    theirs.write_all(&first).unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(65_536)))]);
    assert_eq!((driver.apart, driver.owned), (0, 1));
    (driver, id, theirs)
}

#[test]
fn receives_large_messages_where_they_stay() {
    for config in [SERVER, CLIENT] {
        let (mut driver, id, mut theirs) = apart(config);
        let sender = std::thread::spawn(move || {
            for length in [65_536, 200_001, 100, 70_000, 70_000, 70_000] {
                let frame = frame_to(config.role, true, Opcode::Binary, &pattern(length));
                theirs.write_all(&frame).unwrap();
            }
            theirs.write_all(&frame_to(config.role, true, Opcode::Ping, b"small")).unwrap();
            theirs.write_all(&text_to(config.role, &"ä".repeat(40_000))).unwrap();
        });
        let mut expected: Vec<_> = [65_536, 200_001, 100, 70_000, 70_000, 70_000]
            .map(|length| (id, Seen::Binary(pattern(length))))
            .into();
        expected.push((id, Seen::Ping(b"small".to_vec())));
        expected.push((id, text(&"ä".repeat(40_000))));
        expected.push((id, Seen::End));
        driver.expect(&expected);
        // Behind a small message the first large one comes as if it were the only one.
        assert!((3..=5).contains(&driver.apart), "{}", driver.apart);
        sender.join().unwrap();
    }
}

#[test]
fn receives_a_large_message_bit_by_bit() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    theirs.write_all(&frame[..14]).unwrap();
    driver.settle();
    for part in frame[14..].chunks(9_999) {
        theirs.write_all(part).unwrap();
        driver.settle();
    }
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    assert_eq!(driver.apart, 1);
    // Cut in the header, which makes it one as any other.
    theirs.write_all(&frame[..5]).unwrap();
    driver.settle();
    theirs.write_all(&frame[5..]).unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    // A part of it is paused, and overtaken by bytes that are fed.
    theirs.write_all(&frame[..50_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.set_paused(true));
    theirs.write_all(&frame[50_000..60_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.feed(&frame[60_000..]));
    driver.expect(&[]);
    driver.reactor.update(id, |it| it.set_paused(false));
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    assert!(driver.large.is_empty());
}

#[test]
fn ends_in_the_middle_of_a_large_message() {
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::End)]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    reset(theirs);
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::ConnectionReset))]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    driver.reactor.close(id, false);
    assert_eq!(driver.reactor.update(id, |it| it.receive_apart(&mut [0; 10])), None);
    driver.expect(&[]);
}

#[test]
fn checks_a_large_message_as_it_arrives() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let mut payload = vec![b'a'; 100_000];
    payload[30_000] = 0xff;
    let frame = frame_to(Role::Server, true, Opcode::Text, &payload);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.expect(&[(id, Seen::Violation(ProtocolError::InvalidUtf8))]);
    theirs.write_all(&frame[40_000..]).unwrap();
    driver.expect(&[]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    driver.reactor.update(id, |it| it.set_limits(max_payload(99_999), false));
    let frame = frame_to(Role::Server, true, Opcode::Binary, &payload);
    theirs.write_all(&frame).unwrap();
    driver.expect(&[(id, Seen::Violation(ProtocolError::UnsupportedMessageLength))]);
}

#[test]
fn becomes_raw_where_a_large_message_ends() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.set_raw(true));
    theirs.write_all(&frame[40_000..]).unwrap();
    theirs.write_all(b"raw bytes").unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(100_000))), (id, Seen::Raw(b"raw bytes".to_vec()))]);
}

/// The length of the longest header that the peer of `role` sends.
fn frame_overhead(role: Role) -> u64 {
    if role == Role::Server { 14 } else { 10 }
}

#[test]
fn reports_the_end_once_and_goes_on_sending() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "last")).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    driver.expect(&[(id, text("last")), (id, Seen::End)]);
    assert_eq!(driver.write(id, b"still here"), 0);
    assert!(driver.shutdown(id));
    driver.expect(&[]);
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"still here");
    drop(theirs);
    driver.expect(&[]);
}

#[test]
fn reports_an_end_that_comes_with_an_incomplete_frame() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "cut")[..8]).unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::End)]);
}

#[test]
fn finds_the_end_behind_a_chunk_that_fills_the_memory() {
    let mut driver = Driver::with(MIN_READ, usize::MAX);
    let (id, mut theirs) = driver.pair(RAW);
    theirs.write_all(&[1; MIN_READ]).unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::Raw(vec![1; MIN_READ])), (id, Seen::End)]);
}

#[test]
fn receives_after_its_own_half_close() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    assert!(driver.shutdown(id));
    assert!(driver.shutdown(id));
    driver.expect(&[]);
    assert_eq!(driver.write(id, b"too late"), 0);
    assert_eq!(theirs.read(&mut [0; 9]).unwrap(), 0);
    theirs.write_all(&text_to(Role::Server, "answer")).unwrap();
    drop(theirs);
    driver.expect(&[(id, text("answer")), (id, Seen::End)]);
    assert_eq!(driver.connection(id).bytes_written(), 0);
}

/// Ends a connection with a reset.
fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[test]
fn reports_a_reset_behind_what_came_before_it() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "before")).unwrap();
    driver.expect(&[(id, text("before"))]);
    reset(theirs);
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::ConnectionReset))]);
    assert_eq!(driver.connection(id).failure().unwrap().0, FailedCall::Read);
    assert_eq!(driver.write(id, b"to nobody"), 9);
    assert!(driver.shutdown(id));
    driver.expect(&[]);
}

#[test]
fn reports_a_failure_of_writing_in_the_next_turn_and_once() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "unread")).unwrap();
    drop(theirs);
    assert!(driver.connection(id).failure().is_none());
    assert_eq!(driver.write(id, b"to nobody"), 9);
    assert_eq!(driver.write(id, b"to nobody else"), 23);
    let (call, error) = driver.connection(id).failure().unwrap();
    assert_eq!((call, error.kind()), (FailedCall::Write, io::ErrorKind::BrokenPipe));
    assert!(driver.reactor.has_ready());
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::BrokenPipe))]);
    assert_eq!(driver.connection(id).pending(), 23);
    driver.reactor.update(id, |it| it.set_paused(false));
    driver.reactor.update(id, |it| it.feed(b"too late"));
    driver.expect(&[]);
}

#[test]
fn reports_a_failure_of_writing_though_paused() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "unread")).unwrap();
    driver.reactor.update(id, |it| it.set_paused(true));
    driver.settle();
    drop(theirs);
    driver.write(id, b"to nobody");
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::BrokenPipe))]);
}

/// Writes until the kernel takes no more; returns what was written in all.
fn fill(driver: &mut Driver, id: ConnectionId) -> Vec<u8> {
    let mut written = Vec::new();
    let mut pending = 0;
    while pending < 500_000 {
        let part = pattern(10_000 + written.len() % 1000);
        pending = driver.reactor.write(
            id,
            &mut [IoSlice::new(&part[..77]), IoSlice::new(&[]), IoSlice::new(&part[77..])],
        );
        written.extend_from_slice(&part);
        assert_eq!(pending, driver.connection(id).pending());
        assert_eq!(written.len() - pending, driver.connection(id).bytes_written() as usize);
    }
    written
}

#[test]
fn sends_what_waits_when_the_peer_reads() {
    for tcp in [false, true] {
        let mut driver = Driver::new();
        let (id, mut theirs): (_, Box<dyn Read + Send>) = if tcp {
            let (id, theirs) = driver.tcp_pair(SERVER);
            (id, Box::new(theirs))
        } else {
            let (id, theirs) = driver.pair(SERVER);
            (id, Box::new(theirs))
        };
        let written = fill(&mut driver, id);
        driver.settle();
        assert!(driver.seen.is_empty() && driver.connection(id).pending() > 0);
        let length = written.len();
        let reader = std::thread::spawn(move || {
            let mut received = vec![0; length];
            theirs.read_exact(&mut received).unwrap();
            (received, theirs)
        });
        driver.until(|driver| !driver.seen.is_empty());
        let (received, theirs) = reader.join().unwrap();
        assert!(received == written);
        driver.expect(&[(id, Seen::Written)]);
        assert_eq!(driver.connection(id).pending(), 0);
        assert_eq!(driver.connection(id).bytes_written(), length as u64);
        assert_eq!(driver.write(id, b"at once again"), 0);
        drop(theirs);
    }
}

#[test]
fn ends_the_sending_side_behind_what_waits() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    let written = fill(&mut driver, id);
    assert!(!driver.shutdown(id));
    let pending = driver.connection(id).pending();
    assert_eq!(driver.write(id, b"too late"), pending);
    driver.expect(&[]);
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).unwrap();
        (received, theirs)
    });
    driver.expect(&[(id, Seen::Written), (id, Seen::ShutDown)]);
    let (received, _theirs) = reader.join().unwrap();
    assert!(received == written);
}

#[test]
fn reports_a_reset_instead_of_what_waits() {
    let mut driver = Driver::new();
    let (id, theirs) = driver.tcp_pair(SERVER);
    let written = fill(&mut driver, id).len();
    assert!(!driver.shutdown(id));
    driver.reactor.update(id, |it| it.set_paused(true));
    reset(theirs);
    driver.until(|driver| !driver.seen.is_empty());
    driver.settle();
    let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    assert!(
        matches!(driver.seen[..], [(of, Seen::Failed(kind))] if of == id && kinds.contains(&kind))
    );
    let taken = driver.connection(id).bytes_written() as usize;
    assert_eq!(driver.connection(id).pending(), written - taken);
}

#[test]
fn closes_with_an_end_or_with_a_reset() {
    let mut driver = Driver::new();
    for (reset, expected) in [(false, Ok(0)), (true, Err(io::ErrorKind::ConnectionReset))] {
        let (id, mut theirs) = driver.tcp_pair(SERVER);
        driver.reactor.close(id, reset);
        driver.reactor.close(id, reset);
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(theirs.read(&mut [0; 1]).map_err(|error| error.kind()), expected);
        assert_eq!(driver.write(id, b"nothing"), 0);
        assert!(driver.reactor.connection(id).is_none());
    }
    driver.expect(&[]);
}

#[test]
fn closes_at_once_whatever_waits() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let written = fill(&mut driver, id);
    driver.reactor.close(id, false);
    let mut received = Vec::new();
    theirs.read_to_end(&mut received).unwrap();
    assert!(received.len() < written.len() && written.starts_with(&received));
    driver.expect(&[]);
}

#[test]
fn hears_nothing_of_a_closed_connection_whose_socket_lives_on() {
    let mut driver = Driver::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let id = driver.reactor.adopt(ours.as_fd(), SERVER).unwrap();
    driver.settle();
    driver.reactor.close(id, false);
    theirs.write_all(&text_to(Role::Server, "for others")).unwrap();
    driver.expect(&[]);
    let id = driver.reactor.adopt(ours.as_fd(), SERVER).unwrap();
    driver.expect(&[(id, text("for others"))]);
}

#[test]
fn keeps_the_readiness_of_a_paused_connection() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.settle();
    driver.reactor.update(id, |it| it.set_paused(true));
    theirs.write_all(&text_to(Role::Server, "while paused")).unwrap();
    driver.expect(&[]);
    assert!(!driver.reactor.has_ready());
    driver.reactor.update(id, |it| it.set_paused(false));
    assert!(driver.reactor.has_ready());
    driver.expect(&[(id, text("while paused"))]);

    // Paused before the kernel's report is taken, ended meanwhile.
    theirs.write_all(&text_to(Role::Server, "before")).unwrap();
    driver.reactor.update(id, |it| it.set_paused(true));
    driver.settle();
    theirs.write_all(&text_to(Role::Server, "behind")).unwrap();
    drop(theirs);
    driver.expect(&[]);
    driver.reactor.update(id, |it| it.set_paused(false));
    driver.expect(&[(id, text("before")), (id, text("behind")), (id, Seen::End)]);
}

#[test]
fn sends_while_paused() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.reactor.update(id, |it| it.set_paused(true));
    let length = fill(&mut driver, id).len();
    let reader = std::thread::spawn(move || {
        theirs.read_exact(&mut vec![0; length]).unwrap();
        theirs
    });
    driver.expect(&[(id, Seen::Written)]);
    drop(reader.join().unwrap());
}

#[test]
fn moves_bytes_in_raw_mode_and_frames_again_after_it() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(RAW);
    driver.reactor.update(id, |it| it.feed(b"\xff\xff"));
    driver.expect(&[(id, Seen::Raw(b"\xff\xff".to_vec()))]);
    theirs.write_all(b"anything").unwrap();
    driver.expect(&[(id, Seen::Raw(b"anything".to_vec()))]);
    driver.reactor.update(id, |it| it.set_raw(false));
    theirs.write_all(&text_to(Role::Server, "frame")).unwrap();
    driver.expect(&[(id, text("frame"))]);
    driver.reactor.update(id, |it| it.set_raw(true));
    theirs.write_all(b"again").unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::Raw(b"again".to_vec())), (id, Seen::End)]);
}

#[test]
fn becomes_raw_where_the_message_ends() {
    let stream = [
        frame_to(Role::Server, false, Opcode::Text, b"a mess"),
        frame_to(Role::Server, true, Opcode::Ping, b"between"),
        frame_to(Role::Server, true, Opcode::Continuation, b"age"),
    ]
    .concat();
    for cut in 1..stream.len() {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.pair(SERVER);
        theirs.write_all(&stream[..cut]).unwrap();
        driver.settle();
        driver.reactor.update(id, |it| it.set_raw(true));
        theirs.write_all(&stream[cut..]).unwrap();
        theirs.write_all(b"raw bytes").unwrap();
        driver.expect(&[
            (id, Seen::Ping(b"between".to_vec())),
            (id, text("a message")),
            (id, Seen::Raw(b"raw bytes".to_vec())),
        ]);
    }
}

#[test]
fn discards_everything_after_a_violation() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "fine")).unwrap();
    // A server expects masked frames.
    theirs.write_all(&text_to(Role::Client, "not masked")).unwrap();
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    driver.expect(&[(id, text("fine")), (id, Seen::Violation(ProtocolError::ExpectedMask))]);
    let flood = pattern(200_000);
    let sender = std::thread::spawn(move || theirs.write_all(&flood).unwrap());
    driver.expect(&[(id, Seen::End)]);
    sender.join().unwrap();
    assert_eq!(driver.write(id, b""), 0);
}

#[test]
fn loses_the_connection_that_it_panics_over_while_receiving() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let (other, mut peer) = driver.pair(SERVER);
    driver.reactor.inject(id, Fault::Receive);
    for stream in [&mut theirs, &mut peer] {
        stream.write_all(&text_to(Role::Server, "sent")).unwrap();
    }
    driver.expect(&[(other, text("sent")), (id, Seen::Fault)]);
    // Whoever owns it can still say why it goes.
    assert_eq!(driver.write(id, b"why"), 0);
    let mut bytes = [0; 3];
    theirs.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"why");
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    peer.write_all(&text_to(Role::Server, "taken")).unwrap();
    driver.expect(&[(other, text("taken"))]);
    driver.reactor.inject(id, Fault::Receive);
    theirs.write_all(b"once more").unwrap();
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
}

#[test]
fn writes_nothing_behind_a_panic_that_leaves_a_frame_half_written() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.reactor.inject(id, Fault::Write);
    assert_eq!(driver.write(id, b"first"), 5);
    assert_eq!(driver.write(id, b"second"), 11);
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
    driver.reactor.close(id, false);
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"");
    // The same where it comes while what waits is written.
    let (id, mut theirs) = driver.pair(SERVER);
    let filled = fill(&mut driver, id).len();
    let waiting = driver.connection(id).pending();
    let written = filled - waiting;
    driver.reactor.inject(id, Fault::Write);
    theirs.read_exact(&mut vec![0; written]).unwrap();
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
    assert_eq!(driver.write(id, b"more"), waiting + 4);
}

#[test]
fn loses_nothing_by_a_panic_that_is_of_no_connection() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let (_, quiet) = driver.pair(SERVER);
    driver.poll();
    theirs.write_all(&text_to(Role::Server, "sent")).unwrap();
    driver.reactor.inject(id, Fault::Reactor);
    driver.expect(&[(NO_CONNECTION, Seen::Fault), (id, text("sent"))]);
    assert!(!driver.reactor.has_ready());
    drop(quiet);
}

#[test]
fn discards_everything_after_a_close_frame() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs
        .write_all(&frame_to(Role::Server, true, Opcode::Close, &1000_u16.to_be_bytes()))
        .unwrap();
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    driver.expect(&[(id, Seen::Close(Some(1000)))]);
    theirs.write_all(b"discarded").unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::End)]);
    assert_eq!(driver.used, text_to(Role::Server, "").len() + 2);
}

#[test]
fn takes_changed_limits_from_the_next_frame_on() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&text_to(Role::Server, "12345")).unwrap();
    driver.expect(&[(id, text("12345"))]);
    driver.reactor.update(id, |it| it.set_limits(max_payload(6), true));
    theirs.write_all(&text_to(Role::Server, "123456")).unwrap();
    theirs.write_all(&frame_to(Role::Server, true, Opcode::Text, b"")).unwrap();
    driver.expect(&[(id, text("123456")), (id, text(""))]);
    driver.reactor.update(id, |it| it.set_limits(max_payload(1), true));
    theirs.write_all(&text_to(Role::Server, "12")).unwrap();
    drop(theirs);
    driver
        .expect(&[(id, Seen::Violation(ProtocolError::UnsupportedMessageLength)), (id, Seen::End)]);
}

#[test]
fn goes_on_with_a_refused_frame_when_the_limit_is_raised_at_once() {
    let refused = Seen::Violation(ProtocolError::UnsupportedMessageLength);
    let stream = [text_to(Role::Server, "too long"), text_to(Role::Server, "next")].concat();
    // The header alone, a part of the payload, all of it.
    for first in [6, 9, stream.len()] {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
        theirs.write_all(&stream[..first]).unwrap();
        driver.until(|driver| !driver.seen.is_empty());
        driver.reactor.update(id, |it| it.set_limits(max_payload(8), false));
        theirs.write_all(&stream[first..]).unwrap();
        driver.expect(&[(id, refused.clone()), (id, text("too long")), (id, text("next"))]);
    }
    // Refused where the records are full.
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&[text_to(Role::Server, "short"), stream.clone()].concat()).unwrap();
    driver.until(|driver| driver.seen.len() == 2);
    driver.reactor.update(id, |it| it.set_limits(max_payload(8), false));
    driver.expect(&[
        (id, text("short")),
        (id, refused.clone()),
        (id, text("too long")),
        (id, text("next")),
    ]);
    // A limit that is not raised, or raised too late, changes nothing.
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&stream).unwrap();
    driver.until(|driver| !driver.seen.is_empty());
    driver.reactor.update(id, |it| it.set_limits(max_payload(5), false));
    driver.settle();
    driver.reactor.update(id, |it| it.set_limits(max_payload(0), false));
    theirs.write_all(&stream).unwrap();
    drop(theirs);
    driver.expect(&[(id, refused), (id, Seen::End)]);
}

#[test]
fn hears_of_a_unix_socket_only_what_concerns_it() {
    // Registered for writing, it would be woken whenever its peer reads.
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.settle();
    assert!(!wakes(&driver));
    for _ in 0..3 {
        assert_eq!(driver.write(id, b"answer"), 0);
        theirs.read_exact(&mut [0; 6]).unwrap();
        assert!(!wakes(&driver));
    }
}

/// Numbers that look random, the same in every run: SplitMix64.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[test]
fn loses_nothing_in_a_long_conversation_with_interruptions() {
    const MESSAGES: usize = 300;
    for seed in 0..8 {
        let mut noise = Noise(seed);
        let mut server = Driver::with(MIN_READ + noise.below(100_000), 1 + noise.below(20));
        let mut client = Driver::with(MIN_READ + noise.below(100_000), 1 + noise.below(20));
        server.reactor.set_guessing(seed % 4 < 2);
        server.records.takes_large = seed % 2 == 0;
        client.records.takes_large = seed % 3 == 0;
        let pairs: Vec<_> = (0..3)
            .map(|index| {
                let (ours, theirs): (OwnedFd, OwnedFd) = if index == 0 {
                    let (ours, theirs) = UnixStream::pair().unwrap();
                    (ours.into(), theirs.into())
                } else {
                    let (ours, theirs) = tcp_pair();
                    (ours.into(), theirs.into())
                };
                for socket in [&ours, &theirs] {
                    // Small, so that everything waits now and then.
                    sockopt::set_socket_send_buffer_size(socket, 20_000).unwrap();
                }
                let config = ConnectionConfig { limits: max_payload(200_000), ..SERVER };
                let server = server.reactor.adopt(ours.as_fd(), config).unwrap();
                let client = client.reactor.adopt(theirs.as_fd(), CLIENT).unwrap();
                (server, client)
            })
            .collect();
        let mut sent = vec![0; pairs.len()];
        let mut echoed = vec![0; pairs.len()];
        let mut returned = vec![0; pairs.len()];
        let start = Instant::now();
        while returned.iter().any(|&returned| returned < MESSAGES) {
            assert!(start.elapsed() < PATIENCE, "stalled: {sent:?}, {echoed:?}, {returned:?}");
            let at = noise.below(pairs.len());
            let (ours, theirs) = pairs[at];
            if sent[at] < MESSAGES && client.connection(theirs).pending() < 300_000 {
                let payload = numbered(at, sent[at]);
                client.write(theirs, &frame_to(Role::Server, true, Opcode::Binary, &payload));
                sent[at] += 1;
            }
            match noise.below(12) {
                0 => server.reactor.update(ours, |it| it.set_paused(true)),
                1 => client.reactor.update(theirs, |it| it.set_paused(true)),
                2..5 => server.reactor.update(ours, |it| it.set_paused(false)),
                5..8 => client.reactor.update(theirs, |it| it.set_paused(false)),
                8 => server.reactor.update(ours, |it| it.set_limits(max_payload(150_000), false)),
                _ => None,
            };
            server.poll();
            for (id, seen) in std::mem::take(&mut server.seen) {
                let at = pairs.iter().position(|&(ours, _)| ours == id).unwrap();
                let Seen::Binary(payload) = seen else {
                    assert_eq!(seen, Seen::Written);
                    continue;
                };
                assert!(payload == numbered(at, echoed[at]), "{at}: message {}", echoed[at]);
                echoed[at] += 1;
                server.write(id, &frame_to(Role::Client, true, Opcode::Binary, &payload));
            }
            client.poll();
            for (id, seen) in std::mem::take(&mut client.seen) {
                let at = pairs.iter().position(|&(_, theirs)| theirs == id).unwrap();
                let Seen::Binary(payload) = seen else {
                    assert_eq!(seen, Seen::Written);
                    continue;
                };
                assert!(payload == numbered(at, returned[at]), "{at}: message {}", returned[at]);
                returned[at] += 1;
            }
            // Nobody who is paused for good may keep the others waiting.
            if sent.iter().all(|&sent| sent == MESSAGES) {
                for (ours, theirs) in &pairs {
                    server.reactor.update(*ours, |it| it.set_paused(false));
                    client.reactor.update(*theirs, |it| it.set_paused(false));
                }
            }
        }
        for (ours, theirs) in pairs {
            server.until(|server| server.connection(ours).pending() == 0);
            assert_eq!(
                server.connection(ours).bytes_written(),
                client.connection(theirs).bytes_read()
            );
            assert_eq!(
                client.connection(theirs).bytes_written(),
                server.connection(ours).bytes_read()
            );
        }
    }
}

/// The payload of a message: small ones, and every now and then a large one.
fn numbered(connection: usize, number: usize) -> Vec<u8> {
    let length = [10, 130, 3000, 10, 70_000, 500, 20, 120_000][(connection + number) % 8];
    let mut payload = pattern(length + number);
    payload[..8].copy_from_slice(&(number as u64).to_le_bytes());
    payload
}

#[test]
fn refuses_what_is_no_stream_socket() {
    let mut reactor = Reactor::new().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(reactor.adopt(file.as_fd(), SERVER).is_err());
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(reactor.adopt(datagrams.as_fd(), SERVER).is_err());
}

#[test]
fn sets_the_options_of_the_socket() {
    let mut reactor = Reactor::new().unwrap();
    let (ours, _theirs) = tcp_pair();
    let id = reactor.adopt(ours.as_fd(), SERVER).unwrap();
    reactor.connection(id).unwrap().set_no_delay(true).unwrap();
    assert!(sockopt::tcp_nodelay(&ours).unwrap());
    reactor.connection(id).unwrap().set_no_delay(false).unwrap();
    assert!(!sockopt::tcp_nodelay(&ours).unwrap());
    reactor.connection(id).unwrap().set_keep_alive(Some(Duration::from_secs(77))).unwrap();
    assert!(sockopt::socket_keepalive(&ours).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&ours).unwrap(), Duration::from_secs(77));
    reactor.connection(id).unwrap().set_keep_alive(None).unwrap();
    assert!(!sockopt::socket_keepalive(&ours).unwrap());
    reactor.connection(id).unwrap().set_keep_alive(Some(Duration::ZERO)).unwrap();
    assert!(sockopt::socket_keepalive(&ours).unwrap());
    let (unix, _theirs) = UnixStream::pair().unwrap();
    let unix = reactor.adopt(unix.as_fd(), SERVER).unwrap();
    assert!(reactor.connection(unix).unwrap().set_no_delay(true).is_err());
}

#[test]
fn says_through_its_descriptor_that_the_kernel_has_something() {
    let mut driver = Driver::new();
    assert!(!wakes(&driver));
    let (id, mut theirs) = driver.pair(SERVER);
    driver.settle();
    assert!(!wakes(&driver));
    theirs.write_all(&text_to(Role::Server, "wake up")).unwrap();
    assert!(wakes(&driver));
    driver.expect(&[(id, text("wake up"))]);
    assert!(!wakes(&driver));
}
