//! What holds for every stream and every way to cut it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// A frame as an endpoint may send it.
#[derive(Clone, Debug)]
struct Sent {
    header: FrameHeader,
    payload: Vec<u8>,
}

impl Sent {
    fn new(fin: bool, rsv1: bool, opcode: Opcode, payload: Vec<u8>) -> Self {
        let payload_length = payload.len() as u64;
        let header = FrameHeader { fin, rsv1, opcode, masking_key: None, payload_length };
        Self { header, payload }
    }

    /// The bytes of the frame, masked if there is a key.
    fn encode(&self, masking_key: Option<[u8; 4]>) -> Vec<u8> {
        let header = FrameHeader { masking_key, ..self.header };
        let mut bytes = vec![0; header.encoded_length() + self.payload.len()];
        let (head, payload) = bytes.split_at_mut(header.encoded_length());
        assert_eq!(header.encode(head), head.len());
        match masking_key {
            Some(key) => crate::protocol::mask_into(&self.payload, payload, key),
            None => payload.copy_from_slice(&self.payload),
        }
        bytes
    }
}

/// The frames of a message or of a control frame, and what the decoder has to make of them.
type Exchange = (Vec<Sent>, Vec<Seen>);

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["\\PC{0,40}", "[a-z ]{0,300}", "[€𝄞é]{0,30}"].prop_map(String::into_bytes)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), select(vec![125_usize, 126, 127, 0xffff, 0x1_0000]))
            .prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn control() -> impl Strategy<Value = Exchange> {
    (any::<bool>(), vec(any::<u8>(), 0..=125)).prop_map(|(is_ping, payload)| {
        let (opcode, seen) = if is_ping {
            (Opcode::Ping, Seen::Ping(payload.clone()))
        } else {
            (Opcode::Pong, Seen::Pong(payload.clone()))
        };
        (vec![Sent::new(true, false, opcode, payload)], vec![seen])
    })
}

fn message() -> impl Strategy<Value = Exchange> {
    let cuts = prop_oneof![2 => Just(vec![]), 1 => vec(any::<Index>(), 1..5)];
    let content = prop_oneof![
        text().prop_map(|text| (Opcode::Text, text)),
        data().prop_map(|data| (Opcode::Binary, data)),
    ];
    (content, cuts, vec(control(), 0..3), prop::bool::weighted(0.2)).prop_map(
        |((opcode, payload), cuts, controls, compressed)| {
            fragment(opcode, &payload, &cuts, controls, compressed)
        },
    )
}

/// Cuts a message, with control frames after its first fragments.
fn fragment(
    opcode: Opcode,
    payload: &[u8],
    cuts: &[Index],
    controls: Vec<Exchange>,
    compressed: bool,
) -> Exchange {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    cuts.sort_unstable();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([payload.len()]);
    let fragments: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &payload[start..end]).collect();

    let mut controls = controls.into_iter();
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for (index, fragment) in fragments.iter().enumerate() {
        let fin = index + 1 == fragments.len();
        let frame_opcode = if index == 0 { opcode } else { Opcode::Continuation };
        let rsv1 = compressed && index == 0;
        sent.push(Sent::new(fin, rsv1, frame_opcode, fragment.to_vec()));
        if compressed {
            seen.push(Seen::Compressed(opcode, fin, fragment.to_vec()));
        }
        if let Some((frames, events)) = controls.next().filter(|_| !fin) {
            sent.extend(frames);
            seen.extend(events);
        }
    }
    if !compressed {
        let lengths = match &fragments[..] {
            [_] => vec![],
            _ => fragments.iter().map(|f| f.len()).filter(|&length| length > 0).collect(),
        };
        seen.push(match opcode {
            Opcode::Text => Seen::Text(payload.to_vec(), lengths),
            _ => Seen::Binary(payload.to_vec(), lengths),
        });
    }
    (sent, seen)
}

fn close() -> impl Strategy<Value = Exchange> {
    let code = select(vec![1000_u16, 1001, 1007, 1014, 3000, 4999]);
    let payload = prop_oneof![
        Just((vec![], Seen::Close(None, vec![]))),
        (code, "\\PC{0,30}").prop_map(|(code, reason)| {
            let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
            (payload, Seen::Close(Some(code), reason.into_bytes()))
        }),
    ];
    payload.prop_map(|(payload, seen)| {
        (vec![Sent::new(true, false, Opcode::Close, payload)], vec![seen])
    })
}

/// A whole conversation, seen from one side.
fn conversation() -> impl Strategy<Value = Exchange> {
    let exchange = prop_oneof![3 => message(), 1 => control()];
    (vec(exchange, 0..8), prop::option::of(close())).prop_map(|(exchanges, close)| {
        let (sent, seen): (Vec<_>, Vec<_>) = exchanges.into_iter().chain(close).unzip();
        (sent.concat(), seen.concat())
    })
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Server, Role::Client])
}

