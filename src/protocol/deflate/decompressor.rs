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
        let place = || Place::new(pool);
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
        let mut state = match self.pool.decompressors.take(&()) {
            Some(mut spare) => {
                spare.reset();
                spare
            }
            None => InflateState::new(),
        };
        let dictionary = &self.config.dictionary;
        let hidden = dictionary.len().saturating_sub(self.window_length());
        state.set_window(window.as_deref().unwrap_or_else(|| &dictionary[hidden..]));
        state
    }

    /// Puts the state away when a message has ended.
    fn end(&self, mut state: InflateState) {
        match &self.place {
            Some(place) => {
                state.trim(self.window_length());
                place.put(state);
            }
            None => state.spare(&self.pool),
        }
    }

    const fn window_length(&self) -> usize {
        1 << self.config.window_bits
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

/// Bytes that a state takes.
const STATE_LENGTH: usize = 48 << 10;

/// The state of zlib. Its window is the largest always: zlib-rs knows no other.
pub(super) struct InflateState {
    stream: Decompress,
    /// Bytes that the window was filled with.
    filled: usize,
}

impl Context for InflateState {
    /// The window.
    type Remnant = Vec<u8>;

    fn memory(&self) -> usize {
        STATE_LENGTH
    }

    fn retire(mut self, pool: &ContextPool) -> Option<Vec<u8>> {
        let window = self.window(1 << MAX_WINDOW_BITS).filter(|window| !window.is_empty());
        self.spare(pool);
        window
    }
}

impl InflateState {
    fn new() -> Self {
        let stream = Decompress::new_with_window_bits(false, MAX_WINDOW_BITS);
        Self { stream, filled: 0 }
    }

    /// Leaves the state to whoever has a message next.
    fn spare(self, pool: &ContextPool) {
        pool.decompressors.give((), self);
    }

    /// Forgets what is before the latest `length` bytes, which are the window as agreed.
    ///
    /// RFC 7692, section 7.1.2: no message refers to it. Within a message zlib can't tell either. Beyond
    /// the largest window nothing can be referred to (RFC 1951, section 3.2.5).
    fn trim(&mut self, length: usize) {
        if length < 1 << MAX_WINDOW_BITS && self.history() > length as u64 {
            let window = self.window(length);
            self.reset();
            self.set_window(window.as_deref().unwrap_or_default());
        }
    }

    /// Reads out the latest `length` bytes, or as many as there are. The state is of no use then,
    /// until it's reset.
    fn window(&mut self, length: usize) -> Option<Vec<u8>> {
        let length = usize::try_from(self.history()).map_or(length, |history| history.min(length));
        window::read(&mut self.stream, length)
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
            let result = self.stream.decompress_vec(data, output, FlushDecompress::Sync);
            let exceeds = output.len() > bounds.limit;
            output.truncate(bounds.limit);
            let status =
                result.map_err(|error| InflateError::InvalidData(zlib_message(error.message())))?;
            // What was taken lies in `data`, so its length is a `usize`.
            let taken = (self.stream.total_in() - before.0) as usize;
            *data = &data[taken..];

            if exceeds {
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
