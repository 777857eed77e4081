//! The table of faults, and the answers that it plays.

use imagen_ai::RetryPolicy;

use super::Call::{Copilot, Create, Edit, Enhance, Export, Finalize, Info, Tools};
use super::{
    Call, Fault, PATIENCE, REQUEST_ID, SHORT, SOON, STILL_GOOD, Server, TOO_IDLE, answers, breaks,
    nobody, policy, redirects,
};
use crate::support::ms;
use crate::support::script::End::{Close, HangUp, HangUpOnNext, Reset, Stall};
use crate::support::script::Turn;
use crate::support::wire::OK;

/// The rows.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn faults() -> Vec<Fault> {
    vec![
        // Nothing reaches the server: every call is tried again, and an edit's error says that it
        // was not sent.
        nobody("the connection is refused", Server::Refused).all("Network Connect", 3),
        nobody("the host's name is not found", Server::Url(TOO_LONG_A_LABEL))
            .all("Network Connect", 3),
        #[cfg(not(windows))]
        nobody("connecting takes too long", Server::BacklogFull)
            .connect(SHORT).twice().all("Network Timeout", 2),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        breaks("the server speaks no TLS", [Turn::raw(NO).on_accept().then(Close)])
            .over_tls().unheard().all("Network Tls", 3),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        breaks("the TLS handshake stalls", [Stall.on_accept()])
            .over_tls().unheard().connect(SHORT).twice().all("Network Timeout", 2),
        #[cfg(feature = "rustls")]
        breaks("the server leaves during the TLS handshake", [Close.on_accept()])
            .over_tls().unheard().all("Network Closed", 3),
        // 429: every call is tried again.
        answers("429", [status(429)]).retry(throttled()).twice().all("Api RateLimited 429", 2),
        answers("429, and the last Retry-After is too long", [status(429), wait_for("3600")])
            .all("Api RateLimited 429, wait 3600 s", 2),
        answers("429, then well", [status(429), ok()]).all("ok", 2),
        answers("429 with Retry-After", [status(429).header("Retry-After", "1"), ok()])
            .at_least(1_000).all("ok", 2),
        answers("429 with a long Retry-After", [status(429).header("Retry-After", "3600"), ok()])
            .all("Api RateLimited 429, wait 3600 s", 1),
        answers("429 with an endless Retry-After", [status(429).header("Retry-After", NINES), ok()])
            .all("Api RateLimited 429, wait for ever", 1),
        // 503: it may come from a gateway that had passed the edit on.
        answers("503", [status(503)]).server_error(503),
        answers("503, then well", [status(503), ok()])
            .once("OutcomeUnknown Status 503", 1).rest("ok", 2),
        answers("503 with Retry-After, then well", [status(503).header("Retry-After", "0"), ok()])
            .once("OutcomeUnknown Status 503, wait 0 s", 1).rest("ok", 2),
        answers("503 with a long Retry-After", [status(503).header("Retry-After", "3600"), ok()])
            .once("OutcomeUnknown Status 503, wait 3600 s", 1)
            .rest("Api Server 503, wait 3600 s", 1),
        // 408, 500, 502, 504: an edit may have been made.
        answers("408", [status(408)]).server_error(408),
        answers("500", [status(500)]).server_error(500),
        answers("502", [page(502)]).server_error(502),
        answers("504", [status(504)]).server_error(504),
        answers("500 with a long Retry-After", [status(500).header("Retry-After", "3600"), ok()])
            .once("OutcomeUnknown Status 500, wait 3600 s", 1)
            .rest("Api Server 500, wait 3600 s", 1),
        answers("522, which a gateway made up", [page(522), ok()])
            .once("OutcomeUnknown Status 522", 1).rest("ok", 2),
        answers("425", [status(425)]).once("Api Server 425", 1).rest("Api Server 425", 3),
        breaks("504 whose page is cut", [page(504).cut_body(3, Reset)]).server_error(504),
        breaks("504 whose page stalls", [page(504).cut_body(3, Stall)]).limit(SHORT).twice()
            .server_error(504),
        breaks("504 whose page has no end", [status(504).endless("<p>").until_close()])
            .server_error(504),
        // The server says no: its answer stands.
        answers("400", [status(400)]).all("Api InvalidRequest 400", 1),
        answers("400, not exported", [detail("Project has not been exported yet.")])
            .all("Api NotReady 400", 1),
        answers("400, realistic only", [detail("Only realistic editing requests are supported.")])
            .all("Api RealisticOnly 400", 1),
        answers("401", [status(401)]).all("Api Unauthorized 401", 1),
        answers("403", [status(403).body(r#"{"message":"Forbidden"}"#)])
            .all("Api Forbidden 403", 1),
        answers("404 with a page", [page(404)]).all("Api NotFound 404", 1),
        answers("422", [status(422).body(r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#)])
            .all("Api InvalidRequest 422", 1),
        answers("418", [status(418)]).all("Api Other 418", 1),
        answers("a status that does not exist", [status(999)]).all("Api Other 999", 1),
        breaks("401 whose body never comes", [status(401).body("{}").cut_body(0, Stall)])
            .limit(SHORT).all("Api Unauthorized 401", 1),
        breaks("401 whose body is reset", [status(401).body("{}").cut_body(1, Reset)])
            .all("Api Unauthorized 401", 1),
        // The server answers before it has read the request.
        answers("401 before the body was read", [status(401).early()])
            .all("Api Unauthorized 401", 1),
        breaks("413 before the body was read, and the end", [status(413).early().then(Close)])
            .all("Api InvalidRequest 413", 1),
        breaks("an unasked answer and the end", [closing(408).on_accept()])
            .unheard().server_error(408),
        // No redirect is followed.
        redirects(301, "Api Other 301"),
        redirects(302, "Api Other 302"),
        redirects(303, "Api Other 303"),
        redirects(307, "Api Other 307"),
        redirects(308, "Api Other 308"),
        answers("a redirect to nowhere", [status(302)]).all("Api Other 302", 1),
        breaks("101", [status(101).unframed()]).all("Api Other 101", 1),
        // No answer at all, after the whole request or a part of it: an edit may have been made.
        breaks("the connection ends at once", [Close.on_accept()]).unheard().lost("Closed"),
        breaks("the connection is reset at once", [Reset.on_accept()]).unheard().lost("Closed"),
        breaks("the server never reads", [Stall.on_accept()]).unheard().limit(SHORT).twice()
            .lost("Timeout"),
        breaks("the connection ends after the request's head", [Close.after_head()]).lost("Closed"),
        breaks("the connection is reset after the request's head", [Reset.after_head()])
            .lost("Closed"),
        breaks("the server stalls after the request's head", [Stall.after_head()])
            .limit(SHORT).twice().lost("Timeout"),
        breaks("the connection ends after the request", [Close.after_request()]).lost("Closed"),
        breaks("the connection is reset after the request", [Reset.after_request()]).lost("Closed"),
        breaks("the server stalls after the request", [Stall.after_request()]).limit(SHORT).twice()
            .lost("Timeout"),
        breaks("the server exits after the request", [HangUp.after_request()]).lost("Closed"),
        breaks("reset, then well", [Reset.after_request(), ok()])
            .once("OutcomeUnknown Closed", 1).rest("ok", 2),
        breaks("429, then reset", [closing(429), Reset.after_request()])
            .once("OutcomeUnknown Closed", 2).rest("Network Closed", 4),
        breaks("a server that goes away", [Reset.after_request()]).then_nobody()
            .once("OutcomeUnknown Closed", 1).rest("Network Connect", 3),
        breaks("429, and then the server goes away", [closing(429)]).then_nobody()
            .all("Network Connect", 4),
        // The head of the answer breaks off.
        breaks("the head ends early", [ok().cut_head(20, Close)]).lost("Closed"),
        breaks("the head stalls", [ok().cut_head(20, Stall)]).limit(SHORT).twice().lost("Timeout"),
        breaks("the head drips", [headers(50).drip_head(1, ms(20))]).limit(SHORT).twice()
            .lost("Timeout"),
        breaks("the head of a 429 ends early", [status(429).cut_head(30, Close)]).lost("Closed"),
        // The body of a success breaks off: the edit was made, and the reset too.
        breaks("the body ends early", [ok().cut_body(9, Close)]).lost("Closed 200"),
        breaks("the body is reset", [ok().cut_body(9, Reset)]).lost("Closed 200"),
        breaks("the body stalls", [ok().cut_body(9, Stall)]).limit(SHORT).twice()
            .lost("Timeout 200"),
        breaks("the body drips", [ok().drip_body(1, ms(20))]).limit(SHORT).twice()
            .lost("Timeout 200"),
        breaks("the body drips longer than with_timeout allows", [ok().drip_body(1, ms(20))])
            .limit_of_clone(SHORT).twice().lost("Timeout 200"),
        answers("the body drips, and with_timeout allows it", [ok().drip_body(40, SHORT / 5)])
            .limit(SHORT / 5).limit_of_clone(PATIENCE).all("ok", 1),
        breaks("the body is broken once", [ok().cut_body(9, Reset), ok()])
            .once("OutcomeUnknown Closed 200", 1).rest("ok", 2),
        breaks("the announced length is too long", [length("9999").then(Close)])
            .lost("Closed 200"),
        breaks("the announced length is no number", [length("x")]).lost("Protocol"),
        breaks("a chunk's size is no number", [chunks("zz\r\n{}\r\n0\r\n\r\n")])
            .lost("Protocol 200"),
        breaks("the last chunk is missing", [chunks("2\r\n{}\r\n").then(Close)]).lost("Closed 200"),
        answers("chunks of all sizes", [json(OK).chunked(&[1, 2, 3, 50])]).all("ok", 1),
        breaks("a body that ends with the connection", [json(OK).until_close()]).all("ok", 1),
        // A success that cannot be read.
        answers("a page with status 200", [page(200)]).unreadable(),
        answers("JSON that breaks off", [json(&OK[..50])]).unreadable(),
        answers("JSON of another shape", [json("[7]")])
            .reads("OutcomeUnknown Json 200", 1).expect([Info, Finalize], "Decode Json 200", 1)
            .expect([Call::Reset, Edit, Export], "ok", 1),
        answers("JSON with something after it", [json(format!("{OK}}}"))]).unreadable(),
        answers("JSON that is no UTF-8", [json(b"{\"status\":\"\xff\xfe\"}".as_slice())])
            .unreadable(),
        answers("JSON of endless depth", [json("[".repeat(100_000))]).unreadable(),
        answers("204", [status(204)])
            .reads("OutcomeUnknown Json 204", 1).get("Decode Json 204", 1)
            .expect([Call::Reset, Edit, Export], "ok", 1),
        answers("200 and no body", [json("")])
            .reads("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1)
            .expect([Call::Reset, Edit, Export], "ok", 1),
        answers("a success that says that it failed", [json(r#"{"status":"FAILED"}"#)])
            .expect([Copilot, Enhance], "EnhancementFailed 200", 1).expect([Info], "ok", 1)
            .expect([Create, Edit, Export, Tools, Call::Reset, Finalize], "Api Failed 200", 1),
        answers("a success with an error in it", [json(r#"{"error":{"message":"internal"}}"#)])
            .expect([Copilot, Enhance], "EnhancementFailed 200", 1)
            .expect([Create, Edit, Export], "Api Failed 200", 1).rest("Api Failed 200", 1),
        answers("a success without a picture", [json(r#"{"status":"SUCCESS","version_id":7}"#)])
            .reads("OutcomeUnknown Json 200", 1).expect([Edit, Export], "ok", 1),
        answers("201", [status(201).body(OK)]).all("ok", 1),
        answers("an envelope", [json(format!(r#"{{"data":{OK}}}"#))]).all("ok", 1),
        answers("a byte order mark", [json(format!("\u{feff}{OK}"))]).all("ok", 1),
        #[cfg(feature = "gzip")]
        breaks("a body that is not the gzip it claims to be", [gzip(OK)]).lost("Protocol 200"),
        #[cfg(not(feature = "gzip"))]
        answers("a body that is compressed, which nobody asked for", [gzip(ZEROS)])
            .reads("OutcomeUnknown Json 200", 1).get("Decode Json 200", 1)
            .expect([Edit, Export], "ok", 1),
        // More than the limit.
        answers("a large answer within the limit", [json(padded(60_000))]).at_most_bytes(70_000)
            .all("ok", 1),
        breaks("an answer larger than the limit", [json(padded(60_000))]).at_most_bytes(50_000)
            .too_large(),
        breaks("an endless answer", [json("{").endless(" ")]).at_most_bytes(1 << 17)
            .too_large(),
        breaks("an endless answer in chunks", [json("{").endless(" ").chunked(&[4_096])])
            .at_most_bytes(1 << 17).too_large(),
        #[cfg(feature = "gzip")]
        breaks("an answer that is larger when decompressed", [gzip(ZEROS).endless(ZEROS)])
            .at_most_bytes(1 << 17).too_large(),
        // A head must fit into the client's buffer of 36 KiB.
        breaks("thousands of headers", [headers(3_000)]).lost("Protocol"),
        breaks("endless headers", [Turn::raw("HTTP/1.1 200 OK\r\n").endless("X-Filler: x\r\n")])
            .lost("Protocol"),
        answers("a header of 35 KB", [ok().header("X-Filler", "x".repeat(35_000))]).all("ok", 1),
        breaks("a header of 80 KB", [ok().header("X-Filler", "x".repeat(80_000))])
            .once("OutcomeUnknown TooLarge", 1).rest("Decode TooLarge", 1),
        breaks("a status line without end", [Turn::raw("HTTP/1.1 200 ").endless("x")])
            .once("OutcomeUnknown TooLarge", 1).rest("Decode TooLarge", 1),
        // Not quite HTTP/1.1.
        breaks("nonsense", [Turn::raw("\u{0}\u{1}nonsense\r\n\r\n")]).lost("Protocol"),
        breaks("HTTP/2", [ok().status_line("HTTP/2.0 200 OK")]).lost("Protocol"),
        breaks("HTTP/1.0 without a length", [ok().status_line("HTTP/1.0 200 OK").until_close()])
            .all("ok", 1),
        breaks("status 000", [status("000")]).lost("Protocol"),
        answers("a header that is no UTF-8", [ok().header("X-Filler", b"\xff\xfe".as_slice())])
            .all("ok", 1),
        breaks("a header with a zero byte", [ok().header("X-Filler", "a\0b")]).lost("Protocol"),
        answers("interim answers of all sorts", [ok().status_line(INTERIM)])
            .all("ok", 1),
        breaks("interim answers without end", [Turn::raw("").endless("HTTP/1.1 103 Wait\r\n\r\n")])
            .small_buffers().once("OutcomeUnknown TooLarge", 1).rest("Decode TooLarge", 1),
        // More than one answer: what was not asked for is never taken for the answer to the next
        // call.
        breaks("the answer comes twice", [then_more(NO), ok()])
            .after_a_turn().all("ok", 1),
        breaks("bytes after the answer", [then_more("\r\n\0"), ok()])
            .after_a_turn().all("ok", 1),
        // The connection of an earlier call. It is used again, but not if it is closed or has been
        // idle for too long.
        answers("a kept connection", [ok()]).after_a_call().all("ok", 1),
        answers("a kept connection that was idle for a while", [ok()])
            .after_a_call().idle(STILL_GOOD).all("ok", 1),
        answers("a kept connection, for a clone with another limit", [ok()])
            .after_a_call().limit_of_clone(SOON).all("ok", 1),
        breaks("a connection that was idle for long", [ok()]).after_a_call().idle(TOO_IDLE)
            .all("ok", 1),
        breaks("the server closes the idle connection", [ok().then(Close), ok()])
            .after_a_turn().all("ok", 1),
        breaks("the server exits while the connection is idle", [ok().then(HangUp), ok()])
            .after_a_turn().all("ok", 1),
        breaks("the server resets the idle connection", [ok().then(Reset), ok()])
            .after_a_turn().all("ok", 1),
        // Here the close is on its way while the request is: whether the server saw it, nobody can
        // tell.
        breaks("the server exits as the next request comes", [ok().then(HangUpOnNext), ok()])
            .after_a_call().one_unheard().once("OutcomeUnknown Closed", 1).rest("ok", 2),
        // The settings.
        answers("429 and no retries", [status(429), ok()]).retry(RetryPolicy::none())
            .all("Api RateLimited 429", 1),
        answers("429, Retry-After and no retries", [status(429).header("Retry-After", "1"), ok()])
            .retry(RetryPolicy::none()).all("Api RateLimited 429, wait 1 s", 1),
        breaks("reset and no retries", [Reset.after_request(), ok()]).retry(RetryPolicy::none())
            .lost("Closed"),
        nobody("refused and no retries", Server::Refused).retry(RetryPolicy::none())
            .all("Network Connect", 1),
        answers("zero attempts, which are one", [ok()])
            .retry(RetryPolicy { max_attempts: 0, ..policy() }).all("ok", 1),
        answers("more attempts", [status(502), status(502), status(502), status(502), ok()])
            .retry(RetryPolicy { max_attempts: 5, ..policy() }).rest("ok", 5),
        answers("429 is no attempt", [status(429), status(429), ok()])
            .retry(RetryPolicy { max_attempts: 1, ..policy() }).all("ok", 3),
    ]
}

/// Gives up before the second pause is over: the first two take 300 ms at least.
fn throttled() -> RetryPolicy {
    RetryPolicy {
        max_throttled: ms(290),
        ..policy()
    }
}

fn wait_for(seconds: &str) -> Turn {
    status(429).header("Retry-After", seconds)
}

/// No name can have one of 64 letters, so that no server is asked for it.
const TOO_LONG_A_LABEL: &str =
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example";

/// More seconds than any type holds.
const NINES: &str = "9999999999999999999999999999999999999999";

/// An answer that nobody asked for.
const NO: &str = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";

/// Interim answers before a good one.
const INTERIM: &str = "HTTP/1.1 102 A\r\n\r\nHTTP/1.1 103 B\r\nX-C: d\r\n\r\nHTTP/1.1 100 E\r\n\r\n\
    HTTP/1.1 199 F\r\n\r\nHTTP/1.1 200 OK";

/// Thirty thousand zero bytes, compressed. Repeated, it goes on with more of them.
const ZEROS: &[u8] = b"\
    \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\
    \x4f\x6d\x09\x4f\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3e\x06\x20\x4a\x02\x65\
    \x30\x75\x00\x00";

pub(super) fn status(code: impl std::fmt::Display) -> Turn {
    Turn::status(code).header("X-Request-Id", REQUEST_ID)
}

fn page(code: u16) -> Turn {
    let page = Turn::html(code, "<html>\n<h1>A gateway's page</h1>\n</html>");
    page.header("X-Request-Id", REQUEST_ID)
}

fn json(body: impl Into<Vec<u8>>) -> Turn {
    Turn::json(body).header("X-Request-Id", REQUEST_ID)
}

pub(super) fn ok() -> Turn {
    json(OK)
}

/// A 400 that says this.
fn detail(text: &str) -> Turn {
    status(400).body(format!(r#"{{"detail":"{text}"}}"#))
}

/// An answer with which the connection ends.
fn closing(code: u16) -> Turn {
    status(code).header("Connection", "close").then(Close)
}

/// A good answer, and something after it.
fn then_more(more: &str) -> Turn {
    length(&OK.len().to_string()).body(format!("{OK}{more}"))
}

/// An answer of so many bytes.
fn padded(size: usize) -> String {
    format!("{OK:size$}")
}

/// A good answer with this length announced.
fn length(length: &str) -> Turn {
    ok().unframed().header("Content-Length", length)
}

/// An answer in chunks that are written by hand.
fn chunks(bytes: &str) -> Turn {
    let chunked = json(bytes).unframed();
    chunked.header("Transfer-Encoding", "chunked")
}

fn gzip(body: impl Into<Vec<u8>>) -> Turn {
    json(body).header("Content-Encoding", "gzip")
}

/// A good answer with so many headers that say nothing.
fn headers(count: usize) -> Turn {
    let mut answer = ok();
    for nth in 0..count {
        answer = answer.header(&format!("X-Filler-{nth}"), nth.to_string());
    }
    answer
}
