//! The memory that all compressors and decompressors of the process share.

use std::sync::{Arc, LazyLock};

use crate::protocol::deflate::ContextPool;

/// What compressors may keep between messages by default: enough for some 1000 connections that
/// have sent as much as their windows hold.
const DEFAULT_LIMIT: usize = 256 << 20;

static CONTEXTS: LazyLock<Arc<ContextPool>> =
    LazyLock::new(|| Arc::new(ContextPool::new(DEFAULT_LIMIT)));

/// The pool of the process.
pub fn contexts() -> &'static Arc<ContextPool> {
    &CONTEXTS
}
