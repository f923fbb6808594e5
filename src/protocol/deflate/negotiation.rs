//! Which parameters of permessage-deflate the two endpoints agree on.
//!
//! RFC 7692, section 7.1. A client sends offers; a server picks the first that it can hold to and
//! answers it with a response; a client refuses a response that asks for more than it can give.
//! Names are kept in the order in which they were received: the response repeats it.

use std::fmt;

use super::super::Role;
use super::super::extension;
use super::super::steps;
use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};

/// The name under which the extension is registered.
pub const EXTENSION_NAME: &str = "permessage-deflate";

/// A name of RFC 7692, section 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterName {
    /// The server's messages don't refer to earlier ones.
    ServerNoContextTakeover,
    /// The client's messages don't refer to earlier ones.
    ClientNoContextTakeover,
    /// The largest window the server compresses with.
    ServerMaxWindowBits,
    /// The largest window the client compresses with.
    ClientMaxWindowBits,
}

impl ParameterName {
    /// All names.
    pub const ALL: [Self; 4] = [
        Self::ServerNoContextTakeover,
        Self::ClientNoContextTakeover,
        Self::ServerMaxWindowBits,
        Self::ClientMaxWindowBits,
    ];

    /// The name as it is written in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerNoContextTakeover => "server_no_context_takeover",
            Self::ClientNoContextTakeover => "client_no_context_takeover",
            Self::ServerMaxWindowBits => "server_max_window_bits",
            Self::ClientMaxWindowBits => "client_max_window_bits",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// The name stands alone.
    Flag,
    /// A number of window bits.
    Bits(u8),
}

/// One parameter with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: ParameterName,
    /// Its value, one that the name can have.
    pub value: ParameterValue,
}

/// The parameters of one offer or response, ordered as they are written.
///
/// Invariant: no name twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Parameter> + '_ {
        self.0.iter().copied()
    }

    /// Whether the messages of `role` each start with an empty window.
    pub fn no_context_takeover(&self, role: Role) -> bool {
        self.value(match role {
            Role::Server => ParameterName::ServerNoContextTakeover,
            Role::Client => ParameterName::ClientNoContextTakeover,
        })
        .is_some()
    }

    /// The window that `role` compresses with, as agreed; 15 if nothing is.
    pub fn max_window_bits(&self, role: Role) -> u8 {
        self.bits(match role {
            Role::Server => ParameterName::ServerMaxWindowBits,
            Role::Client => ParameterName::ClientMaxWindowBits,
        })
        .unwrap_or(MAX_WINDOW_BITS)
    }

    /// These parameters as an element of `Sec-WebSocket-Extensions`.
    pub fn to_extension(&self) -> extension::Extension {
        let parameters = self.iter().map(|parameter| extension::Parameter {
            name: parameter.name.as_str().to_owned(),
            value: match parameter.value {
                ParameterValue::Flag => None,
                ParameterValue::Bits(bits) => Some(bits.to_string()),
            },
        });
        extension::Extension { name: EXTENSION_NAME.to_owned(), parameters: parameters.collect() }
    }

    /// Reads the parameters of one element of the header, sent to the endpoint `receiver`.
    ///
    /// # Errors
    ///
    /// RFC 7692, section 7.1: an unknown name, a name that comes twice, a value that the name can't
    /// have. ws tells a name that comes twice first.
    pub fn parse(
        parameters: &[extension::Parameter],
        receiver: Role,
    ) -> Result<Self, NegotiationError> {
        let mut parsed = Self::default();
        // Linear in what a peer sends: all names that the loop gets past are known ones.
        for (index, parameter) in parameters.iter().enumerate() {
            steps::count(1);
            let is_repeated = |other: &extension::Parameter| {
                steps::count(1);
                other.name == parameter.name
            };
            if parameters[..index].iter().any(is_repeated) {
                continue; // reported at its first occurrence
            }
            if parameters[index + 1..].iter().any(is_repeated) {
                return Err(NegotiationError::MultipleValues(parameter.name.clone()));
            }
            let Some(name) = ParameterName::parse(&parameter.name) else {
                return Err(NegotiationError::UnknownParameter(parameter.name.clone()));
            };
            let value =
                parse_value(name, parameter.value.as_deref(), receiver).ok_or_else(|| {
                    NegotiationError::InvalidValue { name, value: parameter.value.clone() }
                })?;
            parsed.0.push(Parameter { name, value });
        }
        Ok(parsed)
    }

    fn value(&self, name: ParameterName) -> Option<ParameterValue> {
        self.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value)
    }

    fn bits(&self, name: ParameterName) -> Option<u8> {
        match self.value(name) {
            Some(ParameterValue::Bits(bits)) => Some(bits),
            _ => None,
        }
    }

    /// Sets `name`, in its place if it is there, at the end if not.
    fn set(&mut self, name: ParameterName, value: ParameterValue) {
        match self.0.iter_mut().find(|parameter| parameter.name == name) {
            Some(parameter) => parameter.value = value,
            None => self.0.push(Parameter { name, value }),
        }
    }

    fn remove(&mut self, name: ParameterName) {
        self.0.retain(|parameter| parameter.name != name);
    }
}

