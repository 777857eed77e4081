//! The fault server does what it says, as seen by a client that reads bytes and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use After::{Eof, Gone, Open};

use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{BacklogFull, End, Fate, Faulty, File, Refused, Reply, Unserved};
use crate::support::{eventually, ms};

const POST: &[u8] = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Long enough for a busy machine, and never waited out by a test that passes.
const LONG: Duration = Duration::from_secs(10);
/// How long nothing must happen before "nothing happens" is believed.
const QUIET: Duration = Duration::from_millis(40);

fn hi() -> Reply {
    Reply::ok().body("hi")
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

/// What the client sees after the last byte.
#[derive(Debug, PartialEq, Eq)]
enum After {
    /// The connection closed in order.
    Eof,
    /// The connection was reset.
    Gone,
    /// The connection stays open and silent.
    Open,
}

struct Client(TcpStream);

impl Client {
    fn new(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).unwrap())
    }

    fn asking(addr: SocketAddr, request: &[u8]) -> Self {
        let mut client = Self::new(addr);
        client.ask(request);
        client
    }

    fn ask(&mut self, request: &[u8]) {
        self.0.write_all(request).unwrap();
    }

    /// Reads so many bytes, or all there are.
    fn read(&mut self, count: usize) -> Vec<u8> {
        self.0.set_read_timeout(Some(LONG)).unwrap();
        let mut bytes = Vec::new();
        // A reset ends it as well; what was read before stays.
        let _ = (&self.0).take(count as u64).read_to_end(&mut bytes);
        bytes
    }

    /// What follows. Silence is waited for only where it is expected.
    fn after(&mut self, expected: &After) -> After {
        let patience = if *expected == Open { QUIET } else { LONG };
        self.0.set_read_timeout(Some(patience)).unwrap();
        match self.0.read(&mut [0]) {
            Ok(0) => Eof,
            Ok(_) => panic!("there is more to read"),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Gone,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Open,
            Err(e) => panic!("{e}"),
        }
    }

    fn expect(&mut self, answer: impl AsRef<[u8]>, after: After) {
        let answer = answer.as_ref();
        let got = self.read(answer.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(answer));
        assert_eq!(self.after(&after), after);
    }

    fn answer_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.read(1);
            assert!(!byte.is_empty(), "{:?}", String::from_utf8_lossy(&head));
            head.extend(byte);
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads an answer with a `Content-Length`: its head and its body.
    fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.answer_head();
        let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |v| v.parse().unwrap());
        (head, self.read(length))
    }
}

