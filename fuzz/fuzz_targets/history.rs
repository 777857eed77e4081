//! Any history: reading it ends, and what is found fits together.

#![no_main]

use imagen_ai::{History, ImageHistory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let Ok(history) = History::from_json(json) else {
        return;
    };
    assert_eq!(history.raw(), json);
    let names: Vec<&str> = history.images().map(ImageHistory::file_name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let _ = format!("{history:?}");
    for image in history.images() {
        check(&history, image);
    }
});

fn check(history: &History, image: &ImageHistory) {
    let found = history.get(image.file_name()).expect("a listed image");
    assert_eq!(found.versions().len(), image.versions().len());
    let drawn = image.to_string();
    let strange = |c: char| c.is_control() && c != '\n';
    assert!(!drawn.chars().any(strange), "{drawn:?}");
    for version in image.versions() {
        let known = image.get(&version.id).expect("a version has its id");
        assert_eq!(known.id, version.id);
        let path = image.path_to(&version.id);
        assert!(path.len() <= image.versions().len());
        assert_eq!(path.last().expect("it ends in the version").id, version.id);
        for child in image.children(Some(&version.id)) {
            assert_eq!(child.parent.as_ref(), Some(&version.id));
        }
        let id = format!("{:?}", version.id);
        assert_eq!(id.parse().ok().as_ref(), Some(&version.id), "{id}");
    }
}
