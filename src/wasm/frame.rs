//! Frame headers, masking and small checks. See `src/binding/frame.rs`.

use std::cell::RefCell;

use super::memory::with_input;
use crate::protocol::{self, CloseCode, FrameHeader, MAX_HEADER_LENGTH, Opcode, mask_in_place};

const FIN: u32 = 0x80;
const RSV1: u32 = 0x40;

thread_local! {
    static HEADER: RefCell<[u8; MAX_HEADER_LENGTH]> = const { RefCell::new([0; MAX_HEADER_LENGTH]) };
}

/// Where the header is that `encode_header` writes.
#[unsafe(no_mangle)]
pub extern "C" fn header() -> *const u8 {
    HEADER.with_borrow(|header| header.as_ptr())
}

/// Writes the header of a frame (RFC 6455, section 5.2); its length, or 0 where there can't be such
/// a frame. `first` is its first byte, `key` the masking key as a big-endian number, if it
/// `is_masked`.
#[unsafe(no_mangle)]
pub extern "C" fn encode_header(first: u32, length: f64, is_masked: bool, key: u32) -> usize {
    let Some(opcode) = Opcode::from_bits((first & 0x0f) as u8) else { return 0 };
    let header = FrameHeader {
        fin: first & FIN != 0,
        rsv1: first & RSV1 != 0,
        opcode,
        masking_key: is_masked.then_some(key.to_be_bytes()),
        payload_length: length as u64,
    };
    HEADER.with_borrow_mut(|target| header.encode(target))
}

/// Masks or unmasks the first `length` bytes of the input in place (RFC 6455, section 5.3).
#[unsafe(no_mangle)]
pub extern "C" fn mask(length: usize, key: u32) {
    with_input(length, |bytes| mask_in_place(bytes, key.to_be_bytes(), 0));
}

/// Tells whether the first `length` bytes of the input are well-formed UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn is_valid_utf8(length: usize) -> bool {
    with_input(length, |bytes| protocol::is_valid_utf8(bytes))
}

/// Tells whether a code may stand in a close frame (RFC 6455, section 7.4).
#[unsafe(no_mangle)]
pub extern "C" fn is_valid_close_code(code: f64) -> bool {
    code.fract() == 0.0
        && (0.0..=f64::from(u16::MAX)).contains(&code)
        && CloseCode::is_valid_on_wire(code as u16)
}
