//! Any bytes, in any chunks.
//!
//! Invariant: however a stream is cut into chunks, the decoder gives the same events and the same
//! error.

use oxws::protocol::{Decoder, DecoderConfig, ProtocolError};

use super::input::Input;
use super::seen::Seen;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let config = input.decoder_config();
    let lengths: Vec<usize> = (0..4).map(|_| 1 + usize::from(input.byte())).collect();
    let stream = input.rest();

    let whole = decode(config, [stream]);
    assert_eq!(decode(config, stream.chunks(1)), whole, "byte by byte");
    assert_eq!(decode(config, cut(stream, &lengths)), whole, "in chunks of {lengths:?}");
}

/// Cuts `stream` into chunks of the given lengths, over and over.
fn cut<'a>(mut stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (chunk, rest) = stream.split_at((*length).min(stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks
}

fn decode<'a>(
    config: DecoderConfig,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Seen>, Result<(), ProtocolError>) {
    let mut decoder = Decoder::new(config);
    let mut events = Vec::new();
    for chunk in chunks {
        let (mut input, mut position) = (chunk.to_vec(), 0);
        loop {
            match decoder.decode(&mut input, &mut position) {
                Ok(Some(event)) => events.push(Seen::new(event, &input)),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, Ok(()))
}
