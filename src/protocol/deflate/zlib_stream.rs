//! The compressing side of a deflate stream, by zlib-rs.
//!
//! For what is seldom asked for, and for levels where the best compression is what counts. flate2,
//! which has zlib-rs as its backend here, makes plain streams; the interface of zlib-rs makes those
//! with a memory level or a strategy, which flate2 can't set. Nothing is decompressed by either.

use flate2::{Compress, Compression, FlushCompress};
use zlib_rs::DeflateFlush;

use super::MIN_ZLIB_WINDOW_BITS;
use super::config::{DEFAULT_MEM_LEVEL, Settings, Strategy};

impl From<Strategy> for zlib_rs::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Default => Self::Default,
            Strategy::Filtered => Self::Filtered,
            Strategy::HuffmanOnly => Self::HuffmanOnly,
            Strategy::Rle => Self::Rle,
            Strategy::Fixed => Self::Fixed,
        }
    }
}

/// A stream of zlib's.
pub(super) struct ZlibStream {
    stream: Backend,
    /// Bytes that it takes.
    memory: usize,
}

enum Backend {
    Plain(Compress),
    /// With a memory level or strategy, which flate2 can't set.
    Tuned(zlib_rs::Deflate),
}

impl ZlibStream {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { level, mem_level, strategy, window_bits, .. } = settings;
        let (level, window_bits) = (zlib_rs_level(level), window_bits.max(MIN_ZLIB_WINDOW_BITS));
        let stream = if mem_level == DEFAULT_MEM_LEVEL && strategy == Strategy::Default {
            let level = Compression::new(u32::from(level));
            Backend::Plain(Compress::new_with_window_bits(level, false, window_bits))
        } else {
            Backend::Tuned(zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
                level: i32::from(level),
                window_bits: -i32::from(window_bits), // negative: no zlib header
                mem_level: i32::from(mem_level),
                strategy: strategy.into(),
                ..Default::default()
            }))
        };
        Self { stream, memory: memory(window_bits, mem_level) }
    }

    /// Compresses `data` up to a byte boundary, and appends to `output`.
    pub(super) fn flush(&mut self, mut data: &[u8], output: &mut Vec<u8>) {
        let bound = compressed_length_bound(data.len());
        output.reserve(bound.min(SMALL_OUTPUT + data.len() / 8));
        if data.is_empty() {
            // zlib does not flush twice in a row, but this fragment has to end in a flush too.
            self.compress(data, output, Flush::No);
        }
        loop {
            data = &data[self.compress(data, output, Flush::Sync)..];
            if output.len() < output.capacity() {
                debug_assert!(data.is_empty());
                return;
            }
            // What did not fit comes out of the next call. `reserve` doubles what there is.
            output.reserve(SMALL_OUTPUT);
        }
    }

    /// Compresses into the room that `output` has; returns how much of `input` was taken.
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>, flush: Flush) -> usize {
        let (before, after, status) = match &mut self.stream {
            Backend::Plain(stream) => {
                let before = stream.total_in();
                let flush = match flush {
                    Flush::No => FlushCompress::None,
                    Flush::Sync => FlushCompress::Sync,
                };
                let status = stream.compress_vec(input, output, flush).is_ok();
                (before, stream.total_in(), status)
            }
            Backend::Tuned(stream) => {
                let (before, written) = (stream.total_in(), stream.total_out());
                let flush = match flush {
                    Flush::No => DeflateFlush::NoFlush,
                    Flush::Sync => DeflateFlush::SyncFlush,
                };
                let start = output.len();
                output.resize(output.capacity(), 0);
                let status = stream.compress(input, &mut output[start..], flush).is_ok();
                // What was written lies in `output`, so its length is a `usize`.
                output.truncate(start + (stream.total_out() - written) as usize);
                (before, stream.total_in(), status)
            }
        };
        // zlib refuses a state that is broken or finished, and this one is neither.
        debug_assert!(status);
        (after - before) as usize
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        match &mut self.stream {
            Backend::Plain(stream) => stream.reset(),
            Backend::Tuned(stream) => stream.reset(),
        }
    }

    /// Fills a window that is empty.
    pub(super) fn set_dictionary(&mut self, dictionary: &[u8]) {
        let done = match &mut self.stream {
            Backend::Plain(stream) => stream.set_dictionary(dictionary).is_ok(),
            Backend::Tuned(stream) => stream.set_dictionary(dictionary).is_ok(),
        };
        // A raw stream takes a dictionary wherever no input waits.
        debug_assert!(done);
    }

    /// Bytes of memory that it takes.
    pub(super) const fn memory(&self) -> usize {
        self.memory
    }
}

/// Up to here an output is given all the room that it can need; beyond, memory grows with it.
const SMALL_OUTPUT: usize = 16 * 1024;

/// More than `length` bytes can become, flush and end of the block before included.
///
/// zlib's bound for parameters of every kind is 9/8 for blocks with fixed codes, and a few bytes.
fn compressed_length_bound(length: usize) -> usize {
    length + length / 8 + length / 64 + 64
}

/// The level of zlib-rs that compresses as well as zlib does at `level`.
///
/// It has other algorithms for some of the numbers. On messages of 1 KiB its level 1 makes 15 to
/// 28 % more than zlib's; where messages are alike, 3 makes up to 9 %, 4 to 6 up to 50 % and 9 up
/// to 7 % more. The levels here stay within 3 % and take no more time than zlib's, but for 4 and 5,
/// which take half as much again.
const fn zlib_rs_level(level: u8) -> u8 {
    match level {
        0 => 0,
        1 => 2,
        2 => 3,
        3 => 4,
        8 | 9 => 8,
        _ => 7,
    }
}

/// Bytes that a stream takes: twice the window and a link for each of its bytes, a hash table of
/// 128 KiB, space for output, and some KB.
const fn memory(window_bits: u8, mem_level: u8) -> usize {
    (4 << window_bits) + (128 << 10) + (7 << (mem_level + 6)) + (8 << 10)
}

#[derive(Clone, Copy)]
enum Flush {
    No,
    Sync,
}
