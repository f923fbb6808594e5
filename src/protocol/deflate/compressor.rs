//! Compresses the payloads of messages.
//!
//! RFC 7692, section 7.2.1. One compressor serves one direction of one connection, fragment by
//! fragment and in order; it keeps its window between messages unless that was given up.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};
use zlib_rs::DeflateFlush;

use super::pool::{Context, ContextPool, Found, Place};
use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, MIN_ZLIB_WINDOW_BITS, TAIL};

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

impl From<Strategy> for zlib_rs::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Default => Self::Default,
            Strategy::Filtered => Self::Filtered,
            Strategy::HuffmanOnly => Self::HuffmanOnly,
            Strategy::Rle => Self::Rle,
            Strategy::Fixed => Self::Fixed,
        }
    }
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

const DEFAULT_MEM_LEVEL: u8 = 8;

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
    /// zlib's state while a message is under way.
    state: Option<DeflateState>,
    pool: Arc<ContextPool>,
    /// Where the state rests between messages, if the window is taken over.
    place: Option<Place<DeflateState>>,
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Compressor {
    /// Makes a compressor with memory of its own: some 380 KB from the first message on.
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
        let place = || Place::new(pool, settings.state_length());
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
    fn begin(&mut self) -> DeflateState {
        if let Some(Found::State(state)) = self.place.as_ref().map(Place::take) {
            return state;
        }
        let mut state = match self.pool.compressors.take(&self.settings) {
            Some(mut spare) => {
                spare.reset();
                spare
            }
            None => DeflateState::new(self.settings),
        };
        if self.is_new {
            state.set_dictionary(&self.dictionary);
        }
        self.is_new = self.place.is_none();
        state
    }

    /// Puts the state away when a message has ended.
    fn end(&self, state: DeflateState) {
        match &self.place {
            Some(place) => place.put(state),
            None => self.pool.compressors.give(self.settings, state),
        }
    }
}

/// Up to here an output is given all the room that it can need; beyond, memory grows with it.
const SMALL_OUTPUT: usize = 16 * 1024;

/// More than `length` bytes can become, flush and end of the block before included.
///
/// zlib's bound for parameters of every kind is 9/8 for blocks with fixed codes, and a few bytes.
fn compressed_length_bound(length: usize) -> usize {
    length + length / 8 + length / 64 + 64
}

/// The level of zlib-rs that compresses as well as zlib does at `level`.
///
/// zlib-rs has other algorithms behind some of the numbers. On messages of 1 KiB its level 1 makes
/// 15 to 28 % more than zlib's; where messages are alike, 3 makes up to 9 %, 4 to 6 up to 50 % and 9
/// up to 7 % more. The levels here stay within 3 % and take no more time than zlib's, but for 4
/// and 5, which take half as much again.
fn zlib_rs_level(level: i32) -> u8 {
    match level {
        0 => 0,
        1 => 2,
        2 => 3,
        3 => 4,
        8 | 9 => 8,
        _ => 7,
    }
}

#[derive(Clone, Copy)]
enum Flush {
    No,
    Sync,
}

/// What zlib is told when a state is made. States of the same settings are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// That of zlib-rs.
    level: u8,
    mem_level: u8,
    strategy: Strategy,
    window_bits: u8,
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
        let window_bits = window_bits.max(MIN_ZLIB_WINDOW_BITS);
        Ok(Self { level: zlib_rs_level(level), mem_level, strategy, window_bits })
    }

    /// Bytes that a state takes: twice the window and a link for each of its bytes, a hash table of
    /// 128 KiB, space for output, and some KB.
    const fn state_length(self) -> usize {
        (4 << self.window_bits) + (128 << 10) + (7 << (self.mem_level + 6)) + (8 << 10)
    }
}

/// The state of zlib.
pub(super) struct DeflateState {
    settings: Settings,
    stream: Stream,
}

enum Stream {
    Plain(Compress),
    /// With a memory level or strategy, which flate2 can't set.
    Tuned(zlib_rs::Deflate),
}

impl Context for DeflateState {
    type Remnant = Infallible;

    fn retire(self, pool: &ContextPool) -> Option<Infallible> {
        pool.compressors.give(self.settings, self);
        None
    }
}

impl DeflateState {
    fn new(settings: Settings) -> Self {
        let Settings { level, mem_level, strategy, window_bits } = settings;
        let stream = if mem_level == DEFAULT_MEM_LEVEL && strategy == Strategy::Default {
            let level = Compression::new(u32::from(level));
            Stream::Plain(Compress::new_with_window_bits(level, false, window_bits))
        } else {
            Stream::Tuned(zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
                level: i32::from(level),
                window_bits: -i32::from(window_bits), // negative: no zlib header
                mem_level: i32::from(mem_level),
                strategy: strategy.into(),
                ..Default::default()
            }))
        };
        Self { settings, stream }
    }

    /// Compresses `data` up to a byte boundary.
    fn flush(&mut self, mut data: &[u8], output: &mut Vec<u8>) {
        let bound = compressed_length_bound(data.len());
        output.reserve(bound.min(SMALL_OUTPUT + data.len() / 8));
        if data.is_empty() {
            // zlib does not flush twice in a row, but this fragment has to end in a flush too.
            self.compress(data, output, Flush::No);
        }
        loop {
            data = &data[self.compress(data, output, Flush::Sync)..];
            if output.len() < output.capacity() {
                debug_assert!(data.is_empty());
                return;
            }
            // What did not fit comes out of the next call. `reserve` doubles what there is.
            output.reserve(SMALL_OUTPUT);
        }
    }

    /// Compresses into the room that `output` has; returns how much of `input` was taken.
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>, flush: Flush) -> usize {
        let (before, after, status) = match &mut self.stream {
            Stream::Plain(stream) => {
                let before = stream.total_in();
                let flush = match flush {
                    Flush::No => FlushCompress::None,
                    Flush::Sync => FlushCompress::Sync,
                };
                let status = stream.compress_vec(input, output, flush).is_ok();
                (before, stream.total_in(), status)
            }
            Stream::Tuned(stream) => {
                let (before, written) = (stream.total_in(), stream.total_out());
                let flush = match flush {
                    Flush::No => DeflateFlush::NoFlush,
                    Flush::Sync => DeflateFlush::SyncFlush,
                };
                let start = output.len();
                output.resize(output.capacity(), 0);
                let status = stream.compress(input, &mut output[start..], flush).is_ok();
                // What was written lies in `output`, so its length is a `usize`.
                output.truncate(start + (stream.total_out() - written) as usize);
                (before, stream.total_in(), status)
            }
        };
        // zlib refuses a state that is broken or finished, and this one is neither.
        debug_assert!(status);
        (after - before) as usize
    }

    fn reset(&mut self) {
        match &mut self.stream {
            Stream::Plain(stream) => stream.reset(),
            Stream::Tuned(stream) => stream.reset(),
        }
    }

    fn set_dictionary(&mut self, dictionary: &[u8]) {
        if dictionary.is_empty() {
            return;
        }
        let done = match &mut self.stream {
            Stream::Plain(stream) => stream.set_dictionary(dictionary).is_ok(),
            Stream::Tuned(stream) => stream.set_dictionary(dictionary).is_ok(),
        };
        // A raw stream takes a dictionary wherever no input waits.
        debug_assert!(done);
    }
}
