//! What a network can do to one transfer.

use std::ops::ControlFlow;
use std::time::Duration;

use imagen_ai::{RetryPolicy, TransferReason};
use log::Level;

use super::{MIB, broken, builder, client, failed, names, reason, signed};
use crate::support::file::File;
use crate::support::logs::logged;
use crate::support::script::End::{self, Close, HangUp, Reset, Stall};
use crate::support::script::{Request, Script, Turn};
use crate::support::{BUSY, contrary_config, ms, patiently, side_by_side};

fn range(request: &Request) -> (Option<&str>, Option<&str>) {
    (request.header("range"), request.header("if-range"))
}

/// The byte from which a request asks for the rest.
#[track_caller]
fn first_byte(request: &Request) -> usize {
    let range = request.header("range").expect("a range");
    let first = range.trim_start_matches("bytes=").trim_end_matches('-');
    first.parse().unwrap()
}

/// The whole file, from a server that plays this.
#[track_caller]
fn whole(script: &Script, file: &File) {
    let bytes = client().download(signed(&script.url())).to_vec(100_000);
    assert!(bytes.unwrap() == file.bytes());
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    for end in [Close, HangUp, Reset] {
        goes_on_after(end, BUSY);
    }
    patiently(|patience| goes_on_after(Stall, ms(500) * patience));
}

#[track_caller]
fn goes_on_after(end: End, stall: Duration) {
    let file = File::made(1, 300_000);
    let script = Script::of(broken(&file, 2, 100_000, end));
    let client = client();
    let mut most = 0;
    let download = client
        .download(signed(&script.url()))
        .stall_timeout(stall)
        .progress(|p| {
            assert!(p.bytes >= most && p.total.is_none_or(|total| total == 300_000));
            most = p.bytes;
            ControlFlow::Continue(())
        });
    assert!(download.to_vec(300_000).unwrap() == file.bytes(), "{end:?}");

    let requests = script.requests();
    assert_eq!(requests.len(), 3, "{end:?}");
    assert_eq!(range(&requests[0]), (None, None), "{end:?}");
    for request in &requests[1..] {
        let first = first_byte(request);
        assert!(first > 0 && first <= 200_000, "{end:?} {first}");
        // A reset may lose what was on its way.
        assert!(
            end == Reset || first.is_multiple_of(100_000),
            "{end:?} {first}"
        );
        assert!(range(request).1.unwrap().starts_with('"'));
    }
}

#[test]
fn the_log_tells_of_each_attempt_and_keeps_the_secret() {
    let file = File::made(1, 30_000);
    let script = Script::of(broken(&file, 2, 10_000, Close));
    let client = client();
    let download = client.download(signed(&script.url()));
    let (bytes, lines) = logged(|| download.to_vec(30_000));
    assert!(bytes.unwrap() == file.bytes());
    let ours: Vec<_> = lines
        .iter()
        .filter(|line| line.target == "imagen_ai")
        .collect();
    let told = |level| ours.iter().filter(|line| line.level == level).count();
    assert_eq!((told(Level::Debug), told(Level::Warn)), (3, 2), "{ours:#?}");
    for line in &ours {
        assert!(line.text.contains("/photos/DSC_0001.JPEG: "), "{line:?}");
        assert!(!line.text.contains("SECRET"), "{line:?}");
    }
}

#[test]
fn only_a_strong_tag_of_a_file_of_known_length_lets_a_transfer_go_on() {
    let file = File::made(2, 50_000).etag(Some("\"a\""));
    let of = |etag| Turn::file(&file.clone().etag(etag));
    // It may be compressed on the way, and a range is one of other bytes then.
    let chunked = Turn::status(200)
        .header("ETag", "\"a\"")
        .body(file.bytes())
        .chunked(&[1000]);
    for (turn, condition) in [
        (of(Some("\"a\"")), Some("\"a\"")),
        (of(Some("W/\"a\"")), None),
        (of(None), None),
        (chunked, None),
    ] {
        let script = Script::of([turn.clone().cut_body(20_000, Close), turn]);
        whole(&script, &file);
        let asked = condition.map(|_| "bytes=20000-");
        assert_eq!(range(&script.requests()[1]), (asked, condition));
    }
}

#[test]
fn a_part_of_the_rest_is_taken_and_the_rest_of_it_asked_for() {
    let file = File::made(2, 50_000).etag(Some("\"a\""));
    let part = Turn::status(206)
        .header("Content-Range", "bytes 20000-29999/*")
        .header("ETag", "\"a\"")
        .body(&file.bytes()[20_000..30_000]);
    let script = Script::of([
        Turn::file(&file).cut_body(20_000, Close),
        part,
        Turn::file(&file),
    ]);
    whole(&script, &file);
    assert_eq!(first_byte(&script.requests()[2]), 30_000);
}

