//! The decoder against zlib-rs, and the tables against the RFC's constants.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::codes::{Codes, DistanceTable, LiteralTable};
use super::decode_table::{DecodeTable, Entry, InvalidLengths};
use super::{Bounds, Decoder, Output, Stop, Window};
use crate::InflateError;

/// Inflates `data`, given in such pieces, with room for no more than `pause` bytes at a time.
fn inflate(pieces: &[&[u8]], pause: usize) -> Result<(Vec<u8>, Stop), InflateError> {
    let mut decoder = Decoder::new();
    let mut window = Window::default();
    let mut all = Vec::new();
    let mut stop = Stop::Input;
    for piece in pieces {
        let mut data = *piece;
        loop {
            let mut bytes = Vec::new();
            let mut output = Output::new(&mut bytes, Bounds { end: usize::MAX, pause });
            stop = decoder.decode(&mut data, &window, &mut output)?;
            let produced = output.finish();
            window.push(produced, 1 << 15);
            all.extend_from_slice(produced);
            match stop {
                Stop::Input => break assert!(data.is_empty()),
                Stop::Pause => assert!(!data.is_empty()),
                Stop::End => return Ok((all, stop)),
            }
        }
    }
    Ok((all, stop))
}

/// The same by zlib-rs. It leaves its fast path, which has no messages, where there is less room
/// than 260 bytes.
fn inflate_by_zlib(mut data: &[u8]) -> Result<(Vec<u8>, Stop), Option<String>> {
    let mut stream = Decompress::new(false);
    let mut all = Vec::new();
    let mut output = [0; 256];
    loop {
        let before = (stream.total_in(), stream.total_out());
        let result = stream.decompress(data, &mut output, FlushDecompress::Sync);
        all.extend_from_slice(&output[..(stream.total_out() - before.1) as usize]);
        match result {
            Err(error) => return Err(error.message().map(str::to_owned)),
            Ok(Status::StreamEnd) => return Ok((all, Stop::End)),
            Ok(_) if before == (stream.total_in(), stream.total_out()) => {
                return Ok((all, Stop::Input));
            }
            Ok(_) => data = &data[(stream.total_in() - before.0) as usize..],
        }
    }
}

/// Bits in the order of RFC 1951, section 3.1.1, from numbers and their lengths.
fn bits(numbers: &[(u32, u32)]) -> Vec<u8> {
    let bits = numbers.iter().flat_map(|&(number, count)| (0..count).map(move |i| number >> i & 1));
    let mut bytes =
        vec![0; numbers.iter().map(|&(_, count)| count).sum::<u32>().div_ceil(8) as usize];
    for (at, bit) in bits.enumerate() {
        bytes[at / 8] |= (bit as u8) << (at % 8);
    }
    bytes
}

/// A code as a number for [`bits`]: its first bit is its highest.
fn code(code: u32, count: u32) -> (u32, u32) {
    (code.reverse_bits() >> (32 - count), count)
}

#[test]
fn decodes_the_fixed_codes_of_the_rfc() {
    // RFC 1951, section 3.2.6: the first code of each length, and what it stands for.
    let codes = Codes::fixed();
    for (first, length, symbol, count) in [
        (0b0011_0000, 8, 0, 144),
        (0b1_1001_0000, 9, 144, 112),
        (0, 7, 256, 24),
        (0b1100_0000, 8, 280, 8),
    ] {
        for offset in 0..count {
            let entry = codes.literals.get(code(first + offset, length).0.into());
            assert_eq!(entry.code_bits(), length);
            assert_eq!(entry.is_literal(), symbol + offset < 256);
            assert_eq!(entry.is_exception(), matches!(symbol + offset, 256 | 286 | 287));
            assert_eq!(entry.is_end_of_block(), symbol + offset == 256);
            if entry.is_literal() {
                assert_eq!(u32::from(entry.byte()), symbol + offset);
            }
        }
    }
}

