//! RFC 1951: an encoder and a decoder of deflate streams that come in pieces.
//!
//! No I/O, no clock, no threads, no dependency. [`Encoder`] ends each call with a sync flush, so
//! that a peer can decode what it has; [`Decoder`] keeps nothing between blocks but its [`Window`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod decode;
mod encode;
mod error;
mod symbols;

pub use decode::{Bounds, Decoder, Output, Stop, Window};
pub use encode::Encoder;
pub use error::InflateError;

/// What a sync flush ends with: the length of an empty stored block, and its complement.
pub const SYNC_TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
