//! Compresses the payloads of messages.
//!
//! RFC 7692, section 7.2.1. One compressor serves one direction of one connection, fragment by
//! fragment and in order; it keeps its window between messages unless that was given up.

use std::fmt;
use std::sync::Arc;

use oxws_deflate::Encoder;

use super::pool::{Context, ContextPool, Place};
use super::zlib_stream::ZlibStream;
use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, TAIL};

/// How zlib looks for matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// For data of every kind.
    #[default]
    Default,
    /// For data made by a filter: fewer matches, more Huffman coding.
    Filtered,
    /// No matches at all.
    HuffmanOnly,
    /// Only matches of the byte before.
    Rle,
    /// Matches, but no Huffman codes of the data's own.
    Fixed,
}

/// How to compress. The default is zlib's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressorConfig {
    /// From 0 (not at all) to 9 (best); -1 leaves it to zlib, which takes 6. Default: -1.
    pub level: i32,
    /// Memory for the search of matches, from 1 to 9. Default: 8.
    pub mem_level: u8,
    /// Default: [`Strategy::Default`].
    pub strategy: Strategy,
    /// The window as agreed, from 8 to 15; 8 counts as 9. Default: 15.
    pub window_bits: u8,
    /// Whether each message starts with an empty window. Default: no.
    pub no_context_takeover: bool,
    /// What an empty window is filled with; the peer needs to have it too. Default: nothing.
    pub dictionary: Vec<u8>,
}

impl Default for CompressorConfig {
    fn default() -> Self {
        Self {
            level: -1,
            mem_level: DEFAULT_MEM_LEVEL,
            strategy: Strategy::Default,
            window_bits: MAX_WINDOW_BITS,
            no_context_takeover: false,
            dictionary: Vec::new(),
        }
    }
}

/// zlib's.
pub(super) const DEFAULT_MEM_LEVEL: u8 = 8;

/// The field of a [`CompressorConfig`] that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCompressorConfig(&'static str);

impl fmt::Display for InvalidCompressorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is out of range", self.0)
    }
}

impl std::error::Error for InvalidCompressorConfig {}

/// The compressing side of permessage-deflate.
pub struct Compressor {
    settings: Settings,
    dictionary: Vec<u8>,
    /// Whether the peer's window begins with the dictionary; behind a message that was taken over it
    /// doesn't, and a match would reach into that.
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
    /// Makes a compressor with memory of its own: from the first message on, and growing with what is
    /// compressed, up to 256 KiB; 380 KB with a level above 6 or a strategy.
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
        let place = || Place::new(pool);
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
            None => self.pool.compressors.give(self.settings, state),
        }
    }
}

/// zlib's level 6 is what -1 stands for.
const DEFAULT_LEVEL: u8 = 6;
/// Above it the best compression is what counts, which zlib-rs has.
const MAX_OWN_LEVEL: u8 = 6;

/// What a state is made for. States of the same settings are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) level: u8,
    pub(super) mem_level: u8,
    pub(super) strategy: Strategy,
    pub(super) window_bits: u8,
}

impl Settings {
    fn new(config: &CompressorConfig) -> Result<Self, InvalidCompressorConfig> {
        let &CompressorConfig { level, mem_level, strategy, window_bits, .. } = config;
        if !(-1..=9).contains(&level) {
            return Err(InvalidCompressorConfig("level"));
        }
        if !(1..=9).contains(&mem_level) {
            return Err(InvalidCompressorConfig("mem_level"));
        }
        if !(MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&window_bits) {
            return Err(InvalidCompressorConfig("window_bits"));
        }
        let level = u8::try_from(level).unwrap_or(DEFAULT_LEVEL);
        Ok(Self { level, mem_level, strategy, window_bits })
    }

    /// Whether zlib-rs compresses.
    fn is_zlib(self) -> bool {
        self.level == 0 || self.level > MAX_OWN_LEVEL || self.strategy != Strategy::Default
    }
}

/// The state of a stream.
pub(super) struct DeflateState {
    settings: Settings,
    stream: Stream,
}

enum Stream {
    Own(Encoder),
    Zlib(ZlibStream),
}

impl Context for Box<DeflateState> {
    fn memory(&self) -> usize {
        match &self.stream {
            Stream::Own(stream) => stream.memory(),
            Stream::Zlib(stream) => stream.memory(),
        }
    }

    fn retire(self, pool: &ContextPool) {
        pool.compressors.give(self.settings, self);
    }
}

impl DeflateState {
    fn new(settings: Settings) -> Self {
        let Settings { level, mem_level, window_bits, .. } = settings;
        let stream = if settings.is_zlib() {
            Stream::Zlib(ZlibStream::new(settings))
        } else {
            Stream::Own(Encoder::new(level, window_bits, mem_level))
        };
        Self { settings, stream }
    }

    /// Compresses `data` up to a byte boundary.
    fn flush(&mut self, data: &[u8], output: &mut Vec<u8>) {
        match &mut self.stream {
            Stream::Own(stream) => stream.encode(data, output),
            Stream::Zlib(stream) => stream.flush(data, output),
        }
    }

    fn reset(&mut self) {
        match &mut self.stream {
            Stream::Own(stream) => stream.reset(),
            Stream::Zlib(stream) => stream.reset(),
        }
    }

    fn set_dictionary(&mut self, dictionary: &[u8]) {
        match &mut self.stream {
            Stream::Own(stream) => stream.set_dictionary(dictionary),
            Stream::Zlib(stream) => stream.set_dictionary(dictionary),
        }
    }
}
