//! The header of a frame and how it is written.

use super::Opcode;

/// The longest header: two bytes, a 64-bit length, a masking key.
pub const MAX_HEADER_LENGTH: usize = 14;

/// The largest payload length that the 7-bit field itself holds.
const MAX_SHORT_LENGTH: u64 = 125;

/// The value of the 7-bit field that announces a 16-bit length.
const LENGTH_16: u8 = 126;

/// The value of the 7-bit field that announces a 64-bit length.
const LENGTH_64: u8 = 127;

/// Everything of a frame but its payload. RSV2 and RSV3 are always clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// RFC 7692, section 6: set on the first frame of a compressed message.
    pub rsv1: bool,
    /// What the payload means.
    pub opcode: Opcode,
    /// The key with which the payload is masked; none sends it as it is.
    pub masking_key: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub payload_length: u64,
}

impl FrameHeader {
    /// How many bytes [`encode`](Self::encode) writes.
    #[must_use]
    pub const fn encoded_length(&self) -> usize {
        let length = match self.payload_length {
            0..=MAX_SHORT_LENGTH => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if self.masking_key.is_some() { length + 4 } else { length }
    }

    /// Writes the header to the beginning of `target`; returns the number of bytes written.
    ///
    /// RFC 6455, section 5.2: the length takes the shortest of its three forms.
    ///
    /// # Panics
    ///
    /// When `target` is shorter than [`encoded_length`](Self::encoded_length);
    /// [`MAX_HEADER_LENGTH`] bytes are always enough.
    pub fn encode(&self, target: &mut [u8]) -> usize {
        let mask_bit = u8::from(self.masking_key.is_some()) << 7;
        target[0] = u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode.bits();
        let mut end = match self.payload_length {
            length @ 0..=MAX_SHORT_LENGTH => {
                target[1] = mask_bit | length as u8;
                2
            }
            length @ 126..=0xffff => {
                target[1] = mask_bit | LENGTH_16;
                target[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            length => {
                target[1] = mask_bit | LENGTH_64;
                target[2..10].copy_from_slice(&length.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.masking_key {
            target[end..end + 4].copy_from_slice(&key);
            end += 4;
        }
        debug_assert_eq!(end, self.encoded_length());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(header: FrameHeader) -> Vec<u8> {
        let mut target = [0xaa; MAX_HEADER_LENGTH];
        let length = header.encode(&mut target);
        assert_eq!(length, header.encoded_length());
        assert!(target[length..].iter().all(|&byte| byte == 0xaa), "wrote beyond the header");
        target[..length].to_vec()
    }

    fn header(opcode: Opcode, payload_length: u64) -> FrameHeader {
        FrameHeader { fin: true, rsv1: false, opcode, masking_key: None, payload_length }
    }

    /// RFC 6455, section 5.7, without the payloads.
    #[test]
    fn encodes_the_examples_of_the_rfc() {
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(encode(header(Opcode::Text, 5)), [0x81, 0x05]);
        assert_eq!(
            encode(FrameHeader { masking_key: key, ..header(Opcode::Text, 5) }),
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]
        );
        assert_eq!(encode(FrameHeader { fin: false, ..header(Opcode::Text, 3) }), [0x01, 0x03]);
        assert_eq!(encode(header(Opcode::Continuation, 2)), [0x80, 0x02]);
        assert_eq!(encode(header(Opcode::Ping, 5)), [0x89, 0x05]);
        assert_eq!(
            encode(FrameHeader { masking_key: key, ..header(Opcode::Pong, 5) }),
            [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d]
        );
        assert_eq!(encode(header(Opcode::Binary, 256)), [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(encode(header(Opcode::Binary, 65536)), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    /// RFC 7692, section 7.2.3.1: a compressed "Hello" of seven bytes.
    #[test]
    fn sets_rsv1_on_a_compressed_message() {
        assert_eq!(encode(FrameHeader { rsv1: true, ..header(Opcode::Text, 7) }), [0xc1, 0x07]);
    }

    #[test]
    fn takes_the_shortest_form_of_the_length() {
        let cases: [(u64, &[u8]); 7] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xffff, &[0x82, 126, 0xff, 0xff]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 53, &[0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0]),
            (u64::MAX >> 1, &[0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
        ];
        for (length, expected) in cases {
            assert_eq!(encode(header(Opcode::Binary, length)), expected);
        }
    }

    #[test]
    fn has_a_longest_header() {
        let longest = FrameHeader { masking_key: Some([1; 4]), ..header(Opcode::Binary, u64::MAX) };
        assert_eq!(longest.encoded_length(), MAX_HEADER_LENGTH);
    }

    #[test]
    #[should_panic(expected = "out of")]
    fn panics_when_the_target_is_too_short() {
        header(Opcode::Binary, 126).encode(&mut [0; 3]);
    }
}
