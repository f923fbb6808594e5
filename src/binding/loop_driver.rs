//! The loop driver: libuv watches the engine's readiness set and calls JavaScript when it has work.
//! While a task has the work, it wakes JavaScript through the same watch.
//!
//! libuv's functions are looked up at run time: node and Electron export them, other runtimes that
//! load Node-API addons need not. This is the one file of the crate where pointers go to C and
//! come back.
#![expect(unsafe_code, reason = "libuv and the call into JavaScript are C interfaces")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::{Arc, Mutex};

use libloading::os::unix::Library;
use napi::bindgen_prelude::{Function, JsValue, Result, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::reason;
use crate::lock::lock;

/// Of `uv_handle_type` and, the last one, of `uv_poll_event`, parts of libuv's ABI.
const UV_ASYNC: c_int = 1;
pub(super) const UV_CHECK: c_int = 2;
pub(super) const UV_IDLE: c_int = 6;
const UV_POLL: c_int = 8;
pub(super) const UV_PREPARE: c_int = 9;
const UV_READABLE: c_int = 1;
/// More than any member of a libuv handle asks for.
const HANDLE_ALIGNMENT: usize = 16;

pub(super) type Handle = *mut c_void;
type PollCallback = unsafe extern "C" fn(Handle, c_int, c_int);
pub(super) type CloseCallback = unsafe extern "C" fn(Handle);
type AsyncCallback = unsafe extern "C" fn(Handle);
/// Of the handles that are called in each turn of a loop.
type TurnCallback = unsafe extern "C" fn(Handle);

/// The functions of libuv that are needed, with the types that its header has had since 1.19.
pub(super) struct Libuv {
    async_init: unsafe extern "C" fn(*mut c_void, Handle, AsyncCallback) -> c_int,
    async_send: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) check_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) check_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) check_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) close: unsafe extern "C" fn(Handle, Option<CloseCallback>),
    pub(super) handle_set_data: unsafe extern "C" fn(Handle, *mut c_void),
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub(super) idle_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) idle_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) idle_stop: unsafe extern "C" fn(Handle) -> c_int,
    poll_init: unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int,
    poll_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) prepare_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) prepare_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) prepare_stop: unsafe extern "C" fn(Handle) -> c_int,
    reference: unsafe extern "C" fn(Handle),
    pub(super) unreference: unsafe extern "C" fn(Handle),
    version: unsafe extern "C" fn() -> c_uint,
}

impl Libuv {
    /// Looks the functions up in the running program; `None` where one is missing.
    pub(super) fn find() -> Option<Self> {
        let program = Library::this();
        // SAFETY: the types are those of libuv's header. The program is never unloaded, so the
        // functions outlive the symbols that they are copied from.
        unsafe {
            Some(Self {
                async_init: *program.get(b"uv_async_init\0").ok()?,
                async_send: *program.get(b"uv_async_send\0").ok()?,
                check_init: *program.get(b"uv_check_init\0").ok()?,
                check_start: *program.get(b"uv_check_start\0").ok()?,
                check_stop: *program.get(b"uv_check_stop\0").ok()?,
                close: *program.get(b"uv_close\0").ok()?,
                handle_set_data: *program.get(b"uv_handle_set_data\0").ok()?,
                handle_size: *program.get(b"uv_handle_size\0").ok()?,
                idle_init: *program.get(b"uv_idle_init\0").ok()?,
                idle_start: *program.get(b"uv_idle_start\0").ok()?,
                idle_stop: *program.get(b"uv_idle_stop\0").ok()?,
                poll_init: *program.get(b"uv_poll_init\0").ok()?,
                poll_start: *program.get(b"uv_poll_start\0").ok()?,
                poll_stop: *program.get(b"uv_poll_stop\0").ok()?,
                prepare_init: *program.get(b"uv_prepare_init\0").ok()?,
                prepare_start: *program.get(b"uv_prepare_start\0").ok()?,
                prepare_stop: *program.get(b"uv_prepare_stop\0").ok()?,
                reference: *program.get(b"uv_ref\0").ok()?,
                unreference: *program.get(b"uv_unref\0").ok()?,
                version: *program.get(b"uv_version\0").ok()?,
            })
        }
    }

    /// Whether this libuv takes what has come along with a reset to be followed by an end: before
    /// version 1.52.
    pub(super) fn ends_at_hang_up(&self) -> bool {
        // SAFETY: the function only returns a number.
        let version = unsafe { (self.version)() };
        version < (1 << 16 | 52 << 8)
    }
}

