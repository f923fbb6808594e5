//! libuv: its functions, which are looked up at run time, since node and Electron export them, and
//! other runtimes that load Node-API addons need not; and the memory of its handles.
#![expect(unsafe_code, reason = "libuv is a C interface")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::alloc::{Layout, alloc_zeroed};
use std::ffi::{c_int, c_uint, c_void};
use std::sync::OnceLock;

use libloading::os::unix::Library;

/// Of `uv_handle_type` and, the last one, of `uv_poll_event`, parts of libuv's ABI.
pub(super) const UV_ASYNC: c_int = 1;
pub(super) const UV_CHECK: c_int = 2;
pub(super) const UV_IDLE: c_int = 6;
pub(super) const UV_POLL: c_int = 8;
pub(super) const UV_PREPARE: c_int = 9;
pub(super) const UV_READABLE: c_int = 1;
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
    pub(super) async_init: unsafe extern "C" fn(*mut c_void, Handle, AsyncCallback) -> c_int,
    pub(super) async_send: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) check_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) check_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) check_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) close: unsafe extern "C" fn(Handle, Option<CloseCallback>),
    pub(super) handle_set_data: unsafe extern "C" fn(Handle, *mut c_void),
    pub(super) handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub(super) idle_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) idle_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) idle_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) poll_init: unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int,
    pub(super) poll_start: unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int,
    pub(super) poll_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) prepare_init: unsafe extern "C" fn(*mut c_void, Handle) -> c_int,
    pub(super) prepare_start: unsafe extern "C" fn(Handle, TurnCallback) -> c_int,
    pub(super) prepare_stop: unsafe extern "C" fn(Handle) -> c_int,
    pub(super) reference: unsafe extern "C" fn(Handle),
    pub(super) unreference: unsafe extern "C" fn(Handle),
    pub(super) version: unsafe extern "C" fn() -> c_uint,
}

impl Libuv {
    /// Finds the functions in the running program, once; `None` where one is missing.
    pub(super) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Libuv>> = OnceLock::new();
        FOUND.get_or_init(Self::look_up).as_ref()
    }

    fn look_up() -> Option<Self> {
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

/// Memory of a handle.
#[derive(Clone, Copy)]
pub(super) struct Allocated {
    pub(super) handle: Handle,
    pub(super) layout: Layout,
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

/// The data of a handle, which `uv_handle_set_data` has set.
///
/// # Safety
///
/// - `handle` is initialised, and its data was set to a `T`.
pub(super) unsafe fn data<T>(handle: Handle) -> *mut T {
    // SAFETY: `uv_handle_t` begins with its `data` member.
    unsafe { *handle.cast::<*mut T>() }
}
