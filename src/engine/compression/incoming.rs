//! permessage-deflate of one connection: its two directions, and the message whose frames are being
//! inflated.

use std::sync::Arc;

use super::super::threads::background::{self, Due, Place};
use super::direction::{Deflation, Shared};
use crate::lock::lock;
use crate::protocol::deflate::{Decompressor, InflateError, LARGE_INPUT, LARGE_OUTPUT};
use crate::protocol::{Event, Opcode, Payload, ProtocolError, is_valid_utf8};

/// A scratch that has grown beyond this is not kept.
const MAX_SCRATCH: usize = 2 * LARGE_OUTPUT;

/// Why a message is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Inflate(InflateError),
    Protocol(ProtocolError),
}

/// What has become of a frame.
#[derive(Debug)]
pub(crate) enum Inflated {
    /// More frames are needed.
    Incomplete,
    /// The message is complete and is what the scratch holds.
    Whole(Opcode),
    /// The message is complete.
    Message(Event),
    /// The rest of the work is better done elsewhere.
    Large(Box<InflateWork>),
}

/// What inflating works with.
#[derive(Debug, Default)]
pub(crate) struct Inflating {
    /// Where messages are put before it is known how long they are.
    pub(crate) scratch: Vec<u8>,
    /// How much was inflated here: by a reactor since its latest poll began, by a thread that
    /// shares its turns since there is one.
    pub(crate) output: usize,
    /// What is to be inflated elsewhere.
    pub(crate) due: Due<InflateWork>,
    /// The places of work whose result was given out since the latest poll began.
    pub(crate) places: Vec<Place>,
}

/// A frame that is being inflated on another thread.
#[derive(Debug)]
pub(crate) struct InflateWork {
    inflation: Shared<Decompressor>,
    data: Vec<u8>,
    fin: bool,
    limit: Option<u64>,
    output: Vec<u8>,
}

/// What a frame became on another thread.
pub(crate) type Outcome = Result<Vec<u8>, InflateError>;

impl background::Work for InflateWork {
    type Outcome = Outcome;

    fn run(self) -> Outcome {
        let Self { inflation, data, fin, limit, mut output } = self;
        lock(&inflation).decompress_some(
            &mut data.as_slice(),
            fin,
            limit,
            usize::MAX,
            &mut output,
        )?;
        output.shrink_to_fit();
        Ok(output)
    }

    fn panicked() -> Outcome {
        Err(InflateError::InvalidData("Zlib error"))
    }
}

/// What is checked of an inflated message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks {
    /// Bytes in a message, 0 for any number.
    pub(crate) max_payload: u64,
    pub(crate) skip_utf8_validation: bool,
}

/// permessage-deflate of a connection.
#[derive(Debug)]
pub(crate) struct Compression {
    pub(crate) deflation: Shared<Deflation>,
    pub(crate) inflation: Shared<Decompressor>,
    /// How many bytes a message that is published has at least that is compressed.
    pub(crate) least: usize,
    /// What is inflated of a message of several frames, and the lengths of the non-empty ones.
    message: Vec<u8>,
    fragments: Vec<usize>,
    /// The frame that another thread works on: its number, type and whether it is the last.
    awaited: Option<(u64, Opcode, bool)>,
    outcome: Option<(Outcome, Place)>,
}

impl Compression {
    pub(crate) const fn new(deflation: Shared<Deflation>, inflation: Shared<Decompressor>) -> Self {
        Self {
            deflation,
            inflation,
            least: 0,
            message: Vec::new(),
            fragments: Vec::new(),
            awaited: None,
            outcome: None,
        }
    }

