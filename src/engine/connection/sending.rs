//! What is written: at once as far as the kernel takes it, the rest from a queue.

use std::io::IoSlice;
use std::ops::Deref;

use super::super::compression::outgoing::{Broadcast, Outgoing};
use super::super::fault::Fault;
use super::super::occurrence::Piece;
use super::socket::MAX_PARTS;
use super::write_queue::MAX_SLICES;
use super::{Connection, Sending};

impl Connection {
    /// Writes `parts`, or lets them wait behind what waits. Returns how much waits.
    pub(in crate::engine) fn write(&mut self, parts: &mut [IoSlice<'_>]) -> usize {
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
    pub(in crate::engine) fn write_owned(&mut self, bytes: Vec<u8>) -> usize {
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
    pub(in crate::engine) fn write_pieces<B: Deref<Target = [u8]>>(
        &mut self,
        pieces: &[Piece],
        broadcast: &Broadcast<B>,
        outgoing: &mut Outgoing,
    ) -> usize {
        let Some(compression) = &self.compression else {
            // After a panic there may be frames that nobody can compress any more.
            let plain = pieces.iter().filter(|piece| piece.frame.is_none());
            let slice = |piece: &Piece| IoSlice::new(&broadcast.bytes[piece.bytes.clone()]);
            return self.write(&mut plain.map(slice).collect::<Vec<_>>());
        };
        outgoing.bytes.clear();
        for Piece { bytes, frame, .. } in pieces {
            match frame {
                Some(frame) => {
                    broadcast.append_frame(frame, bytes, &compression.deflation, outgoing);
                }
                None => outgoing.bytes.extend_from_slice(&broadcast.bytes[bytes.clone()]),
            }
        }
        self.write(&mut [IoSlice::new(&outgoing.bytes)])
    }

    /// Whether there is a queue for the first time, so that the kernel has to tell when it takes
    /// more.
    pub(in crate::engine) fn begins_to_wait(&mut self) -> bool {
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
    pub(super) fn flush(&mut self) {
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
                self.end_sending(Sending::Ending);
            }
        } else {
            self.queue = Some(queue);
        }
    }

    /// Ends the sending side after what waits. Returns whether that is done; if not,
    /// [`Occurrence::ShutDown`](super::super::Occurrence::ShutDown) reports it later.
    pub fn shutdown(&mut self) -> bool {
        if self.sending == Sending::Open && self.failure.is_none() {
            if self.queue.is_none() {
                self.end_sending(Sending::Ended);
            } else {
                self.sending = Sending::EndDue;
            }
        }
        self.sending == Sending::Ended
    }

    /// Ends the sending side, which is in the state `ended` then.
    fn end_sending(&mut self, ended: Sending) {
        match self.socket.shutdown() {
            Ok(()) => self.sending = ended,
            Err(error) => self.fail(error),
        }
    }
}
