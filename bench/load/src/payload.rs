//! What the messages carry: text as a trading API would send it, the same in every run.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

const SYMBOLS: [&str; 6] = ["ACME", "GLOBEX", "HOOLI", "INITECH", "STARK", "UMBRELLA"];

/// The four bytes that end a synchronized DEFLATE stream.
///
/// RFC 7692, section 7.2.1: the sender of a compressed message takes them off.
const SYNC_TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// JSON records, cut at `size` bytes. Each `variant` has other values.
pub(crate) fn json_text(size: usize, variant: usize) -> Vec<u8> {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ ((variant as u64 + 1) << 17));
    let mut text = String::with_capacity(size + 256);
    text.push('[');
    while text.len() < size {
        let symbol = SYMBOLS[(random.next() % SYMBOLS.len() as u64) as usize];
        text.push_str(&format!(
            r#"{{"id":{},"symbol":"{symbol}","side":"{}","price":{}.{:02},"quantity":{},"user":"u-{:08x}","open":true}},"#,
            random.next() % 10_000_000,
            if random.next().is_multiple_of(2) { "buy" } else { "sell" },
            random.next() % 900 + 100,
            random.next() % 100,
            random.next() % 5_000,
            random.next() as u32,
        ));
    }
    text.truncate(size);
    text.into_bytes()
}

/// The compressing side of a client.
pub(crate) struct Deflater {
    stream: Compress,
    /// Whether a message may refer to those before.
    takeover: bool,
}

impl Deflater {
    pub(crate) fn new(takeover: bool) -> Self {
        Self { stream: Compress::new(Compression::default(), false), takeover }
    }

    /// RFC 7692, section 7.2.1: `payload` as one message.
    pub(crate) fn deflate(&mut self, payload: &[u8]) -> io::Result<Vec<u8>> {
        if !self.takeover {
            self.stream.reset();
        }
        let mut output = Vec::with_capacity(payload.len() + 64);
        let status = self.stream.compress_vec(payload, &mut output, FlushCompress::Sync);
        if !matches!(status, Ok(Status::Ok)) || !output.ends_with(&SYNC_TAIL) {
            return Err(io::Error::other("the payload did not compress into one block"));
        }
        output.truncate(output.len() - SYNC_TAIL.len());
        Ok(output)
    }
}

/// The reverse of what [`Deflater`] does to its first message, whose plain text has `size` bytes.
pub(crate) fn inflate(message: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let input = [message, &SYNC_TAIL].concat();
    let mut output = Vec::with_capacity(size + 64);
    Decompress::new(false).decompress_vec(&input, &mut output, FlushDecompress::Sync)?;
    Ok(output)
}

/// Random enough for prices, and repeatable.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_size_asked_for_and_differs_by_variant() {
        assert_eq!(json_text(20, 0).len(), 20);
        assert_eq!(json_text(1024, 3).len(), 1024);
        assert_ne!(json_text(1024, 0), json_text(1024, 1));
    }

    #[test]
    fn inflates_what_it_deflated() {
        let text = json_text(1024, 0);
        for takeover in [false, true] {
            let mut deflater = Deflater::new(takeover);
            let first = deflater.deflate(&text).unwrap();
            assert!(first.len() < 600);
            assert_eq!(inflate(&first, text.len()).unwrap(), text);
            let second = deflater.deflate(&text).unwrap();
            assert_eq!(second.len() < first.len() / 2, takeover);
        }
    }
}
