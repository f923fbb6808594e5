//! A reactor under two drivers, over pairs of Unix sockets.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

mod support;

use std::io::{Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use oxws::engine::threads::pool::new_runtime;
use oxws::engine::{
    Connection, ConnectionConfig, ConnectionEvent, ConnectionId, Fault, Frame, NO_CONNECTION,
    Reactor, SharedReactor, Status, Write, WriteBatch,
};
use oxws::protocol::{Event, Payload, Role};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;

use support::{PATIENCE, Records};

/// Longer than a ping waits for the owner.
const NO_ANSWER: Duration = Duration::from_millis(300);

const RAW: ConnectionConfig = ConnectionConfig { raw: true, ..ConnectionConfig::new(Role::Server) };

/// The owner of a shared reactor, and what it has seen.
struct Owner {
    reactor: Arc<SharedReactor>,
    wakes: Receiver<()>,
    /// Takes the place of the event loop, which a wake-up interrupts.
    memory: Vec<u8>,
    used: usize,
    /// The bytes of each connection.
    bytes: Vec<Vec<u8>>,
    /// EventList without bytes.
    others: Vec<(ConnectionId, ConnectionEvent)>,
    _runtime: Runtime,
}

impl Owner {
    fn new() -> Self {
        let reactor = Reactor::new().unwrap();
        let descriptor = reactor.as_fd().try_clone_to_owned().unwrap();
        let (sender, wakes) = channel();
        let wake = Box::new(move || {
            let _ = sender.send(());
        });
        let reactor = SharedReactor::new(reactor, wake, || Some([1, 2, 3, 4]));
        let runtime = new_runtime(1).unwrap();
        let readiness = {
            let _entered = runtime.enter();
            watch(descriptor)
        };
        runtime.spawn(Arc::clone(&reactor).drive(readiness));
        Self {
            reactor,
            wakes,
            memory: vec![0; 64 * 1024],
            used: 0,
            bytes: Vec::new(),
            others: Vec::new(),
            _runtime: runtime,
        }
    }

    /// Adds a connection; returns its peer.
    fn connect(&mut self) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let id = self.reactor.with(|reactor| reactor.adopt(ours.as_fd(), RAW)).unwrap();
        self.bytes.resize_with(self.bytes.len().max(id as usize + 1), Vec::new);
        (id, theirs)
    }

    /// Adds a connection of frames whose pings may be answered; returns its peer.
    fn connect_answering(&mut self, role: Role) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let config = ConnectionConfig { role, raw: false, ..RAW };
        let id = self.reactor.with(|reactor| {
            let id = reactor.adopt(ours.as_fd(), config).unwrap();
            reactor.update(id, |it| it.set_answering(true));
            id
        });
        theirs.set_read_timeout(Some(NO_ANSWER)).unwrap();
        (id, theirs)
    }

    /// Waits until the task has read something.
    fn wait_until_read(&self) {
        let start = Instant::now();
        while !self.reactor.has_ready() {
            assert!(start.elapsed() < PATIENCE, "it did not come");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until something is true of a connection.
    fn wait_until(&self, id: ConnectionId, is_true: impl Fn(&Connection) -> bool) {
        let start = Instant::now();
        while !self.reactor.inspect(id, &is_true).unwrap() {
            assert!(start.elapsed() < PATIENCE, "it did not come");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes what there is, a few events at a time.
    fn take(&mut self) {
        loop {
            let mut records = Records::new(3);
            let status = self.reactor.poll(&mut self.memory, &mut self.used, &mut records).unwrap();
            for (id, event) in records.taken {
                match event {
                    ConnectionEvent::Raw(payload) => {
                        self.bytes[id as usize].extend(payload.as_slice(&self.memory));
                    }
                    ConnectionEvent::NextTurn => {}
                    other => self.others.push((id, other)),
                }
            }
            match status {
                Status::MemoryFull => self.used = 0,
                Status::RecordsFull => {}
                Status::Idle if self.reactor.has_ready() => {}
                Status::Idle => return,
            }
        }
    }

    /// Waits for wake-ups, and takes, until `is_done`.
    fn take_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            let _ = self.wakes.recv_timeout(PATIENCE.saturating_sub(start.elapsed()));
            assert!(start.elapsed() < PATIENCE, "it did not come");
            self.take();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.reactor.end();
    }
}

#[expect(unsafe_code, reason = "the runtime wants to be promised that the descriptor stays")]
fn watch(descriptor: OwnedFd) -> AsyncFd<OwnedFd> {
    // SAFETY: the descriptor is owned and stays as it is.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE).unwrap() }
}

/// Numbers, as bytes in which every gap shows.
fn numbered(from: u32, count: u32) -> Vec<u8> {
    (from..from + count).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn wakes_the_owner_for_what_the_task_reads() {
    let mut owner = Owner::new();
    assert!(owner.reactor.set_tasked(true));
    let (id, mut peer) = owner.connect();
    for round in 0..100 {
        peer.write_all(&numbered(round, 1)).unwrap();
        owner.take_until(|owner| owner.bytes[id as usize].len() == 4 * (round as usize + 1));
    }
    assert_eq!(owner.bytes[id as usize], numbered(0, 100));
    drop(peer);
    owner.take_until(|owner| !owner.others.is_empty());
    assert!(matches!(owner.others[..], [(_, ConnectionEvent::End { .. })]));
}

#[test]
fn leaves_the_work_to_the_owner_until_it_is_handed_over() {
    let mut owner = Owner::new();
    let (id, mut peer) = owner.connect();
    peer.write_all(b"one").unwrap();
    owner.take();
    assert_eq!(owner.bytes[id as usize], b"one");
    assert!(owner.wakes.try_recv().is_err());
}

#[test]
fn moves_between_drivers_without_losing_a_byte() {
    let mut owner = Owner::new();
    let peers: Vec<_> = (0..8).map(|_| owner.connect()).collect();
    let count = 50_000;
    let moves = Arc::new(AtomicU32::new(0));
    let writers: Vec<_> = peers
        .into_iter()
        .map(|(_, mut peer)| {
            let moves = Arc::clone(&moves);
            thread::spawn(move || {
                for from in (0..count).step_by(50) {
                    // However fast it is written, there is a move in each tenth of it.
                    while moves.load(Ordering::Relaxed) < from / (count / 10) {
                        thread::sleep(Duration::from_micros(50));
                    }
                    peer.write_all(&numbered(from, 50)).unwrap();
                }
                peer
            })
        })
        .collect();
    let start = Instant::now();
    let mut tasked = false;
    while owner.bytes.iter().any(|bytes| bytes.len() < count as usize * 4) {
        assert!(start.elapsed() < PATIENCE, "it did not come");
        if owner.reactor.set_tasked(!tasked) {
            tasked = !tasked;
            moves.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_micros(50));
        owner.take();
    }
    assert!(moves.load(Ordering::Relaxed) > 2);
    for bytes in &owner.bytes {
        assert!(*bytes == numbered(0, count));
    }
    for writer in writers {
        drop(writer.join().unwrap());
    }
}

#[test]
fn writes_what_is_left_to_the_task_before_what_is_written_at_once() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let batch = |length| WriteBatch::of(id, 0..length);
    let mut next = 0;
    for round in 0..2000 {
        let bytes = numbered(next, 50);
        next += 50;
        let left = match round % 7 {
            0 => false,
            1 => owner.reactor.send_long(id, &bytes[..7], &bytes[7..]),
            _ => owner.reactor.send(&bytes, &batch(bytes.len())),
        };
        if !left {
            owner.reactor.write(&bytes, &batch(bytes.len()), &mut Vec::new());
        }
    }
    // A full socket is told of, and what waits goes out all the same.
    owner.reactor.write(&[], &WriteBatch::default(), &mut Vec::new());
    let start = Instant::now();
    while owner.reactor.inspect(id, Connection::pending).unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE, "it waits for ever");
        thread::sleep(Duration::from_millis(1));
    }
    owner.reactor.close(id, false);
    assert!(reader.join().unwrap() == numbered(0, next));
}

