//! Compressor and decompressor against the RFC's examples, each other, and hostile input.

use proptest::prelude::*;

use super::super::CloseCode;
use super::{
    Compressor, CompressorConfig, Decompressor, DecompressorConfig, EncoderChoice, InflateError,
    Strategy as ZlibStrategy, TAIL,
};

fn compressor() -> Compressor {
    Compressor::new(CompressorConfig::default()).unwrap()
}

/// Runs a test with each encoder.
fn with_each_encoder(test: impl Fn(CompressorConfig)) {
    for encoder in [EncoderChoice::Own, EncoderChoice::Zlib] {
        test(CompressorConfig { encoder, ..Default::default() });
    }
}

fn decompressor() -> Decompressor {
    Decompressor::new(DecompressorConfig::default())
}

#[test]
fn compresses_the_examples_of_the_rfc() {
    with_each_encoder(|config| {
        // RFC 7692, section 7.2.3.1: one block.
        let compressor = || Compressor::new(config.clone()).unwrap();
        let mut context = compressor();
        assert_eq!(context.compress(b"Hello", true), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        // Section 7.2.3.2: the second message refers to the first.
        assert_eq!(context.compress(b"Hello", true), [0xf2, 0x00, 0x11, 0x00, 0x00]);
        // Section 7.2.3.3: a block without compression.
        let config = CompressorConfig { level: 0, ..config.clone() };
        assert_eq!(
            Compressor::new(config).unwrap().compress(b"Hello", true),
            [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]
        );
        // Section 7.2.3.6: an empty fragment, wherever it comes.
        for mut context in [compressor(), context] {
            assert_eq!(context.compress(b"", true), [0x00]);
            assert_eq!(context.compress(b"", true), [0x00]);
            assert_eq!(context.compress(b"", false), [0x00, 0x00, 0x00, 0xff, 0xff]);
            assert_eq!(context.compress(b"", true), [0x00]);
        }
    });
}

#[test]
fn decompresses_the_examples_of_the_rfc() {
    // RFC 7692, section 7.2.3.1: one block, in one frame and in two.
    let mut context = decompressor();
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(context.decompress(&hello, true, None).unwrap(), b"Hello");
    // Section 7.2.3.2: with the context of the first message.
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(context.decompress(&again, true, None).unwrap(), b"Hello");

    for (message, text) in [
        // Section 7.2.3.3: a block without compression.
        (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00][..], &b"Hello"[..]),
        // Section 7.2.3.4: a block that says it is the last.
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], b"Hello"),
        // Section 7.2.3.5: two blocks.
        (&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], b"Hello"),
        // Section 7.2.3.6: an empty fragment.
        (&[0x00], b""),
    ] {
        for split in 0..=message.len() {
            let mut context = decompressor();
            let (head, tail) = message.split_at(split);
            let mut output = context.decompress(head, false, None).unwrap();
            output.extend(context.decompress(tail, true, None).unwrap());
            assert_eq!(output, text, "{message:02x?} split at {split}");
        }
        let mut context = decompressor();
        for _ in 0..3 {
            assert_eq!(context.decompress(message, true, None).unwrap(), text);
        }
    }
}

#[test]
fn starts_anew_after_the_last_block_of_a_stream() {
    let mut context = decompressor();
    let ended = [0x33, 0x34, 0x32, 0x36, 0x31, 0x35, 0x33, 0xb7, 0x00, 0x00, 0x00];
    for _ in 0..2 {
        assert_eq!(context.decompress(&ended, true, None).unwrap(), b"12345678");
    }
    // A last block that the tail completes: nothing is left over that would tell, so the next
    // message is what zlib takes for what follows the end.
    assert_eq!(context.decompress(&[0x01], true, None).unwrap(), b"");
    assert_eq!(context.decompress(&ended, true, None).unwrap(), b"");
    assert_eq!(context.decompress(&ended, true, None).unwrap(), b"12345678");
}

#[test]
fn gives_up_the_window_if_agreed() {
    with_each_encoder(|config| {
        let given_up = CompressorConfig { no_context_takeover: true, ..config.clone() };
        let mut sender = Compressor::new(given_up).unwrap();
        let first = sender.compress(b"foofoo", true);
        assert_eq!(sender.compress(b"foofoo", true), first);
        // Within a message the window stays.
        let mut fragments = sender.compress(b"foofoo", false);
        let start = fragments.len();
        fragments.extend(sender.compress(b"foofoo", true));
        assert!(fragments.len() - start < first.len());

        let given_up = DecompressorConfig { no_context_takeover: true, ..Default::default() };
        let mut receiver = Decompressor::new(given_up);
        assert_eq!(receiver.decompress(&first, true, None).unwrap(), b"foofoo");
        assert_eq!(receiver.decompress(&fragments, true, None).unwrap(), b"foofoofoofoo");
        // What refers to an earlier message is refused.
        let mut sender = Compressor::new(config).unwrap();
        let _ = sender.compress(b"a sentence that is taken over", true);
        let second = sender.compress(b"a sentence that is taken over", true);
        assert_eq!(
            receiver.decompress(&second, true, None),
            Err(InflateError::InvalidData("invalid distance too far back"))
        );
    });
}

