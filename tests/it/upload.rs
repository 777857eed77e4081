//! From photos to photos in a project.

mod faults;
mod road;

use std::ffi::OsString;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imagen_ai::{
    Error, Outcomes, Photo, Profile, Progress, ProgressCallback, Project, ProjectKind, Result,
    TransferReason, UploadOptions, Uploaded,
};
use mockito::{Matcher, Mock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::script::End::Reset;
use crate::support::script::{Request, Script, Turn};
use crate::support::wire::{KEY, Wire, assert_all};
use crate::support::{client_at, contrary_agent, eventually, lock, ms, refused};

const AGENT: &str = concat!("user-agent: imagen-ai/", env!("CARGO_PKG_VERSION"));
const LINKS: &str = "/v1/projects/p/get_temporary_upload_links";
const SMART_LINKS: &str = "/v1/i2i/projects/p/get_temporary_upload_links";

/// A service, and the storage that its links lead to.
struct Servers {
    api: Wire,
    storage: Script,
}

impl Servers {
    /// What the storage does to each `PUT`.
    fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self {
            api: Wire::new(),
            storage: Script::of(turns),
        }
    }

    /// Answers with links, which begin with the number of the answer, counted from 1.
    fn gives_links(&mut self, path: &str) -> Mock {
        let url = self.storage.url();
        let count = AtomicUsize::new(0);
        let mock = self.api.answers("POST", path, 200, "");
        mock.with_body_from_request(move |request| {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            links(&format!("{url}/{number}"), request.body().unwrap())
        })
    }

    fn project(&self) -> Project {
        self.api.patient_client().project("p")
    }

    fn puts(&self) -> Vec<Request> {
        self.storage.requests()
    }
}

/// An answer with a link for each name of the request, in the opposite order, but for names with
/// "nolink" in them.
fn links(url: &str, request: &[u8]) -> Vec<u8> {
    let mut files = Vec::new();
    for name in names(request).iter().rev() {
        if !name.contains("nolink") {
            let link = format!("{url}/{name}?X-Amz-Signature=SECRET");
            files.push(json!({ "file_name": name, "upload_link": link }));
        }
    }
    json!({ "files_list": files }).to_string().into_bytes()
}

