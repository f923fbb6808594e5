//! A reactor with its peers, and everything that it reported.

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxws::engine::{Connection, ConnectionConfig, ConnectionEvent, ConnectionId, Reactor, Status};
use oxws::protocol::{LargeMessage, Limits, Opcode, Role};
use rustix::net::sockopt;

use super::support::{PATIENCE, Records, Seen, frame, is_owned, see};

pub(crate) const SERVER: ConnectionConfig = ConnectionConfig::new(Role::Server);
pub(crate) const CLIENT: ConnectionConfig = ConnectionConfig::new(Role::Client);
pub(crate) const RAW: ConnectionConfig = ConnectionConfig { raw: true, ..SERVER };

/// A reactor with its memory, and everything that it reported.
pub(crate) struct Driver {
    pub(crate) reactor: Reactor,
    pub(crate) memory: Vec<u8>,
    pub(crate) used: usize,
    pub(crate) records: Records,
    pub(crate) seen: Vec<(ConnectionId, Seen)>,
    /// Payloads that came in memory of their own.
    pub(crate) owned: usize,
    /// Large messages that are received apart, as far as they have arrived.
    pub(crate) large: HashMap<ConnectionId, Vec<u8>>,
    /// How many came so.
    pub(crate) apart: usize,
    /// What the last poll returned.
    pub(crate) status: Status,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self::with(64 * 1024, usize::MAX)
    }

    pub(crate) fn with(memory: usize, records: usize) -> Self {
        Self {
            reactor: Reactor::new().unwrap(),
            memory: vec![0xaa; memory],
            used: 0,
            records: Records::new(records),
            seen: Vec::new(),
            owned: 0,
            large: HashMap::new(),
            apart: 0,
            status: Status::Idle,
        }
    }

    /// A connection whose other end is returned, too.
    pub(crate) fn pair(&mut self, config: ConnectionConfig) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (self.reactor.adopt(ours.as_fd(), config).unwrap(), theirs)
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> &Connection {
        self.reactor.connection(id).unwrap()
    }

    pub(crate) fn shutdown(&mut self, id: ConnectionId) -> bool {
        self.reactor.update(id, Connection::shutdown).unwrap()
    }

    pub(crate) fn tcp_pair(&mut self, config: ConnectionConfig) -> (ConnectionId, TcpStream) {
        let (ours, theirs) = tcp_pair();
        (self.reactor.adopt(ours.as_fd(), config).unwrap(), theirs)
    }

    /// Polls once and takes what was reported.
    pub(crate) fn poll(&mut self) -> Status {
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
            self.owned += usize::from(is_owned(&event));
            self.seen.push((id, see(event, &self.memory[..self.used])));
        }
        self.status
    }

    /// Receives what has arrived of a large message, in memory that grows in odd steps.
    pub(crate) fn receive_apart(&mut self, id: ConnectionId, message: LargeMessage) {
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
    pub(crate) fn settle(&mut self) {
        let start = Instant::now();
        while self.poll() != Status::Idle || self.reactor.has_ready() {
            assert!(start.elapsed() < PATIENCE, "never settles: {:?}", self.seen.len());
        }
    }

    /// Polls until `done`.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain, got {:?}", self.seen.len());
            if self.poll() == Status::Idle && !self.reactor.has_ready() {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Polls until there are this many reports, then checks that there are no more.
    pub(crate) fn expect(&mut self, expected: &[(ConnectionId, Seen)]) {
        self.until(|driver| driver.seen.len() >= expected.len());
        self.settle();
        assert_eq!(std::mem::take(&mut self.seen), expected);
    }

    pub(crate) fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        self.reactor.write(id, &mut [IoSlice::new(bytes)])
    }
}

/// Whether something that waits for the reactor would wake up.
pub(crate) fn wakes(driver: &Driver) -> bool {
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

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (ours, theirs)
}

/// A frame as the peer of `role` sends it.
pub(crate) fn frame_to(role: Role, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(role, fin, false, opcode, payload)
}

pub(crate) fn text_to(role: Role, text: &str) -> Vec<u8> {
    frame_to(role, true, Opcode::Text, text.as_bytes())
}

/// The limit of a message's length, alone.
pub(crate) fn max_payload(max_payload: u64) -> Limits {
    Limits { max_payload, ..SERVER.limits }
}

/// Bytes that are not all alike.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// The length of the longest header that the peer of `role` sends.
pub(crate) fn frame_overhead(role: Role) -> u64 {
    if role == Role::Server { 14 } else { 10 }
}

/// Ends a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Writes until the kernel takes no more; returns what was written in all.
pub(crate) fn fill(driver: &mut Driver, id: ConnectionId) -> Vec<u8> {
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
