//! How long a client waits and how much it holds, whatever the server does.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::{ApiErrorKind, CallError, Client, ClientBuilder, Error, RetryPolicy, Wait};

use crate::support::script::End::Stall;
use crate::support::script::{Script, Turn};
use crate::support::wire::{OK, Wire};
use crate::support::{ms, patiently, side_by_side};

/// How late a busy machine may be. What hangs takes longer.
const BUSY: Duration = Duration::from_secs(45);
const SECOND: Duration = Duration::from_secs(1);

fn policy(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        max_attempts,
        base_delay: ms(1),
        max_delay: ms(1),
        max_retry_after: SECOND,
        max_throttled: BUSY,
    }
}

fn builder(script: &Script) -> ClientBuilder {
    let client = Client::builder("sk-waits-0123456789abcdef").base_url(script.url());
    client.retry(policy(1))
}

/// A server that answers the first request like this, and the others well; and when each of them
/// came.
fn first_answers(turn: Turn) -> (Script, Arc<Mutex<Vec<Instant>>>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let script = Script::each(move |_| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        match seen.len() {
            1 => turn.clone(),
            _ => Turn::json(OK),
        }
    });
    (script, times)
}

#[test]
fn a_call_that_is_told_to_slow_down_waits() {
    side_by_side(&[429, 503], |status| {
        let (script, times) = first_answers(Turn::status(status).header("Retry-After", "1"));
        let client = builder(&script).retry(policy(2)).build().unwrap();

        client.project("p").info().unwrap();

        let times = times.lock().unwrap();
        assert_eq!(times.len(), 2);
        assert!(times[1] - times[0] >= SECOND, "{status}: {times:?}");
    });
}

#[test]
fn when_one_call_is_told_to_slow_down_the_others_wait_too() {
    side_by_side(&[429, 503], |status| {
        let (script, times) = first_answers(Turn::status(status).header("Retry-After", "1"));
        let client = builder(&script).build().unwrap();
        // It asks once, and returns once the client has noted the answer.
        let once = Wait {
            total: Duration::ZERO,
            ..Wait::default()
        };
        client.project("p").wait_until_edited(&once).unwrap_err();
        thread::scope(|scope| {
            let clone = client.with_timeout(BUSY);
            scope.spawn(|| client.project("p").info().unwrap());
            scope.spawn(|| client.project("p").image("a").copilot("x").unwrap());
            scope.spawn(|| client.smart_project("q").finalize().unwrap());
            scope.spawn(move || clone.project("p").image("a").reset().unwrap());
        });
        let times = times.lock().unwrap();
        assert_eq!(times.len(), 5);
        for time in &times[1..] {
            assert!(*time - times[0] >= SECOND, "{status}: {times:?}");
        }
    });
}

#[test]
fn nobody_waits_for_what_does_not_concern_them() {
    let (script, _times) = first_answers(Turn::status(500).header("Retry-After", "300"));
    let policy = RetryPolicy {
        max_retry_after: Duration::from_secs(600),
        ..policy(1)
    };
    let client = builder(&script).retry(policy).build().unwrap();
    client.project("p").info().unwrap_err();

    let began = Instant::now();
    client.project("p").image("a").copilot("x").unwrap();

    assert!(began.elapsed() < BUSY);
}

#[test]
fn after_a_retry_after_that_is_too_long_no_call_is_sent() {
    let (script, _times) = first_answers(Turn::status(429).header("Retry-After", "600"));
    let client = builder(&script).retry(policy(1)).build().unwrap();
    client.project("p").info().unwrap_err();

    let error = client.project("p").image("a").copilot("x").unwrap_err();

    assert_eq!(error.api_kind(), Some(ApiErrorKind::RateLimited));
    let left = error.retry_after().unwrap();
    assert!(left > Duration::from_secs(300) && left <= Duration::from_secs(600));
    assert!(error.is_safe_to_retry());
    let context = error.context().unwrap();
    assert_eq!((context.status, context.attempts), (None, 0));
    assert_eq!(script.requests().len(), 1);
}

