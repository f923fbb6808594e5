//! Lists of texts as bytes: each is its length, 32 bits in little-endian order, and its UTF-8.
//! A length of `2^32 - 1` is a text that isn't there.

const ABSENT: u32 = u32::MAX;

/// Appends fields to the output.
pub(super) struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// Appends a text.
    pub(super) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends a text, if there is one.
    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.extend_from_slice(&ABSENT.to_le_bytes()),
        }
    }

    /// Appends a number as text.
    pub(super) fn number(&mut self, number: impl ToString) {
        self.text(&number.to_string());
    }
}

/// Takes fields out of the input, which `lib/` has written.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next text; `None` where it isn't there, or the input ends.
    pub(super) fn text(&mut self) -> Option<String> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let (text, rest) = match length {
            ABSENT => (None, rest),
            _ => {
                let (text, rest) = rest.split_at_checked(length as usize)?;
                (Some(String::from_utf8_lossy(text).into_owned()), rest)
            }
        };
        self.0 = rest;
        text
    }

    /// The next text as a number, 0 where it is none.
    pub(super) fn number(&mut self) -> usize {
        self.text().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        let mut bytes = Vec::new();
        let mut writer = Writer(&mut bytes);
        writer.text("ä");
        writer.optional(None);
        writer.text("");
        writer.number(12);
        let mut reader = Reader(&bytes);
        assert_eq!(reader.text().as_deref(), Some("ä"));
        assert_eq!(reader.text(), None);
        assert_eq!(reader.text().as_deref(), Some(""));
        assert_eq!(reader.number(), 12);
        assert_eq!(reader.text(), None);
    }

    #[test]
    fn takes_no_text_that_ends_early() {
        assert_eq!(Reader(&[5, 0, 0, 0, b'a']).text(), None);
        assert_eq!(Reader(&[5, 0, 0]).text(), None);
    }
}