#[test]
fn refuses_references_before_the_agreed_window() {
    let text = noise(3, 3000);
    let mut sender = compressor();
    let first = sender.compress(&text, true);
    // The whole of a message that is in the sender's window, but not in the smaller one.
    let second = sender.compress(&text[..200], true);
    for window_bits in 8..=15 {
        let config = DecompressorConfig { window_bits, ..Default::default() };
        let mut receiver = Decompressor::new(config);
        assert!(receiver.decompress(&first, true, None).unwrap() == text);
        let result = receiver.decompress(&second, true, None);
        if window_bits < 12 {
            let error = InflateError::InvalidData("invalid distance too far back");
            assert_eq!(result, Err(error), "{window_bits}");
        } else {
            assert!(result.unwrap() == text[..200], "{window_bits}");
        }
    }
}

#[test]
fn agrees_with_zlib_on_window_bits_8() {
    with_each_encoder(|config| {
        let text = b"window ".repeat(200);
        for bits in [8, 9, 10] {
            let config = CompressorConfig { window_bits: bits, ..config.clone() };
            let mut sender = Compressor::new(config).unwrap();
            for no_context_takeover in [false, true] {
                let config = DecompressorConfig {
                    window_bits: bits,
                    no_context_takeover,
                    dictionary: Vec::new(),
                    ..Default::default()
                };
                sender.reset();
                let mut receiver = Decompressor::new(config);
                let data = sender.compress(&text, true);
                assert_eq!(receiver.decompress(&data, true, None).unwrap(), text);
            }
        }
    });
}

#[test]
fn fills_the_window_with_a_dictionary() {
    with_each_encoder(|config| {
        let dictionary = b"the words that every message has".to_vec();
        for no_context_takeover in [false, true] {
            for mem_level in [8, 9] {
                let mut sender = Compressor::new(CompressorConfig {
                    dictionary: dictionary.clone(),
                    no_context_takeover,
                    mem_level,
                    ..config.clone()
                })
                .unwrap();
                for window_bits in [15, 10] {
                    let mut receiver = Decompressor::new(DecompressorConfig {
                        dictionary: dictionary.clone(),
                        no_context_takeover,
                        window_bits,
                        ..Default::default()
                    });
                    sender.reset();
                    for _ in 0..3 {
                        let data = sender.compress(&dictionary, true);
                        assert!(data.len() < 10);
                        assert_eq!(receiver.decompress(&data, true, None).unwrap(), dictionary);
                    }
                }
            }
        }
    });
}

