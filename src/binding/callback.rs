//! Calls into JavaScript from a callback of libuv.
#![expect(unsafe_code, reason = "the call into JavaScript is a C interface")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::ptr;

use napi::bindgen_prelude::{Function, JsValue, Result, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

use super::error::reason;

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

/// Makes an exception that JavaScript has caught an uncaught one, at once. After that Node has
/// forgotten in which asynchronous contexts it was, as it does for any uncaught exception.
#[napi(catch_unwind)]
pub fn throw_uncaught(env: &Env, exception: Unknown<'_>) {
    // SAFETY: the value is of this environment, whose thread this is.
    unsafe { sys::napi_fatal_exception(env.raw(), exception.raw()) };
}

pub(super) fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(reason("the environment is closing")) }
}
