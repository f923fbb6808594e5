use super::*;
use crate::protocol::deflate::{
    Compressor, CompressorConfig, ContextPool, Decompressor, DecompressorConfig,
};

/// A sender and a receiver that share the pool.
fn pair(pool: &Arc<ContextPool>, no_context_takeover: bool) -> (Compressor, Decompressor) {
    let config = CompressorConfig { no_context_takeover, ..Default::default() };
    let compressor = Compressor::with_pool(config, pool).unwrap();
    let config = DecompressorConfig { no_context_takeover, ..Default::default() };
    (compressor, Decompressor::with_pool(config, pool))
}

fn exchange((compressor, decompressor): &mut (Compressor, Decompressor), text: &[u8]) -> usize {
    let data = compressor.compress(text, true);
    assert!(decompressor.decompress(&data, true, None).unwrap() == text);
    data.len()
}

/// What compresses by little more than half, differently for each seed.
fn text(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let letters = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        b'a' + (state % 20) as u8
    };
    std::iter::repeat_with(letters).take(length).collect()
}

#[test]
fn lends_few_states_to_many_without_context_takeover() {
    let pool = Arc::new(ContextPool::new(0));
    let mut pairs: Vec<_> = (0..50).map(|_| pair(&pool, true)).collect();
    for pair in &mut pairs {
        for _ in 0..2 {
            exchange(pair, b"the same for everybody");
        }
    }
    assert_eq!(pool.kept_bytes(), 0);
    assert_eq!(lock(&pool.compressors.spares.0).len(), 1);
    assert_eq!(lock(&pool.decompressors.0).len(), 1);
    // No connection finds the text of another one in the window.
    let (mut compressor, _) = pair(&pool, true);
    assert_eq!(compressor.compress(b"own text", true), {
        let config = CompressorConfig { no_context_takeover: true, ..Default::default() };
        Compressor::new(config).unwrap().compress(b"own text", true)
    });
}

#[test]
fn keeps_no_more_spares_than_are_of_use() {
    let pool = Arc::new(ContextPool::new(0));
    let mut pairs: Vec<_> = (0..20).map(|_| pair(&pool, true)).collect();
    let mut rests = Vec::new();
    for (compressor, decompressor) in &mut pairs {
        let mut data = compressor.compress(b"first", false);
        // Within a block a decompressor needs more than its window.
        rests.push(data.split_off(data.len() - 1));
        assert_eq!(decompressor.decompress(&data, false, None).unwrap(), b"first");
    }
    for ((compressor, decompressor), rest) in pairs.iter_mut().zip(rests) {
        let data = [rest, compressor.compress(b"second", true)].concat();
        assert_eq!(decompressor.decompress(&data, true, None).unwrap(), b"second");
    }
    assert_eq!(lock(&pool.compressors.spares.0).len(), MAX_SPARES);
    assert_eq!(lock(&pool.decompressors.0).len(), MAX_SPARES);
}

#[test]
fn lends_a_state_to_those_with_the_same_settings() {
    let pool = Arc::new(ContextPool::new(0));
    for (level, window_bits, mem_level) in [(6, 15, 8), (1, 15, 8), (6, 9, 8), (6, 15, 1)] {
        let config = CompressorConfig {
            level,
            window_bits,
            mem_level,
            no_context_takeover: true,
            ..Default::default()
        };
        let alone = Compressor::new(config.clone()).unwrap().compress(&text(1, 5000), true);
        for _ in 0..3 {
            let mut compressor = Compressor::with_pool(config.clone(), &pool).unwrap();
            assert_eq!(compressor.compress(&text(1, 5000), true), alone);
        }
    }
    assert_eq!(lock(&pool.compressors.spares.0).len(), 4);
}

#[test]
fn keeps_windows_within_the_limit() {
    let pool = Arc::new(ContextPool::new(2 << 20));
    let mut pairs: Vec<_> = (0..20).map(|_| pair(&pool, false)).collect();
    for round in 0..4 {
        for (index, pair) in pairs.iter_mut().enumerate() {
            exchange(pair, &text(index as u32, 1000 + 9000 * round));
            assert!(pool.kept_bytes() <= 2 << 20);
        }
    }
    assert!(pool.kept_bytes() > 1 << 20);
    assert!(lock(&pool.compressors.kept).queue.len() <= pairs.len() * 2);
    drop(pairs);
    assert_eq!((pool.kept_bytes(), lock(&pool.compressors.kept).count), (0, 0));
}

