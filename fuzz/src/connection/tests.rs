//! Scenarios of two connections and the link between them, in virtual time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Connection, ConnectionConfig, ConnectionError, SendError, State, Transmit};
use oxws::protocol::deflate::{ClientConfig, InflateError, Parameters, ServerConfig, WindowBits};
use oxws::protocol::{
    CloseCode, Decoder, DecoderConfig, Event, Limits, Opcode, ProtocolError, Role,
};

const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

type Keys = fn() -> [u8; 4];

/// What an endpoint got.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Fragments(Vec<u8>, Vec<usize>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Error(ConnectionError),
    Eof,
    Abort,
}

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

fn close(code: u16, reason: &str) -> Seen {
    Seen::Close(Some(code), reason.to_owned())
}

fn seen(event: Event, input: &[u8]) -> Seen {
    match event {
        Event::Text { payload, fragments } | Event::Binary { payload, fragments }
            if !fragments.is_empty() =>
        {
            Seen::Fragments(payload.as_slice(input).to_vec(), fragments)
        }
        Event::Text { payload, .. } => {
            Seen::Text(String::from_utf8(payload.as_slice(input).to_vec()).unwrap())
        }
        Event::Binary { payload, .. } => Seen::Binary(payload.as_slice(input).to_vec()),
        Event::Ping(payload) => Seen::Ping(payload.as_slice(input).to_vec()),
        Event::Pong(payload) => Seen::Pong(payload.as_slice(input).to_vec()),
        Event::Close { code, reason } => {
            let reason = String::from_utf8(reason.as_slice(input).to_vec()).unwrap();
            Seen::Close(code.map(u16::from), reason)
        }
        Event::CompressedFrame { .. } => panic!("a connection inflates"),
    }
}

/// A connection, what is under way to it, and what it has got so far.
struct Endpoint {
    connection: Connection<Keys>,
    inbox: VecDeque<Transmit>,
    seen: Vec<Seen>,
}

impl Endpoint {
    fn new(config: ConnectionConfig) -> Self {
        let keys: Keys = match config.role {
            Role::Client => || KEY,
            Role::Server => || panic!("a server masks nothing"),
        };
        let connection = Connection::new(config, keys);
        Self { connection, inbox: VecDeque::new(), seen: Vec::new() }
    }

    /// Receives one chunk.
    fn receive(&mut self, now: Instant, chunk: &[u8]) {
        let mut input = chunk.to_vec();
        let mut position = 0;
        loop {
            match self.connection.receive(now, &mut input, &mut position) {
                Ok(Some(event)) => self.seen.push(seen(event, &input)),
                Ok(None) => break,
                Err(error) => self.seen.push(Seen::Error(error)),
            }
        }
        assert_eq!(position, input.len());
    }

    fn close_code(&self) -> u16 {
        self.connection.close_code().as_u16()
    }

    #[track_caller]
    fn assert_closed(&self, code: u16) {
        assert_eq!(self.connection.state(), State::Closed);
        assert_eq!(self.connection.poll_timeout(), None, "a timer is left");
        assert_eq!(self.connection.buffered_amount(), 0);
        assert!(!self.connection.close_expected());
        assert_eq!(self.close_code(), code);
    }
}

/// A client, a server and the link between them.
struct Pair {
    now: Instant,
    client: Endpoint,
    server: Endpoint,
    /// The length of the chunks in which data arrives.
    chunk_length: usize,
}

impl Pair {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A pair whose configurations are changed by `change`.
    fn with(change: impl Fn(&mut ConnectionConfig)) -> Self {
        let endpoint = |role| {
            let mut config = ConnectionConfig::new(role);
            change(&mut config);
            Endpoint::new(config)
        };
        let (client, server) = (endpoint(Role::Client), endpoint(Role::Server));
        Self { now: Instant::now(), client, server, chunk_length: usize::MAX }
    }

