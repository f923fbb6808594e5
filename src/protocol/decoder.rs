//! Bytes in, messages and control frames out.
//!
//! The caller hands every chunk of the transport to [`Decoder::decode`], again and again until it
//! returns `None`; each call stops after one event. What lies wholly inside a chunk is unmasked
//! where it is and handed out as a range of the chunk; only what is cut by the end of a chunk, or
//! comes in fragments, is collected in memory of the decoder's own.
//!
//! However the stream is cut into chunks, the events are the same, and so is the error.

use std::ops::Range;

use super::{
    CloseCode, Event, Opcode, Payload, ProtocolError, Role, Utf8Validator, is_valid_utf8,
    mask_in_place,
};

#[cfg(test)]
mod tests;

/// What a frame may reserve in advance, whatever length it declares.
const MAX_UNPROVEN_RESERVATION: usize = 64 * 1024;

/// Payloads from this length on are large: their length takes 64 bits in the header.
const MIN_APART_LENGTH: u64 = 64 * 1024;

/// How many times what has arrived of a frame may be reserved for the rest of it. Growing in small
/// steps would copy a message of 1 MiB once more on its way.
const PROVEN_RESERVATION_FACTOR: usize = 16;

/// RFC 6455, section 5.5: the longest payload of a control frame.
const MAX_CONTROL_PAYLOAD_LENGTH: u8 = 125;

/// The values of the 7-bit length that announce a longer one.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_LENGTH: u64 = (1 << 53) - 1;

/// The bits of the first byte of a frame.
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;

/// The bits of the second byte of a frame.
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// How much a peer may send. In each of them 0 means without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a message, compared with the declared lengths before a payload arrives.
    pub max_payload: u64,
    /// Frames in a message, empty ones too.
    pub max_fragments: u32,
    /// Chunks over which an incomplete part of a frame may extend.
    pub max_buffered_chunks: u32,
}

/// What a [`Decoder`] has to know of its connection.
#[derive(Clone, Copy, Debug)]
pub struct DecoderConfig {
    /// The endpoint that decodes: a server expects masked frames, a client unmasked ones.
    pub role: Role,
    /// How much the peer may send.
    pub limits: Limits,
    /// Whether permessage-deflate is agreed, so that RSV1 may be set.
    pub permessage_deflate: bool,
    /// Whether text and close reasons are taken as they come.
    pub skip_utf8_validation: bool,
}

/// A message that is so large that its payload may be received apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeMessage {
    /// [`Opcode::Text`] or [`Opcode::Binary`].
    pub opcode: Opcode,
    /// The bytes of the payload.
    pub length: u64,
    /// Those of them that have not arrived.
    pub missing: u64,
}

/// What the decoder waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first two bytes of a frame.
    Info,
    /// The 16-bit payload length.
    Length16,
    /// The 64-bit payload length.
    Length64,
    /// Nothing: the payload length is known and has to be allowed.
    LengthCheck,
    /// The masking key.
    MaskingKey,
    /// The payload.
    Payload,
    /// Nothing any more: the peer has closed or failed.
    Done,
}

/// The frame that is under way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    /// That of the message for a continuation, so never [`Opcode::Continuation`].
    opcode: Opcode,
    masking_key: [u8; 4],
    length: u64,
    /// How much of the payload has arrived, and is at the end of `Decoder::buffer` if not apart.
    buffered: u64,
    /// What has arrived of the payload is in memory of the caller's.
    apart: bool,
}

impl Frame {
    /// Unmasks, validates and counts the next bytes of the payload. Returns whether it is complete.
    fn take_part(
        &mut self,
        part: &mut [u8],
        role: Role,
        message: &mut Message,
    ) -> Result<bool, ProtocolError> {
        if role == Role::Server {
            // Only the phase modulo four matters.
            let phase = (self.buffered & 3) as usize;
            mask_in_place(part, self.masking_key, phase);
        }
        if !self.opcode.is_control() && message.validate {
            message.utf8.push(part)?;
        }
        self.buffered += part.len() as u64;
        Ok(self.buffered >= self.length)
    }
}

