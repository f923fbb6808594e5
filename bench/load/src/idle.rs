//! Idle: what an open connection that says nothing costs the server in memory.

use std::net::TcpStream;
use std::time::{Duration, Instant};
use std::{io, thread};

use serde::Serialize;

use crate::echo;
use crate::payload::{self, Deflater};
use crate::process::{descriptor_limit, resident_memory};
use crate::stream::Stream;
use crate::target::Target;

/// The part of the connections that is open when memory is looked at first. By then the server has
/// loaded and compiled its code and filled the room that its heap had left.
const FIRST_PART: f64 = 0.2;

/// For the server to finish what it does after the last handshake, and to come to rest: V8 gives
/// back what its young generation has grown to when it collects garbage, if hardly anything was
/// allocated in the 5 s before.
const REST: Duration = Duration::from_secs(7);

/// For the server to finish what the collection of garbage leaves behind.
const SETTLING: Duration = Duration::from_millis(500);

/// Descriptors that a process needs for itself.
const RESERVED_DESCRIPTORS: u64 = 200;

#[derive(Serialize)]
pub(crate) struct Report {
    /// May be less than was asked for: a process cannot have more descriptors than its limit.
    connections: usize,
    /// With the first part of the connections.
    resident_bytes_first: u64,
    /// With all of them.
    resident_bytes_all: u64,
    bytes_per_connection: f64,
    /// Opening handshakes one after the other.
    sequential_opens_per_second: f64,
}

pub(crate) struct Idle {
    pub(crate) connections: usize,
    /// Length of the message that each connection sends, and gets back, before it is idle.
    pub(crate) message: Option<usize>,
    pub(crate) text: bool,
}

pub(crate) fn run(target: &Target, idle: &Idle) -> io::Result<Report> {
    let limit = descriptor_limit(target.pid)?.min(descriptor_limit(std::process::id())?);
    let connections = idle.connections.min(limit.saturating_sub(RESERVED_DESCRIPTORS) as usize);
    let first = (connections as f64 * FIRST_PART) as usize;
    let mut streams = Vec::with_capacity(connections);
    open(target, idle, first, &mut streams)?;
    let resident_bytes_first = settled_memory(target)?;
    let started = Instant::now();
    open(target, idle, connections, &mut streams)?;
    let elapsed = started.elapsed();
    let resident_bytes_all = settled_memory(target)?;
    let grown = resident_bytes_all as f64 - resident_bytes_first as f64;
    Ok(Report {
        connections,
        resident_bytes_first,
        resident_bytes_all,
        bytes_per_connection: grown / (connections - first) as f64,
        sequential_opens_per_second: (connections - first) as f64 / elapsed.as_secs_f64(),
    })
}

/// Opens connections until there are `count`.
fn open(
    target: &Target,
    idle: &Idle,
    count: usize,
    streams: &mut Vec<Stream<TcpStream>>,
) -> io::Result<()> {
    while streams.len() < count {
        let mut stream = target.open(streams.len())?;
        if let Some(size) = idle.message {
            let variant = streams.len();
            let mut deflater = Deflater::new(target.takeover);
            let frame = echo::message(target, &mut deflater, size, idle.text, variant)?;
            echo::probe(&mut stream, &frame, &payload::json_text(size, variant))?;
        }
        streams.push(stream);
    }
    Ok(())
}

fn settled_memory(target: &Target) -> io::Result<u64> {
    thread::sleep(REST);
    target.collect_garbage()?;
    thread::sleep(SETTLING);
    resident_memory(target.pid)
}
