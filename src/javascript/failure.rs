//! Errors as the parts of which `lib/errors.js` makes those of ws.

use crate::protocol::deflate::InflateError;
use crate::protocol::{CloseCode, ErrorClass, ProtocolError};

/// A violation of the protocol.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Whether the class is `RangeError` rather than `Error`.
    pub is_range_error: bool,
    /// The message, prefix included.
    pub message: String,
    /// The `code` property, `WS_ERR_…`.
    pub code: &'static str,
    /// The close code with which the connection fails.
    pub close_code: u16,
}

impl From<ProtocolError> for Violation {
    fn from(error: ProtocolError) -> Self {
        Self {
            is_range_error: error.class() == ErrorClass::RangeError,
            message: error.to_string(),
            code: error.code(),
            close_code: error.close_code().as_u16(),
        }
    }
}

/// Data that can't be inflated.
#[derive(Clone, Debug)]
pub struct InflateFailure {
    /// The message: that of zlib, or of ws for the limit.
    pub message: String,
    /// The `code` property.
    pub code: &'static str,
    /// The `errno` property, if it's an error of zlib.
    pub errno: Option<i32>,
    /// The close code with which the connection fails.
    pub close_code: u16,
}

/// zlib's number for invalid data.
const Z_DATA_ERROR: i32 = -3;

impl From<InflateError> for InflateFailure {
    fn from(error: InflateError) -> Self {
        let (code, errno) = match error {
            InflateError::InvalidData(_) => ("Z_DATA_ERROR", Some(Z_DATA_ERROR)),
            InflateError::LimitExceeded => (ProtocolError::UnsupportedMessageLength.code(), None),
        };
        let close_code = CloseCode::from(error).as_u16();
        Self { message: error.to_string(), code, errno, close_code }
    }
}
