//! What happens to one request: how much of it is read, what is written and how, and the end.

use std::fmt::Display;
use std::io;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reads {
    Nothing,
    Head,
    Request,
}

/// What happens to one request. Unless told otherwise, the whole request is read, the answer is
/// proper, and the connection stays open.
#[derive(Clone, Debug)]
pub struct Turn {
    pub(super) reads: Reads,
    /// Whether the port is closed before anything is written.
    pub(super) leaves: bool,
    /// What is written before the answer.
    before: Vec<u8>,
    /// Empty for what is no HTTP.
    status_line: String,
    /// Each with its line end.
    headers: Vec<u8>,
    /// Whether the head gets a `Content-Length`, if it has nothing else to tell the end by.
    framed: bool,
    body: Vec<u8>,
    /// What the body goes on with again and again.
    endless: Vec<u8>,
    /// Where status, headers and body come from.
    file: Option<File>,
    head_limits: Limits,
    body_limits: Limits,
    then: Vec<Step>,
}

/// What is done to the head or the body while it is written.
#[derive(Clone, Debug, Default)]
struct Limits {
    /// So many bytes at a time, with a pause after each.
    drip: Option<(usize, Duration)>,
    /// After so many bytes, this.
    cut: Option<(usize, End)>,
}

/// What follows the answer.
#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Pause(Duration),
    End(End),
}

/// What is answered.
impl Turn {
    /// An empty answer; the status need not be one that exists.
    pub fn status(code: impl Display) -> Self {
        Self {
            reads: Reads::Request,
            leaves: false,
            before: Vec::new(),
            status_line: format!("HTTP/1.1 {code} Because"),
            headers: Vec::new(),
            framed: true,
            body: Vec::new(),
            endless: Vec::new(),
            file: None,
            head_limits: Limits::default(),
            body_limits: Limits::default(),
            then: Vec::new(),
        }
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
    pub fn s3_error(status: impl Display, code: &str, message: &str) -> Self {
        let start = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let turn = Self::status(status).header("Content-Type", "application/xml");
        turn.body(format!("{start}\n{error}"))
    }

    /// The file, or the part of it that the request asks for.
    pub fn file(file: &File) -> Self {
        let mut turn = Self::status(200);
        turn.file = Some(file.clone());
        turn
    }

    /// These bytes and nothing else, HTTP or not.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::status("").status_line("").body(bytes)
    }

    pub fn status_line(mut self, line: impl Into<String>) -> Self {
        self.status_line = line.into();
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let line = [name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat();
        self.headers.extend(line);
        self
    }

    /// Without a word about where the body ends, unless a header says it.
    pub fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// These bytes again and again, after those that the body or [`Turn::raw`] has.
    pub fn endless(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.endless = bytes.repeat((64 << 10) / bytes.len());
        self
    }

    /// The body so far in chunks of these sizes, the last one repeating.
    pub fn chunked(mut self, sizes: &[usize]) -> Self {
        let mut sizes = sizes.iter().chain(sizes.last().into_iter().cycle());
        let mut rest = &*self.body;
        let mut chunks = Vec::new();
        while let Some(size) = sizes.next().filter(|_| !rest.is_empty()) {
            let (this, next) = rest.split_at(rest.len().min(*size));
            chunks.extend(chunk(this));
            rest = next;
        }
        if self.endless.is_empty() {
            chunks.extend(chunk(b""));
        } else {
            let size = sizes.next().copied().unwrap_or(1);
            self.endless = chunk(&self.endless[..size]).repeat((64 << 10) / size);
        }
        self.header("Transfer-Encoding", "chunked").body(chunks)
    }

    /// A body that ends with the connection.
    pub fn until_close(self) -> Self {
        self.unframed().then(End::Close)
    }

    /// Interim answers before it: 100, 102, 103.
    pub fn interim(mut self, code: u16) -> Self {
        let interim = format!("HTTP/1.1 {code} Interim\r\n\r\n");
        self.before.extend(interim.into_bytes());
        self
    }
}

/// When, how fast, and how far.
impl Turn {
    /// Answers without having read the request's body.
    pub fn early(mut self) -> Self {
        self.reads = Reads::Head;
        self
    }

    /// Answers without having read anything.
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

    /// Writes this after the answer.
    pub fn then_write(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then.push(Step::Write(bytes.into()));
        self
    }

    /// Waits after the answer, deaf to further requests.
    pub fn then_pause(mut self, time: Duration) -> Self {
        self.then.push(Step::Pause(time));
        self
    }

    /// Ends the connection after the answer.
    pub fn then(mut self, end: End) -> Self {
        self.then.push(Step::End(end));
        self
    }
}

/// Playing it.
impl Turn {
    /// Returns how the connection ends, if it does.
    pub(super) fn play(
        mut self,
        request: &Request,
        connection: &mut Connection<'_>,
    ) -> io::Result<Option<End>> {
        if self.leaves {
            connection.stop_listening();
        }
        if let Some(file) = self.file.take() {
            self = file.answer(request, self);
        }
        connection.write(&self.before)?;
        if let Some(end) = self.head_limits.write(&self.head(), b"", connection)? {
            return Ok(Some(end));
        }
        if let Some(end) = self
            .body_limits
            .write(&self.body, &self.endless, connection)?
        {
            return Ok(Some(end));
        }
        for step in self.then {
            match step {
                Step::Write(bytes) => connection.write(&bytes)?,
                Step::Pause(time) => connection.pause(time)?,
                Step::End(end) => return Ok(Some(end)),
            }
        }
        Ok(None)
    }

    fn head(&self) -> Vec<u8> {
        if self.status_line.is_empty() {
            return Vec::new();
        }
        let headers = String::from_utf8_lossy(&self.headers);
        let says_where = headers.contains("Content-Length:") || headers.contains("Transfer-Enc");
        let length = match self.endless.len() {
            0 => self.body.len(),
            _ => CAP * 2,
        };
        let mut head = format!("{}\r\n", self.status_line).into_bytes();
        head.extend(&self.headers);
        if self.framed && !says_where {
            head.extend(format!("Content-Length: {length}\r\n").into_bytes());
        }
        head.extend(b"\r\n");
        head
    }
}

impl Limits {
    /// Writes the bytes and then the endless ones, and returns the end if there is a cut.
    fn write(
        &self,
        bytes: &[u8],
        endless: &[u8],
        connection: &mut Connection<'_>,
    ) -> io::Result<Option<End>> {
        let cut = self
            .cut
            .map_or(bytes.len(), |(length, _)| length.min(bytes.len()));
        let (size, pause) = self.drip.unwrap_or((usize::MAX, Duration::ZERO));
        for drop in bytes[..cut].chunks(size) {
            connection.write(drop)?;
            connection.pause(pause)?;
        }
        if !endless.is_empty() {
            for _ in 0..CAP / endless.len() {
                connection.write(endless)?;
            }
        }
        Ok(self.cut.map(|(_, end)| end))
    }
}

/// One chunk; an empty one is the last.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
