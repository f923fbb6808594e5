//! The heartbeats of connections, for JavaScript, which says how much time has passed.

use napi::bindgen_prelude::{BufferSlice, External, Uint32Array};
use napi_derive::napi;

use super::Engine;
use crate::engine::{self, Heartbeat};

/// Of a connection that `turnTimers` gives: it is to be given up. Of the others something waits.
#[napi]
pub const TIMER_EXPIRED: u32 = 0x8000_0000;

/// What the payload of each ping begins with: three bytes as a number. The last one counts pings.
#[napi(catch_unwind)]
pub fn heartbeat_mark() -> u32 {
    engine::heartbeat_mark()
}

/// Gives a connection a heartbeat.
#[napi(catch_unwind)]
pub fn watch_connection(engine: &mut External<Engine>, id: u32, interval_ms: u32, timeout_ms: u32) {
    let heartbeat = Heartbeat { interval_ms, timeout_ms };
    engine.reactor.with(|reactor| reactor.watch(id, heartbeat));
}

/// Takes the heartbeat from a connection.
#[napi(catch_unwind)]
pub fn unwatch_connection(engine: &mut External<Engine>, id: u32) {
    engine.reactor.with(|reactor| reactor.unwatch(id));
}

/// Whether a pong answers a ping of the heartbeat, of a connection in raw mode.
#[napi(catch_unwind)]
pub fn note_pong(engine: &mut External<Engine>, id: u32, payload: BufferSlice<'_>) -> bool {
    engine.reactor.update(id, |connection| connection.note_pong(&payload)).unwrap_or(false)
}

/// Milliseconds between the latest ping that was answered and its answer; nothing before.
#[napi(catch_unwind)]
pub fn latency_of(engine: &External<Engine>, id: u32) -> Option<f64> {
    let latency = engine.reactor.with(|reactor| reactor.latency_us(id));
    latency.map(|latency| f64::from(latency) / 1000.0)
}

/// Lets time pass, and sends the pings that are due. Gives the connections that are to be given
/// up, with `TIMER_EXPIRED`, and those of which something waits; nothing where there are none.
#[napi(catch_unwind)]
pub fn turn_timers(engine: &mut External<Engine>, elapsed_ms: u32) -> Option<Uint32Array> {
    let (mut expired, mut waiting) = (Vec::new(), Vec::new());
    engine.reactor.turn_timers(u64::from(elapsed_ms), &mut expired, &mut waiting);
    waiting.extend(expired.into_iter().map(|id| id | TIMER_EXPIRED));
    (!waiting.is_empty()).then(|| Uint32Array::new(waiting))
}
