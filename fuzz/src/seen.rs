//! Events with their bytes, to compare, and the frames that make them.

use oxws::protocol::{Event, FrameHeader, MAX_HEADER_LENGTH, Opcode, Role, mask_in_place};

/// An event with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(Vec<u8>, Vec<usize>),
    Binary(Vec<u8>, Vec<usize>),
    Compressed(Opcode, bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Vec<u8>),
}

impl Seen {
    /// The event that was returned for `input`.
    pub(crate) fn new(event: Event, input: &[u8]) -> Self {
        match event {
            Event::Text { payload, fragments } => {
                Self::Text(payload.as_slice(input).to_vec(), fragments)
            }
            Event::Binary { payload, fragments } => {
                Self::Binary(payload.as_slice(input).to_vec(), fragments)
            }
            Event::CompressedFrame { opcode, fin, payload } => {
                Self::Compressed(opcode, fin, payload.as_slice(input).to_vec())
            }
            Event::Ping(payload) => Self::Ping(payload.as_slice(input).to_vec()),
            Event::Pong(payload) => Self::Pong(payload.as_slice(input).to_vec()),
            Event::Close { code, reason } => {
                Self::Close(code.map(u16::from), reason.as_slice(input).to_vec())
            }
        }
    }

    /// Appends the frames of the event, as the endpoint `from` sends them. `continues` says that a
    /// compressed message is under way.
    pub(crate) fn encode(&self, from: Role, continues: &mut bool, stream: &mut Vec<u8>) {
        match self {
            Self::Text(payload, fragments) => {
                encode_message(from, Opcode::Text, payload, fragments, stream);
            }
            Self::Binary(payload, fragments) => {
                encode_message(from, Opcode::Binary, payload, fragments, stream);
            }
            Self::Compressed(opcode, fin, payload) => {
                let first = !std::mem::replace(continues, !fin);
                let opcode = if first { *opcode } else { Opcode::Continuation };
                encode_frame(from, (*fin, first, opcode), payload, stream);
            }
            Self::Ping(payload) => encode_frame(from, (true, false, Opcode::Ping), payload, stream),
            Self::Pong(payload) => encode_frame(from, (true, false, Opcode::Pong), payload, stream),
            Self::Close(code, reason) => {
                let mut payload = Vec::new();
                payload.extend(code.iter().flat_map(|code| code.to_be_bytes()));
                payload.extend(reason);
                encode_frame(from, (true, false, Opcode::Close), &payload, stream);
            }
        }
    }
}

fn encode_message(
    from: Role,
    opcode: Opcode,
    payload: &[u8],
    fragments: &[usize],
    stream: &mut Vec<u8>,
) {
    if fragments.is_empty() {
        return encode_frame(from, (true, false, opcode), payload, stream);
    }
    // An empty last frame makes it a fragmented message even if there is one fragment only.
    let mut start = 0;
    for (index, length) in fragments.iter().enumerate() {
        let opcode = if index == 0 { opcode } else { Opcode::Continuation };
        encode_frame(from, (false, false, opcode), &payload[start..start + length], stream);
        start += length;
    }
    encode_frame(from, (true, false, Opcode::Continuation), b"", stream);
}

fn encode_frame(
    from: Role,
    (fin, rsv1, opcode): (bool, bool, Opcode),
    payload: &[u8],
    stream: &mut Vec<u8>,
) {
    let key = [0x12, 0x34, 0x56, 0x78];
    let header = FrameHeader {
        fin,
        rsv1,
        opcode,
        masking_key: from.masks().then_some(key),
        payload_length: payload.len() as u64,
    };
    let mut target = [0; MAX_HEADER_LENGTH];
    let length = header.encode(&mut target);
    stream.extend_from_slice(&target[..length]);
    let start = stream.len();
    stream.extend_from_slice(payload);
    if from.masks() {
        mask_in_place(&mut stream[start..], key, 0);
    }
}
