//! The meaning of a frame's payload data, the four-bit field of its first byte.

/// An opcode that RFC 6455 defines; 3-7 and 11-15 are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation = 0,
    /// A text message or its first fragment.
    Text = 1,
    /// A binary message or its first fragment.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// A request for a pong.
    Ping = 9,
    /// The answer to a ping, or unasked.
    Pong = 10,
}

impl Opcode {
    /// The opcode of these four bits; none when they are reserved.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is a control frame: RFC 6455, section 5.5: the most significant bit is set.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_every_defined_opcode() {
        let defined: Vec<u8> = (0..=u8::MAX).filter(|&b| Opcode::from_bits(b).is_some()).collect();
        assert_eq!(defined, [0, 1, 2, 8, 9, 10]);
        for bits in defined {
            assert_eq!(Opcode::from_bits(bits).map(Opcode::bits), Some(bits));
        }
    }

    #[test]
    fn tells_control_from_data() {
        for opcode in [Opcode::Continuation, Opcode::Text, Opcode::Binary] {
            assert!(!opcode.is_control());
        }
        for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
            assert!(opcode.is_control());
        }
    }
}
