//! The engine for JavaScript: one call takes what has arrived, one call hands over what is to go.
//!
//! `pollEngine` reads into memory that JavaScript allocated, the slab, and writes a record of five
//! 32-bit integers per event: the connection, then the fields that [`super::record`] describes.
//! Offsets are those of the slab. The first five integers are a header: how much of the slab is
//! used, a `STATUS_…` constant, nothing.
//!
//! `flushEngine` takes commands of four 32-bit integers: the connection; where its bytes begin in
//! the scratch memory; the length of the payload; and what to do with it. For a frame, whose payload
//! stands behind the space for its header, this is the header's first byte, plus 256 where it is to
//! be masked. Bytes that go as they are have -1 there.

use std::io::IoSlice;
use std::ops::Range;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{Buffer, BufferSlice, External, Function, Result, Uint32Array};
use napi_derive::napi;

use super::error::{ErrorDescription, reason};
use super::frame::{header_of, next_key};
use super::loop_driver::{LoopDriver, borrow_descriptor};
use super::record::{Payloads, RECORD_ERROR, write_fields};
use crate::engine::{ConnectionConfig, Occurrence, Reactor, Sink, Status};
use crate::protocol::{FrameHeader, Limits, ProtocolError, Role, mask_in_place};

/// Bytes as they came, of a connection in raw mode.
#[napi]
pub const RECORD_RAW: i32 = 16;
/// The peer will send nothing more.
#[napi]
pub const RECORD_END: i32 = 17;
/// The socket failed: detail is the error number.
#[napi]
pub const RECORD_FAILED: i32 = 18;
/// Some of what waited has been written.
#[napi]
pub const RECORD_WRITTEN: i32 = 19;
/// The half-close that was asked for is done.
#[napi]
pub const RECORD_SHUT_DOWN: i32 = 20;

/// Nothing more to take; the descriptor announces what comes.
#[napi]
pub const STATUS_IDLE: i32 = 0;
/// The space for records is used up: poll again.
#[napi]
pub const STATUS_RECORDS_FULL: i32 = 1;
/// The slab is used up: poll again with another.
#[napi]
pub const STATUS_MEMORY_FULL: i32 = 2;

/// Bytes of a record, and of the header before the first; bytes of a command.
const RECORD_LENGTH: usize = 20;
const COMMAND_LENGTH: usize = 16;
/// In a command: the frame is to be masked.
const MASKED: i32 = 0x100;

/// The sockets of one environment, and what drives them.
pub struct Engine {
    reactor: Reactor,
    driver: LoopDriver,
    payloads: Payloads,
    violations: Vec<ProtocolError>,
    /// What the latest flush wrote, kept for its memory.
    pieces: Vec<Piece>,
}

/// Makes an engine whose work is done in `dispatch`; nothing where there is no libuv.
#[napi(catch_unwind)]
pub fn create_engine(
    env: &Env,
    dispatch: Function<'_, (), ()>,
) -> Result<Option<External<Engine>>> {
    let Ok(reactor) = Reactor::new() else { return Ok(None) };
    let Ok(descriptor) = reactor.as_fd().try_clone_to_owned() else { return Ok(None) };
    let Some(driver) = LoopDriver::start(env, descriptor, &dispatch)? else { return Ok(None) };
    let engine = Engine {
        reactor,
        driver,
        payloads: Payloads::default(),
        violations: Vec::new(),
        pieces: Vec::new(),
    };
    Ok(Some(External::new(engine)))
}

/// Sets whether the engine keeps the event loop alive.
#[napi(catch_unwind)]
pub fn set_engine_referenced(engine: &External<Engine>, referenced: bool) {
    engine.driver.set_referenced(referenced);
}

/// Takes a duplicate of a socket's descriptor into the engine; the number of the connection, or a
/// negative one if that can't be done.
#[napi(catch_unwind)]
pub fn adopt(
    engine: &mut External<Engine>,
    descriptor: i32,
    is_server: bool,
    permessage_deflate: bool,
    raw: bool,
) -> i32 {
    let config = ConnectionConfig {
        role: if is_server { Role::Server } else { Role::Client },
        limits: Limits::default(),
        permessage_deflate,
        skip_utf8_validation: false,
        raw,
    };
    // SAFETY: the caller holds the handle that owns the descriptor during this call.
    let Some(descriptor) = (unsafe { borrow_descriptor(descriptor) }) else { return -1 };
    let adopted = engine.reactor.adopt(descriptor, config);
    adopted.ok().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
}

/// Puts bytes that were read before the hand-over in front of what comes.
#[napi(catch_unwind)]
pub fn feed(engine: &mut External<Engine>, id: u32, bytes: BufferSlice<'_>) {
    engine.reactor.feed(id, &bytes);
}

/// Sets the limits of a connection, as `setDecoderLimits` does.
#[napi(catch_unwind)]
pub fn set_limits(
    engine: &mut External<Engine>,
    id: u32,
    max_payload: u32,
    max_fragments: u32,
    max_buffered_chunks: u32,
    skip_utf8_validation: bool,
) {
    let limits = Limits { max_payload: u64::from(max_payload), max_fragments, max_buffered_chunks };
    engine.reactor.set_limits(id, limits, skip_utf8_validation);
}

