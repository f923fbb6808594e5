//! What runs beside JavaScript: sockets, their readiness, threads. Knows the protocol, knows
//! nothing of Node.
#![forbid(unsafe_code)]

pub mod compression;
pub mod exchange;
pub mod threads;

#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod event;
#[cfg(unix)]
mod fault;
#[cfg(unix)]
mod latest_payload;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod timers;
#[cfg(unix)]
mod topic_command;
#[cfg(unix)]
mod topics;
#[cfg(unix)]
mod write_batch;

#[cfg(unix)]
pub use self::{
    connection::{Connection, Next, Opened, Session, set_hang_up_is_end},
    event::{
        ConnectionConfig, ConnectionEvent, ConnectionId, FailedCall, MIN_READ, NO_CONNECTION, Sink,
        Status,
    },
    fault::Fault,
    reactor::{MaskingKeys, Reactor, batch::BATCH_MEMORY},
    shared::SharedReactor,
    threads::background::Spawner,
    timers::{Heartbeat, heartbeat_mark},
    topic_command::{TopicAction, TopicCommand, TopicId},
    topics::{Progress, Topics},
    write_batch::{Entry, Frame, Run, Write, WriteBatch},
};
