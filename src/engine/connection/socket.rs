//! A connected stream socket that never waits, and the system calls on it.
//!
//! Through rustix: it appends to the spare capacity of a vector without unsafe code of ours, and
//! calls the kernel of Linux directly. libc's functions cost 4 % of a thread that echoes small
//! messages only because a thread could be cancelled in them (bench/reactor).
//!
//! Where there is TLS, what is read and written here is plaintext.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, Shutdown, SocketType, getpeername, getsockname, recv, send,
    sendmsg, shutdown, sockopt,
};

use super::descriptor::{SEND_FLAGS, receive, unless_blocked};
use super::secure::{Secure, Session};

/// How many slices the kernel takes in one call: `IOV_MAX` of Linux and of the BSDs.
pub(crate) const MAX_PARTS: usize = 1024;

/// The most that is made ready at once for what is read by TLS: a record.
const MAX_APPENDED: usize = 16 * 1024;

/// The probes after the first one, as libuv sets them.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEP_ALIVE_RETRIES: u32 = 10;

/// A connected stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Calls that were to write something.
    calls: u32,
    /// TLS, where there is some.
    secure: Option<Box<Secure>>,
}

impl Socket {
    /// Duplicates `fd` and makes both of them non-blocking.
    pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if sockopt::socket_type(fd)? != SocketType::STREAM {
            return Err(Errno::PROTOTYPE.into());
        }
        ioctl_fionbio(fd, true)?;
        #[cfg(target_vendor = "apple")]
        sockopt::set_socket_nosigpipe(fd, true)?;
        Ok(Self { fd: fd.try_clone_to_owned()?, calls: 0, secure: None })
    }

    /// Puts a session between the connection and the kernel. Of its records `unopened` were read,
    /// and `unsent` are to be written. It is asked for plaintext once it is
    /// [released](Self::release).
    pub(crate) fn secure(&mut self, session: Box<dyn Session>, unopened: Vec<u8>, unsent: Vec<u8>) {
        self.secure = Some(Box::new(Secure::new(session, unopened, unsent)));
    }

    /// Whether it has a session, which belongs to one thread.
    pub(crate) const fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// Asks the session for plaintext from now on.
    pub(crate) fn release(&mut self) {
        if let Some(secure) = &mut self.secure {
            secure.release();
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The address of this end, or of the peer's.
    pub(crate) fn address(&self, peer: bool) -> io::Result<SocketAddr> {
        if peer {
            Ok(getpeername(&self.fd)?.ok_or(Errno::NOTCONN)?.try_into()?)
        } else {
            Ok(getsockname(&self.fd)?.try_into()?)
        }
    }

    /// Reads into `space`; none when the socket is empty, 0 at the end of the stream.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.secure {
            None => receive(&self.fd, space),
            Some(secure) => secure.read(&self.fd, space),
        }
    }

    /// Reads into the spare capacity of `buffer`; returns what [`read`](Self::read) does.
    pub(crate) fn append_to(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let Some(secure) = &mut self.secure else {
            return unless_blocked(retry_on_intr(|| {
                Ok(recv(&self.fd, spare_capacity(buffer), RecvFlags::empty())?.1)
            }));
        };
        let start = buffer.len();
        buffer.resize(buffer.capacity().min(start + MAX_APPENDED), 0);
        let read = secure.read(&self.fd, &mut buffer[start..]);
        buffer.truncate(start + read.as_ref().ok().copied().flatten().unwrap_or(0));
        read
    }

    /// Whether there may be more to read after a read of `count` bytes into `space`, or one that
    /// brought nothing, which no event of the kernel announces.
    pub(crate) fn may_have_more(&self, count: usize, space: usize) -> bool {
        match &self.secure {
            None => count > 0 && count == space,
            Some(secure) => secure.may_have_more(),
        }
    }

    /// Whether the kernel has something of the peer's that was not read.
    pub(crate) fn has_unread(&self) -> bool {
        let mut byte = [0; 1];
        let peeked = retry_on_intr(|| recv(&self.fd, &mut byte[..], RecvFlags::PEEK));
        peeked.is_ok_and(|(count, _)| count > 0)
    }

    /// Whether nothing may be read before some of what waits is written.
    pub(crate) fn is_clogged(&self) -> bool {
        self.secure.as_deref().is_some_and(Secure::is_clogged)
    }

    /// Writes the beginning of `parts`, of which there are at most [`MAX_PARTS`]; returns how much
    /// the kernel took. What it did not take has to come first in the next call.
    pub(crate) fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls = self.calls.wrapping_add(1);
        if let Some(secure) = &mut self.secure {
            return secure.write(&self.fd, parts);
        }
        let result = retry_on_intr(|| match parts {
            [part] => send(&self.fd, part, SEND_FLAGS),
            parts => sendmsg(&self.fd, parts, &mut SendAncillaryBuffer::default(), SEND_FLAGS),
        });
        Ok(unless_blocked(result)?.unwrap_or(0))
    }

    /// In how many calls there was something to write.
    pub(crate) const fn calls(&self) -> u32 {
        self.calls
    }

    /// Whether the kernel is to be given records of which the caller knows nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.secure.as_deref().is_some_and(Secure::is_waiting)
    }

    /// Gives the kernel what waits; whether it has all of it.
    pub(crate) fn send_waiting(&mut self) -> io::Result<bool> {
        match &mut self.secure {
            None => Ok(true),
            Some(secure) => secure.send_waiting(&self.fd),
        }
    }

    /// Ends the sending side; whether that is done, or has to wait until the kernel takes more.
    pub(crate) fn shutdown(&mut self) -> io::Result<bool> {
        if let Some(secure) = &mut self.secure
            && !secure.end(&self.fd)?
        {
            return Ok(false);
        }
        match shutdown(&self.fd, Shutdown::Write) {
            // A connection that is gone has no sending side; reading tells what became of it.
            Err(Errno::NOTCONN) => Ok(true),
            result => Ok(result.map(|()| true)?),
        }
    }

    /// Lets the peer see a reset when the socket is closed, where the kind of socket has that.
    pub(crate) fn reset_on_close(&self) {
        // Without it the connection closes all the same.
        let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }

    /// Sets whether small writes leave at once.
    pub(crate) fn set_no_delay(&self, no_delay: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.fd, no_delay)?)
    }

    /// Sets whether the kernel probes an idle connection, and after which time.
    pub(crate) fn set_keep_alive(&self, after: Option<Duration>) -> io::Result<()> {
        sockopt::set_socket_keepalive(&self.fd, after.is_some())?;
        if let Some(after) = after.filter(|after| !after.is_zero()) {
            sockopt::set_tcp_keepidle(&self.fd, after)?;
            sockopt::set_tcp_keepintvl(&self.fd, KEEP_ALIVE_INTERVAL)?;
            sockopt::set_tcp_keepcnt(&self.fd, KEEP_ALIVE_RETRIES)?;
        }
        Ok(())
    }
}