#[test]
fn knows_the_lengths_and_distances_of_the_rfc() {
    // RFC 1951, section 3.2.5: symbol, extra bits, first and last number.
    let codes = Codes::fixed();
    for (symbol, extra_bits, first, last) in [
        (257, 0, 3, 3),
        (264, 0, 10, 10),
        (265, 1, 11, 12),
        (268, 1, 17, 18),
        (269, 2, 19, 22),
        (273, 3, 35, 42),
        (277, 4, 67, 82),
        (279, 4, 99, 114),
        (280, 4, 115, 130),
        (281, 5, 131, 162),
        (284, 5, 227, 257),
        (285, 0, 258, 258),
    ] {
        let (number, length) =
            if symbol < 280 { code(symbol - 256, 7) } else { code(0b1100_0000 + symbol - 280, 8) };
        let entry = codes.literals.get(number.into());
        assert_eq!(entry.bits(), length + extra_bits, "{symbol}");
        assert_eq!(entry.value(number.into()), first, "{symbol}");
        // 284 with all extra bits would be 258: the RFC's table ends at 257, zlib takes it.
        let highest = u64::from(number) | ((1 << extra_bits) - 1) << length;
        assert_eq!(entry.value(highest), last + usize::from(symbol == 284), "{symbol}");
    }
    for (symbol, extra_bits, first, last) in [
        (0, 0, 1, 1),
        (3, 0, 4, 4),
        (4, 1, 5, 6),
        (6, 2, 9, 12),
        (14, 6, 129, 192),
        (19, 8, 769, 1024),
        (28, 13, 16_385, 24_576),
        (29, 13, 24_577, 32_768),
    ] {
        let (number, length) = code(symbol, 5);
        let entry = codes.distances.get(number.into());
        assert_eq!((entry.bits(), entry.is_exception()), (length + extra_bits, false), "{symbol}");
        assert_eq!(entry.value(number.into()), first, "{symbol}");
        let highest = u64::from(number) | ((1 << extra_bits) - 1) << length;
        assert_eq!(entry.value(highest), last, "{symbol}");
    }
    assert!((30..32).all(|symbol| codes.distances.get(code(symbol, 5).0.into()).is_exception()));
}

#[test]
fn takes_sets_of_codes_as_zlib_does() {
    let symbols: Vec<Entry> = (0..286).map(|symbol| Entry::number(symbol, 0)).collect();
    let fill = |lengths: &[u8], may_be_incomplete| {
        LiteralTable::new().fill(lengths, &symbols, may_be_incomplete)
    };
    for (lengths, valid, valid_if_incomplete) in [
        (&[1, 1][..], true, true),
        (&[0, 2, 2, 1], true, true),
        // None, and one of a single bit.
        (&[0, 0], true, true),
        (&[0, 1], false, true),
        // Incomplete, and too many.
        (&[2], false, false),
        (&[2, 2, 2], false, false),
        (&[1, 1, 1], false, false),
        (&[15; 286], false, false),
        (&[1; 286], false, false),
    ] {
        let result = |valid| if valid { Ok(()) } else { Err(InvalidLengths) };
        assert_eq!(fill(lengths, false), result(valid), "{lengths:?}");
        assert_eq!(fill(lengths, true), result(valid_if_incomplete), "{lengths:?}");
    }
}

/// Checks that each code leads to its symbol, whatever is after it.
fn check_table<const N: usize, const ROOT: usize>(lengths: &[u8]) {
    let symbols: Vec<Entry> = (0..lengths.len()).map(|i| Entry::number(i as u16, 0)).collect();
    let mut table = DecodeTable::<N, ROOT>::new();
    table.fill(lengths, &symbols, false).unwrap();
    // RFC 1951, section 3.2.2: the algorithm.
    let mut next = 0;
    for length in 1..=15 {
        next <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, of)| u32::from(**of) == length) {
            for behind in [0, u64::MAX, 0x5555_5555_5555_5555] {
                let ahead = u64::from(code(next, length).0) | behind << length;
                let entry = table.get(ahead);
                assert_eq!((entry.value(ahead), entry.bits()), (symbol, length));
            }
            next += 1;
        }
    }
}

