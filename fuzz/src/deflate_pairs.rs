//! Senders and receivers of compressed messages, with any settings, that share their memory.
//!
//! Invariant: what was compressed is what is decompressed, in whatever fragments, with whatever
//! windows taken over or given up, and whoever uses the memory in between. A limit as long as the
//! message is enough. The pool keeps no more than it may, but for what is in use.

use std::sync::Arc;

use oxws::protocol::deflate::{
    Compressor, CompressorConfig, ContextPool, Decompressor, DecompressorConfig, EncoderChoice,
    Strategy,
};

use super::input::Input;

/// Connections that share the memory.
const MAX_PAIRS: usize = 4;
/// Enough for every situation, few enough for the fuzzer's pace.
const MAX_MESSAGES: usize = 20;
/// What two compressors take, or many decompressors.
const SMALL_LIMIT: usize = 500 << 10;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let pool = Arc::new(ContextPool::new(limit(flags >> 2)));
    let mut pairs: Vec<_> =
        (0..=usize::from(flags & 3) % MAX_PAIRS).map(|_| Pair::new(&mut input, &pool)).collect();
    for _ in 0..MAX_MESSAGES {
        if input.is_empty() {
            break;
        }
        let operation = input.byte();
        let index = usize::from(operation & 3) % pairs.len();
        match operation >> 2 {
            0 => pool.set_limit(limit(input.byte())),
            1 => pairs[index].reset(),
            2 => pairs[index] = Pair::new(&mut input, &pool),
            _ => pairs[index].exchange(&mut input),
        }
    }
    pool.set_limit(0);
    assert_eq!(pool.kept_bytes(), 0, "kept above the limit");
}

fn limit(choice: u8) -> usize {
    [0, SMALL_LIMIT, usize::MAX][usize::from(choice % 3)]
}

/// One connection, in one direction.
struct Pair {
    sender: Compressor,
    receiver: Decompressor,
    /// What was sent, which the next message may repeat.
    sent: Vec<u8>,
}

impl Pair {
    fn new(input: &mut Input<'_>, pool: &Arc<ContextPool>) -> Self {
        let (flags, tuning) = (input.byte(), input.byte());
        let no_context_takeover = flags & 1 != 0;
        let window_bits = 8 + (flags >> 1 & 7);
        let dictionary =
            if flags & 16 != 0 { b"both sides know these words".to_vec() } else { Vec::new() };
        let strategy = match tuning & 7 {
            0 => Strategy::Filtered,
            1 => Strategy::HuffmanOnly,
            2 => Strategy::Rle,
            3 => Strategy::Fixed,
            _ => Strategy::Default,
        };
        let config = CompressorConfig {
            level: i32::from(tuning >> 4) % 11 - 1,
            mem_level: if flags & 32 != 0 { 8 } else { 1 + (flags >> 6) },
            strategy,
            // A sender may use less than was agreed.
            window_bits: if tuning & 8 != 0 { window_bits } else { window_bits.min(9) },
            no_context_takeover,
            dictionary: dictionary.clone(),
            encoder: if tuning >> 4 > 10 { EncoderChoice::Zlib } else { EncoderChoice::Own },
        };
        let sender = match Compressor::with_pool(config, pool) {
            Ok(sender) => sender,
            Err(error) => panic!("{error}"),
        };
        let config = DecompressorConfig {
            window_bits,
            no_context_takeover,
            dictionary,
            ..DecompressorConfig::default()
        };
        Self { sender, receiver: Decompressor::with_pool(config, pool), sent: Vec::new() }
    }

    /// Begins anew on both sides.
    fn reset(&mut self) {
        self.sender.reset();
        self.receiver.reset();
    }

    /// Sends one message, in fragments that others cut anew on the way.
    fn exchange(&mut self, input: &mut Input<'_>) {
        let message = self.message(input);
        let (sent, received) = (input.byte(), input.byte());
        let mut data = Vec::new();
        let fragments = cut(&message, sent);
        for (index, fragment) in fragments.iter().enumerate() {
            self.sender.compress_into(fragment, index + 1 == fragments.len(), &mut data);
        }
        let mut output = Vec::new();
        let fragments = cut(&data, received);
        for (index, fragment) in fragments.iter().enumerate() {
            let fin = index + 1 == fragments.len();
            let limit = Some((message.len() - output.len()) as u64);
            let result = self.receiver.decompress_into(fragment, fin, limit, &mut output);
            assert_eq!(result, Ok(()));
        }
        assert!(output == message, "not what was sent");
        self.sent.extend(message);
    }

    /// Bytes of the input, or what was sent before from somewhere on, over and over.
    fn message(&self, input: &mut Input<'_>) -> Vec<u8> {
        let flags = input.byte();
        let length = usize::from(input.byte());
        if flags & 3 != 0 || self.sent.is_empty() {
            return input.bytes(length).to_vec();
        }
        let start = self.sent.len() * usize::from(flags >> 2) / 64;
        let pattern = self.sent[start..].iter().copied().cycle();
        // Up to twice the largest window.
        pattern.take(length * 257).collect()
    }
}

/// Cuts bytes into up to eight pieces.
fn cut(bytes: &[u8], choice: u8) -> Vec<&[u8]> {
    let count = 1 + usize::from(choice & 7);
    let (head, tail) = bytes.split_at(bytes.len() * usize::from(choice >> 3) / 31);
    let mut pieces: Vec<_> = head.chunks(head.len().div_ceil(count).max(1)).collect();
    pieces.push(tail);
    pieces
}
