//! When a request is sent again, and how long to wait before that.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;
use ureq::http::header::{DATE, RETRY_AFTER};

/// How often a call is tried, and how long the client waits in between.
///
/// The waits are exponential with full jitter: before attempt *n* + 1 a random time between nothing
/// and `base_delay` × 2<sup>*n* − 1</sup>, never more than `max_delay`. A `Retry-After` of the
/// service wins over that, and all calls of the client wait when one of them is told to slow down
/// (429 and 503).
///
/// What is tried again is a question of safety and not a setting:
///
/// | call | nothing reached the service | 429 | 408, 5xx, connection lost, answer cut | 425 | other 4xx, 3xx |
/// | --- | --- | --- | --- | --- | --- |
/// | `copilot`, `enhance`, `create_project`, `edit`, `export` | again | again | never: [`OutcomeUnknown`] | [`Api`] | [`Api`] |
/// | everything else | again | again | again: a second one changes nothing | again | [`Api`] |
///
/// [`OutcomeUnknown`]: crate::Error::OutcomeUnknown
/// [`Api`]: crate::Error::Api
///
/// # How long a call can take
/// At most `max_attempts` × ([`connect_timeout`](crate::ClientBuilder::connect_timeout) + 4 ×
/// [`timeout`](crate::ClientBuilder::timeout) + the larger of `max_delay` and `max_retry_after`),
/// name lookups apart, since `timeout` bounds four phases: sending the head, sending the body,
/// waiting for the answer, reading it.
///
/// ```
/// use imagen_ai::RetryPolicy;
/// use std::time::Duration;
///
/// let patient = RetryPolicy {
///     max_attempts: 10,
///     max_retry_after: Duration::from_secs(600),
///     ..RetryPolicy::default()
/// };
/// assert_eq!(RetryPolicy::none().max_attempts, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent in all, the first time included; 0 counts as 1. Default: 4,
    /// which outlives a restarting gateway (up to 3.5 s of waiting) and still reports a real
    /// outage soon.
    pub max_attempts: u32,
    /// The longest first wait. Default: 500 ms, well over a round trip, well under a person's
    /// patience.
    pub base_delay: Duration,
    /// The longest wait that the client chooses itself. Default: 20 s.
    pub max_delay: Duration,
    /// The longest `Retry-After` that is waited for. A longer one is returned at once, in the
    /// error ([`Error::retry_after`](crate::Error::retry_after)), so that the program decides.
    /// Default: 60 s, one window of a limit that counts by the minute.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let [base_delay, max_delay, max_retry_after] =
            [500, 20_000, 60_000].map(Duration::from_millis);
        Self {
            max_attempts: 4,
            base_delay,
            max_delay,
            max_retry_after,
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
        }
    }

    /// Returns the wait after failed attempt number `attempt`, or `None` if there is to be no
    /// other. `asked` is the wait that the service asked for.
    pub(crate) fn wait_after(&self, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if attempt >= self.max_attempts || asked.is_some_and(|asked| asked > self.max_retry_after) {
            return None;
        }
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let ceiling = self.base_delay.saturating_mul(doubled).min(self.max_delay);
        // The seed of a hash map is random enough to spread clients out, and needs no dependency.
        let random = RandomState::new().build_hasher().finish();
        Some(asked.unwrap_or(ceiling.mul_f64(random as f64 / u64::MAX as f64)))
    }
}

/// Whether a status tells of a failure that may pass.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Reads `Retry-After`: seconds, rounded up, or a date
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)). A date is counted from the answer's
/// own `Date`, since the clock of this machine may be wrong. A date that has passed means no wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        // A number that does not fit means "for ever".
        let seconds = whole.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(
            seconds.saturating_add(u64::from(fraction.contains(|digit| digit != '0'))),
        ));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let answered = headers
        .get(DATE)
        .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let now = answered.unwrap_or_else(SystemTime::now);
    Some(date.duration_since(now).unwrap_or_default())
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
