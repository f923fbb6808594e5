//! Memory: what is reserved, and payloads that others receive.

use super::*;

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
