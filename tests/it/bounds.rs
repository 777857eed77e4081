//! How long a client waits and how much it holds, whatever the server does.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::{Client, ClientBuilder, Error, RetryPolicy, UploadOptions};

use crate::support::canned::OK;
use crate::support::child;
use crate::support::faulty::End::Stall;
use crate::support::faulty::{Faulty, Reply};
use crate::support::link;
use crate::support::ms;

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

fn policy(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        max_attempts,
        base_delay: ms(1),
        max_delay: ms(1),
        max_retry_after: SECOND,
        max_throttled: SECOND,
    }
}

fn builder(server: &Faulty) -> ClientBuilder {
    let client = Client::builder("sk-waits-0123456789abcdef").base_url(server.url());
    client.retry(policy(1))
}

/// A server that gives this answer to the first request, and a good one to the others; and when
/// each of them came.
fn first_answers(reply: Reply) -> (Faulty, Arc<Mutex<Vec<Instant>>>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let server = Faulty::each(move |_| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        match seen.len() {
            1 => reply.clone(),
            _ => Reply::json(OK),
        }
    });
    (server, times)
}

/// How long after the first request each of the others came.
fn gaps(times: &Mutex<Vec<Instant>>) -> Vec<Duration> {
    let times = times.lock().unwrap();
    times[1..].iter().map(|time| *time - times[0]).collect()
}

#[test]
fn when_one_call_is_told_to_slow_down_the_others_wait_too() {
    for status in [429, 503] {
        let (server, times) = first_answers(Reply::status(status).header("Retry-After", "1"));
        let client = builder(&server).retry(policy(2)).build().unwrap();
        thread::scope(|scope| {
            // It waits itself, and so do the calls that come meanwhile.
            scope.spawn(|| client.project("p").info().unwrap());
            crate::support::eventually(|| server.requests() == 1);
            thread::sleep(ms(100));
            let clone = client.with_timeout(ms(20_000));
            scope.spawn(|| client.project("p").image("a").copilot("x").unwrap());
            scope.spawn(|| client.smart_project("q").finalize().unwrap());
            scope.spawn(move || clone.project("p").image("a").reset().unwrap());
        });
        let gaps = gaps(&times);
        assert_eq!(gaps.len(), 4);
        assert!(gaps.iter().all(|gap| *gap >= SECOND), "{status}: {gaps:?}");
    }
}

#[test]
fn nobody_waits_for_what_does_not_concern_them() {
    for (status, wait, longest) in [(500, 30, 60), (429, 60, 50)] {
        let (server, _times) =
            first_answers(Reply::status(status).header("Retry-After", wait.to_string()));
        let max_retry_after = Duration::from_secs(longest);
        let policy = RetryPolicy {
            max_retry_after,
            ..policy(1)
        };
        let client = builder(&server).retry(policy).build().unwrap();
        client.project("p").info().unwrap_err();
        let began = Instant::now();
        client.project("p").image("a").copilot("x").unwrap();
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}

/// The formula of [`RetryPolicy`] holds although the server never answers this call, and asks
/// others of the same client to slow down again and again.
#[test]
fn a_call_never_takes_longer_than_the_formula_says() {
    const OTHERS: u32 = 10;
    let mut others = 0;
    let server = Faulty::each(move |request| {
        if request.path().contains("stalled") {
            return Stall.after_request();
        }
        others += 1;
        // They come at once and are answered one after another, each time with a second from then
        // on: the head leaves in two parts, with the wait between them.
        let answer = Reply::status(429)
            .header("Retry-After", "1")
            .reason("x".repeat(60));
        match others {
            1..=OTHERS => answer.drip_head(70, ms(400) * others),
            _ => Reply::json(OK),
        }
    });
    let (attempts, limit) = (2, ms(300));
    let client = builder(&server).retry(policy(attempts)).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..OTHERS {
            scope.spawn(|| client.project("other").info());
        }
        thread::sleep(ms(700));
        let began = Instant::now();
        let error = client
            .with_timeout(limit)
            .project("stalled")
            .info()
            .unwrap_err();
        let took = began.elapsed();
        // Connecting and sending take no time here.
        let bound = (limit + SECOND) * attempts;
        assert!(matches!(error, Error::Network(_)), "{error}");
        assert!(
            took > limit * attempts + ms(100),
            "nothing was waited for: {took:?}"
        );
        assert!(took <= bound + BUSY, "{took:?}, and not {bound:?}");
        // The others need not be waited for.
        drop(server);
    });
}

/// Each phase has the whole limit: an answer may take longer than the limit in all.
#[test]
fn the_limit_is_one_of_each_phase() {
    let slow = Reply::json(OK)
        .drip_head(18, ms(500))
        .drip_body(49, ms(500));
    let server = Faulty::start([slow]);
    let client = builder(&server).timeout(ms(3_000)).build().unwrap();
    let began = Instant::now();
    client.project("p").image("a").copilot("x").unwrap();
    assert!(began.elapsed() > ms(3_000), "{:?}", began.elapsed());
}

