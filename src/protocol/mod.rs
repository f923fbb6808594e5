//! RFC 6455 and RFC 7692 as pure state machines.
//!
//! No I/O, no clock, no threads, no randomness: bytes, time, masking keys and limits are arguments.
#![forbid(unsafe_code)]

mod close_code;
mod decoder;
pub mod deflate;
mod error;
mod event;
pub mod extension;
mod frame;
pub mod handshake;
mod mask;
mod opcode;
mod role;
mod steps;
pub mod subprotocol;
mod token;
mod utf8;

pub use close_code::CloseCode;
pub use decoder::{Decoder, DecoderConfig, LargeMessage, Limits};
pub use error::{ErrorClass, ProtocolError};
pub use event::{Event, Payload};
pub use frame::{FrameHeader, MAX_HEADER_LENGTH};
pub use mask::{mask_in_place, mask_into};
pub use opcode::Opcode;
pub use role::Role;
pub use utf8::{InvalidUtf8, Utf8Validator, is_valid_utf8};
