//! Node's own OpenSSL, which goes on with a TLS connection that Node has opened.
//!
//! Its functions are looked up at run time: node exports them. Each `SSL` that is made in the
//! process from [`prepare`] on is known here by its address, which a callback of OpenSSL gives, and
//! distinguished from the others by what its handshake ended with. [`Candidate::take`] puts a BIO
//! of ours in the place of Node's two. doc/decisions/0010 says what this relies on.
//!
//! This is the one file that calls OpenSSL. An `SSL` is used on the thread that made it, and no
//! call of ours makes OpenSSL call into JavaScript: what Node has set to do so is taken away, or
//! belongs to the handshake.
#![expect(unsafe_code, reason = "OpenSSL is a C interface")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "a sequence of C calls is one operation")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use std::fmt;
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libloading::os::unix::Library;

use crate::engine::{Next, Opened, Session};

/// `SSL`, `BIO`, `BIO_METHOD`: what OpenSSL hands out.
type Object = *mut c_void;
type ReadFunction = unsafe extern "C" fn(Object, *mut c_char, c_int) -> c_int;
type WriteFunction = unsafe extern "C" fn(Object, *const c_char, c_int) -> c_int;
type ControlFunction = unsafe extern "C" fn(Object, c_int, c_long, *mut c_void) -> c_long;
type NewFunction = unsafe extern "C" fn(Object, Object, Object, c_int, c_long, *mut c_void);
type FreeFunction = unsafe extern "C" fn(Object, Object, Object, c_int, c_long, *mut c_void);
type DuplicateFunction =
    unsafe extern "C" fn(Object, Object, *mut Object, c_int, c_long, *mut c_void) -> c_int;
type PrintFunction = unsafe extern "C" fn(*const c_char, usize, *mut c_void) -> c_int;

/// Numbers of OpenSSL's headers.
const OPENSSL_MAJOR: c_ulong = 3;
const CRYPTO_EX_INDEX_SSL: c_int = 0;
const BIO_TYPE_SOURCE_SINK: c_int = 0x400;
const BIO_FLAGS_READ: c_int = 1;
const BIO_FLAGS_RETRIES: c_int = 0xf;
const BIO_FLAGS_SHOULD_RETRY: c_int = 8;
const BIO_CTRL_PENDING: c_int = 10;
const BIO_CTRL_FLUSH: c_int = 11;
const SSL_ERROR_SSL: c_int = 1;
const SSL_ERROR_WANT_READ: c_int = 2;
const SSL_ERROR_SYSCALL: c_int = 5;
const SSL_ERROR_ZERO_RETURN: c_int = 6;
const SSL_OP_NO_RENEGOTIATION: u64 = 1 << 30;
/// TLS 1.2 and 1.3.
const VERSIONS: RangeInclusive<c_int> = 0x303..=0x304;
/// The longest `Finished`, `EVP_MAX_MD_SIZE`.
const MAX_FINISHED: usize = 64;

