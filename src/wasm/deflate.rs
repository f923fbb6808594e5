//! Compression, as much at a time as the caller wants. See `src/binding/deflate.rs`.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, LazyLock};

use super::fields::Writer;
use super::handles::Handles;
use super::memory::{give_output, set_output, with_input, with_output};
use crate::javascript::InflateFailure;
use crate::protocol::deflate::{
    Compressor, CompressorConfig, ContextPool, Decompressor, DecompressorConfig, EncoderChoice,
    InflateError, Strategy,
};

/// What compressors may keep between messages if it isn't set, in bytes.
const DEFAULT_LIMIT: usize = 256 << 20;

static CONTEXTS: LazyLock<Arc<ContextPool>> =
    LazyLock::new(|| Arc::new(ContextPool::new(DEFAULT_LIMIT)));

thread_local! {
    static DEFLATERS: RefCell<Handles<Compressor>> = const { RefCell::new(Handles::new()) };
    static INFLATERS: RefCell<Handles<Inflater>> = const { RefCell::new(Handles::new()) };
}

/// Sets how many bytes all that takes windows over may keep between messages.
#[unsafe(no_mangle)]
pub extern "C" fn set_context_memory_limit(bytes: f64) {
    // As a cast does: what is too large counts as the largest.
    CONTEXTS.set_limit(bytes as usize);
}

/// Makes the compressing side of a connection, with the first `length` bytes of the input as
/// dictionary; its number, or -1 where an option is out of its range.
#[unsafe(no_mangle)]
pub extern "C" fn create_deflater(
    length: usize,
    level: i32,
    mem_level: u32,
    strategy: u32,
    window_bits: u32,
    no_context_takeover: bool,
    uses_zlib: bool,
) -> i32 {
    let config = CompressorConfig {
        level,
        mem_level: narrow(mem_level),
        strategy: match strategy {
            1 => Strategy::Filtered,
            2 => Strategy::HuffmanOnly,
            3 => Strategy::Rle,
            4 => Strategy::Fixed,
            _ => Strategy::Default,
        },
        window_bits: narrow(window_bits),
        no_context_takeover,
        dictionary: with_input(length, |bytes| bytes.to_vec()),
        encoder: if uses_zlib { EncoderChoice::Zlib } else { EncoderChoice::Own },
    };
    let Ok(compressor) = Compressor::with_pool(config, &CONTEXTS) else { return -1 };
    DEFLATERS.with_borrow_mut(|deflaters| deflaters.add(compressor) as i32)
}

fn narrow(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Compresses the first `length` bytes of the input, a fragment of a message, into the output;
/// `fin` says that it is the last.
#[unsafe(no_mangle)]
pub extern "C" fn deflate(number: u32, length: usize, fin: bool) {
    DEFLATERS.with_borrow_mut(|deflaters| {
        let deflater = deflaters.get(number);
        with_input(length, |data| {
            with_output(|output| deflater.compress_into(data, fin, output));
        });
    });
}

/// Gives the memory of a compressing side back.
#[unsafe(no_mangle)]
pub extern "C" fn free_deflater(number: u32) {
    DEFLATERS.with_borrow_mut(|deflaters| deflaters.free(number));
}

/// A decompressing side, and the operation of it that used its budget up.
struct Inflater {
    decompressor: Decompressor,
    data: Vec<u8>,
    /// How much of the data is decompressed.
    position: usize,
    fin: bool,
    limit: Option<u64>,
    /// What has been made of it.
    output: Vec<u8>,
    error: Option<InflateError>,
}

/// An operation has ended, and the output is there.
const DONE: u32 = 0;
/// An operation has used its budget up and can be resumed.
const PAUSED: u32 = 1;
/// An operation has failed; why is asked for apart.
const FAILED: u32 = 2;

/// Makes the decompressing side of a connection, with the first `length` bytes of the input as
/// dictionary; its number.
#[unsafe(no_mangle)]
pub extern "C" fn create_inflater(
    length: usize,
    window_bits: u32,
    no_context_takeover: bool,
    chunk_size: f64,
) -> u32 {
    let config = DecompressorConfig {
        window_bits: narrow(window_bits),
        no_context_takeover,
        dictionary: with_input(length, |bytes| bytes.to_vec()),
        // As a cast does: what is too large counts as the largest.
        chunk_size: chunk_size as u32,
    };
    let inflater = Inflater {
        decompressor: Decompressor::with_pool(config, &CONTEXTS),
        data: Vec::new(),
        position: 0,
        fin: false,
        limit: None,
        output: Vec::new(),
        error: None,
    };
    INFLATERS.with_borrow_mut(|inflaters| inflaters.add(inflater))
}

/// Decompresses the first `length` bytes of the input, a fragment of a message; `fin` says that it
/// is the last. The output may have `limit` bytes, or any number if that is 0. Pauses once some
/// `budget` bytes of it were made. The result is 0 when it is done, 1 when it has paused, 2 when it
/// failed.
#[unsafe(no_mangle)]
pub extern "C" fn inflate(number: u32, length: usize, fin: bool, limit: u32, budget: usize) -> u32 {
    let data = with_input(length, |bytes| bytes.to_vec());
    let limit = (limit > 0).then_some(u64::from(limit));
    INFLATERS.with_borrow_mut(|inflaters| {
        let inflater = inflaters.get(number);
        (inflater.data, inflater.fin, inflater.limit) = (data, fin, limit);
        (inflater.position, inflater.output) = (0, Vec::new());
        inflater.go_on(budget)
    })
}

/// Goes on with an operation that has paused, by another `budget` bytes; the result is as there.
#[unsafe(no_mangle)]
pub extern "C" fn resume_inflate(number: u32, budget: usize) -> u32 {
    INFLATERS.with_borrow_mut(|inflaters| inflaters.get(number).go_on(budget))
}

impl Inflater {
    fn go_on(&mut self, budget: usize) -> u32 {
        let Self { decompressor, data, position, fin, limit, output, error } = self;
        let mut rest = data.get(*position..).unwrap_or_default();
        match decompressor.decompress_some(&mut rest, *fin, *limit, budget, output) {
            Ok(true) => {
                *data = Vec::new();
                give_output(mem::take(output));
                DONE
            }
            Ok(false) => {
                *position = data.len() - rest.len();
                PAUSED
            }
            Err(reason) => {
                *error = Some(reason);
                (*data, *output) = (Vec::new(), Vec::new());
                set_output(&[]);
                FAILED
            }
        }
    }
}

/// Puts into the output why the latest operation has failed, if it has: message, `code`, `errno`,
/// and the close code with which the connection fails.
#[unsafe(no_mangle)]
pub extern "C" fn inflate_failure(number: u32) -> bool {
    let error = INFLATERS.with_borrow_mut(|inflaters| inflaters.get(number).error.take());
    let Some(error) = error else { return false };
    let InflateFailure { message, code, errno, close_code } = error.into();
    with_output(|output| {
        let mut fields = Writer(output);
        fields.text(&message);
        fields.text(code);
        fields.optional(errno.map(|errno| errno.to_string()).as_deref());
        fields.number(close_code);
    });
    true
}

/// Gives the memory of a decompressing side back.
#[unsafe(no_mangle)]
pub extern "C" fn free_inflater(number: u32) {
    INFLATERS.with_borrow_mut(|inflaters| inflaters.free(number));
}