/// The message that is under way.
#[derive(Debug)]
struct Message {
    /// The type, from the first fragment on until the last frame is complete.
    fragmented: Option<Opcode>,
    /// RFC 7692, section 6: RSV1 of the first frame.
    compressed: bool,
    /// Whether its text is validated, settled by its first frame.
    validate: bool,
    /// Complete data frames.
    frames: u32,
    /// The sum of the declared lengths.
    total_length: u64,
    /// The lengths of the non-empty complete fragments.
    fragments: Vec<usize>,
    utf8: Utf8Validator,
}

impl Message {
    const fn new() -> Self {
        Self {
            fragmented: None,
            compressed: false,
            validate: false,
            frames: 0,
            total_length: 0,
            fragments: Vec::new(),
            utf8: Utf8Validator::new(),
        }
    }
}

/// Where a complete payload is.
enum Arrived {
    /// In the input.
    InPlace(Range<usize>),
    /// At the end of `Decoder::buffer`.
    Buffered,
}

/// The receiving half of the protocol.
///
/// Invariant: `buffer` holds the complete fragments of an uncompressed message, then the part of
/// the current frame's payload that came in earlier chunks, and nothing else.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    state: State,
    frame: Frame,
    message: Message,
    buffer: Vec<u8>,
    /// The beginning of a header field that the end of a chunk cut.
    partial: [u8; 8],
    partial_length: u8,
    /// Whether large messages are left for `receive_apart`.
    leaves_large: bool,
    /// Chunks that hold a part of what the decoder waits for.
    buffered_chunks: u32,
}

impl Decoder {
    /// A decoder at the beginning of a stream, after the opening handshake.
    #[must_use]
    pub const fn new(config: DecoderConfig) -> Self {
        Self {
            config,
            state: State::Info,
            frame: Frame {
                fin: false,
                opcode: Opcode::Binary,
                masking_key: [0; 4],
                length: 0,
                buffered: 0,
                apart: false,
            },
            message: Message::new(),
            buffer: Vec::new(),
            partial: [0; 8],
            partial_length: 0,
            leaves_large: false,
            buffered_chunks: 0,
        }
    }

    /// Has [`decode`](Self::decode) leave [large](Self::large_message) messages that the input has
    /// only a part of: it returns `None` where their payload begins. They have to be received
    /// [apart](Self::receive_apart), from the next byte on.
    pub const fn leave_large(&mut self) {
        self.leaves_large = true;
    }

