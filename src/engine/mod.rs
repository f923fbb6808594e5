//! What runs beside the JavaScript thread. Knows the protocol, knows nothing of Node.
#![forbid(unsafe_code)]

pub mod pool;
