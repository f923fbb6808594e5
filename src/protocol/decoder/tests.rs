//! Every rule in both roles: [`both`] runs a test as a server (masked frames) and as a client.

use super::*;
use crate::protocol::{FrameHeader, MAX_HEADER_LENGTH};

mod properties;

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

// Messages.

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

// The header.

#[test]
fn rejects_rsv2_and_rsv3() {
    both(|role| {
        for first in [0xa1, 0x91, 0xb1, 0xf1, 0xa9] {
            let stream = frame(role, first, b"");
            rejects(deflate_config(role), &stream, ProtocolError::UnexpectedRsv23);
        }
    });
}

#[test]
fn rejects_rsv1_without_permessage_deflate() {
    both(|role| {
        for first in [0xc1, 0xc2, 0xc0, 0xc9, 0xc3] {
            let stream = frame(role, first, b"");
            rejects(config(role), &stream, ProtocolError::UnexpectedRsv1);
        }
    });
}

#[test]
fn rejects_rsv1_on_control_frames_and_continuations() {
    both(|role| {
        for first in [0xc8, 0xc9, 0xca, 0xc0] {
            let stream = frame(role, first, b"");
            rejects(deflate_config(role), &stream, ProtocolError::UnexpectedRsv1);
        }
        let mut decoder = Decoder::new(deflate_config(role));
        let stream = [frame(role, 0x41, b"a"), frame(role, 0xc0, b"b")].concat();
        let expected = vec![Seen::Compressed(Opcode::Text, false, b"a".to_vec())];
        let error = Err(ProtocolError::UnexpectedRsv1);
        assert_eq!(receive(&mut decoder, &stream), (expected, error));
    });
}

#[test]
fn rejects_reserved_opcodes() {
    both(|role| {
        for opcode in (3..=7).chain(11..=15) {
            for first in [0x80 | opcode, opcode, 0xc0 | opcode] {
                let stream = frame(role, first, b"");
                let error = ProtocolError::InvalidOpcode(opcode);
                rejects(deflate_config(role), &stream, error);
            }
        }
    });
}

#[test]
fn rejects_a_continuation_without_a_message() {
    both(|role| {
        for first in [0x80, 0x00] {
            let stream = frame(role, first, b"");
            rejects(config(role), &stream, ProtocolError::InvalidOpcode(0));
        }
        let mut decoder = Decoder::new(config(role));
        let stream = [frame(role, 0x81, b""), frame(role, 0x80, b"")].concat();
        let expected = (vec![Seen::text("")], Err(ProtocolError::InvalidOpcode(0)));
        assert_eq!(receive(&mut decoder, &stream), expected);
    });
}

#[test]
fn rejects_a_new_message_among_fragments() {
    both(|role| {
        for (first, second, opcode) in [(0x01, 0x81, 1), (0x02, 0x01, 1), (0x01, 0x82, 2)] {
            let stream = [frame(role, first, b"a"), frame(role, second, b"b")].concat();
            rejects(config(role), &stream, ProtocolError::InvalidOpcode(opcode));
        }
    });
}

#[test]
fn rejects_fragmented_ping() {
    both(|role| rejects(config(role), &frame(role, 0x09, b""), ProtocolError::ExpectedFin));
}

#[test]
fn rejects_fragmented_pong() {
    both(|role| rejects(config(role), &frame(role, 0x0a, b""), ProtocolError::ExpectedFin));
}

#[test]
fn rejects_fragmented_close() {
    both(|role| rejects(config(role), &frame(role, 0x08, b""), ProtocolError::ExpectedFin));
}

#[test]
fn rejects_control_frames_longer_than_125_bytes() {
    both(|role| {
        for first in [0x88, 0x89, 0x8a] {
            for (length, shown) in [(126, 126), (0xffff, 126), (0x1_0000, 127)] {
                let error = ProtocolError::InvalidControlPayloadLength(shown);
                rejects(config(role), &header(role, first, length), error);
            }
        }
        let data = [b'a'; 125];
        accepts(config(role), &frame(role, 0x89, &data), &[Seen::Ping(data.to_vec())]);
    });
}

