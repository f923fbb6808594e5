//! The bits of a stream, of which a part has arrived.
//!
//! RFC 1951, section 3.1.1: the lowest bit of a byte comes first.

/// Bits of earlier input that are still to be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    ahead: u64,
    count: u32,
}

impl Pending {
    pub(super) const NONE: Self = Self { ahead: 0, count: 0 };

    pub(super) const fn is_empty(self) -> bool {
        self.count == 0
    }
}

/// The bits ahead, and the input they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    input: &'a [u8],
    /// What of it isn't taken.
    rest: &'a [u8],
    /// The bits ahead, from the lowest on. Above `count` there may be some of the next byte
    /// already.
    ahead: u64,
    count: u32,
}

/// Number of bits that there are after [`Bits::refill`], unless the input ends.
pub(super) const REFILLED: u32 = 56;

impl<'a> Bits<'a> {
    pub(super) const fn new(pending: Pending, input: &'a [u8]) -> Self {
        Self { input, rest: input, ahead: pending.ahead, count: pending.count }
    }

    /// Leaves off: gives the bits to go on with, and the rest of the input.
    ///
    /// Whole bytes stay in the input, unless it is to be used up.
    pub(super) fn leave(mut self, uses_up: bool) -> (Pending, &'a [u8]) {
        let mut taken = self.input.len() - self.rest.len();
        if !uses_up {
            let bytes = (self.count as usize / 8).min(taken);
            self.count -= 8 * bytes as u32;
            taken -= bytes;
        }
        let ahead = self.ahead & !(u64::MAX << self.count);
        (Pending { ahead, count: self.count }, &self.input[taken..])
    }

    /// Bytes that aren't taken from the input.
    #[inline(always)]
    pub(super) const fn unread(&self) -> usize {
        self.rest.len()
    }

    /// Whether neither bits nor input are left.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0 && self.unread() == 0
    }

    /// Takes input until [`REFILLED`] bits are there, or all.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        match self.rest.first_chunk() {
            Some(&next) => {
                self.ahead |= u64::from_le_bytes(next) << self.count;
                // Less than eight bytes, as it says twice: then nothing needs a check.
                let bytes = ((63 - self.count) / 8) & 7;
                self.rest = &self.rest[bytes as usize..];
                self.count |= REFILLED;
            }
            None => self.refill_from_last(),
        }
    }

    /// Refills where less than eight bytes are left.
    fn refill_from_last(&mut self) {
        while self.count < REFILLED
            && let Some((&byte, rest)) = self.rest.split_first()
        {
            self.ahead |= u64::from(byte) << self.count;
            self.rest = rest;
            self.count += 8;
        }
    }

    /// The bits ahead. After [`count`](Self::count) there are zeros at the end of the input.
    #[inline(always)]
    pub(super) const fn ahead(&self) -> u64 {
        self.ahead
    }

    /// How many bits are ahead.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Goes ahead by `count` bits, which are there.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        debug_assert!(count <= self.count);
        self.ahead >>= count;
        self.count = self.count.wrapping_sub(count);
    }

    /// Takes a number of `count` bits, less than 64, or nothing unless all of them have arrived.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        if self.count < count {
            self.refill();
            if self.count < count {
                return None;
            }
        }
        let number = self.ahead & !(u64::MAX << count);
        self.skip(count);
        Some(number)
    }

    /// Skips the rest of a byte.
    pub(super) fn align(&mut self) {
        self.skip(self.count % 8);
    }

    /// Takes as many whole bytes as there are and `output` has room for. The bits are aligned.
    pub(super) fn take_bytes(&mut self, output: &mut [u8]) -> usize {
        debug_assert!(self.count.is_multiple_of(8));
        let ahead = (self.count as usize / 8).min(output.len());
        for byte in &mut output[..ahead] {
            *byte = self.ahead as u8;
            self.skip(8);
        }
        let output = &mut output[ahead..];
        let count = self.unread().min(output.len());
        if count > 0 {
            // None is left in front of these, nor a part of what follows them.
            self.ahead = 0;
            let (bytes, rest) = self.rest.split_at(count);
            output[..count].copy_from_slice(bytes);
            self.rest = rest;
        }
        ahead + count
    }
}
