//! The two places through which bytes go in and out.

use std::cell::RefCell;

/// More than this is given back once it isn't needed any more, in bytes.
const MAX_KEPT_LENGTH: usize = 1 << 20;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for `length` bytes of input; where JavaScript has to put them.
#[unsafe(no_mangle)]
pub extern "C" fn input(length: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        if input.capacity() > MAX_KEPT_LENGTH && length <= MAX_KEPT_LENGTH {
            *input = Vec::new();
        }
        // What is there already isn't cleared: it is written over before it is read.
        if input.len() < length {
            input.resize(length, 0);
        }
        input.as_mut_ptr()
    })
}

/// Where the latest output is.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

/// How many bytes the latest output has.
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    OUTPUT.with_borrow(Vec::len)
}

/// Works on the first `length` bytes of the input.
pub(super) fn with_input<T>(length: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    INPUT.with_borrow_mut(|input| {
        let length = length.min(input.len());
        work(&mut input[..length])
    })
}

/// Works on the first `length` bytes of the input as text; JavaScript encodes its strings as UTF-8.
pub(super) fn with_text<T>(length: usize, work: impl FnOnce(&str) -> T) -> T {
    with_input(length, |bytes| work(&String::from_utf8_lossy(bytes)))
}

/// Lets `write` make the output, which is empty before.
pub(super) fn with_output<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    OUTPUT.with_borrow_mut(|output| {
        if output.capacity() > MAX_KEPT_LENGTH {
            *output = Vec::new();
        }
        output.clear();
        write(output)
    })
}

/// Makes bytes the output.
pub(super) fn set_output(bytes: &[u8]) {
    with_output(|output| output.extend_from_slice(bytes));
}

/// Makes memory that somebody else has filled the output.
pub(super) fn give_output(bytes: Vec<u8>) {
    OUTPUT.set(bytes);
}
