//! RFC 6455 and RFC 7692 as pure state machines.
//!
//! No I/O, no clock, no threads, no randomness: bytes, time, masking keys and limits are arguments.
#![forbid(unsafe_code)]
