//! Limits.

use super::*;

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