/// Every answer, byte by byte, and what happens to the connection afterwards.
#[test]
fn answers_are_sent_as_written() {
    let ok = "HTTP/1.1 200 OK\r\n";
    // A row a line, which is how a table is read.
    #[rustfmt::skip]
    let rows: Vec<(&str, Reply, String, After)> = vec![
        ("plain", hi(), HI.into(), Open),
        ("header", Reply::status(503).header("Retry-After", "0"), "HTTP/1.1 503 Because\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n".into(), Open),
        ("json", Reply::json("{}"), format!("{ok}Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{{}}"), Open),
        ("redirect", Reply::redirect(302, "//x"), "HTTP/1.1 302 Because\r\nContent-Length: 0\r\nLocation: //x\r\n\r\n".into(), Open),
        ("page", Reply::html(502, "<p>"), "HTTP/1.1 502 Because\r\nContent-Length: 3\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>".into(), Open),
        ("no content", Reply::status(204), "HTTP/1.1 204 Because\r\n\r\n".into(), Open),
        ("odd status", Reply::status("000").reason(""), "HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n".into(), Open),
        ("many headers", hi().many_headers(2), format!("{ok}Content-Length: 2\r\nX-Filler-0: 0\r\nX-Filler-1: 1\r\n\r\nhi"), Open),
        ("line feeds", hi().lf_only(), HI.replace('\r', ""), Open),
        ("says close", hi().header("connection", "Close"), format!("{ok}Content-Length: 2\r\nconnection: Close\r\n\r\nhi"), Eof),
        ("until close", hi().until_close(), format!("{ok}\r\nhi"), Eof),
        ("HTTP/1.0", hi().http10(), HI.replace("1.1", "1.0"), Eof),
        ("HTTP/1.0 without length", hi().until_close().http10(), "HTTP/1.0 200 OK\r\n\r\nhi".into(), Eof),
        ("too long a length", hi().content_length(3).then(Close), format!("{ok}Content-Length: 3\r\n\r\nhi"), Eof),
        ("two lengths", hi().content_length(1).content_length("x"), format!("{ok}Content-Length: 1\r\nContent-Length: x\r\n\r\nhi"), Open),
        ("no framing", hi().unframed(), format!("{ok}\r\nhi"), Open),
        ("chunks", Reply::ok().body("hello").body("!").chunked([1, 3]), format!("{ok}Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n3\r\nell\r\n1\r\no\r\n1\r\n!\r\n0\r\n\r\n"), Open),
        ("raw chunks", Reply::ok().raw_chunks("zz;x=1\r\n"), format!("{ok}Transfer-Encoding: chunked\r\n\r\nzz;x=1\r\n"), Open),
        ("nonsense", Reply::raw("\0\r\n"), "\0\r\n".into(), Open),
        ("interim", hi().interim(100).before("\r\n"), format!("HTTP/1.1 100 Interim\r\n\r\n\r\n{HI}"), Open),
        ("twice", hi().then_send(HI), format!("{HI}{HI}"), Open),
        ("dripped", hi().drip_head(9, ms(1)).drip_body(1, ms(1)), HI.into(), Open),
        ("closed head", hi().cut_head(5, Close), "HTTP/".into(), Eof),
        ("reset head", hi().cut_head(5, Reset), "HTTP/".into(), Gone),
        ("stalled head", hi().cut_head(5, Stall), "HTTP/".into(), Open),
        ("no head", hi().cut_head(0, Close), String::new(), Eof),
        ("closed body", hi().cut_body(1, Close), HI.replace("hi", "h"), Eof),
        ("reset body", hi().cut_body(1, Reset), HI.replace("hi", "h"), Gone),
        ("stalled body", hi().cut_body(1, Stall), HI.replace("hi", "h"), Open),
        ("reset after a whole body", hi().cut_body(9, Reset), HI.into(), Gone),
        ("closed after", hi().then(Close), HI.into(), Eof),
        ("hung up after", hi().then(HangUp), HI.into(), Eof),
        ("closed while idle", hi().then_wait(ms(20)).then(Close), HI.into(), Eof),
        ("reset while idle", hi().then_wait(ms(20)).then(Reset), HI.into(), Gone),
        ("silence", Stall.after_request(), String::new(), Open),
        ("close", Close.after_request(), String::new(), Eof),
        ("reset", Reset.after_request(), String::new(), Gone),
        ("hang up", HangUp.after_request(), String::new(), Eof),
    ];
    thread::scope(|scope| {
        for (name, reply, answer, after) in rows {
            let row = move || {
                let server = Faulty::start([reply]);
                Client::asking(server.addr(), POST).expect(answer, after);
                eventually(|| server.received().iter().any(|r| r.body == b"body"));
                assert_eq!((server.connections(), server.requests()), (1, 1));
            };
            thread::Builder::new()
                .name(name.into())
                .spawn_scoped(scope, row)
                .unwrap();
        }
    });
}

#[test]
fn ends_happen_at_the_point_they_name() {
    let half = &POST[..POST.len() - 4];
    for end in [Close, Reset, Stall] {
        let server = Faulty::start([end.on_accept()]);
        let mut on_accept = Client::new(server.addr());
        if end == Reset {
            on_accept.ask(b"P");
        }
        on_accept.expect("", after_of(end));
        assert_eq!(server.requests(), 0);
        let server = Faulty::start([end.after_head()]);
        Client::asking(server.addr(), half).expect("", after_of(end));
        eventually(|| server.requests() == 1);
        let server = Faulty::start([end.after_request()]);
        let mut whole = Client::asking(server.addr(), half);
        assert_eq!(whole.after(&Open), Open);
        whole.ask(b"body");
        whole.expect("", after_of(end));
        eventually(|| server.received().iter().any(|r| r.body == b"body"));
    }
}

/// What a client sees of an end that leaves nothing unread.
fn after_of(end: End) -> After {
    match end {
        Close | HangUp => Eof,
        Reset => Gone,
        Stall => Open,
    }
}

