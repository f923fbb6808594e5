//! One connection of the engine, for JavaScript.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use napi::bindgen_prelude::{BufferSlice, External};
use napi_derive::napi;

use super::super::deflate::{Deflater, Inflater};
use super::super::loop_driver::borrow_descriptor;
use super::super::openssl::{self, Candidate, OpensslError, Transferred};
use super::Engine;
use crate::engine::{Connection, ConnectionConfig, FailedCall};
use crate::protocol::{Limits, Role};

/// Takes a duplicate of a socket's descriptor into the engine; the number of the connection, or a
/// negative one if that can't be done. The tokio driver begins to read it when it is released.
#[napi(catch_unwind)]
pub fn adopt(
    engine: &mut External<Engine>,
    descriptor: i32,
    is_server: bool,
    permessage_deflate: bool,
    raw: bool,
) -> i32 {
    let role = if is_server { Role::Server } else { Role::Client };
    let config = ConnectionConfig { permessage_deflate, raw, ..ConnectionConfig::new(role) };
    // SAFETY: the caller holds the handle that owns the descriptor during this call.
    let Some(descriptor) = (unsafe { borrow_descriptor(descriptor) }) else { return -1 };
    let held = engine.is_tasked;
    let adopted = engine.reactor.with(|reactor| {
        let id = reactor.adopt(descriptor, config)?;
        reactor.update(id, |connection| connection.set_held(held));
        Ok::<_, io::Error>(id)
    });
    adopted.ok().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
}

/// Whether connections over TLS are taken over where nobody has asked for it: on the platforms on
/// which the tests run.
const SECURE_BY_DEFAULT: bool = cfg!(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
));

/// Finds Node's OpenSSL, of this version, so that connections over TLS can be taken over that are
/// made later; whether that is possible, and wanted on this platform.
#[napi(catch_unwind)]
pub fn prepare_secure(version: String, is_asked_for: bool) -> bool {
    (is_asked_for || SECURE_BY_DEFAULT) && openssl::prepare(&version)
}

/// Takes a connection over TLS into the engine, as `adopt` does: a duplicate of its descriptor, and
/// the `SSL` whose handshake has ended with these messages. The number of the connection, or a
/// negative one if that can't be done; then nothing has happened. It is read once it is released.
///
/// `transferred` is how many bytes Node has read from the kernel and written to it. With
/// permessage-deflate the connection begins in raw mode.
#[napi(catch_unwind)]
pub fn adopt_secure(
    engine: &mut External<Engine>,
    descriptor: i32,
    is_server: bool,
    permessage_deflate: bool,
    finished: BufferSlice<'_>,
    peer_finished: BufferSlice<'_>,
    transferred: Vec<f64>,
) -> i32 {
    if engine.is_tasked {
        return -1;
    }
    let [read, written] = transferred[..] else { return -1 };
    let transferred = Transferred { read: read as u64, written: written as u64 };
    let candidate = match Candidate::find(&finished, &peer_finished, is_server, transferred) {
        Ok(candidate) => candidate,
        Err(refusal) => return -(refusal as i32),
    };
    let id = adopt(engine, descriptor, is_server, permessage_deflate, permessage_deflate);
    if let Ok(id) = u32::try_from(id) {
        let (session, unopened, unsent) = candidate.take();
        engine.reactor.update(id, |connection| connection.secure(session, unopened, unsent));
    }
    id
}

/// Begins to read a connection over TLS that was taken over, when the event loop looks at its
/// sockets.
#[napi(catch_unwind)]
pub fn release_secure(engine: &mut External<Engine>, id: u32) {
    engine.reactor.update(id, Connection::release);
    engine.driver.waker().wake();
}

/// Makes the search for a function of OpenSSL fail. To be called before `prepareSecure`.
#[cfg(debug_assertions)]
#[napi(catch_unwind, skip_typescript)]
pub fn hide_openssl(name: String) {
    openssl::hide(name);
}

/// How many `SSL`s are known that were made since `prepareSecure`.
#[napi(catch_unwind, skip_typescript)]
pub fn known_ssl() -> u32 {
    openssl::known_count() as u32
}

