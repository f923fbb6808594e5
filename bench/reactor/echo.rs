//! The echo and its load.

use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use oxws::engine::{ConnectionConfig, ConnectionEvent, ConnectionId, Reactor, Sink, Status};
use oxws::protocol::{Event, FrameHeader, MAX_HEADER_LENGTH, Opcode, Payload, Role, mask_in_place};

const WARM_UP: Duration = Duration::from_millis(500);
const DURATION: Duration = Duration::from_secs(2);

/// The memory into which sockets are read, as the slabs of the binding.
const MEMORY: usize = 64 * 1024;

/// How many events a turn may report.
const RECORDS: usize = 4096;

struct Case {
    connections: usize,
    size: usize,
    in_flight: usize,
}

/// A payload that was received, and for whom.
struct Received {
    id: ConnectionId,
    payload: Payload,
}

struct Records(Vec<Received>);

impl Sink for Records {
    fn has_room(&self) -> bool {
        self.0.len() < RECORDS
    }

    fn push(&mut self, id: ConnectionId, event: ConnectionEvent) {
        if let ConnectionEvent::Frame(Event::Binary { payload, .. }) = event {
            self.0.push(Received { id, payload });
        }
    }
}

/// A reactor and what waits for it, as libuv does: a readiness set around its own.
struct Driver {
    reactor: Reactor,
    outer: Poll,
    events: Events,
    memory: Vec<u8>,
    used: usize,
    records: Records,
}

impl Driver {
    fn new(role: Role, streams: Vec<TcpStream>) -> Self {
        let mut reactor = Reactor::new().unwrap();
        for stream in streams {
            stream.set_nodelay(true).unwrap();
            reactor.adopt(stream.as_fd(), ConnectionConfig::new(role)).unwrap();
        }
        let outer = Poll::new().unwrap();
        let raw = reactor.as_fd().as_raw_fd();
        outer.registry().register(&mut SourceFd(&raw), Token(0), Interest::READABLE).unwrap();
        Self {
            reactor,
            outer,
            events: Events::with_capacity(1),
            memory: vec![0; MEMORY],
            used: 0,
            records: Records(Vec::with_capacity(RECORDS)),
        }
    }

    /// Polls, and waits before that if there is nothing to do at once.
    fn turn(&mut self) -> Status {
        if !self.reactor.has_ready() {
            self.outer.poll(&mut self.events, Some(Duration::from_millis(100))).unwrap();
        }
        self.reactor.poll(&mut self.memory, &mut self.used, &mut self.records).unwrap()
    }

    /// Calls `handle` with all payloads of one connection that follow each other.
    fn dispatch(
        &mut self,
        status: Status,
        mut handle: impl FnMut(&mut Reactor, &[Received], &[u8]),
    ) {
        for run in self.records.0.chunk_by(|one, other| one.id == other.id) {
            handle(&mut self.reactor, run, &self.memory);
        }
        self.records.0.clear();
        if status != Status::RecordsFull {
            self.used = 0;
        }
    }
}

fn header(length: usize, masking_key: Option<[u8; 4]>) -> ([u8; MAX_HEADER_LENGTH], usize) {
    let mut bytes = [0; MAX_HEADER_LENGTH];
    let payload_length = length as u64;
    let opcode = Opcode::Binary;
    let header = FrameHeader { fin: true, rsv1: false, opcode, masking_key, payload_length };
    let length = header.encode(&mut bytes);
    (bytes, length)
}

/// Sends every message back, all of one turn and connection in one write. Returns the processor
/// time that it took per second of `DURATION`.
fn echo(mut driver: Driver, phase: &AtomicU64) -> Option<u64> {
    const LARGE: usize = 4096;
    let mut scratch = Vec::new();
    let mut before = None;
    let mut after = None;
    loop {
        match phase.load(Ordering::Relaxed) {
            1 if before.is_none() => before = processor_time(),
            2 if after.is_none() => after = processor_time(),
            3 => break,
            _ => {}
        }
        let status = driver.turn();
        driver.dispatch(status, |reactor, run, memory| {
            scratch.clear();
            for Received { id, payload } in run {
                let payload = payload.as_slice(memory);
                let (header, length) = header(payload.len(), None);
                if payload.len() < LARGE {
                    scratch.extend_from_slice(&header[..length]);
                    scratch.extend_from_slice(payload);
                } else {
                    let mut parts = [IoSlice::new(&header[..length]), IoSlice::new(payload)];
                    reactor.write(*id, &mut parts);
                }
            }
            if !scratch.is_empty() {
                reactor.write(run[0].id, &mut [IoSlice::new(&scratch)]);
            }
        });
    }
    Some(after? - before?)
}

/// Keeps so many messages in flight on every connection.
fn load(mut driver: Driver, case: &Case, received: &AtomicU64, stop: &AtomicBool) {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let (header, length) = header(case.size, Some(key));
    let mut frame = header[..length].to_vec();
    frame.resize(length + case.size, 0x5a);
    mask_in_place(&mut frame[length..], key, 0);
    let frames = frame.repeat(case.in_flight);
    for id in 0..case.connections {
        driver.reactor.write(id as ConnectionId, &mut [IoSlice::new(&frames)]);
    }
    let mut arrived = vec![0; case.connections];
    while !stop.load(Ordering::Relaxed) {
        let status = driver.turn();
        driver.dispatch(status, |reactor, run, _| {
            let id = run[0].id;
            received.fetch_add(run.len() as u64, Ordering::Relaxed);
            let count = &mut arrived[id as usize];
            *count += run.len();
            // The whole window at once, when all of it is back.
            if *count == case.in_flight {
                *count = 0;
                reactor.write(id, &mut [IoSlice::new(&frames)]);
            }
        });
    }
}

/// The processor time of this thread in nanoseconds.
fn processor_time() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn run(case: &Case) -> (f64, Option<f64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (clients, servers) = (0..case.connections)
        .map(|_| (TcpStream::connect(address).unwrap(), listener.accept().unwrap().0))
        .unzip();
    let (clients, servers) =
        (Driver::new(Role::Client, clients), Driver::new(Role::Server, servers));
    let phase = Arc::new(AtomicU64::new(0));
    let (received, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| echo(servers, &phase));
        scope.spawn(|| load(clients, case, &received, &stop));
        std::thread::sleep(WARM_UP);
        phase.store(1, Ordering::Relaxed);
        let (start, before) = (Instant::now(), received.load(Ordering::Relaxed));
        std::thread::sleep(DURATION);
        phase.store(2, Ordering::Relaxed);
        let messages = (received.load(Ordering::Relaxed) - before) as f64;
        let rate = messages / start.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(200));
        phase.store(3, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        let time = echo.join().unwrap();
        (rate, time.map(|time| time as f64 / messages))
    })
}

pub(super) fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let cases =
        [(1, 20, 1), (64, 20, 1), (64, 20, 32), (64, 1024, 32), (16, 65_536, 2), (4, 1 << 20, 2)];
    for (connections, size, in_flight) in cases {
        let title = format!("{connections} connections, {size} B, {in_flight} in flight");
        if filter.as_ref().is_some_and(|filter| !title.contains(filter)) {
            continue;
        }
        let (rate, time) = run(&Case { connections, size, in_flight });
        let time =
            time.map_or(String::new(), |time| format!("{time:>12.0} ns of the echo a message"));
        println!("{title:<44} {rate:>12.0} messages/s {time}");
    }
}
