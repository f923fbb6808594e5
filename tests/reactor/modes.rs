//! Raw mode, violations, panics and limits that change.

use std::io::{self, Read, Write};

use oxws::engine::{ConnectionConfig, Fault, NO_CONNECTION};
use oxws::protocol::{Opcode, ProtocolError, Role};

use super::driver::{Driver, RAW, SERVER, fill, frame_to, max_payload, pattern, text_to, wakes};
use super::support::{Seen, text};

#[test]
fn moves_bytes_in_raw_mode_and_frames_again_after_it() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(RAW);
    driver.reactor.update(id, |it| it.feed(b"\xff\xff"));
    driver.expect(&[(id, Seen::Raw(b"\xff\xff".to_vec()))]);
    theirs.write_all(b"anything").unwrap();
    driver.expect(&[(id, Seen::Raw(b"anything".to_vec()))]);
    driver.reactor.update(id, |it| it.set_raw(false));
    theirs.write_all(&text_to(Role::Server, "frame")).unwrap();
    driver.expect(&[(id, text("frame"))]);
    driver.reactor.update(id, |it| it.set_raw(true));
    theirs.write_all(b"again").unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::Raw(b"again".to_vec())), (id, Seen::End)]);
}

#[test]
fn becomes_raw_where_the_message_ends() {
    let stream = [
        frame_to(Role::Server, false, Opcode::Text, b"a mess"),
        frame_to(Role::Server, true, Opcode::Ping, b"between"),
        frame_to(Role::Server, true, Opcode::Continuation, b"age"),
    ]
    .concat();
    for cut in 1..stream.len() {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.pair(SERVER);
        theirs.write_all(&stream[..cut]).unwrap();
        driver.settle();
        driver.reactor.update(id, |it| it.set_raw(true));
        theirs.write_all(&stream[cut..]).unwrap();
        theirs.write_all(b"raw bytes").unwrap();
        driver.expect(&[
            (id, Seen::Ping(b"between".to_vec())),
            (id, text("a message")),
            (id, Seen::Raw(b"raw bytes".to_vec())),
        ]);
    }
}

#[test]
fn discards_everything_after_a_violation() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs.write_all(&text_to(Role::Server, "fine")).unwrap();
    // A server expects masked frames.
    theirs.write_all(&text_to(Role::Client, "not masked")).unwrap();
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    driver.expect(&[(id, text("fine")), (id, Seen::Violation(ProtocolError::ExpectedMask))]);
    let flood = pattern(200_000);
    let sender = std::thread::spawn(move || theirs.write_all(&flood).unwrap());
    driver.expect(&[(id, Seen::End)]);
    sender.join().unwrap();
    assert_eq!(driver.write(id, b""), 0);
}

#[test]
fn loses_the_connection_that_it_panics_over_while_receiving() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let (other, mut peer) = driver.pair(SERVER);
    driver.reactor.inject(id, Fault::Receive);
    for stream in [&mut theirs, &mut peer] {
        stream.write_all(&text_to(Role::Server, "sent")).unwrap();
    }
    driver.expect(&[(other, text("sent")), (id, Seen::Fault)]);
    // Whoever owns it can still say why it goes.
    assert_eq!(driver.write(id, b"why"), 0);
    let mut bytes = [0; 3];
    theirs.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"why");
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    peer.write_all(&text_to(Role::Server, "taken")).unwrap();
    driver.expect(&[(other, text("taken"))]);
    driver.reactor.inject(id, Fault::Receive);
    theirs.write_all(b"once more").unwrap();
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
}

#[test]
fn writes_nothing_behind_a_panic_that_leaves_a_frame_half_written() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.reactor.inject(id, Fault::Write);
    assert_eq!(driver.write(id, b"first"), 5);
    assert_eq!(driver.write(id, b"second"), 11);
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
    driver.reactor.close(id, false);
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"");
    // The same where it comes while what waits is written.
    let (id, mut theirs) = driver.pair(SERVER);
    let filled = fill(&mut driver, id).len();
    let waiting = driver.connection(id).pending();
    let written = filled - waiting;
    driver.reactor.inject(id, Fault::Write);
    theirs.read_exact(&mut vec![0; written]).unwrap();
    driver.expect(&[(id, Seen::Fault), (id, Seen::Failed(io::ErrorKind::Other))]);
    assert_eq!(driver.write(id, b"more"), waiting + 4);
}

