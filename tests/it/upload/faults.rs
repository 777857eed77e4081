//! What a network, a storage and a disk can do to a photo on its way.

use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use imagen_ai::{
    Error, Photo, ProgressCallback, Project, Result, RetryPolicy, TransferReason, UploadOptions,
    Uploaded,
};

use super::{LINKS, Servers, files, one_by_one, reason, small_photos};
use crate::support::script::End::{Close, Reset, Stall};
use crate::support::script::Turn;
use crate::support::wire::{Wire, assert_all};
use crate::support::{eventually, ms, side_by_side};

const MIB: usize = 1 << 20;

/// Longer than a busy machine takes for anything here.
const LONG: Duration = Duration::from_secs(60);

/// Uploads one photo of 1 MiB.
fn upload(project: &Project, stall_timeout: Duration) -> Result<Uploaded> {
    let photo = Photo::bytes("a.jpg", vec![b'x'; MIB]);
    let options = UploadOptions {
        stall_timeout,
        ..UploadOptions::default()
    };
    project.upload([photo], &options).unwrap().0.remove(0)
}

/// What the storage does, the outcome, and how many files and requests for links are sent.
struct Row {
    what: &'static str,
    turns: Vec<Turn>,
    reason: Option<TransferReason>,
    puts: usize,
    links: usize,
}

fn row(
    what: &'static str,
    turns: impl Into<Vec<Turn>>,
    reason: Option<TransferReason>,
    puts: usize,
    links: usize,
) -> Row {
    Row {
        what,
        turns: turns.into(),
        reason,
        puts,
        links,
    }
}

fn ok() -> Turn {
    Turn::status(200)
}

fn expired() -> Turn {
    Turn::s3_error(403, "AccessDenied", "Request has expired")
}

/// An answer before the body, which is then taken all the same.
fn early(turn: Turn) -> Turn {
    let turn = turn.early().then(Close);
    if cfg!(windows) {
        // Wine does not always show at once that the other side has closed the connection, which is
        // then used for the next attempt.
        return turn.header("Connection", "close");
    }
    turn
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    use TransferReason::{Broken, LinkExpired, Refused};
    let slow = || Turn::s3_error(503, "SlowDown", "Please reduce your request rate.");
    let late = || Turn::s3_error(400, "RequestTimeout", "Your socket connection was idle.");
    let large = || Turn::s3_error(400, "EntityTooLarge", "too large");
    let redirect = || Turn::redirect(302, "/other");
    let no_http = || Turn::raw("hello\r\n\r\n").then(Close);
    let cut = || Reset.after_head();
    vec![
        row("all is well", [ok()], None, 1, 1),
        // Without an answer, the next attempt goes to a fresh link.
        row("reset in the middle, once", [cut(), ok()], None, 2, 2),
        row("reset in the middle, always", [cut()], Some(Broken), 3, 3),
        row(
            "closed before the body, once",
            [Close.after_head(), ok()],
            None,
            2,
            2,
        ),
        row(
            "closed after the body, once",
            [Close.after_request(), ok()],
            None,
            2,
            2,
        ),
        row("no HTTP, always", [no_http()], Some(Broken), 3, 3),
        // A storage that is busy says nothing against the link.
        row(
            "slow down, once, before the body",
            [early(slow()), ok()],
            None,
            2,
            1,
        ),
        row(
            "slow down, once, after the body",
            [slow(), ok()],
            None,
            2,
            1,
        ),
        row("slow down, always", [early(slow())], Some(Broken), 3, 1),
        // A refusal does.
        row("429, once", [Turn::status(429), ok()], None, 2, 2),
        row("408, once", [Turn::status(408), ok()], None, 2, 2),
        row("too late, once", [late(), ok()], None, 2, 2),
        row("too late, always", [late()], Some(Broken), 3, 3),
        row(
            "expired, once, before the body",
            [early(expired()), ok()],
            None,
            2,
            2,
        ),
        row(
            "expired, once, after the body",
            [expired(), ok()],
            None,
            2,
            2,
        ),
        row(
            "expired, then broken",
            [early(expired()), cut(), ok()],
            None,
            3,
            3,
        ),
        row("broken, then expired", [cut(), expired(), ok()], None, 3, 3),
        row(
            "expired, always",
            [early(expired())],
            Some(LinkExpired),
            2,
            2,
        ),
        // Another link would do no better.
        row(
            "refused before the body",
            [early(large())],
            Some(Refused),
            1,
            1,
        ),
        row("refused after the body", [large()], Some(Refused), 1, 1),
        row(
            "403 of a firewall",
            [Turn::html(403, "no")],
            Some(Refused),
            1,
            1,
        ),
        row(
            "a redirect before the body",
            [early(redirect())],
            Some(Refused),
            1,
            1,
        ),
        row(
            "a redirect after the body",
            [redirect()],
            Some(Refused),
            1,
            1,
        ),
    ]
}

