//! Any bytes, in one chunk.
//!
//! Invariant: the decoder does not panic, always gets on, hands out ranges of the input that it has
//! just consumed, keeps to the limits and to what the protocol says about payloads, and decodes
//! nothing after an error or a close frame. What it has decoded, encoded again, is decoded to the
//! same by an endpoint of the opposite role.

use oxws::protocol::{
    CloseCode, Decoder, DecoderConfig, Event, Limits, Opcode, Payload, ProtocolError,
};

use super::input::Input;
use super::seen::Seen;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let config = input.decoder_config();
    let mut stream = input.rest().to_vec();
    let events = decode(config, &mut stream);

    let mut encoded = Vec::new();
    let mut continues = false;
    for event in &events {
        event.encode(config.role, &mut continues, &mut encoded);
    }
    // Empty fragments are not reported and one is added, so their number says nothing here.
    let limits = Limits { max_fragments: 0, ..config.limits };
    let opposite = DecoderConfig { role: config.role.peer(), limits, ..config };
    assert_eq!(decode(opposite, &mut encoded), events);
}

fn decode(config: DecoderConfig, stream: &mut [u8]) -> Vec<Seen> {
    let mut decoder = Decoder::new(config);
    let (mut events, mut position) = (Vec::new(), 0);
    let ends = loop {
        let start = position;
        match decoder.decode(stream, &mut position) {
            Ok(Some(event)) => {
                assert!(position >= start + 2, "an event without a frame");
                check_event(&event, &config, stream, start..position);
                let is_close = matches!(event, Event::Close { .. });
                events.push(Seen::new(event, stream));
                if is_close {
                    break true;
                }
            }
            Ok(None) => {
                assert_eq!(position, stream.len());
                break false;
            }
            Err(error) => {
                assert!(error.code().starts_with("WS_ERR_"));
                break error != ProtocolError::UnsupportedMessageLength;
            }
        }
    };
    if ends {
        assert_eq!(decoder.decode(stream, &mut position), Ok(None));
        assert_eq!(position, stream.len());
        assert_eq!(decoder.total_payload_length(), 0);
    }
    events
}

fn check_event(
    event: &Event,
    config: &DecoderConfig,
    stream: &[u8],
    frame: std::ops::Range<usize>,
) {
    let (payload, is_control) = match event {
        Event::Text { payload, fragments } | Event::Binary { payload, fragments } => {
            assert!(fragments.is_empty() || fragments.iter().sum::<usize>() == payload.len());
            assert!(!fragments.contains(&0));
            (payload, false)
        }
        Event::CompressedFrame { opcode, payload, .. } => {
            assert!(config.permessage_deflate);
            assert!(matches!(opcode, Opcode::Text | Opcode::Binary));
            (payload, false)
        }
        Event::Ping(payload) | Event::Pong(payload) => (payload, true),
        Event::Close { code, reason } => {
            assert!(code.is_none_or(|code| CloseCode::is_valid_on_wire(code.as_u16())));
            (reason, true)
        }
    };
    let bytes = payload.as_slice(stream);
    if let Payload::InPlace(range) = payload {
        assert!(range.start >= frame.start + 2 && range.end == frame.end, "{range:?} {frame:?}");
    }
    let max = config.limits.max_payload;
    assert!(if is_control { bytes.len() <= 125 } else { max == 0 || bytes.len() as u64 <= max });
    let is_text = matches!(event, Event::Text { .. } | Event::Close { .. });
    assert!(!is_text || config.skip_utf8_validation || std::str::from_utf8(bytes).is_ok());
}
