//! Frames whose payloads are compressed on the way out.

use std::ops::Range;
use std::sync::Arc;

use super::direction::{Deflation, Shared, lock};
use crate::protocol::deflate::CompressorConfig;
use crate::protocol::{FrameHeader, mask_in_place};

/// Messages that are remembered for further connections.
const MAX_MESSAGES: usize = 4;

/// A message as it was compressed for a connection.
#[derive(Debug)]
struct Message {
    config: Arc<CompressorConfig>,
    payload: Vec<u8>,
    deflated: Vec<u8>,
}

/// Compresses the messages of a flush, the same one for connections that compress alike only once.
///
/// That can be told where each message starts with an empty window: then the compressed bytes depend
/// on nothing but the message and the configuration.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    messages: Vec<Message>,
    /// Which of them is replaced next.
    next: usize,
}

impl Broadcast {
    /// Appends a frame with `payload` compressed.
    pub(super) fn append_frame(
        &mut self,
        frame: &FrameHeader,
        payload: &[u8],
        deflation: &Shared<Deflation>,
        output: &mut Vec<u8>,
    ) {
        let start = output.len();
        // Room for the header: as long as that of the payload, which is rarely wrong.
        let guess = FrameHeader { payload_length: payload.len() as u64, ..*frame };
        let guessed = guess.encoded_length();
        output.resize(start + guessed, 0);
        self.append_payload(frame, payload, deflation, output);
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
        &mut self,
        frame: &FrameHeader,
        payload: &[u8],
        deflation: &Shared<Deflation>,
        output: &mut Vec<u8>,
    ) {
        let mut deflation = lock(deflation);
        // RFC 7692, section 6.1: RSV1 is on the first frame of a message.
        let is_message = frame.rsv1 && frame.fin;
        let Some(config) = deflation.stateless().filter(|_| is_message) else {
            deflation.compress_into(payload, frame.fin, output);
            return;
        };
        let known = self
            .messages
            .iter()
            .find(|message| Arc::ptr_eq(&message.config, config) && message.payload == payload);
        if let Some(known) = known {
            output.extend_from_slice(&known.deflated);
            return;
        }
        let config = Arc::clone(config);
        let start = output.len();
        deflation.compress_into(payload, true, output);
        self.remember(config, payload, &output[start..]);
    }

    /// Remembers a message in place of the oldest.
    fn remember(&mut self, config: Arc<CompressorConfig>, payload: &[u8], deflated: &[u8]) {
        if self.messages.len() < MAX_MESSAGES {
            let (payload, deflated) = (payload.to_vec(), deflated.to_vec());
            self.messages.push(Message { config, payload, deflated });
            return;
        }
        let message = &mut self.messages[self.next];
        self.next = (self.next + 1) % MAX_MESSAGES;
        message.config = config;
        message.payload.clear();
        message.payload.extend_from_slice(payload);
        message.deflated.clear();
        message.deflated.extend_from_slice(deflated);
    }
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