#[test]
fn tells_of_what_waits_and_of_its_end() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect();
    let bytes = vec![7; 900_000];
    assert!(owner.reactor.send(&bytes, &WriteBatch::of(id, 0..bytes.len())));
    let waits =
        |owner: &Owner| owner.others.iter().any(|(_, o)| matches!(o, ConnectionEvent::Waiting));
    owner.take_until(waits);
    peer.read_exact(&mut vec![0; bytes.len()]).unwrap();
    owner.take_until(|owner| {
        owner.others.iter().any(|(_, o)| matches!(o, ConnectionEvent::Written))
    });
    assert_eq!(owner.reactor.inspect(id, Connection::pending).unwrap(), 0);
}

#[test]
fn forgets_what_was_read_of_a_connection_that_it_cannot_write_to() {
    let mut owner = Owner::new();
    let (broken, mut gone) = owner.connect();
    let (other, mut peer) = owner.connect();
    owner.reactor.set_tasked(true);
    gone.write_all(b"unread").unwrap();
    peer.write_all(b"read").unwrap();
    owner.wait_until_read();
    drop(gone);
    assert!(owner.reactor.send_long(broken, b"to ", b"nobody"));
    owner.wait_until(broken, |it| it.failure().is_some());
    owner.take_until(|owner| {
        owner
            .others
            .iter()
            .any(|(id, what)| *id == broken && matches!(what, ConnectionEvent::Failed(..)))
            && !owner.bytes[other as usize].is_empty()
    });
    assert_eq!(owner.bytes[broken as usize], b"");
    assert_eq!(owner.bytes[other as usize], b"read");
    assert_eq!(owner.reactor.inspect(broken, Connection::pending), Some(9));
}

