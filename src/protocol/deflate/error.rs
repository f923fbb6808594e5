//! What an invalid payload means for the connection.

use oxws_deflate::InflateError;

use crate::protocol::CloseCode;

/// The code with which a connection fails.
impl From<InflateError> for CloseCode {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::InvalidData(_) => Self::INVALID_FRAME_PAYLOAD_DATA,
            InflateError::LimitExceeded => Self::MESSAGE_TOO_BIG,
        }
    }
}
