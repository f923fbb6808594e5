//! What is produced, and the room for it.

use crate::symbols::MAX_MATCH;

/// One turn of the fast loop writes no more than this: some literals, and a match.
pub(super) const FAST_ROOM: usize = FAST_LITERALS + MAX_MATCH;
const FAST_LITERALS: usize = 3;

/// Room is given in steps that double the output, from here on.
const MIN_ROOM: usize = 1024;
/// More room than this is given for output that exists, not for input that promises it.
const MAX_FIRST_ROOM: usize = 64 * 1024;

/// Lengths of the output, with what the caller had there before.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nothing is written after it: decoding pauses where there would be more.
    pub end: usize,
    /// From here on decoding pauses as well, if there is input left.
    pub pause: usize,
}

/// The output of a call, after what the caller had there.
///
/// Invariant: `bytes` is no longer than `bounds.end`, unless the caller's are.
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

    /// What was produced; nothing follows it any more.
    pub fn finish(self) -> &'a [u8] {
        self.bytes.truncate(self.at);
        &self.bytes[self.start..]
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

    /// Makes room for the fast loop, if that is possible without more memory. `unread` is the
    /// input that is left.
    pub(super) fn widen(&mut self, unread: usize) -> bool {
        if self.room() < FAST_ROOM && !(self.is_at_pause() && unread > 0) {
            self.use_capacity(unread);
        }
        self.room() >= FAST_ROOM
    }

    /// Makes room for one byte at least. Says whether there is some; if not, it's time for a pause.
    pub(super) fn make_room(&mut self, unread: usize) -> bool {
        if self.room() > 0 {
            return true;
        }
        if self.at >= self.bounds.end || self.is_at_pause() && unread > 0 {
            return false;
        }
        if self.bytes.capacity() == self.at {
            let room =
                if self.produced() == 0 { first_room(unread) } else { self.at.max(MIN_ROOM) };
            self.bytes.reserve_exact(room.min(self.bounds.end - self.at));
        }
        self.use_capacity(unread);
        true
    }

    /// Makes room of the capacity. It must be written to beforehand, so it's not all of it if it's
    /// much.
    fn use_capacity(&mut self, unread: usize) {
        let end = (self.at + first_room(unread)).min(self.bytes.capacity()).min(self.bounds.end);
        self.bytes.resize(end.max(self.bytes.len()), 0);
    }
}

/// Room for what this much input is likely to become.
fn first_room(input: usize) -> usize {
    (4 * input.min(MAX_FIRST_ROOM) + FAST_ROOM).clamp(MIN_ROOM, MAX_FIRST_ROOM)
}
