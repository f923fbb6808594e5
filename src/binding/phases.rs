//! Two phases of a turn of the event loop: what libuv calls back for the end of a socket, and when.
//! A socket of the engine ends in the same order with other events as one of libuv.
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
use super::error::reason;
use super::libuv::{Allocated, Handle, Libuv, UV_CHECK, UV_IDLE, UV_PREPARE, allocate, data};

/// What the C side holds on to, until libuv has closed the handles.
struct Loop {
    libuv: &'static Libuv,
    event_loop: *mut c_void,
    /// The first one is called before libuv asks the kernel, and has it not wait; the second one
    /// after that.
    before: Allocated,
    after: Allocated,
    /// Never does anything but close, and is initialised anew then.
    closing: Allocated,
    on_pending: Callback,
    on_closing: Callback,
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// The handle for the closing phase is being closed.
    is_closing: Cell<bool>,
    /// The environment ends.
    is_ending: Cell<bool>,
    /// How many handles libuv still has.
    open_handles: Cell<u8>,
}

/// Calls JavaScript in phases of a turn of libuv's loop.
///
/// Invariant: `of` is valid while JavaScript can run in the environment.
pub struct Phases {
    of: *const Loop,
}

/// Makes what calls `on_pending` where libuv calls back for what was done at once, such as a
/// shutdown, and `on_closing` where it does for closed handles, each when that is asked for.
/// Nothing where there is no libuv.
#[napi(catch_unwind)]
pub fn create_phases(
    env: &Env,
    on_pending: Function<'_, (), ()>,
    on_closing: Function<'_, (), ()>,
) -> Result<Option<External<Phases>>> {
    let Some(libuv) = Libuv::find() else { return Ok(None) };
    let Ok(event_loop) = env.get_uv_event_loop() else { return Ok(None) };
    let allocate = |kind| allocate(libuv, kind).ok_or_else(|| reason("no memory for a handle"));
    let (before, after, closing) = (allocate(UV_IDLE)?, allocate(UV_CHECK)?, allocate(UV_PREPARE)?);
    let of = Box::into_raw(Box::new(Loop {
        libuv,
        event_loop: event_loop.cast(),
        before,
        after,
        closing,
        on_pending: Callback::new(env, &on_pending)?,
        on_closing: Callback::new(env, &on_closing)?,
        cleanup: ptr::null_mut(),
        is_closing: Cell::new(false),
        is_ending: Cell::new(false),
        open_handles: Cell::new(3),
    }));
    // SAFETY: `of` was made above and nothing else knows it yet; the handles have the sizes that
    // libuv asks for, the loop is the environment's.
    unsafe {
        let hook = Some(clean_up as unsafe extern "C" fn(_, _));
        let cleanup = &mut (*of).cleanup;
        check(sys::napi_add_async_cleanup_hook(env.raw(), hook, of.cast(), cleanup))?;
        let Loop { libuv, event_loop, .. } = &*of;
        (libuv.idle_init)(*event_loop, before.handle);
        (libuv.check_init)(*event_loop, after.handle);
        for Allocated { handle, .. } in [before, after] {
            (libuv.handle_set_data)(handle, of.cast());
        }
        (*of).open();
    }
    Ok(Some(External::new(Phases { of })))
}

/// Asks for the callback of what is done at once. Until then the event loop stays alive.
#[napi(catch_unwind)]
pub fn await_pending(phases: &External<Phases>) {
    // SAFETY: see the invariant of the type; the handles are not closed while JavaScript can run.
    unsafe {
        let Loop { libuv, before, after, .. } = &*phases.of;
        (libuv.idle_start)(before.handle, on_pending);
        (libuv.check_start)(after.handle, on_pending);
    }
}

/// Asks for the callback of closed handles, in this turn or, where those are being called already,
/// in the next one. Until then the event loop stays alive.
#[napi(catch_unwind)]
pub fn await_closing(phases: &External<Phases>) {
    // SAFETY: see the invariant of the type.
    unsafe { (*phases.of).close() };
}

impl Loop {
    /// Initialises the handle for the closing phase.
    ///
    /// # Safety
    ///
    /// - The handle is closed, or was never initialised; this is the thread of the loop.
    unsafe fn open(&self) {
        let Self { libuv, event_loop, closing, .. } = self;
        // SAFETY: the handle has the size that libuv asks for, and libuv doesn't use it.
        unsafe {
            (libuv.prepare_init)(*event_loop, closing.handle);
            (libuv.handle_set_data)(closing.handle, ptr::from_ref(self).cast_mut().cast());
        }
    }

    /// Closes that handle, if that isn't happening.
    ///
    /// # Safety
    ///
    /// - The loop has not ended; this is its thread.
    unsafe fn close(&self) {
        if !self.is_closing.replace(true) {
            // SAFETY: the handle is initialised, and not being closed.
            unsafe { (self.libuv.close)(self.closing.handle, Some(on_closed)) };
        }
    }
}

/// Called by libuv before or after it has asked the kernel, whichever comes first.
unsafe extern "C" fn on_pending(handle: Handle) {
    // SAFETY: the handle is not closed; the callback runs on the environment's thread.
    unsafe {
        let Loop { libuv, before, after, on_pending, .. } = &*data::<Loop>(handle);
        (libuv.idle_stop)(before.handle);
        (libuv.check_stop)(after.handle);
        on_pending.call();
    }
}

/// Called by libuv when it is done with a handle.
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: what was boxed isn't used any more when the last of its handles is closed; the
    // callback runs on the environment's thread.
    unsafe {
        let of = data::<Loop>(handle);
        if !(*of).is_ending.get() {
            (*of).open();
            (*of).is_closing.set(false);
            (*of).on_closing.call();
            return;
        }
        let open_handles = (*of).open_handles.get() - 1;
        (*of).open_handles.set(open_handles);
        if open_handles > 0 {
            return;
        }
        let of = Box::from_raw(of);
        sys::napi_remove_async_cleanup_hook(of.cleanup);
        for Allocated { handle, layout } in [of.before, of.after, of.closing] {
            dealloc(handle.cast(), layout);
        }
    }
}

/// Called when the environment ends: libuv gives handles back only in a turn of the loop.
unsafe extern "C" fn clean_up(_hook: sys::napi_async_cleanup_hook_handle, of: *mut c_void) {
    // SAFETY: the hook was added with this pointer, and is called once; nothing is freed before
    // libuv turns.
    unsafe {
        let of = &*of.cast::<Loop>();
        of.is_ending.set(true);
        (of.libuv.close)(of.before.handle, Some(on_closed));
        (of.libuv.close)(of.after.handle, Some(on_closed));
        of.close();
    }
}