fn parse_value(name: ParameterName, value: Option<&str>, receiver: Role) -> Option<ParameterValue> {
    match (name, value) {
        // RFC 7692, section 7.1.2.2: in an offer, the name alone says that the client would heed a
        // window that the server asks for; in a response it needs a value.
        (ParameterName::ClientMaxWindowBits, None) => {
            (receiver == Role::Server).then_some(ParameterValue::Flag)
        }
        (ParameterName::ClientMaxWindowBits | ParameterName::ServerMaxWindowBits, Some(value)) => {
            parse_window_bits(value).map(ParameterValue::Bits)
        }
        (ParameterName::ServerMaxWindowBits, None) => None,
        (_, value) => value.is_none().then_some(ParameterValue::Flag),
    }
}

/// RFC 7692, section 7.1.2: a decimal number from 8 to 15 without leading zeros.
///
/// Deviation (ws 8.x): ws takes every spelling that JavaScript reads as such a number (`0xa`).
fn parse_window_bits(value: &str) -> Option<u8> {
    (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).find(|bits| bits.to_string() == value)
}

/// Why an offer or a response is refused. `Display` gives the texts of ws.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// This name comes more than once in one element.
    MultipleValues(String),
    /// This name is not one of RFC 7692.
    UnknownParameter(String),
    /// A value that the name can't have (for ws, the one error here that is a `TypeError`).
    InvalidValue {
        /// The parameter.
        name: ParameterName,
        /// What was sent; `None` where the name stands alone.
        value: Option<String>,
    },
    /// The server can hold to none of the offers.
    NoAcceptableOffer,
    /// The server sent no response.
    NoResponse,
    /// The response has a parameter that this client did not allow.
    UnexpectedClientNoContextTakeover,
    /// The response has a window that this client did not allow.
    UnexpectedClientMaxWindowBits,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MultipleValues(name) => {
                write!(f, "Parameter \"{name}\" must have only a single value")
            }
            Self::UnknownParameter(name) => write!(f, "Unknown parameter \"{name}\""),
            Self::InvalidValue { name, value } => write!(
                f,
                "Invalid value for parameter \"{}\": {}",
                name.as_str(),
                value.as_deref().unwrap_or("true")
            ),
            Self::NoAcceptableOffer => f.write_str("None of the extension offers can be accepted"),
            Self::NoResponse => f.write_str("No extension response was given"),
            Self::UnexpectedClientNoContextTakeover => {
                f.write_str("Unexpected parameter \"client_no_context_takeover\"")
            }
            Self::UnexpectedClientMaxWindowBits => {
                f.write_str("Unexpected or invalid parameter \"client_max_window_bits\"")
            }
        }
    }
}

impl std::error::Error for NegotiationError {}

/// What an endpoint wants of a window size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowBits {
    /// Nothing: what the peer asks for is given.
    #[default]
    Any,
    /// It is not to be negotiated.
    Unsupported,
    /// This number.
    Exactly(u8),
}

/// What a server wants of the extension. The default accepts every valid offer as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// `Some(true)`: the server gives up its context. `Some(false)`: it refuses to.
    pub server_no_context_takeover: Option<bool>,
    /// Whether the client is asked to give up its context.
    pub client_no_context_takeover: bool,
    /// The window that the server compresses with.
    pub server_max_window_bits: WindowBits,
    /// The window that the client is to compress with.
    pub client_max_window_bits: WindowBits,
}

