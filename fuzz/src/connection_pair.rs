//! A client and a server that do whatever the input says, over a link that may break.
//!
//! Invariant: neither panics, no state goes back, and what was sent over a link that nobody
//! tampered with arrives as it was sent, in order and without an error. On such a link a closing
//! handshake closes both ends, each with the other's code; on every link time does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionConfig, MaskingKeys, State, Transmit};
use oxws::protocol::deflate::{ClientConfig, Parameters, ServerConfig, WindowBits};
use oxws::protocol::{CloseCode, Event, Opcode, ProtocolError, Role};

use super::input::Input;
use super::seen::Seen;

/// Enough for every situation, few enough for the fuzzer's pace.
const MAX_OPERATIONS: usize = 200;

/// Checks the invariant.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut pair = Pair::new(&mut input);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        pair.operate(&mut input);
    }
    pair.finish();
}

/// Keys that differ from frame to frame.
#[derive(Debug)]
struct Keys(u32);

impl MaskingKeys for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        self.0.to_be_bytes()
    }
}

/// One end, and the link to it.
struct Endpoint {
    connection: Connection<Keys>,
    /// The latest state.
    state: State,
    /// What is under way to this end.
    inbox: VecDeque<Transmit>,
    /// Whether this end gets what the other one sends, unchanged.
    intact: bool,
    /// What the other end has sent, without pongs and what has arrived.
    expected: VecDeque<Seen>,
    /// The fragmented message that this end is sending, with the lengths of its fragments.
    fragmented: Option<(Opcode, Vec<u8>, Vec<usize>)>,
    /// The code of the close frame that this end sent first, if it was not an answer.
    closed_with: Option<CloseCode>,
    failed: bool,
}

struct Pair {
    now: Instant,
    client: Endpoint,
    server: Endpoint,
    /// Whether errors come from the limits.
    limited: bool,
    compressed: bool,
}

impl Pair {
    fn new(input: &mut Input<'_>) -> Self {
        let (flags, limits) = (input.byte(), input.byte());
        let max_payload = [0, 0, 0, 100][usize::from(limits & 3)];
        let agreed = (flags & 1 != 0).then(|| agree(flags));
        let endpoint = |role| {
            let mut config = ConnectionConfig::new(role);
            config.auto_pong = flags & 2 == 0;
            config.max_pending_auto_pongs = 0;
            config.limits.max_payload = max_payload;
            if let Some(agreed) = &agreed {
                config = config.with_permessage_deflate(agreed);
            }
            if let Some(compression) = &mut config.compression {
                compression.threshold = usize::from(limits >> 2);
                // The smallest state keeps the fuzzer's pace.
                compression.compressor.mem_level = 1;
            }
            Endpoint {
                connection: Connection::new(config, Keys(limits.into())),
                state: State::Open,
                inbox: VecDeque::new(),
                intact: true,
                expected: VecDeque::new(),
                fragmented: None,
                closed_with: None,
                failed: false,
            }
        };
        Self {
            now: Instant::now(),
            client: endpoint(Role::Client),
            server: endpoint(Role::Server),
            limited: max_payload > 0,
            compressed: agreed.is_some(),
        }
    }

