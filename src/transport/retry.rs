//! When a request is sent again, and how long to wait before that.

use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;
use ureq::http::header::{DATE, HeaderName, RETRY_AFTER};

use super::pace::random;

/// How often a call is tried, and how long the client waits in between.
///
/// A call that **failed** is tried again up to [`max_attempts`](Self::max_attempts) times. The
/// waits are exponential with full jitter: before attempt *n* + 1 a random time between nothing and
/// `base_delay` × 2<sup>*n* − 1</sup>, never more than `max_delay`. A `Retry-After` of the service
/// wins over that; with a 503, all calls of the client wait for it.
///
/// A call that the service **refused because of its limit** (429) has not failed: nothing was done.
/// It waits and is sent again, however often, and `max_attempts` does not count it. All calls of a
/// client and its clones share one pace: they pause when one of them is refused, for `Retry-After`
/// if the service says so, and then go one after another as fast as the service takes them, first
/// come, first served. [`ApiErrorKind::RateLimited`] is returned when the service has accepted no
/// call for [`max_throttled`](Self::max_throttled).
///
/// Which calls are sent again is a question of safety and not a setting:
///
/// | call | nothing was sent | 429 | 408, 5xx, connection lost, answer cut | 425 | other 4xx, 3xx |
/// | --- | --- | --- | --- | --- | --- |
/// | paid calls, `create_project` | again | again | never: [`OutcomeUnknown`] | [`Api`] | [`Api`] |
/// | everything else | again | again | again: a second one changes nothing | again | [`Api`] |
///
/// A certificate that is not trusted, and a proxy that forbids the host or wants a password, are
/// returned at once.
///
/// [`OutcomeUnknown`]: crate::Error::OutcomeUnknown
/// [`Api`]: crate::Error::Api
/// [`ApiErrorKind::RateLimited`]: crate::ApiErrorKind::RateLimited
///
/// # How long a call can take
/// Failures: at most `max_attempts` times the sum of
/// [`connect_timeout`](crate::ClientBuilder::connect_timeout), 4 times
/// [`timeout`](crate::ClientBuilder::timeout), and the larger of `max_delay` and `max_retry_after`.
/// Name lookups come on top. `timeout` counts 4 times since it bounds each of four phases: sending
/// the head, sending the body, waiting for the answer, reading it. An attempt that is redirected
/// counts twice, and an attempt of [`Project::export`](crate::Project::export) connects once more.
///
/// The service's limit: until it is this call's turn, as long as the service accepts other calls of
/// the client; at most `max_throttled` while it accepts none.
///
/// ```
/// use imagen_ai::RetryPolicy;
/// use std::time::Duration;
///
/// let patient = RetryPolicy {
///     max_attempts: 10,
///     max_throttled: Duration::from_secs(60 * 60),
///     ..RetryPolicy::default()
/// };
/// assert_eq!(RetryPolicy::none().max_attempts, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a call is sent before its failure is returned; 0 counts as 1. A 429 is no
    /// failure. Default: 4, which outlives a restarting gateway (up to 3.5 s of waiting) and
    /// still reports a real outage soon.
    pub max_attempts: u32,
    /// The longest first wait after a failure. Default: 500 ms, well over a round trip, well under
    /// a person's patience.
    pub base_delay: Duration,
    /// The longest wait after a failure that the client chooses itself. Default: 20 s.
    pub max_delay: Duration,
    /// The longest `Retry-After` of a failure (408, 425, 5xx) that is waited for. A longer one is
    /// returned at once, in the error ([`Error::retry_after`](crate::Error::retry_after)), so that
    /// the program decides. Default: 60 s, about as long as a gateway takes to restart.
    pub max_retry_after: Duration,
    /// How long calls wait for the service's limit while it accepts no call of the client.
    /// Default: 10 minutes, which outlasts a limit by the minute many times.
    ///
    /// A longer `Retry-After` of a 429 is not waited for: that call, and all others until it is
    /// over, return [`ApiErrorKind::RateLimited`](crate::ApiErrorKind::RateLimited) at once, with
    /// what is left of it. With zero, a 429 is returned at once and no call waits for another.
    pub max_throttled: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            max_retry_after: Duration::from_secs(60),
            max_throttled: Duration::from_secs(10 * 60),
        }
    }
}

impl RetryPolicy {
    /// Returns a policy that sends every request once and waits for nothing.
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            base_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            max_retry_after: Duration::ZERO,
            max_throttled: Duration::ZERO,
        }
    }

    /// Returns the wait after failure number `failures`, or `None` if there is to be no other
    /// attempt. `asked` is the wait that the service asked for.
    pub(crate) fn wait_after(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if failures >= self.max_attempts {
            return None;
        }
        if let Some(asked) = asked {
            return (asked <= self.max_retry_after).then_some(asked);
        }
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let ceiling = self.base_delay.saturating_mul(doubled.unwrap_or(u32::MAX));
        Some(ceiling.min(self.max_delay).mul_f64(random()))
    }
}

/// Whether a status tells of a failure that may pass.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Reads `Retry-After`: seconds, rounded up, or a date
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)). A date is
/// counted from the answer's own `Date`, since the clock of this machine may be wrong. A date that
/// has passed means no wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = whole_seconds(text) {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers, DATE).unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

/// Reads a number of seconds, rounded up. One that does not fit means "for ever".
fn whole_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let seconds: u64 = whole.parse().unwrap_or(u64::MAX);
    let has_rest = fraction.contains(|digit| digit != '0');
    Some(seconds.saturating_add(u64::from(has_rest)))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_all_forms() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(read("1.5"), Some(Duration::from_secs(2)));
        assert_eq!(read(&"9".repeat(40)), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:39 GMT"),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            read("Sunday, 06-Nov-94 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for wrong in [
            "",
            "-1",
            "1.",
            "soon",
            "1 s",
            "Sun, 99 Nov 1994 08:50:37 GMT",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn backoff_is_jittered_between_nothing_and_a_doubling_ceiling() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_millis(350),
            ..RetryPolicy::default()
        };
        for (attempt, ceiling) in [(1, 100), (2, 200), (3, 350), (40, 350)] {
            let waits: Vec<_> = (0..200)
                .map(|_| policy.wait_after(attempt, None).unwrap())
                .collect();
            let ceiling = Duration::from_millis(ceiling);
            assert!(waits.iter().all(|wait| *wait <= ceiling));
            assert!(
                waits.iter().any(|wait| *wait > ceiling / 2)
                    && waits.iter().any(|wait| *wait < ceiling / 2)
            );
        }
        assert_eq!(RetryPolicy::none().wait_after(1, None), None);
    }
}
