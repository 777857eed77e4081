//! The service's limit is waited for, on real sockets. What the pace does in detail is tested where
//! it is made, on a clock of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imagen_ai::{ApiErrorKind, Client, Error, Result, RetryPolicy, Wait, WaitReason, parallel};

use crate::support::script::{Script, Turn};
use crate::support::wire::OK;
use crate::support::{client_at, lock, ms};

const KEY: &str = "sk-pace-0123456789abcdef";

/// A limit of so many calls a second, and as many at once.
struct Limit {
    a_second: f64,
    left: f64,
    at: Instant,
}

impl Limit {
    fn new(a_second: f64) -> Self {
        Self {
            a_second,
            left: a_second,
            at: Instant::now(),
        }
    }

    fn takes_a_call(&mut self) -> bool {
        let passed = self.at.elapsed().as_secs_f64();
        self.at = Instant::now();
        self.left = (self.left + passed * self.a_second).min(self.a_second);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

/// A service that takes 8 calls a second, and a quarter of a second for each; and how many it
/// refused.
fn eight_a_second() -> (Script, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let refusals = Arc::clone(&refused);
    let limit = Mutex::new(Limit::new(8.0));
    let script = Script::each(move |_| {
        if lock(&limit).takes_a_call() {
            // The head comes in two parts, with a pause after each.
            return Turn::json(OK).drip_head(60, ms(125));
        }
        refusals.fetch_add(1, Ordering::Relaxed);
        Turn::status(429)
    });
    (script, refused)
}

fn edit_many(client: &Client, edits: u32, threads: usize) -> Vec<Result<()>> {
    let project = client.project("p");
    parallel(0..edits, threads, |nth| {
        let image = project.image(format!("{nth}.jpg"));
        image.copilot("make the sky more blue").map(drop)
    })
}

/// How long that may take is tested on the pace's own clock.
#[test]
fn edits_by_four_threads_are_all_made_and_few_are_refused() {
    const EDITS: u32 = 40;
    let (script, refused) = eight_a_second();
    let client = client_at(&script.url(), KEY);

    for result in edit_many(&client, EDITS, 4) {
        result.unwrap();
    }

    // Without a gap between the calls there are twice as many.
    let refusals = refused.load(Ordering::Relaxed);
    assert!(refusals <= EDITS as usize / 3, "{refusals}");
}

#[test]
fn more_threads_than_the_limit_allows_lose_no_edit() {
    let (script, _refused) = eight_a_second();
    let client = client_at(&script.url(), KEY);

    for result in edit_many(&client, 24, 16) {
        result.unwrap();
    }
}

/// Only the wait asks again: a question that is refused is asked once in each of its pauses.
#[test]
fn a_refused_question_returns_to_its_wait_at_once() {
    let script = Script::of([Turn::status(429)]);
    let retry = RetryPolicy {
        max_throttled: Duration::from_secs(5),
        ..RetryPolicy::default()
    };
    let builder = Client::builder(KEY).base_url(script.url()).retry(retry);
    let client = builder.build().unwrap();
    let wait = Wait {
        first: ms(700),
        longest: ms(700),
        total: ms(1_400),
        ..Wait::default()
    };

    let error = client.project("p").wait_until_edited(&wait).unwrap_err();

    assert_eq!(error.api_kind(), Some(ApiErrorKind::RateLimited), "{error}");
    assert_eq!(script.requests().len(), 3);
}

#[test]
fn a_wait_sleeps_as_long_as_the_service_asks() {
    let mut answers = vec![
        Turn::json(r#"{"status":"Failed"}"#),
        Turn::status(429).header("Retry-After", "1"),
    ];
    let script = Script::each(move |_| answers.pop().unwrap());
    let client = client_at(&script.url(), KEY);
    let wait = Wait {
        first: ms(1),
        ..Wait::default()
    };

    let began = Instant::now();
    let error = client.project("p").wait_until_edited(&wait).unwrap_err();

    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(script.requests().len(), 2);
    let Error::WaitFailed(failed) = error else {
        panic!("{error}");
    };
    assert_eq!(failed.reason, WaitReason::Failed);
}