impl ServerConfig {
    /// Picks the first acceptable offer; returns its index and the response.
    ///
    /// # Errors
    ///
    /// An invalid offer, even one after an acceptable one, or
    /// [`NegotiationError::NoAcceptableOffer`].
    pub fn accept(
        &self,
        offers: &[impl AsRef<[extension::Parameter]>],
    ) -> Result<(usize, Parameters), NegotiationError> {
        let offers = offers
            .iter()
            .map(|offer| Parameters::parse(offer.as_ref(), Role::Server))
            .collect::<Result<Vec<_>, _>>()?;
        offers
            .into_iter()
            .enumerate()
            .find(|(_, offer)| self.is_acceptable(offer))
            .map(|(index, offer)| (index, self.respond(offer)))
            .ok_or(NegotiationError::NoAcceptableOffer)
    }

    fn is_acceptable(&self, offer: &Parameters) -> bool {
        use ParameterName::{ClientMaxWindowBits, ServerMaxWindowBits, ServerNoContextTakeover};

        let context = !(self.server_no_context_takeover == Some(false)
            && offer.value(ServerNoContextTakeover).is_some());
        let server_window = match (self.server_max_window_bits, offer.bits(ServerMaxWindowBits)) {
            (WindowBits::Any, _) | (_, None) => true,
            (WindowBits::Unsupported, Some(_)) => false,
            (WindowBits::Exactly(wanted), Some(offered)) => wanted <= offered,
        };
        // RFC 7692, section 7.1.2.2: the response may limit the client's window only if the offer
        // says that the client heeds it, and not above what it says.
        let client_window = match (self.client_max_window_bits, offer.value(ClientMaxWindowBits)) {
            (WindowBits::Exactly(_), None) => false,
            (WindowBits::Exactly(wanted), Some(ParameterValue::Bits(offered))) => wanted <= offered,
            _ => true,
        };
        context && server_window && client_window
    }

    fn respond(&self, mut response: Parameters) -> Parameters {
        use ParameterName::{
            ClientMaxWindowBits, ClientNoContextTakeover, ServerMaxWindowBits,
            ServerNoContextTakeover,
        };

        if self.server_no_context_takeover == Some(true) {
            response.set(ServerNoContextTakeover, ParameterValue::Flag);
        }
        if self.client_no_context_takeover {
            response.set(ClientNoContextTakeover, ParameterValue::Flag);
        }
        if let WindowBits::Exactly(bits) = self.server_max_window_bits {
            response.set(ServerMaxWindowBits, ParameterValue::Bits(bits));
        }
        match self.client_max_window_bits {
            WindowBits::Exactly(bits) => {
                response.set(ClientMaxWindowBits, ParameterValue::Bits(bits));
            }
            WindowBits::Unsupported => response.remove(ClientMaxWindowBits),
            WindowBits::Any if response.bits(ClientMaxWindowBits).is_none() => {
                response.remove(ClientMaxWindowBits);
            }
            WindowBits::Any => {}
        }
        response
    }
}

/// What a client wants of the extension. The default offers everything and asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// Whether the server is asked to give up its context.
    pub server_no_context_takeover: bool,
    /// `Some(true)`: the client will give up its context. `Some(false)`: it refuses to.
    pub client_no_context_takeover: Option<bool>,
    /// The window that the server is asked to compress with.
    pub server_max_window_bits: WindowBits,
    /// The largest window that the client will compress with.
    pub client_max_window_bits: WindowBits,
}

impl ClientConfig {
    /// The offer to send.
    pub fn offer(&self) -> Parameters {
        use ParameterName::{
            ClientMaxWindowBits, ClientNoContextTakeover, ServerMaxWindowBits,
            ServerNoContextTakeover,
        };

        let mut offer = Parameters::default();
        if self.server_no_context_takeover {
            offer.set(ServerNoContextTakeover, ParameterValue::Flag);
        }
        if self.client_no_context_takeover == Some(true) {
            offer.set(ClientNoContextTakeover, ParameterValue::Flag);
        }
        if let WindowBits::Exactly(bits) = self.server_max_window_bits {
            offer.set(ServerMaxWindowBits, ParameterValue::Bits(bits));
        }
        match self.client_max_window_bits {
            WindowBits::Exactly(bits) => offer.set(ClientMaxWindowBits, ParameterValue::Bits(bits)),
            WindowBits::Any => offer.set(ClientMaxWindowBits, ParameterValue::Flag),
            WindowBits::Unsupported => {}
        }
        offer
    }

