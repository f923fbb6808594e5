//! What runs beside JavaScript: sockets, their readiness, threads. Knows the protocol, knows
//! nothing of Node.
#![forbid(unsafe_code)]

pub mod compression;
pub mod threads;

#[cfg(unix)]
mod batch;
#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod connections;
#[cfg(unix)]
mod fault;
#[cfg(unix)]
mod gathering;
#[cfg(unix)]
mod occurrence;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod write_queue;

#[cfg(unix)]
pub use connection::Connection;
#[cfg(unix)]
pub use fault::Fault;
#[cfg(unix)]
pub use occurrence::{
    ConnectionConfig, ConnectionId, MIN_READ, NOBODY, Occurrence, Piece, Sink, Status,
};
#[cfg(unix)]
pub use reactor::{MaskingKeys, Reactor};
#[cfg(unix)]
pub use shared::SharedReactor;
#[cfg(unix)]
pub use threads::background::Spawner;
