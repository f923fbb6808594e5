//! Frames whose payloads are compressed on the way out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;

use super::super::event::ConnectionId;
use super::super::write_batch::{Frame, Run};
use super::direction::{Deflation, Shared};
use crate::lock::lock;
use crate::protocol::deflate::CompressorConfig;
use crate::protocol::{FrameHeader, mask_in_place};

/// Where a message may be that was compressed before: its length, and what it begins and ends with.
type Likeness = (usize, [u8; 16], [u8; 16]);

/// Messages that are alike of which each is looked for by itself.
const MAX_ALIKE: usize = 16;

/// A message, and what it is compressed.
#[derive(Debug)]
struct Message {
    config: Arc<CompressorConfig>,
    payload: Range<usize>,
    /// Filled by the thread that comes first, while others wait.
    deflated: OnceLock<Vec<u8>>,
}

/// What a thread writes with.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Frames of a connection, put together.
    pub(crate) bytes: Vec<u8>,
    /// Where frames of a connection are that need not be.
    pub(crate) ranges: Vec<Range<usize>>,
    /// The message that it compressed or copied last, of the same flush: the next one is often the
    /// same, and need not be looked for where other threads look, too.
    last: Option<Arc<Message>>,
}

impl Outgoing {
    /// For a flush, with memory that another one has left.
    pub(crate) const fn in_memory(bytes: Vec<u8>) -> Self {
        Self { bytes, ranges: Vec::new(), last: None }
    }
}

/// Compresses the messages of a flush, the same one for connections that compress alike only once,
/// whichever thread they are served by.
///
/// That is known where each message starts with an empty window: then the compressed bytes
/// depend on nothing but the message and the configuration.
#[derive(Debug)]
pub(crate) struct Broadcast<'a> {
    /// What the frames are in.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// The frames.
    pub(crate) frames: Cow<'a, [Frame]>,
    messages: Mutex<HashMap<Likeness, Vec<Arc<Message>>>>,
    /// Frames that wait for peers to read.
    kept: Mutex<HashMap<u32, Bytes>>,
}

impl<'a> Broadcast<'a> {
    /// A flush of `frames` in `bytes`.
    pub(crate) fn new(bytes: Cow<'a, [u8]>, frames: Cow<'a, [Frame]>) -> Self {
        Self { bytes, frames, messages: Mutex::default(), kept: Mutex::default() }
    }

    /// Where the bytes of some frames are that follow each other, for a connection that does not
    /// compress.
    pub(crate) fn plain_bytes(&self, run: Run) -> Option<Range<usize>> {
        let frames = &self.frames[run.frames()];
        let first = frames.first()?.plain_bytes()?;
        Some(first.start..frames.last()?.bytes.end)
    }

    /// The bytes of a frame in memory that all connections that wait for it share: copied once.
    pub(crate) fn keep(&self, frame: u32, bytes: &Range<usize>) -> Bytes {
        let copy = || Bytes::copy_from_slice(&self.bytes[bytes.clone()]);
        lock(&self.kept).entry(frame).or_insert_with(copy).clone()
    }

    /// Appends a frame with the payload that is at `place` compressed.
    pub(crate) fn append_frame(
        &self,
        frame: &FrameHeader,
        place: &Range<usize>,
        deflation: &Shared<Deflation>,
        outgoing: &mut Outgoing,
    ) {
        let start = outgoing.bytes.len();
        // Room for the header: as long as that of the payload, which is rarely wrong.
        let guess = FrameHeader { payload_length: place.len() as u64, ..*frame };
        let guessed = guess.encoded_length();
        outgoing.bytes.resize(start + guessed, 0);
        self.append_payload(frame, place, deflation, outgoing);
        let output = &mut outgoing.bytes;
        let length = output.len() - start - guessed;
        let header = FrameHeader { payload_length: length as u64, ..*frame };
        let begin = move_payload(output, start, guessed, header.encoded_length());
        header.encode(&mut output[start..begin]);
        if let Some(key) = header.masking_key {
            mask_in_place(&mut output[begin..], key, 0);
        }
    }

    /// Appends the compressed payload.
    fn append_payload(
        &self,
        frame: &FrameHeader,
        place: &Range<usize>,
        deflation: &Shared<Deflation>,
        outgoing: &mut Outgoing,
    ) {
        let payload = &self.bytes[place.clone()];
        let mut deflation = lock(deflation);
        // RFC 7692, section 6.1: RSV1 is on the first frame of a message.
        let is_message = frame.rsv1 && frame.fin;
        let Some(config) = deflation.stateless().filter(|_| is_message) else {
            deflation.compress_into(payload, frame.fin, &mut outgoing.bytes);
            return;
        };
        let last = outgoing.last.take().filter(|last| self.is_same(last, config, payload));
        let message = last.unwrap_or_else(|| self.message(config, place));
        outgoing.bytes.extend_from_slice(message.deflated.get_or_init(|| {
            let mut deflated = Vec::new();
            deflation.compress_into(payload, true, &mut deflated);
            deflated
        }));
        outgoing.last = Some(message);
    }