#[test]
fn a_policy_without_waits_sends_every_call_at_once() {
    let (script, _times) = first_answers(Turn::status(429).header("Retry-After", "60"));
    let retry = RetryPolicy::none();
    let client = builder(&script).retry(retry).build().unwrap();
    client.project("p").info().unwrap_err();

    client.project("p").image("a").copilot("x").unwrap();

    assert_eq!(script.requests().len(), 2);
}

/// The formula of [`RetryPolicy`] holds although the server never answers this call.
#[test]
fn a_call_never_takes_longer_than_the_formula_says() {
    let script = Script::of([Stall.after_request()]);
    let attempts = 2;
    let limit = ms(300);
    let client = builder(&script).retry(policy(attempts)).build().unwrap();
    let stalled = client.with_timeout(limit).project("stalled");

    let began = Instant::now();
    let error = stalled.info().unwrap_err();
    let took = began.elapsed();

    // Connecting and sending take no time here.
    let bound = limit * attempts;
    assert!(matches!(error, Error::Network(_)), "{error}");
    assert!(took >= bound, "it did not wait: {took:?}");
    assert!(took <= bound + BUSY, "{took:?}, and not {bound:?}");
}

/// The service accepts nothing, so that no call of the client waits for longer than that.
#[test]
fn no_call_waits_longer_for_a_service_that_accepts_none() {
    let script = Script::of([Turn::status(429).header("Retry-After", "1")]);
    let max_throttled = 3 * SECOND;
    let policy = RetryPolicy {
        max_throttled,
        ..policy(1)
    };
    let client = builder(&script).retry(policy).build().unwrap();

    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let error = client.project("p").info().unwrap_err();
                assert_eq!(error.api_kind(), Some(ApiErrorKind::RateLimited));
            });
        }
    });
    let took = began.elapsed();

    assert!(took >= SECOND, "it did not wait: {took:?}");
    assert!(took <= max_throttled + BUSY, "{took:?}");
}

/// Each phase has the whole limit: an answer may take longer than the limit in all.
#[test]
fn the_limit_is_one_of_each_phase() {
    patiently(|patience| {
        let limit = SECOND * patience;
        // The head comes in two parts, and the body after another pause.
        let script = Script::of([Turn::json(OK).drip_head(60, limit * 3 / 5)]);
        let client = builder(&script).timeout(limit).build().unwrap();

        let began = Instant::now();
        client.project("p").image("a").copilot("x").unwrap();

        assert!(began.elapsed() > limit, "{:?}", began.elapsed());
    });
}