/// The two ways of closing differ in what happens to a client that goes on sending.
#[test]
fn hanging_up_resets_who_goes_on_and_closing_does_not() {
    for end in [Close, HangUp] {
        let server = Faulty::start([hi().then(end)]);
        let mut client = Client::asking(server.addr(), &get("/"));
        assert_eq!(client.read(HI.len()), HI.as_bytes());
        assert_eq!(client.0.peek(&mut [0]).unwrap(), 0);
        client.ask(&get("/again"));
        match end {
            HangUp => eventually(|| client.0.take_error().unwrap().is_some()),
            _ => eventually(|| server.bytes_received().ends_with(&get("/again"))),
        }
    }
}

#[test]
fn early_answers_do_not_wait_for_the_body() {
    let server = Faulty::start([hi().early(), hi().on_accept(), hi()]);
    let mut client = Client::asking(server.addr(), &POST[..POST.len() - 4]);
    client.expect(HI, Open);
    // The body is read after all, and the connection goes on.
    client.ask(b"body");
    client.ask(&get("/second")[..1]);
    client.expect(HI, Open);
    client.ask(&get("/second")[1..]);
    client.ask(POST);
    client.expect(HI, Open);
    let bodies: Vec<_> = server.received().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [&b"body"[..], b"", b"body"]);
}

#[test]
fn requests_are_recorded_as_they_came() {
    let server = Faulty::start([hi()]);
    let mut client = Client::new(server.addr());
    client.ask(b"PUT /a?b HTTP/1.1\r\nX-Key:  k \r\nTransfer-Encoding: chunked\r\n\r\n");
    client.ask(b"3;x\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n");
    client.expect(HI, Open);
    Client::asking(server.addr(), POST).expect(HI, Open);
    // Two at once, and still one answer each.
    client.ask(&[get("/1"), get("/2")].concat());
    client.expect(format!("{HI}{HI}"), Open);

    let received = server.received();
    let seen: Vec<_> = received.iter().map(|r| (r.method(), r.path(), r.connection)).collect();
    assert_eq!(
        seen,
        [
            ("PUT", "/a?b", 0),
            ("POST", "/p", 1),
            ("GET", "/1", 0),
            ("GET", "/2", 0)
        ]
    );
    assert_eq!(
        (&received[0].body[..], received[0].header("x-key")),
        (&b"abcd"[..], Some("k"))
    );
    assert_eq!((server.connections(), server.requests()), (2, 4));
    let raw = String::from_utf8(server.bytes_received()).unwrap();
    assert!(raw.contains("X-Key:  k \r\n") && raw.contains("Trailer: t"));
}

