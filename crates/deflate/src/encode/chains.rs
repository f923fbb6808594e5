//! Where strings were seen.
//!
//! A chain for each hash of a string: from the latest position with that hash to the one before,
//! and so on. Strings with other hashes may be in it.

/// Length of the strings that are found again.
pub(super) const STRING_LENGTH: usize = 4;

/// Chains of positions, which are from 1 to 65535; 0 ends a chain.
pub(super) struct Chains {
    /// By hash: the latest position. As many as a power of two.
    heads: Vec<u16>,
    /// By position, in turns: the one before in the chain. As many as a power of two.
    links: Vec<u16>,
}

impl Chains {
    pub(super) const fn new() -> Self {
        Self { heads: Vec::new(), links: Vec::new() }
    }

    /// Bytes of memory that they take.
    pub(super) const fn memory(&self) -> usize {
        (self.heads.capacity() + self.links.capacity()) * size_of::<u16>()
    }

    /// Forgets all positions, but keeps the memory. The chains need to [`grow`](Self::grow) then.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
    }

    /// Makes room for `hashes` hashes and for the links of `positions` positions, both powers of
    /// two, if there is less. Returns whether that was so; all positions are forgotten then.
    pub(super) fn grow(&mut self, hashes: usize, positions: usize) -> bool {
        if self.heads.len() >= hashes && self.links.len() >= positions {
            return false;
        }
        self.heads.clear();
        for (places, length) in [(&mut self.heads, hashes), (&mut self.links, positions)] {
            if places.len() < length {
                places.reserve_exact(length - places.len());
                places.resize(length, 0);
            }
        }
        true
    }

    /// Subtracts `length`, a multiple of the links, from all positions, and forgets those that are
    /// smaller.
    pub(super) fn slide(&mut self, length: u16) {
        debug_assert!(usize::from(length).is_multiple_of(self.links.len()));
        for places in [&mut self.heads, &mut self.links] {
            for position in places {
                *position = position.saturating_sub(length);
            }
        }
    }

    /// The position before this one in its chain. It has to be one of as many latest ones as there
    /// are links.
    #[inline]
    pub(super) fn before(&self, position: usize) -> usize {
        self.links[position & (self.links.len() - 1)].into()
    }

    /// Adds all positions of strings in `bytes`, which are at the positions from `first` on.
    #[inline]
    pub(super) fn extend(&mut self, first: usize, bytes: &[u8]) {
        let (heads, links) = (&mut self.heads[..], &mut self.links[..]);
        let (shift, mask) = (shift(heads), links.len() - 1);
        for (position, string) in (first..).zip(bytes.windows(STRING_LENGTH)) {
            let string = u32::from_le_bytes([string[0], string[1], string[2], string[3]]);
            let head = &mut heads[hash(string, shift)];
            links[position & mask] = std::mem::replace(head, position as u16);
        }
    }
}

/// The index of a string among the heads.
#[inline]
const fn hash(string: u32, shift: u32) -> usize {
    (string.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

/// What is left of a hash by it is an index of one of `heads`.
#[inline]
const fn shift(heads: &[u16]) -> u32 {
    u32::BITS - heads.len().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions of a chain after one of them.
    fn chain(chains: &Chains, mut position: usize) -> Vec<usize> {
        let mut positions = Vec::new();
        loop {
            position = chains.before(position);
            if position == 0 {
                return positions;
            }
            positions.push(position);
        }
    }

    #[test]
    fn links_the_positions_of_a_string_from_the_latest_on() {
        let mut chains = Chains::new();
        assert!(chains.grow(256, 32));
        chains.extend(1, b"here, there");
        chains.extend(9, b"ere and here");
        assert_eq!(chain(&chains, 17), [8, 1]);
        assert_eq!(chain(&chains, 1), []);
        chains.extend(40, b"her");
        chains.extend(40, b"here");
        assert_eq!((chains.before(40), chains.before(8)), (17, 17), "they have the same link");
    }

    #[test]
    fn forgets_what_slides_out() {
        let mut chains = Chains::new();
        chains.grow(256, 32_768);
        for position in [1, 32_767, 32_768, 32_769, 40_000, 65_535] {
            chains.extend(position, b"here");
        }
        chains.slide(32_768);
        assert_eq!(chain(&chains, 32_767), [7232, 1]);
        chains.extend(32_768, b"here");
        assert_eq!(chain(&chains, 32_768), [32_767, 7232, 1]);
    }

    #[test]
    fn forgets_everything_where_it_grows() {
        let mut chains = Chains::new();
        chains.grow(256, 256);
        chains.extend(9, b"here");
        assert!(!chains.grow(256, 128));
        chains.extend(10, b"here");
        assert_eq!(chain(&chains, 10), [9]);
        assert!(chains.grow(512, 256));
        chains.extend(11, b"here");
        assert_eq!(chain(&chains, 11), []);
        assert_eq!(chains.memory(), 2 * (512 + 256));
        chains.clear();
        assert!(chains.grow(512, 256), "what was cleared has no heads");
    }

    #[test]
    fn hashes_into_the_heads() {
        for bits in 8..=17 {
            let heads = vec![0; 1 << bits];
            for string in [0, 1, 0xffff_ffff, 0x6c6c_6548] {
                assert!(hash(string, shift(&heads)) < heads.len());
            }
        }
    }
}
