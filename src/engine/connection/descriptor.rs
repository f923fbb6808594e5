//! What a socket and TLS have to do with a descriptor: system calls that never wait.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// A peer that is gone must not end the process with a signal.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Reads into `space`; none when the socket is empty, 0 at the end of the stream.
pub(super) fn receive(fd: &OwnedFd, space: &mut [u8]) -> io::Result<Option<usize>> {
    unless_blocked(retry_on_intr(|| Ok(recv(fd, &mut *space, RecvFlags::empty())?.1)))
}

/// Writes `bytes` until the kernel takes no more; returns how much it took.
pub(super) fn send_all(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        let result = retry_on_intr(|| send(fd, &bytes[sent..], SEND_FLAGS));
        let Some(count) = unless_blocked(result)? else { break };
        sent += count;
    }
    Ok(sent)
}

/// Maps `EWOULDBLOCK` to none.
pub(super) fn unless_blocked(result: Result<usize, Errno>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
