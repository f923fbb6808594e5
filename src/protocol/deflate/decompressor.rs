//! Decompresses the payloads of messages.
//!
//! RFC 7692, section 7.2.2. One decompressor serves one direction of one connection, fragment by
//! fragment and in order.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::super::CloseCode;
use super::{MAX_WINDOW_BITS, MIN_ZLIB_WINDOW_BITS, TAIL};

/// How to decompress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecompressorConfig {
    /// The window as agreed, from 8 to 15; 8 counts as 9. Default: 15.
    pub window_bits: u8,
    /// Whether each message starts with an empty window. Default: no.
    pub no_context_takeover: bool,
    /// What an empty window is filled with. Default: nothing.
    pub dictionary: Vec<u8>,
}

impl Default for DecompressorConfig {
    fn default() -> Self {
        Self { window_bits: MAX_WINDOW_BITS, no_context_takeover: false, dictionary: Vec::new() }
    }
}

/// Why a payload can't be decompressed. `Display` gives the texts of Node's zlib, and of ws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateError {
    /// It is not a deflate stream; zlib's words for what is wrong.
    InvalidData(&'static str),
    /// There is more of it than the limit.
    LimitExceeded,
}

impl InflateError {
    /// The `code` of the JavaScript error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidData(_) => "Z_DATA_ERROR",
            Self::LimitExceeded => "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
        }
    }

    /// The `errno` of the JavaScript error: zlib's number, if zlib it was.
    pub const fn errno(self) -> Option<i32> {
        match self {
            Self::InvalidData(_) => Some(-3),
            Self::LimitExceeded => None,
        }
    }

    /// The code with which the connection fails.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidData(_) => CloseCode::INVALID_FRAME_PAYLOAD_DATA,
            Self::LimitExceeded => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidData(message) => message,
            Self::LimitExceeded => "Max payload size exceeded",
        })
    }
}

impl std::error::Error for InflateError {}

/// The decompressing side of permessage-deflate.
pub struct Decompressor {
    stream: Decompress,
    config: DecompressorConfig,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Decompressor {
    /// Makes a decompressor, which takes some 48 KB. A window out of its range counts as the nearest
    /// in it.
    pub fn new(config: DecompressorConfig) -> Self {
        Self { stream: new_stream(&config), config }
    }

    /// Decompresses the next fragment of a message, or the whole of one.
    ///
    /// `fin` says that the message ends here. `limit` is the largest output allowed, `None` for no
    /// limit: nothing is produced above it, however much the data would become.
    ///
    /// # Errors
    ///
    /// [`InflateError`]. The window is lost; the connection is expected to fail.
    pub fn decompress(
        &mut self,
        data: &[u8],
        fin: bool,
        limit: Option<u64>,
    ) -> Result<Vec<u8>, InflateError> {
        let mut output = Vec::new();
        self.decompress_into(data, fin, limit, &mut output)?;
        Ok(output)
    }

    /// Does as [`decompress`](Self::decompress), but appends to `output`, whose room is used before
    /// more is taken.
    ///
    /// # Errors
    ///
    /// As there; `output` then holds what could be decompressed, within the limit.
    pub fn decompress_into(
        &mut self,
        data: &[u8],
        fin: bool,
        limit: Option<u64>,
        output: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let limit = limit.saturating_add(output.len());
        let ended = self.inflate_message(data, fin, limit, output).inspect_err(|_| self.reset())?;
        if ended == Ended::Yes || fin && self.config.no_context_takeover {
            self.reset();
        }
        Ok(())
    }

    /// Forgets the window, as before the first message.
    pub fn reset(&mut self) {
        if self.config.window_bits == MAX_WINDOW_BITS {
            self.stream.reset(false);
            set_dictionary(&mut self.stream, &self.config.dictionary);
        } else {
            // `reset` would go back to the largest window.
            self.stream = new_stream(&self.config);
        }
    }

    fn inflate_message(
        &mut self,
        data: &[u8],
        fin: bool,
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<Ended, InflateError> {
        if self.inflate(data, limit, output)? == Ended::Yes {
            return Ok(Ended::Yes);
        }
        if fin { self.inflate(&TAIL, limit, output) } else { Ok(Ended::No) }
    }

    /// Inflates all of `data` into `output`, whose length stays within `limit`.
    ///
    /// RFC 7692, section 7.2.3.4: a block may say that it is the last. What follows it in the same
    /// call is ignored, as ws does, and the next call starts a new stream.
    fn inflate(
        &mut self,
        mut data: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<Ended, InflateError> {
        let mut room = data.len().saturating_mul(4).clamp(MIN_ROOM, MAX_FIRST_ROOM);
        loop {
            if output.len() == output.capacity() {
                // One byte above the limit tells an output that is as long as the limit from one
                // that is longer.
                let allowed = limit.saturating_sub(output.len()).saturating_add(1);
                output.reserve_exact(room.min(allowed));
            }

            let before = (self.stream.total_in(), output.len());
            let status = self
                .stream
                .decompress_vec(data, output, FlushDecompress::Sync)
                .map_err(|error| InflateError::InvalidData(zlib_message(error.message())))?;
            // What was taken lies in `data`, so its length is a `usize`.
            let taken = (self.stream.total_in() - before.0) as usize;
            data = &data[taken..];

            if output.len() > limit {
                output.truncate(limit);
                return Err(InflateError::LimitExceeded);
            }
            if status == Status::StreamEnd {
                return Ok(Ended::Yes);
            }
            let stuck = taken == 0 && output.len() == before.1;
            if output.len() < output.capacity() && data.is_empty() || stuck {
                debug_assert!(data.is_empty());
                return Ok(Ended::No);
            }
            room = output.len().max(MIN_ROOM);
        }
    }
}

/// Room is given in steps that double the output, from here on.
const MIN_ROOM: usize = 1024;
/// More room than this is given for output that exists, not for input that promises it.
const MAX_FIRST_ROOM: usize = 64 * 1024;

/// Whether a block said that it is the last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

fn new_stream(config: &DecompressorConfig) -> Decompress {
    let window_bits = config.window_bits.clamp(MIN_ZLIB_WINDOW_BITS, MAX_WINDOW_BITS);
    let mut stream = Decompress::new_with_window_bits(false, window_bits);
    set_dictionary(&mut stream, &config.dictionary);
    stream
}

fn set_dictionary(stream: &mut Decompress, dictionary: &[u8]) {
    if !dictionary.is_empty() {
        // A raw stream takes every dictionary.
        let done = stream.set_dictionary(dictionary).is_ok();
        debug_assert!(done);
    }
}

/// zlib's message with the lifetime that it has there. Node says "Zlib error" where zlib says nothing.
fn zlib_message(message: Option<&str>) -> &'static str {
    const MESSAGES: [&str; 11] = [
        "invalid block type",
        "invalid stored block lengths",
        "too many length or distance symbols",
        "invalid code lengths set",
        "invalid bit length repeat",
        "invalid code -- missing end-of-block",
        "invalid literal/lengths set",
        "invalid distances set",
        "invalid literal/length code",
        "invalid distance code",
        "invalid distance too far back",
    ];
    message
        .and_then(|text| MESSAGES.into_iter().find(|&known| known == text))
        .unwrap_or("Zlib error")
}