/// Begins to read a connection that was taken over while the tokio driver had the work.
#[napi(catch_unwind)]
pub fn release_connection(engine: &mut External<Engine>, id: u32) {
    engine.reactor.update(id, |connection| connection.set_held(false));
}

/// Puts bytes that were read before the hand-over in front of what comes.
#[napi(catch_unwind)]
pub fn feed(engine: &mut External<Engine>, id: u32, bytes: BufferSlice<'_>) {
    engine.reactor.update(id, |connection| connection.feed(&bytes));
}

/// Sets the limits of a connection, as `setDecoderLimits` does.
#[napi(catch_unwind)]
pub fn set_limits(
    engine: &mut External<Engine>,
    id: u32,
    max_payload: u32,
    max_fragments: u32,
    max_buffered_chunks: u32,
    skip_utf8_validation: bool,
) {
    let limits = Limits { max_payload: u64::from(max_payload), max_fragments, max_buffered_chunks };
    engine.reactor.update(id, |connection| connection.set_limits(limits, skip_utf8_validation));
}

/// Whether a connection waits at a frame that is too long. Not any more when the limit has been
/// raised since it was reported.
#[napi(catch_unwind)]
pub fn is_refused(engine: &External<Engine>, id: u32) -> bool {
    engine.reactor.inspect(id, Connection::is_refused).unwrap_or(false)
}

/// Has the engine inflate and deflate the messages of a connection, and ends raw mode; whether it
/// does. Not while a message, or something that was read, is under way.
#[napi(catch_unwind)]
pub fn begin_compression(
    engine: &mut External<Engine>,
    id: u32,
    deflater: &Deflater,
    inflater: &Inflater,
) -> bool {
    let (Some(deflation), Some(inflation)) = (deflater.shared(), inflater.shared()) else {
        return false;
    };
    engine.reactor.with(|reactor| reactor.set_compression(id, deflation, inflation));
    engine.reactor.begin_frames(id)
}

/// The compressing side of a connection, which the engine drives as well.
#[napi(catch_unwind)]
pub fn share_deflater(engine: &External<Engine>, id: u32) -> Option<Deflater> {
    engine.reactor.inspect(id, Connection::compression)?.map(|(it, _)| Deflater::of(it))
}

/// The decompressing side of a connection, which the engine drives as well.
#[napi(catch_unwind)]
pub fn share_inflater(engine: &External<Engine>, id: u32) -> Option<Inflater> {
    engine.reactor.inspect(id, Connection::compression)?.map(|(_, it)| Inflater::of(it))
}

/// The number of the descriptor under which the engine has a socket.
#[napi(catch_unwind)]
pub fn descriptor(engine: &External<Engine>, id: u32) -> i32 {
    engine.reactor.inspect(id, Connection::descriptor).unwrap_or(-1)
}

/// One end of a connection.
#[napi(object)]
pub struct Address {
    /// As text.
    pub address: String,
    /// The port.
    pub port: u32,
    /// Whether it is an address of IPv6.
    pub is_v6: bool,
    /// The number of the interface that the address is of, 0 where it is of none.
    pub scope: u32,
}

/// The address of one end of a connection, the peer's or this one's; none where there is none.
#[napi(catch_unwind)]
pub fn address_of(engine: &External<Engine>, id: u32, peer: bool) -> Option<Address> {
    let found = engine.reactor.inspect(id, |connection| connection.address(peer))?.ok()?;
    let scope = match found {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(found) => found.scope_id(),
    };
    Some(Address {
        address: found.ip().to_string(),
        port: found.port().into(),
        is_v6: found.is_ipv6(),
        scope,
    })
}

/// Ends the sending side once everything is written; whether that is done already. If not, a record
/// reports it.
#[napi(catch_unwind)]
pub fn shut_down(engine: &mut External<Engine>, id: u32) -> bool {
    engine.reactor.update(id, Connection::shutdown).unwrap_or(true)
}

/// Closes a connection at once, with a reset if so asked; its number becomes free.
#[napi(catch_unwind)]
pub fn close_connection(engine: &mut External<Engine>, id: u32, reset: bool) {
    engine.reactor.close(id, reset);
}

