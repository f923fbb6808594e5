//! What is written: at once as far as the kernel takes it, the rest from a queue.

use std::io::{self, IoSlice};

use bytes::Bytes;

use super::super::compression::outgoing::{Broadcast, Outgoing};
use super::super::event::FailedCall;
use super::super::fault::Fault;
use super::super::write_batch::{Frame, Run};
use super::socket::MAX_PARTS;
use super::write_queue::MAX_SLICES;
use super::{Connection, Receiving, Sending};

/// Frames whose average is up to this many bytes are put together for the kernel, longer ones left
/// where they are: to copy them costs as much as one part more of the call then.
const MAX_JOINED: usize = 1024;

/// Frames from this many bytes on are held once for all connections that wait for them. A reference
/// takes as much memory as a short one.
const MIN_SHARED: usize = 512;

impl Connection {
    /// Writes `parts`, or lets them wait after what waits. Returns how much waits.
    pub(in crate::engine) fn write(&mut self, parts: &mut [IoSlice<'_>]) -> usize {
        let total = length(parts);
        if self.sending != Sending::Open {
            return self.lose(total);
        }
        self.writing = total;
        let rest = if self.queue.is_none() { self.write_now(parts) } else { parts };
        if rest.iter().any(|part| !part.is_empty()) {
            let queue = self.queue.get_or_insert_default();
            for part in rest {
                queue.push(part);
            }
        }
        self.writing = 0;
        self.pending()
    }

    /// Writes `head` and `body`, or lets them wait: the body where `keep` has it, which gets the
    /// number of bytes of it that were written. Returns how much waits.
    pub(in crate::engine) fn write_long(
        &mut self,
        head: &[u8],
        body: &[u8],
        keep: impl FnOnce(usize) -> Bytes,
    ) -> usize {
        let total = head.len() + body.len();
        if self.sending != Sending::Open {
            return self.lose(total);
        }
        self.writing = total;
        let rest = match self.queue {
            None => length(self.write_now(&mut [IoSlice::new(head), IoSlice::new(body)])),
            Some(_) => total,
        };
        if rest > 0 {
            let written = total - rest;
            let queue = self.queue.get_or_insert_default();
            queue.push(&head[written.min(head.len())..]);
            if !body.is_empty() {
                queue.push_shared(keep(written.saturating_sub(head.len())));
            }
        }
        self.writing = 0;
        self.pending()
    }

    /// Writes frames of a flush in one go, those with a header compressed, by way of `outgoing`.
    /// Returns how much waits.
    pub(in crate::engine) fn write_frames(
        &mut self,
        runs: &[Run],
        flush: &Broadcast<'_>,
        outgoing: &mut Outgoing,
    ) -> usize {
        let Some(compression) = &self.compression else {
            return self.write_plain(runs, flush, outgoing);
        };
        outgoing.bytes.clear();
        for frame in frames_of(runs, flush) {
            let plain = frame.plain_bytes();
            let is_short = frame.bytes.len() < compression.least;
            match (&frame.header, plain) {
                (None, Some(bytes)) => outgoing.bytes.extend_from_slice(&flush.bytes[bytes]),
                // Of a message that is published, whichever connection gets it.
                (Some(_), Some(bytes)) if is_short => {
                    outgoing.bytes.extend_from_slice(&flush.bytes[bytes]);
                }
                (Some(header), _) => {
                    flush.append_frame(header, &frame.bytes, &compression.deflation, outgoing);
                }
                (None, None) => {}
            }
        }
        self.write(&mut [IoSlice::new(&outgoing.bytes)])
    }

    /// Writes frames as they are.
    fn write_plain(
        &mut self,
        runs: &[Run],
        flush: &Broadcast<'_>,
        outgoing: &mut Outgoing,
    ) -> usize {
        if self.sending != Sending::Open {
            let plain = frames_of(runs, flush).filter_map(Frame::plain_bytes);
            return self.lose(plain.map(|bytes| bytes.len()).sum());
        }
        let (mut written, mut total) = (0, usize::MAX);
        if self.queue.is_none() {
            (written, total) = self.write_joined(runs, flush, outgoing);
        }
        if written < total && self.failure.is_none() {
            self.keep(runs, flush, written);
        }
        self.writing = 0;
        self.pending()
    }

    /// Gives the kernel what it takes of frames; returns how much that is, and how much there was.
    /// Those that follow each other in memory are one part, and short ones are put together.
    fn write_joined(
        &mut self,
        runs: &[Run],
        flush: &Broadcast<'_>,
        outgoing: &mut Outgoing,
    ) -> (usize, usize) {
        let Outgoing { bytes: joined, ranges, .. } = outgoing;
        ranges.clear();
        let mut total = 0;
        for bytes in runs.iter().filter_map(|run| flush.plain_bytes(*run)) {
            total += bytes.len();
            match ranges.last_mut() {
                Some(last) if last.end == bytes.start => last.end = bytes.end,
                _ => ranges.push(bytes),
            }
        }
        self.writing = total;
        let slices = ranges.iter().map(|range| &flush.bytes[range.clone()]);
        let rest = if let [range] = &ranges[..] {
            length(self.write_now(&mut [IoSlice::new(&flush.bytes[range.clone()])]))
        } else if total <= ranges.len() * MAX_JOINED {
            joined.clear();
            slices.for_each(|slice| joined.extend_from_slice(slice));
            length(self.write_now(&mut [IoSlice::new(joined)]))
        } else {
            length(self.write_now(&mut slices.map(IoSlice::new).collect::<Vec<_>>()))
        };
        (total - rest, total)
    }

    /// Lets frames wait, without the first `written` bytes of them. The longer ones are held once
    /// for all connections.
    fn keep(&mut self, runs: &[Run], flush: &Broadcast<'_>, mut written: usize) {
        for frame in runs.iter().flat_map(|run| run.start..run.end) {
            let Some(bytes) = flush.frames[frame as usize].plain_bytes() else { continue };
            let skipped = written.min(bytes.len());
            written -= skipped;
            if skipped == bytes.len() {
                continue;
            }
            let queue = self.queue.get_or_insert_default();
            if bytes.len() < MIN_SHARED {
                queue.push(&flush.bytes[bytes.start + skipped..bytes.end]);
            } else {
                queue.push_shared(flush.keep(frame, &bytes).slice(skipped..));
            }
        }
    }

    /// Counts bytes that come too late, unless it's the host that has ended the sending side.
    /// Returns how much waits.
    pub(super) fn lose(&mut self, length: usize) -> usize {
        if let Some(failure) = &mut self.failure {
            failure.lost += length;
        }
        self.pending()
    }

    /// Whether something waits for the first time, so that the kernel has to tell when it takes
    /// more.
    pub(in crate::engine) fn begins_to_wait(&mut self) -> bool {
        self.waits() && !self.writable && !std::mem::replace(&mut self.watched, true)
    }

    /// Writes `parts`; returns what the kernel does not take.
    fn write_now<'a, 'b>(&mut self, mut parts: &'a mut [IoSlice<'b>]) -> &'a mut [IoSlice<'b>] {
        while !parts.is_empty() {
            let group = &parts[..parts.len().min(MAX_PARTS)];
            let total = length(group);
            let count = if total == 0 { 0 } else { self.send(group) };
            IoSlice::advance_slices(&mut parts, count);
            if self.failure.is_some() {
                self.lose(length(parts));
                return &mut [];
            }
            if count < total {
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
                let is_at_end = self.hang_up.came_along() && self.receiving == Receiving::Ended;
                let call = if is_at_end { FailedCall::WriteAtEnd } else { FailedCall::Write };
                let first = self.end_error.take();
                self.fail(
                    call,
                    first.map_or(error, |it| io::Error::from_raw_os_error(i32::from(it.get()))),
                );
                0
            }
        }
    }

    /// Gives the kernel of the queue what it takes in one call.
    pub(super) fn flush(&mut self) {
        let Some(mut queue) = self.queue.take() else {
            self.flush_records();
            return;
        };
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = queue.fill(&mut slices);
        let parts = &slices[..filled];
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let count = self.send(parts);
        if self.failure.is_some() {
            self.lose(queue.len());
            return;
        }
        self.writable = count == length;
        queue.consume(count);
        if queue.is_empty() {
            self.written = true;
            if self.sending == Sending::EndDue {
                self.end_sending(Sending::Ending);
            }
        } else {
            self.queue = Some(queue);
        }
    }

    /// Gives the kernel what it takes of records, without a queue.
    fn flush_records(&mut self) {
        match self.socket.send_waiting() {
            Ok(true) if self.sending == Sending::EndDue => self.end_sending(Sending::Ending),
            Ok(is_done) => self.writable = is_done,
            Err(error) => self.fail(FailedCall::Write, error),
        }
    }

    /// Ends the sending side after what waits. Returns whether that is done; if not,
    /// [`ConnectionEvent::ShutDown`](super::super::ConnectionEvent::ShutDown) reports it later.
    pub fn shutdown(&mut self) -> bool {
        if self.sending == Sending::Open {
            if self.queue.is_none() {
                self.end_sending(Sending::Ended);
            } else {
                self.sending = Sending::EndDue;
            }
        }
        self.sending == Sending::Ended
    }

    /// Ends the sending side, which is in the state `ended` then, unless that has to wait.
    fn end_sending(&mut self, ended: Sending) {
        match self.socket.shutdown() {
            Ok(true) => self.sending = ended,
            Ok(false) => {
                self.sending = Sending::EndDue;
                self.writable = false;
            }
            Err(error) => self.fail(FailedCall::Write, error),
        }
    }
}

/// The frames of a flush that are in some runs. After a panic there may be some that were to be
/// compressed and can't be any more, which have no bytes then.
fn frames_of<'a>(runs: &'a [Run], flush: &'a Broadcast<'_>) -> impl Iterator<Item = &'a Frame> {
    runs.iter().flat_map(|run| &flush.frames[run.frames()])
}

/// How many bytes are in `parts`.
fn length(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}
