//! What happens to one request: how much of it is read, what is written and how, and the end.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::CAP;
use super::connection::{Connection, Request};
use crate::support::file::File;

/// How a connection ends. With nothing written before it, an end is a [`Turn`] of its own:
/// `Reset.after_head()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: the client reads all that was sent and then the end, whatever it still writes.
    Close,
    /// As when a process exits: the same, but what the client writes from then on is met with a
    /// reset. So is the client at once, if it wrote something that was not read.
    HangUp,
    /// With a reset. What was sent before it usually still arrives.
    Reset,
    /// As [`End::HangUp`], once the next request has begun to arrive. Nothing of that is read.
    HangUpOnNext,
    /// Not at all: the connection stays open and silent until the client leaves.
    Stall,
}

impl End {
    /// Before anything is read. (A reset takes a first byte to send it.)
    pub fn on_accept(self) -> Turn {
        Turn::raw("").on_accept().then(self)
    }

    /// After the request's head, with the body unread.
    pub fn after_head(self) -> Turn {
        Turn::raw("").early().then(self)
    }

    /// After the whole request.
    pub fn after_request(self) -> Turn {
        Turn::raw("").then(self)
    }
}

/// How much of a request is read before something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reads {
    Nothing,
    Head,
    #[default]
    Request,
}

/// What happens to one request. Unless told otherwise, the whole request is read, the answer is
/// proper, and the connection stays open.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub(super) reads: Reads,
    /// Whether the port is closed before anything is written.
    pub(super) leaves: bool,
    /// Empty for what is no HTTP.
    status_line: String,
    headers: Vec<u8>,
    /// Whether nothing tells where the body ends, but for headers that were given.
    unframed: bool,
    body: Vec<u8>,
    /// What the body goes on with again and again.
    endless: Vec<u8>,
    /// Where status, headers and body come from.
    file: Option<File>,
    head_limits: Limits,
    body_limits: Limits,
    then: Option<End>,
}

/// What is done to the head or the body while it is written.
#[derive(Clone, Debug, Default)]
struct Limits {
    /// So many bytes at a time, with a pause after each.
    drip: Option<(usize, Duration)>,
    /// After so many bytes, this.
    cut: Option<(usize, End)>,
}

/// What is answered.
impl Turn {
    /// An empty answer; the status need not be one that exists.
    pub fn status(code: impl Display) -> Self {
        Self::default().status_line(format!("HTTP/1.1 {code} Because"))
    }

    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200)
            .header("Content-Type", "application/json")
            .body(body)
    }

    pub fn html(code: impl Display, body: impl Into<Vec<u8>>) -> Self {
        Self::status(code)
            .header("Content-Type", "text/html; charset=utf-8")
            .body(body)
    }

    pub fn redirect(code: impl Display, location: impl AsRef<[u8]>) -> Self {
        Self::status(code).header("Location", location)
    }

    /// The storage's own way of saying no.
    pub fn s3_error(code: impl Display, name: &str, message: &str) -> Self {
        let xml = format!("<Error><Code>{name}</Code><Message>{message}</Message></Error>");
        Self::status(code)
            .header("Content-Type", "application/xml")
            .body(xml)
    }

    /// The file, or the part of it that the request asks for.
    pub fn file(file: &File) -> Self {
        let mut turn = Self::status(200);
        turn.file = Some(file.clone());
        turn
    }

    /// These bytes and nothing else, HTTP or not.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::default().body(bytes)
    }

    pub fn status_line(mut self, line: impl Into<String>) -> Self {
        self.status_line = line.into();
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let line = [name.as_bytes(), b": ", value.as_ref(), b"\r\n"];
        self.headers.extend(line.concat());
        self
    }

    /// Without a word about where the body ends, unless a header says it.
    pub fn unframed(mut self) -> Self {
        self.unframed = true;
        self
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// These bytes again and again, after those that the body or [`Turn::raw`] has.
    pub fn endless(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.endless = bytes.as_ref().repeat(1 << 12);
        self
    }

    /// The body so far in chunks of these sizes, the last one repeating. An endless body goes on in
    /// larger ones.
    pub fn chunked(mut self, sizes: &[usize]) -> Self {
        let last = sizes.last().copied().unwrap_or(1);
        let mut sizes = sizes.iter().copied();
        let body = std::mem::take(&mut self.body);
        let mut rest = &*body;
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(last);
            let (this, next) = rest.split_at(size.min(rest.len()));
            self.body.extend(chunk(this));
            rest = next;
        }
        if self.endless.is_empty() {
            self.body.extend(chunk(b""));
        } else {
            self.endless = chunk(&self.endless);
        }
        self.header("Transfer-Encoding", "chunked").unframed()
    }

    /// A body that ends with the connection.
    pub fn until_close(self) -> Self {
        self.unframed().then(End::Close)
    }
}

