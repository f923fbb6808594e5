//! Decompresses the payloads of messages.
//!
//! RFC 7692, section 7.2.2. One decompressor serves one direction of one connection, fragment by
//! fragment and in order.

use std::fmt;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};

use super::super::CloseCode;
use super::diagnosis::{self, zlib_message};
use super::pool::{Context, ContextPool, Found, Place};
use super::{MAX_WINDOW_BITS, MIN_ZLIB_WINDOW_BITS, TAIL, window};

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
    config: DecompressorConfig,
    /// zlib's state while a message is under way.
    state: Option<InflateState>,
    pool: Arc<ContextPool>,
    /// Where the state rests between messages, if the window is taken over.
    place: Option<Place<InflateState>>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Decompressor {
    /// Makes a decompressor with memory of its own: some 48 KB from the first message on. A window
    /// out of its range counts as the nearest in it.
    pub fn new(config: DecompressorConfig) -> Self {
        Self::with_pool(config, &Arc::new(ContextPool::new(usize::MAX)))
    }

    /// Makes a decompressor that shares memory with others. Between messages it has none if each
    /// starts with an empty window, and otherwise all of it or the window alone, as the pool can
    /// spare it.
    pub fn with_pool(mut config: DecompressorConfig, pool: &Arc<ContextPool>) -> Self {
        config.window_bits = config.window_bits.clamp(MIN_ZLIB_WINDOW_BITS, MAX_WINDOW_BITS);
        let place = || Place::new(pool, STATE_LENGTH);
        let place = (!config.no_context_takeover).then(place);
        Self { config, state: None, pool: Arc::clone(pool), place }
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
        let begins = self.state.is_none();
        let mut state = self.state.take().unwrap_or_else(|| self.begin());
        let (whole, history) = (*data, state.history());
        let progress = match state.inflate_message(data, fin, bounds, output) {
            Ok(progress) => progress,
            Err(error) => {
                // The state is of no use to anybody.
                self.reset();
                return Err(if begins { diagnose(error, whole, history) } else { error });
            }
        };
        match progress {
            Progress::Ended => {
                self.reset();
                state.spare(&self.pool);
            }
            Progress::Consumed if fin => self.end(state),
            Progress::Consumed | Progress::Paused => self.state = Some(state),
        }
        Ok(progress != Progress::Paused)
    }

    /// Forgets the window, as before the first message.
    pub fn reset(&mut self) {
        self.state = None;
        if let Some(place) = &self.place {
            place.clear();
        }
    }

    /// The state with which a message begins.
    fn begin(&self) -> InflateState {
        let window = match self.place.as_ref().map(Place::take) {
            Some(Found::State(state)) => return state,
            Some(Found::Remnant(window)) => Some(window),
            Some(Found::Nothing) | None => None,
        };
        let window_bits = self.config.window_bits;
        let mut state = match self.pool.decompressors.take(&window_bits) {
            Some(mut spare) => {
                spare.reset();
                spare
            }
            None => InflateState::new(window_bits),
        };
        state.set_window(window.as_ref().unwrap_or(&self.config.dictionary));
        state
    }

    /// Puts the state away when a message has ended.
    fn end(&self, state: InflateState) {
        match &self.place {
            Some(place) => place.put(state),
            None => state.spare(&self.pool),
        }
    }
}

/// Finds out what is wrong with `data`, with which a message begins, where zlib-rs does not say it;
/// `history` is how far it may refer back.
fn diagnose(error: InflateError, data: &[u8], history: u64) -> InflateError {
    if error != InflateError::InvalidData(diagnosis::UNKNOWN) {
        return error;
    }
    InflateError::InvalidData(diagnosis::explain(data, history))
}

/// Bytes that a state takes, whatever its window.
const STATE_LENGTH: usize = 48 << 10;

/// The state of zlib.
pub(super) struct InflateState {
    stream: Decompress,
    window_bits: u8,
    /// Bytes that the window was filled with.
    filled: usize,
}

impl Context for InflateState {
    /// The window.
    type Remnant = Vec<u8>;

    fn retire(mut self, pool: &ContextPool) -> Option<Vec<u8>> {
        let length = self.history().min(1 << self.window_bits) as usize;
        let window = window::read(&mut self.stream, length).filter(|window| !window.is_empty());
        self.spare(pool);
        window
    }
}

impl InflateState {
    fn new(window_bits: u8) -> Self {
        let stream = Decompress::new_with_window_bits(false, window_bits);
        Self { stream, window_bits, filled: 0 }
    }

    /// Leaves the state to whoever has a message next.
    fn spare(self, pool: &ContextPool) {
        // The others can't be reset: they would go back to the largest window.
        if self.window_bits == MAX_WINDOW_BITS {
            pool.decompressors.give(self.window_bits, self);
        }
    }

    fn reset(&mut self) {
        self.stream.reset(false);
        self.filled = 0;
    }

    /// Fills an empty window.
    fn set_window(&mut self, window: &[u8]) {
        if !window.is_empty() {
            // A raw stream takes every window.
            let done = self.stream.set_dictionary(window).is_ok();
            debug_assert!(done);
            self.filled = window.len();
        }
    }

    /// How many bytes there have been for a match to refer to.
    fn history(&self) -> u64 {
        self.stream.total_out().saturating_add(self.filled as u64)
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
