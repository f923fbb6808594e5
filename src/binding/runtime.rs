//! The one runtime of the process: what has been read from the environment of its threads.

use std::env;
use std::sync::LazyLock;

use napi::bindgen_prelude::create_custom_tokio_runtime;
use napi_derive::{module_init, napi};

use crate::engine::threads::pool;

/// How many threads poll tasks. The same in the whole process, which has one runtime.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| pool::task_threads(env::var("OXWS_THREADS").ok().as_deref()));

/// Gives napi the engine's runtime for its tasks and threads, so that there is one.
#[module_init]
fn provide_runtime() {
    // Without it napi makes a runtime of its own.
    if let Ok(runtime) = pool::new_runtime(*THREADS) {
        create_custom_tokio_runtime(runtime);
    }
}

/// How many engines are of use on the tokio driver: one for each of its threads.
#[napi(catch_unwind)]
pub fn engine_threads() -> u32 {
    *THREADS as u32
}
