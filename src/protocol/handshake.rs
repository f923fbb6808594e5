//! The parts of the opening handshake that are neither extension nor subprotocol: key, accept
//! digest and version.
//!
//! The HTTP messages around them are read and written by the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The values of `Sec-WebSocket-Version` that are spoken, the preferred one first.
///
/// RFC 6455, section 4.1: the version is 13. 8 names the HyBi draft whose frames are the same and
/// whose clients send `Sec-WebSocket-Origin` in place of `Origin`.
pub const SUPPORTED_VERSIONS: [u8; 2] = [13, 8];

/// RFC 6455, section 1.3: what is appended to the key before it is hashed.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether `version` is one that this implementation speaks.
pub fn is_supported_version(version: u8) -> bool {
    SUPPORTED_VERSIONS.contains(&version)
}

/// The value of `Sec-WebSocket-Accept` that answers the `Sec-WebSocket-Key` `key`.
///
/// RFC 6455, section 4.2.2: the key is used as it was sent; whether it is valid is asked apart.
pub fn accept_key(key: &str) -> String {
    let mut hasher = Sha1::new();
    hasher.update(key.as_bytes());
    hasher.update(ACCEPT_GUID);
    STANDARD.encode(hasher.finalize())
}

/// Whether `key` can be a `Sec-WebSocket-Key`: 16 bytes in base64, so 22 characters and `==`.
///
/// Deviation (ws 8.x): kept from ws, the four surplus bits of the last character may be set.
pub fn is_valid_key(key: &str) -> bool {
    key.strip_suffix("==").is_some_and(|digits| {
        digits.len() == 22
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_the_key_of_the_rfc() {
        // RFC 6455, section 1.3: the example handshake.
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept_key(""), "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
    }

    #[test]
    fn judges_keys() {
        for key in
            ["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "++++++++++//////////zz=="]
        {
            assert!(is_valid_key(key), "{key}");
        }
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZ==",
            "dGhlIHNhbXBsZSBub25jZQ==\n",
            " dGhlIHNhbXBsZSBub25jZ==",
            "dGhlIHNhbXBsZSBub25j-_==",
            "dGhlIHNhbXBsZSBub25jé==",
        ] {
            assert!(!is_valid_key(key), "{key}");
        }
    }

    #[test]
    fn speaks_versions_8_and_13() {
        assert_eq!((0..=u8::MAX).filter(|&v| is_supported_version(v)).collect::<Vec<_>>(), [8, 13]);
    }

    proptest! {
        #[test]
        fn every_16_bytes_make_a_valid_key(bytes: [u8; 16]) {
            prop_assert!(is_valid_key(&STANDARD.encode(bytes)));
        }

        #[test]
        fn never_panics(key: String) {
            is_valid_key(&key);
            prop_assert_eq!(accept_key(&key).len(), 28);
        }
    }
}
