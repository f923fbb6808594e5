//! What every surface for JavaScript shares: events as records, errors as plain data, what is
//! negotiated. Knows neither Node-API nor WebAssembly.

mod failure;
pub mod negotiation;
pub mod records;
pub mod wire;

pub use failure::{InflateFailure, Violation};
