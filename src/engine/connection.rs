//! One socket: what arrives becomes events, what is written goes out.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::event::Event as Readiness;

use super::compression::direction::{Deflation, Shared};
use super::compression::incoming::{Compression, Inflating, Outcome};
use super::event::{ConnectionConfig, ConnectionEvent, ConnectionId, FailedCall, Sink};
use super::fault::Injected;
use super::threads::background::Place;
use super::timers;
use crate::protocol::deflate::Decompressor;
use crate::protocol::{Decoder, DecoderConfig, Limits, Role};
pub use secure::{Next, Opened, Session};
use socket::Socket;
use unread::Unread;
use write_queue::WriteQueue;

mod descriptor;
mod receiving;
mod secure;
mod sending;
mod socket;
mod unread;
mod write_queue;

/// What one call of [`Reactor::poll`](super::Reactor::poll) works with.
pub(super) struct Turn<'a, S> {
    pub(super) memory: &'a mut [u8],
    /// How much of `memory` has to stay as it is.
    pub(super) used: &'a mut usize,
    pub(super) sink: &'a mut S,
    pub(super) inflating: &'a mut Inflating,
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
    /// There is no memory into which to read.
    MemoryFull,
    /// It has reported a frame that is too long, of which the caller may still allow the length.
    Refused,
}

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

/// What a turn consists of.
#[derive(Clone, Copy, Debug)]
enum Step {
    ReportWritten,
    ReportShutDown,
    ReportFault,
    TakeOutcome,
    Look,
    Receive,
    ReportRead,
    ReportEnd,
    ReportFailure,
}

/// Whether the kernel has reported that both directions are over, as a reset does.
///
/// On Linux libuv, before version 1.52, reads what has come along with such a report and takes what
/// follows for the end, without another look: a peer that has sent
/// something and then reset the connection has ended it. The reset is seen only where nothing came
/// with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HangUp {
    /// It has not, or what was unread then had come before.
    Unknown,
    /// The connection is read though the kernel has not been asked.
    Guessing,
    /// That has brought something: what the kernel reports next has come along with it.
    Guessed,
    /// It has, and nothing was read since.
    Reported,
    /// Some of what came with it was read.
    Begun,
    /// All of that was.
    Complete,
}

impl HangUp {
    /// What it is after a read that has brought something, maybe all that there was.
    const fn after_read(self, is_all: bool) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Guessing | Self::Guessed => Self::Guessed,
            _ if is_all => Self::Complete,
            Self::Reported | Self::Begun | Self::Complete => Self::Begun,
        }
    }

    /// Whether the kernel has reported it.
    const fn is_known(self) -> bool {
        matches!(self, Self::Reported | Self::Begun | Self::Complete)
    }

    /// Whether it has, and something has come along with that.
    const fn came_along(self) -> bool {
        matches!(self, Self::Begun | Self::Complete)
    }
}

/// Whether reads are reported by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// They are not.
    Silent,
    /// They are, and none is to be.
    Reported,
    /// One is to be.
    Due,
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

/// Why a connection is broken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) call: FailedCall,
    pub(super) error: io::Error,
    /// Bytes that were to be written, and never are.
    lost: usize,
}

