//! Why an endpoint closes the connection, the first two bytes of a close frame's payload.

use std::fmt;

/// A close code, on the wire or standing for its absence (1005, 1006, 1015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL_CLOSURE: Self = Self(1000);
    /// The endpoint goes away: a server shuts down, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a type of data that the endpoint does not accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The close frame had no code. Never on the wire.
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// The connection ended without a close frame. Never on the wire.
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// The payload does not fit the message's type, as text that is not UTF-8.
    pub const INVALID_FRAME_PAYLOAD_DATA: Self = Self(1007);
    /// The message violates the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// The message is too big for the endpoint.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The client misses an extension that it expected the server to accept.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// An unexpected condition keeps the endpoint from going on.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The service is overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// A gateway had an invalid answer from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// The TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code of this number, which may or may not be valid on the wire.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether a close frame may carry `code`.
    ///
    /// RFC 6455, section 7.4: 1004 is reserved, 1005, 1006 and 1015 never leave the endpoint, below
    /// 1000 nothing is defined, up to 2999 only what a registration defines, 3000-4999 are free.
    #[must_use]
    pub const fn is_valid_on_wire(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_on_the_wire_what_is_registered_or_free() {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for code in (0..=u16::MAX).filter(|&code| CloseCode::is_valid_on_wire(code)) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == code => *last = code,
                _ => ranges.push((code, code)),
            }
        }
        assert_eq!(ranges, [(1000, 1003), (1007, 1014), (3000, 4999)]);
    }

    #[test]
    fn converts_to_and_from_its_number() {
        assert_eq!(CloseCode::from(1000), CloseCode::NORMAL_CLOSURE);
        assert_eq!(u16::from(CloseCode::BAD_GATEWAY), 1014);
        assert_eq!(CloseCode::new(4000).as_u16(), 4000);
        assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001");
    }
}
