//! Frames: the tape that messages are sent from, and the scanner that counts replies.

use std::io;
use std::ops::Range;

/// One key for every frame: what a server pays for unmasking does not depend on its value.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const CLOSE: u8 = 8;

/// A data message as a client frames it.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) text: bool,
    pub(crate) compressed: bool,
}

/// RFC 6455, section 5.2: `payload` as one masked frame.
pub(crate) fn encode_message(payload: &[u8], kind: Kind) -> Vec<u8> {
    let opcode = if kind.text { 1 } else { 2 };
    encode(payload, FIN | if kind.compressed { RSV1 } else { 0 } | opcode)
}

/// A close frame with status code 1000.
pub(crate) fn encode_close() -> Vec<u8> {
    encode(&1000_u16.to_be_bytes(), FIN | CLOSE)
}

fn encode(payload: &[u8], first: u8) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A header up to the payload length, in the shortest form; `mask` is the mask bit.
fn header(first: u8, mask: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    if length <= 125 {
        header.push(mask | length as u8);
    } else if length <= 0xffff {
        header.push(mask | 126);
        header.extend((length as u16).to_be_bytes());
    } else {
        header.push(mask | 127);
        header.extend((length as u64).to_be_bytes());
    }
    header
}

/// Frames laid end to end, so that any run of consecutive messages is one slice.
///
/// After the last frame it goes on with the first that repeats, so often that a run may begin at
/// any.
pub(crate) struct Tape {
    bytes: Vec<u8>,
    /// Where each frame begins, and the end of the last.
    offsets: Vec<usize>,
    /// How many frames there are.
    count: usize,
    /// How many of them don't repeat.
    prelude: usize,
}

impl Tape {
    /// The first `prelude` frames don't repeat. `longest` is the largest run that will be asked
    /// for.
    pub(crate) fn new(frames: &[Vec<u8>], prelude: usize, longest: usize) -> Self {
        let count = frames.len();
        let mut tape = Self { bytes: Vec::new(), offsets: vec![0], count, prelude };
        let repeated = frames[prelude..].iter().cycle().take(longest);
        for frame in frames.iter().chain(repeated) {
            tape.bytes.extend(frame);
            tape.offsets.push(tape.bytes.len());
        }
        tape
    }

    /// The bytes of `count` messages from `first` on.
    pub(crate) fn run(&self, first: usize, count: usize) -> Range<usize> {
        self.offsets[first]..self.offsets[first + count]
    }

    /// The message that follows `count` messages from `first` on.
    pub(crate) fn after(&self, first: usize, count: usize) -> usize {
        let next = first + count;
        if next < self.count {
            return next;
        }
        self.prelude + (next - self.prelude) % (self.count - self.prelude)
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// The header of an unmasked frame.
struct Header {
    first: u8,
    payload_length: u64,
    header_length: usize,
}

/// Reads a header at the start of `input`; `None` while it is incomplete.
fn parse(input: &[u8]) -> io::Result<Option<Header>> {
    let [first, second, rest @ ..] = input else { return Ok(None) };
    if second & 0x80 != 0 {
        return Err(io::Error::other("the server masked a frame"));
    }
    let (payload_length, header_length) = match (second, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (u64::from(*length), 2),
    };
    Ok(Some(Header { first: *first, payload_length, header_length }))
}

/// Counts the messages of a server's stream, looking at headers only.
#[derive(Default)]
pub(crate) struct Scanner {
    /// Payload length that every message has to have; `None`: any.
    expected: Option<u64>,
    /// The beginning of a header that the last input broke off.
    partial: [u8; 10],
    partial_length: usize,
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    /// The current frame ends a message.
    fin: bool,
}

impl Scanner {
    pub(crate) fn new(expected: Option<u64>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// The number of messages that end in `input`.
    pub(crate) fn scan(&mut self, mut input: &[u8]) -> io::Result<usize> {
        let mut messages = 0;
        while !input.is_empty() {
            if self.remaining == 0 {
                input = self.scan_header(input)?;
            }
            let skipped = self.remaining.min(input.len() as u64);
            self.remaining -= skipped;
            input = &input[skipped as usize..];
            if self.remaining == 0 && self.fin {
                self.fin = false;
                messages += 1;
            }
        }
        Ok(messages)
    }

    /// Takes a header, or what there is of it, off the input.
    fn scan_header<'a>(&mut self, input: &'a [u8]) -> io::Result<&'a [u8]> {
        if self.partial_length == 0
            && let Some(header) = parse(input)?
        {
            self.begin(&header)?;
            return Ok(&input[header.header_length..]);
        }
        for (index, byte) in input.iter().enumerate() {
            self.partial[self.partial_length] = *byte;
            self.partial_length += 1;
            if let Some(header) = parse(&self.partial[..self.partial_length])? {
                self.partial_length = 0;
                self.begin(&header)?;
                return Ok(&input[index + 1..]);
            }
        }
        Ok(&[])
    }

    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let opcode = header.first & 0x0f;
        if opcode == CLOSE {
            return Err(io::Error::other("the server closed a connection"));
        }
        if let Some(expected) = self.expected
            && expected != header.payload_length
        {
            return Err(io::Error::other(format!(
                "a reply has {} bytes instead of {expected}",
                header.payload_length
            )));
        }
        self.remaining = header.payload_length;
        self.fin = header.first & FIN != 0 && opcode < CLOSE;
        Ok(())
    }
}

