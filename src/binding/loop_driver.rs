//! The loop driver: libuv watches the engine's readiness set and calls JavaScript when it has work.
//!
//! libuv's functions are looked up at run time: node and Electron export them, other runtimes that
//! load Node-API addons need not. This is the one file of the crate where pointers go to C and
//! come back.
#![expect(unsafe_code, reason = "libuv and the call into JavaScript are C interfaces")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use libloading::os::unix::Library;
use napi::bindgen_prelude::{Function, JsValue, Result};
use napi::{Env, sys};

use super::error::reason;

/// `UV_POLL` of `uv_handle_type` and `UV_READABLE` of `uv_poll_event`, parts of libuv's ABI.
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;
/// More than any member of a libuv handle asks for.
const HANDLE_ALIGNMENT: usize = 16;

type Handle = *mut c_void;
type PollCallback = unsafe extern "C" fn(Handle, c_int, c_int);
type CloseCallback = unsafe extern "C" fn(Handle);

/// The functions of libuv that are needed, with the types that its header has had since 1.19.
struct Libuv {
    close: unsafe extern "C" fn(Handle, Option<CloseCallback>),
    handle_set_data: unsafe extern "C" fn(Handle, *mut c_void),
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    poll_init: unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int,
    reference: unsafe extern "C" fn(Handle),
    unreference: unsafe extern "C" fn(Handle),
}

impl Libuv {
    /// Looks the functions up in the running program; `None` where one is missing.
    fn find() -> Option<Self> {
        let program = Library::this();
        // SAFETY: the types are those of libuv's header. The program is never unloaded, so the
        // functions outlive the symbols that they are copied from.
        unsafe {
            Some(Self {
                close: *program.get(b"uv_close\0").ok()?,
                handle_set_data: *program.get(b"uv_handle_set_data\0").ok()?,
                handle_size: *program.get(b"uv_handle_size\0").ok()?,
                poll_init: *program.get(b"uv_poll_init\0").ok()?,
                poll_start: *program.get(b"uv_poll_start\0").ok()?,
                reference: *program.get(b"uv_ref\0").ok()?,
                unreference: *program.get(b"uv_unref\0").ok()?,
            })
        }
    }
}

/// What the C side holds on to: from `start` until libuv has closed the handle.
struct Watch {
    libuv: Libuv,
    handle: Handle,
    layout: Layout,
    env: sys::napi_env,
    dispatch: sys::napi_ref,
    context: sys::napi_async_context,
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// The readiness set under a descriptor of the watch's own: libuv needs it until the close.
    _watched: OwnedFd,
}

/// Has libuv call JavaScript while a descriptor is readable.
///
/// Invariant: `watch` is valid while JavaScript can run in the environment. It goes in the
/// environment's cleanup, after which nothing calls the methods any more.
pub struct LoopDriver {
    watch: *const Watch,
}

impl LoopDriver {
    /// Starts to watch `descriptor`; `dispatch` is called in a turn of the event loop of its own,
    /// with everything that follows a callback of Node. `None` where there is no libuv.
    ///
    /// The watch does not keep the event loop alive until it is told to.
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
        let Some((handle, layout)) = allocate(&libuv) else { return Ok(None) };
        // SAFETY: `handle` has the size that libuv asks for, the loop is the environment's.
        let status =
            unsafe { (libuv.poll_init)(event_loop.cast(), handle, descriptor.as_raw_fd()) };
        if status != 0 {
            // SAFETY: libuv did not take the handle, whose layout this is.
            unsafe { dealloc(handle.cast(), layout) };
            return Ok(None);
        }
        let watch = Box::into_raw(Box::new(Watch {
            libuv,
            handle,
            layout,
            env: env.raw(),
            dispatch: ptr::null_mut(),
            context: ptr::null_mut(),
            cleanup: ptr::null_mut(),
            _watched: descriptor,
        }));
        // SAFETY: `watch` was made above, and nothing else knows it yet.
        unsafe { connect(env, watch, dispatch)? };
        Ok(Some(Self { watch }))
    }

    /// Sets whether the watch keeps the event loop alive.
    pub fn set_referenced(&self, referenced: bool) {
        // SAFETY: see the invariant of the type.
        unsafe {
            let Watch { libuv, handle, .. } = &*self.watch;
            if referenced { (libuv.reference)(*handle) } else { (libuv.unreference)(*handle) }
        }
    }
}