/// When, how fast, and how far.
impl Turn {
    /// Answers without having read the request's body. Nothing is read afterwards.
    pub fn early(mut self) -> Self {
        self.reads = Reads::Head;
        self
    }

    /// Answers without having read anything. Nothing is read afterwards.
    pub fn on_accept(mut self) -> Self {
        self.reads = Reads::Nothing;
        self
    }

    /// Closes the port first: nobody listens any more, and no other server takes its address.
    pub fn leave(mut self) -> Self {
        self.leaves = true;
        self
    }

    /// Writes the head so many bytes at a time, with a pause after each.
    pub fn drip_head(mut self, bytes: usize, pause: Duration) -> Self {
        self.head_limits.drip = Some((bytes, pause));
        self
    }

    pub fn drip_body(mut self, bytes: usize, pause: Duration) -> Self {
        self.body_limits.drip = Some((bytes, pause));
        self
    }

    /// Writes at most so many bytes of the head, and then ends.
    pub fn cut_head(mut self, bytes: usize, end: End) -> Self {
        self.head_limits.cut = Some((bytes, end));
        self
    }

    /// Writes at most so many bytes of the body as it is on the wire, and then ends.
    pub fn cut_body(mut self, bytes: usize, end: End) -> Self {
        self.body_limits.cut = Some((bytes, end));
        self
    }

    /// Ends the connection after the answer.
    pub fn then(mut self, end: End) -> Self {
        self.then = Some(end);
        self
    }
}

/// Playing it.
impl Turn {
    /// Returns how the connection ends, if it does.
    pub(super) fn play(mut self, request: &Request, on: &Connection) -> io::Result<Option<End>> {
        if self.leaves {
            on.shared.stop_accepting();
            // Until the thread that accepts has closed the port.
            while TcpStream::connect(on.shared.addr).is_ok() {}
        }
        if let Some(file) = self.file.take() {
            self = file.answer(request, self);
        }
        let mut stream = &on.stream;
        if let Some(end) = self.head_limits.write(&self.head(), stream)? {
            return Ok(Some(end));
        }
        if let Some(end) = self.body_limits.write(&self.body, stream)? {
            return Ok(Some(end));
        }
        for _ in 0..CAP.checked_div(self.endless.len()).unwrap_or(0) {
            stream.write_all(&self.endless)?;
        }
        Ok(self.then)
    }

    fn head(&self) -> Vec<u8> {
        if self.status_line.is_empty() {
            return Vec::new();
        }
        let mut head = format!("{}\r\n", self.status_line).into_bytes();
        head.extend(&self.headers);
        if !self.unframed {
            // Less than `CAP` of what is endless may come.
            let length = self.body.len() as u64 + self.endless.len() as u64 * CAP as u64;
            head.extend(format!("Content-Length: {length}\r\n").into_bytes());
        }
        head.extend(b"\r\n");
        head
    }
}

impl Limits {
    /// Writes within the limits, and returns the end if it was cut.
    fn write(&self, bytes: &[u8], mut stream: &TcpStream) -> io::Result<Option<End>> {
        let cut = self.cut.unwrap_or((bytes.len(), End::Stall));
        let drip = self.drip.unwrap_or((bytes.len().max(1), Duration::ZERO));
        for drop in bytes[..cut.0.min(bytes.len())].chunks(drip.0) {
            stream.write_all(drop)?;
            thread::sleep(drip.1);
        }
        Ok(self.cut.map(|(_, end)| end))
    }
}

/// One chunk; an empty one is the last.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