#[test]
fn a_script_goes_on_across_connections_and_repeats_its_last_reply_or_refuses() {
    let server = Faulty::start([Reply::status(500), hi()]);
    let mut first = Client::asking(server.addr(), &get("/"));
    assert!(first.answer().0.starts_with("HTTP/1.1 500"));
    for _ in 0..2 {
        assert_eq!(Client::asking(server.addr(), &get("/")).answer().1, b"hi");
    }
    let server = Faulty::start_then_refuse([hi(), hi()]);
    let mut client = Client::asking(server.addr(), &get("/"));
    client.expect(HI, Open);
    Client::asking(server.addr(), &get("/")).expect(HI, Open);
    let refused = TcpStream::connect(server.addr()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.ask(&get("/"));
    assert_ne!(client.after(&Eof), Open);
    assert_eq!(server.connections(), 2);
}

#[test]
fn endless_things_go_on_until_the_client_leaves() {
    let endless = [
        hi().endless_headers(),
        hi().endless_interim(100),
        Reply::ok().endless_body("x"),
        Reply::ok().endless_body("x").chunked([1]),
        Reply::raw("").endless_body("x"),
    ];
    for reply in endless {
        let server = Faulty::start([reply]);
        let mut client = Client::asking(server.addr(), &get("/"));
        assert_eq!(client.read(1 << 20).len(), 1 << 20);
    }
}

#[test]
fn drips_and_waits_take_their_time() {
    for reply in [
        hi().drip_head(20, ms(30)),
        hi().drip_body(1, ms(30)),
        hi().then_wait(ms(30)),
    ] {
        let server = Faulty::start([reply.then(Close)]);
        let started = Instant::now();
        Client::asking(server.addr(), &get("/")).expect(HI, Eof);
        assert!(started.elapsed() >= ms(30));
    }
}

#[test]
fn dropping_a_server_ends_everything_at_once() {
    let started = Instant::now();
    for reply in [
        Stall.on_accept(),
        Stall.after_request(),
        hi().then_wait(LONG),
        hi().cut_body(1, Stall),
        hi().drip_head(1, LONG),
        Reply::ok().endless_body("x"),
        Close.after_request(),
    ] {
        let server = Faulty::start([reply]);
        let mut client = Client::asking(server.addr(), &get("/"));
        let _idle = Client::new(server.addr());
        thread::sleep(ms(5));
        drop(server);
        client.read(usize::MAX);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[cfg(panic = "unwind")]
#[test]
#[should_panic(expected = "a thread of the fault server panicked")]
fn a_closure_that_panics_fails_the_test() {
    let server = Faulty::each(|_| panic!("on purpose"));
    Client::asking(server.addr(), &get("/")).read(1);
}

#[test]
fn nobody_is_there_in_three_ways() {
    let refused = Refused::new();
    let error = TcpStream::connect(refused.addr()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let unserved = Unserved::new();
    Client::asking(unserved.addr(), &get("/")).expect("", Open);

    let full = BacklogFull::new().expect("a queue that can be filled");
    let error = TcpStream::connect_timeout(&full.addr(), ms(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// A range request for the file; the answer's status line and `Content-Range`, and its body.
fn range(file: &File, headers: &str) -> (String, Option<String>, Vec<u8>) {
    let server = Faulty::start([Reply::file(file)]);
    let request = format!("GET /f HTTP/1.1\r\n{headers}\r\n");
    let (head, body) = Client::asking(server.addr(), request.as_bytes()).answer();
    let mut lines = head.lines();
    let status = lines.next().unwrap()[9..12].to_owned();
    let label = lines.find_map(|l| l.strip_prefix("Content-Range: "));
    (status, label.map(str::to_owned), body)
}

#[test]
fn files_are_served_as_storage_does() {
    let file = File::new("0123456789").etag(Some("\"v1\""));
    let whole = ("200", None, "0123456789");
    let rest = ("206", Some("bytes 4-9/10"), "456789");
    let none = ("416", Some("bytes */10"), "");
    let date = "If-Range: Wed, 01 Jan 2025 00:00:00 GMT\r\nRange: bytes=4-\r\n";
    let rows = [
        (&file, "", whole),
        (&file, "Range: bytes=4-\r\n", rest),
        (&file, "Range: bytes=4-99\r\n", rest),
        (&file, "Range: bytes=-6\r\n", rest),
        (&file, "Range: bytes=0-0\r\n", ("206", Some("bytes 0-0/10"), "0")),
        (&file, "Range: bytes=10-\r\n", none),
        (&file, "Range: bytes=-0\r\n", none),
        (&file, "Range: lines=1-\r\n", whole),
        (&file, "Range: bytes=4-\r\nIf-Range: \"v1\"\r\n", rest),
        (&file, "Range: bytes=4-\r\nIf-Range: \"v0\"\r\n", whole),
        (&file, date, rest),
        (&file.clone().last_modified(None), date, whole),
        (
            &file.clone().etag(Some("W/\"v1\"")),
            "Range: bytes=4-\r\nIf-Range: W/\"v1\"\r\n",
            whole,
        ),
        (&file.clone().without_ranges(), "Range: bytes=4-\r\n", whole),
        (
            &file.clone().with_content_range("bytes 1-2/3"),
            "Range: bytes=4-\r\n",
            ("206", Some("bytes 1-2/3"), "456789"),
        ),
    ];
    for (file, headers, (status, label, body)) in rows {
        let expected = (status.to_owned(), label.map(str::to_owned), body.into());
        assert_eq!(range(file, headers), expected, "{headers}");
    }
}

#[test]
fn files_tell_their_version_and_storage_refuses_in_xml() {
    let refused = Reply::s3_error(403, "AccessDenied", "Request has expired");
    let server = Faulty::start([Reply::file(&File::new("a")), Reply::file(&File::new("b")), refused]);
    let mut client = Client::asking(server.addr(), &get("/f"));
    let first = client.answer().0;
    for header in ["ETag: \"", "Last-Modified: ", "Accept-Ranges: bytes"] {
        assert!(first.contains(header), "{first}");
    }
    client.ask(&get("/f"));
    assert_ne!(client.answer().0, first);
    client.ask(&get("/f"));
    let (head, body) = client.answer();
    assert!(head.starts_with("HTTP/1.1 403 ") && head.contains("application/xml"));
    let error = "<Code>AccessDenied</Code><Message>Request has expired</Message>";
    assert!(String::from_utf8(body).unwrap().contains(error));
}

/// A made file is the same from wherever it is read, and never repeats.
#[test]
fn made_files_have_a_content() {
    let file = File::made(1, 200_000);
    let all = file.bytes();
    assert_eq!(all.len(), 200_000);
    for from in [0, 1, 65_520, 65_521, 65_522, 131_042, 199_990] {
        assert_eq!(file.read(from, 10), all[from as usize..][..10], "{from}");
    }
    assert_ne!(all[..10], all[65_521..][..10]);
    assert_ne!(all[..10], File::made(2, 200_000).read(0, 10));
    let (_, _, body) = range(&file, "Range: bytes=65530-\r\n");
    assert_eq!(body, all[65_530..]);

    let huge = File::made(1, 1 << 40);
    assert_eq!(huge.read((1 << 40) - 1, 1).len(), 1);
}

/// A server that counts its requests, and what becomes of one of them on the way.
fn through(fate: Fate) -> (Client, Faulty, Faulty) {
    let target = Faulty::start([Reply::json("{\"a\":1}").header("X-Id", "7").chunked([2])]);
    let proxy = Faulty::proxy(target.addr(), move |_| fate.clone());
    (Client::asking(proxy.addr(), POST), proxy, target)
}

#[test]
fn a_proxy_passes_what_it_gets() {
    let (mut client, proxy, target) = through(Fate::Pass);
    let (head, body) = client.answer();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nX-Id: 7\r\n"));
    assert_eq!(body, b"{\"a\":1}");
    // The client's own connection is kept open.
    client.ask(POST);
    client.answer();
    assert_eq!((proxy.connections(), proxy.requests()), (1, 2));
    let seen = &target.received()[0];
    assert_eq!((seen.method(), seen.path()), ("POST", "/p"));
    assert_eq!((seen.header("host"), &seen.body[..]), (Some("h"), &b"body"[..]));
}

#[test]
fn a_proxy_loses_before_and_after() {
    let (mut client, _proxy, target) = through(Fate::LoseBefore);
    client.expect("", Eof);
    assert_eq!(target.requests(), 0);
    let (mut client, _proxy, target) = through(Fate::LoseAfter);
    client.expect("", Eof);
    assert_eq!(target.requests(), 1);
    let (mut client, _proxy, target) = through(Fate::TruncateAfter(3));
    assert!(client.answer_head().contains("Content-Length: 7\r\n"));
    client.expect("{\"a", Eof);
    assert_eq!(target.requests(), 1);
}

#[test]
fn a_proxy_answers_as_a_gateway() {
    let page = || "<html>".to_owned();
    for (fate, forwarded) in [(Fate::Status(504, page()), 0), (Fate::StatusAfter(504, page()), 1)] {
        let (mut client, _proxy, target) = through(fate);
        let (head, body) = client.answer();
        assert!(head.starts_with("HTTP/1.1 504 ") && body == b"<html>");
        assert_eq!(target.requests(), forwarded);
    }
    let proxy = Faulty::proxy(Refused::new().addr(), |_| Fate::Pass);
    let (head, body) = Client::asking(proxy.addr(), &get("/")).answer();
    assert!(head.starts_with("HTTP/1.1 502 ") && body.starts_with(b"the proxy's target failed"));
}

#[test]
fn a_proxy_forwards_late() {
    let started = Instant::now();
    let (mut client, proxy, target) = through(Fate::Late(ms(60)));
    client.expect("", Eof);
    proxy.settle();
    assert!(started.elapsed() >= ms(60));
    assert_eq!(target.received()[0].body, b"body");

    let (mut client, proxy, target) = through(Fate::Late(LONG));
    client.expect("", Eof);
    drop(proxy);
    assert_eq!(target.requests(), 0);
}

#[test]
fn a_proxy_can_pick_its_victims_and_forwards_side_by_side() {
    let target = Faulty::start([Stall.after_request()]);
    let proxy = Faulty::proxy(target.addr(), |request| match request.method() {
        "POST" => Fate::Pass,
        _ => Fate::LoseBefore,
    });
    let _waiting = [(); 4].map(|()| Client::asking(proxy.addr(), POST));
    eventually(|| target.requests() == 4);
    Client::asking(proxy.addr(), &get("/")).expect("", Eof);
    assert_eq!(target.requests(), 4);
}
