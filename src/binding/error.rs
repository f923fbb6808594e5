//! Protocol errors as plain data; `lib/errors.js` makes JavaScript errors of them.

use napi_derive::napi;

use crate::javascript::Violation;
use crate::protocol::ProtocolError;

/// What JavaScript needs to build the error that ws would throw.
#[napi(object, object_from_js = false)]
pub struct ErrorDescription {
    /// Whether the class is `RangeError` rather than `Error`.
    pub is_range_error: bool,
    /// The message, prefix included.
    pub message: String,
    /// The `code` property, `WS_ERR_…`.
    pub code: &'static str,
    /// The close code with which the connection fails.
    pub close_code: u32,
}

impl From<ProtocolError> for ErrorDescription {
    fn from(error: ProtocolError) -> Self {
        let Violation { is_range_error, message, code, close_code } = error.into();
        Self { is_range_error, message, code, close_code: close_code.into() }
    }
}

/// Describes the error of a message that exceeds `maxPayload` once inflated.
#[napi(catch_unwind)]
pub fn message_length_error() -> ErrorDescription {
    ProtocolError::UnsupportedMessageLength.into()
}

/// Describes the error of a text that is not UTF-8 once inflated.
#[napi(catch_unwind)]
pub fn utf8_error() -> ErrorDescription {
    ProtocolError::InvalidUtf8.into()
}

/// An error that only a mistake in `lib/` can cause.
pub(super) fn reason(text: impl Into<String>) -> napi::Error {
    napi::Error::from_reason(text.into())
}
