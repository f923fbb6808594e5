//! Frame headers, masking and small checks. See `src/binding/frame.rs`.

use super::memory::{with_input, with_output};
use crate::protocol::{self, CloseCode, FrameHeader, MAX_HEADER_LENGTH, Opcode, mask_in_place};

const FIN: u32 = 0x80;
const RSV1: u32 = 0x40;

/// Puts the header of a frame into the output (RFC 6455, section 5.2); whether there can be such a
/// frame. `first` is its first byte, `key` the masking key as a big-endian number, if `is_masked`.
#[unsafe(no_mangle)]
pub extern "C" fn encode_header(first: u32, length: f64, is_masked: bool, key: u32) -> bool {
    let Some(opcode) = Opcode::from_bits((first & 0x0f) as u8) else { return false };
    let header = FrameHeader {
        fin: first & FIN != 0,
        rsv1: first & RSV1 != 0,
        opcode,
        masking_key: is_masked.then_some(key.to_be_bytes()),
        payload_length: length as u64,
    };
    with_output(|output| {
        output.resize(MAX_HEADER_LENGTH, 0);
        let length = header.encode(output);
        output.truncate(length);
    });
    true
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
