//! What was compressed before, and how strings are found in it.
//!
//! RFC 1951, section 4, leaves open how. Here a match is looked for along the chain of the four
//! bytes with which it begins. Once there is one, a longer one has to be in the chain of the four
//! bytes that it would end with as well, and the search goes on in whichever of both leads farther
//! back: a few places are enough to find most of what a search of all would find.
//!
//! Memory grows with what there is. After a message of 1 KiB it is 7 KiB.

use super::chains::{Chains, STRING_LENGTH};
use crate::symbols::MAX_MATCH;

/// A string that occurred before.
#[derive(Clone, Copy)]
pub(super) struct Match {
    /// From 4 to 258.
    pub(super) length: usize,
    pub(super) distance: usize,
}

/// The LZ77 sliding window, and the data after it that is being compressed.
pub(super) struct History {
    bytes: Vec<u8>,
    chains: Chains,
    /// All positions before this one are in their chains.
    placed: usize,
    window_length: usize,
    /// Matches are less than this many bytes back.
    reach: usize,
    max_hashes: usize,
    /// Places that were looked at.
    #[cfg(test)]
    pub(super) candidates: std::cell::Cell<usize>,
}

/// The fewest hashes, and links.
const MIN_CHAINS: usize = 256;
/// The least that is forgotten at a time: each time every hash is looked at.
const MIN_PIECE: usize = 8 * 1024;
/// A match as long as this is taken without a look at other places. json-64k (bench/deflate) is
/// 20.04 % with 16, 19.89 with 32, 64 or 258.
const LONG_ENOUGH: usize = 32;
/// Number of positions that are put into their chains at a time, ahead of the search. Without other
/// decisions in between that is faster: json-64k takes 12 % less time, prose-64k 20 %
/// (doc/performance.md).
const AHEAD: usize = 256;

impl History {
    /// A history that finds what is less than 2 to the `window_bits` back, with up to 2 to the
    /// `max_hash_bits` hashes of strings.
    pub(super) fn new(window_bits: u8, max_hash_bits: u8) -> Self {
        let window_length = 1 << window_bits;
        Self {
            bytes: Vec::new(),
            chains: Chains::new(),
            placed: 0,
            window_length,
            reach: window_length.min(most_links(window_length) - AHEAD),
            max_hashes: 1 << max_hash_bits,
            #[cfg(test)]
            candidates: std::cell::Cell::default(),
        }
    }

