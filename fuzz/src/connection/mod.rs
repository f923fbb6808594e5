//! A connection behind its opening handshake, without the transport.
//!
//! The driver that owns the transport hands over what arrives with [`Connection::receive`], calls
//! [`Connection::receive_eof`] at its end and [`Connection::handle_timeout`] when the time of
//! [`Connection::poll_timeout`] has come. After each of these and after each `send_`, it does what
//! [`Connection::poll_transmit`] says until that is `None`. Time is an argument everywhere, masking
//! keys come from the caller.
//!
//! The closing handshake, RFC 6455, section 7: a close frame of either side leaves [`State::Open`]
//! for [`State::Closing`] and starts the close timeout. With both close frames, or after a failure,
//! the sending side of the transport ends; when the receiving side has ended, too, the connection
//! is in [`State::Closed`]. As in ws, the endpoint that has both close frames first ends the
//! transport, whatever its role.

use std::time::{Duration, Instant};

use oxws::protocol::deflate::Parameters;
use oxws::protocol::{
    CloseCode, Decoder, DecoderConfig, Event, FrameHeader, Limits, MAX_HEADER_LENGTH, Opcode, Role,
    mask_in_place,
};

mod compression;
mod error;

use compression::{Deflater, Inflater};

pub use compression::CompressionConfig;
pub use error::{ConnectionError, SendError};

/// RFC 6455, section 5.5: the longest payload of a control frame.
const MAX_CONTROL_PAYLOAD_LENGTH: usize = 125;

/// RFC 6455, section 5.5.1: the close code takes two of them.
const MAX_REASON_LENGTH: usize = MAX_CONTROL_PAYLOAD_LENGTH - 2;

/// Where the keys come from with which a client masks its frames.
///
/// RFC 6455, section 10.3: the peer's application must not be able to predict them. Servers do not
/// mask and never ask for one.
pub trait MaskingKeys {
    /// A key for the next frame.
    fn next_key(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> MaskingKeys for F {
    fn next_key(&mut self) -> [u8; 4] {
        self()
    }
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Which endpoint this is.
    pub role: Role,
    /// How much the peer may send. Default: no limits.
    pub limits: Limits,
    /// Whether text and close reasons are taken as they come. Default: no.
    pub skip_utf8_validation: bool,
    /// Whether pings are answered. Default: yes.
    pub auto_pong: bool,
    /// Automatic pongs that may wait for transmission; one more terminates the connection, 0 means
    /// without limit. Default: 60.
    pub max_pending_auto_pongs: u32,
    /// The time for the closing handshake. Default: 30 seconds.
    pub close_timeout: Duration,
    /// permessage-deflate, if it was agreed. Default: not agreed.
    pub compression: Option<CompressionConfig>,
}

impl ConnectionConfig {
    /// The default behaviour of an endpoint.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            limits: Limits::default(),
            skip_utf8_validation: false,
            auto_pong: true,
            max_pending_auto_pongs: 60,
            close_timeout: Duration::from_secs(30),
            compression: None,
        }
    }

    /// Takes over the parameters of permessage-deflate that the opening handshake agreed on.
    #[must_use]
    pub fn with_permessage_deflate(mut self, agreed: &Parameters) -> Self {
        self.compression = Some(CompressionConfig::new(self.role, agreed));
        self
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(DecoderConfig {
            role: self.role,
            limits: self.limits,
            permessage_deflate: self.compression.is_some(),
            skip_utf8_validation: self.skip_utf8_validation,
        })
    }
}

/// How far a connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Messages flow.
    Open,
    /// The closing handshake is under way, or the connection has failed or ended on one side.
    Closing,
    /// Nothing happens any more.
    Closed,
}

/// What the driver has to do with the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Send these bytes.
    Data(Vec<u8>),
    /// End the sending side, once everything is sent.
    Eof,
    /// Destroy the transport, whatever is not sent yet.
    Abort,
}

/// What the sending side of the transport still expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// Frames.
    Open,
    /// Its end behind the frames that wait.
    EofDue,
    /// To be destroyed.
    AbortDue,
    /// Nothing.
    Ended,
}