/// Takes what has arrived; returns the number of records.
#[napi(catch_unwind)]
pub fn poll_engine(
    engine: &mut External<Engine>,
    mut records: BufferSlice<'_>,
    mut slab: BufferSlice<'_>,
    used: u32,
) -> Result<u32> {
    let Engine { reactor, payloads, violations, .. } = &mut **engine;
    payloads.clear();
    violations.clear();
    let (header, records) = records
        .split_at_mut_checked(RECORD_LENGTH)
        .ok_or_else(|| reason("no space for records"))?;
    let mut sink = Records { bytes: records, count: 0, payloads, violations };
    let mut used = used as usize;
    let status = reactor
        .poll(&mut slab, &mut used, &mut sink)
        .map_err(|error| reason(format!("the readiness set failed: {error}")))?;
    let status = match status {
        Status::Idle => STATUS_IDLE,
        Status::RecordsFull => STATUS_RECORDS_FULL,
        Status::MemoryFull => STATUS_MEMORY_FULL,
    };
    let count = sink.count;
    write_fields(header, &[used as i32, status, 0, 0, 0]);
    Ok(count as u32)
}

/// Takes what has arrived on one connection that is about to be closed, as `pollEngine` does for
/// all; returns the number of records.
#[napi(catch_unwind)]
pub fn drain_connection(
    engine: &mut External<Engine>,
    id: u32,
    mut records: BufferSlice<'_>,
    mut slab: BufferSlice<'_>,
) -> Result<u32> {
    let Engine { reactor, payloads, violations, .. } = &mut **engine;
    let (_, records) = records
        .split_at_mut_checked(RECORD_LENGTH)
        .ok_or_else(|| reason("no space for records"))?;
    let mut sink = Records { bytes: records, count: 0, payloads, violations };
    reactor.drain(id, &mut slab, &mut 0, &mut sink);
    Ok(sink.count as u32)
}

/// Takes the owned payload of the latest poll that has this index.
#[napi(catch_unwind)]
pub fn take_engine_payload(engine: &mut External<Engine>, index: u32) -> Buffer {
    engine.payloads.take(index).into()
}

/// The lengths of the fragments of the owned payload that has this index.
#[napi(catch_unwind)]
pub fn engine_fragment_lengths(engine: &External<Engine>, index: u32) -> Uint32Array {
    Uint32Array::new(engine.payloads.fragment_lengths(index))
}

/// Describes the violation that the detail of a record of kind error names.
#[napi(catch_unwind)]
pub fn engine_violation(engine: &External<Engine>, index: u32) -> Option<ErrorDescription> {
    engine.violations.get(index as usize).copied().map(ErrorDescription::from)
}

/// Carries out `count` commands. Writes the connections of which something waits now into
/// `results` and returns their number.
#[napi(catch_unwind)]
pub fn flush_engine(
    engine: &mut External<Engine>,
    commands: BufferSlice<'_>,
    count: u32,
    mut scratch: BufferSlice<'_>,
    mut results: BufferSlice<'_>,
) -> Result<u32> {
    let Engine { reactor, pieces, .. } = &mut **engine;
    pieces.clear();
    for command in commands.chunks_exact(COMMAND_LENGTH).take(count as usize) {
        let piece = finish_command(command, &mut scratch)?;
        match pieces.last_mut() {
            Some(last) if last.id == piece.id && last.bytes.end == piece.bytes.start => {
                last.bytes.end = piece.bytes.end;
            }
            _ => pieces.push(piece),
        }
    }
    let mut waiting = 0;
    // The commands of a dispatch come in runs of one connection: each run is one write.
    for run in pieces.chunk_by(|a, b| a.id == b.id) {
        let slice = |piece: &Piece| IoSlice::new(&scratch[piece.bytes.clone()]);
        let pending = match run {
            [piece] => reactor.write(piece.id, &mut [slice(piece)]),
            run => reactor.write(run[0].id, &mut run.iter().map(slice).collect::<Vec<_>>()),
        };
        if pending > 0 {
            let result = results.chunks_exact_mut(4).nth(waiting);
            let result = result.ok_or_else(|| reason("no space for results"))?;
            write_fields(result, &[run[0].id as i32]);
            waiting += 1;
        }
    }
    Ok(waiting as u32)
}

/// Writes a head and a body as they are, straight from where they lie; returns how many bytes wait
/// then. Both may be empty.
#[napi(catch_unwind)]
pub fn write_parts(
    engine: &mut External<Engine>,
    id: u32,
    head: BufferSlice<'_>,
    body: BufferSlice<'_>,
) -> f64 {
    engine.reactor.write(id, &mut [IoSlice::new(&head), IoSlice::new(&body)]) as f64
}

/// The number of the descriptor under which the engine has a socket.
#[napi(catch_unwind)]
pub fn descriptor(engine: &External<Engine>, id: u32) -> i32 {
    engine.reactor.descriptor(id).unwrap_or(-1)
}

/// Ends the sending side once everything is written.
#[napi(catch_unwind)]
pub fn shut_down(engine: &mut External<Engine>, id: u32) {
    engine.reactor.shutdown(id);
}

