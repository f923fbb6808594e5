//! What a reactor reports to its caller.

use std::io;

use crate::protocol::deflate::InflateError;
use crate::protocol::{Event, LargeMessage, Limits, Payload, ProtocolError, Role};

/// A connection of a reactor. After the connection is closed, another one may have the number.
pub type ConnectionId = u32;

/// In place of a connection, where something has happened to none in particular.
pub const NO_CONNECTION: ConnectionId = ConnectionId::MAX;

/// The least memory into which a socket is read.
pub const MIN_READ: usize = 4096;

/// What a reactor has to know of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionConfig {
    /// Which endpoint of the connection this is.
    pub role: Role,
    /// How much the peer may send.
    pub limits: Limits,
    /// Whether permessage-deflate is agreed.
    pub permessage_deflate: bool,
    /// Whether text and close reasons are taken as they come.
    pub skip_utf8_validation: bool,
    /// Whether the connection begins in raw mode: bytes instead of frames.
    pub raw: bool,
}

impl ConnectionConfig {
    /// Frames that are neither limited nor compressed.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            limits: Limits { max_payload: 0, max_fragments: 0, max_buffered_chunks: 0 },
            permessage_deflate: false,
            skip_utf8_validation: false,
            raw: false,
        }
    }
}

/// What finds that a connection is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedCall {
    /// Reading. What the peer had sent before is reported first.
    Read,
    /// Writing. What the peer had sent and was not reported yet is lost.
    Write,
    /// Writing what waited, of a connection that has ended by a reset. That is reported first.
    WriteAtEnd,
}

/// What has happened to a connection.
///
/// A payload in place is a range of the memory that was handed to
/// [`Reactor::poll`](super::Reactor::poll).
#[derive(Debug)]
pub enum ConnectionEvent {
    /// The peer sent a message or a control frame.
    Frame(Event),
    /// The peer sent a ping with this payload, which has been answered.
    AnsweredPing(Payload),
    /// A large message is arriving: its payload goes to memory that the caller of
    /// [`Connection::receive_apart`](super::Connection::receive_apart) lends. Nothing else is read
    /// before that is called; then this comes again when more of it has arrived.
    Large(LargeMessage),
    /// The peer sent bytes; raw mode only.
    Raw(Payload),
    /// The peer violated the protocol or a limit. What it sends from now on is discarded.
    Violation(ProtocolError),
    /// The peer sent a message that cannot be inflated, or only to more than the limit. What it
    /// sends from now on is discarded.
    Uninflatable(InflateError),
    /// The peer sends nothing any more. Comes once, after everything that it sent.
    End {
        /// The kernel reported the end together with what was read before it.
        came_along: bool,
    },
    /// The connection is broken, which this call has found. Comes once, and nothing after it.
    Failed(FailedCall, io::Error),
    /// All that [`Reactor::write`](super::Reactor::write) had left waiting is with the kernel.
    Written,
    /// Something was read. Comes only of a connection that is to report that, after what else is
    /// reported of the read; see
    /// [`Connection::set_reporting_reads`](super::Connection::set_reporting_reads).
    Read,
    /// Something that was left to a task to write waits for the kernel to take it.
    Waiting,
    /// The half-close that [`Connection::shutdown`](super::Connection::shutdown) could not do at
    /// once is done.
    ShutDown,
    /// What follows was read later, in another turn: of [`NO_CONNECTION`]. A connection is read
    /// once in a turn.
    NextTurn,
    /// The engine has panicked while it worked on the connection, of which it takes nothing any
    /// more; or on an unknown one, [`NO_CONNECTION`], which has cost no connection anything.
    Fault,
}

impl ConnectionEvent {
    /// The payload, if it has one.
    pub(super) const fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Frame(event) => Some(event.payload_mut()),
            Self::AnsweredPing(payload) | Self::Raw(payload) => Some(payload),
            _ => None,
        }
    }
}

/// Why a reactor returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every connection that was ready has been served.
    Idle,
    /// The sink has no room, or has something to look at first, such as enough inflated messages:
    /// empty it and poll again, with the same memory.
    RecordsFull,
    /// Too little memory is left: take what was reported and poll again with fresh memory.
    MemoryFull,
}

/// Takes what has happened.
pub trait Sink {
    /// Whether one more event can be taken.
    fn has_room(&self) -> bool;
    /// Whether [`ConnectionEvent::Large`] is understood. Otherwise it comes only for a message that
    /// was begun so.
    fn takes_large(&self) -> bool {
        false
    }
    /// Takes an event. Called only while there is room.
    fn push(&mut self, id: ConnectionId, event: ConnectionEvent);
    /// Drops what it has of a connection that can't be written to, as far as the host hasn't taken
    /// it: without a task in between that would not have been read.
    fn forget(&mut self, _id: ConnectionId) {}
}
