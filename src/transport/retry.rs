//! When a request may be sent again, and how long to wait before that.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

/// How often a call is tried, and how long the client waits in between.
///
/// The waits are exponential with full jitter: before attempt *n* + 1 a random time between nothing and
/// `base_delay` × 2<sup>*n* − 1</sup>, never more than `max_delay`. A `Retry-After` of the service wins over that.
///
/// What is tried again is not a setting, since it is a question of safety:
///
/// | call | not connected | 429 | 503 | 408, 500, 502, 504, connection lost |
/// | --- | --- | --- | --- | --- |
/// | `copilot`, `enhance` | again | again | again if it has `Retry-After` | never: [`OutcomeUnknown`] |
/// | everything else | again | again | again | again: a second one changes nothing |
///
/// Any other 5xx is not sent again: to an edit it is [`OutcomeUnknown`] too, to other calls [`Api`](crate::Error::Api).
///
/// [`OutcomeUnknown`]: crate::Error::OutcomeUnknown
///
/// # How long a call can take
/// At most `max_attempts` × ([`timeout`](crate::ClientBuilder::timeout) + the larger of `max_delay` and
/// `max_retry_after`). With the defaults that is 4 × (300 s + 60 s) = 24 minutes, and it is reached only when every
/// attempt hangs until its limit.
///
/// ```
/// use std::time::Duration;
/// use imagen_ai::RetryPolicy;
///
/// let patient = RetryPolicy { max_attempts: 10, max_retry_after: Duration::from_secs(600), ..RetryPolicy::default() };
/// let hasty = RetryPolicy {
///     base_delay: Duration::from_millis(50),
///     max_delay: Duration::from_millis(500),
///     ..RetryPolicy::default()
/// };
/// let never = RetryPolicy::none();
/// assert_eq!(never.max_attempts, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent in all, the first time included; 0 counts as 1. Default: 4, which outlives a
    /// restarting gateway (up to 3.5 s of waiting) and still reports a real outage soon.
    pub max_attempts: u32,
    /// The longest first wait. Default: 500 ms, well over a round trip, well under a person's patience.
    pub base_delay: Duration,
    /// The longest wait that the client chooses itself. Default: 20 s.
    pub max_delay: Duration,
    /// The longest `Retry-After` that is waited for; a longer one is returned at once, in the error
    /// ([`Error::retry_after`](crate::Error::retry_after)), so that the program decides. Default: 60 s, one window of
    /// a limit that counts by the minute.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Every request is sent once, and nothing is waited for.
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            base_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            max_retry_after: Duration::ZERO,
        }
    }

    /// The longest wait before any attempt.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.max_delay.max(self.max_retry_after)
    }

    /// A random wait before the attempt after `attempt` (1 for the first).
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let ceiling = self.base_delay.saturating_mul(doubled).min(self.max_delay);
        // The seed of a hash map is random enough to spread clients out, and needs no dependency.
        let random = RandomState::new().build_hasher().finish();
        ceiling.mul_f64(random as f64 / u64::MAX as f64)
    }
}

/// Whether a call may be carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A second time changes nothing.
    Freely,
    /// Only if the first time surely had no effect.
    IfUntouched,
}

/// What a failed attempt means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it again; `slow_down` when the service asked all of this client to.
    Again { slow_down: bool },
    /// The service's answer stands.
    Final,
    /// It may have been carried out.
    Unknown,
}

/// What to do about an answer whose status is no success.
pub(crate) fn judge_status(repeat: Repeat, status: u16, has_retry_after: bool) -> Verdict {
    match (repeat, status) {
        (_, 429) => Verdict::Again { slow_down: true },
        (Repeat::Freely, 503) => Verdict::Again { slow_down: true },
        // A gateway that names a time refused the request; one that does not may have lost the answer.
        (Repeat::IfUntouched, 503) if has_retry_after => Verdict::Again { slow_down: true },
        (Repeat::Freely, 408 | 500 | 502 | 504) => Verdict::Again { slow_down: false },
        (Repeat::IfUntouched, 408 | 500..=599) => Verdict::Unknown,
        _ => Verdict::Final,
    }
}

/// Reads a `Retry-After` header.
///
/// [RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3):
/// `Retry-After = HTTP-date / delay-seconds`, `delay-seconds = 1*DIGIT`. A date that has passed means no wait.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are "for ever" all the same.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |value| parse_retry_after(value, now);
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sunday, 06-Nov-94 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for wrong in ["", "-1", "1.5", "soon", "1 s", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn backoff_is_jittered_between_nothing_and_a_doubling_ceiling() {
        let policy = RetryPolicy {
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_millis(350),
            ..RetryPolicy::default()
        };
        for (attempt, ceiling) in [(1, 100), (2, 200), (3, 350), (40, 350), (u32::MAX, 350)] {
            let waits: Vec<_> = (0..200).map(|_| policy.backoff(attempt)).collect();
            let ceiling = Duration::from_millis(ceiling);
            assert!(waits.iter().all(|wait| *wait <= ceiling));
            assert!(waits.iter().any(|wait| *wait > ceiling / 2));
            assert!(waits.iter().any(|wait| *wait < ceiling / 2));
        }
    }

    #[test]
    fn an_edit_is_repeated_only_when_it_was_surely_not_made() {
        let edit = |status, retry_after| judge_status(Repeat::IfUntouched, status, retry_after);
        assert_eq!(edit(429, false), Verdict::Again { slow_down: true });
        assert_eq!(edit(503, true), Verdict::Again { slow_down: true });
        assert_eq!(edit(503, false), Verdict::Unknown);
        for status in [408, 500, 502, 504, 520, 599] {
            assert_eq!(edit(status, true), Verdict::Unknown, "{status}");
        }
        for status in [100, 301, 400, 401, 403, 404, 409, 422, 600, 999] {
            assert_eq!(edit(status, true), Verdict::Final, "{status}");
        }
    }
}