#[test]
fn finds_a_dictionary_as_long_as_the_window_in_whatever_is_longer() {
    with_each_encoder(|config| {
        let dictionary: Vec<u8> = (0..32_767_u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
        let config = CompressorConfig { dictionary: dictionary.clone(), ..config };
        let mut sender = Compressor::new(config).unwrap();
        let data = [&dictionary[..], b"and more", &dictionary[..1000]].concat();
        let compressed = sender.compress(&data, true);
        assert!(compressed.len() < 1000, "{}", compressed.len());
        let config = DecompressorConfig { dictionary, ..Default::default() };
        assert_eq!(Decompressor::new(config).decompress(&compressed, true, None).unwrap(), data);
    });
}

#[test]
fn refuses_a_config_out_of_range() {
    let default = CompressorConfig::default;
    for (config, text) in [
        (CompressorConfig { level: -2, ..default() }, "level is out of range"),
        (CompressorConfig { level: 10, ..default() }, "level is out of range"),
        (CompressorConfig { mem_level: 0, ..default() }, "mem_level is out of range"),
        (CompressorConfig { mem_level: 10, ..default() }, "mem_level is out of range"),
        (CompressorConfig { window_bits: 7, ..default() }, "window_bits is out of range"),
        (CompressorConfig { window_bits: 16, ..default() }, "window_bits is out of range"),
    ] {
        assert_eq!(Compressor::new(config).unwrap_err().to_string(), text);
    }
}

#[test]
fn tells_invalid_data_as_node_does() {
    // What Node 20 says of the same bytes.
    for (data, message) in [
        (&b"something invalid"[..], "invalid distance too far back"),
        (&[0x07], "invalid block type"),
        (&[0x00, 0x01, 0x02, 0x03, 0x04], "invalid stored block lengths"),
        (&[0xfc, 0xff, 0xff], "too many length or distance symbols"),
    ] {
        let error = decompressor().decompress(data, true, None).unwrap_err();
        assert_eq!(error, InflateError::InvalidData(message));
        assert_eq!(error.to_string(), message);
        assert_eq!(CloseCode::from(error), CloseCode::INVALID_FRAME_PAYLOAD_DATA);
    }
}

#[test]
fn tells_what_is_invalid_within_long_data() {
    let text = noise(1, 10_000);
    for (start, message) in [
        (&b"something invalid"[..], "invalid distance too far back"),
        // A block with fixed codes: literal/length code 286, and distance code 30.
        (&[0b0001_1011, 0b0000_0011], "invalid literal/length code"),
        (&[0b0000_0011, 0b0011_1110], "invalid distance code"),
    ] {
        let data = [start, &[0; 200]].concat();
        let mut context = decompressor();
        let error = context.decompress(&data, true, None).unwrap_err();
        assert_eq!(error, InflateError::InvalidData(message), "{start:02x?}");
        // After a message, a match may reach into its text.
        for _ in 0..2 {
            let valid = compressor().compress(&text, true);
            assert!(context.decompress(&valid, true, None).unwrap() == text);
        }
        if message != "invalid distance too far back" {
            let error = context.decompress(&data, true, None).unwrap_err();
            assert_eq!(error, InflateError::InvalidData(message), "{start:02x?}");
        }
    }
}

#[test]
fn produces_no_more_than_a_chunk_above_the_limit() {
    let bomb = compressor().compress(&vec![b'A'; 16 << 20], true);
    assert!(bomb.len() < 32 << 10);
    for limit in [0, 1, 25, 1023, 1024, 1025, 65536, (16 << 20) - 1] {
        let mut output = Vec::new();
        let error =
            decompressor().decompress_into(&bomb, true, Some(limit), &mut output).unwrap_err();
        assert_eq!(error, InflateError::LimitExceeded);
        assert_eq!(error.to_string(), "more output than the limit");
        assert_eq!(CloseCode::from(error), CloseCode::MESSAGE_TOO_BIG);
        assert_eq!(output, b"");
        assert!(output.capacity() as u64 <= limit + (16 << 10));
    }
    for limit in [16 << 20, (16 << 20) + 1, u64::MAX] {
        let output = decompressor().decompress(&bomb, true, Some(limit)).unwrap();
        assert_eq!(output.len(), 16 << 20);
    }
    // The limit is that of one call, and the decompressor works after an error.
    let mut context = decompressor();
    let small = compressor().compress(b"small", true);
    assert!(context.decompress(&bomb, true, Some(100)).is_err());
    for _ in 0..3 {
        assert_eq!(context.decompress(&small, true, Some(5)).unwrap(), b"small");
        context.reset();
    }
    assert_eq!(context.decompress(&[0x00], true, Some(0)).unwrap(), b"");
}

#[test]
fn says_of_invalid_data_that_is_too_long_what_shows_first() {
    // As ws: with each chunk that is full, and at the end of the data, the length is looked at.
    let text = noise(5, 40_000);
    let mut data = compressor().compress(&text, false);
    data.push(0x07); // a block of no type
    let invalid = InflateError::InvalidData("invalid block type");
    for (chunk_size, limit, expected) in [
        (16 << 10, 0, InflateError::LimitExceeded),
        (16 << 10, (32 << 10) - 1, InflateError::LimitExceeded),
        (16 << 10, 32 << 10, invalid),
        (16 << 10, 39_999, invalid),
        (16 << 10, 40_000, invalid),
        (1000, 38_999, InflateError::LimitExceeded),
        // Full, but nothing of what follows needs room.
        (1000, 39_999, invalid),
        (999, 39_950, InflateError::LimitExceeded),
        (999, 39_960, invalid),
        (64 << 10, 0, invalid),
    ] {
        for window_bits in [14, 15] {
            for budget in [1, 10_000, usize::MAX] {
                let config = DecompressorConfig { window_bits, chunk_size, ..Default::default() };
                let mut context = Decompressor::new(config);
                let (mut rest, mut output) = (data.as_slice(), Vec::new());
                let result = loop {
                    let limit = Some(limit);
                    match context.decompress_some(&mut rest, true, limit, budget, &mut output) {
                        Ok(false) => {}
                        result => break result,
                    }
                };
                assert_eq!(result, Err(expected), "{chunk_size} {limit} {window_bits} {budget}");
                assert!(output.capacity() as u64 <= limit.max(1) + 2 * u64::from(chunk_size));
            }
        }
    }
    // The end of the data, where no chunk is full.
    let result = decompressor().decompress(&data[..data.len() - 1], false, Some(39_999));
    assert_eq!(result, Err(InflateError::LimitExceeded));
}

#[test]
fn takes_the_length_of_chunks_over_into_the_next_message() {
    let config =
        || DecompressorConfig { chunk_size: 1000, no_context_takeover: true, ..Default::default() };
    let config_of_sender = CompressorConfig { no_context_takeover: true, ..Default::default() };
    let mut sender = Compressor::new(config_of_sender).unwrap();
    let first = sender.compress(&noise(6, 900), true);
    let mut second = sender.compress(&noise(7, 150), false);
    second.push(0x07);
    let mut context = Decompressor::new(config());
    context.decompress(&first, true, None).unwrap();
    assert_eq!(context.decompress(&second, true, Some(99)), Err(InflateError::LimitExceeded));
    let mut context = Decompressor::new(config());
    let invalid = InflateError::InvalidData("invalid block type");
    assert_eq!(context.decompress(&second, true, Some(99)), Err(invalid));
}

#[test]
fn refuses_references_before_a_small_window_where_zlib_can_tell() {
    // A letter, others, and a match that refers to the first: RFC 1951, section 3.2.5.
    let far = |distance: usize| {
        let text = [noise(8, 40).as_slice(), &vec![b'-'; distance - 40]].concat();
        let mut sender = compressor();
        [sender.compress(&text, false), sender.compress(&text[..40], true)].concat()
    };
    for (distance, chunk_size, is_valid) in [
        // Within a chunk everything can be referred to, whatever was agreed on.
        (600, 16 << 10, true),
        (16_000, 16 << 10, true),
        (16_380, 16 << 10, false),
        (20_000, 16 << 10, false),
        (20_000, 32 << 10, true),
        (500, 400, true),
        (600, 400, true),
        (1000, 400, false),
    ] {
        let config = DecompressorConfig { window_bits: 9, chunk_size, ..Default::default() };
        let result = Decompressor::new(config).decompress(&far(distance), true, None);
        let error = InflateError::InvalidData("invalid distance too far back");
        match result {
            Ok(output) => assert!(is_valid && output.len() == distance + 40, "{distance}"),
            Err(other) => assert_eq!((is_valid, other), (false, error), "{distance}"),
        }
    }
    // Nor does it tell within the data that it's given at a time: a frame is.
    let data = far(600);
    let config = DecompressorConfig { window_bits: 9, ..Default::default() };
    let mut context = Decompressor::new(config);
    let at = data.len() - 12;
    let result = context.decompress(&data[..at], false, None);
    let result = result.and_then(|_| context.decompress(&data[at..], true, None));
    assert_eq!(result, Err(InflateError::InvalidData("invalid distance too far back")));
}

#[test]
fn pauses_within_a_budget() {
    let text = vec![b'A'; 1 << 20];
    let bomb = compressor().compress(&text, true);
    let mut context = decompressor();
    for _ in 0..2 {
        let mut data = bomb.as_slice();
        let mut output = Vec::new();
        let mut calls = 0;
        loop {
            let limit = Some(text.len() as u64);
            let start = output.len();
            let done =
                context.decompress_some(&mut data, true, limit, 10_000, &mut output).unwrap();
            calls += 1;
            if done {
                break;
            }
            assert!(!data.is_empty());
            assert!(output.len() >= start + 10_000);
        }
        assert!(output == text);
        assert!(calls > 3);
    }
    // The limit counts while it goes on.
    let mut data = bomb.as_slice();
    let mut output = Vec::new();
    let result = context.decompress_some(&mut data, true, Some(50_000), 1, &mut output);
    assert_eq!(result, Ok(false));
    let result = context.decompress_some(&mut data, true, Some(50_000), usize::MAX, &mut output);
    assert_eq!(result, Err(InflateError::LimitExceeded));
}

#[test]
fn takes_little_memory_for_little_output() {
    for length in [0, 10, 1000, 100_000] {
        let text = vec![b'x'; length];
        let data = compressor().compress(&text, true);
        assert!(data.capacity() <= length + length / 4 + 128, "{length}");
        let output = decompressor().decompress(&data, true, None).unwrap();
        assert!(output.capacity() <= 1024.max(2 * length + 2), "{length}");
    }
}

/// Text, noise and runs, so that every kind of block comes up.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000),
        "[a-e ]{0,3000}".prop_map(String::into_bytes),
        (any::<u8>(), 0..200_000usize).prop_map(|(byte, length)| vec![byte; length]),
        (any::<u64>(), 0..100_000usize).prop_map(|(seed, length)| noise(seed, length)),
    ]
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

