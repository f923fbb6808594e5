//! Echo: every connection keeps the same number of messages in flight and awaits their echoes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::Instant;

use mio::{Interest, Poll, Token};

use crate::frame::{Kind, Scanner, Tape, encode_message, whole_frame};
use crate::meter::{Clock, Meter, Report, Schedule};
use crate::payload::{self, Deflater};
use crate::stream::{READ_LENGTH, Stream};
use crate::target::Target;

/// So many different messages take turns where they are compressed. At 1 KiB each they are more
/// than the LZ77 window of 32 KiB holds: no server finds a whole message in what it sent before.
const COMPRESSED_VARIANTS: usize = 64;

pub(crate) struct Echo {
    pub(crate) connections: usize,
    pub(crate) size: usize,
    pub(crate) in_flight: usize,
    pub(crate) text: bool,
    pub(crate) schedule: Schedule,
}

pub(crate) fn run(target: &Target, echo: &Echo) -> io::Result<Report> {
    let variants = if target.deflate { COMPRESSED_VARIANTS } else { 1 };
    // With context takeover what a message is compressed to depends on those before: after a first
    // round through all of them it's the same in every round.
    let prelude = if target.takeover { variants } else { 0 };
    let mut deflater = Deflater::new(target.takeover);
    let frames = (0..prelude + variants)
        .map(|index| message(target, &mut deflater, echo.size, echo.text, index % variants))
        .collect::<io::Result<Vec<_>>>()?;
    let tape = Tape::new(&frames, prelude, echo.in_flight);
    // How long a compressed echo is, the server decides.
    let expected = (!target.deflate).then_some(echo.size as u64);

    let mut poll = Poll::new()?;
    let mut links = Vec::with_capacity(echo.connections);
    for index in 0..echo.connections {
        let mut stream = target.open(index)?;
        probe(&mut stream, &frames[0], &payload::json_text(echo.size, 0))?;
        let mut stream = stream.into_nonblocking()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(stream.socket_mut(), Token(index), interest)?;
        // The probe was the first message.
        let first = if target.takeover { 1 } else { index % variants };
        links.push(Link::new(stream, Scanner::new(expected), first, echo.in_flight));
    }
    let clock = Clock::start(target.pid, echo.schedule)?;
    for link in &mut links {
        link.send(&tape)?;
    }
    let mut buffer = vec![0; READ_LENGTH];
    clock.drive(&mut poll, |event, meter| {
        let link = &mut links[event.token().0];
        if event.is_readable() || event.is_read_closed() {
            link.receive(&mut buffer, &tape, meter)
        } else {
            link.send(&tape)
        }
    })
}

/// One variant of a message as a frame, compressed if that was agreed on.
pub(crate) fn message(
    target: &Target,
    deflater: &mut Deflater,
    size: usize,
    text: bool,
    variant: usize,
) -> io::Result<Vec<u8>> {
    let plain = payload::json_text(size, variant);
    let payload = if target.deflate { deflater.deflate(&plain)? } else { plain };
    Ok(encode_message(&payload, Kind { text, compressed: target.deflate }))
}

/// Sends one message and compares its echo, so that what is counted later is known to be right.
pub(crate) fn probe(stream: &mut Stream<TcpStream>, frame: &[u8], text: &[u8]) -> io::Result<()> {
    stream.write_all(frame)?;
    stream.flush()?;
    let mut reply = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reply.extend_from_slice(&buffer[..length]);
        if let Some((payload, compressed)) = whole_frame(&reply)? {
            let same = if compressed {
                payload::inflate(payload, text.len())? == text
            } else {
                payload == text
            };
            return if same { Ok(()) } else { Err(io::Error::other("the echo differs")) };
        }
    }
}

/// One connection and its messages in flight.
struct Link {
    stream: Stream<mio::net::TcpStream>,
    scanner: Scanner,
    /// The place on the tape of the message to be sent next.
    variant: usize,
    /// Messages to be sent as soon as the socket takes them.
    owed: usize,
    /// The part of the tape that the socket has not taken yet.
    unsent: Range<usize>,
    /// When messages were sent that have no echo yet, oldest first.
    awaited: VecDeque<(Instant, usize)>,
}

impl Link {
    fn new(
        stream: Stream<mio::net::TcpStream>,
        scanner: Scanner,
        variant: usize,
        owed: usize,
    ) -> Self {
        Self { stream, scanner, variant, owed, unsent: 0..0, awaited: VecDeque::new() }
    }

    /// Takes what has arrived and sends as many messages as were answered.
    fn receive(&mut self, buffer: &mut [u8], tape: &Tape, meter: &mut Meter) -> io::Result<()> {
        while let Some(length) = self.stream.receive(buffer)? {
            meter.add_bytes(length);
            let echoes = self.scanner.scan(&buffer[..length])?;
            self.settle(echoes, Instant::now(), meter)?;
            self.owed += echoes;
            self.send(tape)?;
            if self.stream.is_drained(length, buffer.len()) {
                return Ok(());
            }
        }
        self.send(tape)
    }

    fn settle(&mut self, mut echoes: usize, now: Instant, meter: &mut Meter) -> io::Result<()> {
        while echoes > 0 {
            let Some((sent, count)) = self.awaited.front_mut() else {
                return Err(io::Error::other("more echoes than messages"));
            };
            let settled = echoes.min(*count);
            meter.add_messages(settled, now - *sent);
            echoes -= settled;
            *count -= settled;
            if *count == 0 {
                self.awaited.pop_front();
            }
        }
        Ok(())
    }

    /// Sends what is owed, as far as the socket takes it.
    fn send(&mut self, tape: &Tape) -> io::Result<()> {
        loop {
            if self.unsent.is_empty() {
                if self.owed == 0 {
                    break;
                }
                self.unsent = tape.run(self.variant, self.owed);
                self.variant = tape.after(self.variant, self.owed);
                self.awaited.push_back((Instant::now(), self.owed));
                self.owed = 0;
            }
            match self.stream.write(tape.bytes(self.unsent.clone())) {
                Ok(length) => self.unsent.start += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}
