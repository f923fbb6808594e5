//! permessage-deflate of a connection: its directions, what arrives, what leaves.

pub mod contexts;
pub mod direction;

#[cfg(unix)]
pub(super) mod incoming;
#[cfg(unix)]
pub(super) mod outgoing;
