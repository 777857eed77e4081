//! The clock that measures long waits.

use std::thread;
use std::time::{Duration, Instant};

#[cfg(test)]
use std::sync::{Arc, Mutex, PoisonError};

/// The system's clock that never goes back, whatever the date is set to. A test can have a clock
/// that only its pauses set forward.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    #[cfg(test)]
    virtual_now: Option<Arc<Mutex<Instant>>>,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(now) = &self.virtual_now {
            return *now.lock().unwrap_or_else(PoisonError::into_inner);
        }
        Instant::now()
    }

    pub(crate) fn since(&self, then: Instant) -> Duration {
        self.now().saturating_duration_since(then)
    }

    pub(crate) fn pause(&self, time: Duration) {
        #[cfg(test)]
        if let Some(now) = &self.virtual_now {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += time;
            return;
        }
        thread::sleep(time);
    }

    /// Makes a clock that only its pauses, and those of its clones, set forward.
    // Only the model of jobs has one.
    #[cfg(all(test, not(windows)))]
    pub(crate) fn virtual_one() -> Self {
        Self {
            virtual_now: Some(Arc::new(Mutex::new(Instant::now()))),
        }
    }
}
