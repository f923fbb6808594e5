//! A self-signed certificate for the TLS cases, made anew for every run.

use std::path::Path;
use std::{fs, io};

/// Writes `certificate.pem` and `key.pem` into `directory`, which has to exist.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    fs::write(directory.join("certificate.pem"), made.cert.pem())?;
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())
}
