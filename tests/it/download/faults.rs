//! What a network and a storage can do to one transfer.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use imagen_ai::{DownloadLink, RetryPolicy, TransferReason};
use log::Level;

use super::{KEY, MIB, broken, builder, client, failed, names, reason, url};
use crate::support;
use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{Faulty, File, Reply, Request};
use crate::support::link;
use crate::support::logs::logged;
use crate::support::{agent_config, contrary_config, eventually, ms, refused, side_by_side};

#[test]
fn the_storage_gets_a_plain_request_and_never_the_key() {
    let file = File::new("a picture");
    let target = Faulty::start([Reply::file(&file)]);
    let server = Faulty::start([Reply::redirect(302, url(&target)), Reply::file(&file)]);
    let own_agent = builder()
        .agent(agent_config().build().into())
        .build()
        .unwrap();
    for client in [client(), own_agent] {
        assert_eq!(
            client.download(link(url(&server))).to_vec(100).unwrap(),
            b"a picture"
        );
    }
    let request = &server.received()[0];
    assert_eq!(request.method(), "GET");
    assert_eq!(
        request.path(),
        "/photos/DSC_0001.JPEG?X-Amz-Signature=SECRET-SIGNATURE"
    );
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    let user_agent = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (request.header("user-agent"), request.header("range")),
        (Some(user_agent), None)
    );
    assert_eq!((server.requests(), target.requests()), (2, 1));
    for server in [&server, &target] {
        let sent = String::from_utf8(server.bytes_received())
            .unwrap()
            .to_ascii_lowercase();
        assert!(
            !sent.contains(KEY) && !sent.contains("x-api-key") && !sent.contains("authorization")
        );
    }
    // What should have been percent-encoded is.
    client()
        .download(link(format!(
            "{}/my photo é%20.jpg?sig=\"1\"",
            server.url()
        )))
        .to_vec(100)
        .unwrap();
    assert_eq!(
        server.received()[2].path(),
        "/my%20photo%20%C3%A9%20.jpg?sig=%221%22"
    );
}