/// Declares functions of OpenSSL and how they are found.
macro_rules! functions {
    ($($name:ident($($parameter:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of OpenSSL that are needed, with the types that its headers have had since
        /// 3.0.
        #[expect(non_snake_case, reason = "the names are OpenSSL's")]
        struct Openssl { $($name: unsafe extern "C" fn($($parameter),*) $(-> $result)?),* }

        impl Openssl {
            /// Looks the functions up in the running program; `None` where one is missing.
            fn find() -> Option<Self> {
                let program = Library::this();
                Some(Self { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    #[cfg(debug_assertions)]
                    if is_hidden(stringify!($name)) {
                        return None;
                    }
                    // SAFETY: the type is that of OpenSSL's header. The program and what it is
                    // linked with are never unloaded, so the function outlives the symbol that it
                    // is copied from.
                    unsafe { *program.get(name.as_bytes()).ok()? }
                }),* })
            }

            /// The functions by their names.
            fn addresses(&self) -> Vec<(&'static str, *const c_void)> {
                vec![$((stringify!($name), self.$name as *const c_void)),*]
            }
        }
    };
}

functions! {
    BIO_clear_flags(Object, c_int);
    BIO_ctrl(Object, c_int, c_long, *mut c_void) -> c_long;
    BIO_free(Object) -> c_int;
    BIO_get_new_index() -> c_int;
    BIO_meth_new(c_int, *const c_char) -> Object;
    BIO_meth_set_ctrl(Object, ControlFunction) -> c_int;
    BIO_meth_set_read(Object, ReadFunction) -> c_int;
    BIO_meth_set_write(Object, WriteFunction) -> c_int;
    BIO_new(Object) -> Object;
    BIO_number_read(Object) -> u64;
    BIO_number_written(Object) -> u64;
    BIO_read(Object, *mut c_void, c_int) -> c_int;
    BIO_set_flags(Object, c_int);
    BIO_up_ref(Object) -> c_int;
    CRYPTO_get_ex_new_index(
        c_int, c_long, *mut c_void, NewFunction, DuplicateFunction, FreeFunction
    ) -> c_int;
    CRYPTO_set_ex_data(Object, c_int, *mut c_void) -> c_int;
    ERR_clear_error();
    ERR_lib_error_string(c_ulong) -> *const c_char;
    ERR_peek_error() -> c_ulong;
    ERR_print_errors_cb(PrintFunction, *mut c_void);
    ERR_reason_error_string(c_ulong) -> *const c_char;
    OpenSSL_version(c_int) -> *const c_char;
    OpenSSL_version_num() -> c_ulong;
    SSL_CTX_get_keylog_callback(Object) -> *mut c_void;
    SSL_CTX_set_keylog_callback(Object, *mut c_void);
    SSL_free(Object);
    SSL_get_SSL_CTX(Object) -> Object;
    SSL_get_error(Object, c_int) -> c_int;
    SSL_get_finished(Object, *mut c_void, usize) -> usize;
    SSL_get_peer_finished(Object, *mut c_void, usize) -> usize;
    SSL_get_rbio(Object) -> Object;
    SSL_get_shutdown(Object) -> c_int;
    SSL_get_wbio(Object) -> Object;
    SSL_is_init_finished(Object) -> c_int;
    SSL_is_server(Object) -> c_int;
    SSL_pending(Object) -> c_int;
    SSL_read(Object, *mut c_void, c_int) -> c_int;
    SSL_renegotiate_pending(Object) -> c_int;
    SSL_set0_rbio(Object, Object);
    SSL_set0_wbio(Object, Object);
    SSL_set_info_callback(Object, *mut c_void);
    SSL_set_options(Object, u64) -> u64;
    SSL_shutdown(Object) -> c_int;
    SSL_up_ref(Object) -> c_int;
    SSL_version(Object) -> c_int;
    SSL_write(Object, *const c_void, c_int) -> c_int;
}

/// OpenSSL, and what of it is ours.
struct Ready {
    openssl: Openssl,
    /// The kind of our BIOs.
    method: Object,
}

// SAFETY: the method is written once, before it is shared.
unsafe impl Send for Ready {}
// SAFETY: as above.
unsafe impl Sync for Ready {}

/// Nothing where this OpenSSL isn't one that can be used.
static READY: OnceLock<Option<Ready>> = OnceLock::new();

/// An `SSL` that was made since.
struct Known {
    ssl: Object,
    /// The thread that has made it.
    thread: u64,
    /// Node's two BIOs, to which its own object points as long as the `SSL` lives.
    kept: [Object; 2],
}

// SAFETY: what is in there is used on its thread only, or when OpenSSL frees the `SSL`.
unsafe impl Send for Known {}

/// All of them, by a number that grows, which each `SSL` has as data of its own.
static KNOWN: Mutex<BTreeMap<u64, Known>> = Mutex::new(BTreeMap::new());
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

fn known() -> MutexGuard<'static, BTreeMap<u64, Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many are known, for tests.
pub fn known_count() -> usize {
    known().len()
}

/// What the BIO of a thread reads from and writes to.
struct Channel {
    /// The number of the thread.
    thread: u64,
    /// The BIO of all sessions of the thread, each of which has references to it.
    bio: Cell<Object>,
    /// What is left of the records that a call was given.
    input: Cell<(*const u8, usize)>,
    /// Where records go; nothing outside of a call.
    output: RefCell<Option<Vec<u8>>>,
}

thread_local! {
    static CHANNEL: Channel = Channel {
        thread: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
        bio: const { Cell::new(ptr::null_mut()) },
        input: const { Cell::new((ptr::null(), 0)) },
        output: const { RefCell::new(None) },
    };
}

impl Drop for Channel {
    fn drop(&mut self) {
        let bio = self.bio.get();
        if let Some(Some(Ready { openssl, .. })) = READY.get()
            && !bio.is_null()
        {
            // SAFETY: this is the reference that `bio_of_thread` has made.
            unsafe { (openssl.BIO_free)(bio) };
        }
    }
}

/// The number of this thread.
fn this_thread() -> Option<u64> {
    CHANNEL.try_with(|channel| channel.thread).ok()
}

/// Finds OpenSSL, which has to be the one of this version that Node names; whether it can be used.
/// Every `SSL` that is made from now on is known.
pub fn prepare(version: &str) -> bool {
    READY.get_or_init(|| Ready::find(version)).is_some()
}

fn ready() -> Option<&'static Ready> {
    READY.get().and_then(Option::as_ref)
}

