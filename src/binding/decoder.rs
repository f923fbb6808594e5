//! The frame decoder for JavaScript: one call a chunk, events as records.
//!
//! A decoder is an external value, not an object with methods: looking up what an object wraps
//! costs as much as decoding a few frames (measured: 376 against 191 ns for a chunk of one frame).
//!
//! `decode` decodes what a chunk holds and writes one record of four 32-bit integers per event:
//!
//! | field | meaning |
//! |---|---|
//! | 0 | kind: one of the `RECORD_…` constants |
//! | 1 | detail: fragment count of a message, opcode and FIN of a compressed frame, close code |
//! | 2 | where the payload is: an offset in the chunk, or -1 - the index of an owned payload |
//! | 3 | length of the payload in bytes |
//!
//! The first four integers are a header: the position in the chunk that decoding has reached, then
//! nothing. Payloads that lie in the chunk were unmasked there; others are taken with
//! `takePayload`.

use napi::bindgen_prelude::{Buffer, BufferSlice, External, Result, Uint32Array};
use napi_derive::napi;

use super::error::{ErrorDescription, reason};
use super::record::{Payloads, RECORD_ERROR, write_fields};
use crate::protocol::{self, Limits, ProtocolError, Role};

/// Bytes of a record, and of the header before the first.
const RECORD_LENGTH: usize = 16;

/// The decoder of one connection, and what JavaScript has not fetched from it yet.
pub struct Decoder {
    decoder: protocol::Decoder,
    payloads: Payloads,
    error: Option<ProtocolError>,
}

/// Makes a decoder for one role; `permessage_deflate` tells whether RSV1 may be set.
#[napi(catch_unwind)]
pub fn create_decoder(is_server: bool, permessage_deflate: bool) -> External<Decoder> {
    let config = protocol::DecoderConfig {
        role: if is_server { Role::Server } else { Role::Client },
        limits: Limits::default(),
        permessage_deflate,
        skip_utf8_validation: false,
    };
    let decoder = protocol::Decoder::new(config);
    External::new(Decoder { decoder, payloads: Payloads::default(), error: None })
}

/// Sets the limits, 0 for none: bytes a message, frames a message, chunks without a complete
/// frame; and whether text is taken as it comes. All hold from the next frame on.
#[napi(catch_unwind)]
pub fn set_decoder_limits(
    decoder: &mut External<Decoder>,
    max_payload: u32,
    max_fragments: u32,
    max_buffered_chunks: u32,
    skip_utf8_validation: bool,
) {
    let max_payload = u64::from(max_payload);
    decoder.decoder.set_limits(Limits { max_payload, max_fragments, max_buffered_chunks });
    decoder.decoder.set_skip_utf8_validation(skip_utf8_validation);
}

/// The declared lengths of the frames of the message that is under way, added up.
#[napi(catch_unwind)]
pub fn total_payload_length(decoder: &External<Decoder>) -> f64 {
    decoder.decoder.total_payload_length() as f64
}

/// Whether what was decoded ends with a message.
#[napi(catch_unwind)]
pub fn is_between_messages(decoder: &External<Decoder>) -> bool {
    decoder.decoder.is_between_messages()
}

/// Decodes `chunk` from `position` on until it or the space for records ends; returns the number
/// of records. Payloads of the call before that were not taken are dropped.
#[napi(catch_unwind)]
pub fn decode(
    decoder: &mut External<Decoder>,
    mut chunk: BufferSlice<'_>,
    position: u32,
    mut records: BufferSlice<'_>,
) -> Result<u32> {
    decoder.decode(&mut chunk, position as usize, &mut records)
}

/// Takes the owned payload of the latest `decode` that has this index.
#[napi(catch_unwind)]
pub fn take_payload(decoder: &mut External<Decoder>, index: u32) -> Buffer {
    decoder.payloads.take(index).into()
}

/// The lengths of the fragments of the owned payload that has this index.
#[napi(catch_unwind)]
pub fn fragment_lengths(decoder: &External<Decoder>, index: u32) -> Uint32Array {
    Uint32Array::new(decoder.payloads.fragment_lengths(index))
}

/// Why the connection has to fail, after a record of kind error.
#[napi(catch_unwind)]
pub fn decoder_error(decoder: &External<Decoder>) -> Option<ErrorDescription> {
    decoder.error.map(ErrorDescription::from)
}

impl Decoder {
    fn decode(&mut self, chunk: &mut [u8], mut position: usize, records: &mut [u8]) -> Result<u32> {
        self.payloads.clear();
        let (header, records) = records
            .split_at_mut_checked(RECORD_LENGTH)
            .ok_or_else(|| reason("no space for records"))?;
        let mut count = 0;
        for record in records.chunks_exact_mut(RECORD_LENGTH) {
            match self.decoder.decode(chunk, &mut position) {
                Ok(Some(event)) => write_fields(record, &self.payloads.record(event)),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error);
                    write_fields(record, &[RECORD_ERROR, 0, 0, 0]);
                    count += 1;
                    break;
                }
            }
            count += 1;
        }
        write_fields(header, &[position as i32, 0, 0, 0]);
        Ok(count)
    }
}
