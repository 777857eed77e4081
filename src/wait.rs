//! How long to wait for something that takes its time, and the one polling loop.

use std::iter;
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result, WaitReason};

/// The shortest wait, so that a `first` or `longest` of zero is no busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long to wait for the service to be done with something, and how often to ask.
///
/// Each wait is [`factor`](Self::factor) times the one before, from [`first`](Self::first) up to
/// [`longest`](Self::longest), until [`total`](Self::total) is over; the last is cut to end with it. The first question is
/// asked at once, the last at the end of the total. The default is how the vendor's clients wait for a project.
///
/// ```
/// use std::time::Duration;
/// use imagen_ai::Wait;
///
/// let overnight = Wait { total: Duration::from_secs(8 * 60 * 60), ..Wait::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// The wait after the first question. Default: 10 s.
    pub first: Duration,
    /// How much longer each wait is than the one before. Below 1, or no number, counts as 1. Default: 1.2.
    pub factor: f64,
    /// The longest wait between two questions. Default: 60 s.
    pub longest: Duration,
    /// How long to wait in all, without the time that the questions take themselves. Default: 20 h.
    pub total: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            factor: 1.2,
            longest: Duration::from_secs(60),
            total: Duration::from_secs(20 * 60 * 60),
        }
    }
}

impl Wait {
    /// Returns a wait for an edit that may still be running ([`Chain::recover`](crate::Chain::recover)): 2 s, times 1.5 each
    /// time, at most 15 s, for 10 minutes in all, which is twice as long as the vendor's clients give a call.
    pub fn for_an_edit() -> Self {
        Self {
            first: Duration::from_secs(2),
            factor: 1.5,
            longest: Duration::from_secs(15),
            total: Duration::from_secs(10 * 60),
        }
    }

    /// Returns the waits between the questions, in order; together they are the total.
    pub(crate) fn delays(self) -> impl Iterator<Item = Duration> {
        let factor = if self.factor >= 1.0 { self.factor } else { 1.0 };
        let longest = self.longest.max(SHORTEST);
        let mut next = self.first.clamp(SHORTEST, longest);
        let mut left = self.total;
        iter::from_fn(move || {
            let delay = next.min(left);
            left -= delay;
            // In seconds, since a product of durations panics where it overflows.
            let longer = Duration::try_from_secs_f64(next.as_secs_f64() * factor);
            next = longer.map_or(longest, |longer| longer.min(longest));
            (!delay.is_zero()).then_some(delay)
        })
    }
}

/// What an answer says to someone who waits.
pub(crate) enum Verdict {
    Ready,
    NotYet,
    /// Waiting longer does not help.
    Never(WaitReason),
}

/// Asks until the answer is `Ready` or the time is over, and tells `seen` of every answer and of every failure to get one.
/// `failed` makes the error of a wait in vain from the last answer.
///
/// A failure that may pass (see [`Error::is_safe_to_retry`], and a page where JSON should be) is not the end.
pub(crate) fn poll<T>(
    wait: &Wait,
    ask: impl Fn() -> Result<T>,
    judge: impl Fn(&T) -> Verdict,
    mut seen: impl FnMut(&Result<T>) -> ControlFlow<()>,
    failed: impl Fn(WaitReason, Option<T>) -> Error,
) -> Result<T> {
    let mut left = wait.total;
    let mut delays = wait.delays();
    let mut last = None;
    loop {
        let answer = ask();
        let go_on = seen(&answer);
        let error = match answer {
            Ok(answer) => match judge(&answer) {
                Verdict::Ready => return Ok(answer),
                Verdict::Never(reason) => return Err(failed(reason, Some(answer))),
                Verdict::NotYet => {
                    last = Some(answer);
                    None
                }
            },
            Err(e) if e.is_safe_to_retry() || matches!(e, Error::Decode(_)) => Some(e),
            Err(e) => return Err(e),
        };
        if go_on.is_break() {
            return Err(failed(WaitReason::Stopped, last));
        }
        let Some(delay) = delays.next().filter(|_| !left.is_zero()) else {
            return Err(error.unwrap_or_else(|| failed(WaitReason::TimedOut, last)));
        };
        // A service that asks for more time gets it, unless that is more than there is.
        let asked = error.as_ref().and_then(Error::retry_after).unwrap_or_default();
        let pause = delay.max(asked).min(left);
        sleep(pause);
        left -= pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(wait: Wait) -> Vec<f64> {
        wait.delays().map(|delay| delay.as_secs_f64()).collect()
    }

    #[test]
    fn waits_grow_up_to_the_longest_and_end_with_the_total() {
        let wait = Wait {
            first: Duration::from_secs(10),
            factor: 2.0,
            longest: Duration::from_secs(30),
            total: Duration::from_secs(95),
        };
        assert_eq!(seconds(wait), [10.0, 20.0, 30.0, 30.0, 5.0]);
        let default: Vec<_> = Wait::default().delays().collect();
        assert_eq!(default.iter().sum::<Duration>(), Duration::from_secs(20 * 60 * 60));
        assert_eq!(default[1], Duration::from_secs(12));
    }

    #[test]
    fn odd_settings_end_all_the_same() {
        let second =
            Wait { first: Duration::ZERO, factor: f64::NAN, longest: Duration::ZERO, total: Duration::from_millis(3) };
        assert_eq!(seconds(second), [0.001, 0.001, 0.001]);
        let none = Wait { total: Duration::ZERO, ..Wait::default() };
        assert!(seconds(none).is_empty());
        let endless =
            Wait { first: Duration::MAX, factor: f64::INFINITY, longest: Duration::MAX, total: Duration::MAX };
        assert_eq!(endless.delays().take(5).count(), 1);
    }
}
