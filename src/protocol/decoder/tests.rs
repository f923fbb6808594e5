//! Every rule in both roles: [`both`] runs a test as a server (masked frames) and as a client.

use super::*;
use crate::protocol::{FrameHeader, MAX_HEADER_LENGTH};

mod closing;
mod header;
mod limits;
mod memory;
mod properties;
mod text;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An event with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(Vec<u8>, Vec<usize>),
    Binary(Vec<u8>, Vec<usize>),
    Compressed(Opcode, bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, Vec<u8>),
}

impl Seen {
    fn of(event: &Event, input: &[u8]) -> Self {
        let bytes = |payload: &Payload| {
            let bytes = payload.as_slice(input).to_vec();
            assert_eq!(bytes.len(), payload.len());
            assert_eq!(bytes.is_empty(), payload.is_empty());
            bytes
        };
        match event {
            Event::Text { payload, fragments } => Self::Text(bytes(payload), fragments.clone()),
            Event::Binary { payload, fragments } => Self::Binary(bytes(payload), fragments.clone()),
            Event::CompressedFrame { opcode, fin, payload } => {
                Self::Compressed(*opcode, *fin, bytes(payload))
            }
            Event::Ping(payload) => Self::Ping(bytes(payload)),
            Event::Pong(payload) => Self::Pong(bytes(payload)),
            Event::Close { code, reason } => Self::Close(code.map(u16::from), bytes(reason)),
        }
    }

    fn text(text: &str) -> Self {
        Self::Text(text.into(), vec![])
    }

    fn binary(data: &[u8]) -> Self {
        Self::Binary(data.into(), vec![])
    }
}

fn config(role: Role) -> DecoderConfig {
    DecoderConfig {
        role,
        limits: Limits::default(),
        permessage_deflate: false,
        skip_utf8_validation: false,
    }
}

fn deflate_config(role: Role) -> DecoderConfig {
    DecoderConfig { permessage_deflate: true, ..config(role) }
}

fn limited(role: Role, limits: Limits) -> DecoderConfig {
    DecoderConfig { limits, ..deflate_config(role) }
}

/// Decodes one chunk to its end or to an error.
fn receive(decoder: &mut Decoder, chunk: &[u8]) -> (Vec<Seen>, Result<(), ProtocolError>) {
    let mut input = chunk.to_vec();
    let mut position = 0;
    let mut seen = Vec::new();
    loop {
        match decoder.decode(&mut input, &mut position) {
            Ok(Some(event)) => seen.push(Seen::of(&event, &input)),
            Ok(None) => {
                assert_eq!(position, input.len(), "input is left over");
                return (seen, Ok(()));
            }
            Err(error) => return (seen, Err(error)),
        }
    }
}

/// Decodes chunks until the first error.
fn receive_all<'a>(
    decoder: &mut Decoder,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Seen>, Result<(), ProtocolError>) {
    let mut all = Vec::new();
    for chunk in chunks {
        let (seen, result) = receive(decoder, chunk);
        all.extend(seen);
        if result.is_err() {
            return (all, result);
        }
    }
    (all, Ok(()))
}

/// A frame as the peer of `role` sends it, from the first byte and the payload.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(role, first, payload.len() as u64);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    if role == Role::Server {
        mask_in_place(&mut bytes[start..], KEY, 0);
    }
    bytes
}

/// The header of a frame as the peer of `role` sends it, with any first byte.
fn header(role: Role, first: u8, payload_length: u64) -> Vec<u8> {
    let mut bytes = [0; MAX_HEADER_LENGTH];
    let header = FrameHeader {
        fin: true,
        rsv1: false,
        opcode: Opcode::Binary,
        masking_key: (role == Role::Server).then_some(KEY),
        payload_length,
    };
    let length = header.encode(&mut bytes);
    bytes[0] = first;
    bytes[..length].to_vec()
}

fn both(test: impl Fn(Role)) {
    test(Role::Server);
    test(Role::Client);
}