#[test]
fn rejects_half_a_close_code() {
    both(|role| {
        let error = ProtocolError::InvalidControlPayloadLength(1);
        rejects(config(role), &frame(role, 0x88, b"\x03"), error);
    });
}

#[test]
fn rejects_unmasked_frames_as_server() {
    for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
        let stream = frame(Role::Client, first, b"");
        rejects(config(Role::Server), &stream, ProtocolError::ExpectedMask);
    }
}

#[test]
fn rejects_masked_frames_as_client() {
    for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
        let stream = frame(Role::Server, first, b"");
        rejects(config(Role::Client), &stream, ProtocolError::UnexpectedMask);
    }
}

#[test]
fn checks_the_header_in_the_order_of_ws() {
    both(|role| {
        // Everything is wrong, then one thing less with each line.
        let wrong_mask = frame(role.peer(), 0, b"")[1];
        let right_mask = frame(role, 0, b"")[1];
        let table = [
            ([0x7b, wrong_mask], ProtocolError::UnexpectedRsv23),
            ([0x4b, wrong_mask], ProtocolError::UnexpectedRsv1),
            ([0x0b, wrong_mask], ProtocolError::InvalidOpcode(11)),
            ([0x08, wrong_mask | 1], ProtocolError::ExpectedFin),
            ([0x88, wrong_mask | 1], ProtocolError::InvalidControlPayloadLength(1)),
            (
                [0x88, wrong_mask],
                match role {
                    Role::Server => ProtocolError::ExpectedMask,
                    Role::Client => ProtocolError::UnexpectedMask,
                },
            ),
        ];
        for (stream, error) in table {
            rejects(config(role), &stream, error);
        }
        let with_rsv1 = [0xc8, right_mask | 1];
        rejects(deflate_config(role), &with_rsv1, ProtocolError::UnexpectedRsv1);
    });
}

#[test]
fn rejects_a_length_above_2_to_the_53() {
    both(|role| {
        for length in [1 << 53, u64::MAX >> 1, u64::MAX] {
            let stream = header(role, 0x82, length);
            rejects(config(role), &stream, ProtocolError::UnsupportedDataPayloadLength);
        }
        let largest = header(role, 0x82, (1 << 53) - 1);
        let mut decoder = Decoder::new(config(role));
        assert_eq!(receive(&mut decoder, &largest), (vec![], Ok(())));
        assert_eq!(decoder.total_payload_length(), (1 << 53) - 1);
    });
}

// Text.

#[test]
fn rejects_text_that_is_not_utf8() {
    both(|role| {
        for text in [&b"\xce\xba\xed\xa0\x80"[..], b"\xff", b"ab\xc3"] {
            let stream = frame(role, 0x81, text);
            rejects(config(role), &stream, ProtocolError::InvalidUtf8);
            let (head, tail) = text.split_at(1);
            let stream = [frame(role, 0x01, head), frame(role, 0x80, tail)].concat();
            rejects(config(role), &stream, ProtocolError::InvalidUtf8);
        }
    });
}

#[test]
fn rejects_an_invalid_byte_before_the_frame_is_complete() {
    both(|role| {
        let never_comes = b" and more";
        let stream = frame(role, 0x81, &[&b"valid\xff"[..], never_comes].concat());
        let upto = stream.len() - never_comes.len();
        let mut decoder = Decoder::new(config(role));
        assert_eq!(receive(&mut decoder, &stream[..upto - 1]), (vec![], Ok(())));
        let error = Err(ProtocolError::InvalidUtf8);
        assert_eq!(receive(&mut decoder, &stream[upto - 1..upto]), (vec![], error));
    });
}

#[test]
fn rejects_an_invalid_byte_before_the_message_is_complete() {
    both(|role| {
        let stream = [frame(role, 0x01, b"valid\xe2\x82"), frame(role, 0x00, b"a")].concat();
        rejects(config(role), &stream, ProtocolError::InvalidUtf8);
    });
}

