//! The loop driver: libuv watches the engine's readiness set and calls JavaScript when it has work.
//! While a task has the work, it wakes JavaScript through the same watch.
#![expect(unsafe_code, reason = "libuv is a C interface")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::alloc::dealloc;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{Function, Result};
use napi::{Env, sys};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::callback::{Callback, check};
use super::libuv::{Allocated, Handle, Libuv, UV_ASYNC, UV_POLL, UV_READABLE, allocate, data};
use crate::lock::lock;

/// What the C side holds on to: from `start` until libuv has closed the handle.
struct Watch {
    libuv: &'static Libuv,
    /// Tells when the readiness set is readable.
    poll: Allocated,
    /// Tells when a task has something.
    wake: Allocated,
    waker: Arc<Waker>,
    /// How many of the two libuv still has.
    open_handles: usize,
    callback: Callback,
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// The readiness set under a descriptor of the watch's own: libuv needs it until the close.
    _watched: OwnedFd,
}

/// Calls JavaScript soon, by way of libuv; for any thread.
pub struct Waker {
    /// The handle, until it is closed.
    handle: Mutex<Option<Handle>>,
    send: unsafe extern "C" fn(Handle) -> c_int,
}

// SAFETY: `uv_async_send` may be called on any thread while the handle is open, which the lock sees
// to.
unsafe impl Send for Waker {}
// SAFETY: as above.
unsafe impl Sync for Waker {}

impl Waker {
    /// Does so. Several calls before JavaScript runs are one.
    pub fn wake(&self) {
        let handle = lock(&self.handle);
        if let Some(handle) = *handle {
            // SAFETY: the handle is taken out, under the lock, before it is closed.
            unsafe { (self.send)(handle) };
        }
    }
}

/// Calls JavaScript, by way of libuv, while a descriptor is readable.
///
/// Invariant: `watch` is valid while JavaScript can run in the environment. It goes in the
/// environment's cleanup, after which nothing calls the methods any more.
pub struct LoopDriver {
    watch: *const Watch,
    waker: Arc<Waker>,
}

impl LoopDriver {
    /// Starts to watch `descriptor`; `dispatch` is called in a turn of the event loop of its own,
    /// with everything that follows a callback of Node. `None` where there is no libuv.
    ///
    /// The watch does not keep the event loop alive until it is asked to.
    ///
    /// # Errors
    ///
    /// If the environment refuses the callback.
    pub fn start(
        env: &Env,
        descriptor: OwnedFd,
        dispatch: &Function<'_, (), ()>,
    ) -> Result<Option<Self>> {
        let Some(libuv) = Libuv::find() else { return Ok(None) };
        let Ok(event_loop) = env.get_uv_event_loop() else { return Ok(None) };
        let Some(poll) = allocate(libuv, UV_POLL) else { return Ok(None) };
        let Some(wake) = allocate(libuv, UV_ASYNC) else { return Ok(None) };
        let event_loop = event_loop.cast();
        // SAFETY: `poll` has the size that libuv asks for, the loop is the environment's.
        let status = unsafe { (libuv.poll_init)(event_loop, poll.handle, descriptor.as_raw_fd()) };
        if status != 0 {
            // SAFETY: libuv did not take the handles, whose layouts these are.
            unsafe {
                dealloc(poll.handle.cast(), poll.layout);
                dealloc(wake.handle.cast(), wake.layout);
            }
            return Ok(None);
        }
        // It asks for a descriptor that every event loop has already, and cannot fail after that.
        // SAFETY: as above.
        unsafe { (libuv.async_init)(event_loop, wake.handle, on_woken) };
        let waker =
            Arc::new(Waker { handle: Mutex::new(Some(wake.handle)), send: libuv.async_send });
        let watch = Box::into_raw(Box::new(Watch {
            libuv,
            poll,
            wake,
            waker: Arc::clone(&waker),
            open_handles: 2,
            callback: Callback::new(env, dispatch)?,
            cleanup: ptr::null_mut(),
            _watched: descriptor,
        }));
        // SAFETY: `watch` was made above, and nothing else knows it yet.
        unsafe { connect(env, watch)? };
        Ok(Some(Self { watch, waker }))
    }

