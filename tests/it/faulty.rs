//! The fault server does what it says, as seen by a client that reads bytes and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use After::{Eof, Gone, Open};

use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{Fate, Faulty, File, Reply};
use crate::support::{eventually, ms};

const POST: &[u8] = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
const GET: &[u8] = b"GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Long enough for a busy machine, and never waited out by a test that passes.
const LONG: Duration = Duration::from_secs(10);
/// How long nothing must happen before "nothing happens" is believed.
const QUIET: Duration = Duration::from_millis(40);

fn hi() -> Reply {
    Reply::ok().body("hi")
}

/// What the client sees after the last byte: an end in order, a reset, or silence on an open connection.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Eof,
    Gone,
    Open,
}

struct Client(TcpStream);

impl Client {
    fn asking(addr: SocketAddr, request: &[u8]) -> Self {
        let mut client = Self(TcpStream::connect(addr).unwrap());
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

    /// Reads this answer, and what follows. Silence is waited for only where it is expected.
    fn expect(&mut self, answer: impl AsRef<[u8]>, after: After) {
        let answer = answer.as_ref();
        let got = self.read(answer.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(answer));
        let patience = if after == Open { QUIET } else { LONG };
        self.0.set_read_timeout(Some(patience)).unwrap();
        let seen = match self.0.read(&mut [0]) {
            Ok(0) => Eof,
            Ok(_) => panic!("there is more to read"),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Gone,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Open,
            Err(e) => panic!("{e}"),
        };
        assert_eq!(seen, after);
    }

    /// Reads an answer with a `Content-Length`: its head and its body.
    fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.read(1);
            assert!(!byte.is_empty(), "{:?}", String::from_utf8_lossy(&head));
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
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
        ("no content", Reply::status(204), "HTTP/1.1 204 Because\r\n\r\n".into(), Open),
        ("until close", hi().until_close(), format!("{ok}\r\nhi"), Eof),
        ("chunks", Reply::ok().body("hello").body("!").chunked([1, 3]), format!("{ok}Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n3\r\nell\r\n1\r\no\r\n1\r\n!\r\n0\r\n\r\n"), Open),
        ("raw chunks", Reply::ok().raw_chunks("zz;x=1\r\n"), format!("{ok}Transfer-Encoding: chunked\r\n\r\nzz;x=1\r\n"), Open),
        ("interim", hi().interim(100).before("\r\n"), format!("HTTP/1.1 100 Interim\r\n\r\n\r\n{HI}"), Open),
        ("dripped", hi().drip_head(9, ms(1)).drip_body(1, ms(1)), HI.into(), Open),
        ("closed head", hi().cut_head(5, Close), "HTTP/".into(), Eof),
        ("reset head", hi().cut_head(5, Reset), "HTTP/".into(), Gone),
        ("closed body", hi().cut_body(1, Close), HI.replace("hi", "h"), Eof),
        ("reset body", hi().cut_body(1, Reset), HI.replace("hi", "h"), Gone),
        ("stalled body", hi().cut_body(1, Stall), HI.replace("hi", "h"), Open),
        ("closed after", hi().then(Close), HI.into(), Eof),
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
            let thread = thread::Builder::new().name(name.into());
            thread.spawn_scoped(scope, row).unwrap();
        }
    });
}

#[test]
fn ends_happen_at_the_point_they_name() {
    let half = &POST[..POST.len() - 4];
    for (end, after) in [(Close, || Eof), (Reset, || Gone), (Stall, || Open)] as [(_, fn() -> After); 3] {
        let server = Faulty::start([end.on_accept()]);
        Client::asking(server.addr(), if end == Reset { b"P" } else { b"" }).expect("", after());
        assert_eq!(server.requests(), 0);
        let server = Faulty::start([end.after_head()]);
        Client::asking(server.addr(), half).expect("", after());
        eventually(|| server.requests() == 1);
        let server = Faulty::start([end.after_request()]);
        let mut whole = Client::asking(server.addr(), half);
        whole.expect("", Open);
        whole.ask(b"body");
        whole.expect("", after());
        eventually(|| server.received().iter().any(|r| r.body == b"body"));
    }
}

#[test]
fn requests_are_recorded_as_they_came() {
    let server = Faulty::start([hi()]);
    let request = b"PUT /a?b HTTP/1.1\r\nX-Key:  k \r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::asking(server.addr(), request);
    client.ask(b"3;x\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n");
    client.expect(HI, Open);
    Client::asking(server.addr(), POST).expect(HI, Open);
    // Two at once, and still one answer each.
    client.ask(&GET.repeat(2));
    client.expect(HI.repeat(2), Open);

    let received = server.received();
    let seen = received.iter().map(|r| format!("{} {} {}", r.method(), r.path(), r.connection));
    assert_eq!(seen.collect::<Vec<_>>(), ["PUT /a?b 0", "POST /p 1", "GET /g 0", "GET /g 0"]);
    assert_eq!((&received[0].body[..], received[0].header("x-key")), (&b"abcd"[..], Some("k")));
    assert_eq!((server.connections(), server.requests()), (2, 4));
    let raw = String::from_utf8(server.bytes_received()).unwrap();
    assert!(raw.contains("X-Key:  k \r\n") && raw.contains("Trailer: t"));
}

