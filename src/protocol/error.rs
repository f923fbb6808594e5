//! What a peer can do wrong after the opening handshake, compressed data apart.
//!
//! One enum knows everything about a failure that anybody asks for: the code and the text that
//! users of ws see, the class of the JavaScript error and the close code that goes to the peer.

use std::error::Error;
use std::fmt;

use super::{CloseCode, InvalidUtf8};

/// A violation of RFC 6455 or of a limit. It fails the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// RSV2 or RSV3 is set, which no extension that we know uses.
    UnexpectedRsv23,
    /// RSV1 is set without permessage-deflate, on a continuation or on a control frame.
    UnexpectedRsv1,
    /// The opcode is reserved, or wrong while (or while not) a fragmented message is under way.
    InvalidOpcode(u8),
    /// A control frame is fragmented.
    ExpectedFin,
    /// A control frame is too long, or a close frame has half a close code. Holds the 7-bit field.
    InvalidControlPayloadLength(u8),
    /// A client sent an unmasked frame.
    ExpectedMask,
    /// A server sent a masked frame.
    UnexpectedMask,
    /// A close frame has a close code that is not allowed on the wire.
    InvalidCloseCode(u16),
    /// A text message or a close reason is not UTF-8.
    InvalidUtf8,
    /// The payload length is above 2^53 - 1, which JavaScript cannot count to.
    UnsupportedDataPayloadLength,
    /// The message is longer than the limit, as declared or when inflated.
    UnsupportedMessageLength,
    /// A frame arrives in more pieces than the limit.
    TooManyBufferedChunks,
    /// A message has more fragments than the limit.
    TooManyFragments,
}

/// The JavaScript class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// `Error`
    Error,
    /// `RangeError`
    RangeError,
}

impl ProtocolError {
    /// The `code` property of the JavaScript error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnexpectedRsv23 => "WS_ERR_UNEXPECTED_RSV_2_3",
            Self::UnexpectedRsv1 => "WS_ERR_UNEXPECTED_RSV_1",
            Self::InvalidOpcode(_) => "WS_ERR_INVALID_OPCODE",
            Self::ExpectedFin => "WS_ERR_EXPECTED_FIN",
            Self::InvalidControlPayloadLength(_) => "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
            Self::ExpectedMask => "WS_ERR_EXPECTED_MASK",
            Self::UnexpectedMask => "WS_ERR_UNEXPECTED_MASK",
            Self::InvalidCloseCode(_) => "WS_ERR_INVALID_CLOSE_CODE",
            Self::InvalidUtf8 => "WS_ERR_INVALID_UTF8",
            Self::UnsupportedDataPayloadLength => "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
            Self::UnsupportedMessageLength => "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
            Self::TooManyBufferedChunks | Self::TooManyFragments => {
                "WS_ERR_TOO_MANY_BUFFERED_PARTS"
            }
        }
    }

    /// The class of the JavaScript error.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        match self {
            Self::InvalidUtf8 => ErrorClass::Error,
            _ => ErrorClass::RangeError,
        }
    }

    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::UnexpectedRsv23
            | Self::UnexpectedRsv1
            | Self::InvalidOpcode(_)
            | Self::ExpectedFin
            | Self::InvalidControlPayloadLength(_)
            | Self::ExpectedMask
            | Self::UnexpectedMask
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 => CloseCode::INVALID_FRAME_PAYLOAD_DATA,
            Self::UnsupportedDataPayloadLength | Self::UnsupportedMessageLength => {
                CloseCode::MESSAGE_TOO_BIG
            }
            Self::TooManyBufferedChunks | Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
        }
    }
}

