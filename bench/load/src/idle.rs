//! Idle: what an open connection that says nothing costs the server in memory.

use std::time::{Duration, Instant};
use std::{io, thread};

use serde::Serialize;

use crate::process::{descriptor_limit, resident_memory};
use crate::target::Target;

/// Connections opened and closed beforehand, so that the server has its code loaded and compiled.
const WARM_UP_CONNECTIONS: usize = 500;

/// For the server to finish what it does after the last handshake.
const SETTLING: Duration = Duration::from_millis(500);

/// Descriptors that a process needs for itself.
const RESERVED_DESCRIPTORS: u64 = 200;

#[derive(Serialize)]
pub(crate) struct Report {
    /// May be less than was asked for: a process cannot have more descriptors than its limit.
    connections: usize,
    resident_bytes_before: u64,
    resident_bytes_after: u64,
    bytes_per_connection: f64,
    /// Opening handshakes one after the other.
    sequential_opens_per_second: f64,
}

pub(crate) fn run(target: &Target, connections: usize) -> io::Result<Report> {
    let limit = descriptor_limit(target.pid)?.min(descriptor_limit(std::process::id())?);
    let connections = connections.min(limit.saturating_sub(RESERVED_DESCRIPTORS) as usize);
    drop(open(target, WARM_UP_CONNECTIONS.min(connections))?);
    let before = settled_memory(target)?;
    let started = Instant::now();
    let streams = open(target, connections)?;
    let elapsed = started.elapsed();
    let after = settled_memory(target)?;
    drop(streams);
    Ok(Report {
        connections,
        resident_bytes_before: before,
        resident_bytes_after: after,
        bytes_per_connection: (after as f64 - before as f64) / connections as f64,
        sequential_opens_per_second: connections as f64 / elapsed.as_secs_f64(),
    })
}

fn open(
    target: &Target,
    connections: usize,
) -> io::Result<Vec<crate::stream::Stream<std::net::TcpStream>>> {
    (0..connections).map(|index| target.open(index)).collect()
}

fn settled_memory(target: &Target) -> io::Result<u64> {
    thread::sleep(SETTLING);
    target.collect_garbage()?;
    thread::sleep(SETTLING);
    resident_memory(target.pid)
}