    /// Forgets everything, but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.chains.clear();
        self.placed = 0;
    }

    /// What is farther back is not in the window.
    pub(super) const fn window_length(&self) -> usize {
        self.window_length
    }

    /// Bytes of memory that it takes.
    pub(super) const fn memory(&self) -> usize {
        self.bytes.capacity() + self.chains.memory()
    }

    /// All that is there, up to 64 KiB.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As much as is forgotten at a time: half of what there is place for.
    fn piece(&self) -> usize {
        piece(self.window_length)
    }

    /// Takes as much of the beginning of `data` as there is place for; returns where it begins, and
    /// what is left of `data`.
    pub(super) fn append<'a>(&mut self, data: &'a [u8]) -> (usize, &'a [u8]) {
        let capacity = 2 * self.piece();
        if self.bytes.len() == capacity {
            self.slide();
        }
        let start = self.bytes.len();
        let (data, rest) = data.split_at(data.len().min(capacity - start));
        let length = start + data.len();
        if length > self.bytes.capacity() {
            let room = length.next_power_of_two().min(capacity);
            self.bytes.reserve_exact(room - start);
        }
        self.bytes.extend_from_slice(data);
        self.grow();
        (start, rest)
    }

    /// Forgets the older half.
    fn slide(&mut self) {
        let length = self.piece();
        self.bytes.copy_within(length.., 0);
        self.bytes.truncate(self.bytes.len() - length);
        // The last ones before the end had no whole string yet.
        self.placed = self.placed.saturating_sub(length);
        self.chains.slide(length as u16);
    }

    /// Gives the chains the room that the bytes need: two hashes for each, and links for more than
    /// is in reach.
    fn grow(&mut self) {
        let length = self.bytes.len().next_power_of_two().max(MIN_CHAINS);
        let links = length.min(most_links(self.window_length));
        if self.chains.grow((2 * length).min(self.max_hashes), links) {
            let placed = std::mem::take(&mut self.placed);
            self.place_before(placed);
        }
    }

    /// Puts all positions before `end` into their chains, as far as they have a string.
    #[inline]
    fn place_before(&mut self, end: usize) {
        let end = end.min((self.bytes.len() + 1).saturating_sub(STRING_LENGTH));
        if self.placed < end {
            let bytes = &self.bytes[self.placed..end + STRING_LENGTH - 1];
            self.chains.extend(self.placed, bytes);
            self.placed = end;
        }
    }

    /// Looks for a match at `position`, where there have to be [`STRING_LENGTH`] bytes.
    ///
    /// `depth` is how many places are looked at, 1 or more.
    #[inline(always)] // 5 % faster; there is one place that calls it
    pub(super) fn find(&mut self, position: usize, depth: usize) -> Option<Match> {
        let (string, mut start) = self.look_up(position);
        let first = self.first_in_reach(position);
        for left in (0..depth).rev() {
            if start < first {
                break; // and the others, which are older, as well
            }
            #[cfg(test)]
            self.candidates.set(self.candidates.get() + 1);
            if string_at(&self.bytes, start) == Some(string) {
                let length = common_length(&self.bytes, start, position);
                let found = Match { length, distance: position - start };
                return Some(self.longest(
                    found,
                    string,
                    position,
                    self.chains.before(start),
                    left,
                ));
            }
            start = self.chains.before(start);
        }
        None
    }

    /// Does as [`find`](Self::find), but for a match longer than `length`, which is
    /// [`STRING_LENGTH`] at least.
    #[inline(always)]
    pub(super) fn find_longer(
        &mut self,
        position: usize,
        length: usize,
        depth: usize,
    ) -> Option<Match> {
        let (string, start) = self.look_up(position);
        let found = self.longest(Match { length, distance: 0 }, string, position, start, depth);
        (found.length > length).then_some(found)
    }

    /// The string at a position, and where it may have been before. All positions that a short
    /// match at this one would have are in their chains then.
    #[inline]
    fn look_up(&mut self, position: usize) -> (u32, usize) {
        if self.placed <= position + LONG_ENOUGH {
            self.place_before(position + AHEAD);
        }
        let string = string_at(&self.bytes, position).unwrap_or_default();
        (string, self.chains.before(position))
    }

    /// Looks for a match at `position` that is longer than `found`, at most at `depth` places.
    ///
    /// Follows two chains at once. Say `abcd`, of four bytes, is found, and a longer match is
    /// wanted. It begins with `abcd` and goes on with the next byte, `e`, so it has `bcde` one byte
    /// later:
    ///
    /// ```text
    ///            1         2         3
    ///  0123456789012345678901234567890123456
    ///  .abcdefx.......abcdy..abcdy..abcdefgh
    ///                               ^ position; found: 22, of four bytes; end = 1
    ///
    ///  chain of `string`, abcd, from 22 on:          15   1
    ///  chain of `last`, bcde, less `end`:                 1
    /// ```
    ///
    /// Where a longer match begins is in both lists. So nothing is lost when the search goes on
    /// with the list whose next place is farther back: 15 is skipped, 1 is the next candidate, and
    /// gives six bytes. From then on `last` is what a match of seven would end with, and so on. In
    /// JSON four candidates find here what 16 find in one chain (bench/deflate, json-64k).
    ///
    /// On entry
    /// - `string` is the four bytes at `position`, and `start` a place in their chain, or 0;
    /// - `found.length` is 4 or more: the match to beat, or just a length to beat;
    /// - the positions up to `position + LONG_ENOUGH` are in their chains
    ///   ([`look_up`](Self::look_up)).
    ///
    /// On exit the result is `found`, or a match that is longer: its bytes are the same, as many as
    /// are the same, and its distance is within reach. With an unlimited `depth` it is the longest
    /// that there is, or has [`LONG_ENOUGH`] bytes or more.
    ///
    /// Looks at `depth` candidates at most, and compares at most [`MAX_MATCH`] bytes of each that
    /// agrees in its first and its last four bytes.
    fn longest(
        &self,
        mut found: Match,
        string: u32,
        position: usize,
        start: usize,
        mut depth: usize,
    ) -> Match {
        let (bytes, chains) = (&self.bytes[..], &self.chains);
        let first = self.first_in_reach(position);
        // The chain that is followed: its next place, and how far after the beginning of a match
        // that is.
        let (mut place, mut offset) = (start, 0);
        while depth > 0 && found.length < LONG_ENOUGH {
            let end = found.length + 1 - STRING_LENGTH;
            let Some(last) = string_at(bytes, position + end) else { break };
            debug_assert!(position + end < self.placed);
            let before = chains.before(position + end);
            if before + offset < place + end {
                (place, offset) = (before, end);
            }
            loop {
                if place < first + offset || depth == 0 {
                    return found;
                }
                let start = place - offset;
                place = chains.before(place);
                depth -= 1;
                #[cfg(test)]
                self.candidates.set(self.candidates.get() + 1);
                // The last bytes are the same less often.
                if string_at(bytes, start + end) == Some(last)
                    && string_at(bytes, start) == Some(string)
                {
                    let length = common_length(bytes, start, position);
                    if length > found.length {
                        found = Match { length, distance: position - start };
                        break;
                    }
                }
            }
        }
        found
    }

    /// From where on a match at `position` may copy. That is never 0, which stands for no position.
    #[inline]
    const fn first_in_reach(&self, position: usize) -> usize {
        position.saturating_sub(self.reach) + 1
    }
}

