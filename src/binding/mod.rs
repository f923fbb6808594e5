//! The Node-API surface: converts and forwards, nothing else. The only place that names napi.

use napi_derive::napi;

/// The version of the native part; `lib/native.js` compares it with the package's.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