    fn endpoint(&mut self, role: Role) -> &mut Endpoint {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Does one thing that the input says.
    fn operate(&mut self, input: &mut Input<'_>) {
        let operation = input.byte();
        let role = if operation & 1 == 0 { Role::Client } else { Role::Server };
        match operation >> 1 & 15 {
            0 | 1 => self.send_message(role, input),
            2 | 3 => self.send_fragment(role, input),
            4 => self.send_control(role, input),
            5 => self.send_close(role, input),
            6 => self.tamper(role, input),
            7 => self.break_link(role, input),
            8 => self.advance(Duration::from_secs(input.byte().into())),
            9 => self.transmit(role, 1 + usize::from(input.byte())),
            _ => {
                self.transmit(role.peer(), usize::MAX);
                while self.deliver(role) {}
            }
        }
        for role in [Role::Client, Role::Server] {
            let endpoint = self.endpoint(role);
            let state = endpoint.connection.state();
            assert!(state >= endpoint.state, "{role:?} went back to {state:?}");
            endpoint.state = state;
        }
    }

    fn send_message(&mut self, role: Role, input: &mut Input<'_>) {
        let length = input.byte();
        let data = input.bytes(length.into()).to_vec();
        let connection = &mut self.endpoint(role).connection;
        let (result, seen) = match String::from_utf8(data) {
            Ok(text) => (connection.send_text(&text), Seen::Text(text.into_bytes(), vec![])),
            Err(error) => {
                let data = error.into_bytes();
                (connection.send_binary(&data), Seen::Binary(data, vec![]))
            }
        };
        if result.is_ok() {
            self.endpoint(role.peer()).expected.push_back(seen);
        }
    }

    fn send_fragment(&mut self, role: Role, input: &mut Input<'_>) {
        let flags = input.byte();
        let fin = flags & 1 != 0;
        let data = input.bytes(usize::from(flags >> 2)).to_vec();
        let endpoint = self.endpoint(role);
        let opcode = match &endpoint.fragmented {
            Some(_) => Opcode::Continuation,
            None => Opcode::Binary,
        };
        if endpoint.connection.send_fragment(opcode, &data, fin).is_err() {
            return;
        }
        let was_fragmented = endpoint.fragmented.is_some();
        let (_, message, fragments) =
            endpoint.fragmented.get_or_insert((opcode, Vec::new(), Vec::new()));
        message.extend(&data);
        fragments.extend(Some(data.len()).filter(|&length| length > 0));
        if fin && let Some((_, message, fragments)) = endpoint.fragmented.take() {
            let fragments = if was_fragmented { fragments } else { Vec::new() };
            let peer = self.endpoint(role.peer());
            peer.expected.push_back(Seen::Binary(message, fragments));
        }
    }

    fn send_control(&mut self, role: Role, input: &mut Input<'_>) {
        let flags = input.byte();
        let payload = input.bytes(usize::from(flags >> 1)).to_vec();
        let connection = &mut self.endpoint(role).connection;
        if flags & 1 == 0 {
            if connection.send_ping(&payload).is_ok() {
                self.endpoint(role.peer()).expected.push_back(Seen::Ping(payload));
            }
        } else {
            // Pongs mix with automatic ones: they are not expected.
            let _ = connection.send_pong(&payload);
        }
    }

    /// Closes or fails, with any code and reason.
    fn send_close(&mut self, role: Role, input: &mut Input<'_>) {
        let now = self.now;
        let flags = input.byte();
        let code = u16::from_be_bytes([input.byte(), input.byte()]);
        let code = CloseCode::new(if flags & 2 == 0 { code } else { 1000 + (code & 15) });
        let reason = String::from_utf8_lossy(input.bytes(usize::from(flags >> 2))).into_owned();
        let endpoint = self.endpoint(role);
        let was_open = endpoint.connection.state() == State::Open;
        if flags & 1 == 0 {
            let closes = endpoint.connection.send_close(now, Some(code), &reason).is_ok();
            if was_open && closes {
                endpoint.closed_with = Some(code);
            }
        } else {
            endpoint.connection.fail(now, code, &reason);
            endpoint.failed = true;
        }
    }

    /// Changes what is under way to `role`.
    fn tamper(&mut self, role: Role, input: &mut Input<'_>) {
        let (index, bit) = (usize::from(input.byte()), input.byte() & 7);
        let endpoint = self.endpoint(role);
        let data = endpoint.inbox.iter_mut().find_map(|transmit| match transmit {
            Transmit::Data(data) if index < data.len() => Some(data),
            _ => None,
        });
        if let Some(data) = data {
            data[index] ^= 1 << bit;
            self.client.intact = false;
            self.server.intact = false;
        }
    }

    /// Loses what is under way to `role`, and its transport in one way or another.
    fn break_link(&mut self, role: Role, input: &mut Input<'_>) {
        let now = self.now;
        self.client.intact = false;
        self.server.intact = false;
        let endpoint = self.endpoint(role);
        endpoint.inbox.clear();
        match input.byte() & 3 {
            0 => endpoint.connection.receive_eof(now),
            1 => endpoint.connection.terminate(),
            _ => {}
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        let now = self.now;
        for role in [Role::Client, Role::Server] {
            let endpoint = self.endpoint(role);
            let due = endpoint.connection.poll_timeout().is_some_and(|deadline| deadline <= now);
            endpoint.connection.handle_timeout(now);
            if due {
                assert_eq!(endpoint.connection.state(), State::Closed);
                self.client.intact = false;
                self.server.intact = false;
            }
        }
    }

    /// Puts what `role` has to send on the link, in chunks of this length.
    fn transmit(&mut self, role: Role, chunk_length: usize) {
        while let Some(transmit) = self.endpoint(role).connection.poll_transmit() {
            let inbox = &mut self.endpoint(role.peer()).inbox;
            match transmit {
                Transmit::Data(data) => {
                    let chunks = data.chunks(chunk_length);
                    inbox.extend(chunks.map(|chunk| Transmit::Data(chunk.into())));
                }
                transmit => inbox.push_back(transmit),
            }
        }
    }

    /// Delivers the first of what is under way to `role`; whether there was anything.
    fn deliver(&mut self, role: Role) -> bool {
        let now = self.now;
        let endpoint = self.endpoint(role);
        match endpoint.inbox.pop_front() {
            None => return false,
            Some(Transmit::Data(data)) => self.receive(role, data.to_vec()),
            Some(Transmit::Eof) => endpoint.connection.receive_eof(now),
            Some(Transmit::Abort) => {
                endpoint.connection.terminate();
                self.client.intact = false;
                self.server.intact = false;
            }
        }
        true
    }

    fn receive(&mut self, role: Role, mut chunk: Vec<u8>) {
        let (now, limited, compressed) = (self.now, self.limited, self.compressed);
        let endpoint = self.endpoint(role);
        let mut position = 0;
        loop {
            match endpoint.connection.receive(now, &mut chunk, &mut position) {
                Ok(Some(event)) => endpoint.check_event(event, &chunk, compressed),
                Ok(None) => break,
                Err(error) => {
                    let allowed =
                        limited && error == ProtocolError::UnsupportedMessageLength.into();
                    assert!(allowed || !endpoint.intact, "{role:?}: {error}");
                    endpoint.failed = true;
                }
            }
        }
        assert_eq!(position, chunk.len());
    }

    /// Closes what is open and lets everything that is under way arrive, then time pass.
    fn finish(mut self) {
        let now = self.now;
        for role in [Role::Client, Role::Server] {
            let endpoint = self.endpoint(role);
            let was_open = endpoint.connection.state() == State::Open;
            let code = CloseCode::NORMAL_CLOSURE;
            assert!(endpoint.connection.send_close(now, Some(code), "").is_ok());
            if was_open {
                endpoint.closed_with = Some(code);
            }
        }
        loop {
            self.transmit(Role::Client, usize::MAX);
            self.transmit(Role::Server, usize::MAX);
            if ![self.deliver(Role::Client), self.deliver(Role::Server)].contains(&true) {
                break;
            }
        }
        let (client, server) = (&self.client, &self.server);
        if client.intact && server.intact {
            assert_eq!(client.connection.state(), State::Closed);
            assert_eq!(server.connection.state(), State::Closed);
            if !client.failed && !server.failed {
                client.check_code(server);
                server.check_code(client);
            }
        }
        self.advance(Duration::from_secs(30));
        for role in [Role::Client, Role::Server] {
            self.transmit(role, usize::MAX);
            let connection = &self.endpoint(role).connection;
            assert_eq!(connection.state(), State::Closed);
            assert_eq!(connection.poll_timeout(), None);
            assert_eq!(connection.buffered_amount(), 0);
            assert!(!connection.close_expected());
        }
    }
}

impl Endpoint {
    fn check_event(&mut self, event: Event, input: &[u8], compressed: bool) {
        assert!(!matches!(event, Event::CompressedFrame { .. }));
        if !self.intact || matches!(event, Event::Pong(_) | Event::Close { .. }) {
            return;
        }
        let (mut seen, mut expected) = (Seen::new(event, input), self.expected.pop_front());
        if compressed {
            // What a fragment inflates to is up to the compressor's flushing.
            clear_fragments(&mut seen);
            expected.as_mut().map(clear_fragments);
        }
        assert_eq!(Some(seen), expected);
    }

    /// Checks the close code and that everything has arrived.
    fn check_code(&self, peer: &Self) {
        let code = match (peer.closed_with, self.closed_with) {
            (Some(code), _) | (None, Some(code)) => code,
            (None, None) => CloseCode::ABNORMAL_CLOSURE,
        };
        assert_eq!(self.connection.close_code(), code);
        assert!(self.expected.is_empty(), "{:?} did not arrive", self.expected);
    }
}

fn clear_fragments(seen: &mut Seen) {
    if let Seen::Text(_, fragments) | Seen::Binary(_, fragments) = seen {
        fragments.clear();
    }
}

/// Parameters of permessage-deflate that a client and a server can agree on.
fn agree(flags: u8) -> Parameters {
    let client = ClientConfig::default();
    let window = |small| if small { WindowBits::Exactly(9) } else { WindowBits::Any };
    let server = ServerConfig {
        server_no_context_takeover: (flags & 4 != 0).then_some(true),
        client_no_context_takeover: flags & 8 != 0,
        server_max_window_bits: window(flags & 16 != 0),
        client_max_window_bits: window(flags & 32 != 0),
    };
    let offer = client.offer().to_extension().parameters;
    let Ok((_, response)) = server.accept(&[offer]) else { panic!("the offer is refused") };
    let Ok(agreed) = client.accept(&[response.to_extension().parameters]) else {
        panic!("the response is refused")
    };
    agreed
}