#[test]
fn keeps_what_was_read_of_a_paused_connection_that_it_cannot_write_to() {
    let mut owner = Owner::new();
    let (broken, mut gone) = owner.connect();
    owner.reactor.set_tasked(true);
    gone.write_all(b"on the way, ").unwrap();
    owner.wait_until_read();
    owner.reactor.update(broken, |it| it.set_paused(true));
    gone.write_all(b"read ahead").unwrap();
    owner.wait_until(broken, |it| it.bytes_read() == 22);
    drop(gone);
    assert!(owner.reactor.send_long(broken, b"to ", b"nobody"));
    owner.wait_until(broken, |it| it.failure().is_some());
    let fails = |(_, what): &(_, ConnectionEvent)| matches!(what, ConnectionEvent::Failed(..));
    owner.take_until(|owner| owner.others.iter().any(fails));
    assert_eq!(owner.bytes[broken as usize], b"on the way, ");
    let rest = owner.reactor.drain(broken, true, true);
    let bytes = |event: &ConnectionEvent| match event {
        ConnectionEvent::Raw(payload) => payload.as_slice(&[]).to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rest.iter().map(bytes).collect::<Vec<_>>().concat(), b"read ahead");
}

#[test]
fn keeps_what_a_full_socket_does_not_take_of_long_payloads() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect();
    let bytes = numbered(0, 1_000_000);
    for part in bytes.chunks(500_000) {
        let (head, body) = part.split_at(10);
        assert!(owner.reactor.send_long(id, head, body));
    }
    owner.reactor.write(b"last", &WriteBatch::of(id, 0..4), &mut Vec::new());
    let mut received = vec![0; bytes.len() + 4];
    peer.read_exact(&mut received).unwrap();
    assert!(received[..bytes.len()] == bytes);
    assert_eq!(&received[bytes.len()..], b"last");
    owner.take_until(|owner| {
        owner.others.iter().any(|(_, o)| matches!(o, ConnectionEvent::Written))
    });
}

#[test]
fn takes_no_more_than_a_bounded_amount_for_an_owner_that_does_not_come() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect();
    let total = 16 * 1024 * 1024;
    let writer = thread::spawn(move || {
        peer.write_all(&vec![1; total]).unwrap();
        peer
    });
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(50));
        let read = owner.reactor.inspect(id, Connection::bytes_read).unwrap();
        if read > 0 && read == before {
            break;
        }
        before = read;
    }
    assert!(before < 1024 * 1024, "{before}");
    // It leaves room for the others.
    let (calm, mut other) = owner.connect();
    other.write_all(b"calm").unwrap();
    let start = Instant::now();
    while owner.reactor.inspect(calm, Connection::bytes_read).unwrap() < 4 {
        assert!(start.elapsed() < PATIENCE, "it is not read");
        thread::sleep(Duration::from_millis(1));
    }
    owner.take();
    owner.take_until(|owner| owner.bytes[id as usize].len() == total);
    assert_eq!(owner.bytes[calm as usize], b"calm");
    drop(writer.join().unwrap());
}

