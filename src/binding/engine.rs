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
//! be masked, plus 512 where the payload is to be compressed. Bytes that go as they are have -1 there.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{
    Buffer, BufferSlice, External, Function, Result, Uint32Array, spawn, spawn_blocking,
    within_runtime_if_available,
};
use napi_derive::napi;

use super::deflate::{Deflater, InflateFailure, Inflater};
use super::error::{ErrorDescription, reason};
use super::frame::{header_of, next_key};
use super::loop_driver::{LoopDriver, borrow_descriptor, wait_in_task};
use super::record::{Payloads, RECORD_ERROR, write_fields};
#[cfg(debug_assertions)]
use crate::engine::Fault;
use crate::engine::threads::pool::{GATE, work_threads};
use crate::engine::{ConnectionConfig, Occurrence, Piece, Reactor, SharedReactor, Sink, Status};
use crate::protocol::deflate::InflateError;
use crate::protocol::{
    Event, FrameHeader, LargeMessage, Limits, Opcode, ProtocolError, Role, mask_in_place,
};

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
/// Something that was sent waits to be written.
#[napi]
pub const RECORD_WAITING: i32 = 21;

/// The engine has panicked while it worked on the connection, or, where the connection is -1, on
/// none in particular.
#[napi]
pub const RECORD_FAULT: i32 = 22;
/// A compressed message that can't be inflated: why is asked for apart, by the detail.
#[napi]
pub const RECORD_UNINFLATABLE: i32 = 23;
/// A large text message is arriving: detail is its length. It goes to memory that is given for it.
#[napi]
pub const RECORD_LARGE_TEXT: i32 = 24;
/// The same, binary.
#[napi]
pub const RECORD_LARGE_BINARY: i32 = 25;

/// Nothing more to take; the descriptor announces what comes.
#[napi]
pub const STATUS_IDLE: i32 = 0;
/// The space for records is used up, or there is enough to be looked at first: poll again.
const STATUS_RECORDS_FULL: i32 = 1;
/// The slab is used up: poll again with another.
#[napi]
pub const STATUS_MEMORY_FULL: i32 = 2;

/// Bytes of a record, and of the header before the first; bytes of a command.
const RECORD_LENGTH: usize = 20;
const COMMAND_LENGTH: usize = 16;
/// In the detail of a ping: the engine has answered it.
const ANSWERED: i32 = 1;
/// In a command: the frame is to be masked.
const MASKED: i32 = 0x100;
/// In a command: the payload is to be compressed.
const COMPRESSED: i32 = 0x200;

/// The sockets of one environment, and what drives them.
pub struct Engine {
    reactor: Arc<SharedReactor>,
    driver: LoopDriver,
    /// Whether there is a task for the tokio driver.
    has_task: bool,
    /// Whether the tokio driver has the work.
    is_tasked: bool,
    payloads: Payloads,
    violations: Vec<ProtocolError>,
    inflate_errors: Vec<InflateError>,
    /// What the latest flush wrote, kept for its memory.
    pieces: Vec<Piece>,
}

/// Makes an engine whose work is done in `dispatch`; nothing where there is no libuv.
#[napi(catch_unwind)]
pub fn create_engine(
    env: &Env,
    dispatch: Function<'_, (), ()>,
) -> Result<Option<External<Engine>>> {
    let Ok(mut reactor) = Reactor::new() else { return Ok(None) };
    let spawner = |job| GATE.pass(job, |job| drop(spawn_blocking(job)));
    reactor.set_spawner(Arc::new(spawner), work_threads());
    // libuv tells as long as there is something.
    reactor.set_guessing(true);
    let Ok(descriptor) = reactor.as_fd().try_clone_to_owned() else { return Ok(None) };
    let Some(driver) = LoopDriver::start(env, descriptor, &dispatch)? else { return Ok(None) };
    let waker = driver.waker();
    let engine = Engine {
        reactor: SharedReactor::new(reactor, Box::new(move || waker.wake()), || next_key().ok()),
        driver,
        has_task: false,
        is_tasked: false,
        payloads: Payloads::default(),
        violations: Vec::new(),
        inflate_errors: Vec::new(),
        pieces: Vec::new(),
    };
    Ok(Some(External::new(engine)))
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.reactor.end();
    }
}

