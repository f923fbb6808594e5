//! The numbers that both languages know: JavaScript finds the place of each in the memory by its
//! name.

use crate::javascript::wire;

macro_rules! export {
    ($($name:ident),* $(,)?) => {
        $(
            #[doc = concat!("[`wire::", stringify!($name), "`].")]
            #[unsafe(no_mangle)]
            pub static $name: i32 = wire::$name;
        )*
    };
}

export!(
    RECORD_TEXT,
    RECORD_BINARY,
    RECORD_COMPRESSED,
    RECORD_CLOSE,
    RECORD_PING,
    RECORD_PONG,
    RECORD_ERROR,
    RECORD_FIELDS,
    FINAL_FRAME,
    LARGE_INPUT,
    LARGE_OUTPUT,
);
