//! How long to wait between looks at something that takes its time.

use std::time::Duration;

/// How to wait for a project: how often to ask, and for how long in all. The default is the vendor's own polling.
///
/// ```
/// use std::time::Duration;
/// use imagen_ai::Wait;
///
/// let an_hour = Wait { total: Duration::from_secs(60 * 60), ..Wait::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// The time between the first two questions. Default: 10 s.
    pub first: Duration,
    /// By how much each time is longer than the one before. Default: 1.2.
    pub factor: f64,
    /// The longest time between two questions. Default: 60 s.
    pub longest: Duration,
    /// When to give up. Default: 20 h.
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
