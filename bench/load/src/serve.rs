//! Serve: an echo server for a client that is to be measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mio::{Interest, Poll, Token};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::frame::Echoer;
use crate::meter::{Clock, Meter, Report, Schedule};
use crate::stream::{READ_LENGTH, Stream};

/// RFC 6455, section 1.3: what is hashed behind the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Longest wait for the client to connect, and for its part of a handshake.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Serve {
    pub(crate) address: SocketAddr,
    /// The client's process.
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    /// Length of every message.
    pub(crate) size: usize,
    pub(crate) schedule: Schedule,
}

/// Counts the messages that the client sends. There is no latency: the server waits for nothing.
pub(crate) fn run(serve: &Serve) -> io::Result<Report> {
    let listener = TcpListener::bind(serve.address)?;
    let mut poll = Poll::new()?;
    let mut links = Vec::with_capacity(serve.connections);
    for index in 0..serve.connections {
        let (mut socket, _) = listener.accept()?;
        accept(&mut socket)?;
        socket.set_nonblocking(true)?;
        let mut stream = Stream::Plain(mio::net::TcpStream::from_std(socket));
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(stream.socket_mut(), Token(index), interest)?;
        links.push(Link { stream, echoer: Echoer::new(serve.size), unsent: Vec::new() });
    }
    let mut buffer = vec![0; READ_LENGTH];
    Clock::start(serve.pid, serve.schedule)?.drive(&mut poll, |event, meter| {
        let link = &mut links[event.token().0];
        if event.is_readable() || event.is_read_closed() {
            link.receive(&mut buffer, meter)
        } else {
            link.send()
        }
    })
}

/// RFC 6455, section 4.2: the server's part of the opening handshake.
fn accept(socket: &mut TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(OPENING_TIMEOUT))?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        let length = socket.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..length]);
    }
    let request = String::from_utf8_lossy(&request);
    let key = request
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .ok_or_else(|| io::Error::other("no key in the opening handshake"))?
        .1
        .trim();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    write!(
        socket,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(hash)
    )
}

/// One connection of the client.
struct Link {
    stream: Stream<mio::net::TcpStream>,
    echoer: Echoer,
    /// Echoes that the socket has not taken yet.
    unsent: Vec<u8>,
}

impl Link {
    fn receive(&mut self, buffer: &mut [u8], meter: &mut Meter) -> io::Result<()> {
        while let Some(length) = self.stream.receive(buffer)? {
            let messages = self.echoer.echo(&buffer[..length], &mut self.unsent)?;
            meter.add_bytes(length);
            meter.add_messages(messages, Duration::ZERO);
            self.send()?;
            if self.stream.is_drained(length, buffer.len()) {
                break;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }
}
