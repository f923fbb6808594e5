//! The opening handshake. See `src/binding/handshake.rs`. What a peer did wrong is the first of the
//! fields of a result; it is absent where nothing is.

use super::fields::{Reader, Writer};
use super::memory::{set_output, with_input, with_output, with_text};
use crate::javascript::negotiation::{Wishes, is_type_error, number_of};
use crate::protocol::deflate::{ClientConfig, NegotiationError, Parameters, ServerConfig};
use crate::protocol::extension::Parameter;
use crate::protocol::{extension, handshake, subprotocol};

/// The value of `Sec-WebSocket-Accept` that answers the `Sec-WebSocket-Key` in the input.
#[unsafe(no_mangle)]
pub extern "C" fn accept_key(length: usize) {
    set_output(with_text(length, handshake::accept_key).as_bytes());
}

/// Whether the input can be a `Sec-WebSocket-Key`.
#[unsafe(no_mangle)]
pub extern "C" fn is_valid_key(length: usize) -> bool {
    with_text(length, handshake::is_valid_key)
}

/// Parses the `Sec-WebSocket-Protocol` header in the input: an error, or the names with a comma
/// between two.
#[unsafe(no_mangle)]
pub extern "C" fn parse_subprotocols(length: usize) {
    with_text(length, |header| {
        with_output(|output| {
            let mut fields = Writer(output);
            match subprotocol::parse(header) {
                Ok(names) => {
                    fields.optional(None);
                    fields.text(&names.join(","));
                }
                Err(error) => fields.text(&error.to_string()),
            }
        });
    });
}

/// Parses the `Sec-WebSocket-Extensions` header in the input: an error, or the elements, written as
/// plainly as can be.
#[unsafe(no_mangle)]
pub extern "C" fn parse_extensions(length: usize) {
    with_text(length, |header| {
        with_output(|output| {
            let mut fields = Writer(output);
            match extension::parse(header) {
                Ok(elements) => {
                    fields.optional(None);
                    fields.text(&extension::format(&elements));
                }
                Err(error) => fields.text(&error.to_string()),
            }
        });
    });
}

/// A number that stands for an option that isn't there.
const ABSENT: i32 = -1;

/// Picks one of the offers of permessage-deflate in the input and answers it. The options are those
/// of `NegotiationOptions`, -1 where absent. The input has for each offer how many parameters it
/// has, and their names and values. The output: an error, whether that is a `TypeError`, which of
/// the offers it is, and the names and values of what was agreed on.
#[unsafe(no_mangle)]
pub extern "C" fn accept_deflate_offer(
    length: usize,
    server_no_context_takeover: i32,
    client_no_context_takeover: i32,
    server_max_window_bits: i32,
    client_max_window_bits: i32,
) {
    let config = ServerConfig::from(wishes([
        server_no_context_takeover,
        client_no_context_takeover,
        server_max_window_bits,
        client_max_window_bits,
    ]));
    write_agreement(config.accept(&read_parameters(length)));
}

/// Takes a server's response to an offer of permessage-deflate; as `accept_deflate_offer`.
#[unsafe(no_mangle)]
pub extern "C" fn accept_deflate_response(
    length: usize,
    server_no_context_takeover: i32,
    client_no_context_takeover: i32,
    server_max_window_bits: i32,
    client_max_window_bits: i32,
) {
    let config = ClientConfig::from(wishes([
        server_no_context_takeover,
        client_no_context_takeover,
        server_max_window_bits,
        client_max_window_bits,
    ]));
    write_agreement(config.accept(&read_parameters(length)).map(|agreed| (0, agreed)));
}

/// The options in the order of the arguments.
fn wishes([server_takeover, client_takeover, server_bits, client_bits]: [i32; 4]) -> Wishes {
    Wishes {
        server_no_context_takeover: flag(server_takeover),
        client_no_context_takeover: flag(client_takeover),
        server_max_window_bits: u32::try_from(server_bits).ok(),
        client_max_window_bits: u32::try_from(client_bits).ok(),
    }
}

const fn flag(option: i32) -> Option<bool> {
    if option == ABSENT { None } else { Some(option != 0) }
}

fn read_parameters(length: usize) -> Vec<Vec<Parameter>> {
    with_input(length, |bytes| {
        let mut fields = Reader(bytes);
        let mut offers = Vec::new();
        while !fields.0.is_empty() {
            let count = fields.number();
            let parameter = |_| Some(Parameter { name: fields.text()?, value: fields.text() });
            offers.push((0..count).map_while(parameter).collect());
        }
        offers
    })
}

fn write_agreement(result: Result<(usize, Parameters), NegotiationError>) {
    with_output(|output| {
        let mut fields = Writer(output);
        match result {
            Ok((index, agreed)) => {
                fields.optional(None);
                fields.number(0);
                fields.number(index);
                for parameter in agreed.iter() {
                    fields.text(parameter.name.as_str());
                    fields.number(number_of(parameter.value));
                }
            }
            Err(error) => {
                fields.text(&error.to_string());
                fields.number(u8::from(is_type_error(&error)));
            }
        }
    });
}
