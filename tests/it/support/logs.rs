//! What was logged during a test, of every level and every target.
//!
//! A process has one logger, and the tests of this binary run side by side. So it keeps what is logged by a thread that
//! asked for it, and nothing else. A client starts no threads, so a call is logged by the thread that makes it.

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
    static LINES: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        LINES.with_borrow(Option::is_some)
    }

    fn log(&self, record: &Record<'_>) {
        // Made before the list is borrowed: what is formatted may log in its turn.
        let line = self.enabled(record.metadata()).then(|| Line {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
        });
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend(line)));
    }

    fn flush(&self) {}
}

/// Does something, and returns what was logged meanwhile, at `trace` and above.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Logger).expect("no other logger");
        log::set_max_level(LevelFilter::Trace);
    });
    LINES.set(Some(Vec::new()));
    let result = work();
    (result, LINES.take().unwrap_or_default())
}

/// The bytes that `ureq_proto` logged, sent and received. It writes them in rows of 16: eight groups of two in
/// hexadecimal digits, and then the same as text. A secret that crosses rows is found in none of them, so they are
/// joined.
pub fn dumped<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<u8> {
    let rows = lines.into_iter().filter(|line| line.target == DUMP);
    let digits = rows.flat_map(|line| line.text.bytes().take(40).filter(u8::is_ascii_hexdigit));
    let digits: Vec<u8> = digits.collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).filter_map(byte).collect()
}

/// Where they are logged.
pub const DUMP: &str = "ureq_proto::util";
