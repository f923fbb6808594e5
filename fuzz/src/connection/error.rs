//! What fails a connection, and what it refuses to send.

use std::error::Error;
use std::fmt;

use oxws::protocol::deflate::{InflateError, InvalidCompressorConfig};
use oxws::protocol::{CloseCode, ProtocolError};

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The peer violated the protocol or a limit.
    Protocol(ProtocolError),
    /// A compressed message cannot be inflated, or not within the limit.
    Inflate(InflateError),
}

impl ConnectionError {
    /// The `code` property of the JavaScript error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Protocol(error) => error.code(),
            // The limit is an error of the protocol.
            Self::Inflate(_) => "Z_DATA_ERROR",
        }
    }

    /// The close code that tells the peer.
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(error) => error.close_code(),
            Self::Inflate(error) => error.into(),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Inflate(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectionError {}

impl From<ProtocolError> for ConnectionError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<InflateError> for ConnectionError {
    fn from(error: InflateError) -> Self {
        match error {
            // The same limit, whether the message is too long as declared or when inflated.
            InflateError::LimitExceeded => Self::Protocol(ProtocolError::UnsupportedMessageLength),
            error => Self::Inflate(error),
        }
    }
}

/// Why something is not sent. The connection stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed.
    NotOpen,
    /// The opcode does not go on with the message that is being sent, or is a control frame's.
    InvalidOpcode,
    /// The close code is not allowed on the wire, or misses before a reason.
    InvalidCloseCode,
    /// The payload does not fit into a control frame.
    ControlPayloadTooLong,
    /// The compressor cannot be made as configured.
    InvalidCompression(InvalidCompressorConfig),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => f.write_str("the connection is not open"),
            Self::InvalidOpcode => f.write_str("the opcode does not continue the message"),
            Self::InvalidCloseCode => f.write_str("the close code is not allowed on the wire"),
            Self::ControlPayloadTooLong => f.write_str("the control frame is too long"),
            Self::InvalidCompression(error) => write!(f, "invalid compression: {error}"),
        }
    }
}

impl Error for SendError {}

impl From<InvalidCompressorConfig> for SendError {
    fn from(error: InvalidCompressorConfig) -> Self {
        Self::InvalidCompression(error)
    }
}
