//! The compressing side.

mod bits;
mod block;
mod chains;
mod encoder;
mod history;
mod huffman;

pub use encoder::Encoder;
