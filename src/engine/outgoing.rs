//! Frames whose payloads are compressed on the way out.

use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, OnceLock};

use super::direction::{Deflation, Shared, lock};
use super::occurrence::Piece;
use crate::protocol::deflate::CompressorConfig;
use crate::protocol::{FrameHeader, mask_in_place};

/// Where a message may be that was compressed before: its length, and what it begins and ends with.
type Likeness = (usize, [u8; 16], [u8; 16]);

/// So many messages that are alike are told apart.
const MAX_ALIKE: usize = 16;

/// A message, and what it is compressed.
#[derive(Debug)]
struct Message {
    config: Arc<CompressorConfig>,
    payload: Range<usize>,
    /// Filled by whoever comes first, while others wait.
    deflated: OnceLock<Vec<u8>>,
}

/// Compresses the messages of a flush, the same one for connections that compress alike only once,
/// whichever thread they are served by.
///
/// That can be told where each message starts with an empty window: then the compressed bytes depend
/// on nothing but the message and the configuration.
#[derive(Debug)]
pub(super) struct Broadcast<B> {
    /// What the payloads are in.
    pub(super) bytes: B,
    messages: Mutex<HashMap<Likeness, Vec<Arc<Message>>>>,
}

impl<B: Deref<Target = [u8]>> Broadcast<B> {
    /// A flush of payloads in `bytes`.
    pub(super) fn new(bytes: B) -> Self {
        Self { bytes, messages: Mutex::default() }
    }

    /// Appends a frame with the payload that is at `place` compressed.
    pub(super) fn append_frame(
        &self,
        frame: &FrameHeader,
        place: &Range<usize>,
        deflation: &Shared<Deflation>,
        output: &mut Vec<u8>,
    ) {
        let start = output.len();
        // Room for the header: as long as that of the payload, which is rarely wrong.
        let guess = FrameHeader { payload_length: place.len() as u64, ..*frame };
        let guessed = guess.encoded_length();
        output.resize(start + guessed, 0);
        self.append_payload(frame, place, deflation, output);
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
        output: &mut Vec<u8>,
    ) {
        let payload = &self.bytes[place.clone()];
        let mut deflation = lock(deflation);
        // RFC 7692, section 6.1: RSV1 is on the first frame of a message.
        let is_message = frame.rsv1 && frame.fin;
        let Some(config) = deflation.stateless().filter(|_| is_message).cloned() else {
            deflation.compress_into(payload, frame.fin, output);
            return;
        };
        let message = self.message(config, place);
        output.extend_from_slice(message.deflated.get_or_init(|| {
            let mut deflated = Vec::new();
            deflation.compress_into(payload, true, &mut deflated);
            deflated
        }));
    }

    /// The message at `place`, which may be known from another place.
    fn message(&self, config: Arc<CompressorConfig>, place: &Range<usize>) -> Arc<Message> {
        let payload = &self.bytes[place.clone()];
        let mut messages = lock(&self.messages);
        let alike = messages.entry(likeness(payload)).or_default();
        let is_same = |message: &&Arc<Message>| {
            Arc::ptr_eq(&message.config, &config) && self.bytes[message.payload.clone()] == *payload
        };
        if let Some(known) = alike.iter().find(is_same) {
            return Arc::clone(known);
        }
        let payload = place.clone();
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

/// From so many bytes on that are to be compressed several threads share a flush: it takes them some
/// 100 µs, to call a thread 10.
const MIN_SHARED: usize = 8 * 1024;

/// Whether several threads are to share the work of writing `pieces`.
pub(super) fn is_worth_sharing(pieces: &[Piece]) -> bool {
    let compressed = || pieces.iter().filter(|piece| piece.frame.is_some());
    let first = pieces.first().map(|piece| piece.id);
    compressed().map(|piece| piece.bytes.len()).sum::<usize>() >= MIN_SHARED
        && compressed().any(|piece| Some(piece.id) != first)
}

/// Moves what is behind `start` and `guessed` bytes behind `start` and `length` bytes; where it
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
