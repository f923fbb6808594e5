//! Any text as a `Sec-WebSocket-Extensions` or `Sec-WebSocket-Protocol` header.
//!
//! Invariant: no parser panics. What is parsed and written again is parsed to the same. What a
//! server answers to an offer of permessage-deflate, it has read from a valid offer, it can be read
//! by a client, and it agrees to nothing that the offer forbids.

use oxws::protocol::deflate::{
    EXTENSION_NAME, ParameterName, ParameterValue, Parameters, ServerConfig, WindowBits,
};
use oxws::protocol::{Role, extension, subprotocol};

use super::input::Input;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let config = server_config(&mut input);
    let Ok(header) = std::str::from_utf8(input.rest()) else { return };
    check_subprotocols(header);
    let Ok(extensions) = extension::parse(header) else { return };
    assert_eq!(extension::parse(&extension::format(&extensions)).as_ref(), Ok(&extensions));
    let offers: Vec<Vec<extension::Parameter>> = extensions
        .into_iter()
        .filter(|extension| extension.name == EXTENSION_NAME)
        .map(|extension| extension.parameters)
        .collect();
    check_negotiation(&config, &offers);
}

fn check_subprotocols(header: &str) {
    let Ok(names) = subprotocol::parse(header) else { return };
    assert!(!names.is_empty());
    for (index, name) in names.iter().enumerate() {
        assert!(!name.is_empty() && !names[..index].contains(name));
    }
    assert_eq!(subprotocol::parse(&names.join(",")), Ok(names));
}

/// The configuration of a server, from two bytes.
fn server_config(input: &mut Input<'_>) -> ServerConfig {
    let (flags, bits) = (input.byte(), input.byte());
    let window = |choice: u8, bits: u8| match choice & 3 {
        0 | 1 => WindowBits::Any,
        2 => WindowBits::Unsupported,
        _ => WindowBits::Exactly(8 + (bits & 7)),
    };
    ServerConfig {
        server_no_context_takeover: [None, None, Some(true), Some(false)][usize::from(flags & 3)],
        client_no_context_takeover: flags & 4 != 0,
        server_max_window_bits: window(flags >> 3, bits),
        client_max_window_bits: window(flags >> 5, bits >> 3),
    }
}

fn check_negotiation(config: &ServerConfig, offers: &[Vec<extension::Parameter>]) {
    let Ok((index, response)) = config.accept(offers) else { return };
    let header = response.to_extension().parameters;
    assert_eq!(Parameters::parse(&header, Role::Client).as_ref(), Ok(&response), "{header:?}");

    let Ok(offer) = Parameters::parse(&offers[index], Role::Server) else {
        panic!("an invalid offer was accepted: {:?}", offers[index]);
    };
    let value = |parameters: &Parameters, name| {
        parameters.iter().find(|parameter| parameter.name == name).map(|found| found.value)
    };
    // RFC 7692, sections 7.1.1.1 and 7.1.2.1: what the client asks of the server, it gets.
    assert!(!offer.no_context_takeover(Role::Server) || response.no_context_takeover(Role::Server));
    assert!(response.max_window_bits(Role::Server) <= offer.max_window_bits(Role::Server));
    // RFC 7692, section 7.1.2.2: a client that does not say that it can limit its window is not
    // told to, and none is told to use a larger one than it says.
    if let Some(ParameterValue::Bits(bits)) = value(&response, ParameterName::ClientMaxWindowBits) {
        match value(&offer, ParameterName::ClientMaxWindowBits) {
            Some(ParameterValue::Bits(offered)) => assert!(bits <= offered),
            offered => assert_eq!(offered, Some(ParameterValue::Flag)),
        }
    }
}
