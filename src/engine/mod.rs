//! What runs beside JavaScript: sockets, their readiness, threads. Knows the protocol, knows
//! nothing of Node.
#![forbid(unsafe_code)]

pub mod compression;
pub mod threads;

#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod fault;
#[cfg(unix)]
mod latest_payload;
#[cfg(unix)]
mod occurrence;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod write_batch;

#[cfg(unix)]
pub use self::{
    connection::Connection,
    fault::Fault,
    occurrence::{ConnectionConfig, ConnectionId, MIN_READ, NOBODY, Occurrence, Sink, Status},
    reactor::{MaskingKeys, Reactor, batch::BATCH_MEMORY},
    shared::SharedReactor,
    threads::background::Spawner,
    write_batch::{Frame, Write, WriteBatch},
};