/// A frame as the peer of `role` sends it, masked with zeros where it has to be.
fn frame_to(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u8;
    let head = match role {
        Role::Client => vec![first, length],
        Role::Server => vec![first, 0x80 | length, 0, 0, 0, 0],
    };
    [&head, payload].concat()
}

/// Whether the peer gets a pong with this payload, unmasked, before long.
fn is_answered(peer: &mut UnixStream, payload: &[u8]) -> bool {
    let mut pong = vec![0; 2 + payload.len()];
    let is_answered = peer.read_exact(&mut pong).is_ok();
    assert!(!is_answered || pong == frame_to(Role::Client, 0x8a, payload), "{pong:?}");
    is_answered
}

#[test]
fn answers_pings_of_an_owner_that_does_not_come() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect_answering(Role::Server);
    for payload in [&b""[..], b"one", &[7; 125]] {
        peer.write_all(&frame_to(Role::Server, 0x89, payload)).unwrap();
        assert!(is_answered(&mut peer, payload));
    }
    // He is told of them all the same.
    owner.take();
    let lengths = owner.others.iter().map(|(of, event)| match event {
        ConnectionEvent::AnsweredPing(payload) => (*of, payload.len()),
        other => panic!("{other:?}"),
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [(id, 0), (id, 3), (id, 125)]);
}

#[test]
fn masks_the_answers_of_a_client() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (_, mut peer) = owner.connect_answering(Role::Client);
    peer.write_all(&frame_to(Role::Client, 0x89, b"hello")).unwrap();
    let mut pong = [0; 11];
    peer.read_exact(&mut pong).unwrap();
    let masked = [b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1];
    assert_eq!(pong[..], [&[0x8a, 0x85, 1, 2, 3, 4], &masked[..]].concat());
}

#[test]
fn leaves_pings_to_an_owner_that_comes() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (_, mut peer) = owner.connect_answering(Role::Server);
    peer.write_all(&frame_to(Role::Server, 0x89, b"")).unwrap();
    owner.take_until(|owner| !owner.others.is_empty());
    assert!(matches!(owner.others[..], [(_, ConnectionEvent::Frame(Event::Ping(_)))]));
    assert!(!is_answered(&mut peer, b""));
}

#[test]
fn leaves_pings_to_the_owner_where_he_has_something_to_send_before() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (_, mut peer) = owner.connect_answering(Role::Server);
    // A message that he has not taken.
    peer.write_all(&frame_to(Role::Server, 0x81, b"question")).unwrap();
    peer.write_all(&frame_to(Role::Server, 0x89, b"1")).unwrap();
    assert!(!is_answered(&mut peer, b"1"));
    // One that he has, and is not done with.
    owner.take();
    assert_eq!(owner.others.len(), 2);
    peer.write_all(&frame_to(Role::Server, 0x89, b"2")).unwrap();
    assert!(!is_answered(&mut peer, b"2"));
    // A ping that came before he was done is not forgotten.
    owner.reactor.settle();
    peer.write_all(&frame_to(Role::Server, 0x89, b"3")).unwrap();
    assert!(is_answered(&mut peer, b"2"));
    assert!(is_answered(&mut peer, b"3"));
}

#[test]
fn leaves_pings_to_the_owner_where_he_says_so_or_sends_nothing_more() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (mute, mut muted) = owner.connect_answering(Role::Server);
    owner.reactor.update(mute, |it| it.set_answering(false));
    muted.write_all(&frame_to(Role::Server, 0x89, b"x")).unwrap();
    assert!(!is_answered(&mut muted, b"x"));
    let (ended, mut peer) = owner.connect_answering(Role::Server);
    owner.reactor.update(ended, Connection::shutdown);
    peer.write_all(&frame_to(Role::Server, 0x89, b"x")).unwrap();
    assert!(!is_answered(&mut peer, b"x"));
}

