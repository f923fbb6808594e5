//! What the tests of the engine share: frames of a peer, and what a reactor reports.
#![allow(dead_code, reason = "each of the tests is a crate of its own and uses a part")]

use std::io;
use std::time::Duration;

use oxws::engine::{ConnectionEvent, ConnectionId, Sink};
use oxws::protocol::deflate::InflateError;
use oxws::protocol::{
    Event, FrameHeader, MAX_HEADER_LENGTH, Opcode, Payload, ProtocolError, Role, mask_in_place,
};

/// The time in which everything that a test waits for happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The masking key of all peers.
pub(crate) const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// Collects events, at most this many at a time.
pub(crate) struct Records {
    pub(crate) capacity: usize,
    pub(crate) taken: Vec<(ConnectionId, ConnectionEvent)>,
    /// Whether large messages are received apart.
    pub(crate) takes_large: bool,
}

impl Records {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, taken: Vec::new(), takes_large: false }
    }
}

impl Sink for Records {
    fn takes_large(&self) -> bool {
        self.takes_large
    }

    fn has_room(&self) -> bool {
        self.taken.len() < self.capacity
    }

    fn push(&mut self, id: ConnectionId, event: ConnectionEvent) {
        assert!(self.has_room(), "pushed without room");
        self.taken.push((id, event));
    }
}

/// What a connection reported, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    /// A binary message in several frames, and their lengths.
    Fragments(Vec<u8>, Vec<usize>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Raw(Vec<u8>),
    Violation(ProtocolError),
    Uninflatable(InflateError),
    End,
    Failed(io::ErrorKind),
    Written,
    Read,
    ShutDown,
    Fault,
}

/// What is seen of a text.
pub(crate) fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

/// What an event says, whose payload may be in `memory`.
pub(crate) fn see(event: ConnectionEvent, memory: &[u8]) -> Seen {
    let bytes = |payload: Payload| payload.as_slice(memory).to_vec();
    match event {
        ConnectionEvent::Frame(Event::Text { payload, .. }) => {
            Seen::Text(String::from_utf8(bytes(payload)).unwrap())
        }
        ConnectionEvent::Frame(Event::Binary { payload, fragments }) if fragments.is_empty() => {
            Seen::Binary(bytes(payload))
        }
        ConnectionEvent::Frame(Event::Binary { payload, fragments }) => {
            Seen::Fragments(bytes(payload), fragments)
        }
        ConnectionEvent::Frame(Event::Ping(payload)) => Seen::Ping(bytes(payload)),
        ConnectionEvent::Frame(Event::Close { code, .. }) => Seen::Close(code.map(u16::from)),
        ConnectionEvent::Raw(payload) => Seen::Raw(bytes(payload)),
        ConnectionEvent::Violation(error) => Seen::Violation(error),
        ConnectionEvent::Uninflatable(error) => Seen::Uninflatable(error),
        ConnectionEvent::End { .. } => Seen::End,
        ConnectionEvent::Failed(_, error) => Seen::Failed(error.kind()),
        ConnectionEvent::Written => Seen::Written,
        ConnectionEvent::Read => Seen::Read,
        ConnectionEvent::ShutDown => Seen::ShutDown,
        ConnectionEvent::Fault => Seen::Fault,
        other => panic!("not expected: {other:?}"),
    }
}

/// Whether the bytes of an event came in memory of their own.
pub(crate) fn is_owned(event: &ConnectionEvent) -> bool {
    let (ConnectionEvent::Frame(
        Event::Text { payload, .. }
        | Event::Binary { payload, .. }
        | Event::Ping(payload)
        | Event::Pong(payload),
    )
    | ConnectionEvent::Raw(payload)) = event
    else {
        return false;
    };
    matches!(payload, Payload::Owned(_))
}

/// A frame with these bytes as they are, as the peer of `role` sends it.
pub(crate) fn frame(role: Role, fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let masking_key = role.peer().masks().then_some(KEY);
    let payload_length = payload.len() as u64;
    let header = FrameHeader { fin, rsv1, opcode, masking_key, payload_length };
    let mut frame = vec![0; MAX_HEADER_LENGTH];
    let start = header.encode(&mut frame);
    frame.truncate(start);
    frame.extend_from_slice(payload);
    if let Some(key) = masking_key {
        mask_in_place(&mut frame[start..], key, 0);
    }
    frame
}

/// A frame of a peer that is read from its socket: the first byte and the payload. `is_masked` is
/// what is expected of it.
pub(crate) fn read_frame(socket: &mut impl io::Read, is_masked: bool) -> (u8, Vec<u8>) {
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        socket.read_exact(&mut bytes).unwrap();
        bytes
    };
    let head = read(2);
    assert_eq!(head[1] & 0x80 != 0, is_masked);
    let length = match head[1] & 0x7f {
        126 => usize::from(u16::from_be_bytes(read(2).try_into().unwrap())),
        length => usize::from(length),
    };
    let key = if is_masked { read(4).try_into().unwrap() } else { [0; 4] };
    let mut payload = read(length);
    mask_in_place(&mut payload, key, 0);
    (head[0], payload)
}