/// The bytes of `frames` as the peer of `role` sends them, with keys drawn from `keys`.
fn encode_all(role: Role, frames: &[Sent], keys: &[[u8; 4]]) -> Vec<u8> {
    let keys = keys.iter().cycle();
    let encode =
        |(frame, key): (&Sent, &[u8; 4])| frame.encode(role.peer().masks().then_some(*key));
    frames.iter().zip(keys).flat_map(encode).collect()
}

/// A change that turns a valid stream into a nearly valid one.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Truncate(Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << (bit & 7),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => any::<Index>().prop_map(Mutation::Remove),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let max_payload = prop_oneof![3 => Just(0), 1 => 1..400_u64];
    let max_fragments = prop_oneof![3 => Just(0), 1 => 1..4_u32];
    (max_payload, max_fragments).prop_map(|(max_payload, max_fragments)| Limits {
        max_payload,
        max_fragments,
        max_buffered_chunks: 0,
    })
}

/// Cuts `stream` into chunks of the given lengths, over and over.
fn cut<'a>(mut stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (chunk, rest) = stream.split_at((*length).clamp(1, stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks
}

/// Decodes chunks until the first error, appended to the memory of the payload where possible.
fn receive_or_append<'a>(
    decoder: &mut Decoder,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Seen>, Result<(), ProtocolError>) {
    let mut seen = Vec::new();
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let appended = decoder.receive_payload(1, |buffer| {
                let count = chunk.len().min(buffer.capacity() - buffer.len());
                buffer.extend_from_slice(&chunk[..count]);
                count
            });
            let Some((count, result)) = appended else {
                let (events, result) = receive(decoder, chunk);
                seen.extend(events);
                if result.is_err() {
                    return (seen, result);
                }
                break;
            };
            match result {
                Ok(event) => seen.extend(event.iter().map(|event| Seen::of(event, &[]))),
                Err(error) => return (seen, Err(error)),
            }
            chunk = &chunk[count..];
        }
    }
    (seen, Ok(()))
}

proptest! {
    #[test]
    fn decodes_what_was_encoded(
        role in role(),
        (sent, seen) in conversation(),
        keys in vec(any::<[u8; 4]>(), 1..4),
        lengths in vec(1..500_usize, 1..20),
    ) {
        let stream = encode_all(role, &sent, &keys);
        let config = deflate_config(role);
        let whole = receive(&mut Decoder::new(config), &stream);
        prop_assert_eq!(&whole, &(seen, Ok(())));
        let parts = receive_all(&mut Decoder::new(config), cut(&stream, &lengths));
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn gives_the_same_events_and_error_however_the_input_is_cut(
        role in role(),
        (sent, _) in conversation(),
        keys in vec(any::<[u8; 4]>(), 1..4),
        mutations in vec(mutation(), 0..4),
        lengths in vec(1..60_usize, 1..20),
        limits in limits(),
        permessage_deflate in prop::bool::weighted(0.8),
        skip_utf8_validation in prop::bool::weighted(0.1),
    ) {
        let mut stream = encode_all(role, &sent, &keys);
        for mutation in mutations {
            mutation.apply(&mut stream);
        }
        let config = DecoderConfig { role, limits, permessage_deflate, skip_utf8_validation };
        let whole = receive(&mut Decoder::new(config), &stream);
        let bytes = receive_all(&mut Decoder::new(config), stream.chunks(1));
        prop_assert_eq!(&bytes, &whole);
        let parts = receive_all(&mut Decoder::new(config), cut(&stream, &lengths));
        prop_assert_eq!(&parts, &whole);
        let appended = receive_or_append(&mut Decoder::new(config), cut(&stream, &lengths));
        prop_assert_eq!(&appended, &whole);
    }

    #[test]
    fn finds_the_error_of_random_bytes_however_they_are_cut(
        role in role(),
        stream in vec(any::<u8>(), 0..300),
        lengths in vec(1..20_usize, 1..20),
        limits in limits(),
    ) {
        let config = DecoderConfig { limits, ..deflate_config(role) };
        let whole = receive(&mut Decoder::new(config), &stream);
        let parts = receive_all(&mut Decoder::new(config), cut(&stream, &lengths));
        prop_assert_eq!(parts, whole);
    }
}

/// SplitMix64: megabytes of noise, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }

    /// Mostly small chunks, some large ones.
    fn chunk_length(&mut self) -> usize {
        let bound = [2, 16, 200, 5000][self.below(4)];
        1 + self.below(bound)
    }
}

const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

const NOISE_LIMITS: Limits =
    Limits { max_payload: 100_000, max_fragments: 50, max_buffered_chunks: 300 };

