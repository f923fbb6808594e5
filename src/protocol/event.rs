//! What a decoder hands out: the peer's messages and control frames.

use std::ops::Range;

use super::{CloseCode, Opcode};

/// Where the bytes of an event are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// In the input of the call that returned the event, unmasked.
    InPlace(Range<usize>),
    /// In memory of their own.
    Owned(Vec<u8>),
}

impl Payload {
    /// The bytes, given the input of the call that returned the event.
    #[must_use]
    pub fn as_slice<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Self::InPlace(range) => &input[range.clone()],
            Self::Owned(bytes) => bytes,
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::InPlace(range) => range.end - range.start,
            Self::Owned(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A complete text message.
    Text {
        /// Its text, UTF-8 unless the validation is skipped.
        payload: Payload,
        /// The lengths of the non-empty fragments if it came in more than one frame, else empty.
        fragments: Vec<usize>,
    },
    /// A complete binary message.
    Binary {
        /// Its data.
        payload: Payload,
        /// The lengths of the non-empty fragments if it came in more than one frame, else empty.
        fragments: Vec<usize>,
    },
    /// A data frame of a compressed message. Text is not validated, the inflated length not
    /// bounded.
    CompressedFrame {
        /// [`Opcode::Text`] or [`Opcode::Binary`]: the type of the message.
        opcode: Opcode,
        /// Whether the message ends here.
        fin: bool,
        /// Compressed data.
        payload: Payload,
    },
    /// A ping frame.
    Ping(Payload),
    /// A pong frame.
    Pong(Payload),
    /// A close frame. Nothing is decoded after it.
    Close {
        /// The close code, if the frame had one.
        code: Option<CloseCode>,
        /// The close reason, UTF-8 unless the validation is skipped.
        reason: Payload,
    },
}

impl Event {
    /// The payload, or the reason of a close frame.
    #[must_use]
    pub const fn payload_mut(&mut self) -> &mut Payload {
        match self {
            Self::Text { payload, .. }
            | Self::Binary { payload, .. }
            | Self::CompressedFrame { payload, .. }
            | Self::Ping(payload)
            | Self::Pong(payload)
            | Self::Close { reason: payload, .. } => payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_bytes_in_the_input_or_on_its_own() {
        let in_place = Payload::InPlace(1..3);
        assert_eq!(in_place.as_slice(b"abcd"), b"bc");
        assert_eq!((in_place.len(), in_place.is_empty()), (2, false));
        assert!(Payload::InPlace(2..2).is_empty());
        let owned = Payload::Owned(b"xyz".to_vec());
        assert_eq!(owned.as_slice(b"abcd"), b"xyz");
        assert_eq!((owned.len(), owned.is_empty()), (3, false));
        assert!(Payload::Owned(Vec::new()).is_empty());
    }
}
