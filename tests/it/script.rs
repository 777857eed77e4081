//! The script server does what a test of the crate would not notice if it did not: the client makes
//! the same of a close and of a reset.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::support::script::End::{self, Close, HangUp, HangUpOnNext, Reset, Stall};
use crate::support::script::{Script, Turn};
use crate::support::{BUSY, eventually, ms};

const HEAD: &[u8] = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
const HI: &str = "HTTP/1.1 200 Because\r\nContent-Length: 2\r\n\r\nhi";

const CHUNKS: &str = "\
    HTTP/1.1 200 Because\r\nTransfer-Encoding: chunked\r\n\r\n\
    1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n";

/// What a client sees that sends so much: the answer, and after it an end in order, a reset, or
/// silence.
fn seen(server: &Script, request: &[u8], expected: End) -> (String, End) {
    let mut client = TcpStream::connect(server.addr()).unwrap();
    client.write_all(request).unwrap();
    eventually(|| server.done() == 1);
    // What the server did last may still be on its way.
    let patience = if expected == Stall { ms(100) } else { BUSY };
    client.set_read_timeout(Some(patience)).unwrap();
    let mut text = Vec::new();
    let end = match client.read_to_end(&mut text) {
        Ok(_) => Close,
        Err(e) if e.kind() == ErrorKind::ConnectionReset => Reset,
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Stall,
        Err(e) => panic!("{e:?}"),
    };
    (String::from_utf8(text).unwrap(), end)
}

#[test]
fn ends_are_what_they_are_called_and_happen_where_they_say() {
    let whole = [HEAD, b"body"].concat();
    let hi = || Turn::status(200).body("hi");
    let cut = &HI[..HI.len() - 1];
    for (turn, sent, answer, end, requests) in [
        (Close.on_accept(), &b""[..], "", Close, 0),
        (Reset.on_accept(), b"P", "", Reset, 0),
        (Stall.on_accept(), &whole, "", Stall, 0),
        (Close.after_head(), HEAD, "", Close, 1),
        (Reset.after_head(), HEAD, "", Reset, 1),
        (Reset.after_request(), &whole, "", Reset, 1),
        (HangUp.after_request(), &whole, "", Close, 1),
        (hi().cut_head(5, Reset), &whole, "HTTP/", Reset, 1),
        (hi().cut_body(1, Stall), &whole, cut, Stall, 1),
        (hi().cut_body(1, Close), &whole, cut, Close, 1),
        (hi().then(Reset), &whole, HI, Reset, 1),
        (
            hi().body("hello").chunked(&[1, 3]),
            &whole,
            CHUNKS,
            Stall,
            1,
        ),
    ] {
        let row = format!("{turn:?}");
        let server = Script::of([turn]);
        let (text, seen) = seen(&server, sent, end);
        assert_eq!(seen, end, "{row}");
        // Windows forgets at a reset what was not read yet.
        let is_forgotten = cfg!(windows) && end == Reset && answer.starts_with(&text);
        assert!(text == answer || is_forgotten, "{row}: {text}");
        assert_eq!(server.connections(), 1, "{row}");
        assert_eq!(server.requests().len(), requests, "{row}");
    }
}

#[test]
fn a_turn_waits_for_the_body_of_a_request() {
    let server = Script::of([Reset.after_request()]);
    let mut client = TcpStream::connect(server.addr()).unwrap();

    client.write_all(HEAD).unwrap();
    eventually(|| server.requests().len() == 1);
    assert_eq!(server.done(), 0);
    client.write_all(b"body").unwrap();
    eventually(|| server.done() == 1);

    assert_eq!(server.requests()[0].body, b"body");
}

#[test]
fn a_hang_up_on_the_next_request_reads_nothing_of_it() {
    let server = Script::of([HangUpOnNext.after_request()]);
    let mut client = TcpStream::connect(server.addr()).unwrap();

    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    eventually(|| server.requests().len() == 1);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();

    let end = client.read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.requests().len(), 1);
}

#[cfg(panic = "unwind")]
#[test]
#[should_panic(expected = "the script panicked")]
fn a_closure_that_panics_fails_the_test() {
    let server = Script::each(|_| panic!("on purpose"));
    let mut client = TcpStream::connect(server.addr()).unwrap();
    client.set_read_timeout(Some(BUSY)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The connection is over, with an end in order or, as some systems see it, with a reset.
    match client.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}