/// What is forgotten at a time of a window of this length.
fn piece(window_length: usize) -> usize {
    window_length.max(MIN_PIECE)
}

/// Number of links for a window of this length: a divisor of what is forgotten at a time. Where
/// that is the window, what is ahead takes those of the positions farthest back.
fn most_links(window_length: usize) -> usize {
    piece(window_length).min(2 * window_length)
}

/// The string at a position, unless the bytes end before it does.
#[inline]
fn string_at(bytes: &[u8], position: usize) -> Option<u32> {
    bytes.get(position..)?.first_chunk().map(|string| u32::from_le_bytes(*string))
}

/// How many bytes are the same from both positions on, up to [`MAX_MATCH`]. The first
/// [`STRING_LENGTH`] are known to be.
#[inline]
fn common_length(bytes: &[u8], earlier: usize, later: usize) -> usize {
    let later = &bytes[later..bytes.len().min(later + MAX_MATCH)];
    let earlier = &bytes[earlier..earlier + later.len()];
    let mut length = STRING_LENGTH;
    let words = earlier[length..].as_chunks::<8>().0.iter().zip(later[length..].as_chunks::<8>().0);
    for (a, b) in words {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    while length < later.len() && earlier[length] == later[length] {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The longest match at `position` of all that are in reach, by looking at every one.
    fn longest_of_all(history: &History, position: usize) -> usize {
        let bytes = history.bytes();
        let same = |start: usize| {
            let pairs = bytes[start..].iter().zip(&bytes[position..]);
            pairs.take(MAX_MATCH).take_while(|(a, b)| a == b).count()
        };
        (history.first_in_reach(position)..position).map(same).max().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..Default::default() })]

        #[test]
        fn finds_the_longest_match_of_all(
            // Few letters, so that there is much to find; pieces, so that long matches come up.
            pieces in prop::collection::vec("[ab]{1,3}|[a-d]{2,30}|(abcd){1,20}", 1..60),
            window_bits in 9..=12_u8,
            at in any::<prop::sample::Index>(),
        ) {
            let text = pieces.concat().into_bytes();
            prop_assume!(text.len() > STRING_LENGTH);
            let mut history = History::new(window_bits, 12);
            history.append(&text);
            let position = at.index(text.len() - STRING_LENGTH);
            let longest = longest_of_all(&history, position);
            let found = history.find(position, usize::MAX);
            match found {
                None => prop_assert!(longest < STRING_LENGTH, "{longest} missed"),
                Some(Match { length, distance }) => {
                    let start = position - distance;
                    prop_assert!(distance <= history.reach);
                    prop_assert_eq!(&text[start..start + length], &text[position..][..length]);
                    prop_assert!(length == longest || length >= LONG_ENOUGH, "{length} of {longest}");
                }
            }
            for less in STRING_LENGTH..longest.min(LONG_ENOUGH) {
                let longer = history.find_longer(position, less, usize::MAX);
                let length = longer.map(|found| found.length);
                prop_assert!(length == Some(longest) || length >= Some(LONG_ENOUGH));
            }
            prop_assert!(history.find_longer(position, longest.max(STRING_LENGTH), usize::MAX).is_none());
        }

        #[test]
        fn looks_at_no_more_places_than_it_may(
            text in prop::collection::vec(b'a'..=b'b', 10..3000),
            depth in 1..20_usize,
            at in any::<prop::sample::Index>(),
        ) {
            let mut history = History::new(12, 12);
            history.append(&text);
            let position = at.index(text.len() - STRING_LENGTH);
            history.find(position, depth);
            prop_assert!(history.candidates.get() <= depth);
        }
    }

    /// The match at the beginning of the second of two texts.
    fn found(history: &mut History, before: &[u8], text: &[u8]) -> Option<(usize, usize)> {
        history.append(before);
        let (start, rest) = history.append(text);
        assert!(rest.is_empty());
        history.find(start, 100).map(|found| (found.length, found.distance))
    }

    #[test]
    fn finds_the_longest_of_many() {
        let mut before = b"-an apple and a nut".to_vec();
        for word in ["ant", "angle", "anchor", "and"].repeat(20) {
            before.extend_from_slice(b" an app");
            before.extend_from_slice(word.as_bytes());
        }
        let distance = before.len() - 1;
        let mut history = History::new(15, 12);
        assert_eq!(found(&mut history, &before, b"an apple and a pear"), Some((15, distance)));
    }

    /// What is found of a long word so far back, after which there is a part of it, [`PART`] bytes
    /// less far back. `slides` says whether the window slides in between.
    fn found_back(window_bits: u8, distance: usize, slides: bool) -> Option<(usize, usize)> {
        let mut history = History::new(window_bits, 16);
        let filler = |length: usize| (0..length).map(|i| (i % 251) as u8 | 0x80);
        let length = if slides { 2 * history.piece() } else { distance + 9 };
        let mut before: Vec<u8> = filler(length - distance).collect();
        before.extend_from_slice(b"needlework; needle.dlew;");
        before.extend(filler(length - before.len()));
        // What is ahead comes into the chains as well.
        let text = [&b"needlework"[..], &[0; 2 * AHEAD]].concat();
        history.append(&before);
        let (start, _) = history.append(&text);
        assert_eq!(start, if slides { length / 2 } else { length });
        history.find(start, 4).map(|found| (found.length, found.distance))
    }

    const PART: usize = 12;

    /// The farthest distance that is in reach.
    fn farthest(window_bits: u8) -> usize {
        let length = 1 << window_bits;
        // What is ahead has links of its own in small windows only.
        if window_bits < 13 { length - 1 } else { length - AHEAD - 1 }
    }

    #[test]
    fn finds_what_is_in_reach_and_nothing_beyond() {
        for window_bits in 9..=15 {
            let farthest = farthest(window_bits);
            for slides in [false, true] {
                for distance in [200, farthest - 100, farthest] {
                    let found = found_back(window_bits, distance, slides);
                    assert_eq!(found, Some((10, distance)), "{window_bits} bits, slides: {slides}");
                }
                let found = found_back(window_bits, farthest + 1, slides);
                assert_eq!(found, Some((6, farthest + 1 - PART)), "{window_bits} bits");
                assert_eq!(found_back(window_bits, farthest + 1 + PART, slides), None);
            }
        }
    }

    #[test]
    fn stays_right_while_it_slides() {
        let mut history = History::new(9, 12);
        let text: Vec<u8> = (0..60_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let mut left = &text[..];
        while !left.is_empty() {
            let (piece, behind) = left.split_at(left.len().min(777));
            let (start, rest) = history.append(piece);
            left = &left[piece.len() - rest.len()..];
            assert!(rest.is_empty() || history.bytes().len() == 2 * MIN_PIECE);
            assert_eq!(behind.len() + rest.len(), left.len());
            for position in start..history.bytes().len().saturating_sub(STRING_LENGTH) {
                let Some(Match { length, distance }) = history.find(position, 8) else { continue };
                assert!(distance < 512);
                let bytes = history.bytes();
                let copied = &bytes[position - distance..][..length];
                assert_eq!(copied, &bytes[position..][..length]);
            }
        }
        assert!(history.bytes().len() <= 2 * MIN_PIECE);
    }

    #[test]
    fn takes_memory_for_what_there_is() {
        let mut history = History::new(15, 13);
        assert_eq!(history.memory(), 0);
        history.append(&[1; 1000]);
        assert_eq!(history.memory(), 1024 + (2048 + 1024) * 2);
        for _ in 0..1000 {
            history.append(&[1; 1000]);
        }
        assert_eq!(history.memory(), (64 << 10) + (8192 + 32_768) * 2);
        // Where matches don't reach nothing is linked.
        let mut history = History::new(9, 9);
        for _ in 0..1000 {
            history.append(&[1; 1000]);
        }
        assert_eq!(history.memory(), 2 * MIN_PIECE + (512 + 1024) * 2);
    }
}