impl Ready {
    fn find(version: &str) -> Option<Self> {
        let openssl = Openssl::find()?;
        if !openssl.is_of_version(version) || !openssl.is_in_one_place() || !stays_loaded() {
            return None;
        }
        let method = openssl.create_method()?;
        // SAFETY: the functions have the types that OpenSSL calls, and stay loaded.
        let index = unsafe {
            let nothing = ptr::null_mut();
            (openssl.CRYPTO_get_ex_new_index)(
                CRYPTO_EX_INDEX_SSL,
                0,
                nothing,
                on_new,
                on_duplicate,
                on_free,
            )
        };
        (index >= 0).then_some(Self { openssl, method })
    }
}

impl Openssl {
    /// Whether it is of a version that is known here, and the one that Node names.
    fn is_of_version(&self, version: &str) -> bool {
        // SAFETY: the function has no conditions.
        let number = unsafe { (self.OpenSSL_version_num)() };
        // SAFETY: as above; the result is a static string.
        let text = unsafe { text_of((self.OpenSSL_version)(0)) };
        let is_same = text.is_some_and(|text| text.split(' ').nth(1) == Some(version));
        number >> 28 == OPENSSL_MAJOR && is_same
    }

    /// Whether all functions are of one OpenSSL: of the program, or of one libssl and one
    /// libcrypto.
    fn is_in_one_place(&self) -> bool {
        let (of_ssl, of_crypto): (Vec<_>, Vec<_>) =
            self.addresses().into_iter().partition(|(name, _)| name.starts_with("SSL_"));
        [of_ssl, of_crypto].iter().all(|addresses| {
            let mut objects = addresses.iter().map(|(_, address)| object_of(*address));
            let first = objects.next().flatten();
            first.is_some() && objects.all(|object| object == first)
        })
    }

    /// Makes the kind of our BIOs.
    fn create_method(&self) -> Option<Object> {
        // SAFETY: the function has no conditions.
        let kind = unsafe { (self.BIO_get_new_index)() };
        // SAFETY: the name is a static string.
        let method = unsafe { (self.BIO_meth_new)(kind | BIO_TYPE_SOURCE_SINK, c"oxws".as_ptr()) };
        if kind < 0 || method.is_null() {
            return None;
        }
        // SAFETY: the method was made above; the function has the type that OpenSSL calls.
        let can_read = unsafe { (self.BIO_meth_set_read)(method, on_read) };
        // SAFETY: as above.
        let can_write = unsafe { (self.BIO_meth_set_write)(method, on_write) };
        // SAFETY: as above.
        let can_control = unsafe { (self.BIO_meth_set_ctrl)(method, on_control) };
        (can_read == 1 && can_write == 1 && can_control == 1).then_some(method)
    }
}

/// The object that a function is in.
fn object_of(address: *const c_void) -> Option<*mut c_void> {
    // SAFETY: all members of the structure are numbers and pointers, for which zero is valid.
    let mut found: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: any address may be asked for.
    let status = unsafe { libc::dladdr(address, &raw mut found) };
    (status != 0).then_some(found.dli_fbase)
}

/// Keeps this addon loaded, which Node unloads with the last thread that has loaded it.
fn stays_loaded() -> bool {
    // SAFETY: as in `object_of`.
    let mut found: libc::Dl_info = unsafe { mem::zeroed() };
    let own = on_free as FreeFunction as *const c_void;
    // SAFETY: as in `object_of`.
    if unsafe { libc::dladdr(own, &raw mut found) } == 0 || found.dli_fname.is_null() {
        return false;
    }
    // SAFETY: the name is one that the loader keeps; to open what is open runs nothing.
    let handle = unsafe { libc::dlopen(found.dli_fname, libc::RTLD_NOW | libc::RTLD_NODELETE) };
    !handle.is_null()
}