/// What the C side holds on to: from `start` until libuv has closed the handle.
struct Watch {
    libuv: Libuv,
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

/// Memory of a handle.
#[derive(Clone, Copy)]
pub(super) struct Allocated {
    pub(super) handle: Handle,
    pub(super) layout: Layout,
}

/// Has libuv call JavaScript soon; for any thread.
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

/// Has libuv call JavaScript while a descriptor is readable.
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
        let Some(poll) = allocate(&libuv, UV_POLL) else { return Ok(None) };
        let Some(wake) = allocate(&libuv, UV_ASYNC) else { return Ok(None) };
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

/// Allocates a handle of a kind, of the size that this libuv wants.
pub(super) fn allocate(libuv: &Libuv, kind: c_int) -> Option<Allocated> {
    // SAFETY: the function takes any number.
    let size = unsafe { (libuv.handle_size)(kind) };
    let layout = Layout::from_size_align(size.max(1), HANDLE_ALIGNMENT).ok()?;
    // SAFETY: the size is not zero.
    let handle = unsafe { alloc_zeroed(layout) };
    (!handle.is_null()).then_some(Allocated { handle: handle.cast(), layout })
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

pub(super) fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(reason("the environment is closing")) }
}

/// Called by libuv while the descriptor is readable.
unsafe extern "C" fn on_readable(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: the data of the handle is its watch, which lives until the handle is closed; the
    // callback runs on the environment's thread.
    unsafe {
        let Some(libuv) = Libuv::get_data(handle) else { return };
        (*libuv).callback.call();
    }
}

/// Called by libuv after a task asked for it.
unsafe extern "C" fn on_woken(handle: Handle) {
    // SAFETY: as for `on_readable`; the data is set in the turn of the loop in which the handle is
    // made.
    unsafe {
        let Some(watch) = Libuv::get_data(handle) else { return };
        (*watch).callback.call();
    }
}

impl Libuv {
    /// The watch of a handle.
    ///
    /// # Safety
    ///
    /// - `handle` is one that `connect` set the data of.
    unsafe fn get_data(handle: Handle) -> Option<*const Watch> {
        // SAFETY: `uv_handle_t` begins with its `data` member, which `uv_handle_set_data` sets.
        let watch = unsafe { *handle.cast::<*const Watch>() };
        (!watch.is_null()).then_some(watch)
    }
}

/// A function of JavaScript's, for callbacks of libuv.
pub(super) struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Callback {
    /// Holds a function.
    ///
    /// # Errors
    ///
    /// If the environment refuses it.
    pub(super) fn new(env: &Env, function: &Function<'_, (), ()>) -> Result<Self> {
        let env = env.raw();
        let mut this = Self { env, function: ptr::null_mut(), context: ptr::null_mut() };
        // SAFETY: the pointers are of this environment and of `this`.
        unsafe {
            check(sys::napi_create_reference(env, function.raw(), 1, &mut this.function))?;
            let mut name = ptr::null_mut();
            check(sys::napi_create_string_utf8(env, c"OXWS".as_ptr(), 4, &mut name))?;
            check(sys::napi_async_init(env, ptr::null_mut(), name, &mut this.context))?;
        }
        Ok(this)
    }

    /// Calls it as Node calls JavaScript after any I/O: ticks and microtasks run after it, what it
    /// throws is an uncaught exception.
    ///
    /// # Safety
    ///
    /// - This is the thread of the environment, which has not ended.
    pub(super) unsafe fn call(&self) {
        // SAFETY: see above; each value is used inside of the scope that it was made in.
        unsafe {
            let Self { env, function, context } = *self;
            let mut scope = ptr::null_mut();
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            let (mut callee, mut global) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_get_reference_value(env, function, &mut callee);
            sys::napi_get_global(env, &mut global);
            let nothing = ptr::null_mut();
            let status =
                sys::napi_make_callback(env, context, global, callee, 0, ptr::null(), nothing);
            if status == sys::Status::napi_pending_exception {
                let mut exception = ptr::null_mut();
                sys::napi_get_and_clear_last_exception(env, &mut exception);
                sys::napi_fatal_exception(env, exception);
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

/// Has an exception that JavaScript has caught be an uncaught one, at once. Behind that Node has
/// forgotten in which asynchronous contexts it was, as it does for an exception that nobody
/// catches.
#[napi(catch_unwind)]
pub fn throw_uncaught(env: &Env, exception: Unknown<'_>) {
    // SAFETY: the value is of this environment, whose thread this is.
    unsafe { sys::napi_fatal_exception(env.raw(), exception.raw()) };
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
    // SAFETY: the watch was boxed in `start`; nobody else uses it after the close of both handles.
    unsafe {
        let Some(watch) = Libuv::get_data(handle) else { return };
        let watch = watch.cast_mut();
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
