//! The numbers that JavaScript and every surface for it know. They stand here once: each surface
//! exports them by their names.

use crate::protocol::deflate;

/// A text message.
pub const RECORD_TEXT: i32 = 1;
/// A binary message.
pub const RECORD_BINARY: i32 = 2;
/// One data frame of a compressed message: detail is the opcode, plus 16 on the last frame.
pub const RECORD_COMPRESSED: i32 = 3;
/// A close frame: detail is the close code, 1005 where the frame has none; the payload is the
/// reason.
pub const RECORD_CLOSE: i32 = 8;
/// A ping.
pub const RECORD_PING: i32 = 9;
/// A pong.
pub const RECORD_PONG: i32 = 10;
/// The connection has to fail; why is asked for apart.
pub const RECORD_ERROR: i32 = 15;

/// 32-bit integers of a record: kind, detail, place, length; and of the header before the first.
pub const RECORD_FIELDS: i32 = 4;
/// In the detail of a compressed frame, beside the opcode: the last frame of its message.
pub const FINAL_FRAME: i32 = 16;

/// Bytes of data from which on compressing or decompressing it is left to another thread.
pub const LARGE_INPUT: i32 = deflate::LARGE_INPUT as i32;
/// Bytes of output from which on that is so.
pub const LARGE_OUTPUT: i32 = deflate::LARGE_OUTPUT as i32;
