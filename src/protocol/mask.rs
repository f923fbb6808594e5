//! Masking of payload data: XOR with a key of four bytes, over and over.
//!
//! Masking and unmasking are the same operation. Blocks of 32 bytes become vector instructions on
//! every target without naming one, so there is no unsafe code and no detection of CPU features.

/// A multiple of every vector register that the baseline of a target has.
const BLOCK: usize = 32;

/// XORs `data` with `key`, where `data` starts `phase` bytes into the payload.
pub fn mask_in_place(data: &mut [u8], key: [u8; 4], phase: usize) {
    let key = key_at(key, phase);
    // Clients that do not fear intermediaries send zeros, which change nothing.
    if key == [0; 4] {
        return;
    }
    let (blocks, rest) = data.as_chunks_mut::<BLOCK>();
    let pattern = repeat::<BLOCK>(key);
    for block in blocks {
        *block = xor(block, &pattern);
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = xor(word, &key);
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Writes `source`, XORed with `key`, to `target`.
///
/// # Panics
///
/// When the two differ in length.
pub fn mask_into(source: &[u8], target: &mut [u8], key: [u8; 4]) {
    assert_eq!(source.len(), target.len(), "source and target differ in length");
    let (source_blocks, source) = source.as_chunks::<BLOCK>();
    let (target_blocks, target) = target.as_chunks_mut::<BLOCK>();
    let pattern = repeat::<BLOCK>(key);
    for (source, target) in source_blocks.iter().zip(target_blocks) {
        *target = xor(source, &pattern);
    }
    let (source_words, source) = source.as_chunks::<4>();
    let (target_words, target) = target.as_chunks_mut::<4>();
    for (source, target) in source_words.iter().zip(target_words) {
        *target = xor(source, &key);
    }
    for ((source, target), key) in source.iter().zip(target).zip(key) {
        *target = source ^ key;
    }
}

/// The key as it applies from `phase` bytes into the payload on.
const fn key_at(key: [u8; 4], phase: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (phase as u32 & 3)).to_le_bytes()
}

/// The key repeated to fill `N` bytes.
fn repeat<const N: usize>(key: [u8; 4]) -> [u8; N] {
    std::array::from_fn(|index| key[index & 3])
}

/// `left` XOR `right`, byte by byte; one to few instructions once compiled.
#[inline(always)]
fn xor<const N: usize>(left: &[u8; N], right: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|index| left[index] ^ right[index])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6455, section 5.3: octet i of the result is octet i of the data XOR octet i mod 4 of the
    /// key.
    fn oracle(data: &[u8], key: [u8; 4], phase: usize) -> Vec<u8> {
        data.iter().enumerate().map(|(index, byte)| byte ^ key[(index + phase) % 4]).collect()
    }

    /// RFC 6455, section 5.7: "Hello" in a masked text frame.
    #[test]
    fn unmasks_the_example_of_the_rfc() {
        let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        mask_in_place(&mut data, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&data, b"Hello");
    }

    #[test]
    fn masks_every_length_around_the_block_boundaries_in_every_phase() {
        let key = [0x12, 0x34, 0x56, 0x78];
        let data: Vec<u8> = (0..=255).collect();
        for length in 0..=(3 * BLOCK + 5) {
            for phase in 0..9 {
                let mut masked = data[..length].to_vec();
                mask_in_place(&mut masked, key, phase);
                assert_eq!(masked, oracle(&data[..length], key, phase), "{length} {phase}");
            }
        }
    }

    #[test]
    fn leaves_data_alone_with_a_zero_key() {
        let mut data = *b"unchanged";
        mask_in_place(&mut data, [0; 4], 3);
        assert_eq!(&data, b"unchanged");
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn refuses_a_target_of_another_length() {
        mask_into(b"abc", &mut [0; 2], [1; 4]);
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(
            data in prop::collection::vec(any::<u8>(), 0..300),
            key: [u8; 4],
            phase: usize,
            skip in 0..8_usize,
        ) {
            // An unaligned start must not matter.
            let data = &data[skip.min(data.len())..];
            let mut in_place = data.to_vec();
            mask_in_place(&mut in_place, key, phase);
            prop_assert_eq!(&in_place, &oracle(data, key, phase % 4));

            let mut target = vec![0; data.len()];
            mask_into(data, &mut target, key);
            prop_assert_eq!(&target, &oracle(data, key, 0));
        }

        #[test]
        fn twice_is_the_identity(data: Vec<u8>, key: [u8; 4], phase in 0..4_usize) {
            let mut masked = data.clone();
            mask_in_place(&mut masked, key, phase);
            mask_in_place(&mut masked, key, phase);
            prop_assert_eq!(masked, data);
        }

        #[test]
        fn goes_on_in_the_phase_of_the_split(data: Vec<u8>, key: [u8; 4], at: prop::sample::Index) {
            let at = at.index(data.len() + 1);
            let mut parts = data.clone();
            let (head, tail) = parts.split_at_mut(at);
            mask_in_place(head, key, 0);
            mask_in_place(tail, key, at);
            prop_assert_eq!(parts, oracle(&data, key, 0));
        }
    }
}
