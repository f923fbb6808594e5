//! What every surface for JavaScript shares: events as records, and errors as plain data. Knows
//! neither Node-API nor WebAssembly.

mod failure;
pub mod records;
pub mod wire;

pub use failure::{InflateFailure, Violation};
