//! One socket: what arrives becomes occurrences, what is written goes out.

use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mio::event::Event as Readiness;

use super::background::Due;
use super::compression::{Checks, Compression, Inflated, Outcome, Refusal};
use super::fault::{Fault, Injected};
use super::occurrence::{ConnectionConfig, ConnectionId, Occurrence, Piece, Sink};
use super::outgoing::Broadcast;
use super::reactor::MIN_READ;
use super::socket::{MAX_PARTS, Socket};
use super::write_queue::{MAX_SLICES, WriteQueue};
use crate::protocol::{
    Decoder, DecoderConfig, Event, Limits, Opcode, Payload, ProtocolError, Role,
};

/// The least that is read straight into the memory of a payload. With less, reading what follows
/// the payload along with it is worth more than the copy.
const MIN_DIRECT_READ: usize = 16 * 1024;

/// A message from which on others as large are expected: it fits no chunk.
const MIN_LARGE: usize = 64 * 1024;

/// How much is read into lent memory before it is unmasked: what the cache still has then.
const MAX_APART_READ: usize = 256 * 1024;

/// A message that is longer is collected in the memory of the decoder: its length fits into a record.
const MAX_APART_LENGTH: u64 = i32::MAX as u64;

/// What one call of [`Reactor::poll`](super::Reactor::poll) works with.
pub(super) struct Turn<'a, S> {
    pub(super) memory: &'a mut [u8],
    /// How much of `memory` has to stay as it is.
    pub(super) used: &'a mut usize,
    pub(super) sink: &'a mut S,
    pub(super) inflating: &'a mut Inflating,
}

/// What inflating works with.
#[derive(Debug, Default)]
pub(super) struct Inflating {
    /// Where messages are put before it is known how long they are.
    pub(super) scratch: Vec<u8>,
    /// How much the connection whose turn it is has inflated.
    pub(super) output: usize,
    /// What is to be inflated elsewhere.
    pub(super) due: Due,
}

/// What one read brought, in the memory of a turn.
#[derive(Debug)]
pub(super) struct Chunk {
    start: usize,
    end: usize,
    /// Where the decoder is, from `start` on.
    position: usize,
    /// The end of the last payload that was handed out in place.
    kept: usize,
}

/// How the turn of one connection ended.
#[derive(Debug)]
pub(super) enum Served {
    /// It has had its share.
    Done,
    /// There is no room for what it has to report.
    RecordsFull,
    /// There is no room for the rest of what it has read.
    Unfinished(Chunk),
    /// There is no memory into which to read.
    MemoryFull,
    /// It has reported a frame that is too long, of which the caller may still allow the length.
    Refused,
}

/// With less memory left, a connection that inflates is not read: messages find room in it rather
/// than in memory of their own, which costs more to hand over.
const MIN_COMPRESSED_READ: usize = 16 * 1024;

/// Of the memory that is left, such a connection is read into a part, so that there is room for what
/// that becomes.
const COMPRESSED_SHARE: usize = 4;

/// What a connection may inflate in a turn; the others follow then.
const MAX_INFLATED: usize = 1024 * 1024;

/// How much of a paused connection is read ahead of bytes that are fed.
const MAX_FETCH: usize = 64 * 1024;

/// What becomes of what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    /// It is decoded.
    Frames,
    /// Nothing yet: a frame is too long, and a higher limit may still be set before the next call.
    Refused,
    /// It is thrown away: the peer violated the protocol.
    Discarding,
    /// Nothing arrives any more.
    Ended,
}

/// How far the sending side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// It takes bytes.
    Open,
    /// It ends once the queue is empty.
    EndDue,
    /// It has ended, which is to be reported.
    Ending,
    /// It has ended.
    Ended,
}

