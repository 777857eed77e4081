//! What happens to one request: an answer, put together from small parts, and what is done to it on
//! the way.

pub(crate) mod send;

use std::fmt::Display;
use std::time::Duration;

use super::file::File;
use send::Piece;

/// How a connection ends. With no answer before it, an end is a [`Reply`] of its own:
/// `Reset.after_head()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: the client reads all that was sent and then the end, whatever it was about to
    /// write.
    Close,
    /// As a process that exits: the same, except that what the client sends from then on is met
    /// with a reset, and so is the client at once if it had sent something that was not read.
    HangUp,
    /// With a reset. What was sent before it usually still arrives.
    Reset,
    /// Not at all: the connection stays open and silent until the client leaves.
    Stall,
}

impl End {
    /// Before anything was read. (A reset happens when the first byte arrives: it takes one to send
    /// it.)
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

/// What happens to one request. Unless told otherwise it is answered as by a proper server, which
/// keeps the connection open.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) point: Point,
    /// Makes the answer of the request.
    file: Option<File>,
    before: Vec<Piece>,
    /// `None` for an answer that is no HTTP: then there are no headers either.
    status: Option<Status>,
    headers: Vec<Header>,
    /// What the head goes on with in place of its end.
    head_rest: Option<Piece>,
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
            file: None,
            before: Vec::new(),
            status: Some(Status {
                version: "HTTP/1.1".into(),
                code: code.to_string(),
                reason: "Because".into(),
            }),
            headers: Vec::new(),
            head_rest: None,
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
        Self::ok()
            .header("Content-Type", "application/json")
            .body(body)
    }

    pub fn html(code: impl Display, body: impl Into<Vec<u8>>) -> Self {
        let page = Self::status(code).header("Content-Type", "text/html; charset=utf-8");
        page.body(body)
    }

    pub fn redirect(code: impl Display, location: impl Into<Vec<u8>>) -> Self {
        Self::status(code).header("Location", location)
    }

    /// The storage's own way of saying no.
    pub fn s3_error(status: impl Display, code: &str, message: &str) -> Self {
        let start = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        let xml =
            format!("{start}\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Self::status(status)
            .header("Content-Type", "application/xml")
            .body(xml)
    }

    /// The file, or the part of it that the request asks for.
    pub fn file(file: &File) -> Self {
        Self {
            file: Some(file.clone()),
            ..Self::ok()
        }
    }

    /// These bytes and nothing else, HTTP or not.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let mut raw = Self::status("").body(bytes).unframed();
        raw.status = None;
        raw
    }
}

/// Methods that change one thing and give the reply back.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident($self:ident $(, $argument:ident: $type:ty)*) $change:expr;)*) => {
        impl Reply {$(
            $(#[$doc])*
            pub fn $name(self $(, $argument: $type)*) -> Self {
                let mut $self = self;
                $change;
                $self
            }
        )*}
    };
}

// What the head says.
parts! {
    header(it, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) it.headers.push((name.into(), value.into()));
    /// `X-Filler-0: 0` and so on.
    many_headers(it, count: usize) it.headers.extend((0..count).map(|n| (format!("X-Filler-{n}").into(), n.to_string().into())));
    /// Headers without an end to them.
    endless_headers(it) it.head_rest = Some(Piece::endless(b"X-Filler: x\r\n"));
    reason(it, reason: impl Into<String>) if let Some(status) = &mut it.status { status.reason = reason.into() };
    version(it, version: impl Into<String>) if let Some(status) = &mut it.status { status.version = version.into() };
    /// An answer of the old kind: the connection ends with it.
    http10(it) it = it.version("HTTP/1.0").then(End::Close);
}

// What the body is, and how its end is told. Lengths are right unless they are given by hand.
parts! {
    /// More of the body.
    body(it, bytes: impl Into<Vec<u8>>) it.body.push(Piece::Bytes(bytes.into()));
    /// These bytes again and again; also after [`Reply::raw`] and [`Reply::raw_chunks`].
    endless_body(it, bytes: impl AsRef<[u8]>) it.body.push(Piece::endless(bytes.as_ref()));
    /// Chunks of these sizes, the last one repeating. One of 0 bytes would be the end.
    chunked(it, sizes: impl Into<Vec<usize>>) it.framing = Framing::Chunked(sizes.into());
    /// A chunked body with the chunks written by hand: wrong sizes, extensions, trailers, no last chunk.
    raw_chunks(it, bytes: impl Into<Vec<u8>>) it = it.unframed().header("Transfer-Encoding", "chunked").body(bytes);
    /// A body that ends with the connection.
    until_close(it) it.framing = Framing::UntilClose;
    /// Any `Content-Length` in place of the right one; two of them disagree.
    content_length(it, length: impl Display) it = it.unframed().header("Content-Length", length.to_string());
    /// No word about where the body ends, but for headers given by hand.
    unframed(it) it.framing = Framing::ByHand;
}

// When it is answered, how fast, and how far.
parts! {
    /// Answers without having read the request's body.
    early(it) it.point = Point::Head;
    /// Answers without having read anything.
    on_accept(it) it.point = Point::Accept;
    /// An interim answer in front of it: 100, 102, 103.
    interim(it, code: u16) it.before.push(Piece::Bytes(format!("HTTP/1.1 {code} Interim\r\n\r\n").into()));
    /// Interim answers that go on instead of it.
    endless_interim(it, code: u16) it.before.push(Piece::endless(format!("HTTP/1.1 {code} Interim\r\n\r\n").as_bytes()));
    /// Sends the head so many bytes at a time.
    drip_head(it, bytes: usize, every: Duration) it.head_limits.drip = Some((bytes, every));
    /// Sends the body so many bytes at a time.
    drip_body(it, bytes: usize, every: Duration) it.body_limits.drip = Some((bytes, every));
    /// Sends at most so many bytes of the head, and then this happens.
    cut_head(it, bytes: u64, end: End) it.head_limits.cut = Some((bytes, end));
    /// Sends at most so many bytes of the body as it is on the wire, and then this happens.
    cut_body(it, bytes: u64, end: End) it.body_limits.cut = Some((bytes, end));
    /// Ends the connection after the answer, although nothing in the head says so.
    then(it, end: End) it.after.push(After::End(end));
    /// Waits after the answer, deaf to further requests: `.then_wait(ms(20)).then(Close)` is a server that closes an
    /// idle connection.
    then_wait(it, time: Duration) it.after.push(After::Wait(time));
    /// Says something more after the answer, unasked.
    then_send(it, bytes: impl Into<Vec<u8>>) it.after.push(After::Send(bytes.into()));
}
