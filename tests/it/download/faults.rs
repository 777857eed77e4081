//! What a network and a storage can do to one transfer.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use imagen_ai::ureq::http::{Request as HttpRequest, Response};
use imagen_ai::ureq::middleware::MiddlewareNext;
#[cfg(all(feature = "rustls", not(feature = "platform-verifier")))]
use imagen_ai::ureq::tls::{RootCerts, TlsConfig};
use imagen_ai::ureq::{Body, SendBody};
use imagen_ai::{Client, DownloadReason, Error, RetryPolicy};
use log::Level;

use super::{KEY, MIB, RETRY, broken, client, names, reason, url};
use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{Faulty, File, Refused, Reply, Request};
use crate::support::logs::logged;
use crate::support::{agent_config, contrary_config, eventually, ms, side_by_side};

#[test]
fn the_storage_gets_a_plain_request_and_never_the_key() {
    let file = File::new("a picture");
    let target = Faulty::start([Reply::file(&file)]);
    let server = Faulty::start([Reply::redirect(302, url(&target)), Reply::file(&file)]);
    let own_agent = Client::builder(KEY)
        .agent(agent_config().build().into())
        .build()
        .unwrap();

    for client in [client(), own_agent] {
        let bytes = client.download(url(&server)).to_vec(100).unwrap();
        assert_eq!(bytes, b"a picture");
    }
    let request = &server.received()[0];
    assert_eq!(request.method(), "GET");
    assert_eq!(request.path(), "/photos/DSC_0001.JPEG?X-Amz-Signature=SECRET");
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(
        request.header("user-agent"),
        Some(concat!("imagen-ai/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(request.header("range"), None);
    assert_eq!((server.requests(), target.requests()), (2, 1));
    for server in [&server, &target] {
        let sent = String::from_utf8(server.bytes_received()).unwrap().to_ascii_lowercase();
        assert!(!sent.contains(KEY) && !sent.contains("x-api-key") && !sent.contains("authorization"));
    }
}

#[test]
fn an_agent_may_answer_by_itself() {
    let agent = agent_config().middleware(|_: HttpRequest<SendBody<'_>>, _: MiddlewareNext<'_>| {
        let body = Body::builder().mime_type("text/plain").data("a picture");
        Ok(Response::builder()
            .status(200)
            .header("content-length", "9")
            .body(body)?)
    });
    let client = Client::builder(KEY)
        .agent(agent.build().into())
        .retry(RETRY)
        .build()
        .unwrap();
    let bytes = client.download("https://storage.example/a.jpg").to_vec(100).unwrap();
    assert_eq!(bytes, b"a picture");
}

/// The agent is good for a storage on this machine, and `ureq` would panic with it on the way to the target.
#[cfg(all(feature = "rustls", not(feature = "platform-verifier")))]
#[test]
fn an_agent_is_looked_at_again_for_the_target_of_a_redirect() {
    let server = Faulty::start([Reply::redirect(302, "https://127.0.0.1:1/a.jpg?sig=SECRET")]);
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent = agent_config().tls_config(tls).build();
    let client = Client::builder(KEY)
        .base_url(server.url())
        .agent(agent.into())
        .build()
        .unwrap();
    let (reason, text) = reason(client.download(url(&server)).to_vec(100));
    assert_eq!(reason, DownloadReason::Refused);
    assert!(text.contains("platform-verifier"), "{text}");
}

#[test]
fn no_answer_that_breaks_off_tells_the_first_part_of_a_signature() {
    let body = "bad signature 0123456789abcdef";
    for cut in 14..body.len() {
        let server = Faulty::start([Reply::status(403).body(body).cut_body(cut as u64, Close)]);
        let link = format!("{}/a.jpg?sig=0123456789abcdef", server.url());
        let error = client().download(link).to_vec(1).unwrap_err();
        assert!(!error.to_string().contains("0123"), "{error}");
    }
}

#[test]
fn only_https_and_this_machine_are_asked() {
    for bad in [
        "",
        "picture.jpg",
        "/picture.jpg?sig=SECRET",
        "http://storage.example/a.jpg?sig=SECRET",
        "http://127.0.0.1.example/a.jpg?sig=SECRET",
        "ftp://127.0.0.1/a.jpg?sig=SECRET",
        "file:///etc/passwd",
        "https://user:SECRET@storage.example/a.jpg",
        "https:///a.jpg?sig=SECRET",
    ] {
        let error = client().download(bad).to_vec(1).unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { field: "url", .. }),
            "{bad}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
    }
    let download = client();
    let download = download.download("https://storage.example/a.jpg?sig=SECRET");
    assert!(!format!("{download:?}").contains("SECRET"));
    let error = client()
        .download("https://s3/a")
        .stall_timeout(Duration::ZERO)
        .to_vec(1);
    assert!(matches!(
        error,
        Err(Error::InvalidInput {
            field: "stall_timeout",
            ..
        })
    ));
}

#[test]
fn what_should_have_been_percent_encoded_is() {
    let server = Faulty::start([Reply::ok().body("x")]);
    let link = format!("{}/my photo é%20.jpg?sig=\"1\"", server.url());
    client().download(link).to_vec(1).unwrap();
    assert_eq!(server.received()[0].path(), "/my%20photo%20%C3%A9%20.jpg?sig=%221%22");
}

#[test]
fn five_redirects_are_followed_and_none_away_from_tls() {
    let hops = |count: usize| {
        Faulty::each(move |request| match request.path()[1..].parse::<usize>() {
            Ok(hop) if hop < count => Reply::redirect(307, format!("/{}", hop + 1)),
            _ => Reply::ok().body("there"),
        })
    };
    let get = |server: &Faulty| client().download(format!("{}/0", server.url())).to_vec(9);
    assert_eq!(get(&hops(5)).unwrap(), b"there");
    let six = hops(6);
    let (why, message) = reason(get(&six));
    assert_eq!(why, DownloadReason::Refused);
    assert!(message.contains("more than 5"), "{message}");
    assert_eq!(six.requests(), 6);

    for (location, word) in [
        ("http://storage.example/a?sig=SECRET", "storage.example"),
        ("ftp://127.0.0.1/a?sig=SECRET", "127.0.0.1"),
        ("http://", "nowhere"),
    ] {
        let server = Faulty::start([Reply::redirect(302, location)]);
        let (why, message) = reason(get(&server));
        assert_eq!(why, DownloadReason::Refused);
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let file = File::made(1, 300_000);
    for end in [Close, HangUp, Reset, Stall] {
        let server = Faulty::start(broken(&file, 2, 100_000, end));
        let mut most = 0;
        let bytes = client()
            .download(url(&server))
            .stall_timeout(ms(if end == Stall { 400 } else { 20_000 }))
            .progress(|bytes, total| {
                assert!(bytes >= most && total.is_none_or(|total| total == 300_000));
                most = bytes;
                ControlFlow::Continue(())
            })
            .to_vec(300_000)
            .unwrap();
        assert!(bytes == file.bytes(), "{end:?}");
        let ranges: Vec<_> = server.received().iter().map(range).collect();
        assert_eq!(ranges.len(), 3, "{end:?}");
        assert_eq!(ranges[0], (None, None));
        for (range, condition) in &ranges[1..] {
            let start: u64 = range.as_ref().unwrap()["bytes=".len()..]
                .trim_end_matches('-')
                .parse()
                .unwrap();
            // A reset may lose what was on its way.
            assert!(
                start > 0 && start <= 200_000 && (end == Reset || start % 100_000 == 0),
                "{end:?} {start}"
            );
            assert!(condition.as_ref().unwrap().starts_with('"'));
        }
    }
}

fn range(request: &Request) -> (Option<String>, Option<String>) {
    let header = |name| request.header(name).map(str::to_owned);
    (header("range"), header("if-range"))
}

/// What names the state of the file, and whether a broken transfer goes on by it.
#[test]
fn only_a_strong_validator_lets_a_transfer_go_on() {
    let date = "Wed, 01 Jan 2025 00:00:00 GMT";
    for (etag, modified, answered, condition) in [
        (Some("\"a\""), Some(date), None, Some("\"a\"")),
        (None, Some(date), None, Some(date)),
        (None, Some(date), Some("Wed, 01 Jan 2025 00:00:01 GMT"), Some(date)),
        (None, Some(date), Some(date), None),
        (Some("W/\"a\""), Some(date), None, None),
        (None, None, None, None),
    ] {
        let file = File::made(2, 50_000).etag(etag).last_modified(modified);
        let mut first = Reply::file(&file).cut_body(20_000, Close);
        if let Some(answered) = answered {
            first = first.header("Date", answered);
        }
        let server = Faulty::start([first, Reply::file(&file)]);
        let bytes = client().download(url(&server)).to_vec(50_000).unwrap();
        assert!(bytes == file.bytes());
        let (from, by) = range(&server.received()[1]);
        assert_eq!(by.as_deref(), condition, "{etag:?} {modified:?}");
        assert_eq!(from.as_deref(), condition.map(|_| "bytes=20000-"));
    }
}

/// What the storage answers to the request for the rest, and what comes after that if there is more.
#[test]
fn a_transfer_starts_over_when_it_cannot_go_on() {
    let old = File::made(3, 50_000);
    let new = File::made(4, 60_000);
    let sized_alike = File::made(5, 50_000);
    let rest = |first: u64| Reply::status(206).header("Content-Range", format!("bytes {first}-49999/50000"));
    let from = |first: usize| sized_alike.bytes()[first..].to_vec();
    for (why, script, whole) in [
        ("ignores ranges", vec![Reply::file(&old.clone().without_ranges())], &old),
        ("file changed", vec![Reply::file(&new)], &new),
        (
            "file changed and ignores If-Range",
            vec![
                rest(20_000).header("ETag", "\"other\"").body(from(20_000)),
                Reply::file(&sized_alike),
            ],
            &sized_alike,
        ),
        (
            "file grew and ignores If-Range",
            vec![
                Reply::status(206)
                    .header("Content-Range", "bytes 20000-59999/60000")
                    .body(vec![0; 40_000]),
                Reply::file(&new),
            ],
            &new,
        ),
        (
            "another range",
            vec![rest(30_000).body(from(30_000)), Reply::file(&old)],
            &old,
        ),
        (
            "no Content-Range",
            vec![Reply::status(206).body(from(20_000)), Reply::file(&old)],
            &old,
        ),
        (
            "nonsense for a Content-Range",
            vec![
                Reply::file(&old.clone().with_content_range("bytes x-y/z")),
                Reply::file(&old),
            ],
            &old,
        ),
        (
            "416",
            vec![
                Reply::status(416).header("Content-Range", "bytes */10"),
                Reply::file(&old),
            ],
            &old,
        ),
        (
            "more than it said",
            vec![rest(20_000).chunked([1000]).body(vec![0; 30_001]), Reply::file(&old)],
            &old,
        ),
    ] {
        let mut replies = vec![Reply::file(&old).cut_body(20_000, Close)];
        replies.extend(script);
        let count = replies.len();
        let server = Faulty::start(replies);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let file = client()
            .download(url(&server))
            .to_file(&path)
            .unwrap_or_else(|e| panic!("{why}: {e}"));
        assert_eq!(file.bytes, whole.len(), "{why}");
        assert!(std::fs::read(&path).unwrap() == whole.bytes(), "{why}");
        let requests = server.received();
        assert_eq!(requests.len(), count, "{why}");
        assert_eq!(range(&requests[1]).0.as_deref(), Some("bytes=20000-"), "{why}");
        if let Some(last) = requests.get(2) {
            assert_eq!(range(last).0, None, "{why}");
        }
    }
}

/// Without a length it may be compressed on the way, and a range is one of other bytes then.
#[test]
fn a_file_in_chunks_starts_over_although_it_has_a_validator() {
    let file = File::made(15, 50_000);
    let chunked = Reply::file(&file).chunked([1000]);
    let server = Faulty::start([chunked.clone().cut_body(20_000, Close), chunked]);
    assert!(client().download(url(&server)).to_vec(50_000).unwrap() == file.bytes());
    let requests = server.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(range(&requests[1]), (None, None));
}

#[test]
fn the_rest_of_a_file_need_not_say_how_long_the_whole_is() {
    let file = File::made(16, 50_000);
    let rest = file.clone().with_content_range("bytes 20000-49999/*");
    let server = Faulty::start([Reply::file(&file).cut_body(20_000, Close), Reply::file(&rest)]);
    assert!(client().download(url(&server)).to_vec(50_000).unwrap() == file.bytes());
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_log_tells_of_each_request_and_of_each_that_is_made_again() {
    let file = File::made(17, 50_000);
    let target = Faulty::start(broken(&file, 2, 10_000, Close));
    let server = Faulty::start([Reply::redirect(302, url(&target))]);
    let (result, lines) = logged(|| client().download(url(&server)).to_vec(50_000));
    assert!(result.unwrap() == file.bytes());
    let told = |level| {
        lines
            .iter()
            .filter(|line| line.target == "imagen_ai" && line.level == level)
            .count()
    };
    // Three attempts, each by way of the redirect.
    assert_eq!((server.requests(), target.requests()), (3, 3));
    assert_eq!((told(Level::Debug), told(Level::Warn)), (6, 2), "{lines:#?}");
}

#[test]
fn a_part_of_the_rest_is_taken_and_the_rest_of_it_asked_for() {
    let file = File::made(6, 50_000);
    let part = Reply::status(206)
        .header("Content-Range", "bytes 20000-29999/50000")
        .body(file.read(20_000, 10_000));
    let server = Faulty::start([Reply::file(&file).cut_body(20_000, Close), part, Reply::file(&file)]);
    assert!(client().download(url(&server)).to_vec(50_000).unwrap() == file.bytes());
    assert_eq!(range(&server.received()[2]).0.as_deref(), Some("bytes=30000-"));
}

#[test]
fn what_a_writer_has_is_never_written_twice() {
    let old = File::made(7, 50_000);
    let new = File::made(8, 50_000);
    let cut = Reply::file(&old).cut_body(20_000, Close);
    for (script, ok) in [
        (vec![cut.clone(), Reply::file(&old)], true),
        // It is the same file, says its tag, so what came twice is left out.
        (vec![cut.clone(), Reply::file(&old.clone().without_ranges())], true),
        (vec![cut.clone(), Reply::file(&new)], false),
        (vec![cut.clone(), Reply::status(416), Reply::file(&old)], false),
        (
            vec![Reply::file(&old.clone().etag(None).last_modified(None)).cut_body(20_000, Close)],
            false,
        ),
        // Nothing was written yet.
        (
            vec![
                Reset.after_request(),
                Reply::file(&new).cut_body(0, Close),
                Reply::file(&old),
            ],
            true,
        ),
    ] {
        let server = Faulty::start(script);
        let mut written = Vec::new();
        let result = client().download(url(&server)).to_writer(&mut written);
        if ok {
            assert_eq!(result.unwrap(), 50_000);
            assert!(written == old.bytes());
        } else {
            let (why, message) = reason(result);
            assert_eq!(why, DownloadReason::Changed);
            assert!(
                message.contains("cannot be taken back") && message.contains("after 20000 bytes"),
                "{message}"
            );
            assert!(written == old.read(0, 20_000));
        }
    }
}

#[test]
fn a_file_that_is_not_whole_is_an_error() {
    let file = File::made(9, 50_000);
    for (what, reply) in [
        (
            "shorter than it says",
            Reply::ok().content_length(60_000).body(file.bytes()).then(Close),
        ),
        ("no last chunk", Reply::ok().raw_chunks("5\r\nhello\r\n").then(Close)),
        (
            "broken off",
            Reply::file(&file.clone().without_ranges()).cut_body(49_999, HangUp),
        ),
        // Where the end of the connection is the end of the file, a broken connection looks the same.
        ("of no length", Reply::ok().body(file.bytes()).until_close()),
        (
            "of HTTP/1.0 and no length",
            Reply::ok().body(file.bytes()).until_close().http10(),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Faulty::start([reply]);
        let (why, message) = reason(client().download(url(&server)).to_file(folder.path().join("a.jpg")));
        assert_eq!(why, DownloadReason::Broken, "{what}: {message}");
        assert_eq!(server.requests(), 3, "{what}");
        assert_eq!(names(folder.path()), [""; 0], "{what}");
    }
    // Chunks have an end, though no length.
    let server = Faulty::start([Reply::ok().body(file.bytes()).chunked([700, 1])]);
    assert!(client().download(url(&server)).to_vec(50_000).unwrap() == file.bytes());
    let server = Faulty::start([Reply::ok()]);
    assert_eq!(client().download(url(&server)).to_vec(0).unwrap(), b"");
}

#[test]
fn a_vector_grows_to_its_limit_and_no_further() {
    let file = File::made(10, 50_000);
    let chunked = Reply::ok().endless_body("x").chunked([1000]);
    for reply in [
        Reply::file(&file),
        Reply::ok().body(file.bytes()).chunked([1000]),
        chunked,
    ] {
        let server = Faulty::start([reply]);
        let (why, message) = reason(client().download(url(&server)).to_vec(49_999));
        assert_eq!(why, DownloadReason::TooLarge);
        assert!(message.contains("49999"), "{message}");
        assert_eq!(server.requests(), 1);
    }
}

/// An answer that is no file; the reason, words of the message, and how many requests.
#[test]
fn an_expired_link_is_told_from_a_bad_network() {
    let expired = || Reply::s3_error(403, "AccessDenied", "Request has expired");
    let unavailable = || Reply::s3_error(503, "SlowDown", "Please reduce your request rate.");
    for (reply, expected, words, requests) in [
        (
            expired().header("x-amz-request-id", "4f1c"),
            DownloadReason::LinkExpired,
            "403 AccessDenied: Request has expired (request 4f1c)",
            1,
        ),
        (
            Reply::s3_error(
                403,
                "SignatureDoesNotMatch",
                "a &lt;b&gt; &amp;amp; https://s3/?sig=1 X-Amz-Signature=SECRET SECRET",
            ),
            DownloadReason::LinkExpired,
            "403 SignatureDoesNotMatch: a <b> &amp; https://s3/?[redacted] [redacted] [redacted]",
            1,
        ),
        (
            Reply::s3_error(400, "ExpiredToken", "The provided token has expired."),
            DownloadReason::LinkExpired,
            "ExpiredToken",
            1,
        ),
        (
            Reply::html(403, "<html>Blocked by policy"),
            DownloadReason::Refused,
            "403 <html>Blocked",
            1,
        ),
        (
            Reply::s3_error(404, "NoSuchKey", "Gone"),
            DownloadReason::Refused,
            "404 NoSuchKey: Gone",
            1,
        ),
        (Reply::status(204), DownloadReason::Refused, "204", 1),
        (Reply::status(206).body("x"), DownloadReason::Refused, "206", 1),
        (Reply::status(304), DownloadReason::Refused, "304", 1),
        (unavailable(), DownloadReason::Broken, "503 SlowDown: Please reduce", 3),
        (Reply::status(500), DownloadReason::Broken, "500", 3),
        (Reply::status(429), DownloadReason::Broken, "429", 3),
        (
            unavailable().header("Retry-After", "6"),
            DownloadReason::Broken,
            "503",
            1,
        ),
    ] {
        let server = Faulty::start([reply]);
        let error = client().download(url(&server)).to_vec(1).unwrap_err();
        assert!(error.status().is_some());
        assert_eq!(error.is_safe_to_retry(), expected == DownloadReason::Broken);
        let (why, message) = reason::<()>(Err(error));
        assert_eq!(why, expected, "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(server.requests(), requests, "{message}");
    }
    let nobody = Refused::new();
    let (why, message) = reason(client().download(nobody.url()).to_vec(1));
    assert_eq!(why, DownloadReason::Broken, "{message}");
}

#[test]
fn retry_after_is_waited_for_or_told() {
    let server = Faulty::start([Reply::status(503).header("Retry-After", "1"), Reply::ok().body("x")]);
    let began = Instant::now();
    client().download(url(&server)).to_vec(1).unwrap();
    assert!(began.elapsed() >= ms(1000));

    let server = Faulty::start([Reply::status(503).header("Retry-After", "3600")]);
    let error = client().download(url(&server)).to_vec(1).unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
}

#[test]
fn an_error_whose_body_drips_is_over_soon() {
    let server = Faulty::start([Reply::html(404, vec![b'x'; 10_000]).drip_body(1, ms(20))]);
    let began = Instant::now();
    let (why, _) = reason(client().download(url(&server)).stall_timeout(ms(500)).to_vec(1));
    assert_eq!(why, DownloadReason::Refused);
    assert!(began.elapsed() < ms(10_000), "{:?}", began.elapsed());
}

#[test]
fn attempts_are_counted_from_the_start_when_one_brought_much() {
    // Every connection ends after 1.5 MB, and there are more of them than attempts.
    let file = File::made(11, 10 * MIB);
    let server = Faulty::start([Reply::file(&file).cut_body(3 * MIB / 2, Close)]);
    let bytes = client().download(url(&server)).to_vec(10 * MIB as usize).unwrap();
    assert!(bytes == file.bytes());
    assert_eq!(server.requests(), 7);

    // Crumbs do not count, nor does the same start again and again.
    let without_validator = file.clone().etag(None).last_modified(None);
    for (file, cut) in [(file, 1000), (without_validator, 3 * MIB / 2)] {
        let server = Faulty::start([Reply::file(&file).cut_body(cut, Close)]);
        let (why, _) = reason(client().download(url(&server)).to_vec(10 * MIB as usize));
        assert_eq!(why, DownloadReason::Broken);
        assert_eq!(server.requests(), 3);
    }
}

#[test]
fn no_attempt_follows_the_last() {
    let once = Client::builder(KEY).retry(RetryPolicy::none()).build().unwrap();
    let server = Faulty::start([Reset.after_request()]);
    assert!(once.download(url(&server)).to_vec(1).is_err());
    assert_eq!(server.requests(), 1);
    assert_eq!(RETRY.max_attempts, 3);
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
        let (why, message) = reason(client().download(url(&server)).stall_timeout(ms(120)).to_vec(40_000));
        let took = began.elapsed();
        assert_eq!(why, DownloadReason::Stalled, "{message}");
        assert!(message.contains("nothing came for 0.1 s"), "{message}");
        eventually(|| server.requests() == 3);
        assert!((ms(360)..ms(10_000)).contains(&took), "{took:?}");
    });
}

/// Each is slow in its own way, and none is silent for as long as the limit.
#[test]
fn a_slow_transfer_goes_on() {
    let file = File::made(18, 40_000);
    let slow = [
        // Longer than the limit in all.
        (Reply::file(&file).drip_body(1000, ms(30)), ms(1000)),
        // Storage may take its time in the middle of the head, and in the middle of the file: longer than one read waits.
        (Reply::file(&file).drip_head(100, ms(800)), ms(60_000)),
        (Reply::file(&file).drip_body(20_000, ms(700)), ms(60_000)),
    ];
    side_by_side(&slow, |(reply, limit)| {
        let server = Faulty::start([reply.clone()]);
        let began = Instant::now();
        let bytes = client().download(url(&server)).stall_timeout(*limit).to_vec(40_000);
        assert!(bytes.unwrap() == file.bytes());
        assert!(began.elapsed() >= ms(700), "it was not slow");
        assert_eq!(server.requests(), 1);
    });
}

#[test]
fn a_callback_ends_a_transfer_that_moves_one_that_does_not_and_one_that_waits() {
    let file = File::made(13, 10 * MIB);
    for reply in [
        Reply::file(&file).drip_body(1000, ms(5)),
        Reply::file(&file).cut_body(10_000, Stall),
        Reply::status(503).header("Retry-After", "5"),
    ] {
        let server = Faulty::start([reply]);
        let folder = tempfile::tempdir().unwrap();
        let mut began = None;
        let result = client()
            .download(url(&server))
            .progress(|_, _| {
                let began: &mut Instant = began.get_or_insert_with(Instant::now);
                if began.elapsed() > ms(200) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .to_file(folder.path().join("a.jpg"));
        let (why, _) = reason(result);
        assert_eq!(why, DownloadReason::Cancelled);
        assert!(began.unwrap().elapsed() < ms(4500), "{:?}", began.unwrap().elapsed());
        assert_eq!(names(folder.path()), [""; 0]);
        assert_eq!(server.requests(), 1);
    }
    // Before anything is sent, too.
    let server = Faulty::start([Reply::file(&file)]);
    let (why, _) = reason(
        client()
            .download(url(&server))
            .progress(|_, _| ControlFlow::Break(()))
            .to_vec(1),
    );
    assert_eq!((why, server.connections()), (DownloadReason::Cancelled, 0));
}

/// What a caller's own agent says of time limits and redirects does not hold for files, which take as long as they take.
#[test]
fn no_agent_of_the_callers_shortens_or_bends_a_transfer() {
    let file = File::made(14, 40_000);
    let target = Faulty::start([Reply::file(&file)]);
    let agent = contrary_config()
        .timeout_global(Some(ms(500)))
        .timeout_per_call(Some(ms(500)))
        .timeout_recv_response(Some(ms(500)))
        .timeout_recv_body(Some(ms(500)));
    let client = Client::builder(KEY)
        .timeout(ms(500))
        .retry(RetryPolicy::none())
        .agent(agent.build().into())
        .build()
        .unwrap();
    let replies = [
        Reply::redirect(302, url(&target)),
        Reply::file(&file).drip_body(4_000, ms(100)),
        Reply::file(&file).drip_head(100, ms(800)),
    ];
    side_by_side(&replies, |reply| {
        let server = Faulty::start([reply.clone()]);
        let bytes = client.download(url(&server)).to_vec(40_000);
        assert!(bytes.unwrap_or_else(|e| panic!("{reply:?}: {e}")) == file.bytes());
        for request in server.received().iter().chain(&target.received()) {
            let user_agent = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));
            assert_eq!(request.header("user-agent"), Some(user_agent));
            assert_eq!(request.header("x-api-key"), None);
        }
    });
    assert_eq!(target.requests(), 1);
    // It would follow this one.
    let server = Faulty::start([Reply::redirect(302, "http://storage.example/a")]);
    assert_eq!(
        reason(client.download(url(&server)).to_vec(1)).0,
        DownloadReason::Refused
    );
}