/// One endpoint of a connection.
#[derive(Debug)]
pub struct Connection<K> {
    config: ConnectionConfig,
    keys: K,
    state: State,
    decoder: Decoder,
    inflater: Inflater,
    deflater: Deflater,
    /// Frames that wait for [`poll_transmit`](Self::poll_transmit).
    output: Vec<u8>,
    sending: Sending,
    /// Whether the receiving side of the transport has ended.
    input_ended: bool,
    /// Whether the connection has failed, so that input is discarded.
    failed: bool,
    close_sent: bool,
    /// What the peer's close frame said; no code is [`CloseCode::NO_STATUS_RECEIVED`].
    close_received: Option<(CloseCode, Box<[u8]>)>,
    /// Whether a fragmented message is being sent.
    fragmenting: bool,
    /// Automatic pongs in `output`.
    pending_auto_pongs: u32,
    deadline: Option<Instant>,
}

impl<K: MaskingKeys> Connection<K> {
    /// A connection whose opening handshake is done. `keys` is asked by clients only.
    #[must_use]
    pub fn new(config: ConnectionConfig, keys: K) -> Self {
        Self {
            keys,
            state: State::Open,
            decoder: config.decoder(),
            inflater: Inflater::default(),
            deflater: Deflater::default(),
            output: Vec::new(),
            sending: Sending::Open,
            input_ended: false,
            failed: false,
            close_sent: false,
            close_received: None,
            fragmenting: false,
            pending_auto_pongs: 0,
            deadline: None,
            config,
        }
    }