#[test]
fn fills_the_largest_tables() {
    // One code of each length, and two of the longest.
    let mut lengths: Vec<u8> = (1..=15).chain([15]).collect();
    check_table::<2048, 10>(&lengths);
    check_table::<512, 8>(&lengths);
    lengths.reverse();
    check_table::<2048, 10>(&lengths);
    check_table::<2048, 10>(&spread(286, 10));
    check_table::<512, 8>(&spread(30, 8));
}

/// Lengths of a complete set that has as many codes of each length after the root as there are
/// symbols for.
fn spread(symbols: usize, root_bits: u8) -> Vec<u8> {
    let behind = 15 - root_bits;
    let links = (symbols - usize::from(root_bits)) / usize::from(behind + 1);
    // The prefixes that are left over belong to ever shorter codes.
    let mut lengths = Vec::new();
    let mut left = (1 << root_bits) - links;
    while left > 0 {
        let bits = left.ilog2();
        lengths.push(root_bits - bits as u8);
        left -= 1 << bits;
    }
    for _ in 0..links {
        lengths.extend((root_bits + 1..=15).chain([15]));
    }
    lengths
}

#[test]
fn links_where_a_match_may_begin() {
    // A literal, a match at that distance, the end: fixed codes.
    let block = |distance_symbol, extra, extra_bits| {
        bits(&[
            (1, 1),
            (1, 2),
            code(0x30 + 65, 8),
            code(1, 7),
            code(distance_symbol, 5),
            (extra, extra_bits),
            code(0, 7),
        ])
    };
    assert_eq!(inflate(&[&block(0, 0, 0)], 99).unwrap().0, b"AAAA");
    for far in [block(1, 0, 0), block(29, 0x1fff, 13)] {
        let error = inflate(&[&far], 99).unwrap_err();
        assert_eq!(error.to_string(), "invalid distance too far back");
    }
    for (window_bits, filled) in
        [(9, 511), (9, 512), (9, 513), (15, 32_767), (15, 32_768), (15, 40_000)]
    {
        let dictionary: Vec<u8> = (0..filled).map(|i: u32| (i ^ i >> 8) as u8).collect();
        // The first match of the block reaches back to its beginning and one byte more, if that is
        // possible.
        for distance in [filled as usize - 1, filled as usize, filled as usize + 1] {
            let length = 1 << window_bits;
            if !(385..=32_768).contains(&distance) {
                continue;
            }
            let mut window = Window::default();
            window.push(&dictionary, length);
            let (symbol, base, extra_bits) = match distance {
                385..=512 => (17, 385, 7),
                513..=768 => (18, 513, 8),
                _ => (29, 24_577, 13),
            };
            let data = bits(&[
                (1, 1),
                (1, 2),
                code(1, 7),
                code(symbol, 5),
                (distance as u32 - base, extra_bits),
                code(0, 7),
            ]);
            let mut bytes = Vec::new();
            let bounds = Bounds { end: usize::MAX, pause: usize::MAX };
            let mut output = Output::new(&mut bytes, bounds);
            let result = Decoder::new().decode(&mut data.as_slice(), &window, &mut output);
            let result = result.map(|_| output.finish());
            match dictionary[filled as usize - length.min(filled as usize)..]
                .len()
                .checked_sub(distance)
            {
                Some(_) => {
                    let start = dictionary.len() - distance;
                    assert!(
                        *result.unwrap() == dictionary[start..start + 3],
                        "{filled} {distance}"
                    );
                }
                None => assert!(result.is_err(), "{filled} {distance}"),
            }
        }
    }
}

#[test]
fn goes_on_behind_every_split() {
    let text = br#"{"id":1,"name":"one"},{"id":2,"name":"two"},{"id":3,"name":"three"},{"id":4}"#
        .repeat(9);
    for level in [0, 1, 6, 9] {
        let data = compress(&text, level);
        for split in 0..=data.len() {
            let (head, tail) = data.split_at(split);
            for pause in [1, usize::MAX] {
                assert!(inflate(&[head, tail], pause).unwrap() == (text.clone(), Stop::Input));
            }
        }
        let bytes: Vec<&[u8]> = data.chunks(1).collect();
        assert!(inflate(&bytes, 1).unwrap().0 == text);
    }
}

