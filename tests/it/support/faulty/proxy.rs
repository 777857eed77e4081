//! The faults in front of another server: what a bad network does to a request that a good server would answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::reply::{End, Reply};
use super::wire::{Request, dechunk, find_header, head_end, parse_headers};
use super::{PATIENCE, Shared};

/// What becomes of one request on its way to the server and of the answer on its way back.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Nothing bad.
    Pass,
    /// The connection closes, and the server never hears of the request.
    LoseBefore,
    /// The server answers, and the connection closes without a byte of it.
    LoseAfter,
    /// The connection closes at once; the server gets the request after that time.
    Late(Duration),
    /// A gateway answers in its place, and the server never hears of the request.
    Status(u16, String),
    /// A gateway answers in its place, after the server has.
    StatusAfter(u16, String),
    /// The connection closes after so many bytes of the answer's body.
    TruncateAfter(u64),
}

impl Fate {
    pub(crate) fn reply(self, target: SocketAddr) -> Reply {
        let gateway = |code: u16, body: String| Reply::status(code).body(body);
        match self {
            Self::Pass => Reply::relay(target),
            Self::LoseBefore => End::Close.after_request(),
            Self::LoseAfter => End::Close.after_request().forward(target),
            Self::Late(delay) => End::Close.after_request().forward_late(target, delay),
            Self::Status(code, body) => gateway(code, body),
            Self::StatusAfter(code, body) => gateway(code, body).forward(target),
            Self::TruncateAfter(bytes) => Reply::relay(target).cut_body(bytes, End::Close),
        }
    }
}

/// Sends the request on and returns what was answered. A target that fails is answered for with a 502 that says so,
/// which no test can take for its own fault.
pub(crate) fn ask(target: SocketAddr, request: &Request, shared: &Arc<Shared>) -> io::Result<Reply> {
    match exchange(target, request, shared) {
        // The server is being dropped.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        Err(error) => Ok(Reply::status(502).body(format!("the proxy's target failed: {error}"))),
        Ok(reply) => Ok(reply),
    }
}

/// Sends the request on after the delay, unless the server is dropped before.
pub(crate) fn ask_late(target: SocketAddr, request: Request, delay: Duration, shared: &Arc<Shared>) {
    shared.state().late += 1;
    shared.spawn(move |shared| {
        if shared.pause(delay).is_ok() {
            let _ = exchange(target, &request, shared);
        }
        shared.state().late -= 1;
        shared.changed.notify_all();
    });
}

fn exchange(target: SocketAddr, request: &Request, shared: &Arc<Shared>) -> io::Result<Reply> {
    let socket = shared.open(TcpStream::connect_timeout(&target, PATIENCE)?)?;
    let mut stream = &*socket.stream;
    stream.write_all(&message(request))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What one hop says about its own connection and framing is not passed on.
fn is_passed_on(name: &str) -> bool {
    let own = ["connection", "content-length", "keep-alive", "transfer-encoding"];
    !own.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// The request again, with its length and with the wish that the connection end after the answer.
fn message(request: &Request) -> Vec<u8> {
    let line = request.head.lines().next().unwrap_or_default();
    let mut head = format!("{line}\r\nConnection: close\r\nContent-Length: {}\r\n", request.body.len());
    for (name, value) in request.headers.iter().filter(|(name, _)| is_passed_on(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &request.body].concat()
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = head_end(answer)?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let (_, status) = head.lines().next()?.split_once(' ')?;
    let (code, reason) = status.split_once(' ').unwrap_or((status, ""));
    let headers = parse_headers(&head);
    let body = &answer[end..];
    let body = match find_header(&headers, "transfer-encoding") {
        Some(_) => dechunk(body)?.0,
        None => body.to_vec(),
    };
    let mut reply = Reply::status(code).reason(reason).body(body);
    for (name, value) in headers.into_iter().filter(|(name, _)| is_passed_on(name)) {
        reply = reply.header(name, value);
    }
    Some(reply)
}
