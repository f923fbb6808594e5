//! What has arrived, for JavaScript.
//!
//! `pollEngine` reads into memory that JavaScript allocated, the slab, and writes a record of five
//! 32-bit integers per event: the connection, then the fields that [`wire`](super::super::wire)
//! describes. Offsets are those of the slab. The first five integers are a header: how much of the
//! slab is used, a `STATUS_…` constant, nothing.

use napi::bindgen_prelude::{Buffer, BufferSlice, External, Result, Uint32Array};
use napi_derive::napi;

use super::super::deflate::InflateFailure;
use super::super::error::{ErrorDescription, reason};
use super::super::wire::{
    ANSWERED_PING, ENGINE_RECORD_FIELDS, RECORD_END, RECORD_ERROR, RECORD_FAILED, RECORD_FAULT,
    RECORD_LARGE_BINARY, RECORD_LARGE_TEXT, RECORD_NEXT_TURN, RECORD_RAW, RECORD_READ,
    RECORD_SHUT_DOWN, RECORD_UNINFLATABLE, RECORD_WAITING, RECORD_WRITTEN, STATUS_IDLE,
    STATUS_MEMORY_FULL, STATUS_RECORDS_FULL,
};
use super::Engine;
use crate::engine::{ConnectionEvent, Sink, Status};
use crate::javascript::records::{Payloads, write_fields};
use crate::protocol::deflate::InflateError;
use crate::protocol::{Event, LargeMessage, Opcode, ProtocolError};

/// Bytes of a record, and of the header before the first.
const RECORD_LENGTH: usize = ENGINE_RECORD_FIELDS as usize * size_of::<i32>();

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
    sink.takes_large = true;
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

/// Collects what a connection that is about to be closed has read and not reported, to be taken
/// by `takeDrained`; whether there is something. Of what is on the way only the rest of the read
/// whose events were taken last is given, if it's wanted; and all where nothing reads: then what a
/// socket would have read counts as read, too.
#[napi(catch_unwind)]
pub fn drain_connection(
    engine: &mut External<Engine>,
    id: u32,
    wanted: bool,
    is_unread: bool,
) -> bool {
    let drained = engine.reactor.drain(id, wanted, is_unread);
    engine.drained = drained.into_iter();
    engine.drained.len() > 0
}

/// Takes some of what `drainConnection` has found, as `pollEngine` does, all payloads in memory of
/// their own; returns the number of records.
#[napi(catch_unwind)]
pub fn take_drained(
    engine: &mut External<Engine>,
    id: u32,
    mut records: BufferSlice<'_>,
) -> Result<u32> {
    let Engine { payloads, violations, inflate_errors, drained, .. } = &mut **engine;
    let (_, records) = records
        .split_at_mut_checked(RECORD_LENGTH)
        .ok_or_else(|| reason("no space for records"))?;
    let mut sink = Records::new(records, payloads, violations, inflate_errors);
    while sink.has_room()
        && let Some(event) = drained.next()
    {
        sink.push(id, event);
    }
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
    match reactor.update(id, |connection| connection.receive_apart(space)).unwrap_or(Ok(0)) {
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

/// Where the reactor puts what happens: records in memory of JavaScript's.
struct Records<'a> {
    bytes: &'a mut [u8],
    count: usize,
    payloads: &'a mut Payloads,
    violations: &'a mut Vec<ProtocolError>,
    inflate_errors: &'a mut Vec<InflateError>,
    /// Whether large messages are received later, into memory of their own.
    takes_large: bool,
}

impl<'a> Records<'a> {
    fn new(
        bytes: &'a mut [u8],
        payloads: &'a mut Payloads,
        violations: &'a mut Vec<ProtocolError>,
        inflate_errors: &'a mut Vec<InflateError>,
    ) -> Self {
        Self { bytes, count: 0, payloads, violations, inflate_errors, takes_large: false }
    }
}

impl Sink for Records<'_> {
    fn takes_large(&self) -> bool {
        self.takes_large
    }

    fn has_room(&self) -> bool {
        (self.count + 1) * RECORD_LENGTH <= self.bytes.len()
    }

    #[inline(always)]
    fn push(&mut self, id: u32, event: ConnectionEvent) {
        let [kind, detail, place, length] = match event {
            ConnectionEvent::Frame(event) => self.payloads.record(event),
            ConnectionEvent::AnsweredPing(payload) => {
                let [kind, _, place, length] = self.payloads.record(Event::Ping(payload));
                [kind, ANSWERED_PING, place, length]
            }
            ConnectionEvent::Large(LargeMessage { opcode, length, .. }) => {
                let is_text = opcode == Opcode::Text;
                let kind = if is_text { RECORD_LARGE_TEXT } else { RECORD_LARGE_BINARY };
                [kind, i32::try_from(length).unwrap_or(i32::MAX), 0, 0]
            }
            ConnectionEvent::Raw(payload) => {
                let (place, length) = self.payloads.place(payload, Vec::new());
                [RECORD_RAW, 0, place, length]
            }
            ConnectionEvent::Violation(error) => {
                self.violations.push(error);
                [RECORD_ERROR, self.violations.len() as i32 - 1, 0, 0]
            }
            ConnectionEvent::Uninflatable(error) => {
                self.inflate_errors.push(error);
                [RECORD_UNINFLATABLE, self.inflate_errors.len() as i32 - 1, 0, 0]
            }
            ConnectionEvent::End { came_along } => [RECORD_END, i32::from(came_along), 0, 0],
            ConnectionEvent::Read => [RECORD_READ, 0, 0, 0],
            ConnectionEvent::Failed(..) => [RECORD_FAILED, 0, 0, 0],
            ConnectionEvent::Written => [RECORD_WRITTEN, 0, 0, 0],
            ConnectionEvent::Waiting => [RECORD_WAITING, 0, 0, 0],
            ConnectionEvent::ShutDown => [RECORD_SHUT_DOWN, 0, 0, 0],
            ConnectionEvent::NextTurn => [RECORD_NEXT_TURN, 0, 0, 0],
            ConnectionEvent::Fault => [RECORD_FAULT, 0, 0, 0],
        };
        let start = self.count * RECORD_LENGTH;
        if let Some(record) = self.bytes.get_mut(start..start + RECORD_LENGTH) {
            write_fields(record, &[id as i32, kind, detail, place, length]);
            self.count += 1;
        }
    }
}