/// An edit of which nothing is known, and what is said of it.
fn unknown(client: &Client) -> (CallError, String) {
    let error = client.project("p").image("a").copilot("x").unwrap_err();
    let text = error.to_string();
    match error {
        Error::OutcomeUnknown(e) => (*e, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_outcome_says_what_came() {
    let mut wire = Wire::new();
    let page = "<p>Endpoint request timed out";
    let answer = wire.answers("POST", "/v1/projects/p/images/a/copilot", 504, page);
    answer.with_header("cf-ray", "ray-1").create();

    let (error, text) = unknown(&wire.client());

    assert!(error.context.body.contains("Endpoint request timed out"));
    assert!(text.contains("504 <p>Endpoint"), "{text}");
    assert!(text.ends_with("(request ray-1)"), "{text}");
}

#[test]
fn an_unknown_outcome_says_after_how_long_nothing_came() {
    let script = Script::of([Stall.after_request()]);
    let client = builder(&script).timeout(SECOND).build().unwrap();

    let (error, text) = unknown(&client);

    assert!(error.context.elapsed >= SECOND);
    assert_eq!(error.context.body, "");
    assert!(text.contains(error.advice), "{text}");
    assert!(text.contains(&script.addr().to_string()), "{text}");
}

/// What only Linux tells of a process.
#[cfg(target_os = "linux")]
mod linux {
    use imagen_ai::UploadOptions;

    use super::*;
    use crate::support::script::End::Close;
    use crate::support::script::Request;
    use crate::support::{child, link};

    /// What the kernel says of this process's memory, in KiB.
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
    fn no_call_starts_a_thread() {
        const STACK: u64 = 64 << 20;
        let Ok(port) = std::env::var("TEST_PORT") else {
            // Calls and files have connections of their own.
            for (closes, connections) in [(true, 18), (false, 2)] {
                let script = Script::each(move |request| answer_with_link(request, closes));
                let port = script.addr().port().to_string();
                let variables = [("TEST_PORT", port), ("RUST_MIN_STACK", STACK.to_string())];
                child::run("bounds::linux::no_call_starts_a_thread", &variables);
                assert_eq!(script.connections(), connections);
            }
            return;
        };
        let url = format!("http://localhost:{port}");
        let client = Client::builder("key").base_url(&url).retry(policy(1));
        let client = client.build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.jpg");
        std::fs::write(&photo, "a picture").unwrap();
        // The system's lookup loads what it needs, once.
        std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 80)).unwrap();
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let threads_before = threads();
        let peak_before = memory("VmPeak:");

        for _ in 0..3 {
            let project = client.project("p");
            project.info().unwrap();
            project.image("a").copilot("x").unwrap();
            project.finalize().unwrap();
            let file = client.download(link(format!("{url}/a.jpg")));
            file.to_vec(1000).unwrap();
            let uploaded = project.upload([&photo], &UploadOptions::default());
            uploaded.unwrap().0.pop().unwrap().unwrap();
        }

        assert_eq!(threads(), threads_before);
        let grown = memory("VmPeak:") - peak_before;
        assert!(grown * 1024 < STACK, "{grown} KiB");
    }

    /// Answers well, with a link to this server where links are asked for.
    fn answer_with_link(request: &Request, closes: bool) -> Turn {
        let host = request.header("host").unwrap();
        let body = match request.method() {
            "PUT" => String::new(),
            _ if request.path().contains("upload_links") => format!(
                r#"{{"files_list":[{{"file_name":"a.jpg","upload_link":"http://{host}/a.jpg"}}]}}"#
            ),
            _ => OK.to_owned(),
        };
        match closes {
            true => Turn::json(body).header("Connection", "close").then(Close),
            false => Turn::json(body),
        }
    }

    #[test]
    fn memory_is_bounded_by_the_limit() {
        const LIMIT: u64 = 4 << 20;
        if !child::is_child() {
            child::run(
                "bounds::linux::memory_is_bounded_by_the_limit",
                &[("", ""); 0],
            );
            return;
        }
        let endless = || Turn::json("{\"a\":\"").endless("x");
        let chunked = Turn::status(404).header("Transfer-Encoding", "chunked");
        let before = memory("VmHWM:");
        for turn in [
            endless(),
            endless().chunked(&[16_384]),
            endless().until_close(),
            Turn::json("[").endless("[1,"),
            Turn::status(500).endless("x"),
            chunked.unframed().endless("1\r\n{\r\n"),
            endless()
                .unframed()
                .header("Content-Length", u64::MAX.to_string()),
            Turn::raw("HTTP/1.1 200 OK\r\n").endless("X-Filler: x\r\n"),
            Turn::raw("HTTP/1.1 200 ").endless("x"),
        ] {
            let script = Script::of([turn]);
            let client = builder(&script).max_answer_size(LIMIT).build().unwrap();
            let project = client.project("p");
            let began = Instant::now();
            assert!(project.presets().is_err());
            assert!(project.image("a").copilot("x").is_err());
            assert!(began.elapsed() < BUSY);
        }
        // A vector that grows has up to twice its content and is copied while it does, and the
        // script has its part too. Without the limit it would be as much as the script
        // sends, which is 512 MiB.
        let grown = memory("VmHWM:") - before;
        assert!(grown * 1024 < 8 * LIMIT, "{grown} KiB");
    }
}