#[test]
fn a_fault_costs_no_more_than_it_must_and_is_never_taken_for_success() {
    side_by_side(&rows(), |row| {
        let what = row.what;
        let mut servers = Servers::start(row.turns.clone());
        let asked = servers.gives_links(LINKS).expect(row.links).create();

        let result = upload(&servers.project(), LONG);

        // What the client has given up may still be on its way to the storage.
        eventually(|| servers.puts().len() >= row.puts);
        let puts = servers.puts();
        assert_eq!(puts.len(), row.puts, "{what}: {result:?}");
        assert!(asked.matched(), "{what}: {result:?}");
        for put in &puts {
            assert_eq!(put.header("content-length"), Some("1048576"));
            assert_eq!(put.header("x-api-key"), None);
        }
        match (&result, row.reason) {
            (Ok(photo), None) => {
                assert_eq!(photo.bytes, MIB as u64, "{what}");
                assert_eq!(puts[puts.len() - 1].body.len(), MIB, "{what}");
            }
            (Err(error), Some(expected)) => {
                assert_eq!(reason(&result), expected, "{what}");
                assert!(!format!("{error} {error:#?}").contains("SECRET"), "{what}");
            }
            _ => panic!("{what}: {result:?}"),
        }
    });
}

#[test]
fn a_transfer_that_stalls_in_all_attempts_is_stalled() {
    let mut servers = Servers::start([Stall.after_head()]);
    let asked = servers.gives_links(LINKS).expect(3).create();
    let result = upload(&servers.project(), ms(100));
    assert_eq!(reason(&result), TransferReason::Stalled);
    let error = result.unwrap_err();
    assert_eq!(error.context().unwrap().attempts, 3);
    asked.assert();
}

