//! What was logged during a test, of every level and every target.
//!
//! A process has one logger, and the tests of this binary run side by side. So it keeps what is
//! logged by a thread that asked for it, and nothing else. A client starts no threads, so a call is
//! logged by the thread that makes it.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// A record of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    pub target: String,
    pub text: String,
}

thread_local! {
    /// The records, and the target of which none are taken.
    static LINES: RefCell<Option<(Vec<Line>, &'static str)>> = const { RefCell::new(None) };
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LINES.with_borrow(|lines| {
            lines
                .as_ref()
                .is_some_and(|(_, left_out)| metadata.target() != *left_out)
        })
    }

    fn log(&self, record: &Record<'_>) {
        // Made before the list is borrowed: what is formatted may log in its turn.
        let line = self.enabled(record.metadata()).then(|| Line {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
        });
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|(lines, _)| lines.extend(line)));
    }

    fn flush(&self) {}
}

/// Does something, and returns what was logged meanwhile, at `trace` and above.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    logged_but("", work)
}

/// The same for a logger that takes nothing of this target.
pub fn logged_but<T>(left_out: &'static str, work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Logger).expect("no other logger");
        log::set_max_level(LevelFilter::Trace);
    });
    LINES.set(Some((Vec::new(), left_out)));
    let result = work();
    (result, LINES.take().unwrap_or_default().0)
}

/// Where `ureq_proto` logs every byte that is sent and received.
pub const DUMP: &str = "ureq_proto::util";