/// A connection behind its opening handshake.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    decoder: Decoder,
    /// permessage-deflate, where the engine does it.
    compression: Option<Box<Compression>>,
    /// Bytes that come before those of the socket.
    fed: Vec<u8>,
    /// Bytes that the kernel did not take yet; none instead of an empty queue.
    queue: Option<Box<WriteQueue>>,
    /// What broke the sending side, until it is reported.
    failure: Option<io::Error>,
    bytes_read: u64,
    bytes_written: u64,
    receiving: Receiving,
    sending: Sending,
    raw: bool,
    paused: bool,
    /// Nothing is read, nor fed bytes taken, until the hand-over is finished.
    held: bool,
    /// The same, until the owner has taken some of what is on its way to him.
    starved: bool,
    /// A ping may be answered without the owner.
    answers: bool,
    /// A read may bring something.
    readable: bool,
    /// Reads bring the end of the stream sooner or later, which no further event announces.
    peer_ended: bool,
    /// The socket is registered for writing.
    watched: bool,
    /// The kernel may take more of the queue.
    writable: bool,
    /// The queue has become empty, which is to be reported.
    written: bool,
    /// Bytes are on their way to the kernel, which a panic would leave uncounted.
    writing: bool,
    /// A panic is to be reported.
    fault_due: bool,
    injected: Injected,
    /// The latest message was large: the header of the next one is read alone, so that its payload
    /// can be received where it stays.
    expects_large: bool,
    /// The owner was told of a large message, and is going to receive it.
    is_lent: bool,
    /// The peer has ended, which is to be reported.
    end_due: bool,
}

impl Connection {
    /// Duplicates `fd`.
    pub(super) fn new(fd: BorrowedFd<'_>, config: ConnectionConfig) -> io::Result<Self> {
        let socket = Socket::duplicate(fd)?;
        let decoder = Decoder::new(DecoderConfig {
            role: config.role,
            limits: config.limits,
            permessage_deflate: config.permessage_deflate,
            skip_utf8_validation: config.skip_utf8_validation,
        });
        Ok(Self {
            socket,
            decoder,
            compression: None,
            fed: Vec::new(),
            queue: None,
            failure: None,
            bytes_read: 0,
            bytes_written: 0,
            receiving: Receiving::Frames,
            sending: Sending::Open,
            raw: config.raw,
            paused: false,
            held: false,
            starved: false,
            answers: false,
            readable: false,
            peer_ended: false,
            watched: false,
            writable: false,
            written: false,
            writing: false,
            fault_due: false,
            injected: Injected::default(),
            expects_large: false,
            is_lent: false,
            end_due: false,
        })
    }