/// Has the tokio driver, or the loop driver, do the work from now on; whether it does.
///
/// What is sent has to be flushed at once before. Nobody announces what the loop driver finds.
#[napi(catch_unwind)]
pub fn set_tokio_driver(engine: &mut External<Engine>, tokio: bool) -> bool {
    engine.has_task = engine.has_task || tokio && start_task(&engine.reactor);
    if tokio && !engine.has_task {
        return false;
    }
    if !engine.reactor.set_tasked(tokio) {
        return false;
    }
    engine.is_tasked = tokio;
    engine.driver.set_watching(!tokio);
    true
}

/// Starts the task of the tokio driver; whether that worked.
fn start_task(reactor: &Arc<SharedReactor>) -> bool {
    let descriptor = reactor.with(|reactor| reactor.as_fd().try_clone_to_owned());
    let Ok(descriptor) = descriptor else { return false };
    let readiness = within_runtime_if_available(|| wait_in_task(descriptor));
    let Ok(readiness) = readiness else { return false };
    spawn(Arc::clone(reactor).drive(readiness));
    true
}

/// Sets whether the engine keeps the event loop alive.
#[napi(catch_unwind)]
pub fn set_engine_referenced(engine: &External<Engine>, referenced: bool) {
    engine.driver.set_referenced(referenced);
}

/// Takes a duplicate of a socket's descriptor into the engine; the number of the connection, or a
/// negative one if that can't be done. The tokio driver begins to read it when it is released.
#[napi(catch_unwind)]
pub fn adopt(
    engine: &mut External<Engine>,
    descriptor: i32,
    is_server: bool,
    permessage_deflate: bool,
    raw: bool,
) -> i32 {
    let role = if is_server { Role::Server } else { Role::Client };
    let config = ConnectionConfig { permessage_deflate, raw, ..ConnectionConfig::new(role) };
    // SAFETY: the caller holds the handle that owns the descriptor during this call.
    let Some(descriptor) = (unsafe { borrow_descriptor(descriptor) }) else { return -1 };
    let held = engine.is_tasked;
    let adopted = engine.reactor.with(|reactor| {
        let id = reactor.adopt(descriptor, config)?;
        reactor.set_held(id, held);
        Ok::<_, io::Error>(id)
    });
    adopted.ok().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
}

/// Has a connection read that was taken over while the tokio driver had the work.
#[napi(catch_unwind)]
pub fn release_connection(engine: &mut External<Engine>, id: u32) {
    engine.reactor.with(|reactor| reactor.set_held(id, false));
}

/// Has work done that nobody announces, where the tokio driver would do it.
#[napi(catch_unwind)]
pub fn serve_engine(engine: &External<Engine>) {
    if engine.is_tasked {
        engine.reactor.serve();
    }
}

/// Puts bytes that were read before the hand-over in front of what comes.
#[napi(catch_unwind)]
pub fn feed(engine: &mut External<Engine>, id: u32, bytes: BufferSlice<'_>) {
    engine.reactor.with(|reactor| reactor.feed(id, &bytes));
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
    engine.reactor.with(|reactor| reactor.set_limits(id, limits, skip_utf8_validation));
}

/// Whether a connection waits at a frame that is too long. Not any more when the limit has been
/// raised since it was reported.
#[napi(catch_unwind)]
pub fn is_refused(engine: &External<Engine>, id: u32) -> bool {
    engine.reactor.with(|reactor| reactor.is_refused(id))
}

/// Takes what has arrived; returns the number of records.
#[napi(catch_unwind)]
pub fn poll_engine(
    engine: &mut External<Engine>,
    mut records: BufferSlice<'_>,
    mut slab: BufferSlice<'_>,
    used: u32,
) -> Result<u32> {
    let Engine { reactor, payloads, violations, inflate_errors, .. } = &mut **engine;
    payloads.clear();
    violations.clear();
    inflate_errors.clear();
    let (header, records) = records
        .split_at_mut_checked(RECORD_LENGTH)
        .ok_or_else(|| reason("no space for records"))?;
    let mut sink = Records::new(records, payloads, violations, inflate_errors);
    sink.lends_memory = true;
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
    let Engine { reactor, payloads, violations, inflate_errors, .. } = &mut **engine;
    let (_, records) = records
        .split_at_mut_checked(RECORD_LENGTH)
        .ok_or_else(|| reason("no space for records"))?;
    let mut sink = Records::new(records, payloads, violations, inflate_errors);
    reactor.drain(id, &mut slab, &mut 0, &mut sink);
    Ok(sink.count as u32)
}

