//! The kinds of records that the decoder has too, for JavaScript.

use napi_derive::napi;

use crate::javascript::records;

/// A text message.
#[napi]
pub const RECORD_TEXT: i32 = records::RECORD_TEXT;
/// A binary message.
#[napi]
pub const RECORD_BINARY: i32 = records::RECORD_BINARY;
/// One data frame of a compressed message: detail is the opcode, plus 16 on the last frame.
#[napi]
pub const RECORD_COMPRESSED: i32 = records::RECORD_COMPRESSED;
/// A close frame: detail is the close code, 1005 where the frame has none; the payload is the reason.
#[napi]
pub const RECORD_CLOSE: i32 = records::RECORD_CLOSE;
/// A ping.
#[napi]
pub const RECORD_PING: i32 = records::RECORD_PING;
/// A pong.
#[napi]
pub const RECORD_PONG: i32 = records::RECORD_PONG;
/// The connection has to fail; why is asked for apart.
#[napi]
pub const RECORD_ERROR: i32 = records::RECORD_ERROR;
