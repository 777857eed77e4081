//! A service in memory: a client that is answered with bytes of the fuzzer's choice, without a
//! network.
//!
//! It is an agent whose connections are made of buffers. That part of `ureq` is not stable, so the
//! crate itself does not use it.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imagen_ai::ureq::config::Config;
use imagen_ai::ureq::http::Uri;
use imagen_ai::ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use imagen_ai::ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use imagen_ai::ureq::{self, Agent};
use imagen_ai::{Client, Error, RetryPolicy};

/// The API key, and the signature of links. Few words of this crate end in letters of theirs, and no
/// status does, so that a part of them is not made longer by what stands before it.
pub const KEY: &str = "ZqJxWvQKjQVzJkZXwJVq";
pub const SIGNATURE: &str = "xQJvZkQWjXZqKzVVwJJxZqQKvWZjQkVX";

/// Smaller than `ureq`'s own buffers, which take longer to make than a call. An answer's head must
/// fit.
const BUFFER: usize = 24 * 1024;

/// How many letters of a secret in a row may not be shown.
const SHOWN_OF_KEY: usize = 8;
const SHOWN_OF_SIGNATURE: usize = 12;

/// A service that answers each connection with the next of some answers, byte for byte, and then
/// hangs up. Without another answer it refuses the connection.
#[derive(Clone, Debug)]
pub struct Service(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    answers: VecDeque<Vec<u8>>,
    /// Where each connection led.
    connected: Vec<Uri>,
    received: Vec<u8>,
}

impl Service {
    pub fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(State {
            answers: answers.into_iter().collect(),
            connected: Vec::new(),
            received: Vec::new(),
        })))
    }

    /// Makes a client of this service that tries everything once.
    pub fn client(&self) -> Client {
        let config = Agent::config_builder().proxy(None).build();
        Client::builder(KEY)
            .base_url("https://api.fuzz.test/v1")
            .retry(RetryPolicy::none())
            .agent(Agent::with_parts(config, self.clone(), Nowhere))
            .build()
            .expect("the settings are right")
    }

    /// Where each connection led, in order.
    pub fn connected(&self) -> Vec<Uri> {
        self.state().connected.clone()
    }

    /// Everything that was sent.
    pub fn received(&self) -> Vec<u8> {
        self.state().received.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector<()> for Service {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let mut state = self.state();
        state.connected.push(details.uri.clone());
        let Some(answer) = state.answers.pop_front() else {
            return Err(ureq::Error::Io(ErrorKind::ConnectionRefused.into()));
        };
        Ok(Some(Connection {
            service: self.clone(),
            buffers: LazyBuffers::new(BUFFER, BUFFER),
            answer,
            read: 0,
            is_tls: details.needs_tls(),
        }))
    }
}

#[derive(Debug)]
pub struct Connection {
    service: Service,
    buffers: LazyBuffers,
    answer: Vec<u8>,
    /// How much of the answer was read.
    read: usize,
    is_tls: bool,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = &self.buffers.output()[..amount];
        self.service.state().received.extend_from_slice(output);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let room = self.buffers.input_append_buf();
        let rest = &self.answer[self.read..];
        let amount = rest.len().min(room.len());
        room[..amount].copy_from_slice(&rest[..amount]);
        self.buffers.input_appended(amount);
        self.read += amount;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// Gives every name one address, where nobody is asked.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from(([127, 0, 0, 1], 9)));
        Ok(addresses)
    }
}

/// Makes an answer with a status and a body.
pub fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Returns a folder in memory, where there is one: files are synced to the disk.
pub fn memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    match shared.is_dir() {
        true => shared.to_owned(),
        false => std::env::temp_dir(),
    }
}

/// Takes the first byte.
pub fn first(data: &mut &[u8]) -> usize {
    let Some((first, rest)) = data.split_first() else {
        return 0;
    };
    *data = rest;
    usize::from(*first)
}

/// Checks what every error promises, whatever came: its texts are lines that can be printed, of a
/// bounded length, without the key and, for an error of a link with it, without the signature.
pub fn check_shown(error: &Error, signature: &str) {
    for text in texts(error) {
        assert!(is_free_of(text, KEY, SHOWN_OF_KEY), "{text}");
        assert!(is_free_of(text, signature, SHOWN_OF_SIGNATURE), "{text}");
    }
    let lines = check_lines(error);
    // Two texts can meet in these, each with a little less than what counts.
    let structure = format!("{error:#?}");
    for text in lines.iter().chain([&structure]) {
        assert!(is_free_of(text, KEY, 2 * SHOWN_OF_KEY), "{text}");
        assert!(
            is_free_of(text, signature, 2 * SHOWN_OF_SIGNATURE),
            "{text}"
        );
    }
}

/// Checks that an error is shown in lines that can be printed, of a bounded length, and returns them.
pub fn check_lines(error: &Error) -> [String; 3] {
    let lines = [error.to_string(), format!("{error:?}"), error.summary()];
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.chars().count() < 2_000, "{line:?}");
    }
    lines
}

/// Returns the texts of an error that came from elsewhere.
fn texts(error: &Error) -> Vec<&str> {
    let mut texts = match error {
        Error::InvalidInput { message, .. } => vec![message.as_str()],
        Error::Api(e) => vec![e.message.as_str()],
        Error::EnhancementFailed(e) => vec![e.message.as_str()],
        Error::OutcomeUnknown(e) | Error::Network(e) | Error::Decode(e) => {
            vec![e.cause.message.as_str()]
        }
        Error::Transfer(e) => vec![e.message.as_str(), e.name.as_str()],
        _ => Vec::new(),
    };
    if let Some(context) = error.context() {
        texts.extend([context.body.as_str(), context.path.as_str()]);
        texts.extend(context.request_id.as_deref());
    }
    texts
}

/// Whether a text repeats much of the signature.
pub fn repeats_signature(text: &str) -> bool {
    !is_free_of(text, SIGNATURE, SHOWN_OF_SIGNATURE / 2)
}

/// Whether a text does not hold so many letters and digits in a row of a secret, in any case and
/// with whatever stands between them.
fn is_free_of(text: &str, secret: &str, length: usize) -> bool {
    let text = letters(text);
    let secret = letters(secret);
    secret
        .as_bytes()
        .windows(length)
        .all(|part| !text.as_bytes().windows(length).any(|shown| shown == part))
}

fn letters(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}
