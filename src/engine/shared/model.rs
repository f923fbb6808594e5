//! Models of a reactor under two drivers: its owner, its task and its peers run in many of the
//! orders in which their steps can come. Sockets and readiness set are real.
//!
//! A wake-up that gets lost leaves everybody waiting, which shuttle reports as a deadlock.

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

/// What tells of the readiness set: once to the task, again and again to an owner that watches it.
#[derive(Default)]
struct Kernel {
    is_ready: bool,
    task: Option<Waker>,
    /// The owner watches, as an event loop does.
    is_watched: bool,
}

/// What the three share beside the reactor.
#[derive(Default)]
struct World {
    kernel: Mutex<Kernel>,
    /// The owner has been woken.
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

/// The owner of a reactor and what he has seen.
struct Owner {
    world: Arc<World>,
    reactor: Arc<SharedReactor>,
    task: thread::JoinHandle<()>,
    memory: Vec<u8>,
    used: usize,
    bytes: BTreeMap<ConnectionId, Vec<u8>>,
    written: usize,
}

impl Owner {
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
        let mut owner = Owner::new();
        owner.set_tasked(true);
        let (first, peer) = owner.connect();
        let (second, other) = owner.connect();
        let peers = [send(&owner.world, peer, 6), send(&owner.world, other, 3)];
        // Beyond what may be on the way: the task has to be told when it may go on.
        let all = move |owner: &Owner| {
            owner.bytes[&first].len() == 600 && owner.bytes[&second].len() == 300
        };
        owner.take_until(all);
        assert_eq!(owner.bytes[&first], sent(6));
        assert_eq!(owner.bytes[&second], sent(3));
        for peer in peers {
            drop(peer.join().unwrap());
        }
        owner.end();
    });
}

#[test]
fn loses_and_overtakes_nothing_when_the_work_moves() {
    for moves in [[true, false, true, false, true], [false, true, false, true, false]] {
        check(move || {
            let mut owner = Owner::new();
            let (id, peer) = owner.connect();
            let peer = send(&owner.world, peer, 6);
            for tasked in moves {
                owner.set_tasked(tasked);
                thread::yield_now();
            }
            owner.take_until(|owner| owner.bytes[&id].len() == 600);
            assert_eq!(owner.bytes[&id], sent(6));
            drop(peer.join().unwrap());
            owner.end();
        });
    }
}

#[test]
fn writes_in_order_whoever_writes() {
    check(|| {
        let mut owner = Owner::new();
        let (id, mut peer) = owner.connect();
        let mut expected = Vec::new();
        for number in 0..8_u8 {
            let bytes = [number; 10];
            expected.extend(bytes);
            match number % 4 {
                0 => owner.set_tasked(number % 8 == 0),
                1 => thread::yield_now(),
                _ => {}
            }
            let batch = WriteBatch::of(id, 0..10);
            let left = match number % 3 {
                0 => owner.reactor.send(&bytes, &batch),
                1 => owner.reactor.send_long(id, &bytes[..3], &bytes[3..]),
                _ => false,
            };
            if !left {
                owner.reactor.write(&bytes, &batch, &mut Vec::new());
            }
        }
        // What is left is written before the task ends.
        owner.end();
        peer.set_nonblocking(true).unwrap();
        let mut received = vec![0; 200];
        let count = peer.read(&mut received).unwrap();
        assert_eq!(received[..count], expected);
    });
}

#[test]
fn tells_of_what_waits_and_of_its_end() {
    check(|| {
        let mut owner = Owner::new();
        owner.set_tasked(true);
        let (id, mut peer) = owner.connect();
        let world = Arc::clone(&owner.world);
        let bytes = vec![7; 600_000];
        assert!(owner.reactor.send_long(id, &[], &bytes));
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
        owner.take_until(|owner| owner.written == 1);
        drop(reader.join().unwrap());
        owner.end();
    });
}

#[test]
fn gives_a_number_away_only_when_nothing_of_it_is_on_the_way() {
    check(|| {
        let mut owner = Owner::new();
        owner.set_tasked(true);
        let (id, peer) = owner.connect();
        let old = send(&owner.world, peer, 3);
        thread::yield_now();
        owner.reactor.close(id, false);
        let (again, peer) = owner.connect();
        assert_eq!(again, id);
        let world = Arc::clone(&owner.world);
        let new = thread::spawn(move || {
            let mut peer = peer;
            peer.write_all(&[9; 50]).unwrap();
            world.announce();
            peer
        });
        owner.take_until(|owner| owner.bytes[&id].len() >= 50);
        assert_eq!(owner.bytes[&id], [9; 50]);
        let _ = old.join();
        drop(new.join().unwrap());
        owner.end();
    });
}

#[test]
fn takes_what_is_left_from_who_changes_something_meanwhile() {
    check(|| {
        let mut owner = Owner::new();
        owner.set_tasked(true);
        let (id, peer) = owner.connect();
        let peer = send(&owner.world, peer, 2);
        owner.reactor.with(|reactor| reactor.update(id, |it| it.set_paused(true)));
        owner.reactor.with(|reactor| reactor.write(id, &mut [IoSlice::new(b"x")]));
        owner.reactor.with(|reactor| reactor.update(id, |it| it.set_paused(false)));
        owner.take_until(|owner| owner.bytes[&id].len() == 200);
        assert_eq!(owner.bytes[&id], sent(2));
        drop(peer.join().unwrap());
        owner.end();
    });
}
