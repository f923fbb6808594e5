//! Decompresses the payloads of messages.
//!
//! RFC 7692, section 7.2.2. One decompressor serves one direction of one connection, fragment by
//! fragment and in order.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::super::CloseCode;
use super::diagnosis::{self, zlib_message};
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
    /// Whether a message has begun and not ended.
    within_message: bool,
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
        Self { stream: new_stream(&config), config, within_message: false }
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
        mut data: &[u8],
        fin: bool,
        limit: Option<u64>,
        output: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        self.decompress_some(&mut data, fin, limit, usize::MAX, output).map(|_| ())
    }

    /// Does as [`decompress_into`](Self::decompress_into), but may pause once some `budget` bytes
    /// were produced and data is left, so that a caller can bound the time that one call takes.
    ///
    /// Returns whether all of the data is decompressed. If not, `data` is what is left of it: the
    /// next call has to go on with that, with the same `fin`, and with what is left of the limit.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decompress_some(
        &mut self,
        data: &mut &[u8],
        fin: bool,
        limit: Option<u64>,
        budget: usize,
        output: &mut Vec<u8>,
    ) -> Result<bool, InflateError> {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let bounds = Bounds {
            limit: limit.saturating_add(output.len()),
            pause: budget.saturating_add(output.len()),
        };
        let (whole, produced) = (*data, self.stream.total_out());
        let progress = match self.inflate_message(data, fin, bounds, output) {
            Ok(progress) => progress,
            Err(error) => {
                let error = self.diagnose(error, whole, produced);
                self.reset();
                return Err(error);
            }
        };
        self.within_message = !fin || progress == Progress::Paused;
        if progress == Progress::Ended || !self.within_message && self.config.no_context_takeover {
            self.reset();
        }
        Ok(progress != Progress::Paused)
    }

    /// Finds out what is wrong with `data`, where zlib-rs does not say it, `produced` being the
    /// output before.
    fn diagnose(&self, error: InflateError, data: &[u8], produced: u64) -> InflateError {
        if error != InflateError::InvalidData(diagnosis::UNKNOWN) || self.within_message {
            return error;
        }
        let window = produced.saturating_add(self.config.dictionary.len() as u64);
        InflateError::InvalidData(diagnosis::explain(data, window))
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
        self.within_message = false;
    }

    fn inflate_message(
        &mut self,
        data: &mut &[u8],
        fin: bool,
        bounds: Bounds,
        output: &mut Vec<u8>,
    ) -> Result<Progress, InflateError> {
        match self.inflate(data, bounds, output)? {
            // The tail adds no more than what zlib holds back: some codes of a few bits each.
            Progress::Consumed if fin => {
                self.inflate(&mut TAIL.as_slice(), Bounds { pause: usize::MAX, ..bounds }, output)
            }
            progress => Ok(progress),
        }
    }

    /// Inflates `data` into `output` within `bounds`.
    ///
    /// RFC 7692, section 7.2.3.4: a block may say that it is the last. What follows it in the same
    /// call is ignored, as ws does, and the next call starts a new stream.
    fn inflate(
        &mut self,
        data: &mut &[u8],
        bounds: Bounds,
        output: &mut Vec<u8>,
    ) -> Result<Progress, InflateError> {
        let mut room = data.len().saturating_mul(4).clamp(MIN_ROOM, MAX_FIRST_ROOM);
        loop {
            if output.len() == output.capacity() {
                // One byte above the limit tells an output that is as long as the limit from one
                // that is longer.
                let allowed = bounds.limit.saturating_sub(output.len()).saturating_add(1);
                output.reserve_exact(room.min(allowed));
            }

            let before = (self.stream.total_in(), output.len());
            let status = self
                .stream
                .decompress_vec(data, output, FlushDecompress::Sync)
                .map_err(|error| InflateError::InvalidData(zlib_message(error.message())))?;
            // What was taken lies in `data`, so its length is a `usize`.
            let taken = (self.stream.total_in() - before.0) as usize;
            *data = &data[taken..];

            if output.len() > bounds.limit {
                output.truncate(bounds.limit);
                return Err(InflateError::LimitExceeded);
            }
            if status == Status::StreamEnd {
                return Ok(Progress::Ended);
            }
            let stuck = taken == 0 && output.len() == before.1;
            if output.len() < output.capacity() && data.is_empty() || stuck {
                debug_assert!(data.is_empty());
                return Ok(Progress::Consumed);
            }
            if output.len() >= bounds.pause && !data.is_empty() {
                return Ok(Progress::Paused);
            }
            room = output.len().max(MIN_ROOM);
        }
    }
}

/// Room is given in steps that double the output, from here on.
const MIN_ROOM: usize = 1024;
/// More room than this is given for output that exists, not for input that promises it.
const MAX_FIRST_ROOM: usize = 64 * 1024;

/// Lengths of the output.
#[derive(Clone, Copy)]
struct Bounds {
    /// Above it there is an error.
    limit: usize,
    /// From here on decompression pauses.
    pause: usize,
}

/// Where decompression stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// At the end of the data.
    Consumed,
    /// At a block that said it is the last.
    Ended,
    /// Where enough was produced.
    Paused,
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
