//! Models of a reactor under two drivers: its host, its task and its peers run in many of the
//! orders in which their steps can come. Sockets and readiness set are real.
//!
//! A wake-up that gets lost leaves all of them waiting, which shuttle reports as a deadlock.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shuttle::scheduler::RandomScheduler;
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, Runner, future, thread};

use super::super::event::{
    ConnectionConfig, ConnectionEvent, ConnectionId, NO_CONNECTION, Sink, Status,
};
use super::super::reactor::Reactor;
use super::{SharedReactor, WriteBatch};
use crate::protocol::Role;

/// The orders that each model is run in.
const ORDERS: usize = 3000;

const RAW: ConnectionConfig = ConnectionConfig { raw: true, ..ConnectionConfig::new(Role::Server) };

/// Runs a model.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1024 * 1024;
    Runner::new(RandomScheduler::new(ORDERS), config).run(model);
}

/// What tells of the readiness set: once to the task, again and again to a host that watches it.
#[derive(Default)]
struct Kernel {
    is_ready: bool,
    task: Option<Waker>,
    /// The host watches, as an event loop does.
    is_watched: bool,
}

/// What the three share beside the reactor.
#[derive(Default)]
struct World {
    kernel: Mutex<Kernel>,
    /// The host has been woken.
    is_woken: Mutex<bool>,
    wake: Condvar,
}

impl World {
    fn wake_owner(&self) {
        *self.is_woken.lock().unwrap() = true;
        self.wake.notify_one();
    }

    /// A peer has done something.
    fn announce(&self) {
        let mut kernel = self.kernel.lock().unwrap();
        kernel.is_ready = true;
        let (task, is_watched) = (kernel.task.take(), kernel.is_watched);
        drop(kernel);
        if let Some(task) = task {
            task.wake();
        }
        if is_watched {
            self.wake_owner();
        }
    }

    fn poll_kernel(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut kernel = self.kernel.lock().unwrap();
        if std::mem::take(&mut kernel.is_ready) {
            return Poll::Ready(());
        }
        kernel.task = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Takes a few events at a time.
#[derive(Default)]
struct Records(Vec<(ConnectionId, ConnectionEvent)>);

impl Sink for Records {
    fn has_room(&self) -> bool {
        self.0.len() < 2
    }

    fn push(&mut self, id: ConnectionId, event: ConnectionEvent) {
        self.0.push((id, event));
    }
}

/// The host of a reactor and what it has seen.
struct Host {
    world: Arc<World>,
    reactor: Arc<SharedReactor>,
    task: thread::JoinHandle<()>,
    memory: Vec<u8>,
    used: usize,
    bytes: BTreeMap<ConnectionId, Vec<u8>>,
    written: usize,
}

impl Host {
    fn new() -> Self {
        let world = Arc::new(World::default());
        let waker = Arc::clone(&world);
        let wake = Box::new(move || waker.wake_owner());
        let reactor = SharedReactor::new(Reactor::new().unwrap(), wake, || None);
        let (kernel, driven) = (Arc::clone(&world), Arc::clone(&reactor));
        let task = thread::spawn(move || {
            future::block_on(driven.drive_by(|context| kernel.poll_kernel(context)));
        });
        let memory = vec![0; 64 * 1024];
        Self { world, reactor, task, memory, used: 0, bytes: BTreeMap::new(), written: 0 }
    }

    fn connect(&mut self) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let id = self.reactor.with(|reactor| reactor.adopt(ours.as_fd(), RAW)).unwrap();
        self.bytes.insert(id, Vec::new());
        (id, theirs)
    }

    /// Moves the work, as the binding does.
    fn set_tasked(&mut self, tasked: bool) {
        if self.reactor.set_tasked(tasked) {
            self.world.kernel.lock().unwrap().is_watched = !tasked;
            if !tasked {
                self.take();
            }
        }
    }

    /// Takes what there is.
    fn take(&mut self) {
        loop {
            let mut records = Records::default();
            let status = self.reactor.poll(&mut self.memory, &mut self.used, &mut records).unwrap();
            for (id, event) in records.0 {
                if matches!(event, ConnectionEvent::NextTurn) {
                    continue;
                }
                assert_ne!(id, NO_CONNECTION, "something has panicked");
                match event {
                    ConnectionEvent::Raw(payload) => {
                        let bytes = payload.as_slice(&self.memory);
                        self.bytes.get_mut(&id).unwrap().extend_from_slice(bytes);
                    }
                    ConnectionEvent::Written => self.written += 1,
                    ConnectionEvent::Waiting => {}
                    other => panic!("not expected: {other:?}"),
                }
            }
            match status {
                Status::MemoryFull => self.used = 0,
                Status::Idle if !self.reactor.has_ready() => return,
                _ => {}
            }
        }
    }

    /// Takes, whenever woken, until `is_done`.
    fn take_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        while !is_done(self) {
            let mut is_woken = self.world.is_woken.lock().unwrap();
            while !*is_woken {
                is_woken = self.world.wake.wait(is_woken).unwrap();
            }
            *is_woken = false;
            drop(is_woken);
            self.take();
        }
    }

    /// Ends the task.
    fn end(self) {
        self.reactor.end();
        self.task.join().unwrap();
    }
}

