//! Bits in the order of RFC 1951, section 3.1.1.

/// Bits that are appended to bytes.
///
/// Up to 56 bits may be added between two calls of [`flush`](Self::flush).
pub(super) struct BitWriter<'a> {
    bytes: &'a mut [u8],
    /// How many bytes are written.
    length: usize,
    pending: u64,
    /// How many bits of `pending` count; below 8 after a flush.
    count: u32,
}

/// Number of bytes that `bytes` has to have beyond those that are written in the end.
pub(super) const SLACK: usize = 8;

impl<'a> BitWriter<'a> {
    /// Writes to `bytes` from the beginning, after `bits`.
    pub(super) fn new(bytes: &'a mut [u8], bits: Remainder) -> Self {
        Self { bytes, length: 0, pending: bits.value.into(), count: bits.count }
    }

    /// Adds the lower `count` bits of `value`, whose others are zero.
    #[inline]
    pub(super) fn add(&mut self, value: u64, count: u32) {
        self.pending |= value << self.count;
        self.count += count;
    }

    /// Writes the whole bytes that there are.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(target) = self.bytes[self.length..].first_chunk_mut() {
            *target = self.pending.to_le_bytes();
        }
        self.length += (self.count >> 3) as usize;
        self.pending >>= self.count & !7;
        self.count &= 7;
    }

    /// Ends writing: how many bytes there are, and the bits that are no byte yet.
    pub(super) fn finish(mut self) -> (usize, Remainder) {
        self.flush();
        (self.length, Remainder { value: self.pending as u8, count: self.count })
    }
}

/// Bits that don't make a byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remainder {
    value: u8,
    count: u32,
}

impl Remainder {
    /// How many there are, up to 7.
    pub(super) const fn count(self) -> u32 {
        self.count
    }
}