fn any_config() -> impl Strategy<Value = CompressorConfig> {
    let strategy = prop_oneof![
        Just(ZlibStrategy::Default),
        Just(ZlibStrategy::Filtered),
        Just(ZlibStrategy::HuffmanOnly),
        Just(ZlibStrategy::Rle),
        Just(ZlibStrategy::Fixed),
    ];
    let dictionary = prop::collection::vec(any::<u8>(), 0..50);
    let encoder = prop_oneof![Just(EncoderChoice::Own), Just(EncoderChoice::Zlib)];
    let level = (-1..=9, encoder);
    (level, prop_oneof![Just(8u8), 1..=9u8], strategy, 8..=15u8, any::<bool>(), dictionary)
        .prop_map(|(level, mem_level, strategy, window_bits, no_context_takeover, dictionary)| {
            let (level, encoder) = level;
            CompressorConfig {
                level,
                mem_level,
                strategy,
                window_bits,
                no_context_takeover,
                dictionary,
                encoder,
            }
        })
}

/// Cuts `data` at the positions that `cuts` (out of 65536) fall on.
fn split<'a>(data: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> =
        cuts.iter().map(|&cut| data.len() * usize::from(cut) / 65536).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = data;
    let mut offset = 0;
    for position in at {
        let (piece, tail) = rest.split_at(position - offset);
        pieces.push(piece);
        rest = tail;
        offset = position;
    }
    pieces.push(rest);
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn decompresses_what_was_compressed(
        config in any_config(),
        messages in prop::collection::vec(any_message(), 1..5),
        cuts in prop::collection::vec(any::<u16>(), 0..4),
        recuts in prop::collection::vec(any::<u16>(), 0..6),
    ) {
        let mut receiver = Decompressor::new(DecompressorConfig {
            window_bits: config.window_bits,
            no_context_takeover: config.no_context_takeover,
            dictionary: config.dictionary.clone(),
            ..Default::default()
        });
        let mut sender = Compressor::new(config).unwrap();
        for message in messages {
            // The sender's fragments, and others made of them on the way.
            let fragments = split(&message, &cuts);
            let mut data = Vec::new();
            for (index, fragment) in fragments.iter().enumerate() {
                data.extend(sender.compress(fragment, index + 1 == fragments.len()));
            }
            let fragments = split(&data, &recuts);
            let mut output = Vec::new();
            for (index, fragment) in fragments.iter().enumerate() {
                let fin = index + 1 == fragments.len();
                let limit = (message.len() - output.len()) as u64;
                output.extend(receiver.decompress(fragment, fin, Some(limit)).unwrap());
            }
            prop_assert!(output == message);
        }
    }

    #[test]
    fn compresses_for_every_decompressor(
        config in any_config(),
        messages in prop::collection::vec(any_message(), 1..5),
    ) {
        let mut reference = flate2::Decompress::new(false);
        let CompressorConfig { no_context_takeover, .. } = config;
        let config = CompressorConfig { dictionary: Vec::new(), ..config };
        let mut sender = Compressor::new(config).unwrap();
        for message in messages {
            if no_context_takeover {
                reference.reset(false);
            }
            let data = [sender.compress(&message, true).as_slice(), &TAIL].concat();
            let mut output = Vec::with_capacity(message.len() + 1);
            reference.decompress_vec(&data, &mut output, flate2::FlushDecompress::Sync).unwrap();
            prop_assert!(output == message);
        }
    }

    #[test]
    fn survives_every_input(
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            // Valid data with one byte changed.
            (any_message(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(message, at, byte)| {
                let mut data = compressor().compress(&message, true);
                let at = at.index(data.len());
                data[at] = byte;
                data
            }),
        ],
        fin: bool,
        limit in 0..5000u64,
    ) {
        let mut context = decompressor();
        for _ in 0..2 {
            let mut output = Vec::new();
            let result = context.decompress_into(&data, fin, Some(limit), &mut output);
            let most = result.map_or(0, |()| limit);
            prop_assert!(output.len() as u64 <= most);
        }
    }
}