    /// What wakes JavaScript from any thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Sets whether the readiness set is watched.
    pub fn set_watching(&self, watching: bool) {
        // SAFETY: see the invariant of the type.
        unsafe {
            let Watch { libuv, poll, .. } = &*self.watch;
            if watching {
                (libuv.poll_start)(poll.handle, UV_READABLE, on_readable);
            } else {
                (libuv.poll_stop)(poll.handle);
            }
        }
    }

    /// Sets whether the watch keeps the event loop alive.
    pub fn set_referenced(&self, referenced: bool) {
        // SAFETY: see the invariant of the type.
        unsafe {
            // The one that is always active.
            let Watch { libuv, wake, .. } = &*self.watch;
            let change = if referenced { libuv.reference } else { libuv.unreference };
            change(wake.handle);
        }
    }
}

/// Gives a watch its way into JavaScript and starts it.
///
/// # Safety
///
/// - `watch` comes from `Box::into_raw`, its handles were initialised and not started.
unsafe fn connect(env: &Env, watch: *mut Watch) -> Result<()> {
    // SAFETY: the pointers are of this environment and of `watch`, which lives on.
    unsafe {
        let raw = env.raw();
        let this = &mut *watch;
        let hook = Some(clean_up as unsafe extern "C" fn(_, _));
        check(sys::napi_add_async_cleanup_hook(raw, hook, watch.cast(), &mut this.cleanup))?;
        for Allocated { handle, .. } in [this.poll, this.wake] {
            (this.libuv.handle_set_data)(handle, watch.cast());
            (this.libuv.unreference)(handle);
        }
        (this.libuv.poll_start)(this.poll.handle, UV_READABLE, on_readable);
    }
    Ok(())
}

/// Called by libuv while the descriptor is readable.
unsafe extern "C" fn on_readable(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: the data of the handle is its watch, which lives until the handle is closed; the
    // callback runs on the environment's thread.
    unsafe {
        (*data::<Watch>(handle)).callback.call();
    }
}

/// Called by libuv after a task asked for it.
unsafe extern "C" fn on_woken(handle: Handle) {
    // SAFETY: as for `on_readable`; the data is set in the turn of the loop in which the handle is
    // made.
    unsafe {
        (*data::<Watch>(handle)).callback.call();
    }
}

/// Called when the environment ends: libuv gives handles back only in a turn of the loop.
unsafe extern "C" fn clean_up(_hook: sys::napi_async_cleanup_hook_handle, watch: *mut c_void) {
    // SAFETY: the hook was added with this watch, and is called once.
    unsafe {
        let watch = &*watch.cast::<Watch>();
        *lock(&watch.waker.handle) = None;
        // The watch may be gone with the last of these calls.
        let (close, poll, wake) = (watch.libuv.close, watch.poll.handle, watch.wake.handle);
        close(poll, Some(on_closed));
        close(wake, Some(on_closed));
    }
}

/// Called by libuv when it is done with a handle.
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: the watch was boxed in `start`; nothing else uses it after the close of both
    // handles.
    unsafe {
        let watch = data::<Watch>(handle);
        (*watch).open_handles -= 1;
        if (*watch).open_handles > 0 {
            return;
        }
        let watch = Box::from_raw(watch);
        sys::napi_remove_async_cleanup_hook(watch.cleanup);
        for Allocated { handle, layout } in [watch.poll, watch.wake] {
            dealloc(handle.cast(), layout);
        }
    }
}

/// Borrows a descriptor that JavaScript names by its number.
///
/// # Safety
///
/// - The descriptor is open for as long as `'a`.
pub unsafe fn borrow_descriptor<'a>(number: RawFd) -> Option<BorrowedFd<'a>> {
    // SAFETY: the caller vouches for it; -1 is what the type excludes.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Gives a descriptor that can be read to tasks that wait for that. To be called on the runtime.
///
/// # Errors
///
/// The runtime can't watch it.
pub fn wait_in_task(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: what is given is owned, and stays as it is until it is dropped.
    unsafe { Ok(AsyncFd::register_with_interest(descriptor, Interest::READABLE)?) }
}
