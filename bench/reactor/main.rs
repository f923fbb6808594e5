//! An echo through two reactors on loopback, without JavaScript: what the engine alone costs.
//!
//! `cargo bench --no-default-features --features engine --bench reactor [-- PART-OF-A-TITLE]`
//!
//! One thread echoes, one thread is all its clients. The processor time is that of the echoing
//! thread, as Linux counts it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program of its own")]

#[cfg(unix)]
mod echo;

fn main() {
    #[cfg(unix)]
    echo::main();
    #[cfg(not(unix))]
    println!("There is no reactor on this system.");
}