#[test]
fn leaves_the_window_of_a_decompressor_behind() {
    for window_bits in [8, 9, 12, 15] {
        for dictionary in [b"".as_slice(), b"what both sides know"] {
            let pool = Arc::new(ContextPool::new(0));
            let config = DecompressorConfig {
                window_bits,
                dictionary: dictionary.to_vec(),
                ..Default::default()
            };
            let mut receiver = Decompressor::with_pool(config, &pool);
            let mut sender = Compressor::new(CompressorConfig {
                window_bits,
                dictionary: dictionary.to_vec(),
                ..Default::default()
            })
            .unwrap();
            // The sender takes its window over, and refers to what the receiver has put away.
            for (seed, length) in [0, 1, 2, 300, 20_000, 40_000, 7, 70_000].into_iter().enumerate()
            {
                let message = [text(seed as u32, length), dictionary.to_vec()].concat();
                for _ in 0..2 {
                    let data = sender.compress(&message, true);
                    assert!(receiver.decompress(&data, true, None).unwrap() == message);
                    assert_eq!(pool.kept_bytes(), 0);
                }
            }
        }
    }
}

#[test]
fn uses_the_dictionary_in_the_first_window_only() {
    let pool = Arc::new(ContextPool::new(0));
    let dictionary = b"what both sides know".to_vec();
    let config = CompressorConfig { dictionary: dictionary.clone(), ..Default::default() };
    let mut sender = Compressor::with_pool(config, &pool).unwrap();
    let config = DecompressorConfig { dictionary: dictionary.clone(), ..Default::default() };
    let mut receiver = Decompressor::new(config);
    // The window that the sender gives up is still that of the receiver.
    for _ in 0..3 {
        let data = sender.compress(&dictionary, true);
        assert_eq!(receiver.decompress(&data, true, None).unwrap(), dictionary);
    }
}

#[test]
fn has_those_go_first_that_rest() {
    // Space for four compressors.
    let pool = Arc::new(ContextPool::new(4 * (450 << 10)));
    let mut pairs: Vec<_> = (0..8).map(|_| pair(&pool, false)).collect();
    let busy = text(0, 2000);
    let first = exchange(&mut pairs[0], &busy);
    for (index, seed) in (1..8).cycle().take(28).zip(1..) {
        exchange(&mut pairs[index], &text(seed, 2000));
        // This one uses its window again and again, and keeps it.
        assert!(exchange(&mut pairs[0], &busy) < first / 4);
    }
}

#[test]
fn keeps_what_is_in_use() {
    let pool = Arc::new(ContextPool::new(0));
    let mut pairs: Vec<_> = (0..3).map(|_| pair(&pool, false)).collect();
    for (compressor, decompressor) in &mut pairs {
        let data = compressor.compress(b"a sentence, and ", false);
        assert!(decompressor.decompress(&data, false, None).is_ok());
    }
    pool.set_limit(0);
    for (compressor, decompressor) in &mut pairs {
        let data = compressor.compress(b"a sentence, and on", true);
        assert!(data.len() < 10);
        assert_eq!(decompressor.decompress(&data, true, None).unwrap(), b"a sentence, and on");
    }
}

#[test]
fn gives_up_above_a_limit_that_is_lowered() {
    let pool = Arc::new(ContextPool::new(usize::MAX));
    let mut pairs: Vec<_> = (0..5).map(|_| pair(&pool, false)).collect();
    let before: Vec<_> = pairs.iter_mut().map(|pair| exchange(pair, &text(1, 3000))).collect();
    let limit = pool.kept_bytes() * 2 / 5;
    pool.set_limit(limit);
    assert!((1..=limit).contains(&pool.kept_bytes()));
    let sizes: Vec<_> = pairs.iter_mut().map(|pair| exchange(pair, &text(1, 3000))).collect();
    assert!(sizes.iter().zip(before).filter(|(size, before)| *size == before).count() >= 3);
}

#[test]
fn gives_nobody_what_has_failed() {
    for no_context_takeover in [false, true] {
        let pool = Arc::new(ContextPool::new(usize::MAX));
        let mut pair = pair(&pool, no_context_takeover);
        exchange(&mut pair, b"valid");
        let spares = lock(&pool.decompressors.0).len();
        assert!(pair.1.decompress(b"something invalid", true, None).is_err());
        assert!(lock(&pool.decompressors.0).len() <= spares);
        pair.0.reset();
        assert_eq!(pool.kept_bytes(), 0);
        exchange(&mut pair, b"valid again");
    }
}

#[test]
fn leaves_no_trail_of_connections_that_end() {
    let pool = Arc::new(ContextPool::new(1 << 30));
    let mut stays = pair(&pool, false);
    exchange(&mut stays, b"text");
    for _ in 0..1000 {
        exchange(&mut pair(&pool, false), b"text");
    }
    assert!(lock(&pool.compressors.kept).queue.len() <= MIN_SWEPT + 8);
    assert_eq!(lock(&pool.compressors.kept).count, 1);
}

#[test]
fn is_used_by_several_threads() {
    let pool = Arc::new(ContextPool::new(1 << 20));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let mut pairs: Vec<_> = (0..4).map(|i| pair(pool, i % 2 == 0)).collect();
                for round in 0..100 {
                    for pair in &mut pairs {
                        exchange(pair, &text(thread * 100 + round, 500));
                    }
                }
            });
        }
    });
    assert_eq!(pool.kept_bytes(), 0);
}
