//! Work for JavaScript on the engine's threads, and the one callback that takes the results.
//!
//! A promise for each piece of work would come by way of two tasks and a threadsafe function of its
//! own, which takes JavaScript as long as to inflate some 10 KiB.
#![expect(deprecated, reason = "whether the event loop waits is said by `refer` and `unref` alone")]

use std::mem;
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{Buffer, FnArgs, Function, Result, spawn_blocking};
use napi::threadsafe_function::{
    ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode,
};
use napi::{Env, Status};
use napi_derive::napi;

use super::output::hand_over;
use crate::engine::threads::pool::GATE;
use crate::lock::lock;

/// The result of work.
pub enum Outcome {
    /// The bytes of an output.
    Output(Vec<u8>),
    /// Those of several, and how long each is.
    Outputs(Vec<u8>, Vec<u32>),
    /// No output; why is kept elsewhere.
    Failed,
    /// The work panicked.
    Unfinished,
}

/// The number of the work, its bytes, the lengths of the outputs that they are if those are
/// several, and whether it was finished.
type Arguments = FnArgs<(u32, Option<Buffer>, Option<Vec<u32>>, bool)>;

type Callback = ThreadsafeFunction<(u32, Outcome), (), Arguments, Status, false>;

/// Takes the results of the work of a JavaScript thread.
#[napi]
pub struct WorkResults {
    callback: Arc<Mutex<Callback>>,
}

#[napi]
impl WorkResults {
    /// `callback` is called with the number of each piece of work that ends, with ticks and
    /// microtasks of its own after it.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "callback: (number: number, bytes: Buffer | null | undefined, lengths: number[] | null | undefined, isFinished: boolean) => void"
    )]
    pub fn new(callback: Function<'_, Arguments, ()>) -> Result<Self> {
        let callback = callback.build_threadsafe_function().build_callback(arguments)?;
        Ok(Self { callback: Arc::new(Mutex::new(callback)) })
    }

    /// Sets whether the event loop is kept alive, as it is in the beginning.
    #[napi(catch_unwind)]
    pub fn set_referenced(&self, env: &Env, is_referenced: bool) -> Result<()> {
        let mut callback = lock(&self.callback);
        if is_referenced { callback.refer(env) } else { callback.unref(env) }
    }
}

impl WorkResults {
    /// Schedules work on another thread, when the limit on those allows it.
    pub(super) fn expect(&self, number: u32, work: impl FnOnce() -> Outcome + Send + 'static) {
        let callback = Arc::clone(&self.callback);
        let report = Report { callback, number, outcome: Outcome::Unfinished };
        let job = move || report.complete(work);
        GATE.pass(Box::new(job), |job| drop(spawn_blocking(job)));
    }
}

/// Reports the result of work, also where that panicked.
struct Report {
    callback: Arc<Mutex<Callback>>,
    number: u32,
    outcome: Outcome,
}

impl Report {
    fn complete(mut self, work: impl FnOnce() -> Outcome) {
        self.outcome = work();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let outcome = mem::replace(&mut self.outcome, Outcome::Unfinished);
        // It fails where the environment is gone, and with it what would be called.
        lock(&self.callback).call((self.number, outcome), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// What JavaScript is called with.
fn arguments(context: ThreadsafeCallContext<(u32, Outcome)>) -> Result<Arguments> {
    let ThreadsafeCallContext { env, value: (number, outcome) } = context;
    let (bytes, lengths, mut is_finished) = match outcome {
        Outcome::Output(bytes) => (Some(bytes), None, true),
        Outcome::Outputs(bytes, lengths) => (Some(bytes), Some(lengths), true),
        Outcome::Failed => (None, None, true),
        Outcome::Unfinished => (None, None, false),
    };
    // What is too long for a buffer is reported as well: a promise waits for it.
    let buffer = |mut bytes| hand_over(&env, &mut bytes).and_then(|it| it.into_buffer(&env)).ok();
    let bytes = bytes.and_then(|bytes| {
        let buffer = buffer(bytes);
        is_finished = buffer.is_some();
        buffer
    });
    Ok((number, bytes, lengths, is_finished).into())
}
