//! What is produced, and the room for it.

use crate::InflateError;
use crate::symbols::MAX_MATCH;

/// One turn of the fast loop writes no more than this: some literals, and a match.
pub(super) const FAST_ROOM: usize = FAST_LITERALS + MAX_MATCH;
const FAST_LITERALS: usize = 3;

/// Room is given in steps that double the output, from here on.
const MIN_ROOM: usize = 1024;
/// More room than this is given for output that exists, not for input that promises it.
const MAX_FIRST_ROOM: usize = 64 * 1024;

/// Lengths of the output.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Above it there is an error.
    pub limit: usize,
    /// From here on decompression pauses.
    pub pause: usize,
}

/// The output of a call, behind what the caller had there.
///
/// Invariant: `bytes` is no longer than the limit and one byte, which tells an output that is as long as the limit
/// from one that is longer.
#[derive(Debug)]
pub struct Output<'a> {
    /// Longer than the output: by what is to be written next.
    bytes: &'a mut Vec<u8>,
    start: usize,
    /// Where the output ends.
    pub(super) at: usize,
    bounds: Bounds,
}

impl<'a> Output<'a> {
    /// Output that is appended to `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>, bounds: Bounds) -> Self {
        let start = bytes.len();
        Self { bytes, start, at: start, bounds }
    }

    /// What was produced, and nothing behind it any more.
    ///
    /// # Errors
    ///
    /// If it is more than the limit; then it is as much as that.
    pub fn finish(self) -> Result<&'a [u8], InflateError> {
        self.bytes.truncate(self.at.min(self.bounds.limit));
        if self.at > self.bounds.limit {
            return Err(InflateError::LimitExceeded);
        }
        Ok(&self.bytes[self.start..])
    }

    /// From now on there is no pause.
    pub fn finish_without_pause(&mut self) {
        self.bounds.pause = usize::MAX;
    }

    /// Where the output of this call starts; all that can be written; where to write.
    #[inline(always)]
    pub(super) fn parts(&mut self) -> (usize, &mut [u8], &mut usize) {
        (self.start, self.bytes, &mut self.at)
    }

    /// How much can be written.
    #[inline(always)]
    pub(super) fn room(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// How much was produced.
    #[inline(always)]
    pub(super) fn produced(&self) -> usize {
        self.at - self.start
    }

    /// Whether enough was produced for a pause.
    fn is_at_pause(&self) -> bool {
        self.at >= self.bounds.pause
    }

    /// Makes room for the fast loop, if that is possible without more memory. So much input is `unread`.
    pub(super) fn widen(&mut self, unread: usize) -> bool {
        if self.room() < FAST_ROOM && !(self.is_at_pause() && unread > 0) {
            self.use_capacity(unread);
        }
        self.room() >= FAST_ROOM
    }

    /// Makes room for one byte at least. Says whether there is some; if not, it's time for a pause.
    ///
    /// # Errors
    ///
    /// If there is more output than allowed.
    pub(super) fn make_room(&mut self, unread: usize) -> Result<bool, InflateError> {
        if self.room() > 0 {
            return Ok(true);
        }
        if self.at > self.bounds.limit {
            return Err(InflateError::LimitExceeded);
        }
        if self.is_at_pause() && unread > 0 {
            return Ok(false);
        }
        if self.bytes.capacity() == self.at {
            let room =
                if self.produced() == 0 { first_room(unread) } else { self.at.max(MIN_ROOM) };
            let allowed = self.bounds.limit.saturating_add(1) - self.at;
            self.bytes.reserve_exact(room.min(allowed));
        }
        self.use_capacity(unread);
        Ok(true)
    }

    /// Makes room of the capacity. It must be written to beforehand, so it's not all of it if it's much.
    fn use_capacity(&mut self, unread: usize) {
        let end = (self.at + first_room(unread))
            .min(self.bytes.capacity())
            .min(self.bounds.limit.saturating_add(1));
        self.bytes.resize(end.max(self.bytes.len()), 0);
    }
}

/// Room for what so much input is likely to become.
fn first_room(input: usize) -> usize {
    (4 * input.min(MAX_FIRST_ROOM) + FAST_ROOM).clamp(MIN_ROOM, MAX_FIRST_ROOM)
}