/// Turns the messages of a client, all of one length and a frame each, into their echoes.
pub(crate) struct Echoer {
    /// Of a frame of the client; the masking key is between it and the payload.
    header: Vec<u8>,
    /// That of its echo.
    echo_header: Vec<u8>,
    /// Length of a frame of the client.
    length: usize,
    /// The beginning of a frame that the last input broke off.
    partial: Vec<u8>,
}

impl Echoer {
    pub(crate) fn new(size: usize) -> Self {
        let (header, echo_header) = (header(FIN | 2, 0x80, size), header(FIN | 2, 0, size));
        let length = header.len() + MASKING_KEY.len() + size;
        Self { header, echo_header, length, partial: Vec::new() }
    }

    /// Appends the echoes of the frames that end in `input`; how many there are.
    pub(crate) fn echo(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<usize> {
        let mut messages = 0;
        let mut rest = input;
        while self.partial.len() + rest.len() >= self.length {
            let (head, tail) = rest.split_at(self.length - self.partial.len());
            rest = tail;
            if self.partial.is_empty() {
                self.echo_frame(head, output)?;
            } else {
                let frame = [self.partial.as_slice(), head].concat();
                self.partial.clear();
                self.echo_frame(&frame, output)?;
            }
            messages += 1;
        }
        self.partial.extend_from_slice(rest);
        Ok(messages)
    }

    fn echo_frame(&self, frame: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let (header, masked) = frame.split_at(self.header.len());
        let (key, payload) = masked.split_at(MASKING_KEY.len());
        if header != self.header {
            return Err(io::Error::other("not the binary message that was expected"));
        }
        output.extend_from_slice(&self.echo_header);
        output.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        Ok(())
    }
}

/// The payload of the unmasked frame that `input` consists of, and whether RSV1 is set.
/// `None` while the frame is incomplete.
pub(crate) fn whole_frame(input: &[u8]) -> io::Result<Option<(&[u8], bool)>> {
    let Some(header) = parse(input)? else { return Ok(None) };
    let payload = &input[header.header_length..];
    if (payload.len() as u64) < header.payload_length {
        return Ok(None);
    }
    Ok(Some((payload, header.first & RSV1 != 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` unmasked binary frames of `size` bytes.
    fn replies(size: usize, count: usize) -> Vec<u8> {
        let mut frame = header(FIN | 2, 0, size);
        frame.resize(frame.len() + size, 7);
        frame.repeat(count)
    }

    #[test]
    fn counts_the_same_in_every_split() {
        for size in [0, 1, 20, 125, 126, 1024, 70_000] {
            let stream = replies(size, 3);
            for step in [1, 2, 3, 7, 1000, stream.len()] {
                let mut scanner = Scanner::new(Some(size as u64));
                let counted: usize =
                    stream.chunks(step).map(|input| scanner.scan(input).unwrap()).sum();
                assert_eq!(counted, 3, "size {size}, step {step}");
            }
        }
    }

    #[test]
    fn counts_a_fragmented_message_once() {
        let mut scanner = Scanner::new(None);
        assert_eq!(scanner.scan(&[0x02, 1, 9, 0x00, 0, 0x80, 1, 9]).unwrap(), 1);
    }

    #[test]
    fn rejects_another_length_and_a_close_frame() {
        assert!(Scanner::new(Some(20)).scan(&replies(21, 1)).is_err());
        assert!(Scanner::new(None).scan(&[0x88, 0]).is_err());
    }

    #[test]
    fn lays_runs_end_to_end() {
        let tape = Tape::new(&[vec![1], vec![2, 2]], 0, 3);
        assert_eq!(tape.bytes(tape.run(1, 3)), [2, 2, 1, 2, 2]);
        assert_eq!(tape.after(1, 3), 0);
    }

    #[test]
    fn repeats_what_is_behind_the_prelude() {
        let tape = Tape::new(&[vec![1], vec![2], vec![3], vec![4]], 2, 3);
        assert_eq!(tape.bytes(tape.run(1, 3)), [2, 3, 4]);
        assert_eq!(tape.bytes(tape.run(3, 3)), [4, 3, 4]);
        assert_eq!([tape.after(0, 1), tape.after(1, 3), tape.after(3, 3)], [1, 2, 2]);
    }

    #[test]
    fn echoes_the_same_in_every_split() {
        for size in [0, 20, 126, 70_000] {
            let frame = encode_message(&vec![7; size], Kind { text: false, compressed: false });
            let stream = frame.repeat(3);
            for step in [1, 2, 7, 1000, stream.len()] {
                let (mut echoer, mut output) = (Echoer::new(size), Vec::new());
                let counted: usize =
                    stream.chunks(step).map(|input| echoer.echo(input, &mut output).unwrap()).sum();
                assert_eq!(counted, 3, "size {size}, step {step}");
                assert!(output == replies(size, 3), "size {size}, step {step}");
            }
        }
        assert!(Echoer::new(1).echo(&[0x88, 0x80, 0, 0, 0, 0, 0], &mut Vec::new()).is_err());
    }

    #[test]
    fn masks_the_payload() {
        let frame = encode_message(b"Hello", Kind { text: true, compressed: false });
        assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }
}
