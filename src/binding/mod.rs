//! The Node-API surface: converts and forwards, nothing else. The only place that names napi.
//!
//! Nothing here reports a user's mistake: `lib/` validates before it calls. Failures that a peer
//! causes come back as plain data.

#[cfg(unix)]
pub mod callback;
pub mod decoder;
pub mod deflate;
#[cfg(unix)]
pub mod engine;
pub mod error;
pub mod exchange;
pub mod frame;
pub mod freed_memory;
pub mod handshake;
#[cfg(unix)]
mod libuv;
#[cfg(unix)]
pub mod loop_driver;
#[cfg(unix)]
pub mod openssl;
mod output;
#[cfg(unix)]
pub mod phases;
pub mod runtime;
#[cfg(unix)]
pub mod turn_end;
pub mod wire;
pub mod work;

use napi_derive::napi;

/// The version of the native part, which isn't that of the package; `lib/addon.js` compares it with
/// the one that the package needs.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
