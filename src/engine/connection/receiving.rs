//! What arrives: read, decoded, inflated and reported.

use std::io;
use std::num::NonZeroU8;

use super::super::compression::incoming::{Checks, Inflated, Refusal};
use super::super::event::{ConnectionEvent, ConnectionId, FailedCall, MIN_READ, Sink};
use super::super::fault::Fault;
use super::{Chunk, Connection, HangUp, Reads, Receiving, Served, Turn};
use crate::protocol::{Event, Opcode, Payload, ProtocolError};

/// The least that is read straight into the memory of a payload. With less, reading what follows
/// the payload along with it is worth more than the copy.
const MIN_DIRECT_READ: usize = 16 * 1024;

/// A message from which on others as large are expected: it fits no chunk.
const MIN_LARGE: usize = 64 * 1024;

/// How much is read into lent memory before it is unmasked: what the cache still has then.
const MAX_APART_READ: usize = 256 * 1024;

/// A message that is longer is collected in the memory of the decoder: its length fits into a
/// record.
const MAX_APART_LENGTH: u64 = i32::MAX as u64;

/// A read into less than this that leaves something unread is followed by one into fresh memory:
/// the rest of what fills 64 KiB for others comes together here, too.
const MIN_FULL_READ: usize = 32 * 1024;

/// With less memory left, a connection that inflates is not read: messages find room in it rather
/// than in memory of their own, which costs more to hand over.
const MIN_COMPRESSED_READ: usize = 16 * 1024;

/// Of the memory that is left, such a connection is read into a part, so that there is room for
/// what that becomes.
const COMPRESSED_SHARE: usize = 4;

/// What a connection may inflate in a turn; the others follow then.
const MAX_INFLATED: usize = 1024 * 1024;

