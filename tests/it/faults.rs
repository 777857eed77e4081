//! What the client makes of a network that fails: one table, a row a fault.
//!
//! Each row is played once for every call that it names, each time with a server and a client of
//! its own. It passes if the caller gets what the row says, the server saw as many requests over as
//! many connections, and it took no longer.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::ureq::Agent;
use imagen_ai::{Client, Error, Result, RetryPolicy};

use crate::support::canned::OK;
use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{BacklogFull, Faulty, Refused, Reply};
use crate::support::{contrary_agent, ms, side_by_side};

/// What the calls send that must not be shown.
pub const INSTRUCTION: &str = "make the sky more blue";
/// In every proper answer of the table, so that every error with a status must name it.
pub const REQUEST_ID: &str = "request-id-1";

/// How often a call is tried, unless its row says otherwise.
const TRIES: u32 = 3;
/// The longest that a row may take, unless it says otherwise. It is for a busy machine: what hangs
/// takes `PATIENCE`.
const SOON: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(25);
/// A limit that a row waits out.
const SHORT: Duration = Duration::from_secs(1);
/// Idle times that the client takes a connection to be good for, and one that it does not.
const IDLE: Duration = Duration::from_millis(600);
const STILL_GOOD: Duration = Duration::from_millis(2_000);
const TOO_IDLE: Duration = Duration::from_millis(4_300);

