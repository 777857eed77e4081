//! How long a client waits and how much it holds, whatever the server does.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::{CauseKind, Client, ClientBuilder, Error, Output, RetryPolicy};

use crate::support::canned::OK;
use crate::support::child;
use crate::support::faulty::End::Stall;
use crate::support::faulty::{Faulty, Reply};
use crate::support::ms;

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_millis(1_200);
const SECOND: Duration = Duration::from_secs(1);

fn policy() -> RetryPolicy {
    RetryPolicy {
        max_attempts: 1,
        base_delay: ms(1),
        max_delay: ms(1),
        max_retry_after: SECOND,
    }
}

fn builder(server: &Faulty) -> ClientBuilder {
    Client::builder("sk-waits-0123456789abcdef")
        .base_url(server.url())
        .retry(policy())
}

fn client(server: &Faulty) -> Client {
    builder(server).build().unwrap()
}

/// A server that gives this answer to the first request, and a good one to the others; and when each of them came.
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
        let client = client(&server);
        // It does not try again, but it was told.
        let error = client.project("p").info().unwrap_err();
        assert_eq!(error.retry_after(), Some(SECOND));

        thread::scope(|scope| {
            let clone = client.with_timeout(ms(20_000));
            scope.spawn(|| client.project("p").image("a").copilot("x").unwrap());
            scope.spawn(|| client.i2i_project("q").finalize().unwrap());
            scope.spawn(move || clone.project("p").image("a").reset().unwrap());
        });
        let gaps = gaps(&times);
        assert_eq!(gaps.len(), 3);
        assert!(gaps.iter().all(|gap| *gap >= SECOND), "{status}: {gaps:?}");
    }
}

#[test]
fn the_call_itself_waits_as_long() {
    let (server, times) = first_answers(Reply::status(429).header("Retry-After", "1"));
    let retry = RetryPolicy {
        max_attempts: 2,
        ..policy()
    };
    let client = builder(&server).retry(retry).build().unwrap();
    client.project("p").image("a").copilot("x").unwrap();
    assert!(gaps(&times)[0] >= SECOND);
}

/// What concerns one call alone, or is longer than the client waits, holds nobody up.
#[test]
fn nobody_waits_for_what_does_not_concern_them() {
    let told = |reply: Reply| {
        let (server, times) = first_answers(reply);
        let client = client(&server);
        client.project("p").info().unwrap_err();
        let began = Instant::now();
        client.project("p").image("a").copilot("x").unwrap();
        let took = began.elapsed();
        assert!(took < SECOND, "{took:?}");
        drop((server, times));
    };
    told(Reply::status(500).header("Retry-After", "1"));
    told(Reply::status(429).header("Retry-After", "2"));
    told(Reply::status(429));

    // Another client has a limit of its own.
    let (server, _times) = first_answers(Reply::status(429).header("Retry-After", "1"));
    client(&server).project("p").info().unwrap_err();
    let began = Instant::now();
    client(&server).project("p").info().unwrap();
    assert!(began.elapsed() < SECOND);
}

/// At most `max_attempts` × (timeout + the larger of `max_delay` and `max_retry_after`), although the server never
/// answers this call, and asks others of the same client to slow down again and again.
#[test]
fn a_call_never_takes_longer_than_the_formula_says() {
    const OTHERS: u32 = 10;
    let mut others = 0;
    let server = Faulty::each(move |request| {
        if request.path().contains("stalled") {
            return Stall.after_request();
        }
        others += 1;
        // They come at once and are answered one after another, each time with a second from then on: the head leaves
        // in two parts, with the wait between them.
        let answer = Reply::status(429).header("Retry-After", "1").reason("x".repeat(60));
        match others {
            1..=OTHERS => answer.drip_head(70, ms(400) * others),
            _ => Reply::json(OK),
        }
    });
    let (attempts, limit) = (2, ms(300));
    let retry = RetryPolicy {
        max_attempts: attempts,
        ..policy()
    };
    let client = builder(&server).retry(retry).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..OTHERS {
            scope.spawn(|| client.project("other").info());
        }
        thread::sleep(ms(700));
        let began = Instant::now();
        let error = client.with_timeout(limit).project("stalled").info().unwrap_err();
        let took = began.elapsed();
        let bound = (limit + SECOND) * attempts;
        assert!(matches!(error, Error::Network(_)), "{error:?}");
        assert!(took > limit * attempts + ms(100), "nothing was waited for: {took:?}");
        assert!(took <= bound + BUSY, "{took:?}, and not {bound:?}");
        // The others need not be waited for.
        drop(server);
    });
}

