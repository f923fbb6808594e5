//! Frame headers, masking and the small checks that JavaScript asks for one at a time.

use std::cell::RefCell;

use napi::bindgen_prelude::{BufferSlice, Result};
use napi_derive::napi;

use super::error::reason;
use crate::protocol::{
    self, CloseCode, FrameHeader, Opcode, is_valid_utf8 as is_valid, mask_in_place, mask_into,
};

/// Bytes of randomness that are fetched from the operating system at once.
const KEY_POOL_LENGTH: usize = 8 * 1024;
const FIN: u32 = 0x80;
const RSV1: u32 = 0x40;

/// Unpredictable masking keys, as RFC 6455, section 10.3 wants them, without a system call each.
struct KeyPool {
    bytes: [u8; KEY_POOL_LENGTH],
    used: usize,
}

thread_local! {
    static KEYS: RefCell<KeyPool> =
        const { RefCell::new(KeyPool { bytes: [0; KEY_POOL_LENGTH], used: KEY_POOL_LENGTH }) };
}

impl KeyPool {
    fn take(&mut self) -> Result<[u8; 4]> {
        if self.used == KEY_POOL_LENGTH {
            getrandom::fill(&mut self.bytes)
                .map_err(|error| reason(format!("no randomness for masking keys: {error}")))?;
            self.used = 0;
        }
        let mut key = [0; 4];
        key.copy_from_slice(&self.bytes[self.used..self.used + 4]);
        self.used += 4;
        Ok(key)
    }
}

fn four_bytes(key: &[u8]) -> Result<[u8; 4]> {
    key.first_chunk().copied().ok_or_else(|| reason("a masking key has four bytes"))
}

/// Fills the first four bytes of `key` with an unpredictable masking key.
#[napi(catch_unwind)]
pub fn fill_masking_key(mut key: BufferSlice<'_>) -> Result<()> {
    let target = key.first_chunk_mut().ok_or_else(|| reason("a masking key has four bytes"))?;
    *target = next_key()?;
    Ok(())
}

/// An unpredictable masking key.
pub(super) fn next_key() -> Result<[u8; 4]> {
    KEYS.with_borrow_mut(KeyPool::take)
}

/// The header of a frame, given its first byte.
pub(super) fn header_of(first: u32, length: u64, key: Option<[u8; 4]>) -> Result<FrameHeader> {
    let opcode = Opcode::from_bits((first & 0x0f) as u8).ok_or_else(|| reason("invalid opcode"))?;
    Ok(FrameHeader {
        fin: first & FIN != 0,
        rsv1: first & RSV1 != 0,
        opcode,
        masking_key: key,
        payload_length: length,
    })
}

/// Writes a frame header (RFC 6455, section 5.2) so that it ends at `end` in `target`, where the
/// payload begins, and returns where it starts.
///
/// `first` is the first byte: FIN, RSV1 and the opcode. The header takes at most 14 bytes. With
/// a `key` the frame is marked as masked; masking the payload is up to the caller.
#[napi(catch_unwind)]
pub fn encode_header(
    mut target: BufferSlice<'_>,
    end: u32,
    first: u32,
    payload_length: f64,
    key: Option<BufferSlice<'_>>,
) -> Result<u32> {
    let key = key.map(|key| four_bytes(&key)).transpose()?;
    let header = header_of(first, payload_length as u64, key)?;
    let start = (end as usize).checked_sub(header.encoded_length());
    let space = start.and_then(|start| target.get_mut(start..end as usize));
    let space = space.ok_or_else(|| reason("no space for a frame header"))?;
    let length = header.encode(space);
    Ok(end - length as u32)
}

/// Masks or unmasks `length` bytes of `source` into `output` at `offset` (RFC 6455, section 5.3).
#[napi(catch_unwind)]
pub fn mask(
    source: BufferSlice<'_>,
    key: BufferSlice<'_>,
    mut output: BufferSlice<'_>,
    offset: u32,
    length: u32,
) -> Result<()> {
    let source = source.get(..length as usize).ok_or_else(|| reason("source too short"))?;
    let output = output.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..source.len()));
    mask_into(source, output.ok_or_else(|| reason("output too short"))?, four_bytes(&key)?);
    Ok(())
}

/// Masks or unmasks `buffer` in place.
#[napi(catch_unwind)]
pub fn unmask(mut buffer: BufferSlice<'_>, key: BufferSlice<'_>) -> Result<()> {
    mask_in_place(&mut buffer, four_bytes(&key)?, 0);
    Ok(())
}

/// Tells whether `data` is well-formed UTF-8.
#[napi(catch_unwind)]
pub fn is_valid_utf8(data: BufferSlice<'_>) -> bool {
    is_valid(&data)
}

/// Tells whether `code` may stand in a close frame (RFC 6455, section 7.4).
#[napi(catch_unwind)]
pub fn is_valid_close_code(code: f64) -> bool {
    code.fract() == 0.0
        && (0.0..=f64::from(u16::MAX)).contains(&code)
        && CloseCode::is_valid_on_wire(code as u16)
}

const _: () = assert!(protocol::MAX_HEADER_LENGTH == 14);
