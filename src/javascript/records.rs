//! Records: how events get to JavaScript without a call, or an object, for each.
//!
//! A record is a few 32-bit integers in memory that JavaScript gave: kind, detail, where the
//! payload is and how long it is. The detail is the number of fragments of a message that came in
//! several, opcode and FIN of a compressed frame, or the close code.

use std::mem;

use super::wire::{
    FINAL_FRAME, RECORD_BINARY, RECORD_CLOSE, RECORD_COMPRESSED, RECORD_ERROR, RECORD_FIELDS,
    RECORD_PING, RECORD_PONG, RECORD_TEXT,
};
use crate::protocol::{self, CloseCode, Event, Limits, Opcode, Payload, ProtocolError, Role};

/// Bytes of a record: kind, detail, place, length.
pub const RECORD_LENGTH: usize = RECORD_FIELDS as usize * size_of::<i32>();
/// Bytes of the header before the records of a decoder: the position that decoding has reached,
/// the kind of a large message whose payload begins there or 0, and two integers that mean nothing.
pub const HEADER_LENGTH: usize = RECORD_LENGTH;

/// A payload in memory of its own, until JavaScript takes it.
#[derive(Debug)]
struct Owned {
    payload: Vec<u8>,
    fragments: Vec<usize>,
}

/// The payloads of the latest records that are not where the bytes arrived.
#[derive(Debug, Default)]
pub struct Payloads(Vec<Owned>);

impl Payloads {
    /// Drops what was not taken.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes a payload, once; an unknown one is empty.
    pub fn take(&mut self, index: u32) -> Vec<u8> {
        let owned = self.0.get_mut(index as usize);
        owned.map(|owned| mem::take(&mut owned.payload)).unwrap_or_default()
    }

    /// The lengths of the fragments that a payload came in.
    pub fn fragment_lengths(&self, index: u32) -> Vec<u32> {
        let owned = self.0.get(index as usize);
        let fragments = owned.map(|owned| owned.fragments.as_slice()).unwrap_or_default();
        fragments.iter().map(|&length| length as u32).collect()
    }

    /// The fields of the record of an event: kind, detail, place and length.
    #[inline(always)]
    pub fn record(&mut self, event: Event) -> [i32; 4] {
        let (kind, detail, payload, fragments) = match event {
            Event::Text { payload, fragments } => {
                (RECORD_TEXT, fragments.len() as i32, payload, fragments)
            }
            Event::Binary { payload, fragments } => {
                (RECORD_BINARY, fragments.len() as i32, payload, fragments)
            }
            Event::CompressedFrame { opcode, fin, payload } => {
                let fin = if fin { FINAL_FRAME } else { 0 };
                (RECORD_COMPRESSED, i32::from(opcode as u8) | fin, payload, Vec::new())
            }
            Event::Ping(payload) => (RECORD_PING, 0, payload, Vec::new()),
            Event::Pong(payload) => (RECORD_PONG, 0, payload, Vec::new()),
            Event::Close { code, reason } => {
                let code = code.unwrap_or(CloseCode::NO_STATUS_RECEIVED);
                (RECORD_CLOSE, i32::from(code.as_u16()), reason, Vec::new())
            }
        };
        let (place, length) = self.place(payload, fragments);
        [kind, detail, place, length]
    }

    /// Keeps a payload until it is taken; the place to be recorded.
    #[cold]
    fn keep(&mut self, owned: Owned) -> i32 {
        self.0.push(owned);
        -(self.0.len() as i32)
    }

    /// Where a payload is: an offset, or -1 - the index under which it can be taken; its length.
    #[inline(always)]
    pub fn place(&mut self, payload: Payload, fragments: Vec<usize>) -> (i32, i32) {
        match payload {
            Payload::InPlace(range) => (range.start as i32, range.len() as i32),
            Payload::Owned(payload) => {
                let length = i32::try_from(payload.len()).unwrap_or(i32::MAX);
                (self.keep(Owned { payload, fragments }), length)
            }
        }
    }
}

/// Writes integers as JavaScript's typed arrays read them.
pub fn write_fields(record: &mut [u8], fields: &[i32]) {
    for (bytes, field) in record.chunks_exact_mut(4).zip(fields) {
        bytes.copy_from_slice(&field.to_ne_bytes());
    }
}

/// The kind of the record of a message.
const fn kind_of(opcode: Opcode) -> i32 {
    if matches!(opcode, Opcode::Text) { RECORD_TEXT } else { RECORD_BINARY }
}

/// A decoder that reports events as records, and keeps what JavaScript has not taken yet.
#[derive(Debug)]
pub struct RecordDecoder {
    decoder: protocol::Decoder,
    /// The payloads of the latest records that aren't in the chunk.
    pub payloads: Payloads,
    /// Why the connection has to fail.
    pub error: Option<ProtocolError>,
}

impl RecordDecoder {
    /// A decoder of a server or of a client; `permessage_deflate` tells whether RSV1 may be set.
    #[must_use]
    pub fn new(is_server: bool, permessage_deflate: bool) -> Self {
        let config = protocol::DecoderConfig {
            role: if is_server { Role::Server } else { Role::Client },
            limits: Limits::default(),
            permessage_deflate,
            skip_utf8_validation: false,
        };
        let decoder = protocol::Decoder::new(config);
        Self { decoder, payloads: Payloads::default(), error: None }
    }

    /// Leaves large messages that arrive in several chunks for [`receive_large`].
    ///
    /// [`receive_large`]: Self::receive_large
    pub fn leave_large(&mut self) {
        self.decoder.leave_large();
    }

    /// Sets what holds from the next frame on.
    pub fn set_limits(&mut self, limits: Limits, skip_utf8_validation: bool) {
        self.decoder.set_limits(limits);
        self.decoder.set_skip_utf8_validation(skip_utf8_validation);
    }

    /// The declared lengths of the frames of the message that is under way, added up.
    #[must_use]
    pub fn total_payload_length(&self) -> u64 {
        self.decoder.total_payload_length()
    }

    /// Whether what was decoded ends with a message.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages()
    }

    /// Decodes `chunk` from `position` on until it or the space for records ends; the number of
    /// records. Payloads of the call before that were not taken are dropped.
    ///
    /// `records` is the header and whole records; less than a header is too short for anything.
    pub fn decode(&mut self, chunk: &mut [u8], mut position: usize, records: &mut [u8]) -> usize {
        self.payloads.clear();
        let Some((header, records)) = records.split_at_mut_checked(HEADER_LENGTH) else { return 0 };
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
        let large = self.decoder.large_message().map_or(0, |message| kind_of(message.opcode));
        write_fields(header, &[position as i32, large, 0, 0]);
        count
    }

    /// The bytes of the payload of the large message that is under way; 0 without one.
    #[must_use]
    pub fn large_length(&self) -> u64 {
        self.decoder.large_message().map_or(0, |message| message.length)
    }

    /// Takes `part`, which comes in one chunk, as the next bytes of a large message, and unmasks
    /// them. The kind of the record of the message if it's complete, or of an error; 0 if it isn't.
    pub fn receive_large(&mut self, part: &mut [u8]) -> i32 {
        let Some(message) = self.decoder.large_message() else { return 0 };
        match self.decoder.receive_apart(part) {
            Ok(false) => 0,
            Ok(true) => kind_of(message.opcode),
            Err(error) => {
                self.error = Some(error);
                RECORD_ERROR
            }
        }
    }
}
