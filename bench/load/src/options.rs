//! The command line.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::meter::Schedule;

pub(crate) const USAGE: &str = "\
Usage: load MODE --port PORT --pid PID [OPTION ...]
       load certificate DIRECTORY

Loads the WebSocket server at 127.0.0.1:PORT, process PID, with one thread, and prints what it
measured as one line of JSON.

Modes
  echo         messages sent and echoed
  broadcast    messages delivered, by a server that sends to all what one sends
  connect      connections opened and closed
  idle         resident memory of the server for each open connection
  serve        messages echoed to a client, process PID, that connects to PORT
  certificate  make certificate.pem and key.pem for a TLS server

Options
  --connections N     connections at a time (default 1)
  --size BYTES        of a message (default 20)
  --in-flight N       messages that each connection awaits the echo of, or sends at a time
                      (default 1)
  --all               broadcast: each connection sends, not only the first
  --seconds S         how long to measure (default 2)
  --warm-up S         how long to run before (default 0.5)
  --text              text instead of binary messages
  --deflate           permessage-deflate, messages compressed, each with an empty window
  --takeover          with the window of the message before
  --message BYTES     idle: a message sent by each connection before
  --certificate PATH  TLS; the server's certificate, to be trusted
";

pub(crate) enum Command {
    Help,
    Certificate(PathBuf),
    Load { mode: Mode, options: Options },
}

#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Echo,
    Broadcast,
    Connect,
    Idle,
    Serve,
}

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    pub(crate) size: usize,
    pub(crate) in_flight: usize,
    pub(crate) schedule: Schedule,
    pub(crate) text: bool,
    pub(crate) all: bool,
    pub(crate) deflate: bool,
    pub(crate) takeover: bool,
    pub(crate) message: Option<usize>,
    pub(crate) certificate: Option<String>,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, Box<dyn Error>> {
    let mode = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(word)) if word == "certificate" => {
            return Ok(Command::Certificate(parser.value()?.into()));
        }
        Some(Value(word)) if word == "echo" => Mode::Echo,
        Some(Value(word)) if word == "broadcast" => Mode::Broadcast,
        Some(Value(word)) if word == "connect" => Mode::Connect,
        Some(Value(word)) if word == "idle" => Mode::Idle,
        Some(Value(word)) if word == "serve" => Mode::Serve,
        Some(argument) => return Err(argument.unexpected().into()),
    };
    Ok(Command::Load { mode, options: parse_options(&mut parser)? })
}

fn parse_options(parser: &mut lexopt::Parser) -> Result<Options, Box<dyn Error>> {
    let (mut port, mut pid, mut certificate, mut message) = (None, None, None, None);
    let (mut connections, mut size, mut in_flight) = (1, 20, 1);
    let (mut text, mut all, mut deflate, mut takeover) = (false, false, false, false);
    let mut schedule =
        Schedule { warm_up: Duration::from_millis(500), measured: Duration::from_secs(2) };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => port = Some(parser.value()?.parse()?),
            Long("pid") => pid = Some(parser.value()?.parse()?),
            Long("connections") => connections = parser.value()?.parse()?,
            Long("size") => size = parser.value()?.parse()?,
            Long("in-flight") => in_flight = parser.value()?.parse()?,
            Long("seconds") => schedule.measured = seconds(parser)?,
            Long("warm-up") => schedule.warm_up = seconds(parser)?,
            Long("text") => text = true,
            Long("all") => all = true,
            Long("deflate") => deflate = true,
            Long("takeover") => takeover = true,
            Long("message") => message = Some(parser.value()?.parse()?),
            Long("certificate") => certificate = Some(parser.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if connections == 0 || in_flight == 0 {
        return Err("--connections and --in-flight are at least 1".into());
    }
    Ok(Options {
        port: port.ok_or("--port is missing")?,
        pid: pid.ok_or("--pid is missing")?,
        connections,
        size,
        in_flight,
        schedule,
        text,
        all,
        deflate,
        takeover,
        message,
        certificate,
    })
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from_secs_f64(parser.value()?.parse()?)?)
}
