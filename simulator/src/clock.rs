//! The simulator's clock, which can be set forward.

use std::time::{Duration, Instant, SystemTime};

use httpdate::fmt_http_date;

#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// How far it is ahead of the machine's.
    ahead: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            ahead: Duration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + self.ahead
    }

    /// Returns the time since the start. Unlike [`now`](Self::now), it never goes back.
    pub(crate) fn running(&self) -> Duration {
        self.started.elapsed() + self.ahead
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }
}

/// Formats a time as the API does: `2026-01-31T12:00:00Z`.
pub(crate) fn date(time: SystemTime) -> String {
    let date = fmt_http_date(time); // `Sat, 31 Jan 2026 12:00:00 GMT`
    let at = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&date[8..11]);
    let month = at.unwrap_or_default() / 3 + 1;
    format!(
        "{year}-{month:02}-{day}T{time}Z",
        year = &date[12..16],
        day = &date[5..7],
        time = &date[17..25],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_the_api_writes_them() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        assert_eq!(date(time), "2026-01-31T12:00:00Z");
        assert_eq!(date(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