#[test]
fn an_unknown_outcome_says_what_came_and_after_how_long() {
    let server = Faulty::start([
        Reply::html(504, "<p>Endpoint request timed out").header("cf-ray", "ray-1"),
        Stall.after_request(),
    ]);
    let client = builder(&server).timeout(SECOND).build().unwrap();
    let photo = client.project("p").image("a.jpg");
    let unknown = || match photo.copilot("x").unwrap_err() {
        Error::OutcomeUnknown(e) => (e.to_string(), e),
        other => panic!("{other:?}"),
    };

    let (_, answered) = unknown();
    assert_eq!((answered.status, answered.cause.kind), (Some(504), CauseKind::Status));
    assert_eq!(answered.request_id.as_deref(), Some("ray-1"));
    assert!(answered.elapsed < SECOND && !answered.elapsed.is_zero());
    assert!(answered.body.contains("Endpoint request timed out"));

    let (_, silent) = unknown();
    assert_eq!((silent.status, silent.cause.kind), (None, CauseKind::Timeout));
    assert_eq!((silent.request_id.as_deref(), silent.attempts), (None, 1));
    assert!(silent.elapsed >= SECOND);
    let text = Error::OutcomeUnknown(silent).to_string();
    assert!(text.contains("look at the history"), "{text}");
    let seconds = text
        .split_once("(1 attempt, ")
        .and_then(|(_, rest)| rest.split_once(" s)"));
    let seconds: f64 = seconds.and_then(|(seconds, _)| seconds.parse().ok()).unwrap();
    assert!((1.0..5.0).contains(&seconds), "{text}");
}

/// Only lists of files and versions may be as large as the client's own limit says.
#[test]
fn an_answer_that_is_no_list_has_a_limit_of_its_own() {
    let server = Faulty::start([Reply::json(OK.to_owned() + &" ".repeat(2 << 20))]);
    let project = client(&server).project("p");
    let photo = project.image("a");
    for (call, result) in [
        ("info", project.info().map(drop)),
        ("reset", photo.reset()),
        ("copilot", photo.copilot("x").map(drop)),
        ("enhance", photo.enhance("x").map(drop)),
    ] {
        let edit = ["copilot", "enhance"].contains(&call);
        match result {
            Err(Error::OutcomeUnknown(e)) if edit => assert_eq!(e.cause.kind, CauseKind::TooLarge),
            Err(Error::Decode(e)) if !edit => assert_eq!(e.cause.kind, CauseKind::TooLarge),
            other => panic!("{call}: {other:?}"),
        }
    }
    project.ai_tools().unwrap();
    project.history().unwrap();
    project.finalize().unwrap();
    assert_eq!(project.download_links(Output::Jpeg).unwrap().len(), 1);
}

/// What the kernel says of this process's memory, in KiB.
#[cfg(target_os = "linux")]
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A thread that was there for a moment is seen by the room that its stack took up.
#[test]
#[cfg(target_os = "linux")]
fn no_call_starts_a_thread() {
    const STACK: u64 = 64 << 20;
    let Ok(port) = std::env::var("TEST_PORT") else {
        let server = Faulty::start([Reply::json(OK).header("Connection", "close")]);
        let port = server.addr().port().to_string();
        let variables = [("TEST_PORT", port), ("RUST_MIN_STACK", STACK.to_string())];
        child::run("bounds::no_call_starts_a_thread", &variables);
        assert_eq!(server.connections(), 3 * 5);
        return;
    };
    let url = format!("http://localhost:{port}");
    let client = Client::builder("key").base_url(&url).retry(policy()).build().unwrap();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // The system's lookup loads what it needs, once.
    std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 80)).unwrap();
    let before = (threads(), memory("VmPeak:"));
    for _ in 0..3 {
        let project = client.project("p");
        project.info().unwrap();
        project.image("a").copilot("x").unwrap();
        project.finalize().unwrap();
        project.history().unwrap();
        client.download(&url).to_vec(1 << 20).unwrap();
    }
    assert_eq!(threads(), before.0);
    let grown = memory("VmPeak:") - before.1;
    assert!(grown * 1024 < STACK, "{grown} KiB");
}

const LIMIT: u64 = 4 << 20;

#[cfg(target_os = "linux")]
fn read_endless_answers() {
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
        // A call whose answer may be as large as the client's limit, and one whose may not.
        assert!(project.ai_tools().is_err() && project.image("a").copilot("x").is_err());
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    println!("{} KiB", memory("VmHWM:") - before);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded_by_the_limit() {
    if child::is_child() {
        return read_endless_answers();
    }
    let text = child::run("bounds::memory_is_bounded_by_the_limit", &[("", ""); 0]);
    let grown: u64 = text
        .lines()
        .find_map(|line| line.strip_suffix(" KiB")?.rsplit(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{text}"));
    // A vector that grows has up to twice its content and is copied while it does, and the fault server has its part
    // too. Without the limit it would be as much as the server sends, which is 512 MiB.
    assert!(grown * 1024 < 8 * LIMIT, "{grown} KiB");
}