/// A string of OpenSSL's.
///
/// # Safety
///
/// - `text` is null, or a string that lives on.
unsafe fn text_of(text: *const c_char) -> Option<&'static str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// Called by OpenSSL when an `SSL` is being made.
unsafe extern "C" fn on_new(
    ssl: Object,
    _value: Object,
    data: Object,
    index: c_int,
    _number: c_long,
    _argument: *mut c_void,
) {
    // `READY` may still be on its way: the first `SSL`s of another thread are not known then.
    let (Some(Ready { openssl, .. }), Some(thread)) = (ready(), this_thread()) else { return };
    let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    let value = ptr::without_provenance_mut(number as usize);
    // SAFETY: `data` is what OpenSSL is making for the `SSL`.
    if unsafe { (openssl.CRYPTO_set_ex_data)(data, index, value) } == 1 {
        known().insert(number, Known { ssl, thread, kept: [ptr::null_mut(); 2] });
    }
}

/// Called by OpenSSL when an `SSL` is copied: nothing is known of the copy.
unsafe extern "C" fn on_duplicate(
    _to: Object,
    _from: Object,
    value: *mut Object,
    _index: c_int,
    _number: c_long,
    _argument: *mut c_void,
) -> c_int {
    if !value.is_null() {
        // SAFETY: OpenSSL passes the place of the value that the copy gets.
        unsafe { *value = ptr::null_mut() };
    }
    1
}

/// Called by OpenSSL when an `SSL` is freed.
unsafe extern "C" fn on_free(
    _ssl: Object,
    value: Object,
    _data: Object,
    _index: c_int,
    _number: c_long,
    _argument: *mut c_void,
) {
    if value.is_null() {
        return;
    }
    let forgotten = known().remove(&(value.addr() as u64));
    let (Some(Known { kept, .. }), Some(Ready { openssl, .. })) = (forgotten, ready()) else {
        return;
    };
    for bio in kept.into_iter().filter(|bio| !bio.is_null()) {
        // SAFETY: this is the reference that `Candidate::take` has made.
        unsafe { (openssl.BIO_free)(bio) };
    }
}

/// Called by OpenSSL to read records: what a call of ours was given.
unsafe extern "C" fn on_read(bio: Object, space: *mut c_char, length: c_int) -> c_int {
    let Some(Ready { openssl, .. }) = ready() else { return -1 };
    // SAFETY: the BIO is the one that OpenSSL reads from.
    unsafe { (openssl.BIO_clear_flags)(bio, BIO_FLAGS_RETRIES) };
    let wanted = usize::try_from(length).unwrap_or(0);
    let count = CHANNEL.try_with(|channel| {
        let (input, left) = channel.input.get();
        let count = wanted.min(left);
        if count > 0 {
            // SAFETY: `Call` has put in what lives until it ends; OpenSSL has space for `length`
            // bytes.
            unsafe { ptr::copy_nonoverlapping(input, space.cast(), count) };
            // SAFETY: there are as many bytes.
            channel.input.set((unsafe { input.add(count) }, left - count));
        }
        count
    });
    match count {
        Ok(count) if count > 0 => count as c_int,
        _ => {
            let flags = BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY;
            // SAFETY: as above.
            unsafe { (openssl.BIO_set_flags)(bio, flags) };
            -1
        }
    }
}

/// Called by OpenSSL to write records: only during a call of ours.
unsafe extern "C" fn on_write(bio: Object, bytes: *const c_char, length: c_int) -> c_int {
    let Some(Ready { openssl, .. }) = ready() else { return -1 };
    // SAFETY: the BIO is the one that OpenSSL writes to.
    unsafe { (openssl.BIO_clear_flags)(bio, BIO_FLAGS_RETRIES) };
    let Ok(count) = usize::try_from(length) else { return -1 };
    let is_written = CHANNEL.try_with(|channel| {
        let Ok(mut output) = channel.output.try_borrow_mut() else { return false };
        let Some(output) = output.as_mut() else { return false };
        if count > 0 {
            // SAFETY: OpenSSL has as many bytes there.
            let bytes = unsafe { std::slice::from_raw_parts(bytes.cast(), count) };
            output.extend_from_slice(bytes);
        }
        true
    });
    if is_written.unwrap_or(false) { length } else { -1 }
}

