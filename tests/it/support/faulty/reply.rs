//! What happens to one request: an answer, put together from small parts, and what is done to it on the way.

pub(crate) mod send;

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::file::File;
use send::Piece;

/// How a connection ends. With no answer before it, an end is a [`Reply`] of its own:
/// `Reset.after_head()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: the client reads all that was sent and then the end, whatever it was about to write.
    Close,
    /// As a process that exits: the same, except that what the client sends from then on is met with a reset, and so is
    /// the client at once if it had sent something that was not read.
    HangUp,
    /// With a reset. What was sent before it usually still arrives.
    Reset,
    /// Not at all: the connection stays open and silent until the client leaves.
    Stall,
}

impl End {
    /// Before anything was read. (A reset happens when the first byte arrives: it takes one to send it.)
    pub fn on_accept(self) -> Reply {
        Reply::raw("").on_accept().then(self)
    }

    /// After the request's head, with the body unread.
    pub fn after_head(self) -> Reply {
        Reply::raw("").early().then(self)
    }

    /// After the whole request, with no byte of an answer.
    pub fn after_request(self) -> Reply {
        Reply::raw("").then(self)
    }
}

/// How much of a request is read before its answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    Accept,
    Head,
    Request,
}

/// What happens to one request. Unless told otherwise it is answered as by a proper server, which keeps the connection
/// open.
#[derive(Clone, Debug)]
pub struct Reply {
    point: Point,
    errand: Errand,
    before: Vec<Piece>,
    /// `None` for an answer that is no HTTP: then there are no headers either.
    status: Option<Status>,
    headers: Vec<Header>,
    /// What the head goes on with in place of its end.
    head_rest: Option<Piece>,
    line_end: &'static str,
    body: Vec<Piece>,
    framing: Framing,
    head_limits: Limits,
    body_limits: Limits,
    after: Vec<After>,
}

type Header = (Vec<u8>, Vec<u8>);

#[derive(Clone, Debug)]
struct Status {
    version: String,
    code: String,
    reason: String,
}

/// What has to be done before the answer is known.
#[derive(Clone, Debug)]
enum Errand {
    None,
    File(File),
    /// Ask this server, and answer as it did.
    Relay(SocketAddr),
    /// Let this server have the request, and keep its answer back.
    Forward(SocketAddr),
    /// The same, later, while this connection is already going on.
    ForwardLate(SocketAddr, Duration),
}

/// How the client is told where the body ends.
#[derive(Clone, Debug)]
enum Framing {
    /// By a correct `Content-Length`.
    Length,
    /// In chunks of these sizes, the last size repeating.
    Chunked(Vec<usize>),
    /// By the end of the connection.
    UntilClose,
    /// As the headers say that were given by hand.
    ByHand,
}

/// What is done to the head or the body while it is sent.
#[derive(Clone, Debug, Default)]
struct Limits {
    /// So many bytes at a time, with a pause after each.
    drip: Option<(usize, Duration)>,
    /// After so many bytes, this.
    cut: Option<(u64, End)>,
}

#[derive(Clone, Debug)]
enum After {
    Wait(Duration),
    Send(Vec<u8>),
    End(End),
}

/// What is answered.
impl Reply {
    /// An empty answer; the status need not be one that exists.
    pub fn status(code: impl Display) -> Self {
        Self {
            point: Point::Request,
            errand: Errand::None,
            before: Vec::new(),
            status: Some(Status {
                version: "HTTP/1.1".into(),
                code: code.to_string(),
                reason: "Because".into(),
            }),
            headers: Vec::new(),
            head_rest: None,
            line_end: "\r\n",
            body: Vec::new(),
            framing: Framing::Length,
            head_limits: Limits::default(),
            body_limits: Limits::default(),
            after: Vec::new(),
        }
    }

    pub fn ok() -> Self {
        Self::status(200).reason("OK")
    }

    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::ok().header("Content-Type", "application/json").body(body)
    }

    pub fn html(code: impl Display, body: impl Into<Vec<u8>>) -> Self {
        Self::status(code)
            .header("Content-Type", "text/html; charset=utf-8")
            .body(body)
    }

    pub fn redirect(code: impl Display, location: impl Into<Vec<u8>>) -> Self {
        Self::status(code).header("Location", location)
    }

    /// The storage's own way of saying no.
    pub fn s3_error(status: impl Display, code: &str, message: &str) -> Self {
        let start = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        let xml = format!("{start}\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Self::status(status).header("Content-Type", "application/xml").body(xml)
    }

    /// The file, or the part of it that the request asks for.
    pub fn file(file: &File) -> Self {
        Self::ok().errand(Errand::File(file.clone()))
    }

    /// These bytes and nothing else, HTTP or not.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            status: None,
            framing: Framing::ByHand,
            ..Self::status("").body(bytes)
        }
    }

    /// What that server answers.
    pub fn relay(target: SocketAddr) -> Self {
        Self::ok().errand(Errand::Relay(target))
    }

    /// That server gets the request, but this is the answer.
    pub(crate) fn forward(self, target: SocketAddr) -> Self {
        self.errand(Errand::Forward(target))
    }

    /// The same, but the answer doesn't wait for it.
    pub(crate) fn forward_late(self, target: SocketAddr, delay: Duration) -> Self {
        self.errand(Errand::ForwardLate(target, delay))
    }

    pub(crate) fn content(mut self, piece: Piece) -> Self {
        self.body.push(piece);
        self
    }

    fn errand(self, errand: Errand) -> Self {
        Self { errand, ..self }
    }
}