fn old_file() -> File {
    File::made(3, 50_000).etag(Some("\"old\""))
}

/// What the storage answers to the request for the rest, what comes after that if there is more,
/// and the file that the download has in the end.
fn answers_that_start_over() -> Vec<(&'static str, Vec<Turn>, File)> {
    let old = old_file();
    let new = File::made(4, 60_000);
    let other = File::made(5, 50_000);
    let rest = |range: &str, file: &File, from: usize| {
        Turn::status(206)
            .header("Content-Range", format!("bytes {range}"))
            .body(&file.bytes()[from..])
    };
    let of = Turn::file;
    let others = rest("20000-49999/50000", &other, 20_000).header("ETag", "\"other\"");
    let grown = rest("20000-59999/60000", &new, 20_000);
    let another = rest("30000-49999/50000", &old, 30_000).header("ETag", "\"old\"");
    let no_range = Turn::status(206)
        .header("ETag", "\"old\"")
        .body(&old.bytes()[20_000..]);
    let nonsense = rest("x-y/z", &old, 20_000);
    let unsatisfiable = Turn::status(416).header("Content-Range", "bytes */10");
    let ignores = Turn::status(200).body(old.bytes());
    vec![
        ("ignores ranges", vec![ignores], old.clone()),
        ("the file changed", vec![of(&new)], new.clone()),
        ("changed, no If-Range", vec![others, of(&other)], other),
        ("grew, and has no tag", vec![grown, of(&new)], new),
        ("another range", vec![another, of(&old)], old.clone()),
        ("no Content-Range", vec![no_range, of(&old)], old.clone()),
        ("a nonsense range", vec![nonsense, of(&old)], old.clone()),
        ("416", vec![unsatisfiable, of(&old)], old),
    ]
}

#[test]
fn a_transfer_starts_over_when_it_cannot_go_on() {
    let old = old_file();
    for (why, rest, expected) in answers_that_start_over() {
        let mut turns = vec![Turn::file(&old).cut_body(20_000, Close)];
        turns.extend(rest);
        let script = Script::of(turns.clone());
        let bytes = client().download(signed(&script.url())).to_vec(60_000);
        assert!(bytes.unwrap() == expected.bytes(), "{why}");
        let requests = script.requests();
        assert_eq!(requests.len(), turns.len(), "{why}");
        assert_eq!(first_byte(&requests[1]), 20_000, "{why}");
        let third = requests.get(2).map(range);
        assert!(third.is_none_or(|third| third == (None, None)), "{why}");
    }
}

#[test]
fn what_a_writer_has_is_never_written_twice() {
    let old = old_file();
    for (why, rest, _) in answers_that_start_over() {
        let mut turns = vec![Turn::file(&old).cut_body(20_000, Close)];
        turns.extend(rest);
        let script = Script::of(turns);
        let mut written = Vec::new();
        let client = client();
        let download = client.download(signed(&script.url()));
        let error = failed(download.to_writer(&mut written));
        assert_eq!(error.reason, TransferReason::Changed, "{why}");
        assert_eq!(error.bytes, 20_000, "{why}");
        let words = "cannot be taken back after 20000 bytes";
        assert!(error.to_string().contains(words), "{error}");
        assert!(written == old.bytes()[..20_000], "{why}");
    }
}

#[test]
fn a_writer_gets_the_file_if_the_transfer_goes_on_or_had_not_begun() {
    let old = old_file();
    let goes_on = broken(&old, 1, 20_000, Close);
    let nothing_yet = vec![
        Reset.after_request(),
        Turn::file(&File::made(4, 60_000)).cut_body(0, Close),
        Turn::file(&old),
    ];
    for turns in [goes_on, nothing_yet] {
        let script = Script::of(turns);
        let mut written = Vec::new();
        let client = client();
        let download = client.download(signed(&script.url()));
        assert_eq!(download.to_writer(&mut written).unwrap(), 50_000);
        assert!(written == old.bytes());
    }
}

