//! Time and memory of a history grow with the answer, whatever a server makes of it.

use std::hint::black_box;

use imagen_ai::History;
use peak_alloc::PeakAlloc;

use crate::support::child;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The size of a small history, in bytes.
#[cfg(target_os = "linux")]
const SMALL: usize = 100_000;

/// For how many bytes of what is long there is a version.
const VERSION: usize = 512;

/// One version with so long an id, and so many in it.
fn children_of_a_long_id(size: usize) -> String {
    let id = "x".repeat(size);
    format!(
        r#"{{"a.jpg":{{"version_id":"{id}","children":[{}]}}}}"#,
        versions(size)
    )
}

/// The same, where each version is that of another image, and that image has one with the long id.
fn children_in_another_image(size: usize) -> String {
    let id = "x".repeat(size);
    let versions = versions(size);
    format!(
        r#"{{"a.jpg":{{"version_id":"{id}","b.jpg":[{versions}]}},"b.jpg":[{{"version_id":"{id}"}}]}}"#
    )
}

/// An image with so long a name, and so many versions.
fn versions_of_a_long_name(size: usize) -> String {
    let name = "x".repeat(size);
    format!(r#"{{"{name}.jpg":[{}]}}"#, versions(size))
}

/// The same, where a field names it.
fn versions_of_a_long_field(size: usize) -> String {
    let name = "x".repeat(size);
    format!(r#"{{"image":"{name}","versions":[{}]}}"#, versions(size))
}

/// So few that an answer is mostly what is long: what the versions themselves take would hide it.
fn versions(size: usize) -> String {
    let versions: Vec<_> = (0..size / VERSION)
        .map(|id| format!(r#"{{"version_id":{id},"prompt":"make the sky more blue"}}"#))
        .collect();
    versions.join(",")
}

const SHAPES: [fn(usize) -> String; 4] = [
    children_of_a_long_id,
    children_in_another_image,
    versions_of_a_long_name,
    versions_of_a_long_field,
];

/// Everything that can be asked of a history.
fn work(history: &History) {
    for image in history.images() {
        black_box(history.get(image.file_name()));
        black_box(image.latest());
        black_box(image.to_string());
        if let Some(last) = image.versions().last() {
            black_box(image.draw(Some(&last.id)));
            black_box(image.path_to(&last.id));
            black_box(image.children(last.parent.as_ref()).count());
        }
    }
}

#[test]
fn every_version_is_there_all_the_same() {
    for shape in SHAPES {
        let history = History::from_json(shape(100 * VERSION)).unwrap();
        let image = history.images().last().unwrap();
        assert!((100..=101).contains(&image.versions().len()));
        assert_eq!(history.unread(), 0);
    }
    let history = History::from_json(children_of_a_long_id(100 * VERSION)).unwrap();
    let image = history.get("a.jpg").unwrap();
    let outer = &image.versions()[0].id;
    assert_eq!(image.children(Some(outer)).count(), 100);
}

#[test]
fn memory_grows_with_the_answer() {
    // The heap is that of the whole process.
    if !child::is_child() {
        child::run(
            "history::linear::memory_grows_with_the_answer",
            &[("", ""); 0],
        );
        return;
    }
    for shape in SHAPES {
        let small = heap(shape(100_000));
        let large = heap(shape(1_000_000));
        assert!(
            large < 20 * small,
            "{small} bytes, {large} for 10 times as much"
        );
    }
}

/// The most that reading and asking takes, beside the text.
fn heap(json: String) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work(&History::from_json(json).unwrap());
    HEAP.peak_usage() - before
}

/// Told by the time that the processor spent on this thread, which a busy machine does not stretch.
#[test]
#[cfg(target_os = "linux")]
fn time_grows_with_the_answer() {
    for shape in SHAPES {
        // The small ones are the more easily disturbed.
        let tries = (0..5).map(|_| processor_time(&shape(SMALL)));
        let small = tries.min().unwrap();
        let large = shape(40 * SMALL);
        // Where a name or an id is looked at once for each version, it is 1,600 times as much.
        let mut tries = (0..3).map(|_| processor_time(&large));
        assert!(
            tries.any(|large| large < 80 * small),
            "{small} ns, and more than 80 times that for 40 times as much"
        );
    }
}

/// In nanoseconds.
#[cfg(target_os = "linux")]
fn processor_time(json: &str) -> u64 {
    let json = json.to_owned();
    let before = spent();
    work(&History::from_json(json).unwrap());
    spent() - before
}

#[cfg(target_os = "linux")]
fn spent() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}
