//! Decompresses the payloads of messages.
//!
//! RFC 7692, section 7.2.2. One decompressor serves one direction of one connection, fragment by
//! fragment and in order.

use std::fmt;
use std::sync::Arc;

use oxws_deflate::{Bounds, Decoder, InflateError, Output, Stop, Window};

use super::context_pool::ContextPool;
use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, TAIL};

/// How to decompress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecompressorConfig {
    /// The window as agreed, from 8 to 15. Default: 15.
    pub window_bits: u8,
    /// Whether each message starts with an empty window. Default: no.
    pub no_context_takeover: bool,
    /// What an empty window is filled with. Default: nothing.
    pub dictionary: Vec<u8>,
    /// The length of the chunks in which zlib gives its output to ws. Where they end decides which
    /// shows first, that there is too much output or that the data is invalid, and how far back a
    /// match may reach where the window is small. Default: 16 KiB.
    pub chunk_size: u32,
}

impl Default for DecompressorConfig {
    fn default() -> Self {
        Self {
            window_bits: MAX_WINDOW_BITS,
            no_context_takeover: false,
            dictionary: Vec::new(),
            chunk_size: 16 * 1024,
        }
    }
}

/// The decompressing side of permessage-deflate.
///
/// RFC 7692, section 7.1.2: no message refers to what is before the agreed window. zlib moves its
/// window after each call only; within one, a match may reach as far back as there is output. A
/// call ends where the data ends that zlib is given, and where a chunk does. It is the same here,
/// so that what ws takes is taken, and what it refuses is refused.
pub struct Decompressor {
    config: DecompressorConfig,
    /// What matches may refer to, once the stream has begun.
    window: Option<Window>,
    /// The stream's state, while it is within a block.
    decoder: Option<Box<Decoder>>,
    /// How much there is of the chunk to which the next output is added.
    filled: usize,
    /// The output of the fragment so far, while it is paused.
    produced: u64,
    /// The stream has ended, and nothing has come after it.
    has_ended: bool,
    pool: Arc<ContextPool>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Decompressor {
    /// Makes a decompressor with memory of its own: some 11 KB from the first message on, and the
    /// window. A window out of its range counts as the nearest in it.
    pub fn new(config: DecompressorConfig) -> Self {
        Self::with_pool(config, &Arc::new(ContextPool::new(usize::MAX)))
    }

    /// Makes a decompressor that shares memory with others. Between messages it has none if each
    /// starts with an empty window, and otherwise the window, as long as what was received.
    pub fn with_pool(mut config: DecompressorConfig, pool: &Arc<ContextPool>) -> Self {
        config.window_bits = config.window_bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        config.chunk_size = config.chunk_size.max(1);
        Self {
            config,
            window: None,
            decoder: None,
            filled: 0,
            produced: 0,
            has_ended: false,
            pool: Arc::clone(pool),
        }
    }

    /// Decompresses the next fragment of a message, or the whole of one.
    ///
    /// `fin` says that the message ends here. `limit` is the largest output allowed, `None` for no
    /// limit: no more than a chunk is produced above it, however much the data would become.
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
    /// As there; `output` is as it was before, then.
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
    /// next call has to go on with that, with the same `fin` and `limit`.
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
        if self.has_ended {
            // zlib takes nothing more for this stream, and ws makes another one for what comes
            // next.
            if fin || !data.is_empty() {
                self.reset();
            }
            *data = &[];
            return Ok(true);
        }
        let limit = limit.unwrap_or(u64::MAX);
        let mut stream = Stream {
            window: self.window.take().unwrap_or_else(|| self.first_window()),
            decoder: self.decoder.take().unwrap_or_else(|| self.borrow_decoder()),
        };
        let start = output.len();
        let pause = start.saturating_add(budget);
        let result = self.inflate_fragment(&mut stream, data, fin, limit, pause, output);
        match result {
            Ok(Stop::Pause) => self.keep(stream),
            Ok(stop) => {
                self.produced = 0;
                self.leave(stream, stop, !data.is_empty(), fin);
                *data = &[];
            }
            Err(_) => {
                output.truncate(start);
                self.give_back(stream.decoder);
                self.reset();
            }
        }
        result.map(|stop| stop != Stop::Pause)
    }

    /// Forgets the stream, as before the first message.
    pub fn reset(&mut self) {
        self.window = None;
        self.decoder = None;
        self.filled = 0;
        self.produced = 0;
        self.has_ended = false;
    }

    /// The window in front of a stream.
    ///
    /// RFC 7692 knows no dictionary; a caller that sets one has agreed on it elsewhere.
    fn first_window(&self) -> Window {
        let mut window = Window::default();
        window.push(&self.config.dictionary, self.window_length());
        window
    }

