//! Any bytes as compressed messages, in any fragments, under any limit.
//!
//! Invariant: nothing is given above the limit, nor memory taken for more than a chunk of it, and
//! the error says which of the two it is, data or limit. However often decompression pauses, it
//! ends as it does without a pause. After an error the decompressor is as good as new.

use std::sync::Arc;

use oxws::protocol::CloseCode;
use oxws::protocol::deflate::{
    Compressor, CompressorConfig, ContextPool, Decompressor, DecompressorConfig, InflateError,
};

use super::input::Input;

/// Enough for every situation, few enough for the fuzzer's pace.
const MAX_FRAGMENTS: usize = 32;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (flags, limit, budget) = (input.byte(), input.byte(), input.byte());
    let config = DecompressorConfig {
        window_bits: 8 + (flags & 7),
        no_context_takeover: flags & 8 != 0,
        dictionary: if flags & 16 != 0 { b"a dictionary".to_vec() } else { Vec::new() },
        chunk_size: if flags & 32 != 0 { 64 } else { 16 * 1024 },
    };
    // From none to more than a fragment of this length can become.
    let limit = (limit != 255).then(|| (1_u64 << (limit & 31)) - 1 + u64::from(limit >> 5));
    let budget = 1 << (budget & 15);

    let pool = Arc::new(ContextPool::new(usize::MAX));
    let mut whole = Decompressor::with_pool(config.clone(), &pool);
    let mut paused = Decompressor::with_pool(config.clone(), &pool);
    for _ in 0..MAX_FRAGMENTS {
        if input.is_empty() {
            break;
        }
        let length = input.byte();
        let data = input.bytes(usize::from(length >> 1) << (length & 1));
        let fin = length & 2 != 0;
        let result = decompress(&mut whole, data, fin, limit);
        match (&result, decompress_in_pauses(&mut paused, data, fin, limit, budget)) {
            // What zlib says of it may be less clear behind a pause.
            (Err(InflateError::InvalidData(_)), Err(InflateError::InvalidData(_))) => {}
            (result, paused) => assert_eq!(&paused, result),
        }
        if result.is_err() {
            check_new(&mut whole, &config);
            check_new(&mut paused, &config);
        }
    }
}

/// Decompresses at once, and checks what is there then.
fn decompress(
    decompressor: &mut Decompressor,
    data: &[u8],
    fin: bool,
    limit: Option<u64>,
) -> Result<Vec<u8>, InflateError> {
    let mut output = Vec::new();
    let result = decompressor.decompress_into(data, fin, limit, &mut output);
    check_output(&output, &result, limit);
    result.map(|()| output)
}

/// Decompresses with pauses.
fn decompress_in_pauses(
    decompressor: &mut Decompressor,
    mut data: &[u8],
    fin: bool,
    limit: Option<u64>,
    budget: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut output = Vec::new();
    loop {
        let (before, start) = (data.len(), output.len());
        let result = decompressor.decompress_some(&mut data, fin, limit, budget, &mut output);
        match result {
            Ok(true) => {
                check_output(&output, &Ok(()), limit);
                return Ok(output);
            }
            Ok(false) => {
                assert!(!data.is_empty() && data.len() <= before, "paused at the end");
                assert!(output.len() >= start + budget, "paused before the budget was used");
            }
            Err(error) => return Err(error),
        }
    }
}

fn check_output(output: &Vec<u8>, result: &Result<(), InflateError>, limit: Option<u64>) {
    let (length, capacity) = (output.len() as u64, output.capacity() as u64);
    if let Some(limit) = limit {
        assert!(length <= limit, "{length} bytes are more than {limit}");
        let most = limit + 2 * 16 * 1024;
        assert!(capacity <= most, "memory for {capacity} bytes, the limit is {limit}");
    }
    match result {
        Ok(()) => {}
        Err(InflateError::LimitExceeded) => {
            assert!(limit.is_some());
            assert_eq!(CloseCode::from(InflateError::LimitExceeded), CloseCode::MESSAGE_TOO_BIG);
        }
        Err(error) => {
            assert_eq!(CloseCode::from(*error), CloseCode::INVALID_FRAME_PAYLOAD_DATA);
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Checks that a decompressor works as if there had been nothing before.
fn check_new(decompressor: &mut Decompressor, config: &DecompressorConfig) {
    let text = b"a dictionary, or a text";
    let compressor = Compressor::new(CompressorConfig {
        window_bits: config.window_bits,
        dictionary: config.dictionary.clone(),
        mem_level: 1,
        ..CompressorConfig::default()
    });
    let data = compressor.map(|mut compressor| compressor.compress(text, true));
    assert_eq!(data.map(|data| decompressor.decompress(&data, true, None)), Ok(Ok(text.to_vec())));
    decompressor.reset();
}