/// Called by OpenSSL to ask or tell a BIO something.
unsafe extern "C" fn on_control(
    _bio: Object,
    command: c_int,
    _number: c_long,
    _argument: *mut c_void,
) -> c_long {
    c_long::from(command == BIO_CTRL_FLUSH)
}

/// The BIO of this thread.
fn bio_of_thread(ready: &Ready) -> Option<Object> {
    CHANNEL
        .try_with(|channel| {
            if channel.bio.get().is_null() {
                // SAFETY: the method is complete, and lives on.
                channel.bio.set(unsafe { (ready.openssl.BIO_new)(ready.method) });
            }
            channel.bio.get()
        })
        .ok()
        .filter(|bio| !bio.is_null())
}

/// Why a connection can't be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its `SSL` was made before, or elsewhere.
    Unknown = 2,
    /// It isn't in the state that it is in after a handshake.
    State = 3,
    /// Some of its records are on their way to the kernel.
    Output = 4,
    /// Some of the peer's are somewhere else.
    Input = 5,
    /// OpenSSL has no BIO.
    Memory = 6,
}

/// How many bytes Node's handle has read from the kernel, and written to it.
#[derive(Clone, Copy, Debug)]
pub struct Transferred {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

/// An `SSL` that can be taken over, if nothing happens before.
#[derive(Debug)]
pub struct Candidate {
    /// A reference to it.
    ssl: Object,
    number: u64,
    /// A reference to the BIO of the thread.
    bio: Object,
    thread: u64,
    ready: &'static Ready,
}

impl fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ready").finish_non_exhaustive()
    }
}

impl Candidate {
    /// Finds the `SSL` of this thread whose handshake has ended with these messages, and checks
    /// that nothing of it is anywhere but in its two BIOs. Nothing has happened when this returns.
    ///
    /// # Errors
    ///
    /// Why it can't be taken over.
    pub fn find(
        finished: &[u8],
        peer_finished: &[u8],
        is_server: bool,
        transferred: Transferred,
    ) -> Result<Self, Refusal> {
        let ready = ready().ok_or(Refusal::Unknown)?;
        let thread = this_thread().ok_or(Refusal::Unknown)?;
        if finished.is_empty() || peer_finished.is_empty() {
            return Err(Refusal::Unknown);
        }
        let openssl = &ready.openssl;
        let known = known();
        let mut of_thread = known.iter().rev().filter(|(_, known)| known.thread == thread);
        let (number, Known { ssl, kept, .. }) = of_thread
            .find(|(_, Known { ssl, .. })| {
                is_finished(openssl.SSL_get_finished, *ssl, finished)
                    && is_finished(openssl.SSL_get_peer_finished, *ssl, peer_finished)
            })
            .ok_or(Refusal::Unknown)?;
        if kept.iter().any(|bio| !bio.is_null()) {
            return Err(Refusal::Unknown);
        }
        let bio = bio_of_thread(ready).ok_or(Refusal::Memory)?;
        openssl.check(*ssl, is_server, transferred)?;
        // SAFETY: the `SSL` is alive as long as it is known.
        if unsafe { (openssl.SSL_up_ref)(*ssl) } != 1 {
            return Err(Refusal::Memory);
        }
        Ok(Self { ssl: *ssl, number: *number, bio, thread, ready })
    }

    /// Takes it over: gives the session, the records that it hasn't opened, and those that are
    /// still to be written.
    #[must_use]
    pub fn take(self) -> (Box<dyn Session>, Vec<u8>, Vec<u8>) {
        let Self { ssl, number, bio, thread, ready } = self;
        mem::forget(self);
        let openssl = &ready.openssl;
        // SAFETY: the reference of the candidate is the session's from here on.
        let kept = unsafe { [(openssl.SSL_get_rbio)(ssl), (openssl.SSL_get_wbio)(ssl)] };
        let [unopened, unsent] = kept.map(|bio| openssl.drain(bio));
        for bio in kept {
            // SAFETY: the `SSL` has a reference to it.
            unsafe { (openssl.BIO_up_ref)(bio) };
        }
        if let Some(known) = known().get_mut(&number) {
            known.kept = kept;
        }
        // SAFETY: the BIO of the thread is alive; the `SSL` gets two references to it.
        unsafe {
            (openssl.BIO_up_ref)(bio);
            (openssl.SSL_set0_rbio)(ssl, bio);
            (openssl.BIO_up_ref)(bio);
            (openssl.SSL_set0_wbio)(ssl, bio);
        }
        // What Node has set calls JavaScript.
        // SAFETY: the `SSL` is alive, and no function is one that it may be given.
        unsafe { (openssl.SSL_set_info_callback)(ssl, ptr::null_mut()) };
        // So would a second handshake.
        // SAFETY: the `SSL` is alive.
        unsafe { (openssl.SSL_set_options)(ssl, SSL_OP_NO_RENEGOTIATION) };
        let session =
            OpensslSession { ssl, thread, openssl, has_plaintext: false, is_broken: false };
        (Box::new(session), unopened, unsent)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // SAFETY: the reference is the candidate's.
        unsafe { (self.ready.openssl.SSL_free)(self.ssl) };
    }
}

