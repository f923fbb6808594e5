//! The header of a frame.

use super::*;

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
