//! A connected stream socket that never waits, and the system calls on it.
//!
//! Through rustix: it appends to the spare capacity of a vector without unsafe code of ours, and
//! calls the kernel of Linux directly. libc's functions cost 4 % of a thread that echoes small
//! messages only because a thread could be cancelled in them (bench/reactor).

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketType, getpeername, getsockname,
    recv, send, sendmsg, shutdown, sockopt,
};

/// How many slices the kernel takes in one call: `IOV_MAX` of Linux and of the BSDs.
pub(crate) const MAX_PARTS: usize = 1024;

/// A peer that is gone must not end the process with a signal.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// The probes after the first one, as libuv sets them.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEP_ALIVE_RETRIES: u32 = 10;

/// A connected stream socket.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Duplicates `fd` and makes both of them non-blocking.
    pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if sockopt::socket_type(fd)? != SocketType::STREAM {
            return Err(Errno::PROTOTYPE.into());
        }
        ioctl_fionbio(fd, true)?;
        #[cfg(target_vendor = "apple")]
        sockopt::set_socket_nosigpipe(fd, true)?;
        Ok(Self(fd.try_clone_to_owned()?))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The address of this end, or of the peer's.
    pub(crate) fn address(&self, peer: bool) -> io::Result<SocketAddr> {
        if peer {
            Ok(getpeername(&self.0)?.ok_or(Errno::NOTCONN)?.try_into()?)
        } else {
            Ok(getsockname(&self.0)?.try_into()?)
        }
    }

    /// Reads into `space`; none when the socket is empty, 0 at the end of the stream.
    pub(crate) fn read(&self, space: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(retry_on_intr(|| Ok(recv(&self.0, &mut *space, RecvFlags::empty())?.1)))
    }

    /// Reads into the spare capacity of `buffer`; returns what [`read`](Self::read) does.
    pub(crate) fn append_to(&self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        unless_blocked(retry_on_intr(|| {
            Ok(recv(&self.0, spare_capacity(buffer), RecvFlags::empty())?.1)
        }))
    }

    /// Writes the beginning of `parts`, of which there are at most [`MAX_PARTS`]; returns how much
    /// the kernel took.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = retry_on_intr(|| match parts {
            [part] => send(&self.0, part, SEND_FLAGS),
            parts => sendmsg(&self.0, parts, &mut SendAncillaryBuffer::default(), SEND_FLAGS),
        });
        Ok(unless_blocked(result)?.unwrap_or(0))
    }

    /// Ends the sending side.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match shutdown(&self.0, Shutdown::Write) {
            // A connection that is gone has no sending side; reading tells what became of it.
            Err(Errno::NOTCONN) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Lets the peer see a reset when the socket is closed, where the kind of socket has that.
    pub(crate) fn reset_on_close(&self) {
        // Without it the connection closes all the same.
        let _ = sockopt::set_socket_linger(&self.0, Some(Duration::ZERO));
    }

    /// Sets whether small writes leave at once.
    pub(crate) fn set_no_delay(&self, no_delay: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.0, no_delay)?)
    }

    /// Sets whether the kernel probes an idle connection, and after which time.
    pub(crate) fn set_keep_alive(&self, after: Option<Duration>) -> io::Result<()> {
        sockopt::set_socket_keepalive(&self.0, after.is_some())?;
        if let Some(after) = after.filter(|after| !after.is_zero()) {
            sockopt::set_tcp_keepidle(&self.0, after)?;
            sockopt::set_tcp_keepintvl(&self.0, KEEP_ALIVE_INTERVAL)?;
            sockopt::set_tcp_keepcnt(&self.0, KEEP_ALIVE_RETRIES)?;
        }
        Ok(())
    }
}

/// Takes it that the call would have to wait as none.
fn unless_blocked(result: Result<usize, Errno>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
