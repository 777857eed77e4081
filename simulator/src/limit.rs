//! The limit on how many Copilot edits are taken.

use std::time::Duration;

/// A limit on Copilot edits. One over it is answered 429, and nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many are taken.
    pub quota: Quota,
    /// What a refusal says about when to come again.
    pub retry_after: RetryAfter,
}

/// How many edits are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// So many a second, evenly, and `burst` at once after a pause.
    PerSecond {
        /// Edits a second.
        edits: u32,
        /// Edits at once.
        burst: u32,
    },
    /// So many in each window of time. A window begins with the first edit after the one before.
    PerWindow {
        /// Edits in a window.
        edits: u32,
        /// The length of a window.
        window: Duration,
    },
}

/// The `Retry-After` header of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// No header.
    Missing,
    /// The time until an edit would be taken, in whole seconds, rounded up.
    TimeLeft,
    /// This many seconds, true or not.
    Seconds(u64),
}

impl RetryAfter {
    /// Returns the seconds that the header says.
    pub(crate) fn seconds(self, left: Duration) -> Option<u64> {
        match self {
            Self::Missing => None,
            Self::TimeLeft => Some(left.as_millis().div_ceil(1000) as u64),
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// Counts edits against a quota. All times are since the simulator's start, by its clock.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// When every edit taken so far is paid off at the quota's rate. An edit is taken unless that
    /// would move this further ahead than a burst.
    paid_off: Duration,
    window_began: Option<Duration>,
    in_window: u32,
}

impl Limiter {
    /// Takes an edit, or returns how long it is until one would be taken.
    pub(crate) fn take(&mut self, quota: Quota, now: Duration) -> Result<(), Duration> {
        match quota {
            Quota::PerSecond { edits, burst } => {
                let each = Duration::from_secs(1) / edits.max(1);
                let paid_off = self.paid_off.max(now) + each;
                let furthest = now + each * burst.max(1);
                if paid_off > furthest {
                    return Err(paid_off - furthest);
                }
                self.paid_off = paid_off;
            }
            Quota::PerWindow { edits, window } => {
                let end = self.window_began.map(|began| began + window);
                match end {
                    Some(end) if now < end && self.in_window >= edits => return Err(end - now),
                    Some(end) if now < end => {}
                    _ => {
                        self.window_began = Some(now);
                        self.in_window = 0;
                    }
                }
                self.in_window += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_millis(250);

    #[test]
    fn a_burst_is_taken_at_once_and_then_one_each_quarter_of_a_second() {
        let quota = Quota::PerSecond { edits: 4, burst: 2 };
        let mut limiter = Limiter::default();
        let now = Duration::from_secs(9);
        assert_eq!(limiter.take(quota, now), Ok(()));
        assert_eq!(limiter.take(quota, now), Ok(()));
        assert_eq!(limiter.take(quota, now), Err(QUARTER));
        assert_eq!(limiter.take(quota, now + QUARTER), Ok(()));
        assert_eq!(limiter.take(quota, now + QUARTER), Err(QUARTER));
    }

    #[test]
    fn a_window_takes_so_many_and_the_next_one_as_many_again() {
        let window = Duration::from_secs(10);
        let quota = Quota::PerWindow { edits: 2, window };
        let mut limiter = Limiter::default();
        let now = Duration::from_secs(3);
        assert_eq!(limiter.take(quota, now), Ok(()));
        assert_eq!(limiter.take(quota, now + 8 * QUARTER), Ok(()));
        let left = window - 8 * QUARTER;
        assert_eq!(limiter.take(quota, now + 8 * QUARTER), Err(left));
        assert_eq!(limiter.take(quota, now + window), Ok(()));
        assert_eq!(limiter.take(quota, now + window), Ok(()));
        assert_eq!(limiter.take(quota, now + window), Err(window));
    }

    #[test]
    fn the_time_left_is_rounded_up_to_whole_seconds() {
        assert_eq!(RetryAfter::TimeLeft.seconds(QUARTER), Some(1));
        assert_eq!(RetryAfter::TimeLeft.seconds(4 * QUARTER), Some(1));
        assert_eq!(RetryAfter::TimeLeft.seconds(5 * QUARTER), Some(2));
        assert_eq!(RetryAfter::Seconds(0).seconds(QUARTER), Some(0));
        assert_eq!(RetryAfter::Missing.seconds(QUARTER), None);
    }
}