#[test]
fn accepts_code_points_cut_by_fragments_and_control_frames() {
    both(|role| {
        let text = "a€𝄞".as_bytes();
        for at in 0..=text.len() {
            let stream = [
                frame(role, 0x01, &text[..at]),
                frame(role, 0x89, b"\xff"),
                frame(role, 0x80, &text[at..]),
            ]
            .concat();
            let fragments = [at, text.len() - at].into_iter().filter(|&n| n > 0).collect();
            let expected = [Seen::Ping(vec![0xff]), Seen::Text(text.to_vec(), fragments)];
            accepts(config(role), &stream, &expected);
        }
    });
}

#[test]
fn does_not_validate_binary_messages_and_pings() {
    both(|role| {
        let stream = [
            frame(role, 0x82, b"\xff"),
            frame(role, 0x89, b"\xff"),
            frame(role, 0x02, b"\xff"),
            frame(role, 0x80, b"\xff"),
        ]
        .concat();
        let expected = [
            Seen::binary(b"\xff"),
            Seen::Ping(vec![0xff]),
            Seen::Binary(vec![0xff, 0xff], vec![1, 1]),
        ];
        accepts(config(role), &stream, &expected);
    });
}

#[test]
fn skips_the_validation_when_told() {
    both(|role| {
        let skip = DecoderConfig { skip_utf8_validation: true, ..config(role) };
        let stream = [frame(role, 0x81, b"\xff"), frame(role, 0x88, b"\x03\xe8\xff")].concat();
        let expected = [Seen::Text(vec![0xff], vec![]), Seen::Close(Some(1000), vec![0xff])];
        accepts(skip, &stream, &expected);
    });
}

#[test]
fn stops_validating_at_once_and_begins_with_the_next_message() {
    both(|role| {
        let mut decoder = Decoder::new(config(role));
        assert_eq!(receive(&mut decoder, &frame(role, 0x01, b"\xe2\x82")), (vec![], Ok(())));
        decoder.set_skip_utf8_validation(true);
        assert_eq!(receive(&mut decoder, &frame(role, 0x00, b"\xff")), (vec![], Ok(())));
        decoder.set_skip_utf8_validation(false);
        let (seen, result) = receive(&mut decoder, &frame(role, 0x80, b"\xff"));
        assert_eq!(seen, [Seen::Text(b"\xe2\x82\xff\xff".to_vec(), vec![2, 1, 1])]);
        assert_eq!(result, Ok(()));

        // In one frame, cut by a chunk.
        let stream = frame(role, 0x81, b"\xe2\x82\xff");
        let (head, tail) = stream.split_at(stream.len() - 1);
        assert_eq!(receive(&mut decoder, head), (vec![], Ok(())));
        decoder.set_skip_utf8_validation(true);
        assert_eq!(receive(&mut decoder, tail).1, Ok(()));
        decoder.set_skip_utf8_validation(false);

        let stream = frame(role, 0x81, b"fine");
        for byte in stream.chunks(1) {
            assert_eq!(receive(&mut decoder, byte).1, Ok(()));
        }
        let error = Err(ProtocolError::InvalidUtf8);
        assert_eq!(receive(&mut decoder, &frame(role, 0x81, b"\xff")), (vec![], error));
    });
}

// The close frame.

#[test]
fn decodes_close_code_and_reason() {
    both(|role| {
        let stream = frame(role, 0x88, b"\x0f\xa0bye \xe2\x82\xac");
        accepts(config(role), &stream, &[Seen::Close(Some(4000), "bye €".into())]);
        accepts(config(role), &frame(role, 0x88, b"\x03\xe8"), &[Seen::Close(Some(1000), vec![])]);
    });
}

#[test]
fn discards_everything_after_a_close_frame() {
    both(|role| {
        let stream = [
            frame(role, 0x01, b"never ends"),
            frame(role, 0x88, b""),
            frame(role, 0x89, b"late"),
            b"\xff\xff\xff\xff".to_vec(),
        ]
        .concat();
        accepts(config(role), &stream, &[Seen::Close(None, vec![])]);
    });
}

