//! Compression for JavaScript: each operation on the calling thread, or on the engine's threads.
//!
//! One operation of an object at a time: `lib/` starts the next when the one before has ended.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex};

use napi::Env;
use napi::bindgen_prelude::{Buffer, BufferSlice, Result};
use napi_derive::napi;

use super::error::reason;
use super::output::{fitted, hand_over};
use super::work::{Outcome, WorkResults};
use crate::engine::compression::contexts::contexts;
use crate::engine::compression::direction::{Deflation, Shared, new_inflation};
use crate::engine::threads::pool;
use crate::javascript;
use crate::lock::lock;
use crate::protocol::deflate::{
    CompressorConfig, Decompressor, DecompressorConfig, EncoderChoice, InflateError, Strategy,
};

thread_local! {
    /// Where outputs grow. What is handed over is taken from here, what is copied stays.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The state that a thread of the engine may be working on, until it is freed.
type State<T> = Option<Shared<T>>;

fn get<T>(state: &State<T>) -> Result<&Shared<T>> {
    state.as_ref().ok_or_else(|| reason("used after it was freed"))
}

/// Sets how many bytes all that takes windows over may keep between messages.
#[napi(catch_unwind)]
pub fn set_context_memory_limit(bytes: f64) {
    // As a cast does: what is too large counts as the largest.
    contexts().set_limit(bytes as usize);
}

/// How to compress, checked by `lib/`.
#[napi(object, object_to_js = false)]
pub struct DeflateOptions {
    /// From 0 to 9, or -1.
    pub level: i32,
    /// From 1 to 9.
    pub mem_level: u32,
    /// zlib's number.
    pub strategy: u32,
    /// From 8 to 15.
    pub window_bits: u32,
    /// Whether each message starts with an empty window.
    pub no_context_takeover: bool,
    /// What an empty window is filled with.
    pub dictionary: Option<Buffer>,
    /// Whether zlib-rs compresses at every level.
    pub uses_zlib: bool,
}

fn narrow(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn dictionary(dictionary: Option<Buffer>) -> Vec<u8> {
    dictionary.map(|dictionary| dictionary.to_vec()).unwrap_or_default()
}

impl From<DeflateOptions> for CompressorConfig {
    fn from(options: DeflateOptions) -> Self {
        Self {
            level: options.level,
            mem_level: narrow(options.mem_level),
            strategy: match options.strategy {
                1 => Strategy::Filtered,
                2 => Strategy::HuffmanOnly,
                3 => Strategy::Rle,
                4 => Strategy::Fixed,
                _ => Strategy::Default,
            },
            window_bits: narrow(options.window_bits),
            no_context_takeover: options.no_context_takeover,
            dictionary: dictionary(options.dictionary),
            encoder: if options.uses_zlib { EncoderChoice::Zlib } else { EncoderChoice::Own },
        }
    }
}

/// The compressing side of one connection.
#[napi]
pub struct Deflater {
    compressor: State<Deflation>,
}

impl Deflater {
    /// The side that an engine drives as well.
    #[cfg(unix)]
    pub(super) const fn of(compressor: Shared<Deflation>) -> Self {
        Self { compressor: Some(compressor) }
    }

    /// What an engine may drive as well.
    #[cfg(unix)]
    pub(super) fn shared(&self) -> Option<Shared<Deflation>> {
        self.compressor.clone()
    }
}

#[napi]
impl Deflater {
    /// Takes memory from the first message on, growing up to some 260 KB (380 KB at once above
    /// level 6), and between messages if the window is taken over and the limit allows it.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: DeflateOptions) -> Result<Self> {
        let compressor =
            Deflation::new(options.into()).map_err(|error| reason(error.to_string()))?;
        Ok(Self { compressor: Some(compressor) })
    }

    /// Compresses a fragment of a message; `fin` says that it is the last.
    #[napi(catch_unwind)]
    pub fn deflate<'env>(
        &self,
        env: &'env Env,
        data: BufferSlice<'_>,
        fin: bool,
    ) -> Result<BufferSlice<'env>> {
        let mut compressor = lock(get(&self.compressor)?);
        SCRATCH.with_borrow_mut(|output| {
            output.clear();
            compressor.compress_into(&data, fin, output);
            hand_over(env, output)
        })
    }

    /// Does as `deflate` on another thread; `results` hears of it by `number`. `data` is copied.
    #[napi(catch_unwind)]
    pub fn deflate_apart(
        &self,
        results: &WorkResults,
        number: u32,
        data: BufferSlice<'_>,
        fin: bool,
    ) -> Result<()> {
        let data = data.to_vec();
        let compressor = Arc::clone(get(&self.compressor)?);
        results.expect(number, move || {
            let mut output = Vec::new();
            lock(&compressor).compress_into(&data, fin, &mut output);
            Outcome::Output(fitted(output))
        });
        Ok(())
    }

    /// Gives the memory back; an operation on another thread does so when it ends.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.compressor = None;
    }
}