/// Asserts that `stream` gives `events`, whole and byte by byte.
#[track_caller]
fn accepts(config: DecoderConfig, stream: &[u8], events: &[Seen]) {
    let whole = receive(&mut Decoder::new(config), stream);
    assert_eq!(whole, (events.to_vec(), Ok(())), "{config:?}");
    let bytes = receive_all(&mut Decoder::new(config), stream.chunks(1));
    assert_eq!(bytes, (events.to_vec(), Ok(())), "byte by byte, {config:?}");
}

/// Asserts that `stream` fails with `error` and nothing before it, whole and byte by byte, and that
/// nothing is decoded afterwards.
#[track_caller]
fn rejects(config: DecoderConfig, stream: &[u8], error: ProtocolError) {
    for chunk_length in [stream.len(), 1] {
        let mut decoder = Decoder::new(config);
        let result = receive_all(&mut decoder, stream.chunks(chunk_length));
        assert_eq!(result, (vec![], Err(error)), "{config:?}");
        let ping = frame(config.role, 0x89, b"");
        assert_eq!(receive(&mut decoder, &ping), (vec![], Ok(())), "decodes after an error");
        assert_eq!(decoder.total_payload_length(), 0);
    }
}

/// RFC 6455, section 5.7.
#[test]
fn decodes_the_examples_of_the_rfc() {
    let client = config(Role::Client);
    let server = config(Role::Server);
    accepts(client, b"\x81\x05Hello", &[Seen::text("Hello")]);
    accepts(server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[Seen::text("Hello")]);
    accepts(client, b"\x01\x03Hel\x80\x02lo", &[Seen::Text(b"Hello".to_vec(), vec![3, 2])]);
    accepts(client, b"\x89\x05Hello", &[Seen::Ping(b"Hello".to_vec())]);
    accepts(
        server,
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[Seen::Pong(b"Hello".to_vec())],
    );
    let data: Vec<u8> = (0..256).map(|i| i as u8).collect();
    accepts(client, &[b"\x82\x7e\x01\x00", &data[..]].concat(), &[Seen::binary(&data)]);
    let data = data.repeat(256);
    let stream = [b"\x82\x7f\0\0\0\0\0\x01\0\0", &data[..]].concat();
    accepts(client, &stream, &[Seen::binary(&data)]);
}

#[test]
fn decodes_every_form_of_the_length() {
    both(|role| {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
            let data = vec![0x5a; length];
            accepts(config(role), &frame(role, 0x82, &data), &[Seen::binary(&data)]);
        }
    });
}

#[test]
fn accepts_a_length_that_is_not_in_its_shortest_form() {
    // Deviation (ws 8.x): RFC 6455, section 5.2 wants the shortest form; ws takes any.
    accepts(config(Role::Client), b"\x82\x7e\0\x01a", &[Seen::binary(b"a")]);
    accepts(config(Role::Client), b"\x82\x7f\0\0\0\0\0\0\0\x01a", &[Seen::binary(b"a")]);
}

#[test]
fn hands_out_whole_frames_in_place_and_in_order() {
    both(|role| {
        let frames = [
            frame(role, 0x81, b"text"),
            frame(role, 0x82, b"data"),
            frame(role, 0x89, b"?"),
            frame(role, 0x8a, b"!"),
        ];
        let mut input = frames.concat();
        let mut position = 0;
        let mut decoder = Decoder::new(config(role));
        let mut end = 0;
        for (frame, expected) in frames.iter().zip(["text", "data", "?", "!"]) {
            let event = decoder.decode(&mut input, &mut position).unwrap().unwrap();
            end += frame.len();
            assert_eq!(position, end);
            let (Event::Text { payload, .. }
            | Event::Binary { payload, .. }
            | Event::Ping(payload)
            | Event::Pong(payload)) = event
            else {
                panic!("{event:?}")
            };
            assert_eq!(payload, Payload::InPlace(end - expected.len()..end));
            assert_eq!(payload.as_slice(&input), expected.as_bytes());
        }
        assert_eq!(decoder.decode(&mut input, &mut position), Ok(None));
        assert_eq!(decoder.buffer.capacity(), 0);
    });
}

#[test]
fn leaves_bytes_behind_the_position_untouched() {
    let first = frame(Role::Server, 0x82, b"first");
    let second = frame(Role::Server, 0x82, b"second");
    let mut input = [&first[..], &second].concat();
    let mut position = 0;
    let event = Decoder::new(config(Role::Server)).decode(&mut input, &mut position);
    assert!(matches!(event, Ok(Some(Event::Binary { .. }))));
    assert_eq!(&input[position..], second);
}