    fn borrow_decoder(&self) -> Box<Decoder> {
        self.pool.decompressors.take(&()).unwrap_or_else(|| Box::new(Decoder::new()))
    }

    /// Leaves the decoder to the connection that has a message next.
    fn give_back(&self, mut decoder: Box<Decoder>) {
        decoder.reset();
        self.pool.decompressors.give((), decoder);
    }

    /// Inflates `data`, and what was left out after it if the message ends there.
    ///
    /// RFC 7692, section 7.2.3.4: a block may say that it is the last. What follows it in the same
    /// fragment is ignored, as ws does.
    fn inflate_fragment(
        &mut self,
        stream: &mut Stream,
        data: &mut &[u8],
        fin: bool,
        limit: u64,
        pause: usize,
        output: &mut Vec<u8>,
    ) -> Result<Stop, InflateError> {
        let stop = self.inflate(stream, data, limit, pause, output)?;
        if stop == Stop::Pause || !fin {
            return Ok(stop);
        }
        *data = &TAIL;
        if stop == Stop::End {
            return Ok(stop);
        }
        // No data would be left to go on with: no pause.
        self.inflate(stream, data, limit, usize::MAX, output)
    }

    /// Inflates what zlib is given at a time.
    fn inflate(
        &mut self,
        stream: &mut Stream,
        data: &mut &[u8],
        limit: u64,
        pause: usize,
        output: &mut Vec<u8>,
    ) -> Result<Stop, InflateError> {
        loop {
            let end = output.len().saturating_add(self.step(limit));
            // Where the window is small, a pause within a call of zlib's would make a difference.
            let bounds =
                Bounds { end, pause: if self.has_small_window() { usize::MAX } else { pause } };
            if self.has_small_window() && self.produced > 0 {
                self.double(output, limit);
            }
            let mut call = Output::new(output, bounds);
            let stop = stream.decoder.decode(data, &stream.window, &mut call);
            let produced = call.finish();
            // Of a call that finds something wrong ws gets nothing.
            let stop = stop?;
            self.filled = (self.filled + produced.len()) % self.chunk_size();
            self.produced += produced.len() as u64;
            stream.window.push(produced, self.window_length());
            if stop == Stop::Pause && output.len() < end {
                return Ok(stop);
            }
            if self.produced > limit {
                return Err(InflateError::LimitExceeded);
            }
            if stop != Stop::Pause || output.len() >= pause && !data.is_empty() {
                return Ok(stop);
            }
        }
    }

    /// How much may be produced before the output is to be looked at: up to the end of the chunk in
    /// which there is too much for the limit, or of each chunk where the window is small.
    fn step(&self, limit: u64) -> usize {
        let chunk = self.chunk_size();
        let first = chunk - self.filled;
        if self.has_small_window() {
            return first;
        }
        let allowed = self.allowed(limit);
        match allowed.checked_sub(first) {
            Some(more) => (more / chunk + 1).saturating_mul(chunk).saturating_add(first),
            None => first,
        }
    }

    /// Makes room that is given in chunks otherwise, each time by a copy of all that there is.
    fn double(&self, output: &mut Vec<u8>, limit: u64) {
        if output.capacity() - output.len() < self.chunk_size() {
            let most = self.allowed(limit).saturating_add(self.chunk_size());
            output.reserve_exact(output.len().max(self.chunk_size()).min(most));
        }
    }

    /// How much may still be produced.
    fn allowed(&self, limit: u64) -> usize {
        usize::try_from(limit.saturating_sub(self.produced)).unwrap_or(usize::MAX)
    }

    /// Keeps what the next call needs.
    fn keep(&mut self, Stream { window, decoder }: Stream) {
        self.window = Some(window);
        if decoder.is_at_rest() {
            self.give_back(decoder);
        } else {
            self.decoder = Some(decoder);
        }
    }

    /// Ends a fragment.
    ///
    /// A peer may end a message within a block: then the next message goes on with it.
    fn leave(&mut self, stream: Stream, stop: Stop, is_followed: bool, fin: bool) {
        let is_reset = fin && self.config.no_context_takeover;
        if stop == Stop::End || is_reset {
            self.give_back(stream.decoder);
            // ws goes on with another stream of zlib once something has come after the end.
            self.has_ended = stop == Stop::End && !is_followed && !is_reset;
            if stop == Stop::End && is_followed {
                self.filled = 0;
            }
        } else {
            self.keep(stream);
        }
    }

    /// Whether there are distances beyond the window.
    const fn has_small_window(&self) -> bool {
        self.config.window_bits < MAX_WINDOW_BITS
    }

    const fn window_length(&self) -> usize {
        1 << self.config.window_bits
    }

    const fn chunk_size(&self) -> usize {
        self.config.chunk_size as usize
    }
}

/// A stream of RFC 1951 while it is worked on.
struct Stream {
    window: Window,
    decoder: Box<Decoder>,
}