#[test]
fn an_unknown_outcome_says_what_came_and_after_how_long() {
    let page = Reply::html(504, "<p>Endpoint request timed out").header("cf-ray", "ray-1");
    let server = Faulty::start([page, Stall.after_request()]);
    let client = builder(&server).timeout(SECOND).build().unwrap();
    let unknown = || match client.project("p").image("a").copilot("x").unwrap_err() {
        Error::OutcomeUnknown(e) => (e.clone(), Error::OutcomeUnknown(e).to_string()),
        other => panic!("{other:?}"),
    };
    let (answered, text) = unknown();
    assert!(answered.context.body.contains("Endpoint request timed out"));
    assert!(
        text.contains("504 <p>Endpoint") && text.ends_with("(request ray-1)"),
        "{text}"
    );
    let (silent, text) = unknown();
    assert!(silent.context.elapsed >= SECOND && silent.context.body.is_empty());
    assert!(
        text.contains(silent.advice) && text.contains(&server.addr().to_string()),
        "{text}"
    );
}

/// What the kernel says of this process's memory, in KiB.
#[cfg(target_os = "linux")]
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A thread that was there for a moment is seen by the room that its stack took up.
#[test]
#[cfg(target_os = "linux")]
fn no_call_starts_a_thread() {
    const STACK: u64 = 64 << 20;
    let Ok(port) = std::env::var("TEST_PORT") else {
        // Calls and files have connections of their own.
        for (connection, connections) in [("close", 18), ("keep-alive", 2)] {
            let server = Faulty::each(move |request| {
                let url = format!("http://{}/a.jpg", request.header("host").unwrap());
                let link =
                    format!(r#"{{"files_list":[{{"file_name":"a.jpg","upload_link":"{url}"}}]}}"#);
                let body = match (request.method(), request.path().contains("upload_links")) {
                    ("PUT", _) => "",
                    (_, true) => &link,
                    _ => OK,
                };
                Reply::json(body).header("Connection", connection)
            });
            let port = server.addr().port().to_string();
            let variables = [("TEST_PORT", port), ("RUST_MIN_STACK", STACK.to_string())];
            child::run("bounds::no_call_starts_a_thread", &variables);
            assert_eq!(server.connections(), connections);
        }
        return;
    };
    let url = format!("http://localhost:{port}");
    let client = Client::builder("key")
        .base_url(&url)
        .retry(policy(1))
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("a.jpg");
    std::fs::write(&photo, "a picture").unwrap();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // The system's lookup loads what it needs, once.
    std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 80)).unwrap();
    let before = (threads(), memory("VmPeak:"));
    for _ in 0..3 {
        let project = client.project("p");
        project.info().unwrap();
        project.image("a").copilot("x").unwrap();
        project.finalize().unwrap();
        client
            .download(link(format!("{url}/a.jpg")))
            .to_vec(1000)
            .unwrap();
        project
            .upload([&photo], &UploadOptions::default())
            .unwrap()
            .0
            .pop()
            .unwrap()
            .unwrap();
    }
    assert_eq!(threads(), before.0);
    let grown = memory("VmPeak:") - before.1;
    assert!(grown * 1024 < STACK, "{grown} KiB");
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded_by_the_limit() {
    const LIMIT: u64 = 4 << 20;
    if !child::is_child() {
        child::run("bounds::memory_is_bounded_by_the_limit", &[("", ""); 0]);
        return;
    }
    let endless = || Reply::json("{\"a\":\"").endless_body("x");
    let before = memory("VmHWM:");
    for reply in [
        endless(),
        endless().chunked([16_384]),
        endless().until_close(),
        Reply::json("[").endless_body("[1,"),
        Reply::status(500).endless_body("x"),
        Reply::status(404).endless_body("{").chunked([1]),
        Reply::ok().content_length(u64::MAX).endless_body("x"),
        Reply::ok().endless_headers(),
        Reply::raw("HTTP/1.1 200 ").endless_body("x"),
    ] {
        let server = Faulty::start([reply]);
        let client = builder(&server).max_answer_size(LIMIT).build().unwrap();
        let began = Instant::now();
        let project = client.project("p");
        assert!(project.presets().is_err() && project.image("a").copilot("x").is_err());
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    // A vector that grows has up to twice its content and is copied while it does, and the fault
    // server has its part too. Without the limit it would be as much as the server sends, which
    // is 512 MiB.
    let grown = memory("VmHWM:") - before;
    assert!(grown * 1024 < 8 * LIMIT, "{grown} KiB");
}