/// Allocates a handle of the size that this libuv wants.
fn allocate(libuv: &Libuv) -> Option<(Handle, Layout)> {
    // SAFETY: the function takes any number.
    let size = unsafe { (libuv.handle_size)(UV_POLL) };
    let layout = Layout::from_size_align(size.max(1), HANDLE_ALIGNMENT).ok()?;
    // SAFETY: the size is not zero.
    let handle = unsafe { alloc_zeroed(layout) };
    (!handle.is_null()).then_some((handle.cast(), layout))
}

/// Gives a watch its way into JavaScript and starts it.
///
/// # Safety
///
/// - `watch` comes from `Box::into_raw`, its handle was initialised and not started.
unsafe fn connect(env: &Env, watch: *mut Watch, dispatch: &Function<'_, (), ()>) -> Result<()> {
    // SAFETY: the pointers are of this environment and of `watch`, which lives on.
    unsafe {
        let raw = env.raw();
        let this = &mut *watch;
        check(sys::napi_create_reference(raw, dispatch.raw(), 1, &mut this.dispatch))?;
        let mut name = ptr::null_mut();
        check(sys::napi_create_string_utf8(raw, c"OXWS".as_ptr(), 4, &mut name))?;
        check(sys::napi_async_init(raw, ptr::null_mut(), name, &mut this.context))?;
        let hook = Some(clean_up as unsafe extern "C" fn(_, _));
        check(sys::napi_add_async_cleanup_hook(raw, hook, watch.cast(), &mut this.cleanup))?;
        (this.libuv.handle_set_data)(this.handle, watch.cast());
        (this.libuv.poll_start)(this.handle, UV_READABLE, on_readable);
        (this.libuv.unreference)(this.handle);
    }
    Ok(())
}

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(reason("the environment is closing")) }
}

/// Called by libuv while the descriptor is readable.
unsafe extern "C" fn on_readable(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: the data of the handle is its watch, which lives until the handle is closed; the
    // callback runs on the environment's thread.
    unsafe {
        let Some(libuv) = Libuv::get_data(handle) else { return };
        call_dispatch(&*libuv);
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

/// Calls JavaScript as Node calls it after any I/O: ticks and microtasks run behind it, what it
/// throws is an uncaught exception.
///
/// # Safety
///
/// - `watch` is connected, and this is the thread of its environment.
unsafe fn call_dispatch(watch: &Watch) {
    // SAFETY: see above; each value is used inside of the scope that it was made in.
    unsafe {
        let env = watch.env;
        let mut scope = ptr::null_mut();
        if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
            return;
        }
        let (mut dispatch, mut global) = (ptr::null_mut(), ptr::null_mut());
        sys::napi_get_reference_value(env, watch.dispatch, &mut dispatch);
        sys::napi_get_global(env, &mut global);
        let status = sys::napi_make_callback(
            env,
            watch.context,
            global,
            dispatch,
            0,
            ptr::null(),
            ptr::null_mut(),
        );
        if status == sys::Status::napi_pending_exception {
            let mut exception = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &mut exception);
            sys::napi_fatal_exception(env, exception);
        }
        sys::napi_close_handle_scope(env, scope);
    }
}

/// Called when the environment ends: libuv gives handles back only in a turn of the loop.
unsafe extern "C" fn clean_up(_hook: sys::napi_async_cleanup_hook_handle, watch: *mut c_void) {
    // SAFETY: the hook was added with this watch, and is called once.
    unsafe {
        let watch = &*watch.cast::<Watch>();
        (watch.libuv.close)(watch.handle, Some(on_closed));
    }
}

/// Called by libuv when it is done with the handle.
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: the watch was boxed in `start`; nobody else uses it after the close.
    unsafe {
        let Some(watch) = Libuv::get_data(handle) else { return };
        let watch = Box::from_raw(watch.cast_mut());
        sys::napi_remove_async_cleanup_hook(watch.cleanup);
        dealloc(watch.handle.cast(), watch.layout);
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
