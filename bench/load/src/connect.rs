//! Connect: opening handshake, closing handshake, again, on a number of connections at a time.

use std::io::{self, Read, Write};
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Poll, Registry, Token};

use crate::frame::encode_close;
use crate::meter::{Clock, Meter, Report, Schedule};
use crate::target::{Target, source_socket};

pub(crate) struct Connect {
    /// Connections at a time.
    pub(crate) connections: usize,
    pub(crate) schedule: Schedule,
}

/// Counts connections whose server end is closed; the latency is that of the opening handshake.
pub(crate) fn run(target: &Target, connect: &Connect) -> io::Result<Report> {
    let mut poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    let request = target.request().into_bytes();
    let mut opener = Opener { target, request, registry, opened: 0 };
    let mut attempts =
        (0..connect.connections).map(|slot| opener.open(slot)).collect::<io::Result<Vec<_>>>()?;
    Clock::start(target.pid, connect.schedule)?.drive(&mut poll, |event, meter| {
        let slot = event.token().0;
        if attempts[slot].advance(event, &opener, meter)? {
            attempts[slot] = opener.open(slot)?;
        }
        Ok(())
    })
}

struct Opener<'a> {
    target: &'a Target,
    request: Vec<u8>,
    registry: Registry,
    opened: usize,
}

impl Opener<'_> {
    fn open(&mut self, slot: usize) -> io::Result<Attempt> {
        let started = Instant::now();
        let socket = source_socket(self.opened)?;
        self.opened += 1;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.target.address.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error);
            }
            _ => {}
        }
        let mut socket = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut socket, Token(slot), interest)?;
        Ok(Attempt { socket, state: State::Connecting, started })
    }
}

enum State {
    /// TCP is not connected yet.
    Connecting,
    /// The request is sent, the response has not come.
    Upgrading,
    /// The close frame is sent, the server has not closed.
    Closing,
}

struct Attempt {
    socket: TcpStream,
    state: State,
    started: Instant,
}

impl Attempt {
    /// Goes on as far as the socket allows; `true` when this connection is over.
    fn advance(
        &mut self,
        event: &Event,
        opener: &Opener<'_>,
        meter: &mut Meter,
    ) -> io::Result<bool> {
        if matches!(self.state, State::Connecting) && event.is_writable() {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            self.socket.write_all(&opener.request)?;
            self.state = State::Upgrading;
        }
        if event.is_readable() || event.is_read_closed() {
            return self.receive(opener, meter);
        }
        Ok(false)
    }

    fn receive(&mut self, opener: &Opener<'_>, meter: &mut Meter) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            let length = match self.socket.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            meter.add_bytes(length);
            match self.state {
                State::Closing if length == 0 => {
                    // RFC 6455, section 7.1.1: the server closes first, so the waiting state of
                    // TCP is on its side and this side's port is free again.
                    return Ok(true);
                }
                State::Closing => {}
                State::Connecting | State::Upgrading => {
                    opener.target.check_response(&buffer[..length])?;
                    meter.add_messages(1, self.started.elapsed());
                    self.socket.write_all(&encode_close())?;
                    self.state = State::Closing;
                }
            }
        }
    }
}
