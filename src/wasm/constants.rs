//! The numbers that both languages know: JavaScript finds the place of each in the memory by its name.

use crate::javascript::records;

macro_rules! export {
    ($($name:ident),* $(,)?) => {
        $(
            #[doc = concat!("[`records::", stringify!($name), "`].")]
            #[unsafe(no_mangle)]
            pub static $name: i32 = records::$name;
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
);
