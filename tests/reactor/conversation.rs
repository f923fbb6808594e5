//! A long conversation with interruptions, and what the system says of sockets.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxws::engine::{ConnectionConfig, MIN_READ, Reactor};
use oxws::protocol::{Opcode, Role};
use rustix::net::sockopt;

use super::driver::{
    CLIENT, Driver, SERVER, frame_to, max_payload, pattern, tcp_pair, text_to, wakes,
};
use super::support::{PATIENCE, Seen, text};

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
