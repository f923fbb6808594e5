//! What a reactor does to the descriptors of its process; a process of its own, where they can be
//! counted and exhausted.
#![cfg(all(target_os = "linux", feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use std::fs;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxws::engine::{
    Connection, ConnectionConfig, ConnectionEvent, ConnectionId, Reactor, Sink, Status,
};
use oxws::protocol::{Payload, Role};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CYCLES: u32 = 10_000;

const RAW: ConnectionConfig = ConnectionConfig { raw: true, ..ConnectionConfig::new(Role::Server) };

/// Counts what is reported.
#[derive(Default)]
struct Count {
    bytes: usize,
    ends: usize,
    failures: usize,
}

impl Sink for Count {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, _: ConnectionId, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Raw(Payload::InPlace(range)) => self.bytes += range.len(),
            ConnectionEvent::End { .. } => self.ends += 1,
            ConnectionEvent::Failed(..) => self.failures += 1,
            other => panic!("not expected: {other:?}"),
        }
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Polls until nothing is to be done at once.
fn settle(reactor: &mut Reactor, count: &mut Count) {
    let mut memory = [0; 8192];
    while reactor.poll(&mut memory, &mut 0, count).unwrap() != Status::Idle || reactor.has_ready() {
    }
}

/// Connects, exchanges a few bytes and ends the connection in one of six ways, over and over.
fn cycle(reactor: &mut Reactor) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut count = Count::default();
    let mut failures = 0;
    for cycle in 0..CYCLES {
        let mut theirs = TcpStream::connect(address).unwrap();
        let (ours, _) = listener.accept().unwrap();
        let id = reactor.adopt(ours.as_fd(), RAW).unwrap();
        assert!(id < 2, "numbers are used again");
        drop(ours);
        theirs.write_all(b"question").unwrap();
        reactor.write(id, &mut [IoSlice::new(b"answer")]);
        theirs.read_exact(&mut [0; 6]).unwrap();
        let way = cycle % 6;
        if way != 5 {
            settle(reactor, &mut count);
        }
        // None of them leaves a port behind that waits for late segments.
        match way {
            0 | 1 => {
                set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
                drop(theirs);
                if way == 0 {
                    settle(reactor, &mut count);
                    failures += 1;
                }
                reactor.close(id, false);
            }
            2 => {
                reactor.write(id, &mut [IoSlice::new(&vec![0; 8_000_000])]);
                reactor.update(id, Connection::shutdown);
                reactor.close(id, true);
            }
            _ => reactor.close(id, true),
        }
    }
    settle(reactor, &mut count);
    assert_eq!(count.failures, failures);
    assert_eq!(count.ends, 0);
}

fn exhaust(reactor: &mut Reactor) {
    let mut pairs: Vec<_> = (0..4).map(|_| UnixStream::pair().unwrap()).collect();
    let limit = getrlimit(Resource::Nofile);
    // Room for two, from the lowest number on that is free.
    let free = pairs[0].0.try_clone().unwrap().as_raw_fd() as u64;
    let current = Some(free + 2);
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }).unwrap();
    let results: Vec<io::Result<ConnectionId>> =
        pairs.iter().map(|(ours, _)| reactor.adopt(ours.as_fd(), RAW)).collect();
    setrlimit(Resource::Nofile, limit).unwrap();

    let adopted: Vec<ConnectionId> =
        results.iter().filter_map(|result| result.as_ref().ok()).copied().collect();
    assert!(!adopted.is_empty() && adopted.len() < pairs.len(), "{results:?}");
    for result in &results[adopted.len()..] {
        let error = result.as_ref().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    }
    let mut count = Count::default();
    for (_, theirs) in &mut pairs {
        theirs.write_all(b"hello").unwrap();
    }
    settle(reactor, &mut count);
    assert_eq!(count.bytes, 5 * adopted.len(), "those that were adopted work");
    // The others are still their owners'.
    let mut hello = [0; 5];
    pairs[3].0.read_exact(&mut hello).unwrap();
    for id in adopted {
        reactor.close(id, false);
    }
}

#[test]
fn leaks_no_descriptor_and_survives_their_exhaustion() {
    let start = Instant::now();
    let before = descriptors();
    let mut reactor = Reactor::new().unwrap();
    let with_reactor = descriptors();
    exhaust(&mut reactor);
    assert_eq!(descriptors(), with_reactor);
    cycle(&mut reactor);
    assert_eq!(descriptors(), with_reactor);
    let (ours, _theirs) = UnixStream::pair().unwrap();
    reactor.adopt(ours.as_fd(), RAW).unwrap();
    drop(reactor);
    assert_eq!(descriptors(), before + 2, "a reactor closes what it owns");
    assert!(start.elapsed() < Duration::from_secs(60));
}