    /// Whether a frame is worked on elsewhere, and everything after it has to wait.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether it awaits the result of the work of this number.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.awaited.is_some_and(|(awaited, ..)| awaited == number)
    }

    /// Whether a frame that was worked on elsewhere is to be taken up again.
    pub(crate) const fn has_outcome(&self) -> bool {
        self.outcome.is_some()
    }

    /// Notes that the work of this number does the frame that [`inflate`](Self::inflate) gave up.
    pub(crate) const fn wait_for(&mut self, number: u64, opcode: Opcode, fin: bool) {
        self.awaited = Some((number, opcode, fin));
    }

    /// Takes the result of the work of this number.
    pub(crate) fn note_outcome(&mut self, number: u64, outcome: Outcome, place: Place) {
        if self.awaited.is_some_and(|(awaited, ..)| awaited == number) {
            self.outcome = Some((outcome, place));
        }
    }

    /// Goes on after a frame that was worked on elsewhere.
    pub(crate) fn take_outcome(
        &mut self,
        checks: Checks,
        inflating: &mut Inflating,
    ) -> Option<Result<Inflated, Refusal>> {
        let (outcome, place) = self.outcome.take()?;
        inflating.places.push(place);
        let (_, opcode, fin) = self.awaited.take()?;
        let mut output = match outcome {
            Ok(output) => output,
            Err(error) => return Some(Err(Refusal::Inflate(error))),
        };
        inflating.output += output.len();
        let finished = self.finish_frame(opcode, fin, &mut output, checks);
        Some(finished.map(|inflated| match inflated {
            Inflated::Whole(opcode) => Inflated::Message(message(opcode, output, Vec::new())),
            other => other,
        }))
    }

    /// Inflates a frame of a compressed message.
    pub(crate) fn inflate(
        &mut self,
        opcode: Opcode,
        fin: bool,
        data: &[u8],
        checks: Checks,
        inflating: &mut Inflating,
    ) -> Result<Inflated, Refusal> {
        let Inflating { scratch, output, .. } = inflating;
        // Deviation (ws 8.23): ws adds the lengths of fragments up when each is inflated, so of one
        // that is invalid, far after where there was too much, it says that. Here memory comes
        // first.
        let limit = match checks.max_payload {
            0 => None,
            max => Some(max.saturating_sub(self.message.len() as u64)),
        };
        if scratch.capacity() > MAX_SCRATCH {
            *scratch = Vec::new();
        }
        scratch.clear();
        let mut rest = data;
        let is_done = data.len() < LARGE_INPUT
            && lock(&self.inflation)
                .decompress_some(&mut rest, fin, limit, LARGE_OUTPUT, scratch)
                .map_err(Refusal::Inflate)?;
        *output += scratch.len();
        if is_done {
            return self.finish_frame(opcode, fin, scratch, checks);
        }
        Ok(Inflated::Large(Box::new(InflateWork {
            inflation: Arc::clone(&self.inflation),
            data: rest.to_vec(),
            fin,
            limit,
            output: std::mem::take(scratch),
        })))
    }

    /// Adds an inflated frame to its message and finishes that with the last one.
    fn finish_frame(
        &mut self,
        opcode: Opcode,
        fin: bool,
        frame: &mut Vec<u8>,
        checks: Checks,
    ) -> Result<Inflated, Refusal> {
        let is_valid = |text: &[u8]| {
            checks.skip_utf8_validation || opcode != Opcode::Text || is_valid_utf8(text)
        };
        let invalid = Refusal::Protocol(ProtocolError::InvalidUtf8);
        if fin && self.fragments.is_empty() {
            return if is_valid(frame) { Ok(Inflated::Whole(opcode)) } else { Err(invalid) };
        }
        if !frame.is_empty() {
            self.fragments.push(frame.len());
            self.message.append(frame);
        }
        if !fin {
            return Ok(Inflated::Incomplete);
        }
        let bytes = std::mem::take(&mut self.message);
        let fragments = std::mem::take(&mut self.fragments);
        // As ws, which looks at the text when it is complete.
        if is_valid(&bytes) {
            Ok(Inflated::Message(message(opcode, bytes, fragments)))
        } else {
            Err(invalid)
        }
    }
}

/// The event of a complete message.
fn message(opcode: Opcode, bytes: Vec<u8>, fragments: Vec<usize>) -> Event {
    let payload = Payload::Owned(bytes);
    match opcode {
        Opcode::Text => Event::Text { payload, fragments },
        _ => Event::Binary { payload, fragments },
    }
}
