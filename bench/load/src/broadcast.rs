//! Broadcast: one connection, or each, sends messages, the server sends them to all, and so on.

use std::io::{self, Write};
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};

use crate::echo;
use crate::frame::Scanner;
use crate::meter::{Clock, Report, Schedule};
use crate::payload::Deflater;
use crate::stream::Stream;
use crate::target::Target;

const READ_LENGTH: usize = 64 * 1024;

pub(crate) struct Broadcast {
    /// Receivers; the first of them is the one that sends.
    pub(crate) connections: usize,
    /// Each of them sends, as in a chat room.
    pub(crate) all: bool,
    /// Messages that each one sends at a time.
    pub(crate) in_flight: usize,
    pub(crate) size: usize,
    pub(crate) text: bool,
    pub(crate) schedule: Schedule,
}

struct Receiver {
    stream: Stream<mio::net::TcpStream>,
    scanner: Scanner,
}

/// What is sent once everything has arrived.
struct Round {
    /// By each sender.
    bytes: Vec<u8>,
    senders: usize,
    in_flight: usize,
}

/// Counts deliveries; a delivery's latency runs from the sending of its message.
pub(crate) fn run(target: &Target, broadcast: &Broadcast) -> io::Result<Report> {
    let Broadcast { size, text, all, in_flight, .. } = *broadcast;
    let frame = echo::message(target, &mut Deflater::new(target.takeover), size, text, 0)?;
    // How long a compressed message is, the server decides.
    let expected = (!target.deflate).then_some(size as u64);
    let mut poll = Poll::new()?;
    let mut receivers = Vec::with_capacity(broadcast.connections);
    for index in 0..broadcast.connections {
        let mut stream = target.open(index)?.into_nonblocking()?;
        poll.registry().register(stream.socket_mut(), Token(index), Interest::READABLE)?;
        receivers.push(Receiver { stream, scanner: Scanner::new(expected) });
    }
    let clock = Clock::start(target.pid, broadcast.schedule)?;
    let senders = if all { receivers.len() } else { 1 };
    drive(
        &mut poll,
        &mut receivers,
        &Round { bytes: frame.repeat(in_flight), senders, in_flight },
        clock,
    )
}

fn drive(
    poll: &mut Poll,
    receivers: &mut [Receiver],
    round: &Round,
    mut clock: Clock,
) -> io::Result<Report> {
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_LENGTH];
    let mut sent = Instant::now();
    let mut awaited = 0;
    loop {
        let now = Instant::now();
        if !clock.advance(now)? {
            return clock.meter.report();
        }
        if awaited == 0 {
            sent = now;
            awaited = receivers.len() * round.senders * round.in_flight;
            for sender in &mut receivers[..round.senders] {
                // Some short messages always fit into an empty socket buffer.
                sender.stream.write_all(&round.bytes)?;
            }
        }
        poll.poll(&mut events, Some(clock.timeout(now)))?;
        for event in &events {
            let receiver = &mut receivers[event.token().0];
            let (length, messages) = receiver.receive(&mut buffer)?;
            clock.meter.add_bytes(length);
            clock.meter.add_messages(messages, sent.elapsed());
            awaited = awaited
                .checked_sub(messages)
                .ok_or_else(|| io::Error::other("more deliveries than receivers"))?;
        }
    }
}

impl Receiver {
    /// The bytes and messages that have arrived.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, usize)> {
        let mut total = (0, 0);
        while let Some(length) = self.stream.receive(buffer)? {
            total.0 += length;
            total.1 += self.scanner.scan(&buffer[..length])?;
            if self.stream.is_drained(length, buffer.len()) {
                break;
            }
        }
        Ok(total)
    }
}
