//! Decompresses the payloads of messages.
//!
//! RFC 7692, section 7.2.2. One decompressor serves one direction of one connection, fragment by
//! fragment and in order.

use std::fmt;
use std::sync::Arc;

use oxws_deflate::{Bounds, Decoder, InflateError, Output, Stop, Window};

use super::context_pool::ContextPool;
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

/// The decompressing side of permessage-deflate.
pub struct Decompressor {
    config: DecompressorConfig,
    /// What matches may refer to, once the stream has begun.
    window: Option<Window>,
    /// The stream's state, while it is within a block.
    decoder: Option<Box<Decoder>>,
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
        config.window_bits = config.window_bits.clamp(MIN_ZLIB_WINDOW_BITS, MAX_WINDOW_BITS);
        Self { config, window: None, decoder: None, pool: Arc::clone(pool) }
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
        let window = self.window.take().unwrap_or_else(|| self.first_window());
        let mut decoder = self.decoder.take().unwrap_or_else(|| self.borrow_decoder());

        let mut output = Output::new(output, bounds);
        let stop = inflate_fragment(&mut decoder, data, fin, &window, &mut output);
        // That there is too much says more than what is wrong behind it.
        let produced = output.finish();
        match produced.and_then(|produced| Ok((stop?, produced))) {
            Ok((stop, produced)) => {
                self.leave(decoder, window, stop, fin, produced);
                Ok(stop != Stop::Pause)
            }
            Err(error) => {
                self.give_back(decoder);
                Err(error)
            }
        }
    }

    /// Forgets the window, as before the first message.
    pub fn reset(&mut self) {
        self.window = None;
        self.decoder = None;
    }

    /// The window in front of a stream.
    ///
    /// RFC 7692 knows no dictionary; whoever sets one has agreed on it elsewhere.
    fn first_window(&self) -> Window {
        let mut window = Window::default();
        window.push(&self.config.dictionary, self.window_length());
        window
    }

    fn borrow_decoder(&self) -> Box<Decoder> {
        self.pool.decompressors.take(&()).unwrap_or_else(|| Box::new(Decoder::new()))
    }

    /// Leaves the decoder to whoever has a message next.
    fn give_back(&self, mut decoder: Box<Decoder>) {
        decoder.reset();
        self.pool.decompressors.give((), decoder);
    }

    /// Keeps what the next call needs.
    ///
    /// A peer may end a message within a block: then the next message goes on with it.
    fn leave(
        &mut self,
        decoder: Box<Decoder>,
        mut window: Window,
        stop: Stop,
        fin: bool,
        produced: &[u8],
    ) {
        let is_over = fin && stop == Stop::Input;
        if stop == Stop::End || is_over && self.config.no_context_takeover {
            self.give_back(decoder);
            return;
        }
        // RFC 7692, section 7.1.2: no message refers to what is before the agreed window. Within a message
        // zlib can't tell either, and nothing can be referred to beyond the largest.
        window.push(produced, if is_over { self.window_length() } else { 1 << MAX_WINDOW_BITS });
        self.window = Some(window);
        if decoder.is_at_rest() {
            self.give_back(decoder);
        } else {
            self.decoder = Some(decoder);
        }
    }

    const fn window_length(&self) -> usize {
        1 << self.config.window_bits
    }
}

/// Inflates `data`, and what was left out behind it if the message ends there.
///
/// RFC 7692, section 7.2.3.4: a block may say that it is the last. What follows it in the same call is
/// ignored, as ws does, and the next call starts a new stream.
fn inflate_fragment(
    decoder: &mut Decoder,
    data: &mut &[u8],
    fin: bool,
    window: &Window,
    output: &mut Output<'_>,
) -> Result<Stop, InflateError> {
    match decoder.decode(data, window, output)? {
        Stop::Input if fin => {
            // No data would be left to go on with.
            output.finish_without_pause();
            decoder.decode(&mut TAIL.as_slice(), window, output)
        }
        stop => Ok(stop),
    }
}