/// What the head says.
impl Reply {
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// `X-Filler-0: 0` and so on.
    pub fn many_headers(mut self, count: usize) -> Self {
        let filler = |n: usize| (format!("X-Filler-{n}").into_bytes(), n.to_string().into_bytes());
        self.headers.extend((0..count).map(filler));
        self
    }

    /// Headers without an end to them.
    pub fn endless_headers(mut self) -> Self {
        self.head_rest = Some(Piece::endless(b"X-Filler: x\r\n"));
        self
    }

    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        if let Some(status) = &mut self.status {
            status.reason = reason.into();
        }
        self
    }

    pub fn version(mut self, version: impl Into<String>) -> Self {
        if let Some(status) = &mut self.status {
            status.version = version.into();
        }
        self
    }

    /// An answer of the old kind: the connection ends with it.
    pub fn http10(self) -> Self {
        self.version("HTTP/1.0").then(End::Close)
    }

    /// Ends the head's lines with a line feed alone.
    pub fn lf_only(self) -> Self {
        Self { line_end: "\n", ..self }
    }
}

/// What the body is, and how its end is told. Lengths are right unless they are given by hand.
impl Reply {
    /// More of the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body.push(Piece::Bytes(bytes.into()));
        self
    }

    /// These bytes again and again; also after [`Reply::raw`] and [`Reply::raw_chunks`].
    pub fn endless_body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body.push(Piece::endless(bytes.as_ref()));
        self
    }

    /// Chunks of these sizes, the last one repeating.
    pub fn chunked(self, sizes: impl Into<Vec<usize>>) -> Self {
        let sizes = sizes.into();
        assert!(
            !sizes.is_empty() && !sizes.contains(&0),
            "a chunk of 0 bytes is the end"
        );
        let framing = Framing::Chunked(sizes);
        Self { framing, ..self }
    }

    /// A chunked body with the chunks written by hand: wrong sizes, extensions, trailers, no last chunk.
    pub fn raw_chunks(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.unframed().header("Transfer-Encoding", "chunked").body(bytes)
    }

    /// A body that ends with the connection.
    pub fn until_close(self) -> Self {
        let framing = Framing::UntilClose;
        Self { framing, ..self }
    }

    /// Any `Content-Length` in place of the right one; two of them disagree.
    pub fn content_length(self, length: impl Display) -> Self {
        self.unframed().header("Content-Length", length.to_string())
    }

    /// No word about where the body ends, but for headers given by hand.
    pub fn unframed(self) -> Self {
        let framing = Framing::ByHand;
        Self { framing, ..self }
    }
}

/// When it is answered, how fast, and how far.
impl Reply {
    /// Answers without having read the request's body.
    pub fn early(self) -> Self {
        let point = Point::Head;
        Self { point, ..self }
    }

    /// Answers without having read anything.
    pub fn on_accept(self) -> Self {
        let point = Point::Accept;
        Self { point, ..self }
    }

    /// Something in front of the answer.
    pub fn before(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before.push(Piece::Bytes(bytes.into()));
        self
    }

    /// An interim answer in front of it: 100, 102, 103.
    pub fn interim(self, code: u16) -> Self {
        self.before(format!("HTTP/1.1 {code} Interim\r\n\r\n"))
    }

    /// Interim answers that go on instead of it.
    pub fn endless_interim(mut self, code: u16) -> Self {
        let answer = format!("HTTP/1.1 {code} Interim\r\n\r\n");
        self.before.push(Piece::endless(answer.as_bytes()));
        self
    }

    /// Sends the head so many bytes at a time.
    pub fn drip_head(mut self, bytes: usize, every: Duration) -> Self {
        self.head_limits.drip = Some((bytes, every));
        self
    }

    /// Sends the body so many bytes at a time.
    pub fn drip_body(mut self, bytes: usize, every: Duration) -> Self {
        self.body_limits.drip = Some((bytes, every));
        self
    }

    /// Sends at most so many bytes of the head, and then this happens.
    pub fn cut_head(mut self, bytes: u64, end: End) -> Self {
        self.head_limits.cut = Some((bytes, end));
        self
    }

    /// Sends at most so many bytes of the body as it is on the wire, and then this happens.
    pub fn cut_body(mut self, bytes: u64, end: End) -> Self {
        self.body_limits.cut = Some((bytes, end));
        self
    }

    /// Ends the connection after the answer, although nothing in the head says so.
    pub fn then(mut self, end: End) -> Self {
        self.after.push(After::End(end));
        self
    }

    /// Waits after the answer, deaf to further requests: `.then_wait(ms(20)).then(Close)` is a server that closes an
    /// idle connection.
    pub fn then_wait(mut self, time: Duration) -> Self {
        self.after.push(After::Wait(time));
        self
    }

    /// Says something more after the answer, unasked.
    pub fn then_send(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.after.push(After::Send(bytes.into()));
        self
    }
}
