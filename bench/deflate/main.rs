//! The encoder and the decoder next to zlib-rs, on one thread: time for a message, and its size.
//!
//! `cargo bench -p oxws-deflate [-- PART-OF-A-TITLE]`
//!
//! Each message follows the others in one stream, as with context takeover. What the numbers in
//! `crates/deflate` name is a title here: `json-1k`, `json-64k`, `prose-1k`, `prose-64k`,
//! `binary-64k`, `noise-64k`, `two-letters-64k`. Sizes repeat exactly. Times are the shortest of
//! several rounds: compare them within a run only.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program of its own")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use oxws_deflate::{Bounds, Decoder, Encoder, Output, Window};

/// The window of both sides.
const WINDOW_BITS: u8 = 15;
/// zlib's default.
const MEM_LEVEL: u8 = 8;
/// Bytes of a case.
const TOTAL: usize = 1 << 20;
const ROUNDS: usize = 5;

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

/// Words of which the first are the most frequent.
fn word(noise: &mut Noise) -> &'static str {
    const WORDS: [&str; 48] = [
        "the",
        "of",
        "and",
        "to",
        "a",
        "in",
        "that",
        "is",
        "was",
        "he",
        "for",
        "it",
        "with",
        "as",
        "his",
        "on",
        "be",
        "at",
        "by",
        "had",
        "not",
        "are",
        "but",
        "from",
        "or",
        "have",
        "an",
        "they",
        "which",
        "one",
        "you",
        "were",
        "her",
        "all",
        "she",
        "there",
        "would",
        "their",
        "connection",
        "message",
        "window",
        "between",
        "stream",
        "history",
        "nothing",
        "harbour",
        "yesterday",
        "compression",
    ];
    let bound = 1 + noise.below(WORDS.len());
    WORDS[noise.below(bound)]
}

fn json(noise: &mut Noise) -> Vec<u8> {
    format!(
        r#"{{"id":{},"name":"{} {}","price":{}.{:02},"tags":["{}","{}"],"active":{}}},"#,
        noise.below(1_000_000),
        word(noise),
        word(noise),
        noise.below(1000),
        noise.below(100),
        word(noise),
        word(noise),
        noise.below(2) == 0
    )
    .into_bytes()
}

fn prose(noise: &mut Noise) -> Vec<u8> {
    let end = if noise.below(12) == 0 { ". " } else { " " };
    [word(noise), end].concat().into_bytes()
}

/// Records of small numbers, little-endian, as in a program or a table.
fn binary(noise: &mut Noise) -> Vec<u8> {
    let id = noise.below(4096) as u32;
    let kinds = [0_u16, 1, 2, 0x8000];
    let kind = kinds[noise.below(kinds.len())];
    [&id.to_le_bytes()[..], &kind.to_le_bytes(), &[0, noise.next() as u8]].concat()
}

fn noise(noise: &mut Noise) -> Vec<u8> {
    noise.next().to_le_bytes().to_vec()
}

fn two_letters(noise: &mut Noise) -> Vec<u8> {
    vec![b'a' + noise.below(2) as u8]
}

/// A title, how long its messages are, and what makes a piece of them.
type Case = (&'static str, usize, fn(&mut Noise) -> Vec<u8>);

const CASES: [Case; 7] = [
    ("json-1k", 1 << 10, json),
    ("json-64k", 64 << 10, json),
    ("prose-1k", 1 << 10, prose),
    ("prose-64k", 64 << 10, prose),
    ("binary-64k", 64 << 10, binary),
    ("noise-64k", 64 << 10, noise),
    ("two-letters-64k", 64 << 10, two_letters),
];

/// The messages of a case.
fn messages(length: usize, piece: fn(&mut Noise) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::new();
    while bytes.len() < TOTAL {
        bytes.extend(piece(&mut noise));
    }
    bytes[..TOTAL].chunks(length).map(<[u8]>::to_vec).collect()
}

/// The shortest time of a message, and what the rounds gave.
fn measure<T>(count: usize, mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut best = Duration::MAX;
    let mut result = work();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        result = black_box(work());
        best = best.min(start.elapsed());
    }
    (best / count as u32, result)
}

/// The messages encoded by this package, one after the other.
fn encode(messages: &[Vec<u8>], level: u8) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(level, WINDOW_BITS, MEM_LEVEL);
    let encode = |message: &Vec<u8>| {
        let mut output = Vec::new();
        encoder.encode(message, &mut output);
        output
    };
    messages.iter().map(encode).collect()
}

/// The size of all messages, encoded by zlib-rs.
fn encode_by_zlib(messages: &[Vec<u8>], level: u8) -> usize {
    let mut stream = Compress::new(Compression::new(level.into()), false);
    let mut output = Vec::with_capacity(2 * messages[0].len() + 100);
    let mut size = 0;
    for message in messages {
        output.clear();
        stream.compress_vec(message, &mut output, FlushCompress::Sync).unwrap();
        size += output.len();
    }
    size
}

fn decode(encoded: &[Vec<u8>]) -> usize {
    let (mut decoder, mut window, mut bytes) = (Decoder::new(), Window::default(), Vec::new());
    let mut size = 0;
    for data in encoded {
        bytes.clear();
        let mut output = Output::new(&mut bytes, Bounds { end: usize::MAX, pause: usize::MAX });
        decoder.decode(&mut data.as_slice(), &window, &mut output).unwrap();
        let produced = output.finish();
        window.push(produced, 1 << WINDOW_BITS);
        size += produced.len();
    }
    size
}

fn decode_by_zlib(encoded: &[Vec<u8>], length: usize) -> usize {
    let mut stream = Decompress::new(false);
    let mut output = Vec::with_capacity(length + 1);
    let mut size = 0;
    for data in encoded {
        output.clear();
        stream.decompress_vec(data, &mut output, FlushDecompress::Sync).unwrap();
        size += output.len();
    }
    size
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_wanted = |title: &str| wanted.is_empty() || wanted.iter().any(|it| title.contains(it));
    println!("{:15} {:8} {:>10} {:>10} {:>8} {:>8}", "", "", "µs", "zlib-rs", "size", "zlib-rs");
    for (title, length, piece) in CASES.into_iter().filter(|case| is_wanted(case.0)) {
        let messages = messages(length, piece);
        let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
        let share = |size: usize| 100.0 * size as f64 / TOTAL as f64;
        for level in 1..=6 {
            let (ours, encoded) = measure(messages.len(), || encode(&messages, level));
            let (theirs, their_size) = measure(messages.len(), || encode_by_zlib(&messages, level));
            let size = encoded.iter().map(Vec::len).sum();
            println!(
                "{title:15} level {level}  {:10.2} {:10.2} {:7.2}% {:7.2}%",
                micros(ours),
                micros(theirs),
                share(size),
                share(their_size)
            );
        }
        let encoded = encode(&messages, 6);
        let (ours, size) = measure(messages.len(), || decode(&encoded));
        let (theirs, _) = measure(messages.len(), || decode_by_zlib(&encoded, length));
        assert_eq!(size, TOTAL);
        println!("{title:15} decode   {:10.2} {:10.2}", micros(ours), micros(theirs));
    }
}