#[test]
fn a_stall_is_tried_again() {
    let mut servers = Servers::start([Stall.after_head(), ok()]);
    let asked = servers.gives_links(LINKS).expect_at_least(2).create();
    // So many that one of them is in time on any machine.
    let retry = RetryPolicy {
        max_attempts: 50,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = servers.api.builder().retry(retry).build().unwrap();
    upload(&client.project("p"), ms(500)).unwrap();
    asked.assert();
}

#[test]
fn each_attempt_has_the_link_that_it_asked_for() {
    let mut servers = Servers::start([Reset.after_head(), Turn::status(503), expired(), ok()]);
    let asked = servers.gives_links(LINKS).expect(3).create();
    upload(&servers.project(), LONG).unwrap();
    let puts = servers.puts();
    let numbers: Vec<&str> = puts.iter().map(|put| &put.path()[..3]).collect();
    assert_eq!(numbers, ["/1/", "/2/", "/2/", "/3/"]);
    asked.assert();
}

#[test]
fn a_fresh_link_is_asked_for_one_photo_alone() {
    let mut servers = Servers::start([expired(), ok()]);
    let both = r#"{"files_list":[{"file_name":"a.jpg"},{"file_name":"b.jpg"}]}"#;
    let one = r#"{"files_list":[{"file_name":"a.jpg"}]}"#;
    let asked = [
        servers.gives_links(LINKS).match_body(both).create(),
        servers.gives_links(LINKS).match_body(one).create(),
    ];
    let photos = ["a.jpg", "b.jpg"].map(|name| Photo::bytes(name, "x"));
    let results = servers.project().upload(photos, &one_by_one()).unwrap();
    assert_eq!(results.all().unwrap().len(), 2);
    assert_all(&asked);
}

#[test]
fn a_large_photo_whose_link_is_refused_early_arrives_by_one_fresh_link() {
    const LARGE: usize = 40 * MIB;
    // The answer is lost in the reset: the client is still writing.
    let mut servers = Servers::start([expired().early().then(Reset), ok()]);
    let asked = servers.gives_links(LINKS).expect(2).create();
    let photo = Photo::bytes("a.jpg", vec![b'x'; LARGE]);
    let results = servers.project().upload([photo], &UploadOptions::default());
    assert_eq!(results.unwrap().all().unwrap()[0].bytes, LARGE as u64);
    assert_eq!(servers.puts()[1].body.len(), LARGE);
    asked.assert();
}

#[test]
fn a_call_for_a_fresh_link_that_fails_is_a_failed_attempt() {
    let mut servers = Servers::start([Reset.after_head(), ok()]);
    let first = servers.gives_links(LINKS).expect(1).create();
    // All attempts of one call.
    let failed = servers
        .api
        .answers("POST", LINKS, 500, "")
        .expect(3)
        .create();
    let second = servers.gives_links(LINKS).expect(1).create();
    upload(&servers.project(), LONG).unwrap();
    assert_eq!(servers.puts().len(), 2);
    assert_all(&[first, failed, second]);
}

#[test]
fn a_refused_call_for_a_fresh_link_is_the_photos_error() {
    let mut servers = Servers::start([expired()]);
    let first = servers.gives_links(LINKS).expect(1).create();
    let refused = servers.api.answers("POST", LINKS, 401, "").create();
    let error = upload(&servers.project(), LONG).unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!(servers.puts().len(), 1);
    assert_all(&[first, refused]);
}

#[test]
fn a_refused_call_for_a_fresh_link_ends_the_upload() {
    let mut servers = Servers::start([expired()]);
    let first = servers.gives_links(LINKS).expect(1).create();
    let refused = servers
        .api
        .answers("POST", LINKS, 401, "")
        .expect(1)
        .create();

    let results = servers.project().upload(small_photos(3), &one_by_one());

    let results = results.unwrap();
    assert_eq!(results.errors().count(), 3);
    for error in results.errors() {
        assert_eq!(error.status(), Some(401), "{error}");
    }
    assert_eq!(servers.puts().len(), 1);
    assert_all(&[first, refused]);
}

#[test]
fn an_answer_in_the_middle_of_the_body_is_an_error() {
    const LARGE: usize = 64 * MIB;
    for answer in [ok(), expired()] {
        let mut servers = Servers::start([answer.early().then(Reset)]);
        let asked = servers.gives_links(LINKS).expect_at_least(1).create();
        let photo = Photo::bytes("a.jpg", vec![b'x'; LARGE]);
        let results = servers.project().upload([photo], &UploadOptions::default());
        let error = results.unwrap().all().unwrap_err();
        assert!(
            matches!(&error, Error::Transfer(e) if e.bytes < LARGE as u64),
            "{error}"
        );
        assert!(servers.puts().len() <= 4);
        asked.assert();
    }
}

#[test]
fn the_words_of_the_storage_and_the_bytes_so_far_are_told() {
    let turn = Turn::s3_error(400, "BadDigest", "no: X-Amz-Signature=SECRET");
    let mut servers = Servers::start([turn]);
    let asked = servers.gives_links(LINKS).create();
    let Err(Error::Transfer(e)) = upload(&servers.project(), LONG) else {
        panic!()
    };
    assert_eq!((e.bytes, e.context.status), (MIB as u64, Some(400)));
    assert_eq!(e.message, "400 withheld: it repeats a presigned URL");
    assert_eq!(e.name, "a.jpg");
    assert_eq!(e.context.method, "PUT");
    let url = servers.storage.url();
    assert_eq!(e.context.path, format!("{url}/1/a.jpg"));
    assert!(!e.context.elapsed.is_zero());
    asked.assert();
}

#[test]
fn the_attempts_are_counted() {
    let mut servers = Servers::start([Reset.after_head()]);
    let asked = servers.gives_links(LINKS).expect(3).create();
    let error = upload(&servers.project(), LONG).unwrap_err();
    assert_eq!(error.context().unwrap().attempts, 3);
    asked.assert();
}

#[cfg(not(windows))]
fn replace_by_folder(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
}

#[test]
fn a_file_that_changes_on_its_way_is_never_a_success() {
    type Change = fn(&Path);
    let table: &[(&str, Change, bool)] = &[
        ("shrinks", |path| resize(path, 5000), true),
        ("shrinks to nothing", |path| resize(path, 0), true),
        ("grows", |path| resize(path, 8 * MIB), true),
        ("changes", touch, true),
        // Windows may keep the name of a removed file for as long as somebody has it open.
        #[cfg(not(windows))]
        (
            "vanishes",
            |path| std::fs::remove_file(path).unwrap(),
            false,
        ),
        #[cfg(not(windows))]
        ("is replaced by a folder", replace_by_folder, true),
    ];
    for &(what, change, is_transfer) in table {
        let (_folder, paths) = files(&["a.jpg", "b.jpg"]);
        resize(&paths[0], 4 * MIB);
        let mut servers = Servers::start([ok()]);
        let asked = servers.gives_links(LINKS).create();
        let path = paths[0].clone();
        let once = Once::new();
        let callback = ProgressCallback::new(move |p| {
            if p.bytes > 0 {
                once.call_once(|| change(&path));
            }
            ControlFlow::Continue(())
        });
        let options = UploadOptions {
            progress: Some(callback),
            ..one_by_one()
        };

        let results = servers.project().upload(&paths, &options).unwrap();

        match &results[0] {
            Err(Error::Io { path, .. }) if !is_transfer => assert_eq!(*path, paths[0], "{what}"),
            result => {
                assert!(is_transfer, "{what}: {result:?}");
                assert_eq!(reason(result), TransferReason::Changed, "{what}");
            }
        }
        assert!(results[1].is_ok(), "{what}: {results:?}");
        eventually(|| servers.puts().len() == 2);
        asked.assert();
    }
}

/// The kernel says of this file that it has 4096 bytes, and refuses to read it.
#[cfg(target_os = "linux")]
const UNREADABLE: &str = "/sys/class/net/lo/speed";

#[cfg(target_os = "linux")]
#[test]
fn a_photo_that_cannot_be_read_is_an_error_with_its_path_at_once() {
    if !Path::new(UNREADABLE).exists() {
        eprintln!("not tested: /sys is not mounted here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    std::os::unix::fs::symlink(UNREADABLE, &path).unwrap();
    let mut servers = Servers::start([ok()]);
    let asked = servers.gives_links(LINKS).create();

    let results = servers.project().upload([&path], &one_by_one()).unwrap();

    let Err(Error::Io { path: named, .. }) = &results[0] else {
        panic!("{results:?}");
    };
    assert_eq!(*named, path);
    // Another attempt would have asked for a fresh link.
    asked.assert();
}

#[test]
fn a_service_that_knows_no_such_project_is_asked_once() {
    let mut api = Wire::new();
    let asked = api.answers("POST", LINKS, 404, "").create();
    let project = api.patient_client().project("p");
    let photos = [Photo::bytes("a.jpg", "x")];
    let error = project.upload(photos, &one_by_one()).unwrap_err();
    assert_eq!(error.status(), Some(404));
    asked.assert();
}

fn resize(path: &Path, length: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length as u64).unwrap();
}

fn touch(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(10);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(later).unwrap();
}