#[test]
fn is_between_messages_where_a_message_ends() {
    both(|role| {
        let mut decoder = Decoder::new(config(role));
        assert!(decoder.is_between_messages());
        let frames = [
            (frame(role, 0x82, b"whole"), true),
            (frame(role, 0x01, b"fragment"), false),
            (frame(role, 0x89, b"ping"), false),
            (frame(role, 0x80, b"last"), true),
            (frame(role, 0x8a, &[]), true),
            (frame(role, 0x88, &[]), true),
        ];
        for (frame, between) in frames {
            let (last, first) = frame.split_last().unwrap();
            for byte in first {
                receive(&mut decoder, &[*byte]).1.unwrap();
                assert!(!decoder.is_between_messages());
            }
            receive(&mut decoder, &[*last]).1.unwrap();
            assert_eq!(decoder.is_between_messages(), between, "{frame:?}");
        }
    });
}

#[test]
fn rejects_close_codes_that_are_not_for_the_wire() {
    both(|role| {
        for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let stream = frame(role, 0x88, &code.to_be_bytes());
            rejects(config(role), &stream, ProtocolError::InvalidCloseCode(code));
        }
    });
}

#[test]
fn rejects_a_close_reason_that_is_not_utf8() {
    both(|role| {
        let stream = frame(role, 0x88, b"\x03\xe8\xff");
        rejects(config(role), &stream, ProtocolError::InvalidUtf8);
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

// Limits.

fn limited(role: Role, limits: Limits) -> DecoderConfig {
    DecoderConfig { limits, ..deflate_config(role) }
}

#[test]
fn rejects_a_message_above_max_payload_from_its_header() {
    both(|role| {
        let config = limited(role, Limits { max_payload: 10, ..Limits::default() });
        let ten = frame(role, 0x82, &[7; 10]);
        accepts(
            config,
            &[&ten[..], &ten].concat(),
            &[Seen::binary(&[7; 10]), Seen::binary(&[7; 10])],
        );
        for first in [0x82, 0x81, 0xc2, 0x02] {
            for length in [11, 126, 0x1_0000, (1 << 53) - 1] {
                // The header up to the length is enough.
                let mut stream = header(role, first, length);
                if role == Role::Server {
                    stream.truncate(stream.len() - 4);
                }
                let error = Err(ProtocolError::UnsupportedMessageLength);
                let mut decoder = Decoder::new(config);
                assert_eq!(receive(&mut decoder, &stream), (vec![], error));
                let mut decoder = Decoder::new(config);
                assert_eq!(receive_all(&mut decoder, stream.chunks(1)), (vec![], error));
            }
        }
    });
}

#[test]
fn sums_the_fragments_up_to_max_payload() {
    both(|role| {
        let config = limited(role, Limits { max_payload: 10, ..Limits::default() });
        for (start, go_on) in [(0x02, 0x00), (0x42, 0x00)] {
            let mut decoder = Decoder::new(config);
            let stream = [frame(role, start, &[1; 6]), frame(role, go_on, &[2; 4])].concat();
            assert_eq!(receive(&mut decoder, &stream).1, Ok(()));
            assert_eq!(decoder.total_payload_length(), 10);
            assert_eq!(receive(&mut decoder, &frame(role, 0x89, &[3; 20])).1, Ok(()));
            assert_eq!(receive(&mut decoder, &frame(role, go_on, b"")).1, Ok(()));
            let error = Err(ProtocolError::UnsupportedMessageLength);
            assert_eq!(receive(&mut decoder, &frame(role, go_on, b"1")).1, error);
        }
    });
}

#[test]
fn goes_on_with_the_refused_frame_when_max_payload_is_raised() {
    both(|role| {
        let limits = |max_payload| Limits { max_payload, ..Limits::default() };
        let mut decoder = Decoder::new(limited(role, limits(4)));
        let mut input = frame(role, 0x82, b"12345");
        let mut position = 0;
        for _ in 0..3 {
            let error = Err(ProtocolError::UnsupportedMessageLength);
            assert_eq!(decoder.decode(&mut input, &mut position), error);
        }
        assert_eq!(*decoder.limits(), limits(4));
        decoder.set_limits(limits(5));
        let event = decoder.decode(&mut input, &mut position).unwrap().unwrap();
        assert_eq!(Seen::of(&event, &input), Seen::binary(b"12345"));
        assert_eq!(decoder.decode(&mut input, &mut position), Ok(None));
        assert_eq!(decoder.total_payload_length(), 0);
    });
}

#[test]
fn counts_the_payload_of_one_message_only() {
    both(|role| {
        let mut decoder = Decoder::new(deflate_config(role));
        for first in [0x81, 0x82, 0xc1] {
            let stream = frame(role, first, b"abc");
            assert_eq!(receive(&mut decoder, &stream[..stream.len() - 1]).1, Ok(()));
            assert_eq!(decoder.total_payload_length(), 3);
            assert_eq!(receive(&mut decoder, &stream[stream.len() - 1..]).1, Ok(()));
            assert_eq!(decoder.total_payload_length(), 0);
        }
    });
}

#[test]
fn rejects_more_fragments_than_the_limit() {
    both(|role| {
        let config = limited(role, Limits { max_fragments: 2, ..Limits::default() });
        for first in [0x01, 0x41] {
            let two = [frame(role, first, b""), frame(role, 0x89, b""), frame(role, 0x80, b"")];
            let mut decoder = Decoder::new(config);
            for _ in 0..3 {
                assert_eq!(receive(&mut decoder, &two.concat()).1, Ok(()), "counts per message");
            }
            let three =
                [frame(role, first, b""), frame(role, 0, b""), frame(role, 0, b"ab")].concat();
            let (third_but_last, last) = three.split_at(three.len() - 1);
            assert_eq!(receive(&mut decoder, third_but_last).1, Ok(()));
            let error = Err(ProtocolError::TooManyFragments);
            assert_eq!(receive(&mut decoder, last), (vec![], error));
        }
    });
}

#[test]
fn rejects_a_frame_in_more_chunks_than_the_limit() {
    both(|role| {
        let config = limited(role, Limits { max_buffered_chunks: 3, ..Limits::default() });
        let stream = frame(role, 0x82, b"12345");
        let start = stream.len() - 5;
        let mut decoder = Decoder::new(config);
        for _ in 0..2 {
            // The header counts no more once it is complete, and neither does an empty chunk.
            assert_eq!(receive(&mut decoder, &stream[..start]).1, Ok(()));
            for end in 1..=4 {
                let byte = &stream[start + end - 1..start + end];
                if end == 4 {
                    break;
                }
                assert_eq!(receive(&mut decoder, byte), (vec![], Ok(())));
                assert_eq!(receive(&mut decoder, b""), (vec![], Ok(())));
            }
            let mut relaxed = *decoder.limits();
            relaxed.max_buffered_chunks = 4;
            decoder.set_limits(relaxed);
            let (seen, _) = receive(&mut decoder, &stream[start + 3..]);
            assert_eq!(seen, [Seen::binary(b"12345")]);
            relaxed.max_buffered_chunks = 3;
            decoder.set_limits(relaxed);
        }
        assert_eq!(receive(&mut decoder, &stream[..start]).1, Ok(()));
        let (seen, result) = receive_all(&mut decoder, stream[start..].chunks(1));
        assert_eq!((seen, result), (vec![], Err(ProtocolError::TooManyBufferedChunks)));
        assert_eq!(receive(&mut decoder, &stream), (vec![], Ok(())), "decodes after an error");
    });
}

#[test]
fn counts_chunks_that_cut_the_header() {
    both(|role| {
        let config = limited(role, Limits { max_buffered_chunks: 2, ..Limits::default() });
        let stream = header(role, 0x82, 0x1_0000);
        // The 64-bit length lies in bytes 2 to 9.
        let mut decoder = Decoder::new(config);
        let (_, result) = receive_all(&mut decoder, [&stream[..3], &stream[3..4], &stream[4..10]]);
        assert_eq!(result, Err(ProtocolError::TooManyBufferedChunks));
        let mut decoder = Decoder::new(config);
        let (_, result) = receive_all(&mut decoder, [&stream[..3], &stream[3..10]]);
        assert_eq!(result, Ok(()));
        assert_eq!(decoder.buffered_chunks, 0);
    });
}

#[test]
fn has_no_limits_by_default() {
    both(|role| {
        let mut stream = frame(role, 0x02, &[0; 3]);
        for _ in 0..1000 {
            stream.extend(frame(role, 0x00, &[0; 3]));
        }
        stream.extend(frame(role, 0x80, b""));
        accepts(config(role), &stream, &[Seen::Binary(vec![0; 3003], vec![3; 1001])]);
    });
}

// Memory.

#[test]
fn does_not_reserve_what_a_peer_only_promises() {
    both(|role| {
        let mut decoder = Decoder::new(config(role));
        let mut received = 0;
        assert_eq!(receive(&mut decoder, &header(role, 0x82, 1 << 40)).1, Ok(()));
        assert_eq!(decoder.buffer.capacity(), 0);
        for _ in 0..200 {
            assert_eq!(receive(&mut decoder, &[0; 1000]).1, Ok(()));
            received += 1000;
            let proven = (PROVEN_RESERVATION_FACTOR * received).next_power_of_two();
            assert!(decoder.buffer.capacity() <= proven.max(MAX_UNPROVEN_RESERVATION));
        }
    });
}

#[test]
fn reserves_no_more_than_the_frame_needs() {
    both(|role| {
        for length in [1000, 300_000] {
            let stream = frame(role, 0x82, &vec![1; length]);
            let mut decoder = Decoder::new(config(role));
            let (_, result) = receive_all(&mut decoder, stream[..stream.len() - 1].chunks(777));
            assert_eq!(result, Ok(()));
            assert_eq!(decoder.buffer.capacity(), length);
        }
    });
}

/// Lets the decoder receive a payload until it is complete or fails, at most `chunk` bytes at a
/// time. Returns how many bytes it took.
fn receive_directly(
    decoder: &mut Decoder,
    least: usize,
    stream: &[u8],
    chunk: usize,
) -> (usize, Result<Option<Event>, ProtocolError>) {
    let mut taken = 0;
    loop {
        let received = decoder.receive_payload(least, |buffer| {
            let space = buffer.capacity() - buffer.len();
            let count = space.min(chunk).min(stream.len() - taken);
            buffer.extend_from_slice(&stream[taken..taken + count]);
            count
        });
        match received {
            Some((count, Ok(None))) if count > 0 => taken += count,
            Some((count, result)) => return (taken + count, result),
            None => return (taken, Ok(None)),
        }
    }
}

#[test]
fn lets_the_transport_append_to_a_payload() {
    both(|role| {
        let payload: Vec<u8> = "aé€𝄞".repeat(30_000).into_bytes();
        let stream = [frame(role, 0x81, &payload), frame(role, 0x89, b"next")].concat();
        for (first, chunk) in [(100, 7001), (70_000, 65_536), (20, 1 << 20)] {
            let mut decoder = Decoder::new(config(role));
            assert!(decoder.receive_payload(1, |_| panic!("not in a payload")).is_none());
            assert_eq!(receive(&mut decoder, &stream[..first]), (vec![], Ok(())));
            let (taken, result) = receive_directly(&mut decoder, 1, &stream[first..], chunk);
            assert_eq!(
                Seen::of(&result.unwrap().unwrap(), &[]),
                Seen::Text(payload.clone(), vec![])
            );
            let ping = Seen::Ping(b"next".to_vec());
            assert_eq!(receive(&mut decoder, &stream[first + taken..]), (vec![ping], Ok(())));
        }
    });
}

#[test]
fn lets_the_transport_append_no_less_than_it_asks_for() {
    both(|role| {
        let stream = frame(role, 0x82, &[1; 1000]);
        let end = stream.len() - 100;
        let mut decoder = Decoder::new(config(role));
        receive(&mut decoder, &stream[..20]).1.unwrap();
        assert!(decoder.receive_payload(1001, |_| panic!("too little")).is_none());
        let (taken, result) = receive_directly(&mut decoder, 101, &stream[20..end], 50);
        assert_eq!((taken, result), (end - 20, Ok(None)));
        assert!(decoder.receive_payload(101, |_| panic!("too little")).is_none());
        let (taken, result) = receive_directly(&mut decoder, 100, &stream[end..], 100);
        assert_eq!(taken, 100);
        assert!(result.unwrap().is_some());
    });
}

#[test]
fn checks_what_the_transport_appends() {
    both(|role| {
        let invalid = [&[b'a'; 500][..], &[0xff; 500]].concat();
        let stream = frame(role, 0x81, &invalid);
        let mut decoder = Decoder::new(config(role));
        receive(&mut decoder, &stream[..100]).1.unwrap();
        let (_, result) = receive_directly(&mut decoder, 1, &stream[100..], 450);
        assert_eq!(result, Err(ProtocolError::InvalidUtf8));
        assert!(decoder.receive_payload(0, |_| panic!("at its end")).is_none());

        let limits = Limits { max_buffered_chunks: 3, ..Limits::default() };
        let stream = frame(role, 0x82, &[1; 1000]);
        let mut decoder = Decoder::new(DecoderConfig { limits, ..config(role) });
        receive(&mut decoder, &stream[..100]).1.unwrap();
        let (taken, result) = receive_directly(&mut decoder, 1, &stream[100..], 100);
        assert_eq!((taken, result), (300, Err(ProtocolError::TooManyBufferedChunks)));
    });
}

#[test]
#[should_panic(expected = "more was appended than the payload needs")]
fn panics_when_more_is_appended_than_the_payload_needs() {
    let mut decoder = Decoder::new(config(Role::Server));
    receive(&mut decoder, &frame(Role::Server, 0x82, &[1; 100])[..50]).1.unwrap();
    decoder.receive_payload(0, |buffer| buffer.extend_from_slice(&[1; 100]));
}

/// A decoder that has the header of a large message.
fn at_large(config: DecoderConfig, first: u8, length: usize) -> Decoder {
    let mut decoder = Decoder::new(config);
    let header = header(config.role, first, length as u64);
    assert_eq!(header.len(), decoder.large_header_length());
    assert_eq!(receive(&mut decoder, &header), (vec![], Ok(())));
    decoder
}

#[test]
fn receives_a_large_message_apart() {
    both(|role| {
        let data: Vec<u8> = (0..100_000_u32).map(|i| (i * 7) as u8).collect();
        let masked = &frame(role, 0x82, &data)[..];
        for step in [1, 3, 1000, 100_000] {
            let mut decoder = at_large(config(role), 0x82, data.len());
            let mut bytes = masked[decoder.large_header_length()..].to_vec();
            let mut missing = data.len();
            for part in bytes.chunks_mut(step) {
                let expected = LargeMessage {
                    opcode: Opcode::Binary,
                    length: data.len() as u64,
                    missing: missing as u64,
                };
                assert_eq!(decoder.large_message(), Some(expected));
                assert_eq!(decoder.missing_payload(), Some(missing));
                missing -= part.len();
                assert_eq!(decoder.receive_apart(part), Ok(missing == 0));
                assert_eq!(decoder.is_apart(), missing > 0);
            }
            assert_eq!(bytes, data);
            assert_eq!((decoder.buffer.capacity(), decoder.total_payload_length()), (0, 0));
            assert!(decoder.is_between_messages());
            let behind = receive(&mut decoder, &frame(role, 0x81, b"behind"));
            assert_eq!(behind, (vec![Seen::text("behind")], Ok(())));
        }
    });
}

#[test]
fn leaves_large_messages_that_are_cut() {
    both(|role| {
        let mut decoder = Decoder::new(config(role));
        decoder.leave_large();
        let small = frame(role, 0x81, b"small");
        let large = frame(role, 0x82, &[7; 70_000]);
        let mut input = [&small[..], &large].concat();
        let payload = input.len() - 70_000;

        // Whole it isn't left.
        let whole = receive(&mut decoder, &input);
        assert_eq!(whole, (vec![Seen::text("small"), Seen::binary(&[7; 70_000])], Ok(())));

        let (mut cut, rest) = input.split_at_mut(payload + 9);
        let mut position = 0;
        assert!(decoder.decode(cut, &mut position).unwrap().is_some());
        for _ in 0..2 {
            assert_eq!(decoder.decode(cut, &mut position), Ok(None));
            assert_eq!(position, payload);
        }
        cut = &mut cut[payload..];
        assert_eq!(decoder.receive_apart(cut), Ok(false));
        assert_eq!(decoder.receive_apart(rest), Ok(true));
        assert!(cut.iter().chain(rest.iter()).all(|byte| *byte == 7));

        // The header alone, fragments and small messages are taken whole.
        let header_length = decoder.large_header_length();
        assert_eq!(receive(&mut decoder, &large[..header_length]), (vec![], Ok(())));
        assert!(decoder.large_message().is_some());
    });
}

#[test]
fn receives_only_large_messages_in_one_frame_apart() {
    both(|role| {
        let none = |config, first, length: u64, behind: &[u8]| {
            let mut decoder = Decoder::new(config);
            let stream = [&header(role, first, length)[..], behind].concat();
            assert_eq!(receive(&mut decoder, &stream), (vec![], Ok(())));
            assert_eq!(decoder.large_message(), None);
        };
        none(config(role), 0x82, 65_535, b"");
        none(config(role), 0x82, 65_536, b"a");
        none(config(role), 0x02, 65_536, b"");
        none(deflate_config(role), 0xc2, 65_536, b"");
        assert_eq!(Decoder::new(config(role)).large_message(), None);
    });
}

#[test]
fn checks_what_is_received_apart() {
    let client = config(Role::Client);
    let mut decoder = at_large(client, 0x81, 65_536);
    assert_eq!(decoder.receive_apart(&mut [b'a'; 100]), Ok(false));
    assert_eq!(decoder.receive_apart(&mut [0xff; 100]), Err(ProtocolError::InvalidUtf8));
    assert_eq!((decoder.large_message(), decoder.is_apart()), (None, false));

    // A code point that is cut by the parts, and one that is cut by the end.
    let mut decoder = at_large(client, 0x81, 65_536);
    assert_eq!(decoder.receive_apart(&mut [b'a', 0xc3]), Ok(false));
    let mut rest = [b'a'; 65_534];
    rest[0] = 0xa4;
    rest[65_533] = 0xc3;
    assert_eq!(decoder.receive_apart(&mut rest), Err(ProtocolError::InvalidUtf8));

    let limits = Limits { max_buffered_chunks: 2, ..Limits::default() };
    let mut decoder = at_large(limited(Role::Client, limits), 0x82, 65_536);
    for _ in 0..2 {
        assert_eq!(decoder.receive_apart(&mut [0; 100]), Ok(false));
    }
    let error = ProtocolError::TooManyBufferedChunks;
    assert_eq!(decoder.receive_apart(&mut [0; 100]), Err(error));
}

#[test]
#[should_panic(expected = "more than the payload needs")]
fn panics_when_more_is_received_apart_than_the_payload_needs() {
    let mut decoder = at_large(config(Role::Client), 0x82, 65_536);
    let _ = decoder.receive_apart(&mut vec![0; 65_537]);
}

#[test]
fn keeps_no_memory_after_the_end() {
    both(|role| {
        for last in [frame(role, 0x88, b""), frame(role, 0x83, b"")] {
            let mut decoder = Decoder::new(config(role));
            let stream = [frame(role, 0x02, &[1; 5000]), last].concat();
            let _ = receive(&mut decoder, &stream);
            assert_eq!(decoder.buffer.capacity(), 0);
            assert_eq!(decoder.message.fragments.capacity(), 0);
        }
    });
}

#[test]
fn stays_small() {
    // One of them per connection, ten thousands of connections.
    assert!(size_of::<Decoder>() <= 184, "{}", size_of::<Decoder>());
    assert!(size_of::<Event>() <= 56, "{}", size_of::<Event>());
}