impl Connection {
    /// Reads once and decodes what that brings. There is room for an event.
    pub(super) fn receive<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        self.injected.pass(Fault::Receive);
        if self.receiving == Receiving::Refused {
            // The limit was not raised.
            self.receiving = Receiving::Discarding;
        }
        if self.receiving == Receiving::Frames && self.decoder.is_apart() {
            return self.announce_large(id, turn);
        }
        let mut most = None;
        if self.fed.is_empty() && self.receiving == Receiving::Frames {
            if self.expects_large && turn.sink.takes_large() && !self.raw {
                if self.decoder.is_between_messages() {
                    return self.receive_large_header(id, turn);
                }
                if self.comes_apart() {
                    return self.announce_large(id, turn);
                }
                // Up to where the next message begins.
                most = self.decoder.missing_payload();
            }
            let Self { decoder, socket, hang_up, .. } = self;
            let is_over = *hang_up == HangUp::Complete;
            let received = decoder.receive_payload(MIN_DIRECT_READ, |buffer| {
                let space = buffer.capacity() - buffer.len();
                (if is_over { Ok(Some(0)) } else { socket.append_to(buffer) }, space)
            });
            if let Some(((read, space), decoded)) = received {
                self.note_read(read, space);
                match decoded {
                    Ok(Some(Event::CompressedFrame { opcode, fin, payload }))
                        if self.compression.is_some() =>
                    {
                        self.inflate(opcode, fin, payload, 0, id, turn);
                    }
                    Ok(Some(mut event)) => {
                        self.expects_large = event.payload_mut().len() >= MIN_LARGE;
                        turn.sink.push(id, ConnectionEvent::Frame(event));
                    }
                    Ok(None) => {}
                    Err(error) => self.report_violation(error, id, turn),
                }
                return Served::Done;
            }
        }
        self.receive_chunk(most.unwrap_or(usize::MAX), id, turn)
    }

    /// Reads a chunk of at most `most` bytes and decodes it.
    fn receive_chunk<S: Sink>(
        &mut self,
        most: usize,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) -> Served {
        let start = *turn.used;
        let inflates = self.compression.is_some() && !self.raw;
        let least = if inflates { MIN_COMPRESSED_READ } else { MIN_READ };
        let Some(mut space) = turn.memory.get_mut(start..).filter(|space| space.len() >= least)
        else {
            return Served::MemoryFull;
        };
        if inflates {
            let share = space.len() / COMPRESSED_SHARE;
            space = &mut space[..share];
        }
        let length = space.len().min(most);
        let space = &mut space[..length];
        let count = if self.fed.is_empty() {
            let read = self.read(space);
            self.note_read(read, length)
        } else {
            Some(self.fed.take(space))
        };
        let Some(count) = count else { return Served::Done };
        let end = start + count;
        *turn.used = end;
        let served = self.decode(Chunk { start, end, position: 0, kept: start }, id, turn);
        let is_short = count == length && length < MIN_FULL_READ.min(most) && !inflates;
        if is_short && self.may_receive() && matches!(served, Served::Done) {
            return Served::MemoryFull;
        }
        served
    }

    /// Reads what is the header of a message as large as the latest one, if there is one.
    fn receive_large_header<S: Sink>(
        &mut self,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) -> Served {
        let bytes_read = self.bytes_read;
        let served = self.receive_chunk(self.decoder.large_header_length(), id, turn);
        if !matches!(served, Served::Done) || self.receiving != Receiving::Frames {
            return served;
        }
        if self.comes_apart() {
            // There is room still: nothing but the header was read.
            return self.announce_large(id, turn);
        }
        self.expects_large = self.bytes_read == bytes_read;
        if self.expects_large || self.decoder.large_message().is_some() || !self.may_receive() {
            return Served::Done;
        }
        // It wasn't: what has come with it belongs to the same read.
        self.receive_chunk(usize::MAX, id, turn)
    }

    /// Whether the host can receive the message that is under way.
    fn comes_apart(&self) -> bool {
        self.decoder.large_message().is_some_and(|message| message.length <= MAX_APART_LENGTH)
    }

    /// Lets the host receive a large message.
    fn announce_large<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        if let Some(message) = self.decoder.large_message() {
            self.awaits_memory = true;
            turn.sink.push(id, ConnectionEvent::Large(message));
        }
        Served::Done
    }

    /// Receives what has arrived of a large message that [`ConnectionEvent::Large`] has announced,
    /// as far as there is `memory` for it; returns how many bytes that is. When the last byte has
    /// arrived, the caller has the message. The memory may grow between the calls, as bytes arrive.
    ///
    /// # Errors
    ///
    /// The peer violated the protocol. What it sends from now on is discarded.
    pub fn receive_apart(&mut self, memory: &mut [u8]) -> Result<usize, ProtocolError> {
        self.awaits_memory = false;
        let mut filled = 0;
        while self.may_receive()
            && self.receiving == Receiving::Frames
            && let Some(message) = self.decoder.large_message()
        {
            let missing = usize::try_from(message.missing).unwrap_or(usize::MAX);
            let space = memory.len() - filled;
            let length = space.min(missing).min(MAX_APART_READ);
            if length == 0 {
                break;
            }
            let part = &mut memory[filled..filled + length];
            let count = if self.fed.is_empty() {
                let read = self.read(part);
                self.note_read(read, length)
            } else {
                Some(self.fed.take(part))
            };
            let Some(count) = count else { break };
            filled += count;
            if let Err(error) = self.decoder.receive_apart(&mut part[..count]) {
                self.receiving = Receiving::Discarding;
                return Err(error);
            }
        }
        Ok(filled)
    }

    /// Reads the socket, unless it's known to have nothing more.
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        if self.hang_up == HangUp::Complete { Ok(Some(0)) } else { self.socket.read(space) }
    }

    /// Whether a read that fails is the end of what came before it.
    pub(super) const fn ends_by_error(&self) -> bool {
        matches!(self.hang_up, HangUp::Guessed | HangUp::Begun)
    }

    /// Notes that one has failed. The kernel tells of the error once, and writing has it to report.
    pub(super) fn end_by_error(&mut self, error: &io::Error) {
        self.hang_up = HangUp::Complete;
        self.end_error = error.raw_os_error().and_then(|it| NonZeroU8::new(u8::try_from(it).ok()?));
    }

    /// Notes what a read into `space` bytes tells of the socket; returns how many bytes it brought.
    fn note_read(&mut self, read: io::Result<Option<usize>>, space: usize) -> Option<usize> {
        match read {
            Ok(Some(0)) => {
                self.receiving = Receiving::Ended;
                self.end_due = true;
                None
            }
            Ok(Some(count)) => {
                self.bytes_read += count as u64;
                let has_more = self.socket.may_have_more(count, space);
                self.readable = has_more || self.peer_ended || self.urgent;
                self.hang_up = self.hang_up.after_read(!has_more && !self.urgent);
                if self.reads == Reads::Reported {
                    self.reads = Reads::Due;
                }
                Some(count)
            }
            Ok(None) => {
                self.readable = self.socket.may_have_more(0, space);
                self.peer_ended &= self.readable;
                self.urgent &= self.readable;
                None
            }
            Err(error) if self.ends_by_error() => {
                self.end_by_error(&error);
                self.note_read(Ok(Some(0)), space)
            }
            Err(error) => {
                self.receiving = Receiving::Ended;
                self.fail(FailedCall::Read, error);
                None
            }
        }
    }

    /// Decodes a chunk as long as there is room for what it holds.
    fn decode<S: Sink>(
        &mut self,
        mut chunk: Chunk,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) -> Served {
        let length = chunk.end - chunk.start;
        let most = turn.inflating.output + MAX_INFLATED;
        while chunk.position < length {
            if !turn.sink.has_room() {
                self.put_back(&chunk, turn);
                return Served::RecordsFull;
            }
            let discarding = self.receiving == Receiving::Discarding;
            if self.raw && (discarding || self.decoder.is_between_messages()) {
                let payload = Payload::InPlace(chunk.start + chunk.position..chunk.end);
                chunk.kept = chunk.end;
                turn.sink.push(id, ConnectionEvent::Raw(payload));
                break;
            }
            if discarding {
                break;
            }
            let input = &mut turn.memory[chunk.start..chunk.end];
            match self.decoder.decode(input, &mut chunk.position) {
                Ok(Some(Event::CompressedFrame { opcode, fin, payload }))
                    if self.compression.is_some() =>
                {
                    self.inflate(opcode, fin, payload, chunk.start, id, turn);
                    if self.is_inflating() || turn.inflating.output > most {
                        self.put_back(&chunk, turn);
                        return Served::Done;
                    }
                }
                Ok(Some(Event::Pong(payload)))
                    if self.note_pong(payload.as_slice(&turn.memory[chunk.start..])) => {}
                Ok(Some(mut event)) => {
                    match event.payload_mut() {
                        Payload::InPlace(range) => {
                            range.start += chunk.start;
                            range.end += chunk.start;
                            chunk.kept = range.end;
                        }
                        Payload::Owned(bytes) => self.expects_large = bytes.len() >= MIN_LARGE,
                    }
                    turn.sink.push(id, ConnectionEvent::Frame(event));
                }
                Ok(None) => {}
                Err(error) => {
                    self.report_violation(error, id, turn);
                    if self.receiving == Receiving::Refused {
                        self.put_back(&chunk, turn);
                        return Served::Refused;
                    }
                }
            }
        }
        release(&chunk, turn);
        Served::Done
    }

    /// Inflates a frame, whose payload, where it is in place, is after `start`, and reports the
    /// message that it completes.
    fn inflate<S: Sink>(
        &mut self,
        opcode: Opcode,
        fin: bool,
        payload: Payload,
        start: usize,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) {
        let checks = self.checks();
        let Some(compression) = &mut self.compression else { return };
        let data = payload.as_slice(turn.memory.get(start..).unwrap_or_default());
        match compression.inflate(opcode, fin, data, checks, turn.inflating) {
            Ok(Inflated::Large(work)) => {
                let number = turn.inflating.due.add(id, work);
                compression.wait_for(number, opcode, fin);
            }
            result => self.report_inflated(result, id, turn),
        }
    }

    /// Goes on after a frame that was inflated elsewhere. There is room for an event.
    pub(super) fn take_outcome<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) {
        let checks = self.checks();
        let result =
            self.compression.as_mut().and_then(|it| it.take_outcome(checks, turn.inflating));
        if let Some(result) = result {
            self.report_inflated(result, id, turn);
        }
    }

    const fn checks(&self) -> Checks {
        Checks {
            max_payload: self.decoder.limits().max_payload,
            skip_utf8_validation: self.decoder.skips_utf8_validation(),
        }
    }

    /// Reports what a frame has become. There is room for an event.
    fn report_inflated<S: Sink>(
        &mut self,
        result: Result<Inflated, Refusal>,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) {
        let event = match result {
            Ok(Inflated::Whole(opcode)) => {
                let payload = place(turn);
                let fragments = Vec::new();
                ConnectionEvent::Frame(match opcode {
                    Opcode::Text => Event::Text { payload, fragments },
                    _ => Event::Binary { payload, fragments },
                })
            }
            Ok(Inflated::Message(event)) => ConnectionEvent::Frame(event),
            Ok(Inflated::Incomplete | Inflated::Large(_)) => return,
            Err(Refusal::Protocol(error)) => return self.report_violation(error, id, turn),
            Err(Refusal::Inflate(error)) => {
                self.receiving = Receiving::Discarding;
                ConnectionEvent::Uninflatable(error)
            }
        };
        turn.sink.push(id, event);
    }

    /// Reports what the decoder refuses. There is room for an event.
    #[cold]
    fn report_violation<S: Sink>(
        &mut self,
        error: ProtocolError,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) {
        self.receiving = match error {
            ProtocolError::UnsupportedMessageLength => Receiving::Refused,
            _ => Receiving::Discarding,
        };
        turn.sink.push(id, ConnectionEvent::Violation(error));
    }

    /// Keeps what is not decoded of a chunk, for a later turn.
    fn put_back<S>(&mut self, chunk: &Chunk, turn: &mut Turn<'_, S>) {
        let rest = &turn.memory[chunk.start + chunk.position..chunk.end];
        self.fed.put_back(rest);
        release(chunk, turn);
    }
}

/// Copies what the scratch holds to the memory of the turn, if it has room for that.
fn place<S>(turn: &mut Turn<'_, S>) -> Payload {
    let start = *turn.used;
    let end = start + turn.inflating.scratch.len();
    if let Some(space) = turn.memory.get_mut(start..end) {
        space.copy_from_slice(&turn.inflating.scratch);
        *turn.used = end;
        Payload::InPlace(start..end)
    } else if turn.inflating.scratch.len() < MIN_DIRECT_READ {
        Payload::Owned(turn.inflating.scratch.clone())
    } else {
        let mut bytes = std::mem::take(&mut turn.inflating.scratch);
        bytes.shrink_to_fit();
        Payload::Owned(bytes)
    }
}

/// Gives back the memory of a chunk after the last payload in it.
fn release<S>(chunk: &Chunk, turn: &mut Turn<'_, S>) {
    if *turn.used == chunk.end {
        *turn.used = chunk.kept;
    }
}
