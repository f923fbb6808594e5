//! Large messages, which their reader receives where they stay.

use std::io::{self, Write};
use std::net::TcpStream;

use oxws::engine::{ConnectionConfig, ConnectionId};
use oxws::protocol::{Opcode, ProtocolError, Role};

use super::driver::{CLIENT, Driver, SERVER, frame_to, max_payload, pattern, reset, text_to};
use super::support::{Seen, text};

/// A driver that receives large messages apart, behind the first one of a connection.
fn apart(config: ConnectionConfig) -> (Driver, ConnectionId, TcpStream) {
    let mut driver = Driver::new();
    driver.records.takes_large = true;
    let (id, mut theirs) = driver.tcp_pair(config);
    let first = frame_to(config.role, true, Opcode::Binary, &pattern(65_536));
    theirs.write_all(&first).unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(65_536)))]);
    assert_eq!((driver.apart, driver.owned), (0, 1));
    (driver, id, theirs)
}

#[test]
fn receives_large_messages_where_they_stay() {
    for config in [SERVER, CLIENT] {
        let (mut driver, id, mut theirs) = apart(config);
        let sender = std::thread::spawn(move || {
            for length in [65_536, 200_001, 100, 70_000, 70_000, 70_000] {
                let frame = frame_to(config.role, true, Opcode::Binary, &pattern(length));
                theirs.write_all(&frame).unwrap();
            }
            theirs.write_all(&frame_to(config.role, true, Opcode::Ping, b"small")).unwrap();
            theirs.write_all(&text_to(config.role, &"ä".repeat(40_000))).unwrap();
        });
        let mut expected: Vec<_> = [65_536, 200_001, 100, 70_000, 70_000, 70_000]
            .map(|length| (id, Seen::Binary(pattern(length))))
            .into();
        expected.push((id, Seen::Ping(b"small".to_vec())));
        expected.push((id, text(&"ä".repeat(40_000))));
        expected.push((id, Seen::End));
        driver.expect(&expected);
        // Behind a small message the first large one comes as if it were the only one.
        assert!((3..=5).contains(&driver.apart), "{}", driver.apart);
        sender.join().unwrap();
    }
}

#[test]
fn receives_a_large_message_bit_by_bit() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    theirs.write_all(&frame[..14]).unwrap();
    driver.settle();
    for part in frame[14..].chunks(9_999) {
        theirs.write_all(part).unwrap();
        driver.settle();
    }
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    assert_eq!(driver.apart, 1);
    // Cut in the header, which makes it one as any other.
    theirs.write_all(&frame[..5]).unwrap();
    driver.settle();
    theirs.write_all(&frame[5..]).unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    // A part of it is paused, and overtaken by bytes that are fed.
    theirs.write_all(&frame[..50_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.set_paused(true));
    theirs.write_all(&frame[50_000..60_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.feed(&frame[60_000..]));
    driver.expect(&[]);
    driver.reactor.update(id, |it| it.set_paused(false));
    driver.expect(&[(id, Seen::Binary(pattern(100_000)))]);
    assert!(driver.large.is_empty());
}

#[test]
fn ends_in_the_middle_of_a_large_message() {
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    drop(theirs);
    driver.expect(&[(id, Seen::End)]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    reset(theirs);
    driver.expect(&[(id, Seen::Failed(io::ErrorKind::ConnectionReset))]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    driver.reactor.close(id, false);
    assert_eq!(driver.reactor.update(id, |it| it.receive_apart(&mut [0; 10])), None);
    driver.expect(&[]);
}

#[test]
fn checks_a_large_message_as_it_arrives() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let mut payload = vec![b'a'; 100_000];
    payload[30_000] = 0xff;
    let frame = frame_to(Role::Server, true, Opcode::Text, &payload);
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.expect(&[(id, Seen::Violation(ProtocolError::InvalidUtf8))]);
    theirs.write_all(&frame[40_000..]).unwrap();
    driver.expect(&[]);

    let (mut driver, id, mut theirs) = apart(SERVER);
    driver.reactor.update(id, |it| it.set_limits(max_payload(99_999), false));
    let frame = frame_to(Role::Server, true, Opcode::Binary, &payload);
    theirs.write_all(&frame).unwrap();
    driver.expect(&[(id, Seen::Violation(ProtocolError::UnsupportedMessageLength))]);
}

#[test]
fn becomes_raw_where_a_large_message_ends() {
    let (mut driver, id, mut theirs) = apart(SERVER);
    let frame = frame_to(Role::Server, true, Opcode::Binary, &pattern(100_000));
    theirs.write_all(&frame[..40_000]).unwrap();
    driver.settle();
    driver.reactor.update(id, |it| it.set_raw(true));
    theirs.write_all(&frame[40_000..]).unwrap();
    theirs.write_all(b"raw bytes").unwrap();
    driver.expect(&[(id, Seen::Binary(pattern(100_000))), (id, Seen::Raw(b"raw bytes".to_vec()))]);
}
