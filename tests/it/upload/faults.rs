//! What a network, a storage and a disk can do to a file on its way.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use imagen_ai::{Error, TransferReason, UploadOptions, Uploaded};

use super::{Servers, early, files, midway, one_by_one, with};
use crate::support::faulty::End::Close;
use crate::support::faulty::Reply;
use crate::support::{eventually, ms, side_by_side};

const MIB: u64 = 1 << 20;

/// Uploads one file of 1 MiB, and checks what holds whatever happens.
fn upload(server: &Servers, stall: Duration) -> Result<Uploaded, Error> {
    let (_folder, paths) = files(&["a.jpg"]);
    resize(&paths[0], MIB);
    let options = with(|options| options.stall_timeout = stall);
    let began = Instant::now();
    let result = server
        .project()
        .upload(&paths, &options)
        .unwrap()
        .0
        .remove(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{result:?}");
    if let Err(error) = &result {
        assert!(
            !format!("{error} {error:#?}").contains("SECRET"),
            "{error:#?}"
        );
    }
    if let Err(Error::Transfer(e)) = &result {
        assert_eq!((e.name.as_str(), e.context.method), ("a.jpg", "PUT"));
        // Those by a link that has expired are not counted.
        let expired = server.api.requests() - 1;
        eventually(|| e.context.attempts as usize + expired == server.puts().len());
        assert!(!e.context.elapsed.is_zero(), "{e:?}");
    }
    for put in server.puts() {
        assert_eq!(
            (put.header("content-length"), put.header("x-api-key")),
            (Some("1048576"), None)
        );
    }
    result
}

/// What happens, the outcome, and how many files and requests for links were sent.
type Row = (
    &'static str,
    Vec<Reply>,
    Option<TransferReason>,
    usize,
    usize,
);

#[test]
fn a_fault_costs_no_more_than_it_must_and_is_never_taken_for_success() {
    use TransferReason::{Broken, LinkExpired, Refused, Stalled};
    let ok = Reply::ok;
    let expired = || Reply::s3_error(403, "AccessDenied", "Request has expired");
    let slow = || Reply::s3_error(503, "SlowDown", "Please reduce your request rate.");
    let refused = || Reply::s3_error(400, "EntityTooLarge", "too large");
    let redirect = || Reply::redirect(302, "/other");
    let cut = || midway(Reply::raw(""));
    // Longer than the client waits.
    let stall = || Reply::raw("").early().interim(100).then_wait(ms(10_000));
    let table: Vec<Row> = vec![
        ("all is well", vec![ok()], None, 1, 1),
        ("reset in the middle, once", vec![cut(), ok()], None, 2, 1),
        (
            "reset in the middle, always",
            vec![cut()],
            Some(Broken),
            3,
            1,
        ),
        (
            "closed before 100, once",
            vec![Close.after_head(), ok()],
            None,
            2,
            1,
        ),
        (
            "closed after the body, once",
            vec![Close.after_request(), ok()],
            None,
            2,
            1,
        ),
        (
            "no HTTP after the body, always",
            vec![Reply::raw("hello\r\n\r\n").then(Close)],
            Some(Broken),
            3,
            1,
        ),
        (
            "slow down, once, before the body",
            vec![early(slow()), ok()],
            None,
            2,
            1,
        ),
        (
            "slow down, once, after the body",
            vec![slow(), ok()],
            None,
            2,
            1,
        ),
        ("slow down, always", vec![early(slow())], Some(Broken), 3, 1),
        (
            "expired, once, before the body",
            vec![early(expired()), ok()],
            None,
            2,
            2,
        ),
        (
            "expired, once, after the body",
            vec![expired(), ok()],
            None,
            2,
            2,
        ),
        (
            "expired, then broken, then well",
            vec![early(expired()), cut(), ok()],
            None,
            3,
            2,
        ),
        (
            "expired, always",
            vec![early(expired())],
            Some(LinkExpired),
            2,
            2,
        ),
        (
            "refused before the body",
            vec![early(refused())],
            Some(Refused),
            1,
            1,
        ),
        (
            "refused after the body",
            vec![refused()],
            Some(Refused),
            1,
            1,
        ),
        (
            "a redirect before the body",
            vec![early(redirect())],
            Some(Refused),
            1,
            1,
        ),
        (
            "a redirect after the body",
            vec![redirect()],
            Some(Refused),
            1,
            1,
        ),
        ("a stall", vec![stall()], Some(Stalled), 3, 1),
        ("a stall, once", vec![stall(), ok()], None, 2, 1),
    ];
    side_by_side(&table, |(what, script, reason, puts, links)| {
        let server = Servers::start(script.clone());
        // Whatever does not stall gets its time on a busy machine.
        let result = upload(
            &server,
            ms(if what.starts_with("a stall") {
                1500
            } else {
                20_000
            }),
        );
        match (&result, reason) {
            (Ok(photo), None) => {
                let received = server.puts().pop().unwrap().body;
                assert_eq!((photo.bytes, received.len() as u64), (MIB, MIB), "{what}");
            }
            (Err(Error::Transfer(e)), Some(reason)) => {
                assert_eq!(e.reason, *reason, "{what}: {e:?}")
            }
            _ => panic!("{what}: {result:?}"),
        }
        assert_eq!(
            (server.puts().len(), server.api.requests()),
            (*puts, *links),
            "{what}: {result:?}"
        );
    });
}

#[test]
fn an_answer_in_the_middle_of_the_body_is_an_error() {
    for answer in [
        Reply::ok(),
        Reply::s3_error(403, "AccessDenied", "Request has expired"),
    ] {
        let server = Servers::start([midway(answer)]);
        let (_folder, paths) = files(&["a.jpg"]);
        let length = 64 * MIB;
        resize(&paths[0], length);
        let result = server
            .project()
            .upload(&paths, &UploadOptions::default())
            .unwrap()
            .0
            .remove(0);
        assert!(
            matches!(&result, Err(Error::Transfer(e)) if e.bytes < length),
            "{result:?}"
        );
        assert!(server.puts().len() <= 4);
    }
}

#[test]
fn the_words_of_the_storage_and_the_bytes_so_far_are_told() {
    let server = Servers::start([Reply::s3_error(
        400,
        "BadDigest",
        "no: X-Amz-Signature=SECRET",
    )]);
    let Err(Error::Transfer(e)) = upload(&server, ms(20_000)) else {
        panic!()
    };
    assert_eq!((e.bytes, e.context.status), (MIB, Some(400)));
    assert_eq!(e.message, "400 withheld: it repeats a presigned URL");
    assert_eq!(e.context.path, format!("{}/a.jpg", server.storage.url()));
}

#[test]
fn a_file_that_changes_on_its_way_is_never_a_success() {
    type Change = fn(&Path);
    let replace = |path: &Path| {
        fs::remove_file(path)
            .and_then(|()| fs::create_dir(path))
            .unwrap()
    };
    let table: [(&str, Change, bool); 6] = [
        ("shrinks", |path| resize(path, 5000), true),
        ("shrinks to nothing", |path| resize(path, 0), true),
        ("grows", |path| resize(path, 8 * MIB), true),
        ("changes", touch, true),
        ("vanishes", |path| fs::remove_file(path).unwrap(), false),
        ("is replaced by a folder", replace, true),
    ];
    for (what, change, is_transfer) in table {
        let (_folder, paths) = files(&["a.jpg", "b.jpg"]);
        resize(&paths[0], 4 * MIB);
        let server = Servers::start([Reply::ok()]);
        let (path, once) = (paths[0].clone(), Once::new());
        let options = one_by_one().on_progress(move |p| {
            if p.bytes > 0 {
                once.call_once(|| change(&path));
            }
            ControlFlow::Continue(())
        });
        let results = server.project().upload(&paths, &options).unwrap();
        match &results[0] {
            Err(Error::Transfer(e)) if is_transfer => {
                assert_eq!(e.reason, TransferReason::Changed, "{what}")
            }
            Err(Error::Io { path, .. }) if !is_transfer => assert_eq!(*path, paths[0], "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        assert!(results[1].is_ok(), "{what}: {results:?}");
        assert_eq!(server.puts().len(), 2);
    }
}

fn resize(path: &Path, length: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

fn touch(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(10);
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(later)
        .unwrap();
}