/// Receives more of a large message that a record has announced into `memory`, of which the first
/// `filled` bytes are there already; returns how many are then, or -1 - the index of a violation.
#[napi(catch_unwind)]
pub fn receive_large(
    engine: &mut External<Engine>,
    id: u32,
    mut memory: BufferSlice<'_>,
    filled: u32,
) -> i32 {
    let Engine { reactor, violations, .. } = &mut **engine;
    let space = memory.get_mut(filled as usize..).unwrap_or_default();
    match reactor.with(|reactor| reactor.receive_apart(id, space)) {
        Ok(count) => filled as i32 + count as i32,
        Err(error) => {
            violations.push(error);
            -(violations.len() as i32)
        }
    }
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

/// Describes the error that the detail of a record of kind uninflatable names.
#[napi(catch_unwind)]
pub fn engine_inflate_failure(engine: &External<Engine>, index: u32) -> Option<InflateFailure> {
    engine.inflate_errors.get(index as usize).copied().map(InflateFailure::from)
}

/// Has the engine inflate and deflate the messages of a connection, and ends raw mode; whether it
/// does. Not while a message, or something that was read, is under way.
#[napi(catch_unwind)]
pub fn begin_compression(
    engine: &mut External<Engine>,
    id: u32,
    deflater: &Deflater,
    inflater: &Inflater,
) -> bool {
    let (Some(deflation), Some(inflation)) = (deflater.shared(), inflater.shared()) else {
        return false;
    };
    engine.reactor.with(|reactor| reactor.set_compression(id, deflation, inflation));
    engine.reactor.begin_frames(id)
}

/// The compressing side of a connection, which the engine drives as well.
#[napi(catch_unwind)]
pub fn share_deflater(engine: &External<Engine>, id: u32) -> Option<Deflater> {
    engine.reactor.with(|reactor| reactor.compression(id)).map(|(it, _)| Deflater::of(it))
}

/// The decompressing side of a connection, which the engine drives as well.
#[napi(catch_unwind)]
pub fn share_inflater(engine: &External<Engine>, id: u32) -> Option<Inflater> {
    engine.reactor.with(|reactor| reactor.compression(id)).map(|(_, it)| Inflater::of(it))
}

/// Carries out `count` commands. Writes the connections of which something waits now into
/// `results` and returns their number. The tokio driver may be left to write them later, and tell
/// then, unless that has to be done at once.
#[napi(catch_unwind)]
pub fn flush_engine(
    engine: &mut External<Engine>,
    commands: BufferSlice<'_>,
    count: u32,
    mut scratch: BufferSlice<'_>,
    mut results: BufferSlice<'_>,
    at_once: bool,
) -> Result<u32> {
    let Engine { reactor, is_tasked, pieces, .. } = &mut **engine;
    pieces.clear();
    for command in commands.chunks_exact(COMMAND_LENGTH).take(count as usize) {
        let piece = finish_command(command, &mut scratch)?;
        match pieces.last_mut() {
            Some(last)
                if last.id == piece.id
                    && last.bytes.end == piece.bytes.start
                    && last.frame.is_none()
                    && piece.frame.is_none() =>
            {
                last.bytes.end = piece.bytes.end;
            }
            _ => pieces.push(piece),
        }
    }
    if *is_tasked && !at_once {
        // Not that of the last: several may have the same bytes, or have been taken back.
        let used = pieces.iter().map(|piece| piece.bytes.end).max().unwrap_or_default();
        if reactor.send(&scratch[..used], pieces) {
            return Ok(0);
        }
    }
    let mut waiting = Vec::new();
    reactor.write(&scratch, pieces, &mut waiting);
    for (index, id) in waiting.iter().enumerate() {
        let result = results.chunks_exact_mut(4).nth(index);
        let result = result.ok_or_else(|| reason("no space for results"))?;
        write_fields(result, &[*id as i32]);
    }
    Ok(waiting.len() as u32)
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
    let mut parts = [IoSlice::new(&head), IoSlice::new(&body)];
    engine.reactor.with(|reactor| reactor.write(id, &mut parts)) as f64
}

/// Leaves a head and a body to the tokio driver, as they are and copied; `false` where that has too
/// much to write already, or nothing at all.
#[napi(catch_unwind)]
pub fn send_parts(
    engine: &External<Engine>,
    id: u32,
    head: BufferSlice<'_>,
    body: BufferSlice<'_>,
) -> bool {
    engine.is_tasked && engine.reactor.send_parts(id, &[&head, &body])
}

/// The number of the descriptor under which the engine has a socket.
#[napi(catch_unwind)]
pub fn descriptor(engine: &External<Engine>, id: u32) -> i32 {
    engine.reactor.with(|reactor| reactor.descriptor(id)).unwrap_or(-1)
}

/// One end of a connection.
#[napi(object)]
pub struct Address {
    /// As text.
    pub address: String,
    /// The port.
    pub port: u32,
    /// Whether it is an address of IPv6.
    pub is_v6: bool,
    /// The number of the interface that the address is of, 0 where it is of none.
    pub scope: u32,
}

/// The address of one end of a connection, the peer's or this one's; none where there is none.
#[napi(catch_unwind)]
pub fn address_of(engine: &External<Engine>, id: u32, peer: bool) -> Option<Address> {
    let found = engine.reactor.with(|reactor| reactor.address(id, peer)).ok()?;
    let scope = match found {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(found) => found.scope_id(),
    };
    Some(Address {
        address: found.ip().to_string(),
        port: found.port().into(),
        is_v6: found.is_ipv6(),
        scope,
    })
}

/// Ends the sending side once everything is written.
#[napi(catch_unwind)]
pub fn shut_down(engine: &mut External<Engine>, id: u32) {
    engine.reactor.with(|reactor| reactor.shutdown(id));
}

/// Closes a connection at once, with a reset if so asked; its number becomes free.
#[napi(catch_unwind)]
pub fn close_connection(engine: &mut External<Engine>, id: u32, reset: bool) {
    engine.reactor.close(id, reset);
}

/// Stops or continues reading.
#[napi(catch_unwind)]
pub fn set_paused(engine: &mut External<Engine>, id: u32, paused: bool) {
    engine.reactor.with(|reactor| if paused { reactor.pause(id) } else { reactor.resume(id) });
}

/// Sets whether bytes come as they are, from the next read on.
#[napi(catch_unwind)]
pub fn set_raw(engine: &mut External<Engine>, id: u32, raw: bool) {
    engine.reactor.with(|reactor| reactor.set_raw(id, raw));
}

/// Sets `TCP_NODELAY`; whether that worked.
#[napi(catch_unwind)]
pub fn set_no_delay(engine: &External<Engine>, id: u32, no_delay: bool) -> bool {
    engine.reactor.with(|reactor| reactor.set_no_delay(id, no_delay)).is_ok()
}

/// Sets `SO_KEEPALIVE` with a delay in seconds, or clears it where there is none; whether that
/// worked.
#[napi(catch_unwind)]
pub fn set_keep_alive(engine: &External<Engine>, id: u32, delay: Option<u32>) -> bool {
    let delay = delay.map(|seconds| Duration::from_secs(u64::from(seconds)));
    engine.reactor.with(|reactor| reactor.set_keep_alive(id, delay)).is_ok()
}

/// How many bytes were read, written, and wait to be written.
#[napi(catch_unwind)]
pub fn counters(engine: &External<Engine>, id: u32) -> Vec<f64> {
    engine.reactor.with(|reactor| {
        let pending = reactor.pending(id) as f64;
        vec![reactor.bytes_read(id) as f64, reactor.bytes_written(id) as f64, pending]
    })
}

/// How many bytes wait to be written.
#[napi(catch_unwind)]
pub fn pending_bytes(engine: &External<Engine>, id: u32) -> f64 {
    engine.reactor.with(|reactor| reactor.pending(id)) as f64
}

/// Whether there is work that the descriptor will not announce. If not, all that was taken has been
/// handed out, and what was sent for it has been flushed.
#[napi(catch_unwind)]
pub fn has_ready(engine: &External<Engine>) -> bool {
    let has_ready = engine.reactor.has_ready();
    if engine.is_tasked && !has_ready {
        engine.reactor.settle();
    }
    has_ready
}

/// Sets whether the engine may answer pings of a connection while JavaScript is busy.
#[napi(catch_unwind)]
pub fn set_answering(engine: &mut External<Engine>, id: u32, answering: bool) {
    engine.reactor.with(|reactor| reactor.set_answering(id, answering));
}

/// Has the engine panic: while the connection receives (0) or writes (1), the reactor looks who is
/// ready (2), the task has its turn (3).
#[cfg(debug_assertions)]
#[napi(catch_unwind, skip_typescript)]
pub fn inject_fault(engine: &External<Engine>, id: u32, place: u32) {
    let fault = match place {
        0 => Fault::Receive,
        1 => Fault::Write,
        2 => Fault::Reactor,
        _ => Fault::Task,
    };
    engine.reactor.with(|reactor| reactor.inject(id, fault));
}

/// Where the reactor puts what happens: records in memory of JavaScript's.
struct Records<'a> {
    bytes: &'a mut [u8],
    count: usize,
    payloads: &'a mut Payloads,
    violations: &'a mut Vec<ProtocolError>,
    inflate_errors: &'a mut Vec<InflateError>,
    /// Whether large messages are received later, into memory of their own.
    lends_memory: bool,
}