#[test]
fn assembles_fragments_with_control_frames_between() {
    both(|role| {
        let stream = [
            frame(role, 0x01, b"One"),
            frame(role, 0x89, b"ping"),
            frame(role, 0x00, b""),
            frame(role, 0x8a, b"pong"),
            frame(role, 0x80, b", two"),
            frame(role, 0x82, b"next"),
        ]
        .concat();
        let expected = [
            Seen::Ping(b"ping".to_vec()),
            Seen::Pong(b"pong".to_vec()),
            Seen::Text(b"One, two".to_vec(), vec![3, 5]),
            Seen::binary(b"next"),
        ];
        accepts(config(role), &stream, &expected);
    });
}

#[test]
fn assembles_a_message_of_empty_fragments() {
    both(|role| {
        let stream = [frame(role, 0x02, b""), frame(role, 0x00, b""), frame(role, 0x80, b"")];
        accepts(config(role), &stream.concat(), &[Seen::binary(b"")]);
    });
}

#[test]
fn takes_one_fragment_among_empty_ones_as_one() {
    both(|role| {
        let stream = [frame(role, 0x02, b""), frame(role, 0x80, b"abc")].concat();
        accepts(config(role), &stream, &[Seen::Binary(b"abc".to_vec(), vec![3])]);
    });
}

#[test]
fn decodes_empty_messages_and_control_frames() {
    both(|role| {
        let stream: Vec<u8> = [0x81, 0x82, 0x89, 0x8a, 0x88]
            .iter()
            .flat_map(|&first| frame(role, first, b""))
            .collect();
        let expected = [
            Seen::text(""),
            Seen::binary(b""),
            Seen::Ping(vec![]),
            Seen::Pong(vec![]),
            Seen::Close(None, vec![]),
        ];
        accepts(config(role), &stream, &expected);
    });
}

#[test]
fn goes_on_with_an_owned_payload_over_many_chunks() {
    both(|role| {
        let data: Vec<u8> = (0..200_000_u32).map(|i| (i * 7) as u8).collect();
        let stream = [frame(role, 0x82, &data), frame(role, 0x81, b"behind")].concat();
        let expected = (vec![Seen::binary(&data), Seen::text("behind")], Ok(()));
        for chunk_length in [1, 3, 1000, 65536] {
            let mut decoder = Decoder::new(config(role));
            assert_eq!(receive_all(&mut decoder, stream.chunks(chunk_length)), expected);
        }
    });
}

// Compressed messages.

#[test]
fn hands_out_every_frame_of_a_compressed_message() {
    both(|role| {
        let stream = [
            frame(role, 0x41, b"\xff1"),
            frame(role, 0x89, b""),
            frame(role, 0x00, b""),
            frame(role, 0x80, b"\xff2"),
            frame(role, 0xc2, b"\xff3"),
            frame(role, 0x81, b"plain"),
        ]
        .concat();
        let expected = [
            Seen::Compressed(Opcode::Text, false, b"\xff1".to_vec()),
            Seen::Ping(vec![]),
            Seen::Compressed(Opcode::Text, false, vec![]),
            Seen::Compressed(Opcode::Text, true, b"\xff2".to_vec()),
            Seen::Compressed(Opcode::Binary, true, b"\xff3".to_vec()),
            Seen::text("plain"),
        ];
        accepts(deflate_config(role), &stream, &expected);
    });
}

#[test]
fn allows_rsv1_from_the_frame_on_that_follows_the_agreement() {
    both(|role| {
        let mut decoder = Decoder::new(config(role));
        decoder.set_permessage_deflate(true);
        let compressed = frame(role, 0xc2, b"x");
        let expected = vec![Seen::Compressed(Opcode::Binary, true, b"x".to_vec())];
        assert_eq!(receive(&mut decoder, &compressed), (expected, Ok(())));
        decoder.set_permessage_deflate(false);
        let error = Err(ProtocolError::UnexpectedRsv1);
        assert_eq!(receive(&mut decoder, &compressed), (vec![], error));
    });
}