    /// Which endpoint of the connection this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.config.role
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Changes the limits, from the next check on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
    }

    /// Changes whether text is taken as it comes. `true` holds at once, `false` from the next
    /// message on.
    pub const fn set_skip_utf8_validation(&mut self, skip: bool) {
        self.config.skip_utf8_validation = skip;
        self.message.validate &= !skip;
    }

    /// Whether text is taken as it comes.
    #[must_use]
    pub const fn skips_utf8_validation(&self) -> bool {
        self.config.skip_utf8_validation
    }

    /// Changes whether RSV1 may be set, from the next frame on.
    pub const fn set_permessage_deflate(&mut self, agreed: bool) {
        self.config.permessage_deflate = agreed;
    }

    /// The sum of the declared lengths of the frames of the message that is under way.
    #[must_use]
    pub const fn total_payload_length(&self) -> u64 {
        self.message.total_length
    }

    /// Whether what was decoded ends with a message, or nothing is decoded any more.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        match self.state {
            State::Info => self.partial_length == 0 && self.message.fragmented.is_none(),
            State::Done => true,
            _ => false,
        }
    }

    /// Decodes `input`, one chunk of the transport, from `position` on up to the next event.
    ///
    /// `position` moves past what was decoded. `None` says that all of `input` is consumed, but for
    /// what is [left](Self::leave_large); the ranges of the events returned so far are then still
    /// valid. Bytes after `position` are
    /// untouched, bytes before it may be unmasked.
    ///
    /// # Errors
    ///
    /// When the peer violates the protocol or a limit. The connection has to be failed, and all
    /// further input is discarded. The exception is
    /// [`ProtocolError::UnsupportedMessageLength`]: the frame is still to be decoded, so after
    /// [`set_limits`](Self::set_limits) has raised the maximum, decoding can go on.
    ///
    /// # Panics
    ///
    /// When `position` is beyond the end of `input`.
    pub fn decode(
        &mut self,
        input: &mut [u8],
        position: &mut usize,
    ) -> Result<Option<Event>, ProtocolError> {
        let result = self.advance(input, position);
        if let Err(error) = &result {
            self.end_unless_too_long(*error);
        }
        result
    }

    /// Lets `read` append the next chunk of the transport to the memory of a payload that is under
    /// way, which saves a copy. `read` gets a buffer whose spare capacity is no more than what the
    /// payload still needs; it must only append, and no more than that.
    ///
    /// Returns what `read` returned and what [`decode`](Self::decode) would have. `None` without a
    /// call of `read` when no payload is under way, or when it needs less than `least` bytes.
    ///
    /// # Panics
    ///
    /// When `read` does anything else to the buffer.
    pub fn receive_payload<R>(
        &mut self,
        least: usize,
        read: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Option<(R, Result<Option<Event>, ProtocolError>)> {
        if self.state != State::Payload || self.frame.buffered == 0 || self.frame.apart {
            return None;
        }
        let missing = self.frame.length - self.frame.buffered;
        if missing < least as u64 {
            return None;
        }
        let before = self.buffer.len();
        let spare = self.buffer.capacity() - before;
        if spare < least {
            self.reserve(spare + 1);
        }
        let space = self.buffer.capacity() - before;
        if space as u64 > missing {
            return None;
        }
        let result = read(&mut self.buffer);
        let taken = self.buffer.len() - before;
        assert!(taken <= space, "more was appended than the payload needs");
        if taken == 0 {
            return Some((result, Ok(None)));
        }
        let decoded = self.take_appended(taken);
        if decoded.is_err() {
            self.end();
        }
        Some((result, decoded))
    }

    /// The length of the header of a [large](Self::large_message) message.
    #[must_use]
    pub const fn large_header_length(&self) -> usize {
        match self.config.role {
            Role::Server => 2 + 8 + 4,
            Role::Client => 2 + 8,
        }
    }

    /// The message that is under way, if its payload may be received
    /// [apart](Self::receive_apart): it has at least 64 KiB, comes uncompressed in one frame, and
    /// nothing of it has arrived but the header, or has done so apart.
    #[must_use]
    pub fn large_message(&self) -> Option<LargeMessage> {
        let Frame { opcode, length, buffered, apart, .. } = self.frame;
        let is_possible = self.state == State::Payload
            && self.is_whole_message()
            && (apart || buffered == 0 && length >= MIN_APART_LENGTH);
        is_possible.then_some(LargeMessage { opcode, length, missing: length - buffered })
    }

    /// How many bytes are missing of a payload that is under way.
    #[must_use]
    pub fn missing_payload(&self) -> Option<usize> {
        let missing = self.frame.length - self.frame.buffered;
        if self.state == State::Payload { usize::try_from(missing).ok() } else { None }
    }

    /// Whether some of a payload was received [apart](Self::receive_apart), so that the rest of it
    /// has to be, too.
    #[must_use]
    pub const fn is_apart(&self) -> bool {
        self.frame.apart
    }

    /// Takes `part`, one chunk of the transport, as the next bytes of the payload that
    /// [`large_message`](Self::large_message) tells of, and unmasks it where it is. The memory is
    /// the caller's to keep and to grow, so none is taken here. Returns whether the message is
    /// complete.
    ///
    /// # Errors
    ///
    /// As for [`decode`](Self::decode).
    ///
    /// # Panics
    ///
    /// When there is no such payload, or `part` is longer than what is missing of it.
    pub fn receive_apart(&mut self, part: &mut [u8]) -> Result<bool, ProtocolError> {
        let missing = self.large_message().map_or(0, |message| message.missing);
        assert!(part.len() as u64 <= missing, "more than the payload needs");
        self.frame.apart = true;
        let result = self.finish_apart(part);
        if result.is_err() {
            self.end();
        }
        result
    }

    /// Takes the next bytes of a payload that is received apart.
    fn finish_apart(&mut self, part: &mut [u8]) -> Result<bool, ProtocolError> {
        self.check_buffered_chunks()?;
        if !self.frame.take_part(part, self.config.role, &mut self.message)? {
            self.buffered_chunks += u32::from(!part.is_empty());
            return Ok(false);
        }
        if self.message.validate {
            self.message.utf8.finish()?;
        }
        self.buffered_chunks = 0;
        self.frame.buffered = 0;
        self.frame.apart = false;
        self.message.total_length = 0;
        self.state = State::Info;
        Ok(true)
    }

    /// Takes the last `taken` bytes of the buffer as a chunk that is a part of the payload.
    fn take_appended(&mut self, taken: usize) -> Result<Option<Event>, ProtocolError> {
        self.check_buffered_chunks()?;
        if !self.finish_part(taken)? {
            return Ok(None);
        }
        self.state = State::Info;
        self.finish_frame(&[], Arrived::Buffered)
    }

    /// Discards everything after an error that a higher limit cannot undo.
    #[cold]
    fn end_unless_too_long(&mut self, error: ProtocolError) {
        if error != ProtocolError::UnsupportedMessageLength {
            self.end();
        }
    }

    /// Goes from state to state until there is an event or the input is consumed.
    #[inline(always)]
    fn advance(
        &mut self,
        input: &mut [u8],
        position: &mut usize,
    ) -> Result<Option<Event>, ProtocolError> {
        if *position == 0 && !input.is_empty() {
            self.check_buffered_chunks()?;
        }
        loop {
            match self.state {
                State::Info => {
                    let Some(info) = self.take(input, position) else { return Ok(None) };
                    self.read_info(info)?;
                }
                State::Length16 => {
                    let Some(length) = self.take(input, position) else { return Ok(None) };
                    self.frame.length = u16::from_be_bytes(length).into();
                    self.state = State::LengthCheck;
                }
                State::Length64 => {
                    let Some(length) = self.take(input, position) else { return Ok(None) };
                    self.frame.length = u64::from_be_bytes(length);
                    if self.frame.length > MAX_SAFE_LENGTH {
                        return Err(ProtocolError::UnsupportedDataPayloadLength);
                    }
                    self.state = State::LengthCheck;
                }
                State::LengthCheck => self.check_length()?,
                State::MaskingKey => {
                    let Some(key) = self.take(input, position) else { return Ok(None) };
                    self.frame.masking_key = key;
                    self.state = State::Payload;
                }
                State::Payload => {
                    let arrived = if let Some(range) = self.take_payload(input, position) {
                        if self.is_whole_message() {
                            // The most frequent case, made without a detour: to move an event that
                            // was just written from place to place stalls the processor, an eighth
                            // of what a small message costs (bench 64x20B-32).
                            self.state = State::Info;
                            if self.message.validate && !is_valid_utf8(&input[range.clone()]) {
                                return Err(ProtocolError::InvalidUtf8);
                            }
                            self.message.total_length = 0;
                            let payload = Payload::InPlace(range);
                            return Ok(Some(message(self.frame.opcode, payload, Vec::new())));
                        }
                        Arrived::InPlace(range)
                    } else if self.leaves_large && self.large_message().is_some() {
                        return Ok(None);
                    } else if self.take_payload_in_parts(input, position)? {
                        Arrived::Buffered
                    } else {
                        return Ok(None);
                    };
                    self.state = State::Info;
                    match self.finish_frame(input, arrived) {
                        Ok(None) => {}
                        result => return result,
                    }
                }
                State::Done => {
                    *position = input.len();
                    return Ok(None);
                }
            }
        }
    }

    /// Discards everything from now on.
    fn end(&mut self) {
        self.state = State::Done;
        self.frame.apart = false;
        self.message = Message::new();
        self.buffer = Vec::new();
    }

    /// Refuses a further chunk when too many hold what is not complete yet.
    fn check_buffered_chunks(&self) -> Result<(), ProtocolError> {
        let max = self.config.limits.max_buffered_chunks;
        if max > 0 && self.buffered_chunks >= max && self.state != State::Done {
            return Err(ProtocolError::TooManyBufferedChunks);
        }
        Ok(())
    }

    /// Takes a header field of `N` bytes; none as long as the input does not reach.
    #[inline(always)]
    fn take<const N: usize>(&mut self, input: &[u8], position: &mut usize) -> Option<[u8; N]> {
        if self.partial_length == 0
            && let Some(field) = input.get(*position..).and_then(<[u8]>::first_chunk)
        {
            *position += N;
            return Some(*field);
        }
        self.take_in_parts(input, position)
    }

    /// Takes a header field that the end of a chunk cuts or has cut.
    #[cold]
    fn take_in_parts<const N: usize>(
        &mut self,
        input: &[u8],
        position: &mut usize,
    ) -> Option<[u8; N]> {
        let start = usize::from(self.partial_length);
        let rest = &input[*position..];
        let part = &rest[..rest.len().min(N - start)];
        let end = start + part.len();
        self.partial[start..end].copy_from_slice(part);
        *position += part.len();
        if end < N {
            self.partial_length = end as u8;
            self.buffered_chunks += u32::from(!part.is_empty());
            return None;
        }
        self.partial_length = 0;
        self.buffered_chunks = 0;
        self.partial.first_chunk().copied()
    }

    /// Reads the first two bytes of a frame. The order of the checks is that of ws.
    fn read_info(&mut self, [first, second]: [u8; 2]) -> Result<(), ProtocolError> {
        // RFC 6455, section 5.2: reserved bits are zero unless an extension gives them a meaning.
        if first & RSV2_RSV3 != 0 {
            return Err(ProtocolError::UnexpectedRsv23);
        }
        let rsv1 = first & RSV1 != 0;
        if rsv1 && !self.config.permessage_deflate {
            return Err(ProtocolError::UnexpectedRsv1);
        }
        let fin = first & FIN != 0;
        let length = second & LENGTH;
        let bits = first & OPCODE;
        let invalid_opcode = ProtocolError::InvalidOpcode(bits);
        let opcode = match Opcode::from_bits(bits).ok_or(invalid_opcode)? {
            // RFC 7692, section 6.1: only the first frame of a message has RSV1 set.
            Opcode::Continuation if rsv1 => return Err(ProtocolError::UnexpectedRsv1),
            // RFC 6455, section 5.4: a continuation needs a message that is under way.
            Opcode::Continuation => self.message.fragmented.ok_or(invalid_opcode)?,
            // RFC 6455, section 5.4: the fragments of two messages do not mix.
            Opcode::Text | Opcode::Binary if self.message.fragmented.is_some() => {
                return Err(invalid_opcode);
            }
            opcode @ (Opcode::Text | Opcode::Binary) => {
                self.begin_message(opcode, rsv1, fin);
                opcode
            }
            opcode => {
                check_control(opcode, fin, rsv1, length)?;
                opcode
            }
        };
        // RFC 6455, section 5.1: a client masks every frame, a server none.
        match (self.config.role, second & MASK != 0) {
            (Role::Server, false) => return Err(ProtocolError::ExpectedMask),
            (Role::Client, true) => return Err(ProtocolError::UnexpectedMask),
            (Role::Server, true) | (Role::Client, false) => {}
        }
        self.frame.fin = fin;
        self.frame.opcode = opcode;
        self.frame.length = length.into();
        self.state = match length {
            LENGTH_16 => State::Length16,
            LENGTH_64 => State::Length64,
            _ => State::LengthCheck,
        };
        Ok(())
    }

    /// Sets the message up of which the first frame begins.
    fn begin_message(&mut self, opcode: Opcode, compressed: bool, fin: bool) {
        debug_assert!(self.buffer.is_empty() && self.message.fragments.is_empty());
        self.message.compressed = compressed;
        self.message.validate =
            opcode == Opcode::Text && !compressed && !self.config.skip_utf8_validation;
        // Text whose validation was given up may have left a part of a code point.
        self.message.utf8 = Utf8Validator::new();
        if !fin {
            self.message.fragmented = Some(opcode);
        }
    }

    /// Allows or refuses the payload length, before any of the payload arrives.
    fn check_length(&mut self) -> Result<(), ProtocolError> {
        let Frame { opcode, length, .. } = self.frame;
        if !opcode.is_control() && length > 0 {
            // The message cannot come close to overflowing: its earlier frames have arrived.
            let total = self.message.total_length.saturating_add(length);
            let max = self.config.limits.max_payload;
            if max > 0 && total > max {
                return Err(ProtocolError::UnsupportedMessageLength);
            }
            self.message.total_length = total;
        }
        self.state = match self.config.role {
            Role::Server => State::MaskingKey,
            Role::Client => State::Payload,
        };
        Ok(())
    }

    /// Takes the payload, unmasked, if all of it is in the input.
    #[inline(always)]
    fn take_payload(&mut self, input: &mut [u8], position: &mut usize) -> Option<Range<usize>> {
        let start = *position;
        let available = input.len() - start;
        if self.frame.buffered > 0 || (available as u64) < self.frame.length {
            return None;
        }
        // The length fits into the input, so into a usize.
        let range = start..start + self.frame.length as usize;
        if self.config.role == Role::Server {
            mask_in_place(&mut input[range.clone()], self.frame.masking_key, 0);
        }
        *position = range.end;
        Some(range)
    }

    /// Takes of a payload what the input has; returns whether it is complete then.
    #[cold]
    fn take_payload_in_parts(
        &mut self,
        input: &[u8],
        position: &mut usize,
    ) -> Result<bool, ProtocolError> {
        debug_assert!(!self.frame.apart, "the payload is received apart");
        let start = *position;
        let missing = self.frame.length - self.frame.buffered;
        let available = input.len() - start;
        let taken = usize::try_from(missing).map_or(available, |missing| missing.min(available));
        *position += taken;
        self.reserve(taken);
        self.buffer.extend_from_slice(&input[start..start + taken]);
        self.finish_part(taken)
    }

    /// Unmasks, validates and counts the last `taken` bytes of the buffer, a part of the payload.
    /// Returns whether the payload is complete.
    fn finish_part(&mut self, taken: usize) -> Result<bool, ProtocolError> {
        let start = self.buffer.len() - taken;
        let part = &mut self.buffer[start..];
        if !self.frame.take_part(part, self.config.role, &mut self.message)? {
            self.buffered_chunks += u32::from(taken > 0);
            return Ok(false);
        }
        self.buffered_chunks = 0;
        Ok(true)
    }

    /// Makes room for `taken` bytes of the payload and, within reason, for what follows them.
    fn reserve(&mut self, taken: usize) {
        let received = self.buffer.len() + taken;
        if received <= self.buffer.capacity() {
            return;
        }
        if self.message.fragmented.is_some() && !self.message.compressed {
            self.buffer.reserve(taken);
            return;
        }
        // A declared length is a promise: it is believed as far as what has arrived vouches for it.
        // Up to a power of two: messages are often as large as one, the chunks that vouch for
        // them a header short of one.
        let proven = received.saturating_mul(PROVEN_RESERVATION_FACTOR);
        let proven = proven.checked_next_power_of_two().unwrap_or(usize::MAX);
        let bound = proven.max(MAX_UNPROVEN_RESERVATION);
        let length = usize::try_from(self.frame.length).map_or(bound, |length| length.min(bound));
        self.buffer.reserve_exact(length.max(received) - self.buffer.len());
    }

    /// Whether the current frame is all of an uncompressed message.
    #[inline(always)]
    const fn is_whole_message(&self) -> bool {
        !self.frame.opcode.is_control()
            && !self.message.compressed
            && self.message.fragmented.is_none()
    }

    /// Turns a frame whose payload is complete into an event, if it makes one.
    #[inline(never)]
    fn finish_frame(
        &mut self,
        input: &[u8],
        arrived: Arrived,
    ) -> Result<Option<Event>, ProtocolError> {
        match self.frame.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(self.payload(arrived)))),
            Opcode::Pong => Ok(Some(Event::Pong(self.payload(arrived)))),
            Opcode::Close => self.finish_close(input, arrived).map(Some),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if self.message.compressed {
                    self.finish_compressed_frame(arrived).map(Some)
                } else if self.message.fragmented.is_some() {
                    self.finish_fragment(input, arrived)
                } else {
                    self.finish_message(input, arrived).map(Some)
                }
            }
        }
    }

    /// Counts a complete frame of a message that may have several.
    fn count_frame(&mut self) -> Result<(), ProtocolError> {
        self.message.frames = self.message.frames.saturating_add(1);
        let max = self.config.limits.max_fragments;
        if max > 0 && self.message.frames > max {
            return Err(ProtocolError::TooManyFragments);
        }
        Ok(())
    }

    /// Finishes a message that came in one frame.
    fn finish_message(&mut self, input: &[u8], arrived: Arrived) -> Result<Event, ProtocolError> {
        if self.message.validate {
            match &arrived {
                Arrived::InPlace(range) if is_valid_utf8(&input[range.clone()]) => {}
                Arrived::InPlace(_) => return Err(ProtocolError::InvalidUtf8),
                Arrived::Buffered => self.message.utf8.finish()?,
            }
        }
        self.message.total_length = 0;
        let payload = self.payload(arrived);
        Ok(message(self.frame.opcode, payload, Vec::new()))
    }

    /// Finishes a frame of a fragmented message, and the message if it is the last one.
    fn finish_fragment(
        &mut self,
        input: &[u8],
        arrived: Arrived,
    ) -> Result<Option<Event>, ProtocolError> {
        if let Arrived::InPlace(range) = arrived {
            let fragment = &input[range];
            if self.message.validate {
                self.message.utf8.push(fragment)?;
            }
            self.buffer.extend_from_slice(fragment);
        }
        // After the validation, which a fragment in parts has passed, too.
        self.count_frame()?;
        self.frame.buffered = 0;
        if self.frame.length > 0 {
            // The fragment is in memory, so its length fits into a usize.
            self.message.fragments.push(self.frame.length as usize);
        }
        if !self.frame.fin {
            return Ok(None);
        }
        if self.message.validate {
            self.message.utf8.finish()?;
        }
        let payload = Payload::Owned(std::mem::take(&mut self.buffer));
        let Message { fragments, .. } = std::mem::replace(&mut self.message, Message::new());
        Ok(Some(message(self.frame.opcode, payload, fragments)))
    }

    /// Hands out a frame of a compressed message.
    fn finish_compressed_frame(&mut self, arrived: Arrived) -> Result<Event, ProtocolError> {
        self.count_frame()?;
        let Frame { opcode, fin, .. } = self.frame;
        let payload = self.payload(arrived);
        if fin {
            self.message = Message::new();
        }
        Ok(Event::CompressedFrame { opcode, fin, payload })
    }

    /// Finishes a close frame and with it the stream.
    fn finish_close(&mut self, input: &[u8], arrived: Arrived) -> Result<Event, ProtocolError> {
        let mut reason = self.payload(arrived);
        let code = reason.as_slice(input).first_chunk().map(|&code| u16::from_be_bytes(code));
        if let Some(code) = code {
            if !CloseCode::is_valid_on_wire(code) {
                return Err(ProtocolError::InvalidCloseCode(code));
            }
            match &mut reason {
                Payload::InPlace(range) => range.start += 2,
                Payload::Owned(bytes) => drop(bytes.drain(..2)),
            }
            if !self.config.skip_utf8_validation && !is_valid_utf8(reason.as_slice(input)) {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        self.end();
        Ok(Event::Close { code: code.map(CloseCode::new), reason })
    }

    /// The payload of the current frame, taken out of the buffer if it is there.
    #[inline(always)]
    fn payload(&mut self, arrived: Arrived) -> Payload {
        match arrived {
            Arrived::InPlace(range) => Payload::InPlace(range),
            Arrived::Buffered => Payload::Owned(self.take_buffered()),
        }
    }

    /// Takes the payload of the current frame out of the buffer.
    #[cold]
    fn take_buffered(&mut self) -> Vec<u8> {
        // It is in memory, so its length fits into a usize.
        let start = self.buffer.len() - std::mem::take(&mut self.frame.buffered) as usize;
        if start == 0 { std::mem::take(&mut self.buffer) } else { self.buffer.split_off(start) }
    }
}

/// Checks the header of a control frame.
fn check_control(opcode: Opcode, fin: bool, rsv1: bool, length: u8) -> Result<(), ProtocolError> {
    // RFC 6455, section 5.5: control frames are not fragmented.
    if !fin {
        return Err(ProtocolError::ExpectedFin);
    }
    // RFC 7692, section 6: control frames are not compressed.
    if rsv1 {
        return Err(ProtocolError::UnexpectedRsv1);
    }
    // RFC 6455, section 5.5: at most 125 bytes; section 5.5.1: a close code takes two.
    let half_close_code = opcode == Opcode::Close && length == 1;
    if length > MAX_CONTROL_PAYLOAD_LENGTH || half_close_code {
        return Err(ProtocolError::InvalidControlPayloadLength(length));
    }
    Ok(())
}

/// The event of a complete message.
#[inline(always)]
fn message(opcode: Opcode, payload: Payload, fragments: Vec<usize>) -> Event {
    match opcode {
        Opcode::Text => Event::Text { payload, fragments },
        _ => Event::Binary { payload, fragments },
    }
}