impl fmt::Display for ProtocolError {
    /// Writes the message of the JavaScript error, word for word as ws has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = "Invalid WebSocket frame:";
        match self {
            Self::UnexpectedRsv23 => write!(f, "{frame} RSV2 and RSV3 must be clear"),
            Self::UnexpectedRsv1 => write!(f, "{frame} RSV1 must be clear"),
            Self::InvalidOpcode(opcode) => write!(f, "{frame} invalid opcode {opcode}"),
            Self::ExpectedFin => write!(f, "{frame} FIN must be set"),
            Self::InvalidControlPayloadLength(length) => {
                write!(f, "{frame} invalid payload length {length}")
            }
            Self::ExpectedMask => write!(f, "{frame} MASK must be set"),
            Self::UnexpectedMask => write!(f, "{frame} MASK must be clear"),
            Self::InvalidCloseCode(code) => write!(f, "{frame} invalid status code {code}"),
            Self::InvalidUtf8 => write!(f, "{frame} invalid UTF-8 sequence"),
            Self::UnsupportedDataPayloadLength => {
                write!(f, "Unsupported WebSocket frame: payload length > 2^53 - 1")
            }
            Self::UnsupportedMessageLength => write!(f, "Max payload size exceeded"),
            Self::TooManyBufferedChunks => write!(f, "Too many buffered chunks"),
            Self::TooManyFragments => write!(f, "Too many message fragments"),
        }
    }
}

impl Error for ProtocolError {}

impl From<InvalidUtf8> for ProtocolError {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_code_class_close_code_and_message_of_ws() {
        use ErrorClass::{Error, RangeError};
        use ProtocolError as E;

        const PREFIX: &str = "Invalid WebSocket frame: ";
        let table = [
            (
                E::UnexpectedRsv23,
                "UNEXPECTED_RSV_2_3",
                RangeError,
                1002,
                PREFIX,
                "RSV2 and RSV3 must be clear",
            ),
            (E::UnexpectedRsv1, "UNEXPECTED_RSV_1", RangeError, 1002, PREFIX, "RSV1 must be clear"),
            (E::InvalidOpcode(0), "INVALID_OPCODE", RangeError, 1002, PREFIX, "invalid opcode 0"),
            (E::InvalidOpcode(15), "INVALID_OPCODE", RangeError, 1002, PREFIX, "invalid opcode 15"),
            (E::ExpectedFin, "EXPECTED_FIN", RangeError, 1002, PREFIX, "FIN must be set"),
            (
                E::InvalidControlPayloadLength(126),
                "INVALID_CONTROL_PAYLOAD_LENGTH",
                RangeError,
                1002,
                PREFIX,
                "invalid payload length 126",
            ),
            (E::ExpectedMask, "EXPECTED_MASK", RangeError, 1002, PREFIX, "MASK must be set"),
            (E::UnexpectedMask, "UNEXPECTED_MASK", RangeError, 1002, PREFIX, "MASK must be clear"),
            (
                E::InvalidCloseCode(1005),
                "INVALID_CLOSE_CODE",
                RangeError,
                1002,
                PREFIX,
                "invalid status code 1005",
            ),
            (E::InvalidUtf8, "INVALID_UTF8", Error, 1007, PREFIX, "invalid UTF-8 sequence"),
            (
                E::UnsupportedDataPayloadLength,
                "UNSUPPORTED_DATA_PAYLOAD_LENGTH",
                RangeError,
                1009,
                "",
                "Unsupported WebSocket frame: payload length > 2^53 - 1",
            ),
            (
                E::UnsupportedMessageLength,
                "UNSUPPORTED_MESSAGE_LENGTH",
                RangeError,
                1009,
                "",
                "Max payload size exceeded",
            ),
            (
                E::TooManyBufferedChunks,
                "TOO_MANY_BUFFERED_PARTS",
                RangeError,
                1008,
                "",
                "Too many buffered chunks",
            ),
            (
                E::TooManyFragments,
                "TOO_MANY_BUFFERED_PARTS",
                RangeError,
                1008,
                "",
                "Too many message fragments",
            ),
        ];
        for (error, code, class, close_code, prefix, message) in table {
            assert_eq!(error.code(), format!("WS_ERR_{code}"));
            assert_eq!(error.class(), class, "{error:?}");
            assert_eq!(error.close_code().as_u16(), close_code, "{error:?}");
            assert_eq!(error.to_string(), format!("{prefix}{message}"));
        }
    }

    #[test]
    fn stays_small() {
        assert_eq!(size_of::<ProtocolError>(), 4);
        assert_eq!(size_of::<Result<(), ProtocolError>>(), 4);
    }
}
