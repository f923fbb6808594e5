//! Compresses the payloads of messages.
//!
//! RFC 7692, section 7.2.1. One compressor serves one direction of one connection, fragment by
//! fragment and in order; it keeps its window between messages unless that was given up.

use std::fmt;
use std::sync::Arc;

use super::TAIL;
use super::config::{CompressorConfig, InvalidCompressorConfig, Settings};
use super::context_pool::ContextPool;
use super::pool::Place;
use super::stream::DeflateState;

/// The compressing side of permessage-deflate.
pub struct Compressor {
    settings: Settings,
    dictionary: Vec<u8>,
    /// Whether the peer's window begins with the dictionary; after a message that was taken over
    /// it doesn't, and a match would reach into that.
    is_new: bool,
    /// The state while a message is under way.
    state: Option<Box<DeflateState>>,
    pool: Arc<ContextPool>,
    /// Where the state rests between messages, if the window is taken over.
    place: Option<Place<Box<DeflateState>>>,
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Compressor {
    /// Makes a compressor with memory of its own: from the first message on, and growing with what
    /// is compressed, up to 256 KiB; 380 KB with a level above 6 or a strategy.
    ///
    /// # Errors
    ///
    /// [`InvalidCompressorConfig`] if a number is out of its range.
    pub fn new(config: CompressorConfig) -> Result<Self, InvalidCompressorConfig> {
        Self::with_pool(config, &Arc::new(ContextPool::new(usize::MAX)))
    }

    /// Makes a compressor that shares memory with others. Between messages it has none if each
    /// starts with an empty window, and otherwise as long as the pool can spare it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_pool(
        config: CompressorConfig,
        pool: &Arc<ContextPool>,
    ) -> Result<Self, InvalidCompressorConfig> {
        let settings = Settings::new(&config)?;
        let place = || Place::new(&pool.compressors);
        Ok(Self {
            settings,
            dictionary: config.dictionary,
            is_new: true,
            state: None,
            pool: Arc::clone(pool),
            place: (!config.no_context_takeover).then(place),
        })
    }

    /// Compresses the next fragment of a message, or the whole of one.
    ///
    /// `fin` says that the message ends here. What is returned can be decompressed at once, by a
    /// peer that got everything before.
    #[must_use]
    pub fn compress(&mut self, data: &[u8], fin: bool) -> Vec<u8> {
        let mut output = Vec::new();
        self.compress_into(data, fin, &mut output);
        output
    }

    /// Does as [`compress`](Self::compress), but appends to `output`.
    pub fn compress_into(&mut self, data: &[u8], fin: bool, output: &mut Vec<u8>) {
        let mut state = self.state.take().unwrap_or_else(|| self.begin());
        state.flush(data, output);
        if fin {
            debug_assert!(output.ends_with(&TAIL));
            output.truncate(output.len() - TAIL.len());
            self.end(state);
        } else {
            self.state = Some(state);
        }
    }

    /// Forgets the window, as before the first message. The peer has to do the same.
    pub fn reset(&mut self) {
        self.is_new = true;
        self.state = None;
        if let Some(place) = &self.place {
            place.clear();
        }
    }

    /// The state with which a message begins.
    fn begin(&mut self) -> Box<DeflateState> {
        if let Some(state) = self.place.as_ref().and_then(Place::take) {
            return state;
        }
        let mut state = match self.pool.compressors.take(&self.settings) {
            Some(mut spare) => {
                spare.reset();
                spare
            }
            None => Box::new(DeflateState::new(self.settings)),
        };
        if self.is_new && !self.dictionary.is_empty() {
            state.set_dictionary(&self.dictionary);
        }
        self.is_new = self.place.is_none();
        state
    }

    /// Puts the state away when a message has ended.
    fn end(&self, state: Box<DeflateState>) {
        match &self.place {
            Some(place) => place.put(state),
            None => self.pool.compressors.give(state),
        }
    }
}
