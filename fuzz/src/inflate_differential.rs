//! Any bytes as streams of RFC 1951, in any pieces, inflated by the decompressor and by zlib-rs.
//!
//! Invariant: both produce the same bytes, end at the same places, and say the same of what is
//! invalid, each time after the same piece.

use flate2::{Decompress, FlushDecompress, Status};
use oxws::protocol::deflate::{Decompressor, DecompressorConfig, InflateError};

use super::input::Input;

/// zlib-rs leaves its fast path, on which it has no words for errors, where there is less room than
/// 260 bytes.
const ROOM: usize = 256;

/// Enough for every situation, few enough for the fuzzer's pace.
const MAX_OUTPUT: usize = 1 << 20;

/// What a message leaves out at its end: RFC 7692, section 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (pieces, ends, budget) = (input.byte(), input.byte(), input.byte());
    let mut decompressor = Decompressor::new(DecompressorConfig::default());
    let mut reference = Reference::new();
    let mut total = 0;
    for index in 0_u32.. {
        if input.is_empty() || total > MAX_OUTPUT {
            break;
        }
        let data = input.bytes(1 + usize::from(pieces) * usize::from(pieces & 7));
        let fin = ends >> (index & 7) & 1 != 0;
        let mut output = Vec::new();
        let result = inflate(&mut decompressor, data, fin, 1 << (budget & 15), &mut output);
        let mut expected = Vec::new();
        let status = reference.inflate(data, fin, &mut expected);
        match (result, status) {
            (Ok(()), Ok(())) => {
                assert!(output == expected, "{} bytes, {} expected", output.len(), expected.len());
            }
            (Err(InflateError::InvalidData(_)), Err(None)) => break,
            (Err(error), Err(Some(message))) => {
                assert_eq!(error.to_string(), message);
                break;
            }
            (result, status) => panic!("{result:?}, {status:?} expected"),
        }
        total += output.len();
    }
}

/// Inflates with pauses.
fn inflate(
    decompressor: &mut Decompressor,
    mut data: &[u8],
    fin: bool,
    budget: usize,
    output: &mut Vec<u8>,
) -> Result<(), InflateError> {
    while !decompressor.decompress_some(&mut data, fin, None, budget, output)? {}
    Ok(())
}

/// The stream as zlib-rs decodes it.
struct Reference {
    stream: Decompress,
    /// The stream has ended, and nothing has come behind it: the next piece goes with it.
    has_ended: bool,
}

impl Reference {
    fn new() -> Self {
        Self { stream: Decompress::new(false), has_ended: false }
    }

    /// Inflates a piece. The error is what zlib-rs says of it, if it says something.
    fn inflate(
        &mut self,
        data: &[u8],
        fin: bool,
        output: &mut Vec<u8>,
    ) -> Result<(), Option<String>> {
        let mut rest = data;
        self.has_ended |= self.run(&mut rest, output)?;
        if fin && rest.is_empty() {
            rest = &TAIL;
            self.has_ended |= self.run(&mut rest, output)?;
        }
        if self.has_ended && !rest.is_empty() {
            self.stream.reset(false);
            self.has_ended = false;
        }
        Ok(())
    }

    /// Says whether the stream has ended.
    fn run(&mut self, data: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Option<String>> {
        let mut buffer = [0; ROOM];
        while !self.has_ended {
            let (taken, produced) = (self.stream.total_in(), self.stream.total_out());
            let result = self.stream.decompress(data, &mut buffer, FlushDecompress::Sync);
            let taken = (self.stream.total_in() - taken) as usize;
            let produced = (self.stream.total_out() - produced) as usize;
            output.extend_from_slice(&buffer[..produced]);
            *data = &data[taken..];
            match result {
                Err(error) => return Err(error.message().map(str::to_owned)),
                Ok(Status::StreamEnd) => return Ok(true),
                Ok(_) if taken == 0 && produced == 0 => return Ok(false),
                Ok(_) => {}
            }
        }
        Ok(false)
    }
}
