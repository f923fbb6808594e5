//! A reactor and its peers, over loopback and over pairs of Unix sockets.
#![cfg(all(unix, feature = "engine"))]
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

mod conversation;
mod driver;
mod ending;
mod large;
mod modes;
mod receiving;
#[path = "../support/mod.rs"]
mod support;
