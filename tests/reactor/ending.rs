//! Ends, resets and failures; what waits for the kernel; connections that are closed or paused.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use oxws::engine::{FailedCall, MIN_READ};
use oxws::protocol::{Opcode, Role};

use super::driver::{Driver, RAW, SERVER, fill, frame_to, pattern, reset, text_to};
use super::support::{PATIENCE, Seen, text};

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
#[cfg(target_os = "linux")]
fn takes_a_reset_for_the_end_of_what_has_come_along_with_it() {
    let long = pattern(80_000);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &long);
    let texts = text_to(Role::Server, "a").repeat(3);
    let all = vec![text("a"); 3];
    for (before, sent, seen) in [
        (&[][..], &texts[..], &all[..]),
        (&[], &texts[..texts.len() - 1], &all[..2]),
        (&frame[..40_000], &frame[40_000..60_000], &[]),
        // What a reset overtakes is lost.
        (&frame[..40_000], &frame[40_000..], &[Seen::Binary(long)]),
    ] {
        for takes_large in [false, true] {
            let mut driver = Driver::new();
            driver.records.takes_large = takes_large;
            let (id, mut theirs) = driver.tcp_pair(SERVER);
            theirs.write_all(&text_to(Role::Server, "before")).unwrap();
            driver.expect(&[(id, text("before"))]);
            theirs.write_all(before).unwrap();
            driver.expect(&[]);
            theirs.write_all(sent).unwrap();
            reset(theirs);
            let seen = seen.iter().chain([&Seen::End]).map(|it| (id, it.clone()));
            driver.expect(&seen.collect::<Vec<_>>());
            assert!(driver.connection(id).failure().is_none());
            // The error is told where something is written.
            assert_eq!(driver.write(id, b"to nobody"), 9);
            driver.expect(&[(id, Seen::Failed(io::ErrorKind::ConnectionReset))]);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn reads_what_has_come_along_with_a_reset_before_it_writes_what_waits() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.tcp_pair(SERVER);
    fill(&mut driver, id);
    theirs.write_all(&text_to(Role::Server, "last")).unwrap();
    reset(theirs);
    let failed = Seen::Failed(io::ErrorKind::ConnectionReset);
    driver.expect(&[(id, text("last")), (id, Seen::End), (id, failed)]);
    assert_eq!(driver.connection(id).failure().unwrap().0, FailedCall::WriteAtEnd);
}

#[test]
fn reports_reads_that_bring_nothing_else_where_it_is_asked_to() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let frame = text_to(Role::Server, "slow");
    theirs.write_all(&frame[..3]).unwrap();
    driver.expect(&[]);
    driver.reactor.update(id, |it| it.set_reporting_reads(true));
    driver.expect(&[]);
    theirs.write_all(&frame[3..4]).unwrap();
    driver.expect(&[(id, Seen::Read)]);
    theirs.write_all(&frame[4..]).unwrap();
    driver.expect(&[(id, text("slow")), (id, Seen::Read)]);
    driver.reactor.update(id, |it| it.set_reporting_reads(false));
    theirs.write_all(&frame).unwrap();
    drop(theirs);
    driver.expect(&[(id, text("slow")), (id, Seen::End)]);
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