/// A compression that waits for a run.
struct Waiting {
    compressor: Shared<Deflation>,
    data: Vec<u8>,
    fin: bool,
}

/// The outputs of a run, one after the other.
#[napi(object, object_from_js = false)]
pub struct Deflated {
    /// All of them.
    pub bytes: Buffer,
    /// How long each is.
    pub lengths: Vec<u32>,
}

/// Compressions that wait for a run.
#[napi]
#[derive(Default)]
pub struct DeflationQueue {
    waiting: Vec<Waiting>,
}

#[napi]
impl DeflationQueue {
    /// An empty one.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a compression of a fragment; `fin` says that it is the last. `data` is copied.
    #[napi(catch_unwind)]
    pub fn push(&mut self, deflater: &Deflater, data: BufferSlice<'_>, fin: bool) -> Result<()> {
        let compressor = Arc::clone(get(&deflater.compressor)?);
        self.waiting.push(Waiting { compressor, data: data.to_vec(), fin });
        Ok(())
    }

    /// Compresses all that waits, on this thread.
    #[napi(catch_unwind)]
    pub fn run(&mut self, env: &Env) -> Result<Deflated> {
        let (mut bytes, lengths) = deflate_all(&mem::take(&mut self.waiting));
        Ok(Deflated { bytes: hand_over(env, &mut bytes)?.into_buffer(env)?, lengths })
    }

    /// Does as `run` on another thread: one way there and back for all of them.
    #[napi(catch_unwind)]
    pub fn run_apart(&mut self, results: &WorkResults, number: u32) {
        let waiting = mem::take(&mut self.waiting);
        results.expect(number, move || {
            let (bytes, lengths) = deflate_all(&waiting);
            Outcome::Outputs(bytes, lengths)
        });
    }
}

fn deflate_all(deflations: &[Waiting]) -> (Vec<u8>, Vec<u32>) {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::with_capacity(deflations.len()));
    for Waiting { compressor, data, fin } in deflations {
        let start = bytes.len();
        lock(compressor).compress_into(data, *fin, &mut bytes);
        lengths.push((bytes.len() - start) as u32);
    }
    (fitted(bytes), lengths)
}

/// Bounds how many pieces of work other threads have at a time, 0 for any number.
#[napi(catch_unwind)]
pub fn set_concurrency_limit(limit: u32) {
    pool::GATE.set_limit(limit as usize);
}

/// Why data can't be inflated.
#[napi(object, object_from_js = false)]
pub struct InflateFailure {
    /// The message of the error.
    pub message: String,
    /// Its `code`.
    pub code: &'static str,
    /// Its `errno`, if zlib it was that failed.
    pub errno: Option<i32>,
    /// The close code with which the connection fails.
    pub close_code: u32,
}

impl From<InflateError> for InflateFailure {
    fn from(error: InflateError) -> Self {
        let javascript::InflateFailure { message, code, errno, close_code } = error.into();
        Self { message, code, errno, close_code: close_code.into() }
    }
}

/// How to decompress, checked by `lib/`.
#[napi(object, object_to_js = false)]
pub struct InflateOptions {
    /// From 8 to 15.
    pub window_bits: u32,
    /// Whether each message starts with an empty window.
    pub no_context_takeover: bool,
    /// What an empty window is filled with.
    pub dictionary: Option<Buffer>,
    /// The length of the chunks in which a stream of zlib gives its output.
    pub chunk_size: f64,
}

impl From<InflateOptions> for DecompressorConfig {
    fn from(options: InflateOptions) -> Self {
        Self {
            window_bits: narrow(options.window_bits),
            no_context_takeover: options.no_context_takeover,
            dictionary: dictionary(options.dictionary),
            // As a cast does: what is too large counts as the largest.
            chunk_size: options.chunk_size as u32,
        }
    }
}

/// The result of the latest operation.
#[derive(Default)]
struct Latest {
    error: Option<InflateError>,
    paused: Option<Paused>,
}

