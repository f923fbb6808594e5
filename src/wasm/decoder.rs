//! The frame decoder: a call a chunk, events as records. See `src/binding/decoder.rs`.

use std::cell::RefCell;

use super::fields::Writer;
use super::handles::Handles;
use super::memory::{give_output, with_input, with_output};
use crate::javascript::Violation;
use crate::javascript::records::{HEADER_LENGTH, RECORD_LENGTH, RecordDecoder};
use crate::protocol::{Limits, ProtocolError};

/// Events that are decoded at once.
const MAX_RECORDS: usize = 256;

thread_local! {
    static DECODERS: RefCell<Handles<RecordDecoder>> = const { RefCell::new(Handles::new()) };
    static RECORDS: RefCell<Vec<u8>> =
        RefCell::new(vec![0; HEADER_LENGTH + MAX_RECORDS * RECORD_LENGTH]);
}

fn with_decoder<T>(number: u32, work: impl FnOnce(&mut RecordDecoder) -> T) -> T {
    DECODERS.with_borrow_mut(|decoders| work(decoders.get(number)))
}

/// Makes a decoder; its number.
#[unsafe(no_mangle)]
pub extern "C" fn create_decoder(is_server: bool, permessage_deflate: bool) -> u32 {
    let mut decoder = RecordDecoder::new(is_server, permessage_deflate);
    decoder.leave_large();
    DECODERS.with_borrow_mut(|decoders| decoders.add(decoder))
}

/// Drops a decoder.
#[unsafe(no_mangle)]
pub extern "C" fn free_decoder(number: u32) {
    DECODERS.with_borrow_mut(|decoders| decoders.free(number));
}

/// Sets the limits of a decoder, 0 for none.
#[unsafe(no_mangle)]
pub extern "C" fn set_decoder_limits(
    number: u32,
    max_payload: u32,
    max_fragments: u32,
    max_buffered_chunks: u32,
    skip_utf8_validation: bool,
) {
    let max_payload = u64::from(max_payload);
    let limits = Limits { max_payload, max_fragments, max_buffered_chunks };
    with_decoder(number, |decoder| decoder.set_limits(limits, skip_utf8_validation));
}

/// The declared lengths of the frames of the message that is under way, added up.
#[unsafe(no_mangle)]
pub extern "C" fn total_payload_length(number: u32) -> f64 {
    with_decoder(number, |decoder| decoder.total_payload_length() as f64)
}

/// Whether what was decoded ends with a message.
#[unsafe(no_mangle)]
pub extern "C" fn is_between_messages(number: u32) -> bool {
    with_decoder(number, |decoder| decoder.is_between_messages())
}

/// Where the records are that `decode` writes.
#[unsafe(no_mangle)]
pub extern "C" fn records() -> *const u8 {
    RECORDS.with_borrow(|records| records.as_ptr())
}

/// Decodes the first `length` bytes of the input from `position` on, unmasking them there; the
/// number of records, at most `max` and no more than 256. Payloads of the call before that were not
/// taken are dropped.
#[unsafe(no_mangle)]
pub extern "C" fn decode(number: u32, length: usize, position: usize, max: usize) -> usize {
    with_decoder(number, |decoder| {
        RECORDS.with_borrow_mut(|records| {
            let max = HEADER_LENGTH + max.min(MAX_RECORDS) * RECORD_LENGTH;
            with_input(length, |chunk| decoder.decode(chunk, position, &mut records[..max]))
        })
    })
}

/// The bytes of the payload of the large message that `decode` has left.
#[unsafe(no_mangle)]
pub extern "C" fn large_length(number: u32) -> f64 {
    with_decoder(number, |decoder| decoder.large_length() as f64)
}

/// Takes the bytes of the input from `begin` to `end` as the next ones of a large message, and
/// unmasks them there; the kind of the record that this completes, 0 for none.
#[unsafe(no_mangle)]
pub extern "C" fn receive_large(number: u32, begin: usize, end: usize) -> i32 {
    with_decoder(number, |decoder| {
        with_input(end, |chunk| decoder.receive_large(&mut chunk[begin..]))
    })
}

/// Puts a payload into the output that has this index, once.
#[unsafe(no_mangle)]
pub extern "C" fn take_payload(number: u32, index: u32) {
    give_output(with_decoder(number, |decoder| decoder.payloads.take(index)));
}

/// Puts the lengths of the fragments of a payload into the output, 32 bits each.
#[unsafe(no_mangle)]
pub extern "C" fn fragment_lengths(number: u32, index: u32) {
    let lengths = with_decoder(number, |decoder| decoder.payloads.fragment_lengths(index));
    with_output(|output| {
        for length in lengths {
            output.extend_from_slice(&length.to_le_bytes());
        }
    });
}

/// Puts into the output why a connection has to fail, after a record of kind error; whether it has.
#[unsafe(no_mangle)]
pub extern "C" fn decoder_error(number: u32) -> bool {
    let error = with_decoder(number, |decoder| decoder.error);
    error.map(describe).is_some()
}

/// Puts the error of a message into the output that exceeds `maxPayload` once inflated.
#[unsafe(no_mangle)]
pub extern "C" fn message_length_error() {
    describe(ProtocolError::UnsupportedMessageLength);
}

/// Puts the error of a text into the output that isn't UTF-8 once inflated.
#[unsafe(no_mangle)]
pub extern "C" fn utf8_error() {
    describe(ProtocolError::InvalidUtf8);
}

/// Writes what JavaScript needs to build the error that ws would throw.
fn describe(error: ProtocolError) {
    let Violation { is_range_error, message, code, close_code } = error.into();
    with_output(|output| {
        let mut fields = Writer(output);
        fields.number(u8::from(is_range_error));
        fields.text(&message);
        fields.text(code);
        fields.number(close_code);
    });
}
