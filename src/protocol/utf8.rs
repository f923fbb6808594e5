//! Validation of text, whole or while it arrives.

use std::error::Error;
use std::fmt;
use std::str;

/// The longest encoded code point.
const MAX_CODE_POINT_LENGTH: usize = 4;

/// The bytes are not UTF-8 and no further byte can mend that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8 sequence")
    }
}

impl Error for InvalidUtf8 {}

/// Whether `bytes` are UTF-8 from beginning to end.
#[must_use]
pub fn is_valid_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Validates text that arrives in parts, which may be cut inside a code point.
///
/// Invariant: `partial[..length]` can become a code point but is none yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Validator {
    partial: [u8; MAX_CODE_POINT_LENGTH],
    length: u8,
}

impl Utf8Validator {
    /// A validator at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { partial: [0; MAX_CODE_POINT_LENGTH], length: 0 }
    }

    /// Takes the next part of the text.
    ///
    /// # Errors
    ///
    /// As soon as no continuation can make the text valid. The validator is then at the beginning
    /// of a new text.
    pub fn push(&mut self, part: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = self.complete_code_point(part)?;
        if let Err(error) = simdutf8::compat::from_utf8(rest) {
            if error.error_len().is_some() {
                return Err(InvalidUtf8);
            }
            let tail = &rest[error.valid_up_to()..];
            self.partial[..tail.len()].copy_from_slice(tail);
            self.length = tail.len() as u8;
        }
        Ok(())
    }

    /// Ends the text and begins a new one.
    ///
    /// # Errors
    ///
    /// When the text ends inside a code point.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if std::mem::take(&mut self.length) == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Completes the code point that an earlier part began; returns what follows it.
    fn complete_code_point<'a>(&mut self, mut part: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        while self.length > 0 {
            let Some((&byte, rest)) = part.split_first() else { break };
            part = rest;
            // At most three bytes are partial, so there is room for one more.
            let length = usize::from(self.length) + 1;
            self.partial[length - 1] = byte;
            self.length = match str::from_utf8(&self.partial[..length]) {
                Ok(_) => 0,
                Err(error) if error.error_len().is_none() => length as u8,
                Err(_) => {
                    self.length = 0;
                    return Err(InvalidUtf8);
                }
            };
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether any continuation of `bytes` is valid.
    fn is_prefix_of_valid(bytes: &[u8]) -> bool {
        str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
    }

    /// Pushes the parts and ends the text; the number of bytes after which an error came.
    fn validate<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), usize> {
        let mut validator = Utf8Validator::new();
        let mut pushed = 0;
        for part in parts {
            pushed += part.len();
            validator.push(part).map_err(|_| pushed)?;
        }
        validator.finish().map_err(|_| pushed)
    }

    /// Ill-formed texts, each with the number of bytes that show it.
    const ILL_FORMED: &[(&[u8], usize)] = &[
        (b"\x80", 1),
        (b"abc\xff", 4),
        (b"\xc0\x80", 1),
        (b"\xc1\xbf", 1),
        (b"\xe0\x80\x80", 2),
        (b"\xe0\x9f\xbf", 2),
        (b"\xed\xa0\x80", 2),
        (b"\xed\xbf\xbf", 2),
        (b"\xf0\x80\x80\x80", 2),
        (b"\xf0\x8f\xbf\xbf", 2),
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf5\x80\x80\x80", 1),
        (b"\xce\xba\xe1\xbd\xb9\xf4\x90", 7),
        (b"\xe2\x82a", 3),
    ];

    #[test]
    fn accepts_text_cut_inside_code_points() {
        let text = "aé€𝄞z".as_bytes();
        assert_eq!(validate(text.chunks(1)), Ok(()));
        assert_eq!(validate(text.chunks(2)), Ok(()));
        assert_eq!(validate(text.chunks(3)), Ok(()));
        assert_eq!(validate([text, b"", text]), Ok(()));
        assert!(is_valid_utf8(text));
    }

    #[test]
    fn fails_at_the_byte_that_cannot_be_mended() {
        for (text, at) in ILL_FORMED {
            assert_eq!(validate(text.chunks(1)), Err(*at), "{text:x?}");
            assert!(!is_valid_utf8(text));
        }
    }

    #[test]
    fn rejects_a_text_that_ends_inside_a_code_point() {
        for text in [&b"\xe2\x82"[..], b"\xf0\x9d\x84", b"ab\xc3"] {
            assert_eq!(validate([text]), Err(text.len()));
            assert_eq!(validate(text.chunks(1)), Err(text.len()));
        }
    }

    #[test]
    fn begins_anew_after_finish_and_after_an_error() {
        let mut validator = Utf8Validator::new();
        assert_eq!(validator.push(b"\xe2\x82"), Ok(()));
        assert_eq!(validator.finish(), Err(InvalidUtf8));
        assert_eq!(validator.push(b"a"), Ok(()));
        assert_eq!(validator.push(b"\xe2"), Ok(()));
        assert_eq!(validator.push(b"a"), Err(InvalidUtf8));
        assert_eq!(validator.push(b"a"), Ok(()));
        assert_eq!(validator.finish(), Ok(()));
    }

    /// Bytes that are nearly text: valid pieces of every length with some ill-formed ones between.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            20 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            5 => "[a-z]{0,80}".prop_map(String::into_bytes),
            1 => prop::sample::select(ILL_FORMED).prop_map(|(text, _)| text.to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_however_it_is_cut(
            text in nearly_text(),
            cuts in prop::collection::vec(0..20_usize, 1..50),
        ) {
            prop_assert_eq!(is_valid_utf8(&text), str::from_utf8(&text).is_ok());

            let mut validator = Utf8Validator::new();
            let mut rest = &text[..];
            let mut taken = 0;
            for cut in cuts.into_iter().cycle().map(|cut| cut + 1) {
                let (part, tail) = rest.split_at(cut.min(rest.len()));
                rest = tail;
                taken += part.len();
                let ok = validator.push(part).is_ok();
                prop_assert_eq!(ok, is_prefix_of_valid(&text[..taken]));
                if !ok {
                    return Ok(());
                }
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(validator.finish().is_ok(), str::from_utf8(&text).is_ok());
        }
    }
}