#[test]
fn only_https_and_this_machine_are_asked_and_what_is_refused_is_shown() {
    for (bad, shown) in [
        ("picture.jpg", "picture.jpg"),
        ("/picture.jpg?sig=SECRET", r#""/picture.jpg": "#),
        (
            "http://storage.example/a.jpg?sig=SECRET",
            r#""http://storage.example/a.jpg": "#,
        ),
        (
            "http://127.0.0.1.example/a.jpg?sig=SECRET",
            "its scheme is https",
        ),
        (
            "ftp://127.0.0.1/a.jpg#SECRET",
            r#""ftp://127.0.0.1/a.jpg": "#,
        ),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://user:SECRET@storage.example/a.jpg", "no password"),
        ("https://user:SECRET@/\\", "url:"),
        ("https:///a.jpg?sig=SECRET", r#""https:///a.jpg": "#),
    ] {
        let text = refused(client().download(link(bad)).to_vec(1), "url");
        assert!(text.contains(shown) && !text.contains("SECRET"), "{text}");
    }
    let client = client();
    let none = refused(client.download(DownloadLink::default()).to_vec(1), "url");
    assert!(none.contains("gave no URL"), "{none}");
    let download = client
        .download(link("https://storage.example/a.jpg?sig=SECRET"))
        .stall_timeout(Duration::ZERO);
    assert!(!format!("{download:?}").contains("SECRET"));
    refused(download.to_vec(1), "stall_timeout");
}

#[test]
fn five_redirects_are_followed_and_one_that_leads_nowhere_is_final() {
    let hops = |count: usize| {
        Faulty::each(move |request| match request.path()[1..].parse::<usize>() {
            Ok(hop) if hop < count => Reply::redirect(307, format!("/{}", hop + 1)),
            _ => Reply::ok().body("there"),
        })
    };
    let get = |server: &Faulty| {
        client()
            .download(link(format!("{}/0", server.url())))
            .to_vec(9)
    };
    assert_eq!(get(&hops(5)).unwrap(), b"there");
    let six = hops(6);
    let (why, message) = reason(get(&six));
    assert_eq!((why, six.requests()), (TransferReason::Refused, 6));
    assert!(message.contains("redirects too often"), "{message}");
    // S3 names the right region in a body, and no `Location`.
    let wrong_region = || Reply::s3_error(301, "PermanentRedirect", "Use this endpoint.");
    for (reply, words) in [
        (wrong_region(), "redirects without saying where"),
        (
            wrong_region().chunked([10]),
            "redirects without saying where",
        ),
        (Reply::status(307), "redirects without saying where"),
        (
            Reply::redirect(302, "ftp://127.0.0.1/a?sig=SECRET"),
            "redirects away from https",
        ),
    ] {
        let server = Faulty::start([reply]);
        let (why, message) = reason(get(&server));
        assert_eq!(
            (why, server.requests()),
            (TransferReason::Refused, 1),
            "{message}"
        );
        assert!(message.contains(words), "{message}");
    }
}

fn range(request: &Request) -> (Option<&str>, Option<&str>) {
    (request.header("range"), request.header("if-range"))
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped_and_the_log_tells() {
    let file = File::made(1, 300_000);
    for end in [Close, HangUp, Reset, Stall] {
        let server = Faulty::start(broken(&file, 2, 100_000, end));
        let (client, mut most) = (client(), 0);
        let stall = ms(if end == Stall { 400 } else { 20_000 });
        let download = client
            .download(link(url(&server)))
            .stall_timeout(stall)
            .progress(|p| {
                assert!(p.bytes >= most && p.total.is_none_or(|total| total == 300_000));
                most = p.bytes;
                ControlFlow::Continue(())
            });
        let (bytes, lines) = logged(|| download.to_vec(300_000));
        assert!(bytes.unwrap() == file.bytes(), "{end:?}");
        let ours: Vec<_> = lines
            .iter()
            .filter(|line| line.target == "imagen_ai")
            .collect();
        let told = |level| ours.iter().filter(|line| line.level == level).count();
        assert_eq!((told(Level::Debug), told(Level::Warn)), (3, 2), "{ours:#?}");
        let place = "/photos/DSC_0001.JPEG: ";
        assert!(
            ours.iter()
                .all(|line| line.text.contains(place) && !line.text.contains("SECRET")),
            "{ours:#?}"
        );

        let received = server.received();
        assert_eq!(
            (received.len(), range(&received[0])),
            (3, (None, None)),
            "{end:?}"
        );
        for request in &received[1..] {
            let (Some(range), Some(condition)) = range(request) else {
                panic!("{end:?}")
            };
            let start = range.trim_start_matches("bytes=").trim_end_matches('-');
            let start: u64 = start.parse().unwrap();
            // A reset may lose what was on its way.
            assert!(
                start > 0 && start <= 200_000 && (end == Reset || start.is_multiple_of(100_000)),
                "{end:?} {start}"
            );
            assert!(condition.starts_with('"'));
        }
    }
}

#[test]
fn only_a_strong_tag_of_a_file_of_known_length_lets_a_transfer_go_on() {
    let file = File::made(2, 50_000).etag(Some("\"a\""));
    let of = |etag| Reply::file(&file.clone().etag(etag));
    let goes_on = Some("\"a\"");
    for (reply, condition) in [
        (of(goes_on), goes_on),
        (of(Some("W/\"a\"")), None),
        (of(None), None),
        // It may be compressed on the way, and a range is one of other bytes then.
        (of(goes_on).chunked([1000]), None),
    ] {
        let server = Faulty::start([reply.clone().cut_body(20_000, Close), reply]);
        assert!(
            client()
                .download(link(url(&server)))
                .to_vec(50_000)
                .unwrap()
                == file.bytes()
        );
        let expected = (condition.map(|_| "bytes=20000-"), condition);
        assert_eq!(range(&server.received()[1]), expected);
    }
    // A part of the rest is taken, and the rest of it asked for.
    let part = Reply::status(206)
        .header("Content-Range", "bytes 20000-29999/*")
        .header("ETag", "\"a\"");
    let part = part.body(file.read(20_000, 10_000));
    let server = Faulty::start([
        Reply::file(&file).cut_body(20_000, Close),
        part,
        Reply::file(&file),
    ]);
    assert!(
        client()
            .download(link(url(&server)))
            .to_vec(50_000)
            .unwrap()
            == file.bytes()
    );
    assert_eq!(range(&server.received()[2]).0, Some("bytes=30000-"));
}

/// What the storage answers to the request for the rest, and what comes after that if there is
/// more. What a writer has cannot be taken back, and is never written twice.
#[test]
fn a_transfer_starts_over_when_it_cannot_go_on() {
    let (old, new, other) = (
        File::made(3, 50_000),
        File::made(4, 60_000),
        File::made(5, 50_000),
    );
    let rest = |range: &str, file: &File, from: usize| {
        let reply = Reply::status(206).header("Content-Range", format!("bytes {range}"));
        reply.body(&file.bytes()[from..])
    };
    let of = Reply::file;
    let others = rest("20000-49999/50000", &other, 20_000).header("ETag", "\"other\"");
    let no_range = Reply::status(206).body(&old.bytes()[20_000..]);
    let nonsense = of(&old.clone().with_content_range("bytes x-y/z"));
    for (why, script, whole) in [
        (
            "ignores ranges",
            vec![of(&old.clone().without_ranges())],
            &old,
        ),
        ("file changed", vec![of(&new)], &new),
        (
            "file changed and ignores If-Range",
            vec![others, of(&other)],
            &other,
        ),
        (
            "file grew, ignores If-Range and has no tag",
            vec![rest("20000-59999/60000", &new, 20_000), of(&new)],
            &new,
        ),
        (
            "another range",
            vec![rest("30000-49999/50000", &old, 30_000), of(&old)],
            &old,
        ),
        ("no Content-Range", vec![no_range, of(&old)], &old),
        (
            "nonsense for a Content-Range",
            vec![nonsense, of(&old)],
            &old,
        ),
        (
            "416",
            vec![
                Reply::status(416).header("Content-Range", "bytes */10"),
                of(&old),
            ],
            &old,
        ),
    ] {
        let script: Vec<_> = [of(&old).cut_body(20_000, Close)]
            .into_iter()
            .chain(script)
            .collect();
        let server = Faulty::start(script.clone());
        let bytes = client().download(link(url(&server))).to_vec(60_000);
        assert!(
            bytes.unwrap_or_else(|e| panic!("{why}: {e}")) == whole.bytes(),
            "{why}"
        );
        let requests = server.received();
        assert_eq!(
            (requests.len(), range(&requests[1]).0),
            (script.len(), Some("bytes=20000-")),
            "{why}"
        );
        assert_eq!(
            requests.get(2).and_then(|last| range(last).0),
            None,
            "{why}"
        );

        let mut written = Vec::new();
        let error = failed(
            client()
                .download(link(url(&Faulty::start(script))))
                .to_writer(&mut written),
        );
        assert_eq!(
            (error.reason, error.bytes),
            (TransferReason::Changed, 20_000),
            "{why}"
        );
        assert!(
            error
                .to_string()
                .contains("cannot be taken back after 20000 bytes"),
            "{error}"
        );
        assert!(written == old.read(0, 20_000), "{why}");
    }
    let cut = of(&old).cut_body(20_000, Close);
    let nothing_yet = [Reset.after_request(), of(&new).cut_body(0, Close), of(&old)];
    for script in [vec![cut, of(&old)], nothing_yet.to_vec()] {
        let mut written = Vec::new();
        let server = Faulty::start(script);
        assert_eq!(
            client()
                .download(link(url(&server)))
                .to_writer(&mut written)
                .unwrap(),
            50_000
        );
        assert!(written == old.bytes());
    }
}

#[test]
fn a_file_that_is_not_whole_or_no_file_is_an_error() {
    use TransferReason::{Broken, Refused};
    let file = File::made(9, 50_000);
    let body = || Reply::ok().body(file.bytes());
    let encoded = |encoding: &str| Reply::file(&file).header("Content-Encoding", encoding);
    let no_tag = Reply::file(&file.clone().etag(None));
    for (words, reply, why, requests) in [
        (
            "Peer disconnected",
            body().content_length(60_000).then(Close),
            Broken,
            3,
        ),
        (
            "Peer disconnected",
            Reply::ok().raw_chunks("5\r\nhello\r\n").then(Close),
            Broken,
            3,
        ),
        (
            "Peer disconnected",
            no_tag.cut_body(49_999, HangUp),
            Broken,
            3,
        ),
        // Where the end of the connection is the end of the file, a broken connection looks the
        // same.
        ("where the file ends", body().until_close(), Refused, 1),
        (
            "where the file ends",
            body().until_close().http10(),
            Refused,
            1,
        ),
        (
            "a web page came",
            Reply::html(200, "<html>Blocked by policy"),
            Refused,
            1,
        ),
        ("Content-Encoding br", encoded("br"), Refused, 1),
        // `ureq` undoes the compression with the feature, and hides the length with it.
        ("", encoded("gzip"), Refused, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Faulty::start([reply]);
        let (reason, message) = reason(
            client()
                .download(link(url(&server)))
                .to_file(folder.path().join("a.jpg")),
        );
        assert_eq!((reason, server.requests()), (why, requests), "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(names(folder.path()), [""; 0], "{message}");
    }
    // Chunks have an end, though no length.
    let chunked = body().chunked([700, 1]);
    for (reply, bytes) in [
        (chunked, file.bytes()),
        (encoded("aws-chunked"), file.bytes()),
        (Reply::ok(), vec![]),
    ] {
        let server = Faulty::start([reply]);
        assert!(
            client()
                .download(link(url(&server)))
                .to_vec(bytes.len())
                .unwrap()
                == bytes
        );
    }
    // A vector grows to its limit and no further.
    for reply in [
        Reply::file(&file),
        body().chunked([1000]),
        Reply::ok().endless_body("x").chunked([1000]),
    ] {
        let server = Faulty::start([reply]);
        let (why, _) = reason(client().download(link(url(&server))).to_vec(49_999));
        assert_eq!((why, server.requests()), (TransferReason::TooLarge, 1));
    }
}

/// An answer that is no file; the reason, words of the message, and how many requests.
#[test]
fn an_expired_link_is_told_from_a_bad_network() {
    use TransferReason::{Broken, LinkExpired, Refused};
    let expired = || Reply::s3_error(403, "AccessDenied", "Request has expired");
    let unavailable = || Reply::s3_error(503, "SlowDown", "Please reduce your request rate.");
    let signature = "a https://s3/?sig=1 X-Amz-Signature=SECRET-SIGNATURE SECRET-SIGNATURE";
    let redacted = "403 SignatureDoesNotMatch: a https://s3/?[redacted] [redacted] [redacted]";
    for (reply, why, words, requests) in [
        (
            expired(),
            LinkExpired,
            "403 AccessDenied: Request has expired (request 4f1c)",
            1,
        ),
        (
            Reply::s3_error(403, "SignatureDoesNotMatch", signature),
            LinkExpired,
            redacted,
            1,
        ),
        (
            Reply::s3_error(400, "ExpiredToken", "Gone"),
            LinkExpired,
            "ExpiredToken",
            1,
        ),
        (
            Reply::html(403, "<html>Blocked"),
            Refused,
            "403 <html>Blocked",
            1,
        ),
        (
            Reply::s3_error(404, "NoSuchKey", "Gone"),
            Refused,
            "404 NoSuchKey: Gone",
            1,
        ),
        (Reply::status(204), Refused, "204", 1),
        (Reply::status(206).body("x"), Refused, "206", 1),
        (Reply::status(304), Refused, "304", 1),
        (unavailable(), Broken, "503 SlowDown: Please reduce", 3),
        (Reply::status(408), Broken, "408", 3),
        (Reply::status(425), Broken, "425", 3),
        (Reply::status(429), Broken, "429", 3),
        (Reply::status(522), Broken, "522", 3),
    ] {
        let server = Faulty::start([reply.header("x-amz-request-id", "4f1c")]);
        let error = client().download(link(url(&server))).to_vec(1).unwrap_err();
        assert_eq!(
            (error.status().is_some(), error.request_id()),
            (true, Some("4f1c"))
        );
        assert_eq!(error.is_safe_to_retry(), why == Broken);
        assert!(error.to_string().contains(words), "{error}");
        let error = failed::<()>(Err(error));
        assert_eq!(
            (error.reason, error.name.as_str()),
            (why, "DSC_0001.JPEG"),
            "{error}"
        );
        assert_eq!(
            (server.requests(), error.context.attempts as usize),
            (requests, requests),
            "{error}"
        );
    }
    let server = Faulty::start([Reply::status(522), Reply::ok().body("x")]);
    assert_eq!(
        client().download(link(url(&server))).to_vec(1).unwrap(),
        b"x"
    );
    let nobody = support::faulty::Refused::new();
    let (why, message) = reason(client().download(link(nobody.url())).to_vec(1));
    let address = nobody.url().trim_start_matches("http://").to_owned();
    assert!(
        why == Broken && message.contains(&format!("{address}: ")),
        "{message}"
    );
    // A wait is told, or waited for.
    let server = Faulty::start([Reply::status(503).header("Retry-After", "3600")]);
    let error = client().download(link(url(&server))).to_vec(1).unwrap_err();
    assert_eq!(
        (error.retry_after(), server.requests()),
        (Some(Duration::from_secs(3600)), 1)
    );
    let server = Faulty::start([
        Reply::status(503).header("Retry-After", "1"),
        Reply::ok().body("x"),
    ]);
    let began = Instant::now();
    client().download(link(url(&server))).to_vec(1).unwrap();
    assert!(began.elapsed() >= ms(1000));
}

#[test]
fn an_error_whose_body_drips_is_over_soon() {
    let server = Faulty::start([Reply::html(404, vec![b'x'; 10_000]).drip_body(1, ms(20))]);
    let began = Instant::now();
    let (why, _) = reason(
        client()
            .download(link(url(&server)))
            .stall_timeout(ms(500))
            .to_vec(1),
    );
    assert_eq!(why, TransferReason::Refused);
    assert!(began.elapsed() < ms(10_000), "{:?}", began.elapsed());
}

#[test]
fn failures_are_counted_anew_after_an_attempt_that_brought_much() {
    // Every connection ends after 1.5 MB, and there are more of them than attempts.
    let file = File::made(11, 10 * MIB);
    let server = Faulty::start([Reply::file(&file).cut_body(3 * MIB / 2, Close)]);
    let bytes = client()
        .download(link(url(&server)))
        .to_vec(10 * MIB as usize)
        .unwrap();
    assert!(bytes == file.bytes());
    assert_eq!(server.requests(), 7);
    // Crumbs do not count, nor does the same start again and again.
    for (file, cut, requests) in [(file.clone(), 1000, 3), (file.etag(None), 3 * MIB / 2, 3)] {
        let server = Faulty::start([Reply::file(&file).cut_body(cut, Close)]);
        let (why, _) = reason(
            client()
                .download(link(url(&server)))
                .to_vec(10 * MIB as usize),
        );
        assert_eq!((why, server.requests()), (TransferReason::Broken, requests));
    }
    let once = builder().retry(RetryPolicy::none()).build().unwrap();
    let server = Faulty::start([Reset.after_request()]);
    assert!(once.download(link(url(&server))).to_vec(1).is_err());
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_stalled_transfer_is_noticed() {
    let file = File::made(12, 40_000);
    let stalled = [
        Stall.after_request(),
        Reply::file(&file).cut_head(20, Stall),
        Reply::file(&file).cut_body(0, Stall),
        Reply::file(&file).cut_body(10_000, Stall),
    ];
    side_by_side(&stalled, |reply| {
        let server = Faulty::start([reply.clone()]);
        let began = Instant::now();
        let folder = tempfile::tempdir().unwrap();
        let download = client();
        let download = download.download(link(url(&server))).stall_timeout(ms(120));
        let error = failed(download.to_file(folder.path().join("a.jpg")));
        let took = began.elapsed();
        assert_eq!(error.reason, TransferReason::Stalled, "{error}");
        assert!(
            error.message.contains("stall limit") && error.context.elapsed >= ms(360),
            "{error}"
        );
        eventually(|| server.requests() == 3);
        assert!((ms(360)..ms(10_000)).contains(&took), "{took:?}");
        assert_eq!(names(folder.path()), [""; 0]);
    });
}

/// Each is slow in its own way, and none is silent for as long as the limit. What a caller's own
/// agent or the client says of time limits does not hold for files.
#[test]
fn a_slow_transfer_goes_on() {
    let file = File::made(14, 40_000);
    let target = Faulty::start([Reply::file(&file)]);
    let half = Some(ms(500));
    let agent = contrary_config()
        .timeout_global(half)
        .timeout_per_call(half);
    let agent = agent
        .timeout_recv_response(half)
        .timeout_recv_body(half)
        .build();
    let short = || builder().timeout(ms(500)).retry(RetryPolicy::none());
    let own_agent = short().agent(agent.into()).build().unwrap();
    let replies = [
        (Reply::redirect(302, url(&target)), 60_000),
        // Longer than the limit in all.
        (Reply::file(&file).drip_body(1000, ms(30)), 1000),
        (Reply::file(&file).drip_head(100, ms(800)), 60_000),
        (Reply::file(&file).drip_body(20_000, ms(700)), 60_000),
    ];
    for client in [short().build().unwrap(), own_agent] {
        side_by_side(&replies, |(reply, limit)| {
            let server = Faulty::start([reply.clone()]);
            let bytes = client
                .download(link(url(&server)))
                .stall_timeout(ms(*limit))
                .to_vec(40_000);
            assert!(bytes.unwrap_or_else(|e| panic!("{reply:?}: {e}")) == file.bytes());
        });
    }
    assert_eq!(target.requests(), 2);
}

#[test]
fn a_callback_ends_a_transfer_that_moves_one_that_stalls_and_one_that_waits() {
    let (file, client) = (File::made(13, 10 * MIB), client());
    for reply in [
        Reply::file(&file).drip_body(1000, ms(5)),
        Reply::file(&file).cut_body(10_000, Stall),
        Reply::status(503).header("Retry-After", "5"),
    ] {
        let server = Faulty::start([reply]);
        let folder = tempfile::tempdir().unwrap();
        let mut began = None;
        let download = client.download(link(url(&server))).stall_timeout(ms(1000));
        let download = download.progress(|_| {
            match began.get_or_insert_with(Instant::now).elapsed() > ms(200) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        assert_eq!(
            reason(download.to_file(folder.path().join("a.jpg"))).0,
            TransferReason::Cancelled
        );
        assert!(
            began.unwrap().elapsed() < ms(4500),
            "{:?}",
            began.unwrap().elapsed()
        );
        assert_eq!((names(folder.path()).len(), server.requests()), (0, 1));
    }
    // Before anything is sent, too.
    let server = Faulty::start([Reply::file(&file)]);
    let download = client
        .download(link(url(&server)))
        .progress(|_| ControlFlow::Break(()));
    assert_eq!(
        (reason(download.to_vec(1)).0, server.connections()),
        (TransferReason::Cancelled, 0)
    );
}

#[cfg(feature = "rustls")]
mod tls {
    use imagen_ai::ureq::Proxy;
    use imagen_ai::ureq::tls::TlsProvider;

    use super::*;
    use crate::support::tls::{Authority, TlsServer, agent, trusting};

    #[test]
    fn a_certificate_that_is_not_trusted_is_final() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let server = TlsServer::start(&theirs.issue(&["localhost"]));
        let link = format!("https://localhost:{}/a.jpg?sig=SECRET", server.port());
        let own_agent = builder().agent(agent(trusting(TlsProvider::Rustls, &ours)));
        for client in [client(), own_agent.build().unwrap()] {
            let before = server.connections();
            let (why, message) = reason(client.download(super::link(&link)).to_vec(1));
            assert_eq!(
                (why, server.connections() - before),
                (TransferReason::Refused, 1),
                "{message}"
            );
            assert!(
                message.contains(&format!("localhost:{}: ", server.port())),
                "{message}"
            );
        }
    }

    /// Nothing that a repetition would mend.
    #[test]
    fn a_proxy_that_wants_a_password_is_final() {
        let proxy = Faulty::start([Reply::status(407)]);
        let agent = agent_config().proxy(Some(Proxy::new(&proxy.url()).unwrap()));
        let client = builder().agent(agent.build().into()).build().unwrap();
        let (why, message) = reason(
            client
                .download(link("https://storage.example/a.jpg?sig=SECRET"))
                .to_vec(1),
        );
        assert_eq!(
            (why, proxy.connections()),
            (TransferReason::Refused, 1),
            "{message}"
        );
        assert!(message.contains("the proxy 127.0.0.1:"), "{message}");
    }
}