impl<'a> Records<'a> {
    fn new(
        bytes: &'a mut [u8],
        payloads: &'a mut Payloads,
        violations: &'a mut Vec<ProtocolError>,
        inflate_errors: &'a mut Vec<InflateError>,
    ) -> Self {
        Self { bytes, count: 0, payloads, violations, inflate_errors, lends_memory: false }
    }
}

impl Sink for Records<'_> {
    fn lends_memory(&self) -> bool {
        self.lends_memory
    }

    fn has_room(&self) -> bool {
        (self.count + 1) * RECORD_LENGTH <= self.bytes.len()
    }

    #[inline(always)]
    fn push(&mut self, id: u32, occurrence: Occurrence) {
        let [kind, detail, place, length] = match occurrence {
            Occurrence::Frame(event) => self.payloads.record(event),
            Occurrence::AnsweredPing(payload) => {
                let [kind, _, place, length] = self.payloads.record(Event::Ping(payload));
                [kind, ANSWERED, place, length]
            }
            Occurrence::Large(LargeMessage { opcode, length, .. }) => {
                let is_text = opcode == Opcode::Text;
                let kind = if is_text { RECORD_LARGE_TEXT } else { RECORD_LARGE_BINARY };
                [kind, i32::try_from(length).unwrap_or(i32::MAX), 0, 0]
            }
            Occurrence::Raw(payload) => {
                let (place, length) = self.payloads.place(payload, Vec::new());
                [RECORD_RAW, 0, place, length]
            }
            Occurrence::Violation(error) => {
                self.violations.push(error);
                [RECORD_ERROR, self.violations.len() as i32 - 1, 0, 0]
            }
            Occurrence::Uninflatable(error) => {
                self.inflate_errors.push(error);
                [RECORD_UNINFLATABLE, self.inflate_errors.len() as i32 - 1, 0, 0]
            }
            Occurrence::End => [RECORD_END, 0, 0, 0],
            Occurrence::Failed(error) => [RECORD_FAILED, error.raw_os_error().unwrap_or(0), 0, 0],
            Occurrence::Written => [RECORD_WRITTEN, 0, 0, 0],
            Occurrence::Waiting => [RECORD_WAITING, 0, 0, 0],
            Occurrence::ShutDown => [RECORD_SHUT_DOWN, 0, 0, 0],
            Occurrence::Fault => [RECORD_FAULT, 0, 0, 0],
        };
        let start = self.count * RECORD_LENGTH;
        if let Some(record) = self.bytes.get_mut(start..start + RECORD_LENGTH) {
            write_fields(record, &[id as i32, kind, detail, place, length]);
            self.count += 1;
        }
    }
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
    let mut bytes = start..start.saturating_add(header_length).saturating_add(length);
    let space = scratch.get_mut(bytes.clone());
    let space = space.ok_or_else(|| reason("a command beyond the scratch memory"))?;
    if first >= 0 && first & COMPRESSED != 0 {
        bytes.start += header_length;
        return Ok(Piece { id: id as u32, bytes, frame: header });
    }
    if let Some(header) = header {
        header.encode(space);
        if let Some(key) = header.masking_key {
            mask_in_place(&mut space[header_length..], key, 0);
        }
    }
    Ok(Piece { id: id as u32, bytes, frame: None })
}
