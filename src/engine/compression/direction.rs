//! The two directions of permessage-deflate on a connection.
//!
//! A direction may be driven from several sides, by a reactor and by a program that compresses by
//! hand, so its state is shared and has a lock.

use std::sync::{Arc, Mutex, Weak};

use super::contexts::contexts;
use crate::lock::lock;
use crate::protocol::deflate::{
    Compressor, CompressorConfig, Decompressor, DecompressorConfig, InvalidCompressorConfig,
};

/// The state of a direction, wherever it is driven from.
pub type Shared<T> = Arc<Mutex<T>>;

/// Of more different configurations equal ones aren't found.
const MAX_CONFIGS: usize = 16;

/// Configurations of compressors whose messages each start with an empty window. Most connections
/// of a process have the same.
static STATELESS: Mutex<Vec<Weak<CompressorConfig>>> = Mutex::new(Vec::new());

/// The same configuration for all that are equal.
fn share(config: &CompressorConfig) -> Arc<CompressorConfig> {
    let mut known = lock(&STATELESS);
    let same = known.iter().filter_map(Weak::upgrade).find(|known| **known == *config);
    same.unwrap_or_else(|| {
        known.retain(|known| known.strong_count() > 0);
        let config = Arc::new(config.clone());
        if known.len() < MAX_CONFIGS {
            known.push(Arc::downgrade(&config));
        }
        config
    })
}

/// The compressing direction of a connection.
#[derive(Debug)]
pub struct Deflation {
    compressor: Compressor,
    /// How it compresses, if each message starts with an empty window.
    stateless: Option<Arc<CompressorConfig>>,
}

impl Deflation {
    /// A direction that has sent nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidCompressorConfig`] if a number is out of its range.
    pub fn new(config: CompressorConfig) -> Result<Shared<Self>, InvalidCompressorConfig> {
        let stateless = config.no_context_takeover.then(|| share(&config));
        let compressor = Compressor::with_pool(config, contexts())?;
        Ok(Arc::new(Mutex::new(Self { compressor, stateless })))
    }

    /// How it compresses, if each message starts with an empty window, so that its bytes depend on
    /// nothing else: one for all connections that compress alike.
    #[must_use]
    pub const fn stateless(&self) -> Option<&Arc<CompressorConfig>> {
        self.stateless.as_ref()
    }

    /// Compresses the next fragment of a message and appends it to `output`.
    pub fn compress_into(&mut self, data: &[u8], fin: bool, output: &mut Vec<u8>) {
        self.compressor.compress_into(data, fin, output);
    }
}

/// The decompressing direction of a connection that has received nothing.
#[must_use]
pub fn new_inflation(config: DecompressorConfig) -> Shared<Decompressor> {
    Arc::new(Mutex::new(Decompressor::with_pool(config, contexts())))
}