/// Whether an `SSL` has this message of its handshake, the own one or the peer's.
fn is_finished(
    get: unsafe extern "C" fn(Object, *mut c_void, usize) -> usize,
    ssl: Object,
    expected: &[u8],
) -> bool {
    let mut message = [0_u8; MAX_FINISHED];
    // SAFETY: the `SSL` is alive as long as it is known, and of this thread; it gets space for as
    // many bytes.
    let length = unsafe { get(ssl, message.as_mut_ptr().cast(), MAX_FINISHED) };
    message.get(..length) == Some(expected)
}

impl Openssl {
    /// Checks that nothing is under way on an `SSL` of this thread.
    fn check(&self, ssl: Object, is_server: bool, transferred: Transferred) -> Result<(), Refusal> {
        // SAFETY: the `SSL` is alive as long as it is known, and of this thread.
        let (is_finished, renegotiates, shutdown, version, pending, of_server) = unsafe {
            (
                (self.SSL_is_init_finished)(ssl) == 1,
                (self.SSL_renegotiate_pending)(ssl) != 0,
                (self.SSL_get_shutdown)(ssl),
                (self.SSL_version)(ssl),
                (self.SSL_pending)(ssl),
                (self.SSL_is_server)(ssl) != 0,
            )
        };
        let is_idle = is_finished && !renegotiates && shutdown == 0 && pending == 0;
        if !is_idle || !VERSIONS.contains(&version) || of_server != is_server {
            return Err(Refusal::State);
        }
        // SAFETY: as above.
        let (incoming, outgoing) = unsafe { ((self.SSL_get_rbio)(ssl), (self.SSL_get_wbio)(ssl)) };
        if incoming.is_null() || outgoing.is_null() || incoming == outgoing {
            return Err(Refusal::State);
        }
        // SAFETY: the BIOs are those of the `SSL`.
        let (read, written) =
            unsafe { ((self.BIO_number_read)(incoming), (self.BIO_number_written)(outgoing)) };
        let (unopened, unsent) = (self.pending_bytes(incoming), self.pending_bytes(outgoing));
        if written.checked_sub(unsent) != Some(transferred.written) {
            return Err(Refusal::Output);
        }
        if read.checked_add(unopened) != Some(transferred.read) {
            return Err(Refusal::Input);
        }
        Ok(())
    }

    /// How many bytes a BIO holds.
    fn pending_bytes(&self, bio: Object) -> u64 {
        // SAFETY: the BIO is one of an `SSL` of this thread.
        let pending = unsafe { (self.BIO_ctrl)(bio, BIO_CTRL_PENDING, 0, ptr::null_mut()) };
        u64::try_from(pending).unwrap_or(0)
    }

    /// Takes all bytes that a BIO holds.
    fn drain(&self, bio: Object) -> Vec<u8> {
        let length = self.pending_bytes(bio) as usize;
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let space = &mut bytes[filled..];
            let most = c_int::try_from(space.len()).unwrap_or(c_int::MAX);
            // SAFETY: the BIO is one of an `SSL` of this thread, and gets space for as many bytes.
            let count = unsafe { (self.BIO_read)(bio, space.as_mut_ptr().cast(), most) };
            match usize::try_from(count) {
                Ok(count) if count > 0 => filled += count,
                _ => break,
            }
        }
        bytes.truncate(filled);
        bytes
    }

    /// Takes the error that OpenSSL has noted for this thread.
    fn take_error(&self) -> OpensslError {
        // SAFETY: the function has no conditions.
        let code = unsafe { (self.ERR_peek_error)() };
        // SAFETY: any number may be asked for; the result is null or a static string.
        let library = unsafe { text_of((self.ERR_lib_error_string)(code)) };
        // SAFETY: as above.
        let reason = unsafe { text_of((self.ERR_reason_error_string)(code)) };
        let mut message = String::new();
        // SAFETY: the callback takes the argument for what it is.
        unsafe { (self.ERR_print_errors_cb)(on_error, (&raw mut message).cast()) };
        OpensslError {
            message,
            library: library.map(str::to_owned),
            reason: reason.map(str::to_owned),
        }
    }
}