/// A peer that sends numbers, some bytes at a time.
fn send(world: &Arc<World>, mut peer: UnixStream, count: u8) -> thread::JoinHandle<UnixStream> {
    let world = Arc::clone(world);
    thread::spawn(move || {
        for number in 0..count {
            if peer.write_all(&[number; 100]).is_err() {
                break; // The connection is closed.
            }
            world.announce();
        }
        peer
    })
}

/// What such a peer has sent.
fn sent(count: u8) -> Vec<u8> {
    (0..count).flat_map(|number| [number; 100]).collect()
}

#[test]
fn wakes_the_owner_for_all_that_the_task_reads() {
    check(|| {
        let mut host = Host::new();
        host.set_tasked(true);
        let (first, peer) = host.connect();
        let (second, other) = host.connect();
        let peers = [send(&host.world, peer, 6), send(&host.world, other, 3)];
        // Beyond what may be on the way: the task has to learn when it may go on.
        let all =
            move |host: &Host| host.bytes[&first].len() == 600 && host.bytes[&second].len() == 300;
        host.take_until(all);
        assert_eq!(host.bytes[&first], sent(6));
        assert_eq!(host.bytes[&second], sent(3));
        for peer in peers {
            drop(peer.join().unwrap());
        }
        host.end();
    });
}

#[test]
fn loses_and_overtakes_nothing_when_the_work_moves() {
    for moves in [[true, false, true, false, true], [false, true, false, true, false]] {
        check(move || {
            let mut host = Host::new();
            let (id, peer) = host.connect();
            let peer = send(&host.world, peer, 6);
            for tasked in moves {
                host.set_tasked(tasked);
                thread::yield_now();
            }
            host.take_until(|host| host.bytes[&id].len() == 600);
            assert_eq!(host.bytes[&id], sent(6));
            drop(peer.join().unwrap());
            host.end();
        });
    }
}

#[test]
fn writes_in_order_whoever_writes() {
    check(|| {
        let mut host = Host::new();
        let (id, mut peer) = host.connect();
        let mut expected = Vec::new();
        for number in 0..8_u8 {
            let bytes = [number; 10];
            expected.extend(bytes);
            match number % 4 {
                0 => host.set_tasked(number % 8 == 0),
                1 => thread::yield_now(),
                _ => {}
            }
            let batch = WriteBatch::of(id, 0..10);
            let left = match number % 3 {
                0 => host.reactor.send(&bytes, &batch),
                1 => host.reactor.send_long(id, &bytes[..3], &bytes[3..]),
                _ => false,
            };
            if !left {
                host.reactor.write(&bytes, &batch, &mut Vec::new());
            }
        }
        // What is left is written before the task ends.
        host.end();
        peer.set_nonblocking(true).unwrap();
        let mut received = vec![0; 200];
        let count = peer.read(&mut received).unwrap();
        assert_eq!(received[..count], expected);
    });
}

#[test]
fn tells_of_what_waits_and_of_its_end() {
    check(|| {
        let mut host = Host::new();
        host.set_tasked(true);
        let (id, mut peer) = host.connect();
        let world = Arc::clone(&host.world);
        let bytes = vec![7; 600_000];
        assert!(host.reactor.send_long(id, &[], &bytes));
        let reader = thread::spawn(move || {
            peer.set_nonblocking(true).unwrap();
            let mut space = vec![0; 600_000];
            let mut count = 0;
            while count < 600_000 {
                match peer.read(&mut space) {
                    Ok(read) => count += read,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
                world.announce();
            }
            peer
        });
        host.take_until(|host| host.written == 1);
        drop(reader.join().unwrap());
        host.end();
    });
}

#[test]
fn gives_a_number_away_only_when_nothing_of_it_is_on_the_way() {
    check(|| {
        let mut host = Host::new();
        host.set_tasked(true);
        let (id, peer) = host.connect();
        let old = send(&host.world, peer, 3);
        thread::yield_now();
        host.reactor.close(id, false);
        let (again, peer) = host.connect();
        assert_eq!(again, id);
        let world = Arc::clone(&host.world);
        let new = thread::spawn(move || {
            let mut peer = peer;
            peer.write_all(&[9; 50]).unwrap();
            world.announce();
            peer
        });
        host.take_until(|host| host.bytes[&id].len() >= 50);
        assert_eq!(host.bytes[&id], [9; 50]);
        let _ = old.join();
        drop(new.join().unwrap());
        host.end();
    });
}

#[test]
fn takes_what_is_left_from_who_changes_something_meanwhile() {
    check(|| {
        let mut host = Host::new();
        host.set_tasked(true);
        let (id, peer) = host.connect();
        let peer = send(&host.world, peer, 2);
        host.reactor.with(|reactor| reactor.update(id, |it| it.set_paused(true)));
        host.reactor.with(|reactor| reactor.write(id, &mut [IoSlice::new(b"x")]));
        host.reactor.with(|reactor| reactor.update(id, |it| it.set_paused(false)));
        host.take_until(|host| host.bytes[&id].len() == 200);
        assert_eq!(host.bytes[&id], sent(2));
        drop(peer.join().unwrap());
        host.end();
    });
}
