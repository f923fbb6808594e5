//! The close frame, and what follows it.

use super::*;

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
