//! The frame decoder for JavaScript: one call a chunk, events as records.
//!
//! `receive` decodes what a chunk holds and writes one record of four 32-bit integers per event:
//!
//! | field | meaning |
//! |---|---|
//! | 0 | kind: one of the `RECORD_…` constants |
//! | 1 | detail: fragment count of a message, opcode and FIN of a compressed frame, close code |
//! | 2 | where the payload is: an offset in the chunk, or -1 - the index of an owned payload |
//! | 3 | length of the payload in bytes |
//!
//! The first four integers are a header: the position in the chunk that decoding has reached, then
//! nothing. Payloads that lie in the chunk were unmasked there; others are taken with `take`.

use napi::bindgen_prelude::{Buffer, BufferSlice, Result, Uint32Array};
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
/// The connection has to fail: `error` tells why.
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

/// Decodes the frames of one connection.
#[napi]
pub struct Decoder {
    decoder: protocol::Decoder,
    owned: Vec<Owned>,
    error: Option<ProtocolError>,
}

#[napi]
impl Decoder {
    /// A decoder for one role; `permessage_deflate` tells whether RSV1 may be set.
    #[napi(constructor, catch_unwind)]
    pub fn new(is_server: bool, permessage_deflate: bool) -> Self {
        let role = if is_server { Role::Server } else { Role::Client };
        let config = protocol::DecoderConfig {
            role,
            limits: Limits::default(),
            permessage_deflate,
            skip_utf8_validation: false,
        };
        Self { decoder: protocol::Decoder::new(config), owned: Vec::new(), error: None }
    }

    /// Sets the limits, 0 for none: bytes a message, frames a message, chunks without a complete
    /// frame. They hold from the next frame on.
    #[napi(catch_unwind)]
    pub fn set_limits(&mut self, max_payload: u32, max_fragments: u32, max_buffered_chunks: u32) {
        let max_payload = u64::from(max_payload);
        self.decoder.set_limits(Limits { max_payload, max_fragments, max_buffered_chunks });
    }

    /// Sets whether text is taken as it comes, from the next frame on.
    #[napi(catch_unwind)]
    pub fn set_skip_utf8_validation(&mut self, skip: bool) {
        self.decoder.set_skip_utf8_validation(skip);
    }

    /// The declared lengths of the frames of the message that is under way, added up.
    #[napi(getter, catch_unwind)]
    pub fn total_payload_length(&self) -> f64 {
        self.decoder.total_payload_length() as f64
    }

    /// Decodes `chunk` from `position` on until it or the space for records ends; returns the
    /// number of records. Payloads of the call before that were not taken are dropped.
    #[napi(catch_unwind)]
    pub fn receive(
        &mut self,
        mut chunk: BufferSlice<'_>,
        position: u32,
        mut records: BufferSlice<'_>,
    ) -> Result<u32> {
        self.owned.clear();
        let mut position = position as usize;
        let (header, records) = records
            .split_at_mut_checked(RECORD_LENGTH)
            .ok_or_else(|| reason("no space for records"))?;
        let mut count = 0;
        for record in records.chunks_exact_mut(RECORD_LENGTH) {
            let fields = match self.decoder.decode(&mut chunk, &mut position) {
                Ok(Some(event)) => self.record(event),
                Ok(None) => break,
                Err(error) => {
                    self.error = Some(error);
                    write_fields(record, [RECORD_ERROR, 0, 0, 0]);
                    count += 1;
                    break;
                }
            };
            write_fields(record, fields);
            count += 1;
        }
        write_fields(header, [position as i32, 0, 0, 0]);
        Ok(count)
    }

    /// Takes the owned payload of the latest `receive` that has this index.
    #[napi(catch_unwind)]
    pub fn take(&mut self, index: u32) -> Buffer {
        let owned = self.owned.get_mut(index as usize);
        owned.map(|owned| std::mem::take(&mut owned.payload)).unwrap_or_default().into()
    }

    /// The lengths of the fragments of the owned payload that has this index.
    #[napi(catch_unwind)]
    pub fn fragments(&self, index: u32) -> Uint32Array {
        let owned = self.owned.get(index as usize);
        let lengths = owned.map(|owned| owned.fragments.as_slice()).unwrap_or_default();
        Uint32Array::new(lengths.iter().map(|&length| length as u32).collect())
    }

    /// Why the connection has to fail, after a record of kind error.
    #[napi(catch_unwind)]
    pub fn error(&self) -> Option<ErrorDescription> {
        self.error.map(ErrorDescription::from)
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
