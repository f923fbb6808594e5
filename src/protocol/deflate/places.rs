//! Where strings were seen.
//!
//! A table that is searched by hash. An entry has the latest places of the strings with one hash, and of
//! each place some more bits of the hash: which of them are worth a look is known without a look at the
//! bytes there.

/// Strings of so many bytes are found again.
pub(super) const STRING_LENGTH: usize = 4;

/// The latest places of strings with the same hash, the latest lowest.
#[derive(Clone, Copy, Default)]
pub(super) struct Places {
    /// Eight positions of 16 bits; 0 where there is none.
    positions: [u64; 2],
    /// A byte for each of them, the tag of its string.
    tags: u64,
}

/// One in each byte.
const BYTES: u64 = 0x0101_0101_0101_0101;
/// One in each 16 bits.
const LANES: u64 = 0x0001_0001_0001_0001;

impl Places {
    /// Adds the latest position, which is below 65536, and forgets the oldest.
    #[inline]
    pub(super) fn put(&mut self, position: usize, tag: u8) {
        let [late, early] = self.positions;
        self.positions = [late << 16 | position as u64, early << 16 | late >> 48];
        self.tags = self.tags << 8 | u64::from(tag);
    }

    /// The positions, the latest first.
    #[inline]
    fn positions(&self) -> [u16; 8] {
        // By way of their bytes it is a copy, not eight shifts.
        let bytes = self.positions.map(u64::to_le_bytes);
        let (pairs, _) = bytes.as_flattened().as_chunks();
        std::array::from_fn(|index| u16::from_le_bytes(pairs[index]))
    }

    /// The positions with this tag, the latest first. There may be a few whose string is another, and 0 may
    /// be among them.
    #[inline]
    pub(super) fn with_tag(&self, tag: u8) -> Candidates {
        const LOWER: u64 = BYTES * 0x7f;
        let difference = self.tags ^ (BYTES * u64::from(tag));
        // A sum doesn't reach into the next byte; its upper bit is set unless the lower bits are zero.
        let different = ((difference & LOWER) + LOWER) | difference;
        Candidates { positions: self.positions(), same: !different & !LOWER }
    }

    /// Subtracts `length`, a power of two, from all positions, which are below its double; forgets those that are
    /// smaller.
    pub(super) fn slide(&mut self, length: usize) {
        let bit = length.trailing_zeros();
        for positions in &mut self.positions {
            let left = *positions >> bit & LANES;
            // Of each one that is left all bits but the one that goes.
            *positions &= (left << bit) - left;
        }
    }
}

/// Positions where a string may be, the latest first.
pub(super) struct Candidates {
    positions: [u16; 8],
    /// For each of them the upper bit of a byte, where it is one.
    same: u64,
}

impl Iterator for Candidates {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.same == 0 {
            return None;
        }
        let index = self.same.trailing_zeros() / 8;
        self.same &= self.same - 1;
        Some(self.positions[index as usize % 8].into())
    }
}

/// The index of a string in a table with 2 to the `bits` entries, and its tag.
#[inline]
pub(super) fn hash(string: u32, bits: u32) -> (usize, u8) {
    let hash = u64::from(string).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (56 - bits);
    ((hash >> 8) as usize, hash as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest_eight_of_each_tag() {
        let mut places = Places::default();
        for position in 1..=20 {
            places.put(position * 3000, (position % 2) as u8);
        }
        let of = |tag| places.with_tag(tag).map(|position| position / 3000).collect::<Vec<_>>();
        assert_eq!(of(0), [20, 18, 16, 14]);
        assert_eq!(of(1), [19, 17, 15, 13]);
        assert_eq!(of(2), []);
    }

    #[test]
    fn tells_every_tag_from_every_other() {
        for tag in 0..=255_u8 {
            let mut places = Places::default();
            for lane in 0..8_u8 {
                places.put(usize::from(lane) + 1, tag.wrapping_add(lane.wrapping_mul(37)));
            }
            for lane in 0..8_u8 {
                let found = places.with_tag(tag.wrapping_add(lane.wrapping_mul(37)));
                assert_eq!(found.collect::<Vec<_>>(), [usize::from(lane) + 1]);
            }
        }
    }

    #[test]
    fn forgets_what_slides_out() {
        let mut places = Places::default();
        for position in [1, 32_767, 32_768, 32_769, 40_000, 65_535] {
            places.put(position, 7);
        }
        places.slide(32_768);
        let left: Vec<_> = places.with_tag(7).collect();
        assert_eq!(left, [32_767, 7232, 1, 0, 0, 0]);
    }

    #[test]
    fn hashes_into_the_table() {
        for bits in 6..=13 {
            for string in [0, 1, 0xffff_ffff, 0x6c6c_6548] {
                assert!(hash(string, bits).0 < 1 << bits);
            }
        }
    }
}
