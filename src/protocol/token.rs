//! The `token` of HTTP headers (RFC 9110, section 5.6.2:), of which extension and subprotocol names
//! are made.

/// Whether `byte` may be part of a token.
pub(crate) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `byte` is optional white space between tokens.
pub(crate) fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_77_characters_of_the_rfc() {
        assert_eq!((0..=u8::MAX).filter(|&byte| is_token_char(byte)).count(), 77);
        assert!(b"!#$%&'*+-.^_`|~09azAZ".iter().all(|&byte| is_token_char(byte)));
        assert!(!b"\"(),/:;<=>?@[\\]{} \t\x7f\x80\xff".iter().any(|&byte| is_token_char(byte)));
    }
}
