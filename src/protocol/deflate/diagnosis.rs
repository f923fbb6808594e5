//! What is wrong with data that does not inflate, in zlib's words.
//!
//! zlib-rs decodes long data on a fast path that finds every error but then forgets its message.
//! There the data is decoded once more, off the fast path.

use flate2::{Decompress, FlushDecompress, Status};

use super::MAX_WINDOW_BITS;

/// What Node says where zlib says nothing.
pub(super) const UNKNOWN: &str = "Zlib error";

/// zlib's message with the lifetime that it has there.
pub(super) fn zlib_message(message: Option<&str>) -> &'static str {
    const MESSAGES: [&str; 11] = [
        "invalid block type",
        "invalid stored block lengths",
        "too many length or distance symbols",
        "invalid code lengths set",
        "invalid bit length repeat",
        "invalid code -- missing end-of-block",
        "invalid literal/lengths set",
        "invalid distances set",
        "invalid literal/length code",
        "invalid distance code",
        "invalid distance too far back",
    ];
    message.and_then(|text| MESSAGES.into_iter().find(|&known| known == text)).unwrap_or(UNKNOWN)
}

/// Says what is wrong with `data`, which begins a message behind `window_length` bytes.
///
/// What those bytes are does not matter: a window tells only how far back a match may reach.
pub(super) fn explain(mut data: &[u8], window_length: u64) -> &'static str {
    /// zlib-rs leaves the fast path when there is less room than 260 bytes.
    const ROOM: usize = 256;

    let mut stream = Decompress::new_with_window_bits(false, MAX_WINDOW_BITS);
    let window = vec![0; window_length.min(1 << MAX_WINDOW_BITS) as usize];
    if !window.is_empty() && stream.set_dictionary(&window).is_err() {
        return UNKNOWN;
    }
    let mut output = [0; ROOM];
    loop {
        let before = (stream.total_in(), stream.total_out());
        match stream.decompress(data, &mut output, FlushDecompress::Sync) {
            Err(error) => return zlib_message(error.message()),
            Ok(Status::StreamEnd) => return UNKNOWN,
            Ok(_) => {}
        }
        // What was taken lies in `data`, so its length is a `usize`.
        data = &data[(stream.total_in() - before.0) as usize..];
        if before == (stream.total_in(), stream.total_out()) {
            return UNKNOWN;
        }
    }
}
