//! The memory of all compressors and decompressors that share a pool.

use std::fmt;
use std::sync::Arc;

use oxws_deflate::Decoder;

use super::pool::{Pool, Spares};
use super::stream::DeflateState;

/// The memory that connections share. Every thread may use it; no lock is held while data is
/// compressed.
///
/// A decompressor has to keep its window, which is all that it keeps: its tables are lent in any
/// case. So there is nothing of it to count.
pub struct ContextPool {
    pub(super) compressors: Arc<Pool<Box<DeflateState>>>,
    pub(super) decompressors: Spares<(), Box<Decoder>>,
}

impl fmt::Debug for ContextPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextPool").field("kept_bytes", &self.kept_bytes()).finish()
    }
}

impl ContextPool {
    /// A pool that keeps up to `limit` bytes for connections that take their window over.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { compressors: Arc::new(Pool::new(limit)), decompressors: Spares::default() }
    }

    /// Changes the limit. What is above it goes at once, but for what is in use.
    pub fn set_limit(&self, limit: usize) {
        self.compressors.set_limit(limit);
    }

    /// Bytes of the states that are kept for their connections, or in use by them.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.compressors.kept_bytes()
    }
}
