//! What is to go, from JavaScript.
//!
//! `flushEngine` takes commands, which [`wire`](super::super::wire) describes. The payload of a frame
//! stands after the space for its header.

use std::io::IoSlice;

use napi::bindgen_prelude::{BufferSlice, External, Result};
use napi_derive::napi;

use super::super::error::reason;
use super::super::frame::{header_of, next_key};
use super::super::wire::{COMMAND_COMPRESSED, COMMAND_FIELDS, COMMAND_MASKED};
use super::Engine;
use crate::engine::Piece;
use crate::javascript::records::write_fields;
use crate::protocol::{FrameHeader, mask_in_place};

/// Bytes of a command.
const COMMAND_LENGTH: usize = COMMAND_FIELDS as usize * size_of::<i32>();

/// Carries out `count` commands. Writes the connections of which something waits now into
/// `results` and returns their number. The tokio driver may be left to write them later, and tell
/// then, unless that has to be done at once.
#[napi(catch_unwind)]
pub fn flush_engine(
    engine: &mut External<Engine>,
    commands: BufferSlice<'_>,
    count: u32,
    mut scratch: BufferSlice<'_>,
    mut results: BufferSlice<'_>,
    at_once: bool,
) -> Result<u32> {
    let Engine { reactor, is_tasked, pieces, .. } = &mut **engine;
    pieces.clear();
    for command in commands.chunks_exact(COMMAND_LENGTH).take(count as usize) {
        let piece = finish_command(command, &mut scratch)?;
        match pieces.last_mut() {
            Some(last)
                if last.id == piece.id
                    && last.bytes.end == piece.bytes.start
                    && last.frame.is_none()
                    && piece.frame.is_none() =>
            {
                last.bytes.end = piece.bytes.end;
            }
            _ => pieces.push(piece),
        }
    }
    if *is_tasked && !at_once {
        // Not that of the last: several may have the same bytes, or have been taken back.
        let used = pieces.iter().map(|piece| piece.bytes.end).max().unwrap_or_default();
        if reactor.send(&scratch[..used], pieces) {
            return Ok(0);
        }
    }
    let mut waiting = Vec::new();
    reactor.write(&scratch, pieces, &mut waiting);
    for (index, id) in waiting.iter().enumerate() {
        let result = results.chunks_exact_mut(4).nth(index);
        let result = result.ok_or_else(|| reason("no space for results"))?;
        write_fields(result, &[*id as i32]);
    }
    Ok(waiting.len() as u32)
}

/// Writes a head and a body as they are, straight from where they lie; returns how many bytes wait
/// then. Both may be empty.
#[napi(catch_unwind)]
pub fn write_parts(
    engine: &mut External<Engine>,
    id: u32,
    head: BufferSlice<'_>,
    body: BufferSlice<'_>,
) -> f64 {
    let mut parts = [IoSlice::new(&head), IoSlice::new(&body)];
    engine.reactor.with(|reactor| reactor.write(id, &mut parts)) as f64
}

/// Leaves a head and a body to the tokio driver, as they are and copied; `false` where that has too
/// much to write already, or nothing at all.
#[napi(catch_unwind)]
pub fn send_parts(
    engine: &External<Engine>,
    id: u32,
    head: BufferSlice<'_>,
    body: BufferSlice<'_>,
) -> bool {
    engine.is_tasked && engine.reactor.send_parts(id, &[&head, &body])
}

/// Makes what a command says ready to be written: header and masking of a frame.
#[inline(always)]
fn finish_command(command: &[u8], scratch: &mut [u8]) -> Result<Piece> {
    let mut fields = [0; 4];
    for (field, bytes) in fields.iter_mut().zip(command.as_chunks().0) {
        *field = i32::from_ne_bytes(*bytes);
    }
    let [id, start, length, first] = fields;
    let (start, length) = (start as usize, length as usize);
    let header = if first < 0 {
        None
    } else {
        let key = (first & COMMAND_MASKED != 0).then(next_key).transpose()?;
        Some(header_of(first as u32, length as u64, key)?)
    };
    let header_length = header.as_ref().map_or(0, FrameHeader::encoded_length);
    let mut bytes = start..start.saturating_add(header_length).saturating_add(length);
    let space = scratch.get_mut(bytes.clone());
    let space = space.ok_or_else(|| reason("a command beyond the scratch memory"))?;
    if first >= 0 && first & COMMAND_COMPRESSED != 0 {
        bytes.start += header_length;
        return Ok(Piece { id: id as u32, bytes, frame: header });
    }
    if let Some(header) = header {
        header.encode(space);
        if let Some(key) = header.masking_key {
            mask_in_place(&mut space[header_length..], key, 0);
        }
    }
    Ok(Piece { id: id as u32, bytes, frame: None })
}
