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

use napi::bindgen_prelude::{Buffer, BufferSlice, External, Uint32Array};
use napi_derive::napi;

use super::error::ErrorDescription;
use crate::javascript::records::RecordDecoder;
use crate::protocol::Limits;

/// Makes a decoder for one role; `permessage_deflate` tells whether RSV1 may be set.
#[napi(catch_unwind)]
pub fn create_decoder(is_server: bool, permessage_deflate: bool) -> External<RecordDecoder> {
    External::new(RecordDecoder::new(is_server, permessage_deflate))
}

/// Sets the limits, 0 for none: bytes a message, frames a message, chunks without a complete
/// frame; and whether text is taken as it comes. All hold from the next frame on.
#[napi(catch_unwind)]
pub fn set_decoder_limits(
    decoder: &mut External<RecordDecoder>,
    max_payload: u32,
    max_fragments: u32,
    max_buffered_chunks: u32,
    skip_utf8_validation: bool,
) {
    let max_payload = u64::from(max_payload);
    let limits = Limits { max_payload, max_fragments, max_buffered_chunks };
    decoder.set_limits(limits, skip_utf8_validation);
}

/// The declared lengths of the frames of the message that is under way, added up.
#[napi(catch_unwind)]
pub fn total_payload_length(decoder: &External<RecordDecoder>) -> f64 {
    decoder.total_payload_length() as f64
}

/// Whether what was decoded ends with a message.
#[napi(catch_unwind)]
pub fn is_between_messages(decoder: &External<RecordDecoder>) -> bool {
    decoder.is_between_messages()
}

/// Decodes `chunk` from `position` on until it or the space for records ends; returns the number
/// of records. Payloads of the call before that were not taken are dropped.
#[napi(catch_unwind)]
pub fn decode(
    decoder: &mut External<RecordDecoder>,
    mut chunk: BufferSlice<'_>,
    position: u32,
    mut records: BufferSlice<'_>,
) -> u32 {
    decoder.decode(&mut chunk, position as usize, &mut records) as u32
}

/// Takes the owned payload of the latest `decode` that has this index.
#[napi(catch_unwind)]
pub fn take_payload(decoder: &mut External<RecordDecoder>, index: u32) -> Buffer {
    decoder.payloads.take(index).into()
}

/// The lengths of the fragments of the owned payload that has this index.
#[napi(catch_unwind)]
pub fn fragment_lengths(decoder: &External<RecordDecoder>, index: u32) -> Uint32Array {
    Uint32Array::new(decoder.payloads.fragment_lengths(index))
}

/// Why the connection has to fail, after a record of kind error.
#[napi(catch_unwind)]
pub fn decoder_error(decoder: &External<RecordDecoder>) -> Option<ErrorDescription> {
    decoder.error.map(ErrorDescription::from)
}