    /// Takes the server's response: the first element of the header that names the extension.
    ///
    /// Deviation (ws 8.x): a server has no business to send more than one. What the others say
    /// must be valid and doesn't count.
    ///
    /// # Errors
    ///
    /// An invalid response, one that asks for what this client refuses, or none.
    pub fn accept(
        &self,
        responses: &[impl AsRef<[extension::Parameter]>],
    ) -> Result<Parameters, NegotiationError> {
        use ParameterName::{ClientMaxWindowBits, ClientNoContextTakeover};

        let responses = responses
            .iter()
            .map(|response| Parameters::parse(response.as_ref(), Role::Client))
            .collect::<Result<Vec<_>, _>>()?;
        let mut agreed = responses.into_iter().next().ok_or(NegotiationError::NoResponse)?;
        if self.client_no_context_takeover == Some(false)
            && agreed.value(ClientNoContextTakeover).is_some()
        {
            return Err(NegotiationError::UnexpectedClientNoContextTakeover);
        }
        match (self.client_max_window_bits, agreed.bits(ClientMaxWindowBits)) {
            (WindowBits::Exactly(wanted), None) => {
                agreed.set(ClientMaxWindowBits, ParameterValue::Bits(wanted));
            }
            (WindowBits::Exactly(wanted), Some(bits)) if bits > wanted => {
                return Err(NegotiationError::UnexpectedClientMaxWindowBits);
            }
            (WindowBits::Unsupported, Some(_)) => {
                return Err(NegotiationError::UnexpectedClientMaxWindowBits);
            }
            _ => {}
        }
        Ok(agreed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offers or the response as they stand in a header.
    fn parse(header: &str) -> Vec<Vec<extension::Parameter>> {
        extension::parse(header)
            .unwrap()
            .into_iter()
            .inspect(|extension| assert_eq!(extension.name, EXTENSION_NAME))
            .map(|extension| extension.parameters)
            .collect()
    }

    /// The response of a server, as a header without the name; or the error's text.
    fn server(config: ServerConfig, offers: &str) -> Result<String, String> {
        config
            .accept(&parse(offers))
            .map(|(_, response)| header(&response))
            .map_err(|error| error.to_string())
    }

    fn client(config: ClientConfig, response: &str) -> Result<String, String> {
        config
            .accept(&parse(response))
            .map(|agreed| header(&agreed))
            .map_err(|error| error.to_string())
    }

    fn header(parameters: &Parameters) -> String {
        let header = extension::format(&[parameters.to_extension()]);
        header.strip_prefix("permessage-deflate").unwrap().trim_start_matches("; ").to_owned()
    }

    const NONE_ACCEPTABLE: &str = "None of the extension offers can be accepted";

    #[test]
    fn server_gives_what_is_offered() {
        for (offer, response) in [
            ("", ""),
            ("; client_max_window_bits", ""),
            ("; client_max_window_bits=10", "client_max_window_bits=10"),
            ("; server_max_window_bits=10", "server_max_window_bits=10"),
            (
                "; client_no_context_takeover; server_no_context_takeover",
                "client_no_context_takeover; server_no_context_takeover",
            ),
        ] {
            let offer = format!("permessage-deflate{offer}");
            assert_eq!(server(ServerConfig::default(), &offer).unwrap(), response, "{offer}");
        }
    }

    #[test]
    fn server_holds_to_its_own_numbers() {
        use WindowBits::{Exactly, Unsupported};

        let none = Err(NONE_ACCEPTABLE.to_owned());
        let ok = |response: &str| Ok(response.to_owned());
        for (server_bits, client_bits, offer, response) in [
            (
                Exactly(9),
                WindowBits::Any,
                "; server_max_window_bits=10",
                ok("server_max_window_bits=9"),
            ),
            (Exactly(9), WindowBits::Any, "", ok("server_max_window_bits=9")),
            (Exactly(12), WindowBits::Any, "; server_max_window_bits=10", none.clone()),
            (Unsupported, WindowBits::Any, "; server_max_window_bits=10", none.clone()),
            (Unsupported, WindowBits::Any, "", ok("")),
            (WindowBits::Any, Exactly(10), "", none.clone()),
            (WindowBits::Any, Exactly(10), "; client_max_window_bits=9", none.clone()),
            (
                WindowBits::Any,
                Exactly(10),
                "; client_max_window_bits",
                ok("client_max_window_bits=10"),
            ),
            (
                WindowBits::Any,
                Exactly(10),
                "; client_max_window_bits=12",
                ok("client_max_window_bits=10"),
            ),
            (WindowBits::Any, Unsupported, "; client_max_window_bits=12", ok("")),
            (WindowBits::Any, Unsupported, "; client_max_window_bits", ok("")),
        ] {
            let config = ServerConfig {
                server_max_window_bits: server_bits,
                client_max_window_bits: client_bits,
                ..Default::default()
            };
            let offer = format!("permessage-deflate{offer}");
            assert_eq!(server(config, &offer), response, "{config:?} {offer}");
        }
    }

    #[test]
    fn server_holds_to_its_context_takeover() {
        let refuse = ServerConfig { server_no_context_takeover: Some(false), ..Default::default() };
        let offer = "permessage-deflate; server_no_context_takeover";
        assert_eq!(server(refuse, offer).unwrap_err(), NONE_ACCEPTABLE);

        let ask = ServerConfig {
            server_no_context_takeover: Some(true),
            client_no_context_takeover: true,
            ..Default::default()
        };
        assert_eq!(
            server(ask, "permessage-deflate; client_no_context_takeover").unwrap(),
            "client_no_context_takeover; server_no_context_takeover"
        );
    }

    #[test]
    fn server_takes_the_first_acceptable_offer() {
        let config =
            ServerConfig { server_max_window_bits: WindowBits::Exactly(11), ..Default::default() };
        let offers = parse("permessage-deflate; server_max_window_bits=10, permessage-deflate");
        let (index, response) = config.accept(&offers).unwrap();
        assert_eq!((index, response.max_window_bits(Role::Server)), (1, 11));
        assert_eq!(
            server(config, "permessage-deflate; server_max_window_bits=10").unwrap_err(),
            NONE_ACCEPTABLE
        );
    }

    #[test]
    fn refuses_invalid_parameters() {
        for (parameters, text) in [
            (
                "server_no_context_takeover; server_no_context_takeover",
                "Parameter \"server_no_context_takeover\" must have only a single value",
            ),
            // The name that comes twice is reported even if its value is wrong too.
            ("foo; foo", "Parameter \"foo\" must have only a single value"),
            ("foo", "Unknown parameter \"foo\""),
            (
                "client_no_context_takeover=10",
                "Invalid value for parameter \"client_no_context_takeover\": 10",
            ),
            (
                "server_no_context_takeover=true",
                "Invalid value for parameter \"server_no_context_takeover\": true",
            ),
            (
                "server_max_window_bits=7",
                "Invalid value for parameter \"server_max_window_bits\": 7",
            ),
            (
                "server_max_window_bits",
                "Invalid value for parameter \"server_max_window_bits\": true",
            ),
            (
                "client_max_window_bits=16",
                "Invalid value for parameter \"client_max_window_bits\": 16",
            ),
            // RFC 7692, section 7.1.2.1: no leading zeros.
            (
                "server_max_window_bits=08",
                "Invalid value for parameter \"server_max_window_bits\": 08",
            ),
            (
                "server_max_window_bits=1e1",
                "Invalid value for parameter \"server_max_window_bits\": 1e1",
            ),
        ] {
            let header = format!("permessage-deflate; {parameters}");
            assert_eq!(server(ServerConfig::default(), &header).unwrap_err(), text);
            assert_eq!(client(ClientConfig::default(), &header).unwrap_err(), text);
            // After an acceptable offer it counts as well.
            let offers = format!("permessage-deflate, {header}");
            assert_eq!(server(ServerConfig::default(), &offers).unwrap_err(), text);
        }
    }

    #[test]
    fn takes_steps_in_proportion_to_the_length() {
        let known = "server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=9; client_max_window_bits";
        let shapes: [Box<dyn Fn(usize) -> String>; 4] = [
            Box::new(|count| vec![known; count].join(", permessage-deflate; ")),
            Box::new(|count| {
                vec!["server_max_window_bits=8"; count].join(", permessage-deflate; ")
            }),
            Box::new(|count| {
                let unknown: String = (0..count).map(|i| format!("; p{i}")).collect();
                format!("{known}{unknown}")
            }),
            Box::new(|count| vec!["client_max_window_bits"; count].join("; ")),
        ];
        for shape in shapes {
            steps::assert_linear(|count| {
                let header = format!("permessage-deflate; {}", shape(count));
                let offers = parse(&header);
                let config = ServerConfig {
                    server_max_window_bits: WindowBits::Exactly(15),
                    ..ServerConfig::default()
                };
                (header.len(), steps::taken(|| assert!(config.accept(&offers).is_err())))
            });
        }
    }

    #[test]
    fn client_offers_as_configured() {
        assert_eq!(header(&ClientConfig::default().offer()), "client_max_window_bits");
        let config = ClientConfig {
            server_no_context_takeover: true,
            client_no_context_takeover: Some(true),
            server_max_window_bits: WindowBits::Exactly(10),
            client_max_window_bits: WindowBits::Exactly(11),
        };
        assert_eq!(
            header(&config.offer()),
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; \
             client_max_window_bits=11"
        );
        let config =
            ClientConfig { client_max_window_bits: WindowBits::Unsupported, ..Default::default() };
        assert_eq!(header(&config.offer()), "");
    }

    #[test]
    fn client_takes_a_response() {
        let all =
            "client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11";
        let agreed =
            ClientConfig::default().accept(&parse(&format!("permessage-deflate; {all}"))).unwrap();
        assert_eq!(header(&agreed), all);
        assert_eq!(agreed.max_window_bits(Role::Server), 10);
        assert_eq!(agreed.max_window_bits(Role::Client), 11);
        assert!(agreed.no_context_takeover(Role::Client));
        assert!(!agreed.no_context_takeover(Role::Server));
        assert_eq!(Parameters::default().max_window_bits(Role::Client), 15);
    }

    #[test]
    fn client_takes_the_first_response_if_all_are_valid() {
        let config = ClientConfig::default();
        let two = "permessage-deflate; server_max_window_bits=9, permessage-deflate";
        assert_eq!(client(config, two).unwrap(), "server_max_window_bits=9");
        assert_eq!(
            client(config, "permessage-deflate, permessage-deflate; foo").unwrap_err(),
            "Unknown parameter \"foo\""
        );
        let none: [Vec<extension::Parameter>; 0] = [];
        assert_eq!(config.accept(&none).unwrap_err(), NegotiationError::NoResponse);
    }

    #[test]
    fn client_refuses_more_than_it_allows() {
        let config = ClientConfig { client_no_context_takeover: Some(false), ..Default::default() };
        assert_eq!(
            client(config, "permessage-deflate; client_no_context_takeover").unwrap_err(),
            "Unexpected parameter \"client_no_context_takeover\""
        );

        let text = "Unexpected or invalid parameter \"client_max_window_bits\"";
        let unsupported =
            ClientConfig { client_max_window_bits: WindowBits::Unsupported, ..Default::default() };
        let ten =
            ClientConfig { client_max_window_bits: WindowBits::Exactly(10), ..Default::default() };
        for config in [unsupported, ten] {
            assert_eq!(
                client(config, "permessage-deflate; client_max_window_bits=11").unwrap_err(),
                text
            );
        }
        // Its own number holds if the server does not say one.
        assert_eq!(client(ten, "permessage-deflate").unwrap(), "client_max_window_bits=10");
        assert_eq!(
            client(ten, "permessage-deflate; client_max_window_bits=9").unwrap(),
            "client_max_window_bits=9"
        );
        assert_eq!(
            client(ten, "permessage-deflate; client_max_window_bits").unwrap_err(),
            "Invalid value for parameter \"client_max_window_bits\": true"
        );
    }
}