/// Called by OpenSSL with each error that it has noted; the latest stays.
unsafe extern "C" fn on_error(text: *const c_char, length: usize, message: *mut c_void) -> c_int {
    // SAFETY: OpenSSL has as many bytes there.
    let text = unsafe { std::slice::from_raw_parts(text.cast(), length) };
    // SAFETY: it's what `take_error` has passed, and uses not at the same time.
    let message: &mut String = unsafe { &mut *message.cast() };
    *message = String::from_utf8_lossy(text).into_owned();
    0
}

/// Why OpenSSL has broken a connection off, as Node reports it.
#[derive(Debug)]
pub struct OpensslError {
    /// The whole line.
    pub message: String,
    /// The part of OpenSSL.
    pub library: Option<String>,
    /// What went wrong.
    pub reason: Option<String>,
}

impl fmt::Display for OpensslError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for OpensslError {}

/// An `SSL` whose records come from here, and go here.
struct OpensslSession {
    /// A reference to it.
    ssl: Object,
    /// The only thread that uses it.
    thread: u64,
    openssl: &'static Openssl,
    /// It holds plaintext that was not asked for.
    has_plaintext: bool,
    /// OpenSSL must not be asked for anything any more.
    is_broken: bool,
}

// SAFETY: every method but `drop` checks that it runs on the thread of the `SSL`, and `drop` does
// nothing on another one.
unsafe impl Send for OpensslSession {}

impl fmt::Debug for OpensslSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OpensslSession").finish_non_exhaustive()
    }
}

/// A call of OpenSSL, during which the BIO of the thread has what it reads and where it writes.
struct Call<'a> {
    output: &'a mut Vec<u8>,
    openssl: &'static Openssl,
    /// The context of the `SSL`, and what gets its keys otherwise: JavaScript.
    context: Object,
    keylog: *mut c_void,
}

impl<'a> Call<'a> {
    /// Begins one on the thread of a session. Nothing where another one is under way, which there
    /// can't be.
    fn begin(
        ssl: Object,
        openssl: &'static Openssl,
        input: &[u8],
        output: &'a mut Vec<u8>,
    ) -> Option<Self> {
        CHANNEL
            .try_with(|channel| {
                let mut place = channel.output.try_borrow_mut().ok()?;
                if place.is_some() {
                    return None;
                }
                *place = Some(mem::take(output));
                channel.input.set((input.as_ptr(), input.len()));
                Some(())
            })
            .ok()??;
        // What others have left there would be taken for what this brings.
        // SAFETY: the function has no conditions.
        unsafe { (openssl.ERR_clear_error)() };
        // SAFETY: the `SSL` is alive, and this is its thread.
        let context = unsafe { (openssl.SSL_get_SSL_CTX)(ssl) };
        // SAFETY: the context is that of the `SSL`, and used by this thread only.
        let keylog = unsafe { (openssl.SSL_CTX_get_keylog_callback)(context) };
        if !keylog.is_null() {
            // SAFETY: as above; without a function nothing is called.
            unsafe { (openssl.SSL_CTX_set_keylog_callback)(context, ptr::null_mut()) };
        }
        Some(Self { output, openssl, context, keylog })
    }

    /// How many bytes of the input are left.
    fn left(&self) -> usize {
        CHANNEL.try_with(|channel| channel.input.get().1).unwrap_or(0)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let output = CHANNEL.try_with(|channel| {
            channel.input.set((ptr::null(), 0));
            channel.output.try_borrow_mut().ok().and_then(|mut output| output.take())
        });
        if let Ok(Some(output)) = output {
            *self.output = output;
        }
        if !self.keylog.is_null() {
            // SAFETY: the context is alive as long as its `SSL`; the function is the one it had.
            unsafe { (self.openssl.SSL_CTX_set_keylog_callback)(self.context, self.keylog) };
        }
        // No other code is to take what is left for its own.
        // SAFETY: the function has no conditions.
        unsafe { (self.openssl.ERR_clear_error)() };
    }
}

