//! The opening handshake for JavaScript: keys, header grammars and the negotiation of
//! permessage-deflate. Errors of a peer are texts in the results.

use napi_derive::napi;

use crate::javascript::negotiation::{Wishes, is_type_error, number_of};
use crate::protocol::deflate::{ClientConfig, NegotiationError, Parameters, ServerConfig};
use crate::protocol::extension::Parameter;
use crate::protocol::{extension, handshake, subprotocol};

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
#[napi(catch_unwind)]
pub fn accept_key(key: String) -> String {
    handshake::accept_key(&key)
}

/// Whether this can be a `Sec-WebSocket-Key`.
#[napi(catch_unwind)]
pub fn is_valid_key(key: String) -> bool {
    handshake::is_valid_key(&key)
}

/// A `Sec-WebSocket-Protocol` header.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct SubprotocolHeader {
    /// The names in order, all different, with a comma between two: one text is soon handed over, a
    /// list of many isn't.
    pub names: String,
    /// What is wrong with the header, if anything is.
    pub error: Option<String>,
}

/// Parses a `Sec-WebSocket-Protocol` header.
#[napi(catch_unwind)]
pub fn parse_subprotocols(header: String) -> SubprotocolHeader {
    match subprotocol::parse(&header) {
        Ok(names) => SubprotocolHeader { names: names.join(","), error: None },
        Err(error) => SubprotocolHeader { error: Some(error.to_string()), ..Default::default() },
    }
}

/// One parameter of an extension as text.
#[napi(object, object_to_js = false)]
pub struct ParameterText {
    /// Its name.
    pub name: String,
    /// Its value, unescaped; absent where the name stands alone.
    pub value: Option<String>,
}

/// A `Sec-WebSocket-Extensions` header.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct ExtensionHeader {
    /// The elements in order, written as plainly as can be: `name; parameter=value, ..`, without
    /// quotes. One text is soon handed over, a list of many isn't.
    pub elements: String,
    /// What is wrong with the header, if anything is.
    pub error: Option<String>,
}

/// Parses a `Sec-WebSocket-Extensions` header.
#[napi(catch_unwind)]
pub fn parse_extensions(header: String) -> ExtensionHeader {
    match extension::parse(&header) {
        Ok(elements) => ExtensionHeader { elements: extension::format(&elements), error: None },
        Err(error) => ExtensionHeader { error: Some(error.to_string()), ..Default::default() },
    }
}

impl From<ParameterText> for Parameter {
    fn from(ParameterText { name, value }: ParameterText) -> Self {
        Self { name, value }
    }
}

/// What an endpoint wants of permessage-deflate. Absent: nothing.
#[napi(object, object_to_js = false)]
pub struct NegotiationOptions {
    /// Whether the server's context is given up; `false` refuses to.
    pub server_no_context_takeover: Option<bool>,
    /// Whether the client's context is given up; `false` refuses to.
    pub client_no_context_takeover: Option<bool>,
    /// The window that the server compresses with; 0: not to be negotiated.
    pub server_max_window_bits: Option<u32>,
    /// The window that the client compresses with; 0: not to be negotiated.
    pub client_max_window_bits: Option<u32>,
}

impl From<NegotiationOptions> for Wishes {
    fn from(options: NegotiationOptions) -> Self {
        Self {
            server_no_context_takeover: options.server_no_context_takeover,
            client_no_context_takeover: options.client_no_context_takeover,
            server_max_window_bits: options.server_max_window_bits,
            client_max_window_bits: options.client_max_window_bits,
        }
    }
}

/// What was agreed on, or why nothing was.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NegotiationResult {
    /// Which of the offers was accepted.
    pub index: u32,
    /// The names of the agreed parameters in order.
    pub names: Vec<&'static str>,
    /// Their values: a number of window bits, or 0 where the name stands alone.
    pub values: Vec<u32>,
    /// What is wrong with the offers or the response, if anything is.
    pub error: Option<String>,
    /// Whether that is a `TypeError` in ws.
    pub is_type_error: bool,
}

impl NegotiationResult {
    fn new(result: Result<(usize, Parameters), NegotiationError>) -> Self {
        match result {
            Ok((index, agreed)) => Self {
                index: index as u32, // of an array that came from JavaScript
                names: agreed.iter().map(|parameter| parameter.name.as_str()).collect(),
                values: agreed.iter().map(|parameter| number_of(parameter.value)).collect(),
                ..Default::default()
            },
            Err(error) => Self {
                error: Some(error.to_string()),
                is_type_error: is_type_error(&error),
                ..Default::default()
            },
        }
    }
}

/// Picks one of a client's offers of permessage-deflate and answers it.
#[napi(catch_unwind)]
pub fn accept_deflate_offer(
    offers: Vec<Vec<ParameterText>>,
    options: NegotiationOptions,
) -> NegotiationResult {
    NegotiationResult::new(ServerConfig::from(Wishes::from(options)).accept(&to_parameters(offers)))
}

/// Takes a server's response to an offer of permessage-deflate.
#[napi(catch_unwind)]
pub fn accept_deflate_response(
    responses: Vec<Vec<ParameterText>>,
    options: NegotiationOptions,
) -> NegotiationResult {
    let agreed = ClientConfig::from(Wishes::from(options)).accept(&to_parameters(responses));
    NegotiationResult::new(agreed.map(|agreed| (0, agreed)))
}

fn to_parameters(elements: Vec<Vec<ParameterText>>) -> Vec<Vec<Parameter>> {
    elements.into_iter().map(|element| element.into_iter().map(Parameter::from).collect()).collect()
}