/// Stops or continues reading. While that is stopped, `read_ahead` bytes are read all the same, as
/// by a socket of Node.
#[napi(catch_unwind)]
pub fn set_paused(engine: &mut External<Engine>, id: u32, paused: bool, read_ahead: u32) {
    engine.reactor.update(id, |connection| {
        connection.set_paused(paused);
        connection.set_read_ahead(read_ahead as usize);
    });
}

/// Sets whether each read is reported, by a record of its own where it brings no other.
#[napi(catch_unwind)]
pub fn set_reporting_reads(engine: &mut External<Engine>, id: u32, reports_reads: bool) {
    engine.reactor.update(id, |connection| connection.set_reporting_reads(reports_reads));
}

/// Sets whether bytes come as they are, from the next read on.
#[napi(catch_unwind)]
pub fn set_raw(engine: &mut External<Engine>, id: u32, raw: bool) {
    engine.reactor.update(id, |connection| connection.set_raw(raw));
}

/// Sets `TCP_NODELAY`; whether that worked.
#[napi(catch_unwind)]
pub fn set_no_delay(engine: &External<Engine>, id: u32, no_delay: bool) -> bool {
    let set = engine.reactor.inspect(id, |connection| connection.set_no_delay(no_delay));
    set.is_some_and(|set| set.is_ok())
}

/// Sets `SO_KEEPALIVE` with a delay in seconds, or clears it where there is none; whether that
/// worked.
#[napi(catch_unwind)]
pub fn set_keep_alive(engine: &External<Engine>, id: u32, delay: Option<u32>) -> bool {
    let delay = delay.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let set = engine.reactor.inspect(id, |connection| connection.set_keep_alive(delay));
    set.is_some_and(|set| set.is_ok())
}

/// How many bytes were read, written, and wait to be written; in how many calls of the kernel they
/// were written.
#[napi(catch_unwind)]
pub fn counters(engine: &External<Engine>, id: u32) -> Vec<f64> {
    let counters = engine.reactor.inspect(id, |connection| {
        let (read, written) = (connection.bytes_read(), connection.bytes_written());
        [read, written, connection.pending() as u64, u64::from(connection.calls())]
    });
    counters.unwrap_or_default().map(|count| count as f64).to_vec()
}

/// Why a connection is broken.
#[napi(object)]
pub struct SocketFailure {
    /// The number of the system's error; 0 where the engine has panicked.
    pub number: i32,
    /// Whether it was a write that failed, not a read.
    pub writing: bool,
    /// What OpenSSL says; nothing where it isn't OpenSSL that has broken the connection off.
    pub message: Option<String>,
    /// The part of OpenSSL that says so.
    pub library: Option<String>,
    /// What went wrong, in its words.
    pub reason: Option<String>,
}

/// Why a connection is broken; none where it isn't.
#[napi(catch_unwind)]
pub fn socket_failure(engine: &External<Engine>, id: u32) -> Option<SocketFailure> {
    let failure = |connection: &Connection| {
        let (call, error) = connection.failure()?;
        let number = error.raw_os_error().unwrap_or(0);
        let writing = call != FailedCall::Read;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let (message, library, reason) = match inner {
            Some(OpensslError { message, library, reason }) => {
                (Some(message.clone()), library.clone(), reason.clone())
            }
            None => (None, None, None),
        };
        Some(SocketFailure { number, writing, message, library, reason })
    };
    engine.reactor.inspect(id, failure).flatten()
}

/// How many bytes wait to be written, or would if the connection was not broken.
#[napi(catch_unwind)]
pub fn pending_bytes(engine: &External<Engine>, id: u32) -> f64 {
    engine.reactor.inspect(id, Connection::pending).unwrap_or(0) as f64
}

/// Sets whether the engine may answer pings of a connection while JavaScript is busy.
#[napi(catch_unwind)]
pub fn set_answering(engine: &mut External<Engine>, id: u32, answering: bool) {
    engine.reactor.update(id, |connection| connection.set_answering(answering));
}
