//! The decompressing side.

mod bits;
mod code_lengths;
mod codes;
mod decode_table;
mod decoder;
mod matches;
mod output;
mod window;

pub use decoder::{Decoder, Stop};
pub use output::{Bounds, Output};
pub use window::Window;

#[cfg(test)]
mod tests;
