//! Text, and the validation of UTF-8.

use super::*;

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