#[test]
fn a_file_that_is_not_whole_is_an_error() {
    use TransferReason::{Broken, Refused};
    let file = File::made(9, 50_000);
    let body = || Turn::status(200).body(file.bytes());
    let cut_chunk = Turn::status(200)
        .unframed()
        .header("Transfer-Encoding", "chunked")
        .body("5\r\nhello\r\n")
        .then(Close);
    // Where the end of the connection is the end of the file, a broken connection looks the same.
    let http10 = body().until_close().status_line("HTTP/1.0 200 OK");
    for (words, turn, why, requests) in [
        (
            "Peer disconnected",
            body()
                .unframed()
                .header("Content-Length", "60000")
                .then(Close),
            Broken,
            3,
        ),
        ("Peer disconnected", cut_chunk, Broken, 3),
        (
            "Peer disconnected",
            Turn::file(&file.clone().etag(None)).cut_body(49_999, HangUp),
            Broken,
            3,
        ),
        ("where the file ends", body().until_close(), Refused, 1),
        ("where the file ends", http10, Refused, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::of([turn]);
        let client = client();
        let download = client.download(signed(&script.url()));
        let (reason, message) = reason(download.to_file(folder.path().join("a.jpg")));
        assert_eq!(reason, why, "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(script.requests().len(), requests, "{message}");
        assert_eq!(names(folder.path()), [""; 0], "{message}");
    }
}

#[test]
fn a_vector_grows_to_its_limit_and_no_further() {
    let file = File::made(9, 50_000);
    let body = Turn::status(200).body(file.bytes());
    let endless = Turn::status(200).endless("x").chunked(&[1000]);
    for turn in [Turn::file(&file), body.chunked(&[1000]), endless] {
        let script = Script::of([turn]);
        let (why, _) = reason(client().download(signed(&script.url())).to_vec(49_999));
        assert_eq!(why, TransferReason::TooLarge);
        assert_eq!(script.requests().len(), 1);
    }
}

/// The body would take 200 s.
#[test]
fn an_error_whose_body_drips_is_over_soon() {
    let script = Script::of([Turn::html(404, vec![b'x'; 10_000]).drip_body(1, ms(20))]);
    let began = std::time::Instant::now();
    let client = client();
    let download = client.download(signed(&script.url()));
    let (why, _) = reason(download.stall_timeout(ms(1000)).to_vec(1));
    assert_eq!(why, TransferReason::Refused);
    assert!(began.elapsed() < ms(100_000), "{:?}", began.elapsed());
}

#[test]
fn failures_are_counted_anew_after_an_attempt_that_brought_much() {
    // Every connection ends after 1.5 MB, and there are more of them than attempts.
    let file = File::made(11, 10 * MIB);
    let script = Script::of([Turn::file(&file).cut_body(3 * MIB / 2, Close)]);
    let bytes = client().download(signed(&script.url())).to_vec(10 * MIB);
    assert!(bytes.unwrap() == file.bytes());
    assert_eq!(script.requests().len(), 7);
}

#[test]
fn crumbs_and_the_same_start_again_do_not_count() {
    let file = File::made(11, 10 * MIB);
    let untagged = file.clone().etag(None);
    for (file, cut) in [(file, 1000), (untagged, 3 * MIB / 2)] {
        let script = Script::of([Turn::file(&file).cut_body(cut, Close)]);
        let (why, _) = reason(client().download(signed(&script.url())).to_vec(10 * MIB));
        assert_eq!(why, TransferReason::Broken);
        assert_eq!(script.requests().len(), 3);
    }
}

/// However slow this machine is, nothing comes within any limit. A script that is not given up ends
/// its stall after a minute, and the reason is another one then.
#[test]
fn a_stalled_transfer_is_noticed() {
    let file = File::made(12, 40_000);
    let stalled = [
        Stall.after_request(),
        Turn::file(&file).cut_head(20, Stall),
        Turn::file(&file).cut_body(0, Stall),
        Turn::file(&file).cut_body(10_000, Stall),
    ];
    side_by_side(&stalled, |turn| {
        let script = Script::of([turn.clone()]);
        let folder = tempfile::tempdir().unwrap();
        let client = client();
        let download = client
            .download(signed(&script.url()))
            .stall_timeout(ms(300));
        let error = failed(download.to_file(folder.path().join("a.jpg")));
        assert_eq!(error.reason, TransferReason::Stalled, "{error}");
        assert!(error.message.contains("stall limit"), "{error}");
        assert_eq!(error.context.attempts, 3);
        assert!(error.context.elapsed >= ms(900), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    });
}

/// What a caller's own agent or the client says of time limits does not hold for files.
#[test]
fn a_slow_transfer_goes_on() {
    let file = File::made(14, 40_000);
    let limit = Some(ms(300));
    let agent = contrary_config()
        .timeout_global(limit)
        .timeout_per_call(limit)
        .timeout_recv_response(limit)
        .timeout_recv_body(limit)
        .build();
    let short = || builder().timeout(ms(300)).retry(RetryPolicy::none());
    let own_agent = short().agent(agent.into()).build().unwrap();
    let target = Script::of([Turn::file(&file)]);
    let turns = [
        Turn::redirect(302, signed(&target.url()).as_str()),
        Turn::file(&file).drip_head(60, ms(400)),
        Turn::file(&file).drip_body(20_000, ms(400)),
    ];
    for client in [short().build().unwrap(), own_agent] {
        side_by_side(&turns, |turn| {
            let script = Script::of([turn.clone()]);
            let download = client.download(signed(&script.url()));
            let bytes = download.stall_timeout(ms(60_000)).to_vec(40_000);
            assert!(bytes.unwrap() == file.bytes());
        });
    }
    assert_eq!(target.requests().len(), 2);
}

/// It takes half as long again as the limit, in 15 pieces.
#[test]
fn the_stall_limit_is_none_for_the_whole_file() {
    let file = File::made(14, 60_000);
    patiently(|patience| {
        let limit = ms(1_000) * patience;
        let script = Script::of([Turn::file(&file).drip_body(4_000, limit / 10)]);
        let client = client();
        let download = client.download(signed(&script.url()));
        let bytes = download.stall_timeout(limit).to_vec(60_000);
        assert!(bytes.unwrap() == file.bytes());
        assert_eq!(script.requests().len(), 1);
    });
}

#[test]
fn a_callback_ends_a_transfer_that_moves_one_that_stalls_and_one_that_waits() {
    let file = File::made(13, 10 * MIB);
    // At the start, and then once a piece, once the stall is over, and ten times a second.
    for (turn, stall, calls) in [
        (Turn::file(&file).drip_body(1000, ms(5)), BUSY, 5),
        (Turn::file(&file).cut_body(0, Stall), ms(500), 2),
        (Turn::status(503).header("Retry-After", "5"), BUSY, 5),
    ] {
        let script = Script::of([turn]);
        let folder = tempfile::tempdir().unwrap();
        let client = client();
        let mut told = 0;
        let download = client
            .download(signed(&script.url()))
            .stall_timeout(stall)
            .progress(|_| {
                told += 1;
                match told < calls {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
        let (why, _) = reason(download.to_file(folder.path().join("a.jpg")));
        assert_eq!(why, TransferReason::Cancelled);
        assert_eq!(told, calls);
        assert_eq!(names(folder.path()), [""; 0]);
        assert_eq!(script.requests().len(), 1);
    }
}

#[test]
fn a_callback_ends_a_download_before_anything_is_sent() {
    let script = Script::of([Turn::status(200)]);
    let client = client();
    let download = client
        .download(signed(&script.url()))
        .progress(|_| ControlFlow::Break(()));
    assert_eq!(reason(download.to_vec(1)).0, TransferReason::Cancelled);
    assert_eq!(script.connections(), 0);
}

#[cfg(feature = "rustls")]
mod tls {
    use imagen_ai::ureq::Proxy;
    use imagen_ai::ureq::tls::TlsProvider;

    use super::*;
    use crate::support::tls::{Authority, TlsServer, agent, trusting};
    use crate::support::{agent_config, link};

    #[test]
    fn a_certificate_that_is_not_trusted_is_final() {
        let ours = Authority::new("ours");
        let theirs = Authority::new("theirs");
        let server = TlsServer::start(&theirs.issue(&["localhost"]));
        let url = format!("https://localhost:{}/a.jpg?sig=SECRET", server.port());
        let own_agent = builder().agent(agent(trusting(TlsProvider::Rustls, &ours)));
        for client in [client(), own_agent.build().unwrap()] {
            let before = server.connections();
            let (why, message) = reason(client.download(link(&url)).to_vec(1));
            assert_eq!(why, TransferReason::Refused, "{message}");
            assert_eq!(server.connections() - before, 1, "{message}");
            let place = format!("localhost:{}: ", server.port());
            assert!(message.contains(&place), "{message}");
        }
    }

    /// Nothing that a repetition would mend.
    #[test]
    fn a_proxy_that_wants_a_password_is_final() {
        let proxy = Script::of([Turn::status(407)]);
        let agent = agent_config().proxy(Some(Proxy::new(&proxy.url()).unwrap()));
        let client = builder().agent(agent.build().into()).build().unwrap();
        let url = link("https://storage.example/a.jpg?sig=SECRET");
        let (why, message) = reason(client.download(url).to_vec(1));
        assert_eq!(why, TransferReason::Refused, "{message}");
        assert_eq!(proxy.connections(), 1, "{message}");
        assert!(message.contains("the proxy 127.0.0.1:"), "{message}");
    }
}
