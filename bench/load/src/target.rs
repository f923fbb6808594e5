//! The server under test: how to reach it and how a connection to it is opened.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};

use crate::stream::Stream;

/// The sample nonce of RFC 6455, section 1.3, and the accept value that belongs to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longest wait for a single read or write while a connection is being opened.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections come from so many addresses of 127.0.0.0/8 in turn, so that closed ones, which
/// hold their port for a minute, do not use up the ports of one address.
const SOURCE_ADDRESSES: usize = 16;

pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// Offer permessage-deflate, and insist on it.
    pub(crate) deflate: bool,
    /// Both sides take their windows over.
    pub(crate) takeover: bool,
    tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// `certificate`: path of the certificate that makes it TLS, trusted as it is.
    pub(crate) fn new(
        port: u16,
        pid: u32,
        deflate: bool,
        takeover: bool,
        certificate: Option<&str>,
    ) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tls = certificate.map(client_config).transpose()?;
        Ok(Self { address, pid, deflate, takeover: deflate && takeover, tls })
    }

    /// Opens connection number `index`, up to and including the opening handshake. Blocks.
    pub(crate) fn open(&self, index: usize) -> io::Result<Stream<TcpStream>> {
        let socket = source_socket(index)?;
        socket.connect(&self.address.into())?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(OPENING_TIMEOUT))?;
        socket.set_write_timeout(Some(OPENING_TIMEOUT))?;
        let mut stream = match &self.tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
                let session = ClientConnection::new(Arc::clone(config), name);
                Stream::tls(session.map_err(io::Error::other)?, socket)
            }
        };
        stream.write_all(self.request().as_bytes())?;
        stream.flush()?;
        let mut response = [0; 4096];
        let length = stream.read(&mut response)?;
        self.check_response(&response[..length])?;
        Ok(stream)
    }

    /// RFC 6455, section 4.1: the client's part of the opening handshake.
    pub(crate) fn request(&self) -> String {
        let extensions = match (self.deflate, self.takeover) {
            (false, _) => "",
            (true, true) => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            (true, false) => concat!(
                "Sec-WebSocket-Extensions: permessage-deflate; ",
                "server_no_context_takeover; client_no_context_takeover\r\n"
            ),
        };
        format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n",
            self.address
        )
    }

    /// Whether `response` is the whole answer that was hoped for.
    pub(crate) fn check_response(&self, response: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(response);
        let answers = text.starts_with("HTTP/1.1 101 ")
            && text.contains(ACCEPT)
            && text.ends_with("\r\n\r\n")
            && text.contains("permessage-deflate") == self.deflate
            // What is agreed has to be what was asked for, for all servers to do the same.
            && text.contains("server_no_context_takeover") == (self.deflate && !self.takeover)
            && !(self.takeover && text.contains("client_no_context_takeover"));
        if answers {
            return Ok(());
        }
        Err(io::Error::other(format!("unexpected answer to the opening handshake: {text:?}")))
    }

    /// Has the server collect its garbage, so that memory can be compared.
    pub(crate) fn collect_garbage(&self) -> io::Result<()> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(OPENING_TIMEOUT * 3))?;
        write!(socket, "GET /gc HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut response = String::new();
        socket.read_to_string(&mut response)?;
        if response.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(io::Error::other(format!("the server did not collect its garbage: {response:?}")))
    }
}

/// An unconnected socket, bound to the source address of connection number `index`.
pub(crate) fn source_socket(index: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let source = Ipv4Addr::new(127, 0, 0, 2 + (index % SOURCE_ADDRESSES) as u8);
    socket.bind(&SocketAddr::from((IpAddr::V4(source), 0)).into())?;
    Ok(socket)
}

fn client_config(certificate: &str) -> io::Result<Arc<ClientConfig>> {
    let certificate =
        CertificateDer::from_pem_slice(&fs::read(certificate)?).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(io::Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