/// Decodes `stream` in random chunks, with a new decoder after every error or close frame.
/// Returns how many events and errors there were.
fn survive(role: Role, stream: &mut [u8], noise: &mut Noise) -> (usize, usize) {
    let config = DecoderConfig { limits: NOISE_LIMITS, ..deflate_config(role) };
    let mut decoder = Decoder::new(config);
    let (mut events, mut errors) = (0, 0);
    let mut rest = stream;
    while !rest.is_empty() {
        let length = noise.chunk_length().min(rest.len());
        let (chunk, tail) = rest.split_at_mut(length);
        rest = tail;
        let mut position = 0;
        while position < chunk.len() {
            // As if the chunk began here, once a new decoder has taken over.
            let input = &mut chunk[position..];
            let mut consumed = 0;
            match decoder.decode(input, &mut consumed) {
                Ok(Some(event)) => {
                    check_event(&event, input);
                    events += 1;
                }
                Ok(None) => assert_eq!(consumed, input.len()),
                Err(error) => {
                    assert!(error.code().starts_with("WS_ERR_"));
                    errors += 1;
                    decoder = Decoder::new(config);
                }
            }
            if decoder.state == State::Done {
                decoder = Decoder::new(config);
            }
            check_memory(&decoder);
            // An error may come before anything is consumed.
            position += consumed.max(1);
        }
    }
    (events, errors)
}

fn check_event(event: &Event, input: &[u8]) {
    match event {
        Event::Text { payload, fragments } | Event::Binary { payload, fragments } => {
            let bytes = payload.as_slice(input);
            assert!(bytes.len() as u64 <= NOISE_LIMITS.max_payload);
            assert!(fragments.is_empty() || fragments.iter().sum::<usize>() == bytes.len());
            if let Event::Text { .. } = event {
                assert!(std::str::from_utf8(bytes).is_ok());
            }
        }
        Event::CompressedFrame { opcode, payload, .. } => {
            assert!(matches!(opcode, Opcode::Text | Opcode::Binary));
            assert!(payload.as_slice(input).len() as u64 <= NOISE_LIMITS.max_payload);
        }
        Event::Ping(payload) | Event::Pong(payload) => {
            assert!(payload.as_slice(input).len() <= 125);
        }
        Event::Close { code, reason } => {
            assert!(code.is_none_or(|code| CloseCode::is_valid_on_wire(code.as_u16())));
            assert!(std::str::from_utf8(reason.as_slice(input)).is_ok());
        }
    }
}

fn check_memory(decoder: &Decoder) {
    assert!(decoder.buffer.len() as u64 <= NOISE_LIMITS.max_payload + 125);
    let bound = (2 * (decoder.buffer.len() + 125)).max(MAX_UNPROVEN_RESERVATION);
    assert!(decoder.buffer.capacity() <= bound, "{}", decoder.buffer.capacity());
    assert!(decoder.message.fragments.len() <= NOISE_LIMITS.max_fragments as usize);
}

#[test]
fn survives_ten_megabytes_of_random_bytes() {
    both(|role| {
        let mut noise = Noise(7);
        let mut stream = noise.bytes(TEN_MEGABYTES);
        let (events, errors) = survive(role, &mut stream, &mut noise);
        assert!(events > 1000 && errors > 100_000, "{events} events, {errors} errors");
    });
}

#[test]
fn survives_ten_megabytes_of_mutated_frames() {
    both(|role| {
        let mut noise = Noise(42);
        let (mut decoded, mut events, mut errors) = (0, 0, 0);
        while decoded < TEN_MEGABYTES {
            let mut stream = Vec::new();
            for _ in 0..8 {
                noisy_message(role, &mut noise, &mut stream);
            }
            for _ in 0..noise.below(4) {
                let at = noise.below(stream.len());
                stream[at] ^= 1 << noise.below(8);
            }
            let counts = survive(role, &mut stream, &mut noise);
            decoded += stream.len();
            events += counts.0;
            errors += counts.1;
        }
        assert!(events > 3000 && errors > 1000, "{events} events, {errors} errors");
    });
}

/// Appends a valid message in up to four frames with pings between them.
fn noisy_message(role: Role, noise: &mut Noise, stream: &mut Vec<u8>) {
    let rsv1 = if noise.below(4) == 0 { 0x40 } else { 0 };
    let is_text = noise.below(2) == 0;
    let frames = 1 + noise.below(4) * noise.below(2);
    for index in 0..frames {
        let fin = if index + 1 == frames { FIN } else { 0 };
        let first = if index == 0 { fin | rsv1 | if is_text { 1 } else { 2 } } else { fin };
        let bound = [20, 200, 20, 200, 2000, 20, 200, 70_000][noise.below(8)];
        let length = noise.below(bound);
        let payload = match is_text && rsv1 == 0 {
            true => "aé€𝄞".repeat(length / 10).into_bytes(),
            false => noise.bytes(length),
        };
        stream.extend(frame(role, first, &payload));
        if noise.below(3) == 0 {
            let length = noise.below(126);
            stream.extend(frame(role, 0x89, &noise.bytes(length)));
        }
    }
}
