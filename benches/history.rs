//! A large history beside `serde_json::Value`: `cargo bench --bench history`.
//!
//! 10,000 photos with 20 versions each, about 60 MB of JSON, read from the same bytes in turn. It
//! prints the least time of several rounds and the peak of the heap, without the bytes themselves,
//! and ends non-zero when the history takes more than twice the time or three times the memory.
//! `cargo test --bench history` runs it with a small history.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use imagen_ai::{History, VersionId};
use peak_alloc::PeakAlloc;
use serde_json::Value;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const VERSIONS: usize = 20;
const ROUNDS: usize = 15;
const MOST_TIME: f64 = 2.0;
const MOST_MEMORY: f64 = 3.0;

fn main() -> ExitCode {
    let whole = std::env::args().any(|argument| argument == "--bench");
    let images = if whole { 10_000 } else { 10 };
    let json = history(images);
    println!(
        "{images} photos, {VERSIONS} versions each, {:.1} MB",
        megabytes(json.len())
    );

    let mut value = Cost::default();
    let mut ours = Cost::default();
    for _ in 0..ROUNDS {
        value.measure(|| serde_json::from_slice::<Value>(json.as_bytes()).expect("JSON"));
        // It keeps the text that it is given.
        let text = json.clone();
        ours.measure(|| History::from_json(text).expect("JSON"));
    }
    println!("serde_json::Value  {value}");
    println!("History            {ours}");
    let time = ours.time.as_secs_f64() / value.time.as_secs_f64();
    let memory = ours.peak as f64 / value.peak as f64;
    println!("ratio              {time:8.2}     {memory:8.2}");

    let history = History::from_json(json).expect("JSON");
    assert_eq!(history.images().len(), images);
    assert_eq!(history.unread(), 0);
    let names: Vec<String> = (0..images).map(name).collect();
    let began = Instant::now();
    for name in &names {
        black_box(history.get(name).expect("a photo"));
    }
    println!(
        "find(name)         {:8.0} ns",
        began.elapsed().as_nanos() as f64 / images as f64
    );
    let ids: Vec<VersionId> = (0..images)
        .map(|image| VersionId::from(image * VERSIONS + VERSIONS / 2))
        .collect();
    let began = Instant::now();
    for (image, id) in history.images().zip(&ids) {
        black_box(image.get(id).expect("a version"));
    }
    println!(
        "get(id)            {:8.0} ns",
        began.elapsed().as_nanos() as f64 / images as f64
    );

    if whole && (time > MOST_TIME || memory > MOST_MEMORY) {
        eprintln!("over the limits: {MOST_TIME} times the time, {MOST_MEMORY} times the memory");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Cost {
    time: Duration,
    peak: usize,
}

impl Cost {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let began = Instant::now();
        let result = black_box(work());
        let time = began.elapsed();
        self.peak = HEAP.peak_usage() - before;
        drop(result);
        self.time = if self.time.is_zero() {
            time
        } else {
            self.time.min(time)
        };
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = self.time.as_secs_f64() * 1000.0;
        write!(f, "{milliseconds:8.1} ms  {:8.1} MB", megabytes(self.peak))
    }
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn name(image: usize) -> String {
    format!("DSC_{image:05}.JPEG")
}

/// A history as the simulator tells it.
fn history(images: usize) -> String {
    let mut json = String::from(r#"{"prompts":[],"images":["#);
    for image in 0..images {
        let comma = if image == 0 { "" } else { "," };
        write!(
            json,
            r#"{comma}{{"file_name":"{}","versions":["#,
            name(image)
        )
        .expect("memory");
        for version in 0..VERSIONS {
            let id = image * VERSIONS + version;
            let (comma, parent) = match version {
                0 => ("", "null".to_owned()),
                _ => (",", (id - 1).to_string()),
            };
            write!(
                json,
                r#"{comma}{{"version_id":{id},"parent_version_id":{parent},"instruction":"make the sky {version} times more blue","status":"SUCCESS","enhanced_image_url":"https://bucket.s3.amazonaws.com/{id}/picture.jpg?X-Amz-Date=20260131T120000Z&X-Amz-Signature=0123456789abcdef0123456789abcdef","created_at":"2026-01-31T12:{version:02}:00Z"}}"#,
            )
            .expect("memory");
        }
        json.push_str("]}");
    }
    json.push_str("]}");
    json
}