    fn endpoint(&mut self, role: Role) -> &mut Endpoint {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn connection(&mut self, role: Role) -> &mut Connection<Keys> {
        &mut self.endpoint(role).connection
    }

    fn send_close(&mut self, role: Role, code: u16, reason: &str) {
        let now = self.now;
        self.connection(role).send_close(now, Some(CloseCode::new(code)), reason).unwrap();
    }

    /// Puts what `role` has to send on the link.
    fn transmit(&mut self, role: Role) {
        while let Some(transmit) = self.connection(role).poll_transmit() {
            let peer = self.endpoint(role.peer());
            match transmit {
                Transmit::Data(data) => {
                    let length = self.chunk_length;
                    let chunks = data.chunks(length).map(|chunk| Transmit::Data(chunk.into()));
                    self.endpoint(role.peer()).inbox.extend(chunks);
                }
                transmit => peer.inbox.push_back(transmit),
            }
        }
    }

    /// Delivers the first of what is under way to `role`; whether there was anything.
    fn deliver(&mut self, role: Role) -> bool {
        let now = self.now;
        let endpoint = self.endpoint(role);
        let Some(transmit) = endpoint.inbox.pop_front() else { return false };
        match transmit {
            Transmit::Data(data) => endpoint.receive(now, &data),
            Transmit::Eof => {
                endpoint.seen.push(Seen::Eof);
                endpoint.connection.receive_eof(now);
            }
            Transmit::Abort => {
                endpoint.seen.push(Seen::Abort);
                endpoint.connection.terminate();
            }
        }
        true
    }

    /// Sends and delivers one thing to each side; whether there was anything.
    fn step(&mut self) -> bool {
        self.transmit(Role::Client);
        self.transmit(Role::Server);
        let delivered = [self.deliver(Role::Server), self.deliver(Role::Client)];
        delivered.contains(&true)
    }

    fn run(&mut self) {
        while self.step() {}
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        let now = self.now;
        self.client.connection.handle_timeout(now);
        self.server.connection.handle_timeout(now);
    }
}

fn twins(test: impl Fn(Role)) {
    test(Role::Client);
    test(Role::Server);
}

/// The events in the bytes that `role` sends, with `deflate` as agreed.
fn frames_of(role: Role, connection: &mut Connection<Keys>) -> Vec<Event> {
    let mut decoder = Decoder::new(DecoderConfig {
        role: role.peer(),
        limits: Limits::default(),
        permessage_deflate: true,
        skip_utf8_validation: false,
    });
    let mut events = Vec::new();
    while let Some(Transmit::Data(mut data)) = connection.poll_transmit() {
        let mut position = 0;
        while let Some(event) = decoder.decode(&mut data, &mut position).unwrap() {
            events.push(event);
        }
    }
    events
}

/// An unmasked frame, or one masked with zeros when it is for a server.
fn raw_frame(to: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let length = payload.len() as u8;
    let head = match to {
        Role::Server => vec![first, 0x80 | length, 0, 0, 0, 0],
        Role::Client => vec![first, length],
    };
    [&head[..], payload].concat()
}

// Messages.

#[test]
fn exchanges_messages() {
    for chunk_length in [1, 3, usize::MAX] {
        twins(|sender| {
            let mut pair = Pair::new();
            pair.chunk_length = chunk_length;
            let connection = pair.connection(sender);
            connection.send_text("héllo").unwrap();
            connection.send_binary(&[7; 70_000]).unwrap();
            connection.send_text("").unwrap();
            connection.send_ping(b"?").unwrap();
            connection.send_pong(b"!").unwrap();
            pair.run();
            let expected = [
                text("héllo"),
                Seen::Binary(vec![7; 70_000]),
                text(""),
                Seen::Ping(b"?".to_vec()),
                Seen::Pong(b"!".to_vec()),
            ];
            assert_eq!(pair.endpoint(sender.peer()).seen, expected);
            assert_eq!(pair.endpoint(sender).seen, [Seen::Pong(b"?".to_vec())]);
            assert_eq!(pair.connection(sender).state(), State::Open);
        });
    }
}

#[test]
fn exchanges_fragmented_messages_with_control_frames_between() {
    twins(|sender| {
        let mut pair = Pair::new();
        let connection = pair.connection(sender);
        connection.send_fragment(Opcode::Text, b"a\xe2", false).unwrap();
        connection.send_ping(b"").unwrap();
        connection.send_fragment(Opcode::Continuation, b"\x82\xac", false).unwrap();
        connection.send_fragment(Opcode::Continuation, b"", true).unwrap();
        connection.send_binary(b"next").unwrap();
        pair.run();
        let expected = [
            Seen::Ping(vec![]),
            Seen::Fragments("a€".into(), vec![2, 2]),
            Seen::Binary(b"next".to_vec()),
        ];
        assert_eq!(pair.endpoint(sender.peer()).seen, expected);
    });
}

#[test]
fn masks_as_client_with_the_keys_of_the_caller() {
    let mut pair = Pair::new();
    pair.client.connection.send_binary(&[0; 4]).unwrap();
    pair.server.connection.send_binary(&[0; 4]).unwrap();
    let masked = [&[0x82, 0x84], &KEY[..], &KEY[..]].concat();
    let Some(Transmit::Data(data)) = pair.client.connection.poll_transmit() else { panic!() };
    assert_eq!(data, masked);
    let Some(Transmit::Data(data)) = pair.server.connection.poll_transmit() else { panic!() };
    assert_eq!(data, [0x82, 4, 0, 0, 0, 0]);
    assert_eq!(pair.client.connection.poll_transmit(), None);
}

#[test]
fn counts_what_is_not_transmitted() {
    let mut pair = Pair::new();
    pair.server.connection.send_binary(&[0; 200]).unwrap();
    assert_eq!(pair.server.connection.buffered_amount(), 204);
    pair.run();
    assert_eq!(pair.server.connection.buffered_amount(), 0);
}

#[test]
fn refuses_what_it_cannot_send() {
    twins(|role| {
        let mut pair = Pair::new();
        let now = pair.now;
        let connection = pair.connection(role);
        assert_eq!(connection.send_ping(&[0; 126]), Err(SendError::ControlPayloadTooLong));
        assert_eq!(connection.send_pong(&[0; 126]), Err(SendError::ControlPayloadTooLong));
        for opcode in [Opcode::Continuation, Opcode::Ping, Opcode::Close] {
            let result = connection.send_fragment(opcode, b"", true);
            assert_eq!(result, Err(SendError::InvalidOpcode), "{opcode:?}");
        }
        connection.send_fragment(Opcode::Binary, b"", false).unwrap();
        assert_eq!(connection.send_text(""), Err(SendError::InvalidOpcode));
        for code in [999, 1004, 1005, 1006, 1015, 2000, 5000] {
            let result = connection.send_close(now, Some(CloseCode::new(code)), "");
            assert_eq!(result, Err(SendError::InvalidCloseCode), "{code}");
        }
        assert_eq!(connection.send_close(now, None, "why"), Err(SendError::InvalidCloseCode));
        let code = Some(CloseCode::NORMAL_CLOSURE);
        let result = connection.send_close(now, code, &"x".repeat(124));
        assert_eq!(result, Err(SendError::ControlPayloadTooLong));
        assert_eq!(connection.state(), State::Open, "a close that is refused changes nothing");
        connection.send_close(now, code, &"x".repeat(123)).unwrap();
    });
}

// Pings.

#[test]
fn answers_pings_only_when_told() {
    twins(|role| {
        let mut pair = Pair::with(|config| config.auto_pong = false);
        pair.connection(role).send_ping(b"x").unwrap();
        pair.run();
        assert_eq!(pair.endpoint(role.peer()).seen, [Seen::Ping(b"x".to_vec())]);
        assert_eq!(pair.endpoint(role).seen, []);
    });
}

#[test]
fn does_not_answer_pings_while_closing() {
    twins(|role| {
        let mut pair = Pair::new();
        pair.connection(role.peer()).send_ping(b"x").unwrap();
        pair.send_close(role, 1000, "");
        pair.run();
        assert_eq!(pair.endpoint(role).seen[0], Seen::Ping(b"x".to_vec()));
        assert!(!pair.endpoint(role.peer()).seen.contains(&Seen::Pong(b"x".to_vec())));
    });
}

#[test]
fn terminates_when_too_many_pongs_wait() {
    twins(|role| {
        let mut pair = Pair::with(|config| config.max_pending_auto_pongs = 3);
        let now = pair.now;
        let ping = raw_frame(role, 0x89, b"");
        for _ in 0..3 {
            // Those that the transport took do not count.
            pair.endpoint(role).receive(now, &ping.repeat(3));
            assert_eq!(pair.connection(role).state(), State::Open);
            pair.transmit(role);
        }
        pair.endpoint(role).receive(now, &ping.repeat(5));
        // The fourth is still an event, what is behind it is discarded.
        assert_eq!(pair.endpoint(role).seen.len(), 13);
        assert_eq!(pair.connection(role).poll_transmit(), Some(Transmit::Abort));
        pair.endpoint(role).assert_closed(1006);
    });
}

// The closing handshake.

#[test]
fn closes_cleanly_whoever_closes_first() {
    for chunk_length in [1, usize::MAX] {
        twins(|closer| {
            let mut pair = Pair::new();
            pair.chunk_length = chunk_length;
            pair.send_close(closer, 4321, "dône");
            assert_eq!(pair.connection(closer).state(), State::Closing);
            assert!(!pair.connection(closer).close_expected(), "the answer is to come");
            pair.run();
            // The one that answers ends the transport first.
            for role in [closer, closer.peer()] {
                let endpoint = pair.endpoint(role);
                assert_eq!(endpoint.seen, [close(4321, "dône"), Seen::Eof]);
                assert_eq!(endpoint.connection.close_reason(), "dône".as_bytes());
                endpoint.assert_closed(4321);
            }
        });
    }
}

#[test]
fn ends_the_transport_once_both_close_frames_are_there() {
    twins(|closer| {
        let mut pair = Pair::new();
        pair.send_close(closer, 1000, "");
        pair.transmit(closer);
        pair.deliver(closer.peer());
        let answering = pair.connection(closer.peer());
        assert_eq!(answering.state(), State::Closing);
        assert!(answering.close_expected());
        assert!(matches!(answering.poll_transmit(), Some(Transmit::Data(_))));
        assert_eq!(answering.poll_transmit(), Some(Transmit::Eof));
        assert_eq!(answering.poll_transmit(), None);
        assert_eq!(answering.state(), State::Closing, "the peer has not ended its side");
    });
}

#[test]
fn closes_without_a_code() {
    twins(|closer| {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.connection(closer).send_close(now, None, "").unwrap();
        pair.run();
        for role in [closer, closer.peer()] {
            assert_eq!(pair.endpoint(role).seen, [Seen::Close(None, String::new()), Seen::Eof]);
            pair.endpoint(role).assert_closed(1005);
        }
    });
}

#[test]
fn closes_when_both_close_at_once() {
    let mut pair = Pair::new();
    pair.send_close(Role::Client, 4001, "client");
    pair.send_close(Role::Server, 4002, "server");
    pair.run();
    assert_eq!(pair.client.seen, [close(4002, "server"), Seen::Eof]);
    assert_eq!(pair.server.seen, [close(4001, "client"), Seen::Eof]);
    pair.client.assert_closed(4002);
    pair.server.assert_closed(4001);
}

#[test]
fn closes_once_however_often_it_is_told() {
    twins(|closer| {
        let mut pair = Pair::new();
        pair.send_close(closer, 4001, "");
        pair.send_close(closer, 4002, "");
        pair.run();
        pair.send_close(closer, 4003, "");
        pair.run();
        assert_eq!(pair.endpoint(closer.peer()).seen, [close(4001, ""), Seen::Eof]);
        pair.endpoint(closer).assert_closed(4001);
    });
}

#[test]
fn receives_but_does_not_send_messages_while_closing() {
    twins(|closer| {
        let mut pair = Pair::new();
        pair.connection(closer.peer()).send_text("crossing").unwrap();
        pair.send_close(closer, 1000, "");
        let connection = pair.connection(closer);
        assert_eq!(connection.send_text(""), Err(SendError::NotOpen));
        assert_eq!(connection.send_binary(b""), Err(SendError::NotOpen));
        assert_eq!(connection.send_ping(b""), Err(SendError::NotOpen));
        assert_eq!(connection.send_pong(b""), Err(SendError::NotOpen));
        pair.run();
        let expected = [text("crossing"), close(1000, ""), Seen::Eof];
        assert_eq!(pair.endpoint(closer).seen, expected);
        assert_eq!(pair.connection(closer).send_text(""), Err(SendError::NotOpen));
    });
}

#[test]
fn discards_what_follows_a_close_frame() {
    twins(|role| {
        let mut pair = Pair::new();
        let now = pair.now;
        let late = raw_frame(role, 0x81, b"late");
        let stream = [raw_frame(role, 0x88, b"\x03\xe8"), late.clone()].concat();
        pair.endpoint(role).receive(now, &stream);
        pair.endpoint(role).receive(now, &late);
        assert_eq!(pair.endpoint(role).seen, [close(1000, "")]);
    });
}

#[test]
fn is_lost_when_the_transport_ends_without_a_close_frame() {
    twins(|role| {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.connection(role).send_text("the last").unwrap();
        pair.connection(role).receive_eof(now);
        assert_eq!(pair.connection(role).state(), State::Closing);
        assert_eq!(pair.connection(role).send_text("too late"), Err(SendError::NotOpen));
        // What was sent before is still transmitted, then this side ends, too.
        pair.run();
        pair.endpoint(role).assert_closed(1006);
        assert_eq!(pair.endpoint(role.peer()).seen, [text("the last"), Seen::Eof]);
        pair.endpoint(role.peer()).assert_closed(1006);
    });
}

#[test]
fn is_lost_when_the_answer_to_the_close_frame_is_the_end() {
    twins(|role| {
        let mut pair = Pair::new();
        pair.send_close(role, 1000, "");
        let now = pair.now;
        pair.connection(role).receive_eof(now);
        pair.transmit(role);
        pair.endpoint(role).assert_closed(1006);
    });
}

#[test]
fn aborts_when_the_close_frame_is_not_answered_in_time() {
    twins(|role| {
        let mut pair = Pair::new();
        assert_eq!(pair.connection(role).poll_timeout(), None);
        pair.send_close(role, 1000, "");
        pair.transmit(role);
        let deadline = pair.now + CLOSE_TIMEOUT;
        assert_eq!(pair.connection(role).poll_timeout(), Some(deadline));
        pair.advance(CLOSE_TIMEOUT - Duration::from_nanos(1));
        assert_eq!(pair.connection(role).state(), State::Closing);
        pair.advance(Duration::from_nanos(1));
        assert_eq!(pair.connection(role).state(), State::Closed);
        assert_eq!(pair.connection(role).poll_transmit(), Some(Transmit::Abort));
        pair.endpoint(role).assert_closed(1006);
    });
}

#[test]
fn aborts_when_the_transport_does_not_end_in_time() {
    twins(|closer| {
        let mut pair = Pair::new();
        pair.send_close(closer, 1000, "");
        pair.transmit(closer);
        pair.deliver(closer.peer());
        let answering = closer.peer();
        while pair.connection(answering).poll_transmit().is_some() {}
        pair.advance(CLOSE_TIMEOUT);
        assert_eq!(pair.connection(answering).poll_transmit(), Some(Transmit::Abort));
        pair.endpoint(answering).assert_closed(1000);
    });
}

#[test]
fn aborts_when_what_waits_cannot_be_sent_in_time() {
    twins(|role| {
        let mut pair = Pair::new();
        pair.connection(role).send_binary(&[0; 1000]).unwrap();
        pair.send_close(role, 1000, "");
        pair.advance(CLOSE_TIMEOUT);
        assert_eq!(pair.connection(role).buffered_amount(), 0);
        assert_eq!(pair.connection(role).poll_transmit(), Some(Transmit::Abort));
        pair.endpoint(role).assert_closed(1006);
    });
}

#[test]
fn survives_a_close_timeout_beyond_time() {
    twins(|role| {
        let mut pair = Pair::with(|config| config.close_timeout = Duration::MAX);
        pair.send_close(role, 1000, "");
        assert_eq!(pair.connection(role).poll_timeout(), None);
        pair.run();
        pair.endpoint(role).assert_closed(1000);
    });
}

#[test]
fn terminates_at_once() {
    twins(|role| {
        let mut pair = Pair::new();
        pair.connection(role).send_text("never sent").unwrap();
        pair.connection(role).terminate();
        pair.connection(role).terminate();
        assert_eq!(pair.connection(role).poll_transmit(), Some(Transmit::Abort));
        assert_eq!(pair.connection(role).poll_transmit(), None);
        pair.endpoint(role).assert_closed(1006);
        let now = pair.now;
        pair.endpoint(role).receive(now, b"\xff\xff");
        pair.connection(role).receive_eof(now);
        pair.connection(role).fail(now, CloseCode::INTERNAL_ERROR, "");
        pair.connection(role).terminate();
        pair.send_close(role, 1000, "");
        assert_eq!(pair.connection(role).poll_transmit(), None);
        assert_eq!(pair.endpoint(role).seen, []);
        pair.endpoint(role).assert_closed(1006);
    });
}

// Failure.

/// Frames to an endpoint that fail the connection, and how.
fn violations(to: Role) -> Vec<(Vec<u8>, ProtocolError)> {
    vec![
        (raw_frame(to, 0xf1, b""), ProtocolError::UnexpectedRsv23),
        (raw_frame(to, 0x83, b""), ProtocolError::InvalidOpcode(3)),
        (raw_frame(to, 0x81, b"\xff"), ProtocolError::InvalidUtf8),
        (raw_frame(to, 0x88, b"\x03\xed"), ProtocolError::InvalidCloseCode(1005)),
        (raw_frame(to, 0x82, &[0; 101]), ProtocolError::UnsupportedMessageLength),
        (
            raw_frame(to.peer(), 0x81, b""),
            match to {
                Role::Server => ProtocolError::ExpectedMask,
                Role::Client => ProtocolError::UnexpectedMask,
            },
        ),
    ]
}

fn limited() -> Pair {
    Pair::with(|config| config.limits.max_payload = 100)
}

#[test]
fn tells_the_peer_why_it_fails() {
    twins(|role| {
        for (stream, error) in violations(role) {
            let mut pair = limited();
            let now = pair.now;
            let behind = raw_frame(role, 0x81, b"discarded");
            pair.endpoint(role).receive(now, &[&stream[..], &behind].concat());
            pair.endpoint(role).receive(now, &behind);
            assert!(pair.connection(role).close_expected());
            pair.run();
            let code = error.close_code().as_u16();
            assert_eq!(pair.endpoint(role).seen, [Seen::Error(error.into()), Seen::Eof]);
            pair.endpoint(role).assert_closed(1006);
            assert_eq!(pair.endpoint(role.peer()).seen, [close(code, ""), Seen::Eof]);
            pair.endpoint(role.peer()).assert_closed(code);
        }
    });
}

#[test]
fn fails_while_closing_without_a_second_close_frame() {
    twins(|role| {
        for (stream, error) in violations(role) {
            let mut pair = limited();
            pair.send_close(role, 4000, "");
            let now = pair.now;
            pair.endpoint(role).receive(now, &stream);
            pair.run();
            assert_eq!(pair.endpoint(role).seen, [Seen::Error(error.into()), Seen::Eof]);
            pair.endpoint(role).assert_closed(1006);
            pair.endpoint(role.peer()).assert_closed(4000);
        }
    });
}

#[test]
fn aborts_a_failed_connection_that_the_peer_does_not_end() {
    twins(|role| {
        let mut pair = limited();
        let now = pair.now;
        pair.endpoint(role).receive(now, &raw_frame(role, 0x83, b""));
        while pair.connection(role).poll_transmit().is_some() {}
        pair.advance(CLOSE_TIMEOUT);
        assert_eq!(pair.connection(role).poll_transmit(), Some(Transmit::Abort));
        pair.endpoint(role).assert_closed(1006);
    });
}

#[test]
fn fails_for_the_application() {
    twins(|role| {
        let mut pair = Pair::new();
        let now = pair.now;
        // The limit of 123 bytes lies inside a code point.
        let reason = "€".repeat(50);
        pair.connection(role).fail(now, CloseCode::INTERNAL_ERROR, &reason);
        pair.connection(role).fail(now, CloseCode::GOING_AWAY, "not again");
        pair.run();
        let expected = [close(1011, &"€".repeat(41)), Seen::Eof];
        assert_eq!(pair.endpoint(role.peer()).seen, expected);
        assert_eq!(pair.endpoint(role).seen, [Seen::Eof], "the answer is discarded");
        pair.endpoint(role).assert_closed(1006);
    });
    twins(|role| {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.connection(role).fail(now, CloseCode::ABNORMAL_CLOSURE, "not for the wire");
        pair.run();
        let expected = [Seen::Close(None, String::new()), Seen::Eof];
        assert_eq!(pair.endpoint(role.peer()).seen, expected);
    });
}

#[test]
fn holds_to_changed_limits() {
    twins(|role| {
        let mut pair = limited();
        let now = pair.now;
        let stream = raw_frame(role, 0x82, &[0; 101]);
        pair.connection(role).set_limits(Limits { max_payload: 101, ..Limits::default() });
        pair.endpoint(role).receive(now, &stream);
        assert_eq!(pair.endpoint(role).seen, [Seen::Binary(vec![0; 101])]);
    });
}

// Loss.

/// A conversation with everything in it; what both sides then have seen.
fn conversation(pair: &mut Pair, steps: usize) {
    pair.chunk_length = 7;
    let (client, server) = (&mut pair.client.connection, &mut pair.server.connection);
    client.send_text("from the client").unwrap();
    server.send_fragment(Opcode::Binary, b"from the", false).unwrap();
    server.send_ping(b"ping").unwrap();
    server.send_fragment(Opcode::Continuation, b" server", true).unwrap();
    for step in 0..steps {
        if step == 5 {
            pair.send_close(Role::Client, 1001, "bye");
        }
        if !pair.step() {
            break;
        }
    }
}

#[test]
fn ends_in_order_wherever_the_link_breaks() {
    let mut whole = Pair::new();
    conversation(&mut whole, usize::MAX);
    whole.client.assert_closed(1001);
    whole.server.assert_closed(1001);

    let ends: [fn(&mut Connection<Keys>, Instant); 2] =
        [|connection, now| connection.receive_eof(now), |connection, _| connection.terminate()];
    for end in ends {
        for steps in 0..30 {
            let mut pair = Pair::new();
            conversation(&mut pair, steps);
            let now = pair.now;
            for role in [Role::Client, Role::Server] {
                let expected = match role {
                    Role::Client => &whole.client.seen,
                    Role::Server => &whole.server.seen,
                };
                let endpoint = pair.endpoint(role);
                endpoint.inbox.clear();
                end(&mut endpoint.connection, now);
                while endpoint.connection.poll_transmit().is_some() {}
                assert!(expected.starts_with(&endpoint.seen), "step {steps}");
                let close = endpoint.seen.iter().any(|seen| matches!(seen, Seen::Close(..)));
                endpoint.assert_closed(if close { 1001 } else { 1006 });
            }
        }
    }
}

#[test]
fn ends_in_time_wherever_the_link_falls_silent() {
    for steps in 0..30 {
        let mut pair = Pair::new();
        conversation(&mut pair, steps);
        pair.client.inbox.clear();
        pair.server.inbox.clear();
        for role in [Role::Client, Role::Server] {
            pair.send_close(role, 1000, "");
            while pair.connection(role).poll_transmit().is_some() {}
        }
        pair.advance(CLOSE_TIMEOUT);
        for role in [Role::Client, Role::Server] {
            while pair.connection(role).poll_transmit().is_some() {}
            let code = pair.endpoint(role).close_code();
            pair.endpoint(role).assert_closed(code);
        }
    }
}

// Compression.

/// The parameters that a client and a server agree on.
fn agree(client: &ClientConfig, server: &ServerConfig) -> Parameters {
    let offer = client.offer().to_extension().parameters;
    let (_, response) = server.accept(&[offer]).unwrap();
    client.accept(&[response.to_extension().parameters]).unwrap()
}

fn compressed_pair(agreed: &Parameters, change: impl Fn(&mut ConnectionConfig)) -> Pair {
    Pair::with(|config| {
        *config = config.clone().with_permessage_deflate(agreed);
        change(config);
    })
}

fn agreements() -> Vec<Parameters> {
    let bare = (ClientConfig::default(), ServerConfig::default());
    let no_takeover = ServerConfig {
        server_no_context_takeover: Some(true),
        client_no_context_takeover: true,
        ..ServerConfig::default()
    };
    let small_windows = ServerConfig {
        server_max_window_bits: WindowBits::Exactly(9),
        client_max_window_bits: WindowBits::Exactly(8),
        ..ServerConfig::default()
    };
    [bare, (bare.0, no_takeover), (bare.0, small_windows)]
        .iter()
        .map(|(client, server)| agree(client, server))
        .collect()
}

#[test]
fn exchanges_compressed_messages() {
    for agreed in agreements() {
        twins(|sender| {
            let mut pair = compressed_pair(&agreed, |_| {});
            pair.chunk_length = 11;
            let long = "wörd ".repeat(1000);
            let noise: Vec<u8> = (0..5000_u32).map(|i| ((i * i) >> 5) as u8).collect();
            for _ in 0..3 {
                let connection = pair.connection(sender);
                connection.send_text(&long).unwrap();
                connection.send_binary(&noise).unwrap();
                connection.send_text("").unwrap();
                connection.send_ping(b"plain").unwrap();
            }
            assert!(pair.connection(sender).buffered_amount() < 3 * 5900, "nothing is compressed");
            pair.run();
            let once = [text(&long), Seen::Binary(noise), text(""), Seen::Ping(b"plain".to_vec())];
            assert_eq!(
                pair.endpoint(sender.peer()).seen,
                [once.clone(), once.clone(), once].concat()
            );
        });
    }
}

#[test]
fn exchanges_compressed_fragments() {
    for agreed in agreements() {
        twins(|sender| {
            let mut pair = compressed_pair(&agreed, |config| {
                config.compression.as_mut().unwrap().threshold = 0;
            });
            let connection = pair.connection(sender);
            connection.send_fragment(Opcode::Text, b"a\xe2", false).unwrap();
            connection.send_fragment(Opcode::Continuation, b"", false).unwrap();
            connection.send_fragment(Opcode::Continuation, b"\x82\xacb", true).unwrap();
            connection.send_text("alone").unwrap();
            pair.run();
            let expected = [Seen::Fragments("a€b".into(), vec![2, 3]), text("alone")];
            assert_eq!(pair.endpoint(sender.peer()).seen, expected);
        });
    }
}

#[test]
fn compresses_short_messages_only_with_context_takeover() {
    let [bare, no_takeover, _] = agreements().try_into().unwrap();
    twins(|role| {
        for (agreed, below, above) in [(&bare, true, true), (&no_takeover, false, true)] {
            let mut pair = compressed_pair(agreed, |_| {});
            let connection = pair.connection(role);
            connection.send_text(&"x".repeat(1023)).unwrap();
            connection.send_text(&"x".repeat(1024)).unwrap();
            let compressed: Vec<bool> = frames_of(role, connection)
                .iter()
                .map(|event| matches!(event, Event::CompressedFrame { .. }))
                .collect();
            assert_eq!(compressed, [below, above]);
        }
    });
}

#[test]
fn decides_on_compression_by_the_first_fragment() {
    let no_takeover = &agreements()[1];
    twins(|role| {
        let mut pair = compressed_pair(no_takeover, |_| {});
        let connection = pair.connection(role);
        connection.send_fragment(Opcode::Text, b"short", false).unwrap();
        connection.send_fragment(Opcode::Continuation, &[b'x'; 2000], true).unwrap();
        assert!(matches!(frames_of(role, connection)[..], [Event::Text { .. }]));
    });
}

#[test]
fn stops_inflating_at_max_payload() {
    let bare = &agreements()[0];
    twins(|role| {
        for (length, fits) in [(100_000, true), (100_001, false), (50_000_000, false)] {
            let mut pair = compressed_pair(bare, |config| config.limits.max_payload = 100_000);
            pair.connection(role.peer()).send_binary(&vec![0; length]).unwrap();
            pair.run();
            let endpoint = pair.endpoint(role);
            if fits {
                assert_eq!(endpoint.seen, [Seen::Binary(vec![0; length])]);
            } else {
                let error = ProtocolError::UnsupportedMessageLength.into();
                assert_eq!(endpoint.seen, [Seen::Error(error), Seen::Eof]);
                pair.endpoint(role.peer()).assert_closed(1009);
            }
        }
    });
}

#[test]
fn sums_inflated_fragments_up_to_max_payload() {
    let bare = &agreements()[0];
    twins(|role| {
        let mut pair = compressed_pair(bare, |config| config.limits.max_payload = 10_000);
        let connection = pair.connection(role.peer());
        connection.send_fragment(Opcode::Binary, &[0; 6000], false).unwrap();
        connection.send_fragment(Opcode::Continuation, &[0; 4001], true).unwrap();
        pair.run();
        let error = ProtocolError::UnsupportedMessageLength.into();
        assert_eq!(pair.endpoint(role).seen, [Seen::Error(error), Seen::Eof]);
    });
}

#[test]
fn rejects_compressed_text_that_is_not_utf8() {
    let bare = &agreements()[0];
    twins(|role| {
        // Cut short at the end, then wrong at once.
        for (first, fin) in [(&b"ab\xe2"[..], true), (b"ab\xff", false)] {
            let mut pair = compressed_pair(bare, |_| {});
            pair.connection(role.peer()).send_fragment(Opcode::Text, first, fin).unwrap();
            pair.run();
            let error = ProtocolError::InvalidUtf8.into();
            assert_eq!(pair.endpoint(role).seen, [Seen::Error(error), Seen::Eof]);
            pair.endpoint(role.peer()).assert_closed(1007);

            let mut pair = compressed_pair(bare, |config| config.skip_utf8_validation = true);
            pair.connection(role.peer()).send_fragment(Opcode::Text, first, true).unwrap();
            let Some(Transmit::Data(data)) = pair.connection(role.peer()).poll_transmit() else {
                panic!()
            };
            let mut input = data.to_vec();
            let now = pair.now;
            let event = pair.connection(role).receive(now, &mut input, &mut 0).unwrap().unwrap();
            let Event::Text { payload, .. } = event else { panic!("{event:?}") };
            assert_eq!(payload.as_slice(&input), first);
        }
    });
}

#[test]
fn rejects_data_that_does_not_inflate() {
    let bare = &agreements()[0];
    twins(|role| {
        let mut pair = compressed_pair(bare, |_| {});
        let now = pair.now;
        pair.endpoint(role).receive(now, &raw_frame(role, 0xc2, &[0xff; 20]));
        let [Seen::Error(error)] = pair.endpoint(role).seen[..] else {
            panic!("{:?}", pair.endpoint(role).seen)
        };
        assert!(matches!(error, ConnectionError::Inflate(InflateError::InvalidData(_))));
        assert_eq!(error.code(), "Z_DATA_ERROR");
        assert_eq!(error.to_string(), "invalid block type");
        pair.run();
        pair.endpoint(role.peer()).assert_closed(1007);
    });
}

#[test]
fn refuses_a_compressor_that_cannot_be_made() {
    let bare = &agreements()[0];
    twins(|role| {
        let mut pair = compressed_pair(bare, |config| {
            config.compression.as_mut().unwrap().compressor.level = 10;
        });
        let result = pair.connection(role).send_text("x");
        assert!(matches!(result, Err(SendError::InvalidCompression(_))));
        assert_eq!(pair.connection(role).buffered_amount(), 0);
    });
}

#[test]
fn names_its_errors() {
    let error = ConnectionError::from(ProtocolError::ExpectedFin);
    assert_eq!(error.code(), "WS_ERR_EXPECTED_FIN");
    assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
    assert_eq!(error.to_string(), ProtocolError::ExpectedFin.to_string());
    let error = ConnectionError::from(InflateError::LimitExceeded);
    assert_eq!(error, ProtocolError::UnsupportedMessageLength.into());
    for error in [
        SendError::NotOpen,
        SendError::InvalidOpcode,
        SendError::InvalidCloseCode,
        SendError::ControlPayloadTooLong,
    ] {
        assert!(!error.to_string().is_empty());
    }
}
