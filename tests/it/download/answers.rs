//! What storages answer, and what is made of it.

use imagen_ai::{DownloadLink, RetryPolicy, TransferReason};
use mockito::{Matcher, Mock, Server, ServerGuard};

use super::{KEY, builder, client, failed, names, reason, signed};
use crate::support::{agent_config, link, ms, nowhere, refused};

const PATH: &str = "/photos/DSC_0001.JPEG?X-Amz-Signature=SECRET-SIGNATURE";

/// The answer of a storage to the request for [`signed`].
fn answer(server: &mut ServerGuard, status: usize, body: impl AsRef<[u8]>) -> Mock {
    server
        .mock("GET", PATH)
        .with_status(status)
        .with_body(body)
        .with_header("x-amz-request-id", "4f1c")
}

fn xml(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

#[test]
fn the_storage_gets_a_plain_request_and_never_the_key() {
    let mut server = Server::new();
    let sent = server
        .mock("GET", PATH)
        .match_request(|request| {
            let headers = format!("{:?}", request.headers()).to_ascii_lowercase();
            !headers.contains(KEY)
        })
        .match_header("x-api-key", Matcher::Missing)
        .match_header("authorization", Matcher::Missing)
        .match_header("range", Matcher::Missing)
        .match_header("accept-encoding", "identity")
        .match_header(
            "user-agent",
            concat!("imagen-ai/", env!("CARGO_PKG_VERSION")),
        )
        .with_body("a picture")
        .expect(2)
        .create();
    let own_agent = builder().agent(agent_config().build().into());
    for client in [client(), own_agent.build().unwrap()] {
        let bytes = client.download(signed(&server.url())).to_vec(100).unwrap();
        assert_eq!(bytes, b"a picture");
    }
    sent.assert();
}

#[test]
fn the_key_does_not_follow_a_redirect() {
    let mut server = Server::new();
    let mut target = Server::new();
    let redirect = answer(&mut server, 302, "").with_header("Location", &target.url());
    redirect.create();
    let sent = target
        .mock("GET", "/")
        .match_header("x-api-key", Matcher::Missing)
        .match_header("authorization", Matcher::Missing)
        .with_body("there")
        .create();
    let bytes = client().download(signed(&server.url())).to_vec(100);
    assert_eq!(bytes.unwrap(), b"there");
    sent.assert();
}

#[test]
fn what_should_have_been_percent_encoded_is() {
    let mut server = Server::new();
    let sent = server
        .mock("GET", "/my%20photo%20%C3%A9%20.jpg?sig=%221%22")
        .create();
    let url = format!("{}/my photo é%20.jpg?sig=\"1\"", server.url());
    client().download(link(url)).to_vec(100).unwrap();
    sent.assert();
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
            "its scheme must be https",
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
}

#[test]
fn a_link_that_is_refused_does_not_show_the_key() {
    let bad = format!("http://{KEY}/a.jpg");
    let text = refused(client().download(link(&bad)).to_vec(1), "url");
    assert!(!text.contains(KEY), "{text}");
}

#[test]
fn a_link_without_a_url_and_a_stall_limit_of_zero_are_refused() {
    let client = client();
    let none = refused(client.download(DownloadLink::default()).to_vec(1), "url");
    assert!(none.contains("gave no URL"), "{none}");
    let download = client
        .download(link("https://storage.example/a.jpg?sig=SECRET"))
        .stall_timeout(ms(0));
    assert!(!format!("{download:?}").contains("SECRET"));
    refused(download.to_vec(1), "stall_timeout");
}

/// A server that redirects so often before it answers.
fn hops(count: usize) -> (ServerGuard, Vec<Mock>) {
    let mut server = Server::new();
    let mut mocks = Vec::new();
    for hop in 0..count {
        let redirect = server
            .mock("GET", format!("/{hop}").as_str())
            .with_status(307)
            .with_header("Location", &format!("/{}", hop + 1));
        mocks.push(redirect.create());
    }
    let there = server.mock("GET", format!("/{count}").as_str());
    mocks.push(there.with_body("there").create());
    (server, mocks)
}

#[test]
fn five_redirects_are_followed_and_no_more() {
    let (server, _) = hops(5);
    let first = link(format!("{}/0", server.url()));
    assert_eq!(client().download(first).to_vec(9).unwrap(), b"there");

    let (server, mocks) = hops(6);
    let first = link(format!("{}/0", server.url()));
    let (why, message) = reason(client().download(first).to_vec(9));
    assert_eq!(why, TransferReason::Refused);
    assert!(message.contains("redirects too often"), "{message}");
    mocks[5].assert();
    assert!(!mocks[6].matched());
}

#[test]
fn a_redirect_that_leads_nowhere_is_final() {
    // S3 names the right region in a body, and no `Location`.
    let wrong_region = xml("PermanentRedirect", "Use this endpoint.");
    for (status, location, body, words) in [
        (301, None, &*wrong_region, "redirects without saying where"),
        (307, None, "", "redirects without saying where"),
        (
            302,
            Some("ftp://127.0.0.1/a?sig=SECRET"),
            "",
            "redirects away from https",
        ),
    ] {
        let mut server = Server::new();
        let mut redirect = answer(&mut server, status, body);
        if let Some(location) = location {
            redirect = redirect.with_header("Location", location);
        }
        let sent = redirect.expect(1).create();
        let (why, message) = reason(client().download(signed(&server.url())).to_vec(9));
        assert_eq!(why, TransferReason::Refused, "{message}");
        assert!(message.contains(words), "{message}");
        sent.assert();
    }
}

/// An answer that is no file: the reason, words of the message, and how many requests.
#[test]
fn an_expired_link_is_told_from_a_bad_network() {
    use TransferReason::{Broken, LinkExpired, Refused};
    let expired = xml("AccessDenied", "Request has expired");
    let unavailable = xml("SlowDown", "Please reduce your request rate.");
    for (status, body, why, words, requests) in [
        (
            403,
            &*expired,
            LinkExpired,
            "403 AccessDenied: Request has expired (request 4f1c)",
            1,
        ),
        (
            400,
            &xml("ExpiredToken", "Gone"),
            LinkExpired,
            "ExpiredToken",
            1,
        ),
        (
            400,
            &xml("RequestTimeout", "Idle"),
            Broken,
            "400 RequestTimeout: Idle",
            3,
        ),
        (400, &xml("Other", "No"), Refused, "400 Other: No", 1),
        (403, "<html>Blocked", Refused, "403 <html>Blocked", 1),
        (
            404,
            &xml("NoSuchKey", "Gone"),
            Refused,
            "404 NoSuchKey: Gone",
            1,
        ),
        (204, "", Refused, "204", 1),
        (206, "x", Refused, "206", 1),
        (304, "", Refused, "304", 1),
        (503, &*unavailable, Broken, "503 SlowDown: Please reduce", 3),
        (408, "", Broken, "408", 3),
        (425, "", Broken, "425", 3),
        (429, "", Broken, "429", 3),
        (522, "", Broken, "522", 3),
    ] {
        let mut server = Server::new();
        let sent = answer(&mut server, status, body).expect(requests).create();
        let result = client().download(signed(&server.url())).to_vec(1);
        let error = result.unwrap_err();
        assert_eq!(error.status().map(usize::from), Some(status));
        assert_eq!(error.request_id(), Some("4f1c"));
        assert_eq!(error.is_safe_to_retry(), why == Broken);
        assert!(error.to_string().contains(words), "{error}");
        let error = failed::<()>(Err(error));
        assert_eq!(error.reason, why, "{error}");
        assert_eq!(error.name, "DSC_0001.JPEG");
        assert_eq!(error.context.attempts as usize, requests, "{error}");
        sent.assert();
    }
}

#[test]
fn a_failure_that_passes_is_no_error() {
    let mut server = Server::new();
    let failure = answer(&mut server, 522, "").expect(1).create();
    let whole = answer(&mut server, 200, "x").create();
    let bytes = client().download(signed(&server.url())).to_vec(1);
    assert_eq!(bytes.unwrap(), b"x");
    failure.assert();
    whole.assert();
}

/// What the storage says of a signature holds the signature.
#[test]
fn what_a_storage_repeats_of_a_link_is_not_shown() {
    let echo = "a https://s3/?sig=SECRET X-Amz-Signature=SECRET-SIGNATURE SECRET-SIGNATURE";
    let mut server = Server::new();
    answer(&mut server, 403, xml("SignatureDoesNotMatch", echo)).create();
    let (why, _) = reason(client().download(signed(&server.url())).to_vec(1));
    assert_eq!(why, TransferReason::LinkExpired);
}

#[test]
fn a_request_id_that_repeats_a_signature_is_not_shown() {
    let mut server = Server::new();
    let refusal = server.mock("GET", PATH).with_status(403);
    let _refusal = refusal
        .with_header("x-amz-request-id", "SECRET-SIGNATURE")
        .create();
    let error = failed(client().download(signed(&server.url())).to_vec(1));
    let id = error.context.request_id.unwrap();
    assert!(!id.contains("SECRET"), "{id}");
}

#[test]
fn a_name_and_a_path_are_one_printable_short_line_without_the_key() {
    let mut server = Server::new();
    server.mock("GET", Matcher::Any).with_status(404).create();
    let path = "x".repeat(5_000);
    let url = format!("{}/{path}/a.jpg?sig=SECRET", server.url());
    for (name, kept) in [
        ("a\u{1b}[2J\nb\u{202e}.jpg".to_owned(), "b"),
        (format!("é{}", "y".repeat(100_000)), "éyyy"),
        (format!("{KEY}.jpg"), ""),
    ] {
        let error = failed(client().download(DownloadLink::new(&name, &url)).to_vec(1));
        let path = error.context.path.clone();
        for text in [&error.name, &path] {
            assert!(text.chars().count() <= 300, "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(!text.contains(['\u{202e}', '\n']) && !text.contains(KEY));
        }
        assert!(error.name.contains(kept), "{}", error.name);
    }
}

#[test]
fn nobody_at_the_address_is_a_bad_network() {
    let nobody = nowhere::Refused::new();
    let (why, message) = reason(client().download(link(nobody.url())).to_vec(1));
    let address = nobody.url().trim_start_matches("http://").to_owned();
    assert_eq!(why, TransferReason::Broken);
    assert!(message.contains(&format!("{address}: ")), "{message}");
}

#[test]
fn a_wait_that_is_too_long_is_told() {
    let mut server = Server::new();
    let slow = answer(&mut server, 503, "").with_header("Retry-After", "3600");
    let slow = slow.expect(1).create();
    let result = client().download(signed(&server.url())).to_vec(1);
    assert_eq!(result.unwrap_err().retry_after(), Some(ms(3_600_000)));
    slow.assert();
}

#[test]
fn a_short_wait_is_waited_for() {
    let mut server = Server::new();
    let slow = answer(&mut server, 503, "").with_header("Retry-After", "1");
    slow.expect(1).create();
    answer(&mut server, 200, "x").create();
    let began = std::time::Instant::now();
    let result = client().download(signed(&server.url())).to_vec(1);
    assert_eq!(result.unwrap(), b"x");
    assert!(began.elapsed() >= ms(1000));
}

#[test]
fn one_attempt_is_one_request() {
    let once = builder().retry(RetryPolicy::none()).build().unwrap();
    let mut server = Server::new();
    let failure = answer(&mut server, 503, "").expect(1).create();
    assert!(once.download(signed(&server.url())).to_vec(1).is_err());
    failure.assert();
}

#[test]
fn a_web_page_and_a_compressed_file_are_refused() {
    for (header, value, words) in [
        (
            "Content-Type",
            "Text/HTML; charset=utf-8",
            "a web page came",
        ),
        ("Content-Encoding", "br", "Content-Encoding br"),
        // `ureq` undoes the compression with the feature, and hides the length with it.
        ("Content-Encoding", "gzip", ""),
    ] {
        let mut server = Server::new();
        let sent = answer(&mut server, 200, "something").with_header(header, value);
        let sent = sent.expect(1).create();
        let folder = tempfile::tempdir().unwrap();
        let client = client();
        let download = client.download(signed(&server.url()));
        let (why, message) = reason(download.to_file(folder.path().join("a.jpg")));
        assert_eq!(why, TransferReason::Refused, "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(names(folder.path()), [""; 0]);
        sent.assert();
    }
}

#[test]
fn an_encoding_of_the_upload_an_empty_file_and_chunks_are_taken() {
    let mut server = Server::new();
    let get = |server: &ServerGuard| {
        client()
            .download(signed(&server.url()))
            .to_vec(100)
            .unwrap()
    };
    let encoded = answer(&mut server, 200, "aws").with_header("Content-Encoding", "aws-chunked");
    let encoded = encoded.create();
    assert_eq!(get(&server), b"aws");
    encoded.remove();
    let empty = answer(&mut server, 200, "").create();
    assert_eq!(get(&server), b"");
    empty.remove();
    let chunks = server.mock("GET", PATH).with_chunked_body(|to| {
        to.write_all(b"in ")?;
        to.write_all(b"chunks")
    });
    chunks.create();
    assert_eq!(get(&server), b"in chunks");
}
