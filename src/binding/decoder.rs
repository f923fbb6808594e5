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
use crate::protocol::{self, Event, Limits, Opcode, Payload, ProtocolError, Role};

/// A text message.
#[napi]
pub const RECORD_TEXT: i32 = 1;
/// A binary message.
#[napi]
pub const RECORD_BINARY: i32 = 2;
/// One data frame of a compressed message: detail is the opcode, plus 16 on the last frame.
#[napi]
pub const RECORD_COMPRESSED: i32 = 3;
/// A close frame: detail is the close code, 1005 where the frame has none; the payload is the reason.
#[napi]
pub const RECORD_CLOSE: i32 = 8;
/// A ping.
#[napi]
pub const RECORD_PING: i32 = 9;
/// A pong.
#[napi]
pub const RECORD_PONG: i32 = 10;
/// The connection has to fail: `decoderError` tells why.
#[napi]
pub const RECORD_ERROR: i32 = 15;

/// Bytes of a record, and of the header before the first.
const RECORD_LENGTH: usize = 16;
const FINAL: i32 = 16;

/// A payload that did not lie in one chunk, until JavaScript takes it.
struct Owned {
    payload: Vec<u8>,
    fragments: Vec<usize>,
}

/// The decoder of one connection, and what JavaScript has not fetched from it yet.
pub struct Decoder {
    decoder: protocol::Decoder,
    owned: Vec<Owned>,
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
    External::new(Decoder { decoder, owned: Vec::new(), error: None })
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
    let owned = decoder.owned.get_mut(index as usize);
    owned.map(|owned| std::mem::take(&mut owned.payload)).unwrap_or_default().into()
}

/// The lengths of the fragments of the owned payload that has this index.
#[napi(catch_unwind)]
pub fn fragment_lengths(decoder: &External<Decoder>, index: u32) -> Uint32Array {
    let owned = decoder.owned.get(index as usize);
    let lengths = owned.map(|owned| owned.fragments.as_slice()).unwrap_or_default();
    Uint32Array::new(lengths.iter().map(|&length| length as u32).collect())
}

/// Why the connection has to fail, after a record of kind error.
#[napi(catch_unwind)]
pub fn decoder_error(decoder: &External<Decoder>) -> Option<ErrorDescription> {
    decoder.error.map(ErrorDescription::from)
}

impl Decoder {
    fn decode(&mut self, chunk: &mut [u8], mut position: usize, records: &mut [u8]) -> Result<u32> {
        self.owned.clear();
        let (header, records) = records
            .split_at_mut_checked(RECORD_LENGTH)
            .ok_or_else(|| reason("no space for records"))?;
        let mut count = 0;
        for record in records.chunks_exact_mut(RECORD_LENGTH) {
            match self.decoder.decode(chunk, &mut position) {
                Ok(Some(event)) => write_fields(record, self.record(event)),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error);
                    write_fields(record, [RECORD_ERROR, 0, 0, 0]);
                    count += 1;
                    break;
                }
            }
            count += 1;
        }
        write_fields(header, [position as i32, 0, 0, 0]);
        Ok(count)
    }

    fn record(&mut self, event: Event) -> [i32; 4] {
        let (kind, detail, payload, fragments) = match event {
            Event::Text { payload, fragments } => {
                (RECORD_TEXT, fragments.len() as i32, payload, fragments)
            }
            Event::Binary { payload, fragments } => {
                (RECORD_BINARY, fragments.len() as i32, payload, fragments)
            }
            Event::CompressedFrame { opcode, fin, payload } => {
                let fin = if fin { FINAL } else { 0 };
                (RECORD_COMPRESSED, i32::from(opcode as u8) | fin, payload, Vec::new())
            }
            Event::Ping(payload) => (RECORD_PING, 0, payload, Vec::new()),
            Event::Pong(payload) => (RECORD_PONG, 0, payload, Vec::new()),
            Event::Close { code, reason } => {
                let code = code.unwrap_or(protocol::CloseCode::NO_STATUS_RECEIVED);
                (RECORD_CLOSE, i32::from(code.as_u16()), reason, Vec::new())
            }
        };
        let (place, length) = self.place(payload, fragments);
        [kind, detail, place, length]
    }

    fn place(&mut self, payload: Payload, fragments: Vec<usize>) -> (i32, i32) {
        match payload {
            Payload::InPlace(range) => (range.start as i32, range.len() as i32),
            Payload::Owned(payload) => {
                let length = i32::try_from(payload.len()).unwrap_or(i32::MAX);
                self.owned.push(Owned { payload, fragments });
                (-(self.owned.len() as i32), length)
            }
        }
    }
}

fn write_fields(record: &mut [u8], fields: [i32; 4]) {
    for (bytes, field) in record.chunks_exact_mut(4).zip(fields) {
        bytes.copy_from_slice(&field.to_ne_bytes());
    }
}

const _: () = assert!(Opcode::Binary as u8 == 2);
