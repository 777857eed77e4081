//! How long to wait for something that takes its time, and the one polling loop.

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
        Self::of_seconds(10, 1.2, 60, 20 * 60 * 60)
    }
}

impl Wait {
    /// Returns a wait for an edit that may still be running ([`Chain::recover`](crate::Chain::recover)): 2 s, times 1.5 each
    /// time, at most 15 s, for 10 minutes in all, which is twice as long as the vendor's clients give a call.
    pub fn for_an_edit() -> Self {
        Self::of_seconds(2, 1.5, 15, 10 * 60)
    }

    fn of_seconds(first: u64, factor: f64, longest: u64, total: u64) -> Self {
        let [first, longest, total] = [first, longest, total].map(Duration::from_secs);
        Self { first, factor, longest, total }
    }

    /// Returns a function that tells how long to wait before the next question: as long as `asked` at least, together as
    /// long as the total. `None` says that the total is over.
    pub(crate) fn pauses(self) -> impl FnMut(Duration) -> Option<Duration> {
        let longest = self.longest.max(SHORTEST);
        let (mut next, mut left) = (self.first.clamp(SHORTEST, longest), self.total);
        move |asked| {
            let pause = next.max(asked).min(left);
            left -= pause;
            // In seconds, since a product of durations panics where it overflows.
            let longer = Duration::try_from_secs_f64(next.as_secs_f64() * self.factor.max(1.0));
            next = longer.unwrap_or(longest).min(longest);
            (!pause.is_zero()).then_some(pause)
        }
    }
}

/// Asks until the answer is one to stop at or the time is over, and tells `seen` of every answer and of every failure to
/// get one. `judge` says whether an answer is what is waited for, or why waiting longer does not help. `failed` makes the
/// error of a wait in vain from the last answer.
///
/// A failure after which one [asks again](asks_again) is not the end.
pub(crate) fn poll<T>(
    wait: &Wait,
    ask: impl Fn() -> Result<T>,
    judge: impl Fn(&T) -> Result<bool, WaitReason>,
    mut seen: impl FnMut(&Result<T>) -> ControlFlow<()>,
    failed: impl Fn(WaitReason, Option<T>) -> Error,
) -> Result<T> {
    let mut pauses = wait.pauses();
    let mut last = None;
    loop {
        let answer = ask();
        let go_on = seen(&answer);
        let error = match answer {
            Ok(answer) => match judge(&answer) {
                Ok(true) => return Ok(answer),
                Ok(false) => {
                    last = Some(answer);
                    None
                }
                Err(reason) => return Err(failed(reason, Some(answer))),
            },
            Err(e) if asks_again(&e) => Some(e),
            Err(e) => return Err(e),
        };
        if go_on.is_break() {
            return Err(failed(WaitReason::Stopped, last));
        }
        let asked = error.as_ref().and_then(Error::retry_after).unwrap_or_default();
        match pauses(asked) {
            Some(pause) => sleep(pause),
            None => return Err(error.unwrap_or_else(|| failed(WaitReason::TimedOut, last))),
        }
    }
}

/// Whether a question is asked again after this failure: see [`Error::is_safe_to_retry`], and a page where JSON should be.
pub(crate) fn asks_again(error: &Error) -> bool {
    error.is_safe_to_retry() || matches!(error, Error::Decode(_))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn seconds(wait: Wait) -> Vec<f64> {
        let mut pauses = wait.pauses();
        iter::from_fn(|| Some(pauses(Duration::ZERO)?.as_secs_f64())).collect()
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
        assert_eq!(seconds(Wait::default())[..3], [10.0, 12.0, 14.4]);
        let mut pauses = wait.pauses();
        assert_eq!(pauses(Duration::from_secs(90)), Some(Duration::from_secs(90)));
        assert_eq!((pauses(Duration::MAX), pauses(Duration::MAX)), (Some(Duration::from_secs(5)), None));
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
        assert_eq!(seconds(endless).len(), 1);
    }
}