    /// Whether `message` is `payload`, to be compressed by `config`.
    fn is_same(&self, message: &Message, config: &Arc<CompressorConfig>, payload: &[u8]) -> bool {
        Arc::ptr_eq(&message.config, config) && self.bytes[message.payload.clone()] == *payload
    }

    /// The message at `place`, which may be known from another place.
    fn message(&self, config: &Arc<CompressorConfig>, place: &Range<usize>) -> Arc<Message> {
        let payload = &self.bytes[place.clone()];
        let mut messages = lock(&self.messages);
        let alike = messages.entry(likeness(payload)).or_default();
        if let Some(known) = alike.iter().find(|known| self.is_same(known, config, payload)) {
            return Arc::clone(known);
        }
        let payload = place.clone();
        let config = Arc::clone(config);
        let message = Arc::new(Message { config, payload, deflated: OnceLock::new() });
        if alike.len() < MAX_ALIKE {
            alike.push(Arc::clone(&message));
        }
        message
    }
}

/// What a message is looked for by.
fn likeness(payload: &[u8]) -> Likeness {
    let first = payload.first_chunk().copied().unwrap_or_default();
    let last = payload.last_chunk().copied().unwrap_or_default();
    (payload.len(), first, last)
}

/// Minimum number of bytes to be compressed for a flush to be shared
/// between threads: it takes them some 100 µs, to call a thread 10.
const MIN_SHARED: usize = 8 * 1024;

/// Whether several threads are to share the work of writing `frames`, of which connections get some
/// each. Messages that are published count for those that compress.
pub(crate) fn is_worth_sharing<'a>(
    frames: &[Frame],
    groups: impl Iterator<Item = (ConnectionId, &'a [Run])>,
    compresses: impl Fn(ConnectionId) -> bool,
) -> bool {
    if frames.iter().all(|frame| frame.header.is_none()) {
        return false;
    }
    let mut total = 0;
    let mut count = 0;
    for (id, runs) in groups {
        let all = runs.iter().flat_map(|run| &frames[run.frames()]);
        let compressed = all.filter(|frame| frame.header.is_some());
        let length: usize = compressed.map(|frame| frame.bytes.len()).sum();
        if length > 0 && compresses(id) {
            total += length;
            count += 1;
        }
        if total >= MIN_SHARED && count > 1 {
            return true;
        }
    }
    false
}

/// Moves what is `guessed` bytes after `start` to `length` bytes after it; where it
/// begins then.
fn move_payload(output: &mut Vec<u8>, start: usize, guessed: usize, length: usize) -> usize {
    let payload: Range<usize> = start + guessed..output.len();
    let begin = start + length;
    if length > guessed {
        output.resize(output.len() + length - guessed, 0);
    }
    output.copy_within(payload.clone(), begin);
    output.truncate(begin + payload.len());
    begin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Opcode;

    const LENGTH: usize = 600;

    fn direction(level: i32, no_context_takeover: bool) -> Shared<Deflation> {
        let config = CompressorConfig { level, no_context_takeover, ..CompressorConfig::default() };
        Deflation::new(config).unwrap()
    }

    /// Two messages, the first of them again, and one that differs from it in the middle only.
    fn payloads() -> Vec<u8> {
        let text = |word: &str| word.repeat(LENGTH)[..LENGTH].to_owned().into_bytes();
        let mut other = text("one and two, ");
        other[LENGTH / 2] ^= 1;
        [text("one and two, "), text("three, "), text("one and two, "), other].concat()
    }

    #[test]
    fn compresses_for_each_what_was_sent_to_it_whatever_was_before() {
        let frame = FrameHeader {
            fin: true,
            rsv1: true,
            opcode: Opcode::Text,
            masking_key: None,
            payload_length: 0,
        };
        let bytes = payloads();
        let broadcast = Broadcast::new(Cow::Borrowed(&bytes), Cow::default());
        let mut outgoing = Outgoing::default();
        for number in [0, 0, 1, 2, 3, 0, 3] {
            for (level, no_context_takeover) in [(6, true), (1, true), (6, true), (6, false)] {
                let place = number * LENGTH..(number + 1) * LENGTH;
                let mut expected = Vec::new();
                lock(&direction(level, no_context_takeover)).compress_into(
                    &bytes[place.clone()],
                    true,
                    &mut expected,
                );
                outgoing.bytes.clear();
                let deflation = direction(level, no_context_takeover);
                broadcast.append_frame(&frame, &place, &deflation, &mut outgoing);
                assert_eq!(outgoing.bytes[outgoing.bytes.len() - expected.len()..], expected);
            }
        }
    }
}