#[test]
fn loses_nothing_by_a_panic_that_is_of_no_connection() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    let (_, quiet) = driver.pair(SERVER);
    driver.poll();
    theirs.write_all(&text_to(Role::Server, "sent")).unwrap();
    driver.reactor.inject(id, Fault::Reactor);
    driver.expect(&[(NO_CONNECTION, Seen::Fault), (id, text("sent"))]);
    assert!(!driver.reactor.has_ready());
    drop(quiet);
}

#[test]
fn discards_everything_after_a_close_frame() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    theirs
        .write_all(&frame_to(Role::Server, true, Opcode::Close, &1000_u16.to_be_bytes()))
        .unwrap();
    theirs.write_all(&text_to(Role::Server, "discarded")).unwrap();
    driver.expect(&[(id, Seen::Close(Some(1000)))]);
    theirs.write_all(b"discarded").unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::End)]);
    assert_eq!(driver.used, text_to(Role::Server, "").len() + 2);
}

#[test]
fn takes_changed_limits_from_the_next_frame_on() {
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&text_to(Role::Server, "12345")).unwrap();
    driver.expect(&[(id, text("12345"))]);
    driver.reactor.update(id, |it| it.set_limits(max_payload(6), true));
    theirs.write_all(&text_to(Role::Server, "123456")).unwrap();
    theirs.write_all(&frame_to(Role::Server, true, Opcode::Text, b"")).unwrap();
    driver.expect(&[(id, text("123456")), (id, text(""))]);
    driver.reactor.update(id, |it| it.set_limits(max_payload(1), true));
    theirs.write_all(&text_to(Role::Server, "12")).unwrap();
    drop(theirs);
    driver
        .expect(&[(id, Seen::Violation(ProtocolError::UnsupportedMessageLength)), (id, Seen::End)]);
}

#[test]
fn goes_on_with_a_refused_frame_when_the_limit_is_raised_at_once() {
    let refused = Seen::Violation(ProtocolError::UnsupportedMessageLength);
    let stream = [text_to(Role::Server, "too long"), text_to(Role::Server, "next")].concat();
    // The header alone, a part of the payload, all of it.
    for first in [6, 9, stream.len()] {
        let mut driver = Driver::new();
        let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
        theirs.write_all(&stream[..first]).unwrap();
        driver.until(|driver| !driver.seen.is_empty());
        driver.reactor.update(id, |it| it.set_limits(max_payload(8), false));
        theirs.write_all(&stream[first..]).unwrap();
        driver.expect(&[(id, refused.clone()), (id, text("too long")), (id, text("next"))]);
    }
    // Refused where the records are full.
    let mut driver = Driver::with(64 * 1024, 1);
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&[text_to(Role::Server, "short"), stream.clone()].concat()).unwrap();
    driver.until(|driver| driver.seen.len() == 2);
    driver.reactor.update(id, |it| it.set_limits(max_payload(8), false));
    driver.expect(&[
        (id, text("short")),
        (id, refused.clone()),
        (id, text("too long")),
        (id, text("next")),
    ]);
    // A limit that is not raised, or raised too late, changes nothing.
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(ConnectionConfig { limits: max_payload(5), ..SERVER });
    theirs.write_all(&stream).unwrap();
    driver.until(|driver| !driver.seen.is_empty());
    driver.reactor.update(id, |it| it.set_limits(max_payload(5), false));
    driver.settle();
    driver.reactor.update(id, |it| it.set_limits(max_payload(0), false));
    theirs.write_all(&stream).unwrap();
    drop(theirs);
    driver.expect(&[(id, refused), (id, Seen::End)]);
}

#[test]
fn hears_of_a_unix_socket_only_what_concerns_it() {
    // Registered for writing, it would be woken whenever its peer reads.
    let mut driver = Driver::new();
    let (id, mut theirs) = driver.pair(SERVER);
    driver.settle();
    assert!(!wakes(&driver));
    for _ in 0..3 {
        assert_eq!(driver.write(id, b"answer"), 0);
        theirs.read_exact(&mut [0; 6]).unwrap();
        assert!(!wakes(&driver));
    }
}
