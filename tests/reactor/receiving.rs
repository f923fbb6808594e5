//! What a reactor reads, and when.

use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use oxws::engine::{MIN_READ, Status};
use oxws::protocol::{Opcode, Role};
use rustix::net::sockopt;

use super::driver::{
    CLIENT, Driver, RAW, SERVER, frame_overhead, frame_to, pattern, reset, text_to, wakes,
};
use super::support::{Seen, see, text};

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
    let rest = Seen::Raw(frames[frames.len() / 2..].to_vec());
    let fed = Seen::Raw(b"fed".to_vec());
    driver.expect(&[(id, text("a")), (id, text("a")), (id, rest), (id, fed)]);
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
    let drained: Vec<_> = drained.into_iter().map(|event| see(event, &[])).collect();
    assert_eq!(drained, [text("a"), text("a")]);
}

/// Whether a reset is the end of what has come along with it, as it is to libuv.
const IS_END: bool = cfg!(any(target_os = "linux", target_os = "android"));

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
        if sent && (!reset || IS_END) {
            // What comes before it isn't read.
            driver.expect(&[]);
            driver.reactor.update(id, |it| it.set_paused(false));
            driver.expect(&[(id, text("unread")), (id, Seen::End)]);
            continue;
        }
        driver.expect(&[(id, end)]);
        let drained = driver.reactor.drain(id, false);
        let drained: Vec<_> = drained.into_iter().map(|it| see(it, &[])).collect();
        assert_eq!(drained, if sent { vec![text("unread")] } else { vec![] });
    }
}

#[test]
fn is_told_of_a_reset_of_a_paused_connection_behind_what_had_come() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    driver.reactor.update(id, |it| it.set_paused(true));
    theirs.write_all(&text_to(Role::Server, "unread")).unwrap();
    driver.expect(&[]);
    reset(theirs);
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::ConnectionReset))]);
    let drained = driver.reactor.drain(id, false);
    assert!(drained.into_iter().map(|it| see(it, &[])).eq([text("unread")]));
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
fn reads_as_much_as_ever_where_little_memory_is_left() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.used = driver.memory.len() - MIN_READ - 10;
    theirs.write_all(&text_to(Role::Server, &"a".repeat(1000)).repeat(50)).unwrap();
    assert_eq!(driver.poll(), Status::MemoryFull);
    assert_eq!(driver.seen.len(), 4);
    driver.poll();
    assert_eq!(driver.seen, vec![(id, text(&"a".repeat(1000))); 50]);
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