impl OpensslSession {
    /// Whether this is the thread of the `SSL`, which is fit for use.
    fn is_usable(&self) -> bool {
        !self.is_broken && this_thread() == Some(self.thread)
    }

    /// What a call that has given nothing has found.
    fn next_after(&mut self, result: c_int) -> Next {
        // SAFETY: the `SSL` is alive, and this is its thread.
        match unsafe { (self.openssl.SSL_get_error)(self.ssl, result) } {
            SSL_ERROR_WANT_READ => Next::Records,
            SSL_ERROR_ZERO_RETURN => Next::End,
            SSL_ERROR_SSL | SSL_ERROR_SYSCALL => {
                self.is_broken = true;
                Next::Failure(io::Error::other(self.openssl.take_error()))
            }
            // What would need a callback of Node's, which there is none for after a handshake.
            _ => {
                self.is_broken = true;
                Next::Failure(io::ErrorKind::Unsupported.into())
            }
        }
    }
}

impl Session for OpensslSession {
    fn open(&mut self, records: &[u8], space: &mut [u8], answers: &mut Vec<u8>) -> Opened {
        let broken = |taken| {
            let next = Next::Failure(io::ErrorKind::Unsupported.into());
            Opened { taken, given: 0, next }
        };
        if !self.is_usable() {
            return broken(records.len());
        }
        let Some(call) = Call::begin(self.ssl, self.openssl, records, answers) else {
            return broken(0);
        };
        let mut given = 0;
        let next = loop {
            // Without either there is nothing that it could find.
            if call.left() == 0 && !self.has_plaintext {
                break Next::Records;
            }
            let space = &mut space[given..];
            if space.is_empty() {
                break if self.has_plaintext { Next::Plaintext } else { Next::Records };
            }
            let most = c_int::try_from(space.len()).unwrap_or(c_int::MAX);
            // SAFETY: the `SSL` is alive, this is its thread, and it gets space for as many bytes.
            let count =
                unsafe { (self.openssl.SSL_read)(self.ssl, space.as_mut_ptr().cast(), most) };
            if count <= 0 {
                self.has_plaintext = false;
                break self.next_after(count);
            }
            given += count as usize;
            // SAFETY: the `SSL` is alive, and this is its thread.
            self.has_plaintext = unsafe { (self.openssl.SSL_pending)(self.ssl) } > 0;
        };
        let taken = records.len() - call.left();
        Opened { taken, given, next }
    }

    fn seal(&mut self, plaintext: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        if plaintext.is_empty() {
            return Ok(());
        }
        let length = c_int::try_from(plaintext.len()).map_err(io::Error::other)?;
        if !self.is_usable() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let Some(call) = Call::begin(self.ssl, self.openssl, &[], records) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        // SAFETY: the `SSL` is alive, this is its thread, and there are as many bytes.
        let count =
            unsafe { (self.openssl.SSL_write)(self.ssl, plaintext.as_ptr().cast(), length) };
        if count == length {
            return Ok(());
        }
        let next = self.next_after(count);
        drop(call);
        self.is_broken = true;
        match next {
            Next::Failure(error) => Err(error),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn seal_end(&mut self, records: &mut Vec<u8>) {
        if !self.is_usable() {
            return;
        }
        if let Some(_call) = Call::begin(self.ssl, self.openssl, &[], records) {
            // SAFETY: the `SSL` is alive, this is its thread, and it has found no error.
            unsafe { (self.openssl.SSL_shutdown)(self.ssl) };
        }
    }
}

impl Drop for OpensslSession {
    fn drop(&mut self) {
        // Elsewhere it would free what belongs to Node's thread.
        if this_thread() == Some(self.thread) {
            // SAFETY: the reference is the session's.
            unsafe { (self.openssl.SSL_free)(self.ssl) };
        }
    }
}

/// Functions that are not to be found, for tests.
#[cfg(debug_assertions)]
static HIDDEN: Mutex<Option<String>> = Mutex::new(None);

/// Hides a function; to be called before [`prepare`].
#[cfg(debug_assertions)]
pub fn hide(name: String) {
    *HIDDEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
}

#[cfg(debug_assertions)]
fn is_hidden(name: &str) -> bool {
    HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(name)
}
