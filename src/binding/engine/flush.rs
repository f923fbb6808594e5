//! What is to go, from JavaScript.
//!
//! `flushEngine` takes frames, and commands that say which connection gets which;
//! [`wire`](super::super::wire) describes both. The payload of a frame stands after the space for
//! its header.

use napi::bindgen_prelude::{BufferSlice, External, Result, Uint32Array};
use napi_derive::napi;

use super::super::error::reason;
use super::super::frame::{header_of, next_key};
use super::super::wire::{
    COMMAND_FIELDS, FRAME_COMPRESSED, FRAME_FIELDS, FRAME_MASKED, FRAME_PUBLISHED, TOPIC_ATTACH,
    TOPIC_DETACH, TOPIC_EXCEPT, TOPIC_FIELDS, TOPIC_PUBLISH, TOPIC_SUBSCRIBE, TOPIC_UNSUBSCRIBE,
};
use super::Engine;
use crate::engine::{Frame, TopicAction, TopicCommand, Write};
use crate::protocol::{FrameHeader, mask_in_place};

/// Bytes of a frame's description, and of a command.
const FRAME_LENGTH: usize = FRAME_FIELDS as usize * size_of::<i32>();
const COMMAND_LENGTH: usize = COMMAND_FIELDS as usize * size_of::<i32>();
const TOPIC_LENGTH: usize = TOPIC_FIELDS as usize * size_of::<i32>();

/// Writes `frame_count` frames, to which `command_count` commands refer. Gives the connections of
/// which something waits now, or nothing where there are none. The tokio driver may be left to
/// write later, and tell then, unless that has to be done at once.
#[napi(catch_unwind)]
pub fn flush_engine(
    engine: &mut External<Engine>,
    frames: BufferSlice<'_>,
    frame_count: u32,
    commands: BufferSlice<'_>,
    command_count: u32,
    mut scratch: BufferSlice<'_>,
    at_once: bool,
) -> Result<Option<Uint32Array>> {
    let Engine { reactor, is_tasked, batch, topics, .. } = &mut **engine;
    batch.clear();
    batch.topics.append(topics);
    for frame in frames.chunks_exact(FRAME_LENGTH).take(frame_count as usize) {
        batch.frames.push(finish_frame(frame, &mut scratch)?);
    }
    let commands = commands.chunks_exact(COMMAND_LENGTH).take(command_count as usize);
    batch.writes.extend(commands.map(|command| {
        let [id, frame] = fields_of(command);
        Write { id: id as u32, frame: frame as u32 }
    }));
    let mut waiting = Vec::new();
    if !*is_tasked || at_once || !reactor.send(&scratch, batch) {
        reactor.write(&scratch, batch, &mut waiting);
    }
    if *is_tasked {
        reactor.end_sending();
    }
    Ok((!waiting.is_empty()).then(|| Uint32Array::new(waiting)))
}

/// Adds what is published, and which connections have subscribed to what, to the next flush.
#[napi(catch_unwind)]
pub fn queue_topics(
    engine: &mut External<Engine>,
    commands: BufferSlice<'_>,
    count: u32,
) -> Result<()> {
    for command in commands.chunks_exact(TOPIC_LENGTH).take(count as usize) {
        let [position, action, first, second] = fields_of(command);
        let (first, second) = (first as u32, second as u32);
        let action = match action {
            TOPIC_SUBSCRIBE => TopicAction::Subscribe(first, second),
            TOPIC_UNSUBSCRIBE => TopicAction::Unsubscribe(first, second),
            TOPIC_ATTACH => TopicAction::Attach(first, second),
            TOPIC_DETACH => TopicAction::Detach(first),
            TOPIC_EXCEPT => TopicAction::Except(first),
            TOPIC_PUBLISH => TopicAction::Publish(first, second),
            _ => return Err(reason("an unknown command of a topic")),
        };
        engine.topics.push(TopicCommand { position: position as u32, action });
    }
    Ok(())
}

/// Bytes of memory that the topics take: of the table alone.
#[napi(catch_unwind)]
pub fn topics_memory(engine: &External<Engine>) -> f64 {
    engine.reactor.with(|reactor| reactor.topics().memory()) as f64
}

/// Says that there is something to send, before the next `flushEngine` hands it over.
#[napi(catch_unwind)]
pub fn begin_to_send(engine: &External<Engine>) {
    engine.reactor.begin_to_send();
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
    engine.reactor.write_long(id, &head, &body) as f64
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
    engine.is_tasked && engine.reactor.send_long(id, &head, &body)
}

/// Integers that JavaScript has written.
#[inline(always)]
fn fields_of<const COUNT: usize>(bytes: &[u8]) -> [i32; COUNT] {
    let mut fields = [0; COUNT];
    for (field, bytes) in fields.iter_mut().zip(bytes.as_chunks().0) {
        *field = i32::from_ne_bytes(*bytes);
    }
    fields
}

/// Makes a frame ready to be written: header and masking.
#[inline(always)]
fn finish_frame(frame: &[u8], scratch: &mut [u8]) -> Result<Frame> {
    let [start, length, first] = fields_of(frame);
    let (start, length) = (start as usize, length as usize);
    let header = if first < 0 {
        None
    } else {
        let key = (first & FRAME_MASKED != 0).then(next_key).transpose()?;
        Some(header_of(first as u32, length as u64, key)?)
    };
    let header_length = header.as_ref().map_or(0, FrameHeader::encoded_length);
    let mut bytes = start..start.saturating_add(header_length).saturating_add(length);
    let space = scratch.get_mut(bytes.clone());
    let space = space.ok_or_else(|| reason("a frame beyond the scratch memory"))?;
    if first >= 0 && first & FRAME_COMPRESSED != 0 {
        bytes.start += header_length;
        return Ok(Frame { bytes, header, plain_start: None });
    }
    let is_published = first >= 0 && first & FRAME_PUBLISHED != 0;
    if let Some(header) = header {
        header.encode(space);
        if let Some(key) = header.masking_key {
            mask_in_place(&mut space[header_length..], key, 0);
        }
    }
    match header.filter(|_| is_published) {
        Some(header) => Ok(Frame {
            plain_start: Some(bytes.start),
            bytes: bytes.start + header_length..bytes.end,
            // RFC 7692, section 6.
            header: Some(FrameHeader { rsv1: true, ..header }),
        }),
        None => Ok(Frame::plain(bytes)),
    }
}