/// A connection after its opening handshake.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    decoder: Decoder,
    /// permessage-deflate, where the engine does it.
    compression: Option<Box<Compression>>,
    /// Bytes that come before those of the socket. What was read together with what is reported
    /// already is reported even if the connection is paused meanwhile.
    fed: Unread,
    /// How much of a paused connection is read.
    read_ahead: u32,
    /// Bytes that the kernel did not take yet; none instead of an empty queue.
    queue: Option<Box<WriteQueue>>,
    /// What broke the connection.
    failure: Option<Box<Failure>>,
    bytes_read: u64,
    bytes_written: u64,
    receiving: Receiving,
    sending: Sending,
    raw: bool,
    paused: bool,
    /// Nothing is read, nor fed bytes taken, until the hand-over is finished.
    held: bool,
    /// The same, until the host has taken some of what is on its way to it.
    starved: bool,
    /// A ping may be answered without the host.
    answers: bool,
    /// The number of the latest ping of its heartbeat that was answered, of which the timers are to
    /// know.
    answered: Option<NonZeroU8>,
    /// A read may bring something.
    readable: bool,
    /// Reads bring the end of the stream sooner or later, which no further event announces.
    peer_ended: bool,
    hang_up: HangUp,
    /// The error of a read that was the end of what came before it.
    end_error: Option<NonZeroU8>,
    /// A connection that is paused may have something to read, which is to be looked at.
    look_due: bool,
    /// The peer has sent urgent data: a short read doesn't say that the socket is empty.
    urgent: bool,
    reads: Reads,
    /// The socket is registered for writing.
    watched: bool,
    /// The kernel may take more of the queue.
    writable: bool,
    /// The queue has become empty, which is to be reported.
    written: bool,
    /// Bytes that are on their way to the kernel, which a panic would leave uncounted.
    writing: usize,
    /// A panic is to be reported.
    fault_due: bool,
    injected: Injected,
    /// The latest message was large: the header of the next one is read alone, so that its payload
    /// can be received where it stays.
    expects_large: bool,
    /// A large message was reported to the host, which is going to receive it.
    awaits_memory: bool,
    /// The peer has ended, which is to be reported.
    end_due: bool,
    /// The connection is broken, which is to be reported.
    failure_due: bool,
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
            fed: Unread::default(),
            read_ahead: MAX_FETCH as u32,
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
            answered: None,
            readable: false,
            peer_ended: false,
            hang_up: HangUp::Unknown,
            end_error: None,
            look_due: false,
            urgent: false,
            reads: Reads::Silent,
            watched: false,
            writable: false,
            written: false,
            writing: 0,
            fault_due: false,
            injected: Injected::default(),
            expects_large: false,
            awaits_memory: false,
            end_due: false,
            failure_due: false,
        })
    }

    /// Works on the connection. A panic, which only a mistake of ours can cause, costs the
    /// connection and no other one.
    pub(super) fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut *self)));
        if result.is_err() {
            self.give_up();
        }
        result.ok()
    }

    /// Takes nothing more of the peer. What is sent still goes out, so that the peer learns of it,
    /// unless it is unknown where in its bytes the connection is.
    #[cold]
    pub(super) fn give_up(&mut self) {
        self.fed.clear();
        self.compression = None;
        self.awaits_memory = false;
        if self.writing > 0 || self.raw || self.receiving == Receiving::Discarding {
            self.fail(FailedCall::Write, io::Error::other("a panic"));
            self.lose(self.writing);
        }
        self.writing = 0;
        self.receiving = match self.receiving {
            // It was given up before, and panics all the same.
            Receiving::Discarding | Receiving::Ended => Receiving::Ended,
            Receiving::Frames | Receiving::Refused => Receiving::Discarding,
        };
        self.fault_due = true;
    }

    /// Asks for a panic.
    #[cfg(debug_assertions)]
    pub(super) const fn inject(&mut self, fault: super::fault::Fault) {
        self.injected.ask(fault);
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The number of its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_fd().as_raw_fd()
    }

    /// The address of one end, the peer's or this one's.
    ///
    /// # Errors
    ///
    /// The socket is not of the internet.
    pub fn address(&self, peer: bool) -> io::Result<SocketAddr> {
        self.socket.address(peer)
    }

    /// Sets whether small writes leave at once.
    ///
    /// # Errors
    ///
    /// The socket is not TCP, or is broken.
    pub fn set_no_delay(&self, no_delay: bool) -> io::Result<()> {
        self.socket.set_no_delay(no_delay)
    }

    /// Sets whether the kernel probes an idle connection, and after which time; a time of zero
    /// leaves the system's.
    ///
    /// # Errors
    ///
    /// The socket is not TCP, or is broken.
    pub fn set_keep_alive(&self, after: Option<Duration>) -> io::Result<()> {
        self.socket.set_keep_alive(after)
    }

    /// How many bytes wait for the kernel to take them, or would if the connection was not broken.
    #[must_use]
    pub fn pending(&self) -> usize {
        let lost = self.failure.as_deref().map_or(0, |failure| failure.lost);
        lost + self.queue.as_deref().map_or(0, WriteQueue::len)
    }

    /// Which call has found that the connection is broken, and why.
    #[must_use]
    pub fn failure(&self) -> Option<(FailedCall, &io::Error)> {
        self.failure.as_deref().map(|Failure { call, error, .. }| (*call, error))
    }

    /// How many bytes the socket was read.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// How many bytes the kernel took.
    #[must_use]
    pub const fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// In how many calls of the kernel there was something to write.
    #[must_use]
    pub const fn calls(&self) -> u32 {
        self.socket.calls()
    }

    /// Hands over bytes of the peer that were read elsewhere. They come before what the
    /// socket still holds.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.paused {
            self.fetch();
        }
        self.fed.push(bytes);
    }

    /// Reads what a paused connection would have read by now, so that it keeps its place before
    /// bytes that are fed. The end of the stream is found again later.
    fn fetch(&mut self) {
        let mut space = vec![0; MAX_FETCH];
        match self.read(&mut space) {
            Ok(Some(count)) => {
                self.bytes_read += count as u64;
                self.hang_up = self.hang_up.after_read(count < MAX_FETCH);
                self.fed.push(&space[..count]);
            }
            Ok(None) => {}
            Err(error) => self.fail(FailedCall::Read, error),
        }
    }

    /// Reads what a socket that isn't read reads ahead all the same; returns whether that is all
    /// that the peer has sent. The end of the stream is found again later.
    fn fetch_ahead(&mut self) -> bool {
        while self.fed.len() < self.read_ahead as usize {
            let Self { fed, socket, .. } = self;
            let (read, space) = fed.append(MAX_FETCH, |bytes| socket.append_to(bytes));
            match read {
                Ok(Some(0)) => return true,
                Ok(Some(count)) => {
                    self.bytes_read += count as u64;
                    self.hang_up = self.hang_up.after_read(false);
                    if self.reads == Reads::Reported {
                        self.reads = Reads::Due;
                    }
                    let has_more = self.socket.may_have_more(count, space);
                    self.readable = has_more || self.peer_ended || self.urgent;
                    if !self.readable {
                        return false;
                    }
                }
                Ok(None) => {
                    self.readable = self.socket.may_have_more(0, MAX_FETCH);
                    return false;
                }
                Err(error) if self.ends_by_error() => {
                    self.end_by_error(&error);
                    return true;
                }
                Err(error) => {
                    self.receiving = Receiving::Ended;
                    if self.failure.is_none() {
                        self.fail(FailedCall::Read, error);
                    }
                    return false;
                }
            }
        }
        false
    }

    /// Reads for a paused connection, as any socket does until it has too much of that, and looks
    /// whether it has ended, or is broken. An end is reported after what was sent before, so not as
    /// long as that isn't read.
    fn look(&mut self) {
        self.look_due = false;
        let is_ended = self.fetch_ahead();
        if self.fed.is_empty() {
            if is_ended {
                self.receiving = Receiving::Ended;
                self.end_due = true;
            }
        } else {
            self.fed.shrink_to_fit();
            if is_ended {
                self.read_ahead = 0;
            }
        }
    }

    /// Stops or continues reading. What waits to be written goes on.
    pub const fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.look_due = paused && self.readable;
    }

    /// Sets how much is read while it is paused: after more than that the end is not seen.
    pub fn set_read_ahead(&mut self, read_ahead: usize) {
        self.read_ahead = u32::try_from(read_ahead).unwrap_or(u32::MAX);
    }

    /// Sets whether each read is reported, also one that completes nothing.
    pub const fn set_reporting_reads(&mut self, reports_reads: bool) {
        self.reads = if reports_reads { Reads::Reported } else { Reads::Silent };
    }

    /// Makes it ready to be asked, before it is closed, for what it has read; where it isn't
    /// read also for what it would have read.
    pub(super) fn prepare_to_drain(&mut self, is_unread: bool) {
        if is_unread && !self.paused && self.readable && self.receiving != Receiving::Ended {
            self.fetch_ahead();
        }
        self.paused = false;
        self.held = false;
        self.starved = false;
        self.awaits_memory = false;
        // What broke it is reported, and what it had read then was kept.
        if self.receiving == Receiving::Ended {
            self.receiving = Receiving::Frames;
        }
        self.failure_due = false;
        self.readable = false;
    }

    /// How many bytes that were read wait to be decoded.
    pub(super) fn unread(&self) -> usize {
        self.fed.len()
    }

    /// Holds back what arrives, fed bytes included, while it is handed over step by step.
    pub const fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    /// Stops reading while too much of it is on the way to the host.
    pub(super) const fn set_starved(&mut self, starved: bool) {
        self.starved = starved;
    }

    /// Whether it is read when something arrives.
    const fn is_read(&self) -> bool {
        !self.paused && !self.is_withheld()
    }

    /// Whether nothing is to be reported of what has arrived.
    const fn is_withheld(&self) -> bool {
        self.held || self.starved
    }

    /// Sets whether pings may be answered without its host.
    pub const fn set_answering(&mut self, answers: bool) {
        self.answers = answers;
    }

    /// Tells whether a pong answers a ping of a heartbeat, which is nobody else's business.
    pub fn note_pong(&mut self, payload: &[u8]) -> bool {
        let sequence = timers::sequence_of(payload);
        self.answered = sequence.or(self.answered);
        sequence.is_some()
    }

    /// The number of the latest ping that was answered since this was asked.
    pub(super) const fn take_answered(&mut self) -> Option<NonZeroU8> {
        self.answered.take()
    }

    /// The role in which it may be pinged; none where nothing can be sent any more.
    pub(super) fn pinging_role(&self) -> Option<Role> {
        let is_open = matches!(self.sending, Sending::Open) && self.failure.is_none();
        is_open.then(|| self.decoder.role())
    }

    /// Whether something has arrived that was not looked at yet.
    pub(super) fn has_unread(&self) -> bool {
        !self.fed.is_empty() || self.socket.has_unread()
    }

    /// The role in which a ping may be answered now: not where the answer had to wait, so that a
    /// peer that does not read costs no memory, nor where the ping would not have been read.
    pub(super) fn answering_role(&self) -> Option<Role> {
        let is_open = matches!(self.sending, Sending::Open) && self.failure.is_none();
        let answers = self.answers && is_open && !self.waits() && !self.raw && !self.paused;
        if answers { Some(self.decoder.role()) } else { None }
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.compression = Some(Box::new(compression));
    }

    /// Whether it compresses what it sends.
    pub(super) const fn compresses(&self) -> bool {
        self.compression.is_some()
    }

    /// Compresses messages that are published if they have this many bytes.
    pub(super) fn compress_from(&mut self, least: usize) {
        if let Some(compression) = &mut self.compression {
            compression.least = least;
        }
    }

    /// The states by which it inflates and deflates.
    #[must_use]
    pub fn compression(&self) -> Option<(Shared<Deflation>, Shared<Decompressor>)> {
        let compression = self.compression.as_deref()?;
        Some((Arc::clone(&compression.deflation), Arc::clone(&compression.inflation)))
    }

    /// Whether it has frames to read that may have to be inflated, by whichever thread.
    pub(super) fn may_inflate(&self) -> bool {
        self.compression.is_some() && !self.raw && !self.is_secure() && self.may_receive()
    }

    /// Whether it awaits the result of the work of this number.
    pub(super) fn awaits(&self, number: u64) -> bool {
        self.compression.as_deref().is_some_and(|it| it.awaits(number))
    }

    /// Takes the result of work on another thread.
    pub(super) fn note_outcome(&mut self, number: u64, outcome: Outcome, place: Place) {
        if let Some(compression) = &mut self.compression {
            compression.note_outcome(number, outcome, place);
        }
    }

    /// Whether a frame is inflated elsewhere, and everything after it has to wait.
    fn is_inflating(&self) -> bool {
        self.compression.as_deref().is_some_and(Compression::is_waiting)
    }

    /// Whether such a frame is to be taken up again.
    fn has_outcome(&self) -> bool {
        let is_over = self.failure.is_some() && !self.failure_due;
        let has_outcome = self.compression.as_deref().is_some_and(Compression::has_outcome);
        has_outcome && !is_over && !self.is_withheld()
    }

    /// Whether what was decoded ends with a message, so that raw mode can begin or end.
    pub(super) fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages() && !self.is_inflating()
    }

    /// Changes between bytes and frames. Raw mode begins where no message is under way any more.
    pub const fn set_raw(&mut self, raw: bool) {
        self.raw = raw;
    }

    /// Changes the limits and the validation, from the next frame on.
    ///
    /// A maximum that is raised between the call of [`Reactor::poll`](super::Reactor::poll) that
    /// reports
    /// [`UnsupportedMessageLength`](crate::protocol::ProtocolError::UnsupportedMessageLength) and
    /// the next one lets the connection go on with the refused frame.
    pub fn set_limits(&mut self, limits: Limits, skip_utf8_validation: bool) {
        let old = self.decoder.limits().max_payload;
        let raised = limits.max_payload == 0 || limits.max_payload > old;
        if self.receiving == Receiving::Refused && raised {
            self.receiving = Receiving::Frames;
        }
        self.decoder.set_limits(limits);
        self.decoder.set_skip_utf8_validation(skip_utf8_validation);
    }

    /// Whether it waits at a frame that was reported as too long, which a raised limit may still
    /// allow.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        // In the first case the limit may still be raised, in the second it was not.
        matches!(self.receiving, Receiving::Refused | Receiving::Discarding)
    }

    /// Notes what the kernel reports.
    pub(super) fn note(&mut self, readiness: &Readiness) {
        let broken = readiness.is_error();
        let ended = readiness.is_read_closed();
        self.hang_up = match self.hang_up {
            known if known.came_along() => known,
            _ if !is_hung_up(readiness) => HangUp::Unknown,
            HangUp::Guessed => HangUp::Begun,
            // What waits was there before.
            _ if self.readable && !self.is_read() => HangUp::Unknown,
            _ => HangUp::Reported,
        };
        self.readable |= readiness.is_readable() || ended || broken;
        self.peer_ended |= ended || broken;
        self.look_due |= self.paused && self.readable;
        self.urgent |= is_urgent(readiness);
        self.writable |= readiness.is_writable() || readiness.is_write_closed() || broken;
    }

    /// Assumes that there is something to read, where it is read at all.
    pub(super) const fn guess_readable(&mut self) {
        if self.is_read() {
            self.readable = true;
            if matches!(self.hang_up, HangUp::Unknown) {
                self.hang_up = HangUp::Guessing;
            }
        }
    }

    /// Assumes that anything may have been reported.
    pub(super) fn note_anything(&mut self) {
        self.readable = true;
        self.peer_ended = true;
        self.look_due = self.paused;
        self.writable |= self.waits();
    }

    /// Whether the connection needs a turn that no event of the kernel announces.
    pub(super) fn has_work(&self) -> bool {
        self.writable && self.waits() || self.next_step(false).is_some()
    }

    /// Whether the kernel is to be given something as soon as it takes more.
    pub(super) fn waits(&self) -> bool {
        self.queue.is_some() || self.socket.is_waiting()
    }

    /// What is to be done next, in this order; all of it may be reported. A turn receives once.
    fn next_step(&self, has_received: bool) -> Option<Step> {
        if self.written {
            Some(Step::ReportWritten)
        } else if self.sending == Sending::Ending {
            Some(Step::ReportShutDown)
        } else if self.fault_due {
            Some(Step::ReportFault)
        } else if self.has_outcome() {
            Some(Step::TakeOutcome)
        } else if self.may_look() {
            Some(Step::Look)
        } else if !has_received && self.may_receive() {
            Some(Step::Receive)
        } else if self.reads == Reads::Due {
            Some(Step::ReportRead)
        } else if self.may_report_end() {
            Some(Step::ReportEnd)
        } else if self.may_report_failure() && !self.may_receive() {
            // What the peer sent before the connection broke comes first.
            Some(Step::ReportFailure)
        } else {
            None
        }
    }

    /// Whether reading may bring something.
    fn may_receive(&self) -> bool {
        (!self.paused || self.fed.is_begun())
            && !self.is_withheld()
            && !self.awaits_memory
            && self.receiving != Receiving::Ended
            && (self.readable && self.failure.is_none() && !self.socket.is_clogged()
                || !self.fed.is_empty())
            && !self.is_inflating()
    }

    /// Whether it is paused, and its end is to be looked for.
    fn may_look(&self) -> bool {
        self.look_due
            && self.paused
            && !self.fed.is_begun()
            && !self.is_withheld()
            && !self.awaits_memory
            && self.receiving != Receiving::Ended
            && self.failure.is_none()
            && !self.is_inflating()
    }

    /// Whether the end that a read has found is to be reported.
    fn may_report_end(&self) -> bool {
        self.end_due
            && (!self.paused || self.fed.is_empty())
            && !self.is_withheld()
            && !self.is_inflating()
    }

    /// Whether it is to be reported that the connection is broken, as far as reading goes.
    fn may_report_failure(&self) -> bool {
        let is_read = || !self.is_withheld() && !self.awaits_memory && !self.is_inflating();
        let finds_all = |failure: &Failure| failure.call != FailedCall::Read || is_read();
        self.failure_due && self.failure.as_deref().is_some_and(finds_all)
    }

    /// Does what there is to do, but reads at most once.
    pub(super) fn serve<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) -> Served {
        // As libuv, which reads first what has come along with a reset.
        let is_read_first = self.hang_up.is_known() && self.may_receive();
        if self.writable && self.waits() && !is_read_first {
            self.writing = self.pending();
            self.flush();
            self.writing = 0;
        }
        let mut has_received = false;
        while let Some(step) = self.next_step(has_received) {
            if !turn.sink.has_room() {
                return Served::RecordsFull;
            }
            match step {
                Step::ReportWritten => {
                    self.written = false;
                    turn.sink.push(id, ConnectionEvent::Written);
                }
                Step::ReportShutDown => {
                    self.sending = Sending::Ended;
                    turn.sink.push(id, ConnectionEvent::ShutDown);
                }
                Step::ReportFault => {
                    self.fault_due = false;
                    turn.sink.push(id, ConnectionEvent::Fault);
                }
                Step::TakeOutcome => self.take_outcome(id, turn),
                Step::Look => self.look(),
                Step::Receive => {
                    has_received = true;
                    let served = self.receive(id, turn);
                    if !matches!(served, Served::Done) {
                        return served;
                    }
                }
                Step::ReportRead => {
                    self.reads = Reads::Reported;
                    turn.sink.push(id, ConnectionEvent::Read);
                }
                Step::ReportEnd => {
                    self.end_due = false;
                    if self.failure.is_none() {
                        let came_along = self.hang_up.came_along();
                        turn.sink.push(id, ConnectionEvent::End { came_along });
                    }
                }
                Step::ReportFailure => self.report_failure(id, turn),
            }
        }
        Served::Done
    }

    /// Puts a session between the connection and its socket; see [`Session`]. Of its records
    /// `unopened` were read, and `unsent` are to be written. Nothing is read before
    /// [`release`](Self::release).
    pub fn secure(&mut self, session: Box<dyn Session>, unopened: Vec<u8>, unsent: Vec<u8>) {
        self.socket.secure(session, unopened, unsent);
        self.writable = true;
    }

    /// Reads by the session from now on.
    pub fn release(&mut self) {
        self.socket.release();
        self.readable = true;
    }

    /// Whether it has a session, which belongs to one thread.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.socket.is_secure()
    }

    /// Notes that the connection is broken.
    pub(super) fn fail(&mut self, call: FailedCall, error: io::Error) {
        let lost = self.pending();
        match &mut self.failure {
            Some(failure) => failure.lost = lost,
            None => {
                self.failure = Some(Box::new(Failure { call, error, lost }));
                self.failure_due = true;
            }
        }
        self.queue = None;
        self.sending = Sending::Ended;
        self.written = false;
        match call {
            FailedCall::Read => self.readable = true, // finds the end, which no event may announce
            FailedCall::Write | FailedCall::WriteAtEnd => self.stop_receiving(),
        }
    }

    /// Takes nothing more of the peer, not even its end.
    fn stop_receiving(&mut self) {
        self.receiving = Receiving::Ended;
        self.end_due = false;
        self.awaits_memory = false;
        if !self.paused {
            self.fed.clear();
        }
    }

    /// Reports that the connection is broken, after which nothing is reported.
    fn report_failure<S: Sink>(&mut self, id: ConnectionId, turn: &mut Turn<'_, S>) {
        let Some(Failure { call, error, .. }) = self.failure.as_deref() else { return };
        let event = ConnectionEvent::Failed(*call, copy_of(error));
        // Paused, it had read what is on its way, and that comes before what it reads ahead.
        let is_forgotten = *call == FailedCall::Write && !self.paused;
        self.failure_due = false;
        self.stop_receiving();
        if is_forgotten {
            turn.sink.forget(id);
        }
        turn.sink.push(id, event);
    }
}

/// An error as good as `error`, of which there can be only one.
fn copy_of(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Whether what has come along with a reset is followed by an end instead.
static HANG_UP_IS_END: AtomicBool = AtomicBool::new(true);

/// Says whether what has come along with a reset is followed by an end, as libuv has it before
/// version 1.52, or by the reset. For all reactors of the process; by default it is.
pub fn set_hang_up_is_end(is_end: bool) {
    HANG_UP_IS_END.store(is_end, Ordering::Relaxed);
}

/// Whether both directions are over, which only the kernels of Linux report so.
fn is_hung_up(readiness: &Readiness) -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
        && HANG_UP_IS_END.load(Ordering::Relaxed)
        && readiness.is_read_closed()
        && readiness.is_write_closed()
}

/// Whether the peer has sent urgent data, which only the kernels of Linux report. A read stops in
/// front of it.
fn is_urgent(readiness: &Readiness) -> bool {
    cfg!(any(target_os = "linux", target_os = "android")) && readiness.is_priority()
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
