//! A reactor and its peers, over loopback and over pairs of Unix sockets.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxws::engine::{ConnectionConfig, ConnectionId, MIN_READ, Occurrence, Reactor, Sink, Status};
use oxws::protocol::{
    Event, FrameHeader, Limits, MAX_HEADER_LENGTH, Opcode, Payload, ProtocolError, Role,
    mask_in_place,
};

/// The time in which everything that a test waits for happens.
const PATIENCE: Duration = Duration::from_secs(20);

const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

const SERVER: ConnectionConfig = ConnectionConfig {
    role: Role::Server,
    limits: Limits { max_payload: 0, max_fragments: 0, max_buffered_chunks: 0 },
    permessage_deflate: false,
    skip_utf8_validation: false,
    raw: false,
};
const CLIENT: ConnectionConfig = ConnectionConfig { role: Role::Client, ..SERVER };

/// What a connection reported, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Raw(Vec<u8>),
    Violation(ProtocolError),
    End,
    Failed(io::ErrorKind),
    Written,
    ShutDown,
}

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

/// Collects occurrences, at most so many at a time.
struct Records {
    capacity: usize,
    taken: Vec<(ConnectionId, Occurrence)>,
}

impl Sink for Records {
    fn has_room(&self) -> bool {
        self.taken.len() < self.capacity
    }

    fn push(&mut self, id: ConnectionId, occurrence: Occurrence) {
        assert!(self.has_room(), "pushed without room");
        self.taken.push((id, occurrence));
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
            records: Records { capacity: records, taken: Vec::new() },
            seen: Vec::new(),
            owned: 0,
            status: Status::Idle,
        }
    }

    /// A connection whose other end is returned, too.
    fn pair(&mut self, config: ConnectionConfig) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (self.reactor.adopt(ours.as_fd(), config).unwrap(), theirs)
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
        for (id, occurrence) in self.records.taken.drain(..) {
            let (owned, seen) = see(occurrence, &self.memory[..self.used]);
            self.owned += usize::from(owned);
            self.seen.push((id, seen));
        }
        self.status
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

/// What an occurrence says, and whether its bytes came in memory of their own.
fn see(occurrence: Occurrence, memory: &[u8]) -> (bool, Seen) {
    let mut owned = false;
    let mut bytes = |payload: Payload| {
        owned |= matches!(payload, Payload::Owned(_));
        payload.as_slice(memory).to_vec()
    };
    let seen = match occurrence {
        Occurrence::Frame(Event::Text { payload, .. }) => {
            Seen::Text(String::from_utf8(bytes(payload)).unwrap())
        }
        Occurrence::Frame(Event::Binary { payload, .. }) => Seen::Binary(bytes(payload)),
        Occurrence::Frame(Event::Ping(payload)) => Seen::Ping(bytes(payload)),
        Occurrence::Frame(Event::Close { code, .. }) => Seen::Close(code.map(u16::from)),
        Occurrence::Frame(event) => panic!("not expected: {event:?}"),
        Occurrence::Raw(payload) => Seen::Raw(bytes(payload)),
        Occurrence::Violation(error) => Seen::Violation(error),
        Occurrence::End => Seen::End,
        Occurrence::Failed(error) => Seen::Failed(error.kind()),
        Occurrence::Written => Seen::Written,
        Occurrence::ShutDown => Seen::ShutDown,
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
    assert_eq!(driver.reactor.bytes_read(id), 4 + 6 + 6);
}

#[test]
fn takes_fed_bytes_first() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let first = text_to(Role::Server, "first");
    theirs.write_all(&first[4..]).unwrap();
    theirs.write_all(&text_to(Role::Server, "second")).unwrap();
    driver.reactor.feed(id, &first[..2]);
    driver.reactor.feed(id, &first[2..4]);
    assert!(driver.reactor.has_ready());
    driver.expect(&[(id, text("first")), (id, text("second"))]);
}

#[test]
fn feeds_more_than_the_memory_holds() {
    let mut driver = Driver::with(MIN_READ, usize::MAX);
    let (id, _theirs) = driver.pair(SERVER);
    let messages = text_to(Role::Server, "message").repeat(10_000);
    driver.reactor.feed(id, &messages);
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
    assert_eq!(driver.reactor.bytes_written(id), 5);
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
