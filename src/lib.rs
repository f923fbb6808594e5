//! The Rust side of oxws: RFC 6455 and RFC 7692 as state machines, what runs beside the JavaScript
//! thread, and the Node-API surface.
//!
//! Rooms, in the only direction in which they may know each other:
//! [`protocol`] <- `engine` <- `binding`. Each is behind a Cargo feature of its name, so that a
//! build without features is the protocol alone. `wasm` is a second surface, over the protocol
//! without an engine; `javascript` is what both surfaces share.

mod lock;
pub mod protocol;

#[cfg(any(feature = "binding", feature = "wasm"))]
pub mod javascript;

#[cfg(all(feature = "wasm", any(target_family = "wasm", test)))]
pub mod wasm;

#[cfg(feature = "engine")]
pub mod engine;

#[cfg(feature = "binding")]
pub mod binding;