/// Closes a connection at once, with a reset if so asked; its number becomes free.
#[napi(catch_unwind)]
pub fn close_connection(engine: &mut External<Engine>, id: u32, reset: bool) {
    engine.reactor.close(id, reset);
}

/// Stops or continues reading.
#[napi(catch_unwind)]
pub fn set_paused(engine: &mut External<Engine>, id: u32, paused: bool) {
    if paused { engine.reactor.pause(id) } else { engine.reactor.resume(id) }
}

/// Sets whether bytes come as they are, from the next read on.
#[napi(catch_unwind)]
pub fn set_raw(engine: &mut External<Engine>, id: u32, raw: bool) {
    engine.reactor.set_raw(id, raw);
}

/// Sets `TCP_NODELAY`; whether that worked.
#[napi(catch_unwind)]
pub fn set_no_delay(engine: &External<Engine>, id: u32, no_delay: bool) -> bool {
    engine.reactor.set_no_delay(id, no_delay).is_ok()
}

/// Sets `SO_KEEPALIVE` with a delay in seconds, or clears it where there is none; whether that
/// worked.
#[napi(catch_unwind)]
pub fn set_keep_alive(engine: &External<Engine>, id: u32, delay: Option<u32>) -> bool {
    let delay = delay.map(|seconds| Duration::from_secs(u64::from(seconds)));
    engine.reactor.set_keep_alive(id, delay).is_ok()
}

/// How many bytes were read, written, and wait to be written.
#[napi(catch_unwind)]
pub fn counters(engine: &External<Engine>, id: u32) -> Vec<f64> {
    let reactor = &engine.reactor;
    let pending = reactor.pending(id) as f64;
    vec![reactor.bytes_read(id) as f64, reactor.bytes_written(id) as f64, pending]
}

/// How many bytes wait to be written.
#[napi(catch_unwind)]
pub fn pending_bytes(engine: &External<Engine>, id: u32) -> f64 {
    engine.reactor.pending(id) as f64
}

/// Whether there is work that the descriptor will not announce.
#[napi(catch_unwind)]
pub fn has_ready(engine: &External<Engine>) -> bool {
    engine.reactor.has_ready()
}

/// Where the reactor puts what happens: records in memory of JavaScript's.
struct Records<'a> {
    bytes: &'a mut [u8],
    count: usize,
    payloads: &'a mut Payloads,
    violations: &'a mut Vec<ProtocolError>,
}

impl Sink for Records<'_> {
    fn has_room(&self) -> bool {
        (self.count + 1) * RECORD_LENGTH <= self.bytes.len()
    }

    #[inline(always)]
    fn push(&mut self, id: u32, occurrence: Occurrence) {
        let [kind, detail, place, length] = match occurrence {
            Occurrence::Frame(event) => self.payloads.record(event),
            Occurrence::Raw(payload) => {
                let (place, length) = self.payloads.place(payload, Vec::new());
                [RECORD_RAW, 0, place, length]
            }
            Occurrence::Violation(error) => {
                self.violations.push(error);
                [RECORD_ERROR, self.violations.len() as i32 - 1, 0, 0]
            }
            Occurrence::End => [RECORD_END, 0, 0, 0],
            Occurrence::Failed(error) => [RECORD_FAILED, error.raw_os_error().unwrap_or(0), 0, 0],
            Occurrence::Written => [RECORD_WRITTEN, 0, 0, 0],
            Occurrence::ShutDown => [RECORD_SHUT_DOWN, 0, 0, 0],
        };
        let start = self.count * RECORD_LENGTH;
        if let Some(record) = self.bytes.get_mut(start..start + RECORD_LENGTH) {
            write_fields(record, &[id as i32, kind, detail, place, length]);
            self.count += 1;
        }
    }
}

/// What commands have to write: where in the scratch memory, to which connection.
struct Piece {
    id: u32,
    bytes: Range<usize>,
}

/// Makes what a command says ready to be written: header and masking of a frame.
#[inline(always)]
fn finish_command(command: &[u8], scratch: &mut [u8]) -> Result<Piece> {
    let mut fields = [0; 4];
    for (field, bytes) in fields.iter_mut().zip(command.as_chunks().0) {
        *field = i32::from_ne_bytes(*bytes);
    }
    let [id, start, length, first] = fields;
    let (start, length) = (start as usize, length as usize);
    let header = if first < 0 {
        None
    } else {
        let key = (first & MASKED != 0).then(next_key).transpose()?;
        Some(header_of(first as u32, length as u64, key)?)
    };
    let header_length = header.as_ref().map_or(0, FrameHeader::encoded_length);
    let bytes = start..start.saturating_add(header_length).saturating_add(length);
    let space = scratch.get_mut(bytes.clone());
    let space = space.ok_or_else(|| reason("a command beyond the scratch memory"))?;
    if let Some(header) = header {
        header.encode(space);
        if let Some(key) = header.masking_key {
            mask_in_place(&mut space[header_length..], key, 0);
        }
    }
    Ok(Piece { id: id as u32, bytes })
}
