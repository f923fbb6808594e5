//! permessage-deflate, RFC 7692: its negotiation, and the compression of messages as agreed.
//!
//! [`ServerConfig::accept`] and [`ClientConfig::accept`] give the [`Parameters`] that both sides
//! hold to; [`Parameters::max_window_bits`] and [`Parameters::no_context_takeover`] are what a
//! [`Compressor`] and a [`Decompressor`] have to be made with.

mod compressor;
mod config;
mod context_pool;
mod decompressor;
mod error;
mod negotiation;
mod pool;
mod stream;
mod zlib_stream;

pub use compressor::Compressor;
pub use config::{CompressorConfig, EncoderChoice, InvalidCompressorConfig, Strategy};
pub use context_pool::ContextPool;
pub use decompressor::{Decompressor, DecompressorConfig};
pub use negotiation::{
    ClientConfig, EXTENSION_NAME, NegotiationError, Parameter, ParameterName, ParameterValue,
    Parameters, ServerConfig, WindowBits,
};
pub use oxws_deflate::InflateError;

/// The base-2 logarithm of the largest LZ77 sliding window, and what is used if none is agreed.
pub const MAX_WINDOW_BITS: u8 = 15;

/// The smallest number that can be agreed.
pub const MIN_WINDOW_BITS: u8 = 8;

/// Data from this many bytes on takes long to compress or decompress, some 1 ms: a caller that must
/// not be held up leaves it to another thread.
pub const LARGE_INPUT: usize = 64 * 1024;

/// So does output of this many bytes.
pub const LARGE_OUTPUT: usize = 256 * 1024;

/// The smallest window that zlib compresses raw streams with.
///
/// A peer may ask for 8. zlib compresses with 9 then, and still refers to nothing that a window of
/// 8 does not hold: it keeps 262 bytes of its window for what is ahead.
const MIN_ZLIB_WINDOW_BITS: u8 = 9;

/// RFC 7692, section 7.2.1: ends a flushed deflate stream and is left out of the message; section
/// 7.2.2: put back before it is decompressed.
const TAIL: [u8; 4] = oxws_deflate::SYNC_TAIL;

#[cfg(test)]
mod tests;
