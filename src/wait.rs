//! How long to wait for something that takes its time, and how often to ask meanwhile.

use std::iter;
use std::time::Duration;

/// The shortest wait, so that a `first` or `longest` of zero is no busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long to wait for the service to be done with something, and how often to ask.
///
/// Each wait is [`factor`](Self::factor) times the one before, from [`first`](Self::first) up to
/// [`longest`](Self::longest), until [`total`](Self::total) is over; the last is cut to end with it. The first question
/// is asked at once, the last at the end of the total. The default is how the vendor's clients wait for a project.
///
/// ```
/// use std::time::Duration;
/// use imagen_ai::Wait;
///
/// // Asks at once, after 2 s, 5 s, 9.5 s and 14.5 s, and so on every 5 s for a minute.
/// let hasty = Wait {
///     first: Duration::from_secs(2),
///     factor: 1.5,
///     longest: Duration::from_secs(5),
///     total: Duration::from_secs(60),
/// };
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
    #[inline]
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
    /// For an edit that may still be running ([`Chain::recovering`](crate::Chain::recovering)): 2 s, times 1.5 each
    /// time, at most 15 s, for 10 minutes in all, which is twice as long as the vendor's clients give a call.
    #[inline]
    pub fn for_an_edit() -> Self {
        Self {
            first: Duration::from_secs(2),
            factor: 1.5,
            longest: Duration::from_secs(15),
            total: Duration::from_secs(10 * 60),
        }
    }

    /// The waits between the questions, in order; together they are the total.
    #[inline]
    pub(crate) fn delays(self) -> impl Iterator<Item = Duration> {
        let factor = if self.factor >= 1.0 { self.factor } else { 1.0 };
        let longest = self.longest.max(SHORTEST);
        let mut next = self.first.clamp(SHORTEST, longest);
        let mut left = self.total;
        iter::from_fn(move || {
            let delay = next.min(left);
            if delay.is_zero() {
                return None;
            }
            left -= delay;
            // In seconds: a product of durations panics where it overflows.
            let longer = next.as_secs_f64() * factor;
            next = Duration::try_from_secs_f64(longer).map_or(longest, |longer| longer.min(longest));
            Some(delay)
        })
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
        let second = Wait {
            first: Duration::ZERO,
            factor: f64::NAN,
            longest: Duration::ZERO,
            total: Duration::from_millis(3),
        };
        assert_eq!(seconds(second), [0.001, 0.001, 0.001]);
        let none = Wait {
            total: Duration::ZERO,
            ..Wait::default()
        };
        assert!(seconds(none).is_empty());
        let endless = Wait {
            first: Duration::MAX,
            factor: f64::INFINITY,
            longest: Duration::MAX,
            total: Duration::MAX,
        };
        assert_eq!(endless.delays().take(5).count(), 1);
    }
}