/// The table.
#[rustfmt::skip]
pub fn faults() -> Vec<Fault> {
    vec![
        // Nothing reaches the server: every call is tried again, and an edit's error says that it was not sent.
        nobody("the connection is refused", Server::Refused).all("Network Connect", 3),
        nobody("the host's name is not found", Server::Url(TOO_LONG_A_LABEL)).all("Network Connect", 3),
        nobody("connecting takes too long", Server::BacklogFull).twice().all("Network Timeout", 2),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        breaks("the server speaks no TLS", [Reply::raw("HTTP/1.1 400 TLS, please\r\n\r\n").on_accept().then(Close)]).over_tls().unheard().all("Network Tls", 3),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        breaks("the TLS handshake stalls", [Stall.on_accept()]).over_tls().unheard().connect(SHORT).twice().all("Network Timeout", 2),
        #[cfg(feature = "rustls")]
        breaks("the server leaves during the TLS handshake", [Close.on_accept()]).over_tls().unheard().all("Network Closed", 3),
        // 429: every call is tried again.
        answers("429", [status(429)]).all("Api RateLimited 429", 3),
        answers("429, then well", [status(429), ok()]).all("ok", 2),
        answers("429 with Retry-After", [status(429).header("Retry-After", "1"), ok()]).at_least(1_000).all("ok", 2),
        answers("429 with a long Retry-After", [status(429).header("Retry-After", "3600"), ok()]).all("Api RateLimited 429, wait 3600 s", 1),
        answers("429 with an endless Retry-After", [status(429).header("Retry-After", "9".repeat(40)), ok()]).all("Api RateLimited 429, wait for ever", 1),
        // 503: it may come from a gateway that had passed the edit on.
        answers("503", [status(503)]).once("OutcomeUnknown Status 503", 1).rest("Api Server 503", 3),
        answers("503, then well", [status(503), ok()]).once("OutcomeUnknown Status 503", 1).rest("ok", 2),
        answers("503 with Retry-After, then well", [status(503).header("Retry-After", "0"), ok()]).once("OutcomeUnknown Status 503, wait 0 s", 1).rest("ok", 2),
        answers("503 with a long Retry-After", [status(503).header("Retry-After", "3600"), ok()]).once("OutcomeUnknown Status 503, wait 3600 s", 1).rest("Api Server 503, wait 3600 s", 1),
        // 408, 500, 502, 504: an edit may have been made.
        answers("408", [status(408)]).once("OutcomeUnknown Status 408", 1).rest("Api Server 408", 3),
        answers("500", [status(500)]).once("OutcomeUnknown Status 500", 1).rest("Api Server 500", 3),
        answers("502", [page(502)]).once("OutcomeUnknown Status 502", 1).rest("Api Server 502", 3),
        answers("504", [status(504)]).once("OutcomeUnknown Status 504", 1).rest("Api Server 504", 3),
        answers("500 with a long Retry-After", [status(500).header("Retry-After", "3600"), ok()]).once("OutcomeUnknown Status 500, wait 3600 s", 1).rest("Api Server 500, wait 3600 s", 1),
        answers("522, which a gateway made up", [page(522), ok()]).once("OutcomeUnknown Status 522", 1).rest("ok", 2),
        answers("425", [status(425)]).once("Api Server 425", 1).rest("Api Server 425", 3),
        breaks("504 whose page is cut", [page(504).cut_body(3, Reset)]).once("OutcomeUnknown Status 504", 1).rest("Api Server 504", 3),
        breaks("504 whose page stalls", [page(504).cut_body(3, Stall)]).limit(SHORT).twice().once("OutcomeUnknown Status 504", 1).rest("Api Server 504", 2),
        breaks("504 whose page has no end", [status(504).endless_body("<p>").until_close()]).once("OutcomeUnknown Status 504", 1).rest("Api Server 504", 3),
        // The server says no: its answer stands.
        answers("400", [status(400)]).all("Api InvalidRequest 400", 1),
        answers("400, not exported", [status(400).body(r#"{"detail":"Project has not been exported yet."}"#)]).all("Api NotReady 400", 1),
        answers("400, realistic only", [status(400).body(r#"{"detail":"Only realistic editing requests are supported."}"#)]).all("Api RealisticOnly 400", 1),
        answers("401", [status(401)]).all("Api Unauthorized 401", 1),
        answers("403", [status(403).body(r#"{"message":"Forbidden"}"#)]).all("Api Forbidden 403", 1),
        answers("404 with a page", [page(404)]).all("Api NotFound 404", 1),
        answers("422", [status(422).body(r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#)]).all("Api InvalidRequest 422", 1),
        answers("418", [status(418)]).all("Api Other 418", 1),
        answers("a status that does not exist", [status(999)]).all("Api Other 999", 1),
        breaks("401 whose body never comes", [status(401).body("{}").cut_body(0, Stall)]).limit(SHORT).all("Api Unauthorized 401", 1),
        breaks("401 whose body is reset", [status(401).body("{}").cut_body(1, Reset)]).all("Api Unauthorized 401", 1),
        // The server answers before it has read the request.
        answers("401 before the body was read", [status(401).early()]).all("Api Unauthorized 401", 1),
        breaks("413 before the body was read, and the end", [status(413).early().then(Close)]).all("Api InvalidRequest 413", 1),
        breaks("an unasked answer and the end", [status(408).header("Connection", "close").on_accept().then(Close)]).unheard().once("OutcomeUnknown Status 408", 1).rest("Api Server 408", 3),
        // No redirect is followed.
        redirects(301, "Api Other 301"), redirects(302, "Api Other 302"), redirects(303, "Api Other 303"), redirects(307, "Api Other 307"), redirects(308, "Api Other 308"),
        answers("a redirect to nowhere", [status(302)]).all("Api Other 302", 1),
        breaks("101", [status(101).unframed()]).all("Api Other 101", 1),
        // No answer at all, after the whole request or a part of it: an edit may have been made.
        breaks("the connection ends at once", [Close.on_accept()]).unheard().once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the connection is reset at once", [Reset.on_accept()]).unheard().once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the server never reads", [Stall.on_accept()]).unheard().limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        breaks("the connection ends after the request's head", [Close.after_head()]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the connection is reset after the request's head", [Reset.after_head()]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the server stalls after the request's head", [Stall.after_head()]).limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        breaks("the connection ends after the request", [Close.after_request()]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the connection is reset after the request", [Reset.after_request()]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the server stalls after the request", [Stall.after_request()]).limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        breaks("the server exits after the request", [HangUp.after_request()]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("reset, then well", [Reset.after_request(), ok()]).once("OutcomeUnknown Closed", 1).rest("ok", 2),
        breaks("429, then reset", [status(429).header("Connection", "close"), Reset.after_request()]).once("OutcomeUnknown Closed", 2).rest("Network Closed", 3),
        breaks("a server that goes away", [Reset.after_request()]).then_refuse().once("OutcomeUnknown Closed", 1).rest("Network Connect", 3),
        breaks("429, and then the server goes away", [status(429).header("Connection", "close")]).then_refuse().all("Network Connect", 3),
        // The head of the answer breaks off.
        breaks("the head ends early", [ok().cut_head(20, Close)]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("the head stalls", [ok().cut_head(20, Stall)]).limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        breaks("the head drips", [ok().many_headers(50).drip_head(1, ms(10))]).limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        breaks("the head of a 429 ends early", [status(429).cut_head(30, Close)]).once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        // The body of a success breaks off: the edit was made, and the reset too.
        breaks("the body ends early", [ok().cut_body(9, Close)]).once("OutcomeUnknown Closed 200", 1).rest("Network Closed 200", 3),
        breaks("the body is reset", [ok().cut_body(9, Reset)]).once("OutcomeUnknown Closed 200", 1).rest("Network Closed 200", 3),
        breaks("the body stalls", [ok().cut_body(9, Stall)]).limit(SHORT).twice().once("OutcomeUnknown Timeout 200", 1).rest("Network Timeout 200", 2),
        breaks("the body drips", [ok().drip_body(1, ms(10))]).limit(SHORT).twice().once("OutcomeUnknown Timeout 200", 1).rest("Network Timeout 200", 2),
        breaks("the body drips longer than with_timeout allows", [ok().drip_body(1, ms(10))]).limit_of_clone(SHORT).twice().once("OutcomeUnknown Timeout 200", 1).rest("Network Timeout 200", 2),
        answers("the body drips, and with_timeout allows it", [ok().drip_body(40, SHORT / 5)]).limit(SHORT / 5).limit_of_clone(PATIENCE).all("ok", 1),
        breaks("the body is broken once", [ok().cut_body(9, Reset), ok()]).once("OutcomeUnknown Closed 200", 1).rest("ok", 2),
        breaks("the announced length is too long", [json(OK).content_length(9_999).then(Close)]).once("OutcomeUnknown Closed 200", 1).rest("Network Closed 200", 3),
        breaks("the announced length is no number", [json(OK).content_length("x")]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        breaks("a chunk's size is no number", [json("").raw_chunks("zz\r\n{}\r\n0\r\n\r\n")]).once("OutcomeUnknown Protocol 200", 1).rest("Network Protocol 200", 3),
        breaks("the last chunk is missing", [json("").raw_chunks("2\r\n{}\r\n").then(Close)]).once("OutcomeUnknown Closed 200", 1).rest("Network Closed 200", 3),
        answers("chunks of all sizes", [json(OK).chunked([1, 2, 3, 50])]).all("ok", 1),
        breaks("a body that ends with the connection", [json(OK).until_close()]).all("ok", 1),
        // A success that cannot be read.
        answers("a page with status 200", [page(200)]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("JSON that breaks off", [json(&OK[..50])]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("JSON of another shape", [json("[7]")]).once("OutcomeUnknown Json 200", 1).expect([Call::Info], "Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("JSON with something after it", [json(format!("{OK}}}"))]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("JSON that is no UTF-8", [json(b"{\"status\":\"\xff\xfe\"}".as_slice())]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("JSON of endless depth", [json("[".repeat(100_000))]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Finalize], "Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("204", [status(204)]).once("OutcomeUnknown Json 204", 1).get("Decode Json 204", 1).expect([Call::Reset], "ok", 1),
        answers("200 and no body", [json("")]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1).expect([Call::Reset], "ok", 1),
        answers("a success that says that it failed", [json(r#"{"status":"FAILED"}"#)]).edit("EnhancementFailed 200", 1).expect([Call::Info], "ok", 1).expect([Call::Tools], "Api Failed 200", 1).expect([Call::Reset], "Api Failed 200", 1).expect([Call::Finalize], "Api Failed 200", 1),
        answers("a success with an error in it", [json(r#"{"error":{"message":"internal"}}"#)]).edit("EnhancementFailed 200", 1).rest("Api Failed 200", 1),
        answers("a success without a picture", [json(r#"{"status":"SUCCESS","version_id":7}"#)]).once("OutcomeUnknown Json 200", 1),
        answers("201", [status(201).body(OK)]).all("ok", 1),
        answers("an envelope", [json(format!(r#"{{"data":{OK}}}"#))]).all("ok", 1),
        answers("a byte order mark", [json(format!("\u{feff}{OK}"))]).all("ok", 1),
        #[cfg(feature = "gzip")]
        breaks("a body that is not the gzip it claims to be", [json(OK).header("Content-Encoding", "gzip")]).once("OutcomeUnknown Protocol 200", 1).rest("Network Protocol 200", 3),
        #[cfg(not(feature = "gzip"))]
        answers("a body that is compressed, which nobody asked for", [json(ZEROS).header("Content-Encoding", "gzip")]).once("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1),
        // More than the limit.
        answers("a large answer within the limit", [json(padded(60_000))]).at_most_bytes(70_000).all("ok", 1),
        breaks("an answer larger than the limit", [json(padded(60_000))]).at_most_bytes(50_000).once("OutcomeUnknown TooLarge 200", 1).rest("Decode TooLarge 200", 1),
        breaks("an endless answer", [json("{").endless_body(" ")]).at_most_bytes(1 << 17).once("OutcomeUnknown TooLarge 200", 1).rest("Decode TooLarge 200", 1),
        breaks("an endless answer in chunks", [json("{").endless_body(" ").chunked([4_096])]).at_most_bytes(1 << 17).once("OutcomeUnknown TooLarge 200", 1).rest("Decode TooLarge 200", 1),
        #[cfg(feature = "gzip")]
        breaks("an answer that is larger when decompressed", [json(ZEROS).endless_body(ZEROS).header("Content-Encoding", "gzip")]).at_most_bytes(1 << 17).once("OutcomeUnknown TooLarge 200", 1).rest("Decode TooLarge 200", 1),
        // A head must fit into the client's buffer of 16 KiB. `ureq` says of one that does not that the server left.
        breaks("thousands of headers", [ok().many_headers(3_000)]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        breaks("endless headers", [ok().endless_headers()]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        breaks("a header of 20 KB", [ok().header("X-Filler", "x".repeat(20_000))]).small_buffers().once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        breaks("a status line without end", [Reply::raw("HTTP/1.1 200 ").endless_body("x")]).small_buffers().once("OutcomeUnknown Closed", 1).rest("Network Closed", 3),
        // Not quite HTTP/1.1.
        breaks("nonsense", [Reply::raw("\u{0}\u{1}nonsense\r\n\r\n")]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        breaks("HTTP/2", [ok().version("HTTP/2.0")]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        breaks("HTTP/1.0 without a length", [ok().until_close().http10()]).all("ok", 1),
        breaks("status 000", [status("000")]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        answers("a header that is no UTF-8", [ok().header("X-Filler", b"\xff\xfe".as_slice())]).all("ok", 1),
        breaks("a header with a zero byte", [ok().header("X-Filler", "a\0b")]).once("OutcomeUnknown Protocol", 1).rest("Network Protocol", 3),
        answers("interim answers of all sorts", [ok().interim(102).interim(103).interim(100).interim(199)]).all("ok", 1),
        breaks("interim answers without end", [ok().endless_interim(103)]).small_buffers().limit(SHORT).twice().once("OutcomeUnknown Timeout", 1).rest("Network Timeout", 2),
        // More than one answer: what was not asked for is never taken for the answer to the next call.
        breaks("the answer comes twice", [ok().then_send("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), ok()]).after_a_call().idle(IDLE).all("ok", 1),
        breaks("bytes after the answer", [ok().then_send("\r\n\0"), ok()]).after_a_call().idle(IDLE).all("ok", 1),
        // The connection of an earlier call. It is used again, but not if it is closed or has been idle for too long.
        answers("a kept connection", [ok()]).after_a_call().all("ok", 1),
        answers("a kept connection that was idle for a while", [ok()]).after_a_call().idle(STILL_GOOD).all("ok", 1),
        answers("a kept connection, for a clone with another limit", [ok()]).after_a_call().limit_of_clone(SOON).all("ok", 1),
        breaks("a connection that was idle for long", [ok()]).after_a_call().idle(TOO_IDLE).all("ok", 1),
        breaks("the server closes the idle connection", [ok().then_wait(ms(20)).then(Close), ok()]).after_a_call().idle(IDLE).all("ok", 1),
        breaks("the server exits while the connection is idle", [ok().then_wait(ms(20)).then(HangUp), ok()]).after_a_call().idle(IDLE).all("ok", 1),
        breaks("the server resets the idle connection", [ok().then_wait(ms(20)).then(Reset), ok()]).after_a_call().idle(IDLE).all("ok", 1),
        // Here the close is on its way while the request is: whether the server saw it, nobody can tell.
        breaks("the server gives the connection up as the request comes", [ok().then_wait(SHORT).then(HangUp), ok()]).after_a_call().one_unheard().once("OutcomeUnknown Closed", 1).rest("ok", 2),
        // The settings.
        answers("429 and no retries", [status(429), ok()]).retry(RetryPolicy::none()).all("Api RateLimited 429", 1),
        answers("429 with Retry-After and no retries", [status(429).header("Retry-After", "1"), ok()]).retry(RetryPolicy::none()).all("Api RateLimited 429, wait 1 s", 1),
        breaks("reset and no retries", [Reset.after_request(), ok()]).retry(RetryPolicy::none()).once("OutcomeUnknown Closed", 1).rest("Network Closed", 1),
        nobody("refused and no retries", Server::Refused).retry(RetryPolicy::none()).all("Network Connect", 1),
        answers("zero attempts, which are one", [ok()]).retry(RetryPolicy { max_attempts: 0, ..policy() }).all("ok", 1),
        answers("more attempts", [status(429), status(429), status(429), status(429), ok()]).retry(RetryPolicy { max_attempts: 5, ..policy() }).all("ok", 5),
    ]
}

/// No name can have one of 64 letters, so that no server is asked for it.
const TOO_LONG_A_LABEL: &str =
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example";

/// Thirty thousand zero bytes, compressed. Repeated, it goes on with more of them.
const ZEROS: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d\x09\x4f\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3e\x06\x20\x4a\x02\x65\x30\x75\x00\x00";

/// Waits so short that they cost nothing, and still long enough for one `Retry-After` of a second.
fn policy() -> RetryPolicy {
    RetryPolicy {
        max_attempts: TRIES,
        base_delay: ms(1),
        max_delay: ms(5),
        max_retry_after: ms(2_000),
    }
}

fn status(code: impl std::fmt::Display) -> Reply {
    Reply::status(code).header("X-Request-Id", REQUEST_ID)
}

fn page(code: u16) -> Reply {
    Reply::html(code, "<html>\n<h1>A gateway's page</h1>\n</html>")
        .header("X-Request-Id", REQUEST_ID)
}

fn json(body: impl Into<Vec<u8>>) -> Reply {
    Reply::json(body).header("X-Request-Id", REQUEST_ID)
}

fn ok() -> Reply {
    json(OK)
}

/// An answer of so many bytes.
fn padded(size: usize) -> String {
    format!("{OK:size$}")
}

/// One fault, and what each call makes of it.
pub struct Fault {
    pub name: String,
    server: Server,
    script: Vec<Reply>,
    /// Whether a connection stays good after each reply, so that all requests go over one.
    keeps: bool,
    tls: bool,
    /// How many of the requests do not arrive as far as the end of their head.
    unheard: usize,
    /// Whether the same call succeeds once before the one that counts, and how long the client is
    /// idle in between.
    pub call_before: bool,
    pub pause: Duration,
    limit: Duration,
    limit_of_clone: Option<Duration>,
    connect: Duration,
    at_least: Duration,
    waits_out: bool,
    max_answer_size: u64,
    /// Whether it depends on the size of the buffers, which is that of the client's own agent.
    small_buffers: bool,
    retry: RetryPolicy,
    cells: Vec<Cell>,
}

/// What one call must get, and how often it is tried for that.
struct Cell {
    call: Call,
    outcome: &'static str,
    tries: u32,
}

/// The calls of the API. The first three must not be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Copilot,
    Enhance,
    Create,
    Info,
    Tools,
    Reset,
    Finalize,
}

enum Server {
    Script,
    /// A script, and then nobody listens any more.
    ScriptThenRefuse,
    /// Sends the client to another server, which must not hear of it.
    Redirect(u16),
    Refused,
    BacklogFull,
    Url(&'static str),
}

/// Proper answers, after which the connection is used again.
fn answers(name: &str, script: impl Into<Vec<Reply>>) -> Fault {
    Fault {
        name: name.to_owned(),
        server: Server::Script,
        script: script.into(),
        keeps: true,
        tls: false,
        unheard: 0,
        call_before: false,
        pause: Duration::ZERO,
        limit: PATIENCE,
        limit_of_clone: None,
        connect: SHORT,
        at_least: Duration::ZERO,
        waits_out: false,
        max_answer_size: 1 << 20,
        small_buffers: false,
        retry: policy(),
        cells: Vec::new(),
    }
}

/// Replies after which every request needs a connection of its own.
fn breaks(name: &str, script: impl Into<Vec<Reply>>) -> Fault {
    let keeps = false;
    Fault {
        keeps,
        ..answers(name, script)
    }
}

fn nobody(name: &str, server: Server) -> Fault {
    Fault {
        server,
        ..breaks(name, [])
    }
}

fn redirects(code: u16, outcome: &'static str) -> Fault {
    let name = format!("a redirect to another host ({code})");
    let server = Server::Redirect(code);
    Fault {
        server,
        ..answers(&name, [])
    }
    .all(outcome, 1)
}

macro_rules! settings {
    ($($name:ident($($argument:ident: $type:ty)?) $($($field:ident).+ = $value:expr),+;)*) => {$(
        #[allow(dead_code)]
        fn $name(mut self $(, $argument: $type)?) -> Self {
            $(self.$($field).+ = $value;)+
            self
        }
    )*};
}

impl Fault {
    settings! {
        over_tls() tls = true;
        unheard() unheard = usize::MAX;
        one_unheard() unheard = 1;
        then_refuse() server = Server::ScriptThenRefuse;
        after_a_call() call_before = true;
        idle(pause: Duration) pause = pause;
        limit(limit: Duration) limit = limit;
        limit_of_clone(limit: Duration) limit_of_clone = Some(limit);
        connect(limit: Duration) connect = limit;
        at_least(millis: u64) at_least = ms(millis);
        at_most_bytes(size: u64) max_answer_size = size;
        small_buffers() small_buffers = true;
        retry(retry: RetryPolicy) retry = retry;
        twice() retry.max_attempts = 2, waits_out = true;
    }

    fn expect<const N: usize>(
        mut self,
        calls: [Call; N],
        outcome: &'static str,
        tries: u32,
    ) -> Self {
        let cells = calls.map(|call| Cell {
            call,
            outcome,
            tries,
        });
        self.cells.extend(cells);
        self
    }

    fn edit(self, outcome: &'static str, tries: u32) -> Self {
        self.expect([Call::Copilot, Call::Enhance], outcome, tries)
    }

    /// Every call that must not be made twice.
    fn once(self, outcome: &'static str, tries: u32) -> Self {
        self.edit(outcome, tries)
            .expect([Call::Create], outcome, tries)
    }

    fn get(self, outcome: &'static str, tries: u32) -> Self {
        self.expect([Call::Info, Call::Tools], outcome, tries)
    }

    /// Every call that may be made again.
    fn rest(self, outcome: &'static str, tries: u32) -> Self {
        self.get(outcome, tries)
            .expect([Call::Reset, Call::Finalize], outcome, tries)
    }

    fn all(self, outcome: &'static str, tries: u32) -> Self {
        self.once(outcome, tries).rest(outcome, tries)
    }

    /// The calls that it says something about.
    pub fn calls(&self) -> impl Iterator<Item = Call> {
        self.cells.iter().map(|cell| cell.call)
    }

    /// Whether each call takes seconds.
    pub fn is_slow(&self) -> bool {
        self.waits_out || !self.pause.is_zero() || !self.at_least.is_zero()
    }

    /// Plays the fault for one call.
    pub fn play(&self, call: Call, key: &str, agent: Option<Agent>) -> Played {
        let elsewhere = Faulty::start([ok()]);
        let refused = Refused::new();
        let full = matches!(self.server, Server::BacklogFull)
            .then(|| BacklogFull::new().expect("a full queue"));
        let server = match self.server {
            Server::Script => Some(Faulty::start(self.script.clone())),
            Server::ScriptThenRefuse => Some(Faulty::start_then_refuse(self.script.clone())),
            Server::Redirect(code) => {
                let target = format!("{}/elsewhere?token=presigned", elsewhere.url());
                let body = format!("<a href=\"{target}\">moved</a>");
                Some(Faulty::start([status(code)
                    .header("Location", target)
                    .body(body)]))
            }
            _ => None,
        };
        let url = match (&self.server, &server, &full) {
            (Server::Url(url), ..) => (*url).to_owned(),
            (_, Some(server), _) => server.url(),
            (_, _, Some(full)) => full.url(),
            _ => refused.url(),
        };
        let url = if self.tls {
            url.replace("http:", "https:")
        } else {
            url
        };
        let mut builder = Client::builder(key)
            .base_url(url)
            .allow_http(true)
            .timeout(self.limit)
            .connect_timeout(self.connect)
            .max_answer_size(self.max_answer_size)
            .retry(self.retry);
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let mut client = builder.build().expect("settings that are in order");
        let before = if self.call_before {
            call.make(&client)
        } else {
            Ok(())
        };
        thread::sleep(self.pause);
        if let Some(limit) = self.limit_of_clone {
            client = client.with_timeout(limit);
        }
        let started = Instant::now();
        let (result, took) = (call.make(&client), started.elapsed());
        Played {
            before,
            result,
            took,
            client,
            server,
            elsewhere,
        }
    }

    /// Plays the fault for one call and says what was not as it should be.
    fn complaints(&self, cell: &Cell, agent: Option<Agent>) -> Vec<String> {
        let played = self.play(cell.call, KEY, agent);
        let mut complaints = Vec::new();
        macro_rules! check {
            ($what:literal, $got:expr, $expected:expr) => {
                if $got != $expected {
                    let what = format!("{:?}, {}: {}", cell.call, self.name, $what);
                    complaints.push(format!(
                        "{what}: {:?}, not {:?}; {:?}",
                        $got, $expected, played.result
                    ));
                }
            };
        }
        check!("outcome", outcome(&played.result), cell.outcome);
        check!("the call before", outcome(&played.before), "ok");
        if let Err(error) = &played.result {
            let context = error.context().expect("a call");
            check!("attempts", context.attempts, cell.tries);
            let text = format!("{error} {error:#?}");
            check!("shows a query", text.contains("presigned"), false);
            check!("debug", format!("{error:?}"), error.to_string());
            if let Server::Redirect(_) = self.server {
                check!(
                    "shows the redirect's path",
                    text.contains("/elsewhere"),
                    false
                );
                check!(
                    "names the redirect's host",
                    text.contains("to 127.0.0.1,"),
                    true
                );
            }
            check!(
                "request id",
                error.request_id(),
                error.status().map(|_| REQUEST_ID)
            );
            let safe = ["Network", "Api RateLimited", "Api Server"];
            let safe = safe.iter().any(|start| cell.outcome.starts_with(start))
                && cell.outcome != "Network Tls";
            check!("safe to retry", error.is_safe_to_retry(), safe);
            check!(
                "elapsed",
                (self.at_least..=played.took).contains(&context.elapsed),
                true
            );
        }
        check!(
            "in time",
            (self.at_least..SOON).contains(&played.took),
            true
        );
        if let Some(server) = &played.server {
            let requests = match self.server {
                Server::ScriptThenRefuse => self.script.len(),
                _ => cell.tries as usize + usize::from(self.call_before),
            };
            let heard = requests.saturating_sub(self.unheard);
            let connections = match self.unheard {
                _ if self.keeps => 1,
                1 => heard,
                _ => requests,
            };
            check!("requests", server.requests(), heard);
            check!("connections", server.connections(), connections);
        }
        check!("connections elsewhere", played.elsewhere.connections(), 0);
        complaints
    }
}

const KEY: &str = "sk-table-0123456789abcdef";

/// What came of a fault.
pub struct Played {
    before: Result<()>,
    pub result: Result<()>,
    took: Duration,
    pub client: Client,
    pub server: Option<Faulty>,
    /// The server that a redirect points to.
    pub elsewhere: Faulty,
}

impl Call {
    pub const ALL: [Self; 7] = [
        Self::Copilot,
        Self::Enhance,
        Self::Create,
        Self::Info,
        Self::Tools,
        Self::Reset,
        Self::Finalize,
    ];

    pub fn make(self, client: &Client) -> Result<()> {
        let project = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
        let photo = project.image("DSC_0001.JPEG");
        match self {
            Self::Copilot => photo.copilot(INSTRUCTION).map(drop),
            Self::Enhance => photo.enhance("virtual_staging").map(drop),
            Self::Create => client.create_project("Smith wedding").map(drop),
            Self::Info => project.info().map(drop),
            Self::Tools => project.presets().map(drop),
            Self::Reset => photo.reset(),
            Self::Finalize => project.finalize().map(drop),
        }
    }
}

/// A result as the table writes it: the variant, what it holds of causes and kinds, the status, the
/// wait asked for.
fn outcome(result: &Result<()>) -> String {
    let Err(error) = result else {
        return "ok".to_owned();
    };
    let mut text = match error {
        Error::Api(e) => format!("Api {:?}", e.kind),
        Error::EnhancementFailed(_) => "EnhancementFailed".to_owned(),
        Error::OutcomeUnknown(e) => format!("OutcomeUnknown {:?}", e.cause.kind),
        Error::Network(e) => format!("Network {:?}", e.cause.kind),
        Error::Decode(e) => format!("Decode {:?}", e.cause.kind),
        other => format!("{other:?}"),
    };
    if let Some(status) = error.status() {
        text.push_str(&format!(" {status}"));
    }
    match error.retry_after().map(|wait| wait.as_secs()) {
        None => {}
        Some(100_000_000..) => text.push_str(", wait for ever"),
        Some(seconds) => text.push_str(&format!(", wait {seconds} s")),
    }
    text
}

/// Plays every row for the calls that are wanted, with an agent if one is given.
fn play_all(wanted: impl Fn(Call) -> bool, agent: Option<fn() -> Agent>) {
    let faults = faults();
    let faults = faults
        .iter()
        .filter(|fault| agent.is_none() || !fault.small_buffers);
    let cells = faults.flat_map(|fault| fault.cells.iter().map(move |cell| (fault, cell)));
    let mut cells: Vec<_> = cells.filter(|(_, cell)| wanted(cell.call)).collect();
    assert!(cells.len() > 60);
    // Those that wait for long go first, so that nothing is left to wait for at the end.
    cells.sort_by_key(|(fault, _)| std::cmp::Reverse(fault.pause));
    let complaints = Mutex::new(Vec::new());
    side_by_side(&cells, |(fault, cell)| {
        let found = fault.complaints(cell, agent.map(|agent| agent()));
        complaints.lock().unwrap().extend(found);
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_table_holds() {
    play_all(|_| true, None);
}

#[test]
fn no_agent_undoes_what_the_table_promises() {
    play_all(
        |call| [Call::Copilot, Call::Info].contains(&call),
        Some(contrary_agent),
    );
}
