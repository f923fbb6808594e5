//! The engine for JavaScript: one call takes what has arrived, one call hands over what is to go.

pub mod connection;
pub mod flush;
pub mod poll;
pub mod timers;

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{
    External, Function, Result, spawn, spawn_blocking, within_runtime_if_available,
};
use napi_derive::napi;

use super::frame::next_key;
use super::libuv::Libuv;
use super::loop_driver::{LoopDriver, wait_in_task};
#[cfg(debug_assertions)]
use crate::engine::Fault;
use crate::engine::threads::pool::{GATE, work_threads};
use crate::engine::{
    ConnectionEvent, Reactor, SharedReactor, TopicCommand, WriteBatch, set_hang_up_is_end,
};
use crate::javascript::records::Payloads;
use crate::protocol::ProtocolError;
use crate::protocol::deflate::InflateError;

/// The sockets of one environment, and what drives them.
pub struct Engine {
    reactor: Arc<SharedReactor>,
    driver: LoopDriver,
    /// Whether there is a task for the tokio driver.
    has_task: bool,
    /// Whether the tokio driver has the work.
    is_tasked: bool,
    payloads: Payloads,
    violations: Vec<ProtocolError>,
    inflate_errors: Vec<InflateError>,
    /// What a connection had read that is being closed.
    drained: std::vec::IntoIter<ConnectionEvent>,
    /// What the latest flush wrote, kept for its memory.
    batch: WriteBatch,
    /// What the next flush publishes, and which connections have subscribed to what.
    topics: Vec<TopicCommand>,
}

/// Makes an engine whose work is done in `dispatch`, one of `count` of this thread; nothing where
/// there is no libuv.
#[napi(catch_unwind)]
pub fn create_engine(
    env: &Env,
    dispatch: Function<'_, (), ()>,
    count: u32,
) -> Result<Option<External<Engine>>> {
    let Ok(mut reactor) = Reactor::new() else { return Ok(None) };
    set_hang_up_is_end(Libuv::find().is_none_or(|libuv| libuv.ends_at_hang_up()));
    let spawner = |job| GATE.pass(job, |job| drop(spawn_blocking(job)));
    reactor.set_spawner(Arc::new(spawner), work_threads());
    reactor.set_work_limit(|| GATE.limit(), count as usize);
    // libuv tells as long as there is something.
    reactor.set_guessing(true);
    let Ok(descriptor) = reactor.as_fd().try_clone_to_owned() else { return Ok(None) };
    let Some(driver) = LoopDriver::start(env, descriptor, &dispatch)? else { return Ok(None) };
    let waker = driver.waker();
    let engine = Engine {
        reactor: SharedReactor::new(reactor, Box::new(move || waker.wake()), || next_key().ok()),
        driver,
        has_task: false,
        is_tasked: false,
        payloads: Payloads::default(),
        violations: Vec::new(),
        inflate_errors: Vec::new(),
        drained: Vec::new().into_iter(),
        batch: WriteBatch::default(),
        topics: Vec::new(),
    };
    Ok(Some(External::new(engine)))
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The task may have the reactor for longer than there is Node's thread.
        self.reactor.with(Reactor::close_secure);
        self.reactor.end();
    }
}

/// Has the tokio driver, or the loop driver, do the work from now on; whether it does.
///
/// What is sent has to be flushed at once before. What the loop driver finds isn't announced.
#[napi(catch_unwind)]
pub fn set_tokio_driver(engine: &mut External<Engine>, tokio: bool) -> bool {
    engine.has_task = engine.has_task || tokio && start_task(&engine.reactor);
    if tokio && !engine.has_task {
        return false;
    }
    if !engine.reactor.set_tasked(tokio) {
        return false;
    }
    engine.is_tasked = tokio;
    engine.driver.set_watching(!tokio);
    true
}

/// Starts the task of the tokio driver; whether that worked.
fn start_task(reactor: &Arc<SharedReactor>) -> bool {
    let descriptor = reactor.with(|reactor| reactor.as_fd().try_clone_to_owned());
    let Ok(descriptor) = descriptor else { return false };
    let readiness = within_runtime_if_available(|| wait_in_task(descriptor));
    let Ok(readiness) = readiness else { return false };
    spawn(Arc::clone(reactor).drive(readiness));
    true
}

/// Sets whether the engine keeps the event loop alive.
#[napi(catch_unwind)]
pub fn set_engine_referenced(engine: &External<Engine>, referenced: bool) {
    engine.driver.set_referenced(referenced);
}

/// Does work that no event announces, where the tokio driver would do it.
#[napi(catch_unwind)]
pub fn serve_engine(engine: &External<Engine>) {
    if engine.is_tasked {
        engine.reactor.serve();
    }
}

/// Whether there is work that the descriptor will not announce. If not, all that was taken has been
/// handed out, and what was sent for it has been flushed.
#[napi(catch_unwind)]
pub fn has_ready(engine: &External<Engine>) -> bool {
    let has_ready = engine.reactor.has_ready();
    if engine.is_tasked && !has_ready {
        engine.reactor.settle();
    }
    has_ready
}

/// Makes the engine panic: while the connection receives (0) or writes (1), the reactor looks who
/// is ready (2), the task has its turn (3).
#[cfg(debug_assertions)]
#[napi(catch_unwind, skip_typescript)]
pub fn inject_fault(engine: &External<Engine>, id: u32, place: u32) {
    let fault = match place {
        0 => Fault::Receive,
        1 => Fault::Write,
        2 => Fault::Reactor,
        _ => Fault::Task,
    };
    engine.reactor.with(|reactor| reactor.inject(id, fault));
}
