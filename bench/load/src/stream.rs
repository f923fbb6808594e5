//! The byte stream of a connection: TCP, or TLS over it. Blocking or not, as its socket is.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::ClientConnection;

/// How much is read at once where much arrives: a read mostly empties its socket.
pub(crate) const READ_LENGTH: usize = 256 * 1024;

/// Enough for the largest TLS record several times over.
const TLS_BUFFER_LENGTH: usize = 64 * 1024;

pub(crate) enum Stream<S> {
    Plain(S),
    Tls(Box<ClientConnection>, Buffered<S>),
}

impl Stream<TcpStream> {
    pub(crate) fn tls(session: ClientConnection, socket: TcpStream) -> Self {
        Self::Tls(Box::new(session), Buffered::new(socket))
    }

    pub(crate) fn into_nonblocking(self) -> io::Result<Stream<mio::net::TcpStream>> {
        let convert = |socket: TcpStream| {
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(mio::net::TcpStream::from_std(socket))
        };
        Ok(match self {
            Self::Plain(socket) => Stream::Plain(convert(socket)?),
            Self::Tls(session, buffered) => {
                let Buffered { socket, bytes, start, end } = buffered;
                Stream::Tls(session, Buffered { socket: convert(socket)?, bytes, start, end })
            }
        })
    }
}

impl<S> Stream<S> {
    pub(crate) fn socket_mut(&mut self) -> &mut S {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(_, buffered) => &mut buffered.socket,
        }
    }

    /// Whether a read of `length` bytes into `capacity` leaves nothing behind.
    ///
    /// A short read from a TCP socket empties it, and epoll reports what comes later.
    pub(crate) fn is_drained(&self, length: usize, capacity: usize) -> bool {
        matches!(self, Self::Plain(_)) && length < capacity
    }
}

impl<S: Read + Write> Stream<S> {
    /// Reads what has arrived; `None` where nothing has. That the peer has ended is an error.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(session, socket) => {
                rustls::Stream::new(session.as_mut(), socket).read(buffer)
            }
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(session, socket) => {
                rustls::Stream::new(session.as_mut(), socket).write(bytes)
            }
        }
    }

    /// Sends what TLS holds back.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(session, socket) => rustls::Stream::new(session.as_mut(), socket).flush(),
        }
    }
}

/// A socket read in large pieces: rustls asks for 4 KiB at a time.
pub(crate) struct Buffered<S> {
    socket: S,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<S> Buffered<S> {
    fn new(socket: S) -> Self {
        Self { socket, bytes: vec![0; TLS_BUFFER_LENGTH].into(), start: 0, end: 0 }
    }
}

impl<S: Read> Read for Buffered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.socket.read(&mut self.bytes)?;
        }
        let length = buffer.len().min(self.end - self.start);
        buffer[..length].copy_from_slice(&self.bytes[self.start..self.start + length]);
        self.start += length;
        Ok(length)
    }
}

impl<S: Write> Write for Buffered<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
