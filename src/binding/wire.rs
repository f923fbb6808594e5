//! Every number that both languages know, for JavaScript, which holds none of them a second time.
//!
//! A record of a decoder is [`RECORD_FIELDS`] integers: kind, detail, place and length. One of the
//! engine has the connection before them, and so [`ENGINE_RECORD_FIELDS`]. A frame that is to go is
//! [`FRAME_FIELDS`]: where its bytes begin in the scratch memory, the length of the payload, and
//! what to do with it. A command is [`COMMAND_FIELDS`]: a connection, and the frame that it gets,
//! by its place among the frames. What concerns topics is [`TOPIC_FIELDS`] more, with its place
//! among the commands.

use napi_derive::napi;

use crate::javascript::wire;

/// A text message.
#[napi]
pub const RECORD_TEXT: i32 = wire::RECORD_TEXT;
/// A binary message.
#[napi]
pub const RECORD_BINARY: i32 = wire::RECORD_BINARY;
/// One data frame of a compressed message: detail is the opcode, plus 16 on the last frame.
#[napi]
pub const RECORD_COMPRESSED: i32 = wire::RECORD_COMPRESSED;
/// A close frame: detail is the close code, 1005 where the frame has none; the payload is the
/// reason.
#[napi]
pub const RECORD_CLOSE: i32 = wire::RECORD_CLOSE;
/// A ping.
#[napi]
pub const RECORD_PING: i32 = wire::RECORD_PING;
/// A pong.
#[napi]
pub const RECORD_PONG: i32 = wire::RECORD_PONG;
/// The connection has to fail; why is asked for apart.
#[napi]
pub const RECORD_ERROR: i32 = wire::RECORD_ERROR;
/// 32-bit integers of a record: kind, detail, place, length; and of the header before the first.
#[napi]
pub const RECORD_FIELDS: i32 = wire::RECORD_FIELDS;
/// In the detail of a compressed frame, beside the opcode: the last frame of its message.
#[napi]
pub const FINAL_FRAME: i32 = wire::FINAL_FRAME;
/// Bytes of data from which on compressing or decompressing it is left to another thread.
#[napi]
pub const LARGE_INPUT: i32 = wire::LARGE_INPUT;
/// Bytes of output from which on that is so.
#[napi]
pub const LARGE_OUTPUT: i32 = wire::LARGE_OUTPUT;

/// Bytes as they came, of a connection in raw mode.
#[napi]
pub const RECORD_RAW: i32 = 16;
/// The peer will send nothing more: detail is 1 where it has ended together with what it sent last,
/// as a reset does.
#[napi]
pub const RECORD_END: i32 = 17;
/// The socket failed; `socketFailure` says why.
#[napi]
pub const RECORD_FAILED: i32 = 18;
/// Some of what waited has been written.
#[napi]
pub const RECORD_WRITTEN: i32 = 19;
/// The half-close that was asked for is done.
#[napi]
pub const RECORD_SHUT_DOWN: i32 = 20;
/// Something that was sent waits to be written.
#[napi]
pub const RECORD_WAITING: i32 = 21;

/// The engine has panicked while it worked on the connection, or, where the connection is -1, on
/// none in particular.
#[napi]
pub const RECORD_FAULT: i32 = 22;
/// A compressed message that can't be inflated: why is asked for apart, by the detail.
#[napi]
pub const RECORD_UNINFLATABLE: i32 = 23;
/// A large text message is arriving: detail is its length. It goes to memory that is given for it.
#[napi]
pub const RECORD_LARGE_TEXT: i32 = 24;
/// The same, binary.
#[napi]
pub const RECORD_LARGE_BINARY: i32 = 25;
/// Something was read, of a connection that is to tell of that.
#[napi]
pub const RECORD_READ: i32 = 26;
/// Of no connection: what follows was read later.
#[napi]
pub const RECORD_NEXT_TURN: i32 = 27;

/// Nothing more to take; the descriptor announces what comes.
#[napi]
pub const STATUS_IDLE: i32 = 0;
/// The space for records is used up, or there is enough to be looked at first: poll again.
#[napi]
pub const STATUS_RECORDS_FULL: i32 = 1;
/// The slab is used up: poll again with another.
#[napi]
pub const STATUS_MEMORY_FULL: i32 = 2;

/// 32-bit integers of a record of the engine, and of the header before the first.
#[napi]
pub const ENGINE_RECORD_FIELDS: i32 = 1 + wire::RECORD_FIELDS;
/// In place of a connection, where something has happened to none in particular.
#[napi]
pub const NO_CONNECTION: i32 = -1;
/// In the detail of a ping: the engine has answered it.
#[napi]
pub const ANSWERED_PING: i32 = 1;
/// Bytes of the memory that a turn of the engine reads into.
#[cfg(unix)]
#[napi]
pub const SLAB_LENGTH: i32 = crate::engine::BATCH_MEMORY as i32;

/// 32-bit integers of a frame that is to go.
#[napi]
pub const FRAME_FIELDS: i32 = 3;
/// The last field of a frame: the bytes go as they are. Otherwise it is the first byte of the
/// header, and the flags below.
#[napi]
pub const FRAME_RAW: i32 = -1;
/// Of a frame: it is to be masked.
#[napi]
pub const FRAME_MASKED: i32 = 0x100;
/// Of a frame: the payload is to be compressed.
#[napi]
pub const FRAME_COMPRESSED: i32 = 0x200;
/// Of a frame: it is a message that is published, compressed for those that compress.
#[napi]
pub const FRAME_PUBLISHED: i32 = 0x400;
/// 32-bit integers of a command of a topic: how many commands come before it, what it is, and two
/// more, as follows.
#[napi]
pub const TOPIC_FIELDS: i32 = 4;
/// A connection subscribes to a topic: the topic, the connection.
#[napi]
pub const TOPIC_SUBSCRIBE: i32 = 0;
/// It does so no longer: the topic, the connection.
#[napi]
pub const TOPIC_UNSUBSCRIBE: i32 = 1;
/// A connection gets what is published: the connection, and how many bytes a message has at least
/// that it compresses.
#[napi]
pub const TOPIC_ATTACH: i32 = 2;
/// It does so no longer: the connection.
#[napi]
pub const TOPIC_DETACH: i32 = 3;
/// A connection does not get what is published next: the connection.
#[napi]
pub const TOPIC_EXCEPT: i32 = 4;
/// A frame is published: the topic, the frame.
#[napi]
pub const TOPIC_PUBLISH: i32 = 5;
/// 32-bit integers of a command.
#[napi]
pub const COMMAND_FIELDS: i32 = 2;