#[test]
fn tells_what_is_invalid() {
    let counts =
        |literals, distances, lengths| [(0b101, 3), (literals, 5), (distances, 5), (lengths, 4)];
    for (data, message) in [
        (bits(&[(0b111, 3)]), "invalid block type"),
        (bits(&[(0b001, 8), (1, 16), (1, 16)]), "invalid stored block lengths"),
        (bits(&counts(30, 0, 0)), "too many length or distance symbols"),
        (bits(&counts(0, 30, 0)), "too many length or distance symbols"),
        (bits(&[&counts(0, 0, 0)[..], &[(1, 3), (0, 9)]].concat()), "invalid code lengths set"),
        // No codes at all: each bit is a length of 0.
        (
            bits(&[&counts(0, 0, 0)[..], &[(0, 12)], &[(0, 1); 258]].concat()),
            "invalid code -- missing end-of-block",
        ),
        // A repetition, of nothing.
        (
            bits(&[&counts(0, 0, 0)[..], &[(1, 3), (0, 6), (1, 3)], &[(1, 1), (0, 2)]].concat()),
            "invalid bit length repeat",
        ),
        (bits(&[(0b011, 3), code(0b1100_0110, 8)]), "invalid literal/length code"),
        (bits(&[(0b011, 3), code(1, 7), code(30, 5)]), "invalid distance code"),
        (bits(&[(0b011, 3), code(1, 7), code(0, 5)]), "invalid distance too far back"),
    ] {
        assert_eq!(inflate(&[&data], 99).unwrap_err(), InflateError::InvalidData(message));
        assert_eq!(inflate_by_zlib(&data).unwrap_err().as_deref(), Some(message));
        // It takes all of the bits to tell.
        let (last, head) = data.split_last().unwrap();
        assert_eq!(inflate(&[head], 99).unwrap().1, Stop::Input, "{message} {last}");
    }
}

fn compress(text: &[u8], level: u32) -> Vec<u8> {
    let mut data = Vec::with_capacity(text.len() + 1000);
    let mut stream = Compress::new(Compression::new(level), false);
    stream.compress_vec(text, &mut data, FlushCompress::Sync).unwrap();
    data
}

/// Text, noise and runs.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..1000),
        "[a-e ]{0,3000}".prop_map(String::into_bytes),
        ("[a-z]{1,40}", 0..3000_usize).prop_map(|(word, count)| word.into_bytes().repeat(count)),
    ]
}

/// Streams, with bits changed or not, and noise that is a block of each type.
fn any_data() -> impl Strategy<Value = Vec<u8>> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..4);
    prop_oneof![
        (any_text(), 0..=9_u32, flips).prop_map(|(text, level, flips)| {
            let mut data = compress(&text, level);
            for (at, bit) in flips {
                let at = at.index(data.len());
                data[at] ^= 1 << bit;
            }
            data
        }),
        (0..8_u8, prop::collection::vec(any::<u8>(), 1..300)).prop_map(|(block, mut data)| {
            data[0] = data[0] & 0xf8 | block;
            data
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..Default::default() })]

    #[test]
    fn inflates_as_zlib_does(data in any_data(), piece in 1..400_usize, pause in 1..5000_usize) {
        let expected = inflate_by_zlib(&data);
        let pieces: Vec<&[u8]> = data.chunks(piece).collect();
        for pieces in [&[data.as_slice()][..], &pieces] {
            for pause in [pause, usize::MAX] {
                match (&expected, inflate(pieces, pause)) {
                    (Ok(expected), result) => prop_assert!(result.as_ref() == Ok(expected)),
                    (Err(Some(message)), Err(error)) => prop_assert_eq!(message, &error.to_string()),
                    (Err(None), result) => prop_assert!(result.is_err()),
                    (Err(Some(message)), Ok(_)) => prop_assert!(false, "zlib says {}", message),
                }
            }
        }
    }
}

#[test]
fn has_tables_that_are_small() {
    assert!(size_of::<LiteralTable>() + size_of::<DistanceTable>() < 11 << 10);
    assert!(size_of::<Decoder>() < 12 << 10);
}
