//! What the measured programs share: their arguments and their threads.

pub const KEY: &str = "sk-bench-0123456789abcdef0123456789";

/// The wire by hand, for the programs that have no crate for it.
#[cfg(feature = "bare")]
pub mod wire {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize)]
    pub struct Request<'a> {
        pub instruction: &'a str,
        pub parent_version_id: Option<u64>,
        pub project_source: &'a str,
    }

    #[derive(Deserialize)]
    pub struct Answer {
        pub status: String,
        pub version_id: u64,
        pub enhanced_image_url: String,
    }
}

/// `URL CALLS [THREADS]`.
pub fn arguments() -> (String, usize, usize) {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .expect("usage: PROGRAM URL CALLS [THREADS]");
    let mut number = |default| {
        arguments
            .next()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    (url, number(1), number(1))
}

/// Runs the work on this thread, or on several.
pub fn on_threads(threads: usize, work: impl Fn() + Sync) {
    if threads == 1 {
        return work();
    }
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}
