//! What `lib/` wants of permessage-deflate, and what was agreed on, as every surface passes it.

use crate::protocol::deflate::{
    ClientConfig, NegotiationError, ParameterValue, ServerConfig, WindowBits,
};

/// What an endpoint wants, as it's in the options of ws. Absent: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Whether the server's context is given up; `false` refuses to.
    pub server_no_context_takeover: Option<bool>,
    /// Whether the client's context is given up; `false` refuses to.
    pub client_no_context_takeover: Option<bool>,
    /// The window that the server compresses with; 0: not to be negotiated.
    pub server_max_window_bits: Option<u32>,
    /// The window that the client compresses with; 0: not to be negotiated.
    pub client_max_window_bits: Option<u32>,
}

impl From<Wishes> for ServerConfig {
    fn from(wishes: Wishes) -> Self {
        Self {
            server_no_context_takeover: wishes.server_no_context_takeover,
            client_no_context_takeover: wishes.client_no_context_takeover == Some(true),
            server_max_window_bits: window_bits(wishes.server_max_window_bits),
            client_max_window_bits: window_bits(wishes.client_max_window_bits),
        }
    }
}

impl From<Wishes> for ClientConfig {
    fn from(wishes: Wishes) -> Self {
        Self {
            server_no_context_takeover: wishes.server_no_context_takeover == Some(true),
            client_no_context_takeover: wishes.client_no_context_takeover,
            server_max_window_bits: window_bits(wishes.server_max_window_bits),
            client_max_window_bits: window_bits(wishes.client_max_window_bits),
        }
    }
}

fn window_bits(option: Option<u32>) -> WindowBits {
    match option {
        None => WindowBits::Any,
        Some(0) => WindowBits::Unsupported,
        Some(bits) => WindowBits::Exactly(u8::try_from(bits).unwrap_or(u8::MAX)),
    }
}

/// The value of an agreed parameter: a number of window bits, or 0 where the name stands alone.
#[must_use]
pub fn number_of(value: ParameterValue) -> u32 {
    match value {
        ParameterValue::Flag => 0,
        ParameterValue::Bits(bits) => bits.into(),
    }
}

/// Whether it is a `TypeError` in ws.
#[must_use]
pub fn is_type_error(error: &NegotiationError) -> bool {
    matches!(error, NegotiationError::InvalidValue { .. })
}
