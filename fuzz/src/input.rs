//! Reads choices from the bytes of the fuzzer. When they run out, every choice is 0.

use oxws::protocol::{DecoderConfig, Limits, Role};

/// The bytes that are left.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// Up to `length` bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// A decoder's configuration, from two bytes.
    pub(crate) fn decoder_config(&mut self) -> DecoderConfig {
        let (flags, limits) = (self.byte(), self.byte());
        DecoderConfig {
            role: if flags & 1 == 0 { Role::Server } else { Role::Client },
            permessage_deflate: flags & 2 != 0,
            skip_utf8_validation: flags & 4 != 0,
            limits: Limits {
                max_payload: [0, 1, 125, 70_000][usize::from(limits & 3)],
                max_fragments: u32::from(limits >> 2 & 3),
                max_buffered_chunks: 0,
            },
        }
    }
}
