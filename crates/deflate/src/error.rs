//! What is wrong with a stream.

use std::error::Error;
use std::fmt;

/// Why a stream can't be decoded. `Display` gives the texts of zlib.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is not a deflate stream; zlib's words for what is wrong.
    InvalidData(&'static str),
    /// There is more of it than the limit.
    LimitExceeded,
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidData(message) => message,
            Self::LimitExceeded => "more output than the limit",
        })
    }
}

impl Error for InflateError {}
