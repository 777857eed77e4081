//! Any names of files: each file arrives in its folder, and nowhere else.

#![no_main]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use imagen_ai::{DownloadLink, DownloadOptions};
use imagen_ai_fuzz::{Service, answer, memory};
use libfuzzer_sys::fuzz_target;

/// More files show no more, and take longer.
const MOST: usize = 6;

fuzz_target!(|text: &str| {
    let links: Vec<DownloadLink> = text
        .split('\n')
        .take(MOST)
        .map(|name| DownloadLink::new(name, "https://s3.fuzz.test/x"))
        .collect();
    let around = memory().join(format!("imagen-fuzz-{}", std::process::id()));
    let folder = around.join("out");
    fs::create_dir_all(&folder).expect("a folder");
    let service = Service::new(
        links
            .iter()
            .enumerate()
            .map(|(at, _)| answer(200, "", format!("file {at}").as_bytes())),
    );
    let options = DownloadOptions {
        threads: 1,
        ..DownloadOptions::default()
    };
    let results = service.client().download_all(&links, &folder, &options);
    let results = results.expect("the folder is there");

    let mut names = HashSet::new();
    for (at, result) in results.into_iter().enumerate() {
        let file = result.unwrap_or_else(|e| panic!("{e}: {text:?}"));
        assert_eq!(file.path.parent(), Some(folder.as_path()));
        let name = file
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        check_name(name);
        assert!(names.insert(name.to_lowercase()), "{name:?} comes twice");
        let content = fs::read_to_string(&file.path).expect("it is there");
        assert_eq!(content, format!("file {at}"));
    }
    assert_eq!(entries(&folder), names.len(), "something else is there too");
    assert_eq!(entries(&around), 1, "something left the folder");
    fs::remove_dir_all(&around).expect("an empty folder");
});

fn check_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
    assert!(
        !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']),
        "{name:?}"
    );
    assert!(!name.chars().any(char::is_control), "{name:?}");
    assert!(
        !name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']),
        "{name:?}"
    );
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    for device in ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9"] {
        assert!(!stem.eq_ignore_ascii_case(device), "{name:?}");
    }
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}
