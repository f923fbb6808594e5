//! The end of a turn of the event loop, before libuv waits: what several ticks of it have sent may
//! leave together then.
#![expect(unsafe_code, reason = "libuv is a C interface")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::alloc::dealloc;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{External, Function, Result};
use napi::{Env, sys};
use napi_derive::napi;

use super::callback::{Callback, check};
use super::libuv::{Allocated, Handle, Libuv, UV_PREPARE, allocate, data};

/// What the C side holds on to, until libuv has closed the handle.
struct Turn {
    libuv: &'static Libuv,
    prepare: Allocated,
    callback: Callback,
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// The callback, or what follows it, is running: the turn's handles are being called.
    is_ending: Cell<bool>,
}

/// Calls JavaScript at the end of a turn of libuv's loop.
///
/// Invariant: `turn` is valid while JavaScript can run in the environment.
pub struct TurnEnd {
    turn: *const Turn,
}

/// Makes what calls `callback` at the end of each turn in which that is asked for; nothing where
/// there is no libuv.
#[napi(catch_unwind)]
pub fn create_turn_end(
    env: &Env,
    callback: Function<'_, (), ()>,
) -> Result<Option<External<TurnEnd>>> {
    let Some(libuv) = Libuv::find() else { return Ok(None) };
    let Ok(event_loop) = env.get_uv_event_loop() else { return Ok(None) };
    let Some(prepare) = allocate(libuv, UV_PREPARE) else { return Ok(None) };
    let turn = Box::into_raw(Box::new(Turn {
        libuv,
        prepare,
        callback: Callback::new(env, &callback)?,
        cleanup: ptr::null_mut(),
        is_ending: Cell::new(false),
    }));
    // SAFETY: `turn` was made above and nothing else knows it yet; the handle has the size that
    // libuv asks for, the loop is the environment's.
    unsafe {
        let hook = Some(clean_up as unsafe extern "C" fn(_, _));
        check(sys::napi_add_async_cleanup_hook(
            env.raw(),
            hook,
            turn.cast(),
            &mut (*turn).cleanup,
        ))?;
        let Turn { libuv, .. } = &*turn;
        (libuv.prepare_init)(event_loop.cast(), prepare.handle);
        (libuv.handle_set_data)(prepare.handle, turn.cast());
    }
    Ok(Some(External::new(TurnEnd { turn })))
}

/// Asks for the callback at the end of this turn, which then comes although nothing else keeps the
/// loop alive: frames for a stream in memory may wait for it. `false` where it is ending already:
/// the next time comes after libuv has waited.
#[napi(catch_unwind)]
pub fn await_turn_end(turn_end: &External<TurnEnd>) -> bool {
    // SAFETY: see the invariant of the type.
    let Turn { libuv, prepare, is_ending, .. } = unsafe { &*turn_end.turn };
    // SAFETY: the handle is initialised, and not closed while JavaScript can run.
    !is_ending.get() && unsafe { (libuv.prepare_start)(prepare.handle, on_turn_end) } == 0
}

/// Called by libuv before it waits.
unsafe extern "C" fn on_turn_end(handle: Handle) {
    // SAFETY: the data of the handle, with which `uv_handle_t` begins, is its turn, which lives
    // until the handle is closed; the callback runs on the environment's thread.
    unsafe {
        let turn = &*data::<Turn>(handle);
        (turn.libuv.prepare_stop)(handle);
        turn.is_ending.set(true);
        turn.callback.call();
        turn.is_ending.set(false);
    }
}

/// Called when the environment ends: libuv gives handles back only in a turn of the loop.
unsafe extern "C" fn clean_up(_hook: sys::napi_async_cleanup_hook_handle, turn: *mut c_void) {
    // SAFETY: the hook was added with this turn, and is called once.
    unsafe {
        let turn = &*turn.cast::<Turn>();
        (turn.libuv.close)(turn.prepare.handle, Some(on_closed));
    }
}

/// Called by libuv when it is done with a handle.
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: the turn was boxed when it was made; nothing else uses it after the close.
    unsafe {
        let turn = Box::from_raw(data::<Turn>(handle));
        sys::napi_remove_async_cleanup_hook(turn.cleanup);
        dealloc(handle.cast(), turn.prepare.layout);
    }
}
