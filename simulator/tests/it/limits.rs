use std::time::Duration;

use imagen_ai_simulator::{Quota, READY, RateLimit, RetryAfter};
use serde_json::{Value, json};

use crate::support::{IMAGE, Service};

/// So slow that a busy machine changes nothing. The clock is set forward instead.
const WINDOW: Quota = Quota::PerWindow {
    edits: 2,
    window: Duration::from_secs(3600),
};

fn limited(retry_after: RetryAfter) -> Service {
    let service = Service::start();
    let limit = RateLimit {
        quota: WINDOW,
        retry_after,
    };
    service.configure(|settings| settings.rate_limit = Some(limit));
    service
}

#[test]
fn edits_over_the_limit_are_refused_and_not_made() {
    let service = limited(RetryAfter::Missing);
    let path = format!("/projects/{READY}/images/{IMAGE}/enhance");
    let preset = json!({"tool_id": "day_to_dusk", "project_source": "REGULAR"});
    service.copilot(IMAGE, Value::Null).is(200, "");
    service.post(&path, preset.clone()).is(200, "");
    let refused = service.post(&path, preset);
    let refused = refused.is(429, "{\"message\":\"Too Many Requests\"}");
    assert!(!refused.text.contains("retry-after"), "{}", refused.text);
    assert_eq!(service.versions(READY, IMAGE).len(), 1);
    // Other calls have no limit.
    service.get(&format!("/projects/{READY}")).is(200, "");

    service.advance_clock(Duration::from_secs(3600));
    service.copilot(IMAGE, Value::Null).is(200, "");
}

#[test]
fn a_refusal_can_say_when_to_come_again() {
    let service = limited(RetryAfter::Seconds(7));
    service.copilot(IMAGE, Value::Null);
    service.copilot(IMAGE, Value::Null);
    service
        .copilot(IMAGE, Value::Null)
        .is(429, "\r\nretry-after: 7\r\n");

    let service = limited(RetryAfter::TimeLeft);
    service.copilot(IMAGE, Value::Null);
    service.copilot(IMAGE, Value::Null);
    service.advance_clock(Duration::from_secs(600));
    let refused = service.copilot(IMAGE, Value::Null).is(429, "retry-after: ");
    let seconds = refused.text.split("retry-after: ").nth(1).unwrap();
    let seconds: u64 = seconds.lines().next().unwrap().parse().unwrap();
    assert!((2000..=3000).contains(&seconds), "{seconds}");
}