/// The names that links are asked for.
fn names(request: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(request).unwrap();
    let files = body["files_list"].as_array().unwrap();
    let names = files.iter().map(|file| file["file_name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn one_by_one() -> UploadOptions {
    UploadOptions {
        threads: 1,
        ..UploadOptions::default()
    }
}

fn reason(result: &Result<Uploaded>) -> TransferReason {
    match result {
        Err(Error::Transfer(e)) => e.reason,
        other => panic!("{other:#?}"),
    }
}

/// A folder with files of these names, each holding its name a thousand times.
fn files(names: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in names {
        let path = folder.path().join(name);
        fs::write(&path, name.repeat(1000)).unwrap();
        paths.push(path);
    }
    (folder, paths)
}

/// Photos in memory, of one byte each.
fn small_photos(count: usize) -> Vec<Photo> {
    let photos = 0..count;
    photos
        .map(|number| Photo::bytes(format!("{number}.jpg"), "x"))
        .collect()
}

#[test]
fn the_requests_are_exactly_these() {
    const FILES: &str = r#""files_list":[{"file_name":"b.NEF"},{"file_name":"ä c.dng"}]}"#;
    for (kind, path, start) in [
        (ProjectKind::ProfileBased, LINKS, "{"),
        (ProjectKind::Smart, SMART_LINKS, r#"{"client_type":"API","#),
    ] {
        let mut servers = Servers::start([Turn::status(200)]);
        let asked = servers
            .gives_links(path)
            .match_header("content-type", "application/json")
            .match_body(format!("{start}{FILES}").as_str())
            .create();
        let (_folder, paths) = files(&["b.NEF", "ä c.dng"]);
        let project = servers.api.client().project_of(kind, "p");

        let uploaded = project.upload(&paths, &one_by_one()).unwrap();

        let uploaded = uploaded.all().unwrap();
        assert_eq!(
            (uploaded[0].file_name.as_str(), uploaded[0].bytes),
            ("b.NEF", 5000)
        );
        assert_eq!(
            (uploaded[1].file_name.as_str(), uploaded[1].bytes),
            ("ä c.dng", 8000)
        );
        let puts = servers.puts();
        let mut lines: Vec<&str> = puts[0].head.lines().collect();
        assert_eq!(
            lines.remove(0),
            "PUT /1/b.NEF?X-Amz-Signature=SECRET HTTP/1.1"
        );
        // No key, no Content-Type, no chunks.
        lines.sort_unstable();
        let host = format!("host: {}", servers.storage.addr());
        let expected = [
            "accept-encoding: identity",
            "accept: */*",
            "content-length: 5000",
            &host,
            AGENT,
        ];
        assert_eq!(lines, expected);
        assert!(puts[1].path().starts_with("/1/%C3%A4%20c.dng?"), "{puts:?}");
        assert_eq!(puts[0].body, fs::read(&paths[0]).unwrap());
        assert_eq!(puts[1].body, fs::read(&paths[1]).unwrap());
        asked.assert();
    }
}

#[test]
fn a_callers_agent_sends_files_the_same_way() {
    let redirect = Turn::redirect(307, "/x");
    for (turn, is_ok) in [(Turn::status(200), true), (redirect, false)] {
        let mut servers = Servers::start([turn]);
        let asked = servers.gives_links(LINKS).create();
        let (_folder, paths) = files(&["a.jpg"]);
        let client = servers.api.builder().agent(contrary_agent()).build();
        let project = client.unwrap().project("p");

        let results = project.upload(&paths, &UploadOptions::default()).unwrap();

        assert_eq!(results[0].is_ok(), is_ok, "{results:?}");
        let [Request { head, .. }] = &servers.puts()[..] else {
            panic!("{:?}", servers.puts());
        };
        assert!(!head.contains("expect:") && head.contains(AGENT), "{head}");
        assert!(!head.contains(KEY), "{head}");
        assert!(!head.contains("content-type"), "{head}");
        asked.assert();
    }
}

#[test]
fn photos_are_what_people_have() {
    let (folder, paths) = files(&["a.jpg"]);
    let text = paths[0].to_str().unwrap();
    let upload = |photo: Photo| {
        let mut servers = Servers::start([Turn::status(200)]);
        let asked = servers.gives_links(LINKS).create();
        let results = servers.project().upload([photo], &one_by_one()).unwrap();
        assert_eq!(results.all().unwrap()[0].file_name, "a.jpg");
        asked.assert();
    };
    for photo in [
        Photo::from(text),
        Photo::from(&text),
        Photo::from(text.to_owned()),
        Photo::from(&text.to_owned()),
        Photo::from(Path::new(text)),
        Photo::from(paths[0].clone()),
        Photo::from(&paths[0]),
        Photo::from(OsString::from(text)),
        Photo::file(text),
        Photo::file(folder.path().join("a.jpg")),
        Photo::bytes("a.jpg", "xyz"),
        Photo::bytes("a.jpg", vec![1, 2, 3]),
        Photo::file(text).named("a.jpg"),
        Photo::from(&Photo::bytes("a.jpg", "xyz")),
    ] {
        upload(photo);
    }
}

#[test]
fn a_photo_has_the_name_that_it_is_given() {
    let mut servers = Servers::start([Turn::status(200)]);
    let body = r#"{"files_list":[{"file_name":"1.NEF"},{"file_name":"2.NEF"}]}"#;
    let asked = servers.gives_links(LINKS).match_body(body).create();
    let (_folder, paths) = files(&["upload.tmp"]);
    let photos = [
        Photo::file(&paths[0]).named("1.NEF"),
        Photo::bytes("scan", "from memory").named("2.NEF"),
    ];

    let results = servers.project().upload(photos, &one_by_one()).unwrap();

    let uploaded = results.all().unwrap();
    assert_eq!(
        (uploaded[0].file_name.as_str(), uploaded[0].bytes),
        ("1.NEF", 10_000)
    );
    assert_eq!(
        (uploaded[1].file_name.as_str(), uploaded[1].bytes),
        ("2.NEF", 11)
    );
    let puts = servers.puts();
    assert_eq!(puts[0].body, fs::read(&paths[0]).unwrap());
    assert_eq!(puts[1].body, b"from memory");
    asked.assert();
}

#[test]
fn the_bytes_of_a_photo_are_not_in_its_debug() {
    let photo = Photo::bytes("a.jpg", vec![b'x'; 5000]);
    assert_eq!(
        format!("{photo:?}"),
        "Photo { bytes: 5000, name: Some(\"a.jpg\") }"
    );
}

#[test]
fn links_are_asked_for_100_at_a_time_when_they_are_about_to_be_used() {
    let mut servers = Servers::start([Turn::status(200)]);
    // How many photos were sent when links were asked for, and for how many.
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = asked.clone();
    let sent = Arc::new(AtomicUsize::new(0));
    let sent_so_far = sent.clone();
    let url = servers.storage.url();
    let mock = servers.api.answers("POST", LINKS, 200, "");
    let mock = mock.with_body_from_request(move |request| {
        let body = request.body().unwrap();
        let sent = sent_so_far.load(Ordering::Relaxed);
        lock(&list).push((sent, names(body).len()));
        links(&url, body)
    });
    let mock = mock.expect(3).create();
    let counts_ends = ProgressCallback::new(move |p| {
        sent.fetch_add(usize::from(p.ended.is_some()), Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    let options = UploadOptions {
        progress: Some(counts_ends),
        ..one_by_one()
    };

    let results = servers.project().upload(small_photos(250), &options);

    assert_eq!(results.unwrap().all().unwrap().len(), 250);
    assert_eq!(*lock(&asked), [(0, 100), (100, 100), (200, 50)]);
    assert_eq!(servers.puts().len(), 250);
    mock.assert();
}

#[test]
fn many_threads_ask_for_the_links_of_100_photos_once() {
    let mut servers = Servers::start([Turn::status(200)]);
    let asked = servers.gives_links(LINKS).expect(3).create();
    let options = UploadOptions {
        threads: 8,
        ..UploadOptions::default()
    };
    let results = servers.project().upload(small_photos(250), &options);
    assert_eq!(results.unwrap().all().unwrap().len(), 250);
    asked.assert();
}

#[test]
fn links_that_nobody_is_going_to_use_are_not_asked_for() {
    let mut servers = Servers::start([Turn::status(200)]);
    let asked = servers.gives_links(LINKS).expect(1).create();
    let ends_it = ProgressCallback::new(|_| ControlFlow::Break(()));
    let options = UploadOptions {
        progress: Some(ends_it),
        ..one_by_one()
    };
    let results = servers.project().upload(small_photos(250), &options);
    for result in results.unwrap() {
        assert_eq!(reason(&result), TransferReason::Cancelled);
    }
    assert_eq!(servers.puts().len(), 0);
    asked.assert();
}

#[test]
fn later_links_that_cannot_be_had_cost_the_photo_that_needed_them() {
    let mut servers = Servers::start([Turn::status(200)]);
    let second = Matcher::Regex("100.jpg.*101.jpg".to_owned());
    let refused = servers
        .api
        .answers("POST", LINKS, 400, "no")
        .match_body(second)
        .expect(1)
        .create();
    let asked = servers.gives_links(LINKS).expect(2).create();

    let results = servers.project().upload(small_photos(102), &one_by_one());

    let results = results.unwrap();
    assert_eq!(results.errors().count(), 1);
    assert!(matches!(&results[100], Err(Error::Api(e)) if e.status == 400));
    assert!(results[101].is_ok());
    assert_all(&[refused, asked]);
}

#[test]
fn when_no_links_can_be_had_at_all_they_are_not_asked_for_photo_by_photo() {
    for (status, threads) in [(401, 1), (429, 1), (401, 8)] {
        let mut servers = Servers::start([Turn::status(200)]);
        let first = servers.gives_links(LINKS).expect(1).create();
        let later = Matcher::Regex("100.jpg.*101.jpg|200.jpg".to_owned());
        let refused = servers
            .api
            .answers("POST", LINKS, status, "no")
            .match_body(later)
            .expect(1)
            .create();
        let options = UploadOptions {
            threads,
            ..UploadOptions::default()
        };

        let project = servers.api.client().project("p");
        let results = project.upload(small_photos(250), &options);

        let results = results.unwrap();
        for error in results[100..]
            .iter()
            .map(|result| result.as_ref().unwrap_err())
        {
            assert_eq!(error.status().map(usize::from), Some(status), "{error}");
        }
        assert_all(&[first, refused]);
    }
}

#[test]
fn a_service_that_cannot_be_reached_for_links_ends_the_upload() {
    let storage = Script::of([Turn::status(200)]);
    let url = storage.url();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let api = Script::each(move |request| {
        if count.fetch_add(1, Ordering::Relaxed) > 0 {
            return Reset.after_request();
        }
        Turn::json(links(&url, &request.body))
    });
    let client = client_at(&api.url(), KEY);

    let results = client.project("p").upload(small_photos(250), &one_by_one());

    let results = results.unwrap();
    assert_eq!(results.errors().count(), 150);
    for error in results.errors() {
        assert!(matches!(error, Error::Network(_)), "{error}");
    }
    // One call, with all its attempts.
    let attempts = results.errors().next().unwrap().context().unwrap().attempts;
    assert_eq!(asked.load(Ordering::Relaxed), 1 + attempts as usize);
}

/// What a photo is refused for, before anything is sent. Paths are those within the folder.
#[track_caller]
fn assert_refused(photos: Vec<Photo>, options: &UploadOptions, folder: &Path, why: &str) {
    let mut api = Wire::new();
    let nothing = api.hears_nothing();
    let result = api.client().project("p").upload(photos, options);
    // With the separator of this system at its end.
    let folder = folder.join("").display().to_string();
    let text = refused(result, "photos").replace(&folder, "");
    assert!(text.starts_with(&format!("photos: {why}")), "{text}");
    assert_all(&nothing);
}

#[test]
fn every_photo_is_checked_before_anything_is_sent() {
    let (folder, _) = files(&["a.nef", "b.JPG", "c.txt", "d", "._a.nef"]);
    let folder = folder.path();
    fs::create_dir_all(folder.join("sub/folder.nef")).unwrap();
    fs::write(folder.join("sub/a.nef"), "other").unwrap();
    fs::write(folder.join("empty.nef"), "").unwrap();
    let table: [(&[&str], &str); 9] = [
        (
            &["a.nef", "b.JPG"],
            "b.JPG: it is JPG, and not RAW like a.nef",
        ),
        (
            &["a.nef", "sub/a.nef"],
            "sub/a.nef: it has the same name as a.nef",
        ),
        (&["a.nef", "a.nef"], "a.nef: it has the same name as a.nef"),
        (
            &["a.nef", "sub/folder.nef"],
            "sub/folder.nef: it is no regular file",
        ),
        (
            &["a.nef", "c.txt"],
            "c.txt: its extension is none of jpg jpeg dng nef",
        ),
        (&["d"], "d: its extension is none of jpg"),
        (&["a.nef", "empty.nef"], "empty.nef: it is empty"),
        (&["._a.nef"], "._a.nef: macOS put it beside a photo"),
        (
            &["a.nef", "._a.nef"],
            "._a.nef: macOS put it beside a photo",
        ),
    ];
    for (names, why) in table {
        let photos = names.iter().map(|name| folder.join(name).into()).collect();
        assert_refused(photos, &UploadOptions::default(), folder, why);
    }
}

#[test]
fn every_photo_is_checked_by_the_name_that_it_is_given() {
    let (folder, paths) = files(&["a.nef", "._b.nef"]);
    let [photo, apple] = &paths[..] else { panic!() };
    for (photo, why) in [
        (
            Photo::file(photo).named("a.txt"),
            "a.nef: its extension is none of jpg",
        ),
        (
            Photo::file(photo).named("sub/a.nef"),
            "a.nef: \"sub/a.nef\" must be a name without folders",
        ),
        (
            Photo::file(photo).named("._a.nef"),
            "a.nef: macOS put it beside a photo",
        ),
        (
            Photo::file(apple).named("b.nef"),
            "._b.nef: macOS put it beside a photo",
        ),
        (Photo::bytes("a.nef", ""), "a.nef: it is empty"),
        (Photo::bytes("", "x"), ": its extension is none of jpg"),
        (
            Photo::bytes("._a.nef", "x"),
            "._a.nef: macOS put it beside a photo",
        ),
    ] {
        assert_refused(vec![photo], &UploadOptions::default(), folder.path(), why);
    }
    let twice = vec![
        Photo::file(photo).named("c.nef"),
        Photo::bytes("c.nef", "x"),
    ];
    let why = "c.nef: it has the same name as a.nef";
    assert_refused(twice, &UploadOptions::default(), folder.path(), why);
}

fn profile(image_type: &str) -> Option<Profile> {
    let json = json!({ "profile_key": 1, "image_type": image_type });
    Some(serde_json::from_value(json).unwrap())
}

#[test]
fn photos_that_the_profile_is_not_made_for_are_refused() {
    let (folder, paths) = files(&["b.JPG"]);
    let options = UploadOptions {
        profile: profile("raw"),
        ..UploadOptions::default()
    };
    let why = "b.JPG: it is JPG, and not RAW like the profile";
    assert_refused(vec![Photo::from(&paths[0])], &options, folder.path(), why);
}

#[test]
fn photos_that_the_profile_is_made_for_are_sent() {
    let (_folder, paths) = files(&["a.nef"]);
    for profile in [profile("raw"), profile("HEIC"), None] {
        let mut servers = Servers::start([Turn::status(200)]);
        let asked = servers.gives_links(LINKS).create();
        let options = UploadOptions {
            profile,
            ..UploadOptions::default()
        };
        let results = servers.project().upload(&paths, &options).unwrap();
        assert_eq!(results.all().unwrap().len(), 1);
        asked.assert();
    }
}

#[test]
fn a_file_that_is_gone_a_limit_of_zero_and_nothing_at_all_send_nothing() {
    let (folder, paths) = files(&["a.nef"]);
    let gone = folder.path().join("gone.nef");
    let mut api = Wire::new();
    let nothing = api.hears_nothing();
    let project = api.client().project("p");

    let photos = [&paths[0], &gone];
    let error = project.upload(photos, &UploadOptions::default());
    assert!(matches!(error, Err(Error::Io { path, .. }) if path == gone));
    let no_limit = UploadOptions {
        stall_timeout: ms(0),
        ..UploadOptions::default()
    };
    refused(project.upload(&paths, &no_limit), "stall_timeout");
    let none: [&str; 0] = [];
    assert!(
        project
            .upload(none, &UploadOptions::default())
            .unwrap()
            .is_empty()
    );
    assert_all(&nothing);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"caf\xe9.nef"));
    fs::write(&odd, "x").unwrap();
    let why = "caf\u{fffd}.nef: its name is not Unicode";
    assert_refused(
        vec![Photo::from(&odd)],
        &UploadOptions::default(),
        folder.path(),
        why,
    );
}

#[test]
fn an_answer_without_links_sends_nothing() {
    let upload = |body: &str| -> Result<Outcomes<Uploaded>> {
        let mut api = Wire::new();
        let asked = api.answers("POST", LINKS, 200, body).create();
        let photos = [Photo::bytes("a.jpg", "x")];
        let result = api.client().project("p").upload(photos, &one_by_one());
        asked.assert();
        result
    };
    assert!(matches!(upload("{}"), Err(Error::Decode(_))));
    let refusal = upload(r#"{"error":{"message":"no"}}"#);
    assert!(matches!(refusal, Err(Error::Api(_))));
    // One unreadable link costs its own file only.
    let body = r#"{"files_list":[7,{"file_name":7},{"file_name":"a.jpg","upload_link":""},{"file_name":"z.jpg"}]}"#;
    assert_eq!(reason(&upload(body).unwrap()[0]), TransferReason::NoLink);
}

/// What a callback was told of an upload: index, bytes, total, how it ended, bytes of all, ended
/// ones.
type Line = (usize, u64, Option<u64>, Option<bool>, u64, usize);

fn line(p: &Progress<'_>) -> Line {
    let ended = p.ended.map(|result| result.is_ok());
    (p.index, p.bytes, p.total, ended, p.all_bytes, p.items_done)
}

#[test]
fn progress_tells_of_each_file_and_of_all_and_the_callback_can_end_it() {
    let mut servers = Servers::start([Reset.after_request(), Turn::status(200)]);
    let asked = servers.gives_links(LINKS).expect(2).create();
    let (_folder, paths) = files(&["a.jpg", "b.jpg", "c-nolink.jpg", "d.jpg", "e.jpg"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let callback = ProgressCallback::new(move |p| {
        let letter = b'a' + p.index as u8;
        assert_eq!((p.name.as_bytes()[0], p.items), (letter, 5));
        assert!(p.status.is_none() && p.percent.is_none() && p.failure.is_none());
        lock(&list).push(line(p));
        if p.index == 3 && p.bytes > 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let options = UploadOptions {
        progress: Some(callback),
        ..one_by_one()
    };

    let results = servers.project().upload(&paths, &options).unwrap();

    assert!(results[0].is_ok() && results[1].is_ok());
    assert_eq!(reason(&results[2]), TransferReason::NoLink);
    assert_eq!(reason(&results[3]), TransferReason::Cancelled);
    assert_eq!(reason(&results[4]), TransferReason::Cancelled);
    let size = Some(5000);
    // The bytes of an attempt that failed count once.
    let expected = [
        (0, 0, size, None, 0, 0),
        (0, 5000, size, None, 5000, 0),
        (0, 0, size, None, 0, 0),
        (0, 5000, size, None, 5000, 0),
        (0, 5000, size, Some(true), 5000, 1),
        (1, 0, size, None, 5000, 1),
        (1, 5000, size, None, 10_000, 1),
        (1, 5000, size, Some(true), 10_000, 2),
        (2, 0, None, Some(false), 10_000, 3),
        (3, 0, size, None, 10_000, 3),
        (3, 5000, size, None, 15_000, 3),
        (3, 0, size, Some(false), 10_000, 4),
        (4, 0, None, Some(false), 10_000, 5),
    ];
    // While a file waits to be sent again, the same is told several times.
    let mut told = lock(&told);
    told.dedup();
    assert_eq!(*told, expected);
    // The fourth was on its way.
    eventually(|| servers.puts().len() == 4);
    asked.assert();
}

#[test]
fn progress_says_why_a_photo_failed() {
    let mut servers = Servers::start([Turn::s3_error(400, "EntityTooLarge", "too large")]);
    let asked = servers.gives_links(LINKS).create();
    let why = Arc::new(Mutex::new(String::new()));
    let last = why.clone();
    let callback = ProgressCallback::new(move |p| {
        if let Some(Err(error)) = p.ended {
            *lock(&last) = error.summary();
        }
        ControlFlow::Continue(())
    });
    let options = UploadOptions {
        progress: Some(callback),
        ..one_by_one()
    };

    let results = servers.project().upload(small_photos(1), &options);

    let error = results.unwrap().all().unwrap_err();
    assert!(error.summary().contains("EntityTooLarge"), "{error}");
    assert_eq!(*lock(&why), error.summary());
    asked.assert();
}