#[test]
fn a_script_goes_on_across_connections_and_repeats_its_last_reply_or_refuses() {
    let server = Faulty::start([Reply::status(500), hi()]);
    for answer in ["HTTP/1.1 500", "HTTP/1.1 200", "HTTP/1.1 200"] {
        assert!(Client::asking(server.addr(), GET).answer().0.starts_with(answer));
    }
    let server = Faulty::start_then_refuse([hi(), hi()]);
    let mut client = Client::asking(server.addr(), GET);
    client.expect(HI, Open);
    Client::asking(server.addr(), GET).expect(HI, Open);
    let refused = TcpStream::connect(server.addr()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.ask(GET);
    assert!(client.read(1).is_empty());
    assert_eq!(server.connections(), 2);
}

#[cfg(panic = "unwind")]
#[test]
#[should_panic(expected = "a thread of the fault server panicked")]
fn a_closure_that_panics_fails_the_test() {
    let server = Faulty::each(|_| panic!("on purpose"));
    Client::asking(server.addr(), GET).read(1);
}

/// A range request for the file: the answer's status, `Content-Range` and body.
fn range(file: &File, headers: &str) -> (String, Vec<u8>) {
    let server = Faulty::start([Reply::file(file)]);
    let request = format!("GET /f HTTP/1.1\r\n{headers}\r\n\r\n");
    let (head, body) = Client::asking(server.addr(), request.as_bytes()).answer();
    for header in ["Last-Modified: Wed, 01 Jan 2025", "ETag: "] {
        assert!(head.contains(header), "{head}");
    }
    let label = head.lines().find_map(|l| l.strip_prefix("Content-Range: "));
    (format!("{} {}", &head[9..12], label.unwrap_or_default()), body)
}

#[test]
fn files_are_served_as_storage_does() {
    let file = File::new("0123456789").etag(Some("\"v1\""));
    let weak = file.clone().etag(Some("W/\"v1\""));
    let mislabelled = file.clone().with_content_range("bytes 1-2/3");
    for (file, headers, answer, body) in [
        (&file, "X: y", "200 ", "0123456789"),
        (&file, "Range: bytes=4-", "206 bytes 4-9/10", "456789"),
        (&file, "Range: bytes=4-99", "206 bytes 4-9/10", "456789"),
        (&file, "Range: bytes=-6", "206 bytes 4-9/10", "456789"),
        (&file, "Range: bytes=0-0", "206 bytes 0-0/10", "0"),
        (&file, "Range: bytes=10-", "416 bytes */10", ""),
        (&file, "Range: lines=1-", "200 ", "0123456789"),
        (&file, "Range: bytes=4-\r\nIf-Range: \"v1\"", "206 bytes 4-9/10", "456789"),
        (&file, "Range: bytes=4-\r\nIf-Range: \"v0\"", "200 ", "0123456789"),
        (&weak, "Range: bytes=4-\r\nIf-Range: W/\"v1\"", "200 ", "0123456789"),
        (&file.clone().without_ranges(), "Range: bytes=4-", "200 ", "0123456789"),
        (&mislabelled, "Range: bytes=4-", "206 bytes 1-2/3", "456789"),
    ] {
        assert_eq!(range(file, headers), (answer.to_owned(), body.into()), "{headers}");
    }
}

#[test]
fn made_files_have_a_content() {
    let file = File::made(1, 200_000);
    let all = file.bytes();
    for from in [0, 65_520, 65_521, 131_042, 199_990] {
        assert_eq!(file.read(from, 10), all[from as usize..][..10], "{from}");
    }
    assert_ne!(all[..10], all[65_521..][..10]);
    assert_ne!(all[..10], File::made(2, 200_000).read(0, 10));
    assert_eq!(range(&file, "Range: bytes=65530-").1, all[65_530..]);
}

/// What becomes of a request on the way: what its client sees, and how many of them the target did.
#[test]
fn a_proxy_does_to_each_request_what_its_plan_says() {
    let json = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Id: 7\r\n\r\n{\"a\":1}";
    let page = || "<html>".to_owned();
    let gateway = "HTTP/1.1 504 Because\r\nContent-Length: 6\r\n\r\n<html>";
    for (fate, seen, after, forwarded) in [
        (Fate::Pass, json, Open, 1),
        (Fate::LoseBefore, "", Eof, 0),
        (Fate::LoseAfter, "", Eof, 1),
        (Fate::TruncateAfter(3), &json[..json.len() - 4], Eof, 1),
        (Fate::Status(504, page()), gateway, Open, 0),
        (Fate::StatusAfter(504, page()), gateway, Open, 1),
        (Fate::Late(ms(60)), "", Eof, 1),
        (Fate::Late(LONG), "", Eof, 0),
    ] {
        let (started, never) = (Instant::now(), forwarded == 0);
        let late = matches!(fate, Fate::Late(_));
        let target = Faulty::start([Reply::ok().header("X-Id", "7").body("{\"a\":1}").chunked([2])]);
        let proxy = Faulty::proxy(target.addr(), move |_| fate.clone());
        Client::asking(proxy.addr(), POST).expect(seen, after);
        if !never {
            proxy.settle();
        }
        assert!(!late || never || started.elapsed() >= ms(60));
        drop(proxy);
        let received = target.received();
        assert_eq!(received.len(), forwarded);
        assert!(received.iter().all(|r| r.method() == "POST" && r.header("host") == Some("h") && r.body == b"body"));
    }
}