/// An operation that used its budget up.
struct Paused {
    data: Vec<u8>,
    fin: bool,
    limit: Option<u64>,
    output: Vec<u8>,
}

impl Paused {
    /// Inflates on from where the operation is; `None` if that fails.
    fn complete(mut self, state: &Shared<Decompressor>, latest: &Mutex<Latest>) -> Option<Vec<u8>> {
        let Self { data, fin, limit, output } = &mut self;
        let mut rest = data.as_slice();
        let result = lock(state).decompress_some(&mut rest, *fin, *limit, usize::MAX, output);
        match result {
            Ok(_) => Some(fitted(self.output)),
            Err(error) => {
                lock(latest).error = Some(error);
                None
            }
        }
    }
}

/// The decompressing side of one connection.
///
/// An operation gives the output, or null: then `failure` says why, or, if it is null as well, the
/// output is longer than may be produced at once and `resume` gives the whole of it.
#[napi]
pub struct Inflater {
    state: State<Decompressor>,
    latest: Arc<Mutex<Latest>>,
}

impl Inflater {
    /// The side that an engine drives as well.
    #[cfg(unix)]
    pub(super) fn of(state: Shared<Decompressor>) -> Self {
        Self { state: Some(state), latest: Arc::default() }
    }

    /// What an engine may drive as well.
    #[cfg(unix)]
    pub(super) fn shared(&self) -> Option<Shared<Decompressor>> {
        self.state.clone()
    }
}

#[napi]
impl Inflater {
    /// Takes memory from the first message on: between messages the window, while one is under way
    /// some 11 KB more.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: InflateOptions) -> Self {
        Self { state: Some(new_inflation(options.into())), latest: Arc::default() }
    }

    /// Decompresses a fragment of a message; `fin` says that it is the last. The output may have
    /// `limit` bytes, or any number if that is 0, and is produced up to some `budget` bytes.
    #[napi(catch_unwind)]
    pub fn inflate<'env>(
        &self,
        env: &'env Env,
        data: BufferSlice<'_>,
        fin: bool,
        limit: u32,
        budget: u32,
    ) -> Result<Option<BufferSlice<'env>>> {
        let limit = (limit > 0).then_some(u64::from(limit));
        let mut state = lock(get(&self.state)?);
        SCRATCH.with_borrow_mut(|output| {
            output.clear();
            let mut rest: &[u8] = &data;
            let budget = budget as usize;
            match state.decompress_some(&mut rest, fin, limit, budget, output) {
                Ok(true) => hand_over(env, output).map(Some),
                Ok(false) => {
                    let (data, output) = (rest.to_vec(), mem::take(output));
                    lock(&self.latest).paused = Some(Paused { data, fin, limit, output });
                    Ok(None)
                }
                Err(error) => {
                    lock(&self.latest).error = Some(error);
                    // It may have grown up to the limit.
                    *output = Vec::new();
                    Ok(None)
                }
            }
        })
    }

    /// Does as `inflate`, without a budget, on another thread; `results` hears of it by `number`.
    /// `data` is copied.
    #[napi(catch_unwind)]
    pub fn inflate_apart(
        &self,
        results: &WorkResults,
        number: u32,
        data: BufferSlice<'_>,
        fin: bool,
        limit: u32,
    ) -> Result<()> {
        let limit = (limit > 0).then_some(u64::from(limit));
        let operation = Paused { data: data.to_vec(), fin, limit, output: Vec::new() };
        self.complete(results, number, Some(operation))
    }

    /// Goes on, on another thread, with an `inflate` that used its budget up.
    #[napi(catch_unwind)]
    pub fn resume_apart(&self, results: &WorkResults, number: u32) -> Result<()> {
        let operation = lock(&self.latest).paused.take();
        self.complete(results, number, operation)
    }

    /// Why the latest operation gave null.
    #[napi(catch_unwind)]
    pub fn failure(&self) -> Option<InflateFailure> {
        lock(&self.latest).error.take().map(InflateFailure::from)
    }

    /// Gives the memory back; an operation on another thread does so when it ends.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.state = None;
    }

    fn complete(
        &self,
        results: &WorkResults,
        number: u32,
        operation: Option<Paused>,
    ) -> Result<()> {
        let operation = operation.ok_or_else(|| reason("nothing to resume"))?;
        let (state, latest) = (Arc::clone(get(&self.state)?), Arc::clone(&self.latest));
        results.expect(number, move || {
            operation.complete(&state, &latest).map_or(Outcome::Failed, Outcome::Output)
        });
        Ok(())
    }
}
