//! How to compress.

use std::fmt;

use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};

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

/// What compresses at levels 1 to 6. The output can be read by every peer, but isn't the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncoderChoice {
    /// `oxws-deflate`.
    #[default]
    Own,
    /// zlib-rs, as at all other levels.
    Zlib,
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
    /// Default: [`EncoderChoice::Own`].
    pub encoder: EncoderChoice,
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
            encoder: EncoderChoice::Own,
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
    /// What compresses, at whichever level.
    pub(super) encoder: EncoderChoice,
}

impl Settings {
    pub(super) fn new(config: &CompressorConfig) -> Result<Self, InvalidCompressorConfig> {
        let &CompressorConfig { level, mem_level, strategy, window_bits, encoder, .. } = config;
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
        let is_zlib = level == 0 || level > MAX_OWN_LEVEL || strategy != Strategy::Default;
        let encoder = if is_zlib { EncoderChoice::Zlib } else { encoder };
        Ok(Self { level, mem_level, strategy, window_bits, encoder })
    }
}
