//! Any file in place of a job's: opening it sends nothing, a file that is refused stays as it is,
//! and what a person decides is still decided when the job is opened again.

#![no_main]

use std::fs;
use std::path::Path;

use imagen_ai::{Job, Project, Report, StepState};
use imagen_ai_fuzz::{Service, check_lines, first, memory};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

const HEADER: &[u8] =
    b"{\"imagen_job\":1,\"base_url\":\"https://api.fuzz.test/v1\",\"kind\":\"REGULAR\",\"project\":\"p\"}\n";

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let content = match first(&mut data) % 4 {
        0 => data.to_owned(),
        _ => [HEADER, data].concat(),
    };
    let path = memory().join(format!("imagen-fuzz-{}.job", std::process::id()));
    fs::write(&path, &content).expect("a file");
    let service = Service::new([]);
    let project = service.client().project("p");
    match project.open_job(&path) {
        Err(error) => {
            check_lines(&error);
            assert_eq!(fs::read(&path).expect("the file"), content);
        }
        Ok(job) => check(job, &project, &path, &content),
    }
    assert_eq!(service.connected().len(), 0);
    fs::remove_file(&path).expect("the file");
});

fn check(job: Job, project: &Project, path: &Path, content: &[u8]) {
    let now = fs::read(path).expect("the file");
    let whole = whole_lines(content);
    // Of a job that did nothing, the file is begun anew.
    let is_begun_anew = now == HEADER && whole.iter().filter(|byte| **byte == b'\n').count() <= 1;
    assert!(is_begun_anew || now == whole, "lines were lost");
    let report = job.report();
    let _ = report.to_string();
    let job = reopened(job, &report, project, path);
    settle(job, project, path);
}

/// Returns a file up to the end of its last line that is whole and JSON.
fn whole_lines(content: &[u8]) -> &[u8] {
    let mut length = 0;
    let mut end = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        // `from_slice` does not look at bytes that it ignores.
        let Ok(text) = std::str::from_utf8(line) else {
            continue;
        };
        if text.ends_with('\n') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            end = length;
        }
    }
    &content[..end]
}

/// Decides the steps of which nothing can be told, one after another.
fn settle(mut job: Job, project: &Project, path: &Path) {
    let unknown = unknown(&job.report());
    for (at, row) in job.report().steps.iter().rev().enumerate() {
        if row.state != StepState::Unknown || at > 8 {
            continue;
        }
        if let Err(error) = job.assume_not_done(&row.step) {
            check_lines(&error);
        }
    }
    let report = job.report();
    assert!(self::unknown(&report) <= unknown);
    drop(reopened(job, &report, project, path));
}

fn unknown(report: &Report) -> usize {
    let steps = report.steps.iter();
    steps.filter(|row| row.state == StepState::Unknown).count()
}

/// Closes a job and opens it again. It reports what it did before.
fn reopened(job: Job, report: &Report, project: &Project, path: &Path) -> Job {
    drop(job);
    let job = project.open_job(path).expect("it was opened before");
    assert_eq!(&job.report(), report);
    job
}