    /// How far the connection has got.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The code of the peer's close frame: [`CloseCode::NO_STATUS_RECEIVED`] when it had none,
    /// [`CloseCode::ABNORMAL_CLOSURE`] as long as there was no close frame.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        self.close_received.as_ref().map_or(CloseCode::ABNORMAL_CLOSURE, |(code, _)| *code)
    }

    /// The reason in the peer's close frame; UTF-8 unless the validation is skipped.
    #[must_use]
    pub fn close_reason(&self) -> &[u8] {
        self.close_received.as_ref().map_or(&[], |(_, reason)| reason)
    }

    /// Whether this endpoint waits for nothing but the end of the transport.
    #[must_use]
    pub fn close_expected(&self) -> bool {
        self.state == State::Closing && self.sending != Sending::Open
    }

    /// How many bytes wait for [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn buffered_amount(&self) -> usize {
        self.output.len()
    }

    /// Changes the limits, from the next check on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
        self.decoder.set_limits(limits);
    }

    /// Takes the next event of `input`, one chunk of the transport, from `position` on.
    ///
    /// As with [`Decoder::decode`], payloads may lie in `input`, and `None` says that all of it is
    /// consumed. Messages come inflated: there is no [`Event::CompressedFrame`]. A ping has been
    /// answered and the closing handshake has gone on when the event is returned. Messages still
    /// arrive while this endpoint closes, until the peer's close frame does.
    ///
    /// # Errors
    ///
    /// When the peer violates the protocol or a limit. The connection has failed then: the close
    /// frame for the peer waits and all further input is discarded.
    pub fn receive(
        &mut self,
        now: Instant,
        input: &mut [u8],
        position: &mut usize,
    ) -> Result<Option<Event>, ConnectionError> {
        if self.failed || self.input_ended {
            *position = input.len();
            return Ok(None);
        }
        let result = self.next_event(input, position);
        match &result {
            Ok(Some(Event::Ping(payload))) => self.answer_ping(payload.as_slice(input)),
            Ok(Some(Event::Close { code, reason })) => {
                self.receive_close(now, *code, reason.as_slice(input));
            }
            Ok(_) => {}
            Err(error) => self.fail(now, error.close_code(), ""),
        }
        result
    }

    /// Takes the end of the transport's receiving side.
    ///
    /// Without a close frame before it, the connection is lost and its code stays
    /// [`CloseCode::ABNORMAL_CLOSURE`].
    pub fn receive_eof(&mut self, now: Instant) {
        self.input_ended = true;
        self.begin_closing(now);
        self.end_sending();
        self.settle();
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::InvalidOpcode`] while a fragmented message is being
    /// sent, [`SendError::InvalidCompression`].
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send_fragment(Opcode::Text, text.as_bytes(), true)
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.send_fragment(Opcode::Binary, data, true)
    }

    /// Sends a fragment of a message: [`Opcode::Text`] or [`Opcode::Binary`] for the first one,
    /// [`Opcode::Continuation`] for the others, `fin` with the last one. That all fragments of a
    /// text are UTF-8 together is up to the caller.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`]; [`SendError::InvalidOpcode`] when `opcode` is another one than the
    /// rule above says; [`SendError::InvalidCompression`].
    pub fn send_fragment(
        &mut self,
        opcode: Opcode,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let is_first = opcode != Opcode::Continuation;
        if opcode.is_control() || is_first == self.fragmenting {
            return Err(SendError::InvalidOpcode);
        }
        let compressed = match &self.config.compression {
            Some(config) => self.deflater.deflate(config, data, is_first, fin)?,
            None => None,
        };
        self.fragmenting = !fin;
        match compressed {
            // RFC 7692, section 6.1: RSV1 marks the first frame only.
            Some(data) => self.push_frame(fin, is_first, opcode, &data),
            None => self.push_frame(fin, false, opcode, data),
        }
        Ok(())
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`]; [`SendError::ControlPayloadTooLong`] above 125 bytes.
    pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload)
    }

    /// Sends a pong.
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload)
    }

    /// Starts the closing handshake. Does nothing when it is under way.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] when `code` is not for the wire, or when there is a reason
    /// without a code; [`SendError::ControlPayloadTooLong`] when `reason` is above 123 bytes. The
    /// connection stays as it is.
    pub fn send_close(
        &mut self,
        now: Instant,
        code: Option<CloseCode>,
        reason: &str,
    ) -> Result<(), SendError> {
        let reason = reason.as_bytes();
        match code {
            Some(code) if !CloseCode::is_valid_on_wire(code.as_u16()) => {
                return Err(SendError::InvalidCloseCode);
            }
            None if !reason.is_empty() => return Err(SendError::InvalidCloseCode),
            _ => {}
        }
        if reason.len() > MAX_REASON_LENGTH {
            return Err(SendError::ControlPayloadTooLong);
        }
        self.close(now, code, reason);
        Ok(())
    }

    /// Fails the connection: tells the peer why, discards what it sends and ends the transport.
    ///
    /// A code that is not for the wire is left out together with the reason, and a reason is cut
    /// to the length that fits.
    pub fn fail(&mut self, now: Instant, code: CloseCode, reason: &str) {
        // RFC 6455, section 7.1.7: the close frame is sent, input is not read any more.
        self.failed = true;
        if CloseCode::is_valid_on_wire(code.as_u16()) {
            let mut end = reason.len().min(MAX_REASON_LENGTH);
            while !reason.is_char_boundary(end) {
                end -= 1;
            }
            self.close(now, Some(code), &reason.as_bytes()[..end]);
        } else {
            self.close(now, None, b"");
        }
        self.end_sending();
        self.settle();
    }

    /// Ends the connection at once, without a closing handshake. For the driver whose transport
    /// broke, too.
    pub fn terminate(&mut self) {
        if self.state == State::Closed {
            return;
        }
        self.output = Vec::new();
        self.sending = Sending::AbortDue;
        self.input_ended = true;
        self.become_closed();
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Terminates the connection if the closing handshake has taken too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.terminate();
        }
    }

    /// What has to be done with the transport next. To be called when the transport can take it:
    /// automatic pongs count as sent from here on.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if !self.output.is_empty() {
            self.pending_auto_pongs = 0;
            return Some(Transmit::Data(std::mem::take(&mut self.output)));
        }
        let transmit = match self.sending {
            Sending::Open | Sending::Ended => return None,
            Sending::EofDue => Transmit::Eof,
            Sending::AbortDue => Transmit::Abort,
        };
        self.sending = Sending::Ended;
        self.settle();
        Some(transmit)
    }

    /// Decodes up to the next event, through the decompressor.
    fn next_event(
        &mut self,
        input: &mut [u8],
        position: &mut usize,
    ) -> Result<Option<Event>, ConnectionError> {
        while let Some(event) = self.decoder.decode(input, position)? {
            let (Event::CompressedFrame { opcode, fin, payload }, Some(compression)) =
                (&event, &self.config.compression)
            else {
                return Ok(Some(event));
            };
            let data = payload.as_slice(input);
            let message = self.inflater.inflate(&self.config, compression, *opcode, *fin, data)?;
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    fn answer_ping(&mut self, payload: &[u8]) {
        if !self.config.auto_pong || self.state != State::Open {
            return;
        }
        let max = self.config.max_pending_auto_pongs;
        if max > 0 && self.pending_auto_pongs >= max {
            self.terminate();
            return;
        }
        self.pending_auto_pongs += 1;
        self.push_frame(true, false, Opcode::Pong, payload);
    }

    /// RFC 6455, section 5.5.1: a close frame is answered with one. As in ws the answer repeats
    /// code and reason.
    fn receive_close(&mut self, now: Instant, code: Option<CloseCode>, reason: &[u8]) {
        let received = code.unwrap_or(CloseCode::NO_STATUS_RECEIVED);
        self.close_received = Some((received, reason.into()));
        self.close(now, code, reason);
        self.end_sending();
    }

    /// Sends the close frame, unless that is done or the sending side has ended.
    fn close(&mut self, now: Instant, code: Option<CloseCode>, reason: &[u8]) {
        if !self.close_sent && self.sending == Sending::Open {
            self.close_sent = true;
            let mut payload = [0; MAX_CONTROL_PAYLOAD_LENGTH];
            let mut length = 0;
            if let Some(code) = code {
                length = 2 + reason.len();
                payload[..2].copy_from_slice(&code.as_u16().to_be_bytes());
                payload[2..length].copy_from_slice(reason);
            }
            self.push_frame(true, false, Opcode::Close, &payload[..length]);
        }
        self.begin_closing(now);
    }

    fn begin_closing(&mut self, now: Instant) {
        if self.state == State::Open {
            self.state = State::Closing;
            // A time that cannot be told never comes.
            self.deadline = now.checked_add(self.config.close_timeout);
        }
    }

    fn end_sending(&mut self) {
        if self.sending == Sending::Open {
            self.sending = Sending::EofDue;
        }
    }

    /// Closes the connection if both sides of the transport have ended.
    fn settle(&mut self) {
        if self.input_ended && self.sending == Sending::Ended {
            self.become_closed();
        }
    }

    fn become_closed(&mut self) {
        self.state = State::Closed;
        self.deadline = None;
        // Nothing is received any more, so no memory is needed for it.
        self.decoder = self.config.decoder();
        self.inflater = Inflater::default();
        self.deflater = Deflater::default();
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.state == State::Open { Ok(()) } else { Err(SendError::NotOpen) }
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        if payload.len() > MAX_CONTROL_PAYLOAD_LENGTH {
            return Err(SendError::ControlPayloadTooLong);
        }
        self.push_frame(true, false, opcode, payload);
        Ok(())
    }

    /// Appends a frame to the output.
    fn push_frame(&mut self, fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) {
        let masking_key = self.config.role.masks().then(|| self.keys.next_key());
        let payload_length = payload.len() as u64;
        let header = FrameHeader { fin, rsv1, opcode, masking_key, payload_length };
        let mut target = [0; MAX_HEADER_LENGTH];
        let header_length = header.encode(&mut target);
        self.output.reserve(header_length + payload.len());
        self.output.extend_from_slice(&target[..header_length]);
        let start = self.output.len();
        self.output.extend_from_slice(payload);
        if let Some(key) = masking_key {
            mask_in_place(&mut self.output[start..], key, 0);
        }
    }
}

#[cfg(test)]
mod tests;
