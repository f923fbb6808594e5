//! The protocol for JavaScript as WebAssembly: what the Node-API surface gives to the stream
//! transport, where an addon can't be loaded.
//!
//! There is no glue of a generator: JavaScript and this module share one memory. JavaScript copies
//! what a function works on to where [`memory::input`] says, calls it, and copies the result from
//! where [`memory::output`] says. Numbers go as arguments. Texts, and lists of texts, go as
//! [`fields`]. Objects stay here and have a number in JavaScript.
//!
//! A function that panics traps: the instance is not used again after that, so its callers need no
//! way to report it.

mod constants;
mod decoder;
mod deflate;
mod fields;
mod frame;
mod handles;
mod handshake;
mod memory;

pub use constants::*;
pub use decoder::*;
pub use deflate::*;
pub use frame::*;
pub use handshake::*;
pub use memory::{input, output, output_length};

/// Puts the version of this build into the output.
#[unsafe(no_mangle)]
pub extern "C" fn version() {
    memory::set_output(env!("CARGO_PKG_VERSION").as_bytes());
}