    /// Works on the connection. A panic, which only a mistake of ours can cause, costs the
    /// connection and nobody else.
    pub(super) fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut *self)));
        if result.is_err() {
            self.give_up();
        }
        result.ok()
    }

    /// Takes nothing more of the peer. What is sent still goes out, so that the peer is told, unless
    /// nobody knows any more where in its bytes the connection is.
    #[cold]
    pub(super) fn give_up(&mut self) {
        self.fed = Vec::new();
        self.compression = None;
        self.is_lent = false;
        if self.writing || self.raw || self.receiving == Receiving::Discarding {
            self.fail(io::Error::other("a panic"));
        }
        self.receiving = match self.receiving {
            // It was given up before, and panics all the same.
            Receiving::Discarding | Receiving::Ended => Receiving::Ended,
            Receiving::Frames | Receiving::Refused => Receiving::Discarding,
        };
        self.fault_due = true;
    }

    /// Asks for a panic.
    #[cfg(debug_assertions)]
    pub(super) const fn inject(&mut self, fault: Fault) {
        self.injected.ask(fault);
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// How many bytes wait for the kernel to take them.
    pub(super) fn pending(&self) -> usize {
        self.queue.as_deref().map_or(0, WriteQueue::len)
    }

    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub(super) const fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.paused {
            self.fetch();
        }
        self.fed.extend_from_slice(bytes);
    }

    /// Reads what a paused connection would have read by now, so that it keeps its place before
    /// bytes that are fed. The end of the stream is found again later.
    fn fetch(&mut self) {
        let mut space = vec![0; MAX_FETCH];
        match self.socket.read(&mut space) {
            Ok(Some(count)) => {
                self.bytes_read += count as u64;
                self.fed.extend_from_slice(&space[..count]);
            }
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
    }

    pub(super) const fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(super) const fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    pub(super) const fn set_starved(&mut self, starved: bool) {
        self.starved = starved;
    }

    /// Whether nothing is to be reported of what has arrived.
    const fn is_withheld(&self) -> bool {
        self.held || self.starved
    }

    pub(super) const fn set_answering(&mut self, answers: bool) {
        self.answers = answers;
    }

    /// The role in which a ping may be answered now: not where the answer had to wait, so that a peer
    /// that does not read costs no memory.
    pub(super) const fn answering_role(&self) -> Option<Role> {
        let is_open = matches!(self.sending, Sending::Open) && self.failure.is_none();
        let answers = self.answers && is_open && self.queue.is_none() && !self.raw;
        if answers { Some(self.decoder.role()) } else { None }
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.compression = Some(Box::new(compression));
    }

    pub(super) fn compression(&self) -> Option<&Compression> {
        self.compression.as_deref()
    }

    /// Whether it has frames to read that may have to be inflated.
    pub(super) fn may_inflate(&self) -> bool {
        self.compression.is_some() && !self.raw && self.may_receive()
    }

    /// Takes what work on another thread came to.
    pub(super) fn note_outcome(&mut self, number: u64, outcome: Outcome) {
        if let Some(compression) = &mut self.compression {
            compression.note_outcome(number, outcome);
        }
    }

    /// Whether a frame is inflated elsewhere, and everything behind it has to wait.
    fn is_inflating(&self) -> bool {
        self.compression.as_deref().is_some_and(Compression::is_waiting)
    }

    /// Whether such a frame is to be taken up again.
    fn has_outcome(&self) -> bool {
        !self.is_withheld() && self.compression.as_deref().is_some_and(Compression::has_outcome)
    }

    /// Whether what was decoded ends with a message, so that raw mode can begin or end.
    pub(super) fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages() && !self.is_inflating()
    }

    pub(super) const fn set_raw(&mut self, raw: bool) {
        self.raw = raw;
    }

    pub(super) fn set_limits(&mut self, limits: Limits, skip_utf8_validation: bool) {
        let old = self.decoder.limits().max_payload;
        let raised = limits.max_payload == 0 || limits.max_payload > old;
        if self.receiving == Receiving::Refused && raised {
            self.receiving = Receiving::Frames;
        }
        self.decoder.set_limits(limits);
        self.decoder.set_skip_utf8_validation(skip_utf8_validation);
    }

    pub(super) fn is_refused(&self) -> bool {
        self.receiving == Receiving::Refused
    }

    /// Notes what the kernel reports.
    pub(super) fn note(&mut self, readiness: &Readiness) {
        let broken = readiness.is_error();
        let ended = readiness.is_read_closed();
        self.readable |= readiness.is_readable() || ended || broken;
        self.peer_ended |= ended || broken;
        self.writable |= readiness.is_writable() || readiness.is_write_closed() || broken;
    }

    /// Takes it that there is something to read.
    pub(super) const fn note_readable(&mut self) {
        self.readable = true;
    }

    /// Takes it that anything may have been reported.
    pub(super) fn note_anything(&mut self) {
        self.readable = true;
        self.peer_ended = true;
        self.writable |= self.queue.is_some();
    }

    /// Whether the connection needs a turn that no event of the kernel announces.
    pub(super) fn has_work(&self) -> bool {
        self.may_receive()
            || self.writable && self.queue.is_some()
            || self.written
            || self.sending == Sending::Ending
            || self.fault_due
            || self.has_outcome()
            || self.may_report_end()
            || self.may_report_failure()
    }

    /// Whether reading may bring something.
    fn may_receive(&self) -> bool {
        !self.paused
            && !self.is_withheld()
            && !self.is_lent
            && self.receiving != Receiving::Ended
            && (self.readable || !self.fed.is_empty())
            && !self.is_inflating()
    }

    /// Whether the end that a read has found is to be reported.
    fn may_report_end(&self) -> bool {
        self.end_due && !self.paused && !self.is_withheld() && !self.is_inflating()
    }

    /// Whether it is to be reported that the connection is broken, as far as reading goes.
    fn may_report_failure(&self) -> bool {
        self.failure.is_some() && !self.is_withheld() && !self.is_lent && !self.is_inflating()
    }

    /// Does what there is to do, but reads at most once.
    pub(super) fn serve<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        if self.writable && self.queue.is_some() {
            self.writing = true;
            self.flush();
            self.writing = false;
        }
        if self.written {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.written = false;
            turn.sink.push(id, Occurrence::Written);
        }
        if self.sending == Sending::Ending {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.sending = Sending::Ended;
            turn.sink.push(id, Occurrence::ShutDown);
        }
        if self.fault_due {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.fault_due = false;
            turn.sink.push(id, Occurrence::Fault);
        }
        if self.has_outcome() {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.take_outcome(id, turn);
        }
        if self.may_receive() {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            let served = self.receive(id, turn);
            if !matches!(served, Served::Done) {
                return served;
            }
        }
        if self.may_report_end() {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.end_due = false;
            if self.failure.is_none() {
                turn.sink.push(id, Occurrence::End);
            }
        }
        // What the peer sent before the connection broke comes first.
        if self.may_report_failure() && !self.may_receive() {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            self.report_failure(id, turn);
        }
        Served::Done
    }

    /// Reads once and decodes what that brings. There is room for an occurrence.
    fn receive<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        self.injected.pass(Fault::Receive);
        if self.receiving == Receiving::Refused {
            // Nobody has raised the limit.
            self.receiving = Receiving::Discarding;
        }
        if self.receiving == Receiving::Frames && self.decoder.is_apart() {
            return self.announce_large(id, turn);
        }
        let mut most = None;
        if self.fed.is_empty() && self.receiving == Receiving::Frames {
            if self.expects_large && turn.sink.lends_memory() && !self.raw {
                if self.decoder.is_between_messages() {
                    return self.receive_large_header(id, turn);
                }
                if self.comes_apart() {
                    return self.announce_large(id, turn);
                }
                // Up to where the next message begins.
                most = self.decoder.missing_payload();
            }
            let socket = &self.socket;
            let received = self.decoder.receive_payload(MIN_DIRECT_READ, |buffer| {
                let space = buffer.capacity() - buffer.len();
                (socket.append_to(buffer), space)
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
                        turn.sink.push(id, Occurrence::Frame(event));
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
            let read = self.socket.read(space);
            self.note_read(read, length)
        } else {
            Some(self.take_fed(space))
        };
        let Some(count) = count else { return Served::Done };
        let end = start + count;
        *turn.used = end;
        self.decode(Chunk { start, end, position: 0, kept: start }, id, turn)
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
        Served::Done
    }

    /// Whether the owner can receive the message that is under way.
    fn comes_apart(&self) -> bool {
        self.decoder.large_message().is_some_and(|message| message.length <= MAX_APART_LENGTH)
    }

    /// Lets the owner receive a large message.
    fn announce_large<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        if let Some(message) = self.decoder.large_message() {
            self.is_lent = true;
            turn.sink.push(id, Occurrence::Large(message));
        }
        Served::Done
    }

    /// Forgets that the owner is going to receive a large message.
    pub(super) const fn take_back(&mut self) {
        self.is_lent = false;
    }

    /// Receives what has arrived of a large message that was announced, as far as there is `memory`
    /// for it; returns how many bytes that is.
    pub(super) fn receive_apart(&mut self, memory: &mut [u8]) -> Result<usize, ProtocolError> {
        self.is_lent = false;
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
                let read = self.socket.read(part);
                self.note_read(read, length)
            } else {
                Some(self.take_fed(part))
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
                self.readable = count == space || self.peer_ended;
                Some(count)
            }
            Ok(None) => {
                self.readable = false;
                self.peer_ended = false;
                None
            }
            Err(error) => {
                self.receiving = Receiving::Ended;
                self.fail(error);
                None
            }
        }
    }

    /// Takes the first of the fed bytes, of which there are some.
    fn take_fed(&mut self, space: &mut [u8]) -> usize {
        let count = self.fed.len().min(space.len());
        space[..count].copy_from_slice(&self.fed[..count]);
        if count == self.fed.len() {
            self.fed = Vec::new();
        } else {
            self.fed.drain(..count);
        }
        count
    }

    /// Goes on with a chunk that a full sink left decoded in part.
    pub(super) fn go_on<S: Sink>(
        &mut self,
        chunk: Chunk,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) -> Served {
        if self.paused {
            self.put_back(&chunk, turn);
            return Served::Done;
        }
        self.decode(chunk, id, turn)
    }

    /// Decodes a chunk as long as there is room for what it holds.
    fn decode<S: Sink>(
        &mut self,
        mut chunk: Chunk,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) -> Served {
        let length = chunk.end - chunk.start;
        turn.inflating.output = 0;
        while chunk.position < length {
            if !turn.sink.has_room() {
                return Served::Unfinished(chunk);
            }
            let discarding = self.receiving == Receiving::Discarding;
            if self.raw && (discarding || self.decoder.is_between_messages()) {
                let payload = Payload::InPlace(chunk.start + chunk.position..chunk.end);
                chunk.kept = chunk.end;
                turn.sink.push(id, Occurrence::Raw(payload));
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
                    if self.is_inflating() || turn.inflating.output > MAX_INFLATED {
                        self.put_back(&chunk, turn);
                        return Served::Done;
                    }
                }
                Ok(Some(mut event)) => {
                    match event.payload_mut() {
                        Payload::InPlace(range) => {
                            range.start += chunk.start;
                            range.end += chunk.start;
                            chunk.kept = range.end;
                        }
                        Payload::Owned(bytes) => self.expects_large = bytes.len() >= MIN_LARGE,
                    }
                    turn.sink.push(id, Occurrence::Frame(event));
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

    /// Inflates a frame, whose payload, where it is in place, is behind `start`, and reports the
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

    /// Goes on behind a frame that was inflated elsewhere. There is room for an occurrence.
    fn take_outcome<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) {
        let checks = self.checks();
        let result = self.compression.as_mut().and_then(|it| it.take_outcome(checks));
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

    /// Reports what a frame has become. There is room for an occurrence.
    fn report_inflated<S: Sink>(
        &mut self,
        result: Result<Inflated, Refusal>,
        id: ConnectionId,
        turn: &mut Turn<'_, S>,
    ) {
        let occurrence = match result {
            Ok(Inflated::Whole(opcode)) => {
                let payload = place(turn);
                let fragments = Vec::new();
                Occurrence::Frame(match opcode {
                    Opcode::Text => Event::Text { payload, fragments },
                    _ => Event::Binary { payload, fragments },
                })
            }
            Ok(Inflated::Message(event)) => Occurrence::Frame(event),
            Ok(Inflated::Incomplete | Inflated::Large(_)) => return,
            Err(Refusal::Protocol(error)) => return self.report_violation(error, id, turn),
            Err(Refusal::Inflate(error)) => {
                self.receiving = Receiving::Discarding;
                Occurrence::Uninflatable(error)
            }
        };
        turn.sink.push(id, occurrence);
    }

    /// Reports what the decoder refuses. There is room for an occurrence.
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
        turn.sink.push(id, Occurrence::Violation(error));
    }

    /// Keeps what is not decoded of a chunk, for a later turn.
    fn put_back<S>(&mut self, chunk: &Chunk, turn: &mut Turn<'_, S>) {
        let rest = &turn.memory[chunk.start + chunk.position..chunk.end];
        self.fed.splice(..0, rest.iter().copied());
        release(chunk, turn);
    }

    /// Writes `parts`, or lets them wait behind what waits. Returns how much waits.
    pub(super) fn write(&mut self, parts: &mut [IoSlice<'_>]) -> usize {
        if self.sending != Sending::Open || self.failure.is_some() {
            return self.pending();
        }
        self.writing = true;
        let rest = if self.queue.is_none() { self.write_now(parts) } else { parts };
        if rest.iter().any(|part| !part.is_empty()) {
            let queue = self.queue.get_or_insert_default();
            for part in rest {
                queue.push(part);
            }
        }
        self.writing = false;
        self.pending()
    }

    /// Writes `bytes`, or lets them wait where they are. Returns how much waits.
    pub(super) fn write_owned(&mut self, bytes: Vec<u8>) -> usize {
        if self.sending != Sending::Open || self.failure.is_some() {
            return self.pending();
        }
        self.writing = true;
        let rest = match self.queue {
            None => self.write_now(&mut [IoSlice::new(&bytes)]).iter().map(|part| part.len()).sum(),
            Some(_) => bytes.len(),
        };
        if rest > 0 {
            let written = bytes.len() - rest;
            self.queue.get_or_insert_default().push_owned(bytes, written);
        }
        self.writing = false;
        self.pending()
    }

    /// Writes pieces of a flush in one go, those with a frame compressed, by way of `outgoing`.
    /// Returns how much waits.
    pub(super) fn write_pieces<B: Deref<Target = [u8]>>(
        &mut self,
        pieces: &[Piece],
        broadcast: &Broadcast<B>,
        outgoing: &mut Vec<u8>,
    ) -> usize {
        let Some(compression) = &self.compression else {
            // After a panic there may be frames that nobody can compress any more.
            let plain = pieces.iter().filter(|piece| piece.frame.is_none());
            let slice = |piece: &Piece| IoSlice::new(&broadcast.bytes[piece.bytes.clone()]);
            return self.write(&mut plain.map(slice).collect::<Vec<_>>());
        };
        outgoing.clear();
        for Piece { bytes, frame, .. } in pieces {
            match frame {
                Some(frame) => {
                    broadcast.append_frame(frame, bytes, &compression.deflation, outgoing);
                }
                None => outgoing.extend_from_slice(&broadcast.bytes[bytes.clone()]),
            }
        }
        self.write(&mut [IoSlice::new(outgoing)])
    }

    /// Whether there is a queue for the first time, so that the kernel has to tell when it takes
    /// more.
    pub(super) fn begins_to_wait(&mut self) -> bool {
        self.queue.is_some() && !std::mem::replace(&mut self.watched, true)
    }

    /// Writes `parts`; returns what the kernel does not take.
    fn write_now<'a, 'b>(&mut self, mut parts: &'a mut [IoSlice<'b>]) -> &'a mut [IoSlice<'b>] {
        while !parts.is_empty() {
            let group = &parts[..parts.len().min(MAX_PARTS)];
            let length: usize = group.iter().map(|part| part.len()).sum();
            let count = if length == 0 { 0 } else { self.send(group) };
            IoSlice::advance_slices(&mut parts, count);
            if self.failure.is_some() {
                return &mut [];
            }
            if count < length {
                self.writable = false;
                break;
            }
        }
        parts
    }

    /// Gives the kernel what it takes of `parts`, in one call. An error is kept.
    fn send(&mut self, parts: &[IoSlice<'_>]) -> usize {
        self.injected.pass(Fault::Write);
        match self.socket.write(parts) {
            Ok(count) => {
                self.bytes_written += count as u64;
                count
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
    }

    /// Gives the kernel of the queue what it takes in one call.
    fn flush(&mut self) {
        let Some(mut queue) = self.queue.take() else { return };
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = queue.fill(&mut slices);
        let parts = &slices[..filled];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let count = self.send(parts);
        if self.failure.is_some() {
            return;
        }
        self.writable = count == length;
        queue.consume(count);
        if queue.is_empty() {
            self.written = true;
            if self.sending == Sending::EndDue {
                self.end_sending();
            }
        } else {
            self.queue = Some(queue);
        }
    }

    /// Ends the sending side behind what waits.
    pub(super) fn shutdown(&mut self) {
        if self.sending != Sending::Open || self.failure.is_some() {
            return;
        }
        self.sending = Sending::EndDue;
        if self.queue.is_none() {
            self.end_sending();
        }
    }

    /// Ends the sending side.
    fn end_sending(&mut self) {
        match self.socket.shutdown() {
            Ok(()) => self.sending = Sending::Ending,
            Err(error) => self.fail(error),
        }
    }

    /// Notes that the connection is broken. It is reported after what can still be read.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
        self.sending = Sending::Ended;
        self.queue = None;
        self.written = false;
        // Reading finds the end, which no event may announce any more.
        self.readable = true;
    }

    /// Reports that the connection is broken, after which nothing is reported.
    fn report_failure<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) {
        let Some(failure) = self.failure.take() else { return };
        self.receiving = Receiving::Ended;
        self.end_due = false;
        self.fed = Vec::new();
        turn.sink.push(id, Occurrence::Failed(failure));
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

/// Gives back the memory of a chunk behind the last payload in it.
fn release<S>(chunk: &Chunk, turn: &mut Turn<'_, S>) {
    if *turn.used == chunk.end {
        *turn.used = chunk.kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_small() {
        // One of them per connection, ten thousands of connections.
        assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
    }
}