#[test]
fn keeps_no_answers_for_a_peer_that_does_not_read() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect_answering(Role::Server);
    peer.set_write_timeout(Some(NO_ANSWER)).unwrap();
    let ping = frame_to(Role::Server, 0x89, &[1; 125]);
    let pings = ping.repeat(100);
    while peer.write_all(&pings).is_ok() {}
    thread::sleep(NO_ANSWER);
    let pending = owner.reactor.inspect(id, Connection::pending).unwrap();
    assert!(pending <= ping.len() - 4, "{pending} bytes wait");
}

#[test]
fn bounds_what_all_connections_together_have_on_the_way() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let total = 1024 * 1024;
    let (ids, writers): (Vec<_>, Vec<_>) = (0..16)
        .map(|_| {
            let (id, mut peer) = owner.connect();
            let write = move || {
                peer.write_all(&vec![1; total]).unwrap();
                peer
            };
            (id, thread::spawn(write))
        })
        .unzip();
    thread::sleep(Duration::from_millis(300));
    let read = |owner: &Owner| {
        ids.iter()
            .map(|id| owner.reactor.inspect(*id, Connection::bytes_read).unwrap())
            .sum::<u64>()
    };
    assert!(read(&owner) < 5 * 1024 * 1024, "{}", read(&owner));
    // Whoever stopped goes on after a move.
    owner.reactor.set_tasked(false);
    owner.take();
    owner.reactor.set_tasked(true);
    owner.take_until(|owner| owner.bytes.iter().all(|bytes| bytes.len() == total));
    for writer in writers {
        drop(writer.join().unwrap());
    }
}

#[test]
fn gives_the_work_back_when_the_task_panics() {
    for fault in [Fault::Task, Fault::Reactor] {
        let mut owner = Owner::new();
        let (id, mut peer) = owner.connect();
        owner.reactor.with(|reactor| reactor.inject(id, fault));
        peer.write_all(b"not lost").unwrap();
        owner.reactor.set_tasked(true);
        owner.take_until(|owner| !owner.others.is_empty());
        assert!(matches!(owner.others[..], [(NO_CONNECTION, ConnectionEvent::Fault)]));
        owner.take_until(|owner| owner.bytes[id as usize].len() == 8);
        // And may be handed over again.
        assert!(owner.reactor.set_tasked(true));
        peer.write_all(b", nor late").unwrap();
        owner.take_until(|owner| owner.bytes[id as usize].len() == 18);
        assert_eq!(owner.bytes[id as usize], b"not lost, nor late");
    }
}

#[test]
fn forgets_what_is_on_the_way_from_a_closed_connection() {
    let mut owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (id, mut peer) = owner.connect();
    peer.write_all(b"of the old one").unwrap();
    owner.wait_until_read();
    owner.reactor.close(id, false);
    let (again, mut peer) = owner.connect();
    assert_eq!(again, id);
    peer.write_all(b"of the new one").unwrap();
    owner.take_until(|owner| owner.bytes[id as usize].len() >= 14);
    assert_eq!(owner.bytes[id as usize], b"of the new one");
}

#[test]
fn gives_what_is_on_the_way_to_who_closes_a_connection() {
    let owner = Owner::new();
    owner.reactor.set_tasked(true);
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let config = ConnectionConfig { role: Role::Client, raw: false, ..RAW };
    let id = owner.reactor.with(|reactor| reactor.adopt(ours.as_fd(), config)).unwrap();
    peer.write_all(b"\x8a\x05first").unwrap();
    owner.wait_until_read();
    owner.reactor.update(id, |it| it.set_paused(true));
    // The task reads more, as of any socket; nobody is told.
    peer.write_all(b"\x8a\x06second").unwrap();
    thread::sleep(Duration::from_millis(100));
    let drained = owner.reactor.drain(id, true, true);
    let bytes = |payload: &Payload| payload.as_slice(&[]).to_vec();
    let seen = drained.iter().map(|event| match event {
        ConnectionEvent::Frame(Event::Pong(payload)) => bytes(payload),
        other => panic!("{other:?}"),
    });
    assert_eq!(seen.collect::<Vec<_>>().concat(), b"firstsecond");
}

#[test]
fn gives_who_closes_a_connection_that_is_read_only_the_rest_of_the_latest_read() {
    for (taken, wants, expected) in [(1, true, 3), (1, false, 0), (4, true, 0)] {
        let mut owner = Owner::new();
        owner.reactor.set_tasked(true);
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let config = ConnectionConfig { role: Role::Client, raw: false, ..RAW };
        let id = owner.reactor.with(|reactor| reactor.adopt(ours.as_fd(), config)).unwrap();
        for _ in 0..2 {
            // Four pongs, which are read at once.
            peer.write_all(&[0x8a, 0].repeat(4)).unwrap();
            thread::sleep(Duration::from_millis(100));
        }
        let mut records = Records { capacity: taken, taken: Vec::new(), takes_large: false };
        owner.reactor.poll(&mut owner.memory, &mut owner.used, &mut records).unwrap();
        assert_eq!(records.taken.len(), taken);
        assert_eq!(owner.reactor.drain(id, wants, false).len(), expected, "{taken} {wants}");
    }
}

/// Frames of these lengths in a row.
fn frames_of(lengths: &[usize]) -> WriteBatch {
    let mut end = 0;
    let frame = |length: &usize| {
        end += length;
        Frame::plain(end - length..end)
    };
    WriteBatch { frames: lengths.iter().map(frame).collect(), ..WriteBatch::default() }
}

#[test]
fn writes_to_each_connection_once_in_whatever_order_was_sent() {
    for tasked in [false, true] {
        let mut owner = Owner::new();
        owner.reactor.set_tasked(tasked);
        let mut ends: Vec<_> = (0..3).map(|_| owner.connect()).collect();
        // Short ones, and long ones of which the first two follow each other.
        let mut batch = frames_of(&[3, 5, 2000, 3000, 7]);
        let bytes = &numbered(0, 2000)[..5015];
        for frame in [0, 1, 2, 3, 4, 0, 3] {
            batch.writes.extend(ends.iter().map(|(id, _)| Write { id: *id, frame }));
        }
        // Nobody has the number, and there is no such frame.
        batch.writes.push(Write { id: 1000, frame: 0 });
        batch.writes.push(Write { id: ends[0].0, frame: 1000 });
        if tasked {
            assert!(owner.reactor.send(bytes, &batch));
        } else {
            owner.reactor.write(bytes, &batch, &mut Vec::new());
        }
        let expected = [bytes, &bytes[..3], &bytes[2008..5008]].concat();
        for (id, peer) in &mut ends {
            let mut received = vec![0; expected.len()];
            peer.read_exact(&mut received).unwrap();
            assert_eq!(received, expected);
            assert_eq!(owner.reactor.inspect(*id, Connection::calls), Some(1));
        }
    }
}

#[test]
fn keeps_what_full_sockets_do_not_take_in_order() {
    for tasked in [false, true] {
        let mut owner = Owner::new();
        owner.reactor.set_tasked(tasked);
        let (ids, peers): (Vec<_>, Vec<_>) = (0..3).map(|_| owner.connect()).unzip();
        let mut batch = frames_of(&[2000, 100, 600, 9000, 1, 511, 512]);
        let bytes = &numbered(0, 4000)[..12_724];
        // Not all frames of a round for each, so that they wait for different parts.
        let mut expected = vec![Vec::new(); 3];
        for round in 0..300 {
            batch.writes.clear();
            for (frame, Frame { bytes: range, .. }) in batch.frames.iter().enumerate() {
                for (index, &id) in ids.iter().enumerate() {
                    if (round + frame + index) % 5 > 0 {
                        batch.writes.push(Write { id, frame: frame as u32 });
                        expected[index].extend_from_slice(&bytes[range.clone()]);
                    }
                }
            }
            if !tasked || !owner.reactor.send(bytes, &batch) {
                owner.reactor.write(bytes, &batch, &mut Vec::new());
            }
        }
        let read = |(mut peer, expected): (UnixStream, &Vec<u8>)| {
            let mut received = vec![0; expected.len()];
            thread::spawn(move || {
                peer.read_exact(&mut received).unwrap();
                received
            })
        };
        let readers: Vec<_> = peers.into_iter().zip(&expected).map(read).collect();
        let start = Instant::now();
        while ids.iter().any(|&id| owner.reactor.inspect(id, Connection::pending).unwrap() > 0) {
            assert!(start.elapsed() < PATIENCE, "it waits for ever");
            owner.take();
        }
        for (reader, expected) in readers.into_iter().zip(expected) {
            assert!(reader.join().unwrap() == expected);
        }
    }
}
