//! What a network, a storage and a disk can do to a file on its way.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use imagen_ai::{Error, TransferReason, UploadOptions, Uploaded};

use super::storage::{OK, Step, Storage};
use super::{files, late_ok, one_by_one, project, reason, with};
use crate::support::{eventually, ms, side_by_side};

const MIB: u64 = 1 << 20;

fn s3(status: &str, code: &str, message: &str) -> String {
    let xml = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let length = xml.len();
    format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{xml}")
}

/// Uploads one file of 1 MiB, and checks what holds whatever happens.
fn upload(server: &Storage, path: &Path, stall: Duration) -> Result<Uploaded, Error> {
    let options = with(|options| options.stall_timeout = stall);
    let began = Instant::now();
    let result = project(server).upload([path], &options).unwrap().remove(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{result:?}");
    if let Err(error) = &result {
        assert!(!format!("{error} {error:#?}").contains("SECRET"), "{error:#?}");
    }
    if let Err(Error::Transfer(e)) = &result {
        assert_eq!(e.name, path.file_name().unwrap().to_str().unwrap());
        // Those by a link that has expired are not counted.
        let expired = server.links().len() - 1;
        eventually(|| e.context.attempts as usize + expired == server.puts().len());
        assert!(!e.context.elapsed.is_zero() && e.context.method == "PUT", "{e:?}");
    }
    for (head, _) in server.puts() {
        assert!(head.contains(&format!("content-length: {MIB}\r\n")) && !head.contains("x-api-key"), "{head}");
    }
    result
}

/// What happens, the outcome, and how many files and requests for links were sent.
type Row = (&'static str, Vec<Step>, Option<TransferReason>, usize, usize);

#[test]
fn a_fault_costs_no_more_than_it_must_and_is_never_taken_for_success() {
    use TransferReason::{Broken, LinkExpired, Refused, Stalled};
    let expired = || s3("403 Forbidden", "AccessDenied", "Request has expired");
    let slow = || s3("503 Slow Down", "SlowDown", "Please reduce your request rate.");
    let refused = || s3("400 Bad Request", "EntityTooLarge", "too large");
    let redirect = || "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_owned();
    let nothing = String::new;
    let (early, late) = (Step::Early, Step::Late);
    let cut = || Step::Cut(64 * 1024, String::new());
    #[rustfmt::skip]
    let table: Vec<Row> = vec![
        ("all is well", vec![late_ok()], None, 1, 1),
        ("reset in the middle, once", vec![cut(), late_ok()], None, 2, 1),
        ("reset in the middle, always", vec![cut()], Some(Broken), 3, 1),
        ("closed before 100, once", vec![early(nothing()), late_ok()], None, 2, 1),
        ("closed after the body, once", vec![late(nothing()), late_ok()], None, 2, 1),
        ("no HTTP after the body, always", vec![late("hello\r\n\r\n".to_owned())], Some(Broken), 3, 1),
        ("slow down, once, before the body", vec![early(slow()), late_ok()], None, 2, 1),
        ("slow down, once, after the body", vec![late(slow()), late_ok()], None, 2, 1),
        ("slow down, always", vec![early(slow())], Some(Broken), 3, 1),
        ("expired, once, before the body", vec![early(expired()), late_ok()], None, 2, 2),
        ("expired, once, after the body", vec![late(expired()), late_ok()], None, 2, 2),
        ("expired, then broken, then well", vec![early(expired()), cut(), late_ok()], None, 3, 2),
        ("expired, always", vec![early(expired())], Some(LinkExpired), 2, 2),
        ("refused before the body", vec![early(refused())], Some(Refused), 1, 1),
        ("refused after the body", vec![late(refused())], Some(Refused), 1, 1),
        ("a redirect before the body", vec![early(redirect())], Some(Refused), 1, 1),
        ("a redirect after the body", vec![late(redirect())], Some(Refused), 1, 1),
        ("success before the body, once", vec![early(OK.to_owned()), late_ok()], None, 2, 1),
        ("success before the body, always", vec![early(OK.to_owned())], Some(Broken), 3, 1),
        ("no 100, and all is well", vec![Step::Silent(OK.to_owned())], None, 1, 1),
        ("a stall", vec![Step::Stall], Some(Stalled), 3, 1),
        ("a stall, once", vec![Step::Stall, late_ok()], None, 2, 1),
    ];
    side_by_side(&table, |(what, script, reason, puts, links)| {
        let server = Storage::start(script.clone());
        let (_folder, paths) = files(&["a.jpg"]);
        resize(&paths[0], MIB);
        // Whatever does not stall gets its time on a busy machine.
        let stalls = matches!(script[0], Step::Stall);
        let result = upload(&server, &paths[0], ms(if stalls { 1500 } else { 20_000 }));
        match (&result, reason) {
            (Ok(uploaded), None) => assert_eq!((uploaded.bytes, server.puts().last().unwrap().1), (MIB, MIB), "{what}"),
            (Err(Error::Transfer(e)), Some(reason)) => assert_eq!(e.reason, *reason, "{what}: {e:?}"),
            _ => panic!("{what}: {result:?}"),
        }
        assert_eq!((server.puts().len(), server.links().len()), (*puts, *links), "{what}: {result:?}");
    });
}

#[test]
fn an_answer_in_the_middle_of_the_body_is_an_error() {
    for answer in [OK.to_owned(), s3("403 Forbidden", "AccessDenied", "Request has expired")] {
        let server = Storage::start([Step::Cut(1000, answer)]);
        let (_folder, paths) = files(&["a.jpg"]);
        let length = 64 * MIB;
        resize(&paths[0], length);
        let result = project(&server).upload(&paths, &UploadOptions::default()).unwrap().remove(0);
        assert!(matches!(&result, Err(Error::Transfer(e)) if e.bytes < length), "{result:?}");
        assert!(server.puts().len() <= 4);
    }
}

#[test]
fn the_words_of_the_storage_and_the_bytes_so_far_are_told() {
    let server = Storage::start([Step::Late(s3("400 Bad Request", "BadDigest", "no: X-Amz-Signature=SECRET-0"))]);
    let (_folder, paths) = files(&["a.jpg"]);
    resize(&paths[0], MIB);
    let Err(Error::Transfer(e)) = upload(&server, &paths[0], ms(20_000)) else { panic!() };
    assert_eq!((e.bytes, e.context.status), (MIB, Some(400)));
    assert_eq!(e.message, "400 BadDigest: no: [redacted]");
    assert_eq!(e.context.path, format!("http://{}/a.jpg", server.addr));
}

#[test]
fn a_file_that_changes_on_its_way_is_never_a_success() {
    use TransferReason::Changed;
    type Change = fn(&Path);
    #[rustfmt::skip]
    let table: [(&str, Change, Option<TransferReason>); 6] = [
        ("shrinks", |path| resize(path, 5000), Some(Changed)),
        ("shrinks to nothing", |path| resize(path, 0), Some(Changed)),
        ("grows", |path| resize(path, 64 * MIB), Some(Changed)),
        ("changes", touch, Some(Changed)),
        ("vanishes", |path| fs::remove_file(path).unwrap(), None),
        ("is replaced by a folder", |path| fs::remove_file(path).and_then(|()| fs::create_dir(path)).unwrap(), Some(Changed)),
    ];
    for (what, change, expected) in table {
        let (_folder, paths) = files(&["a.jpg", "b.jpg"]);
        resize(&paths[0], 32 * MIB);
        let path = paths[0].clone();
        let server = Storage::start([Step::During(Arc::new(move || change(&path))), late_ok()]);
        let results = project(&server).upload(&paths, &one_by_one()).unwrap();
        match (&results[0], expected) {
            (Err(Error::Transfer(e)), Some(expected)) => assert_eq!(e.reason, expected, "{what}"),
            (Err(Error::Io { path, .. }), None) => assert_eq!(*path, paths[0], "{what}"),
            (other, _) => panic!("{what}: {other:?}"),
        }
        assert!(results[1].is_ok(), "{what}: {results:?}");
        eventually(|| server.puts().len() == 2);
    }
}

fn resize(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn touch(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(10);
    OpenOptions::new().write(true).open(path).unwrap().set_modified(later).unwrap();
}

fn name_in(error: &Error) -> &str {
    match error {
        Error::Transfer(e) => &e.name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_fails_stops_no_other_and_all_stand_in_their_places() {
    let server = Storage::start([late_ok()]);
    let (_folder, paths) = files(&["a.jpg", "b-nolink.jpg", "c.jpg", "d-nolink.jpg", "e.jpg", "f.jpg"]);
    fs::write(&paths[4], "").unwrap();
    let results = project(&server).upload(&paths, &UploadOptions::default()).unwrap();
    for (path, result) in paths.iter().zip(&results) {
        match result {
            Ok(uploaded) => assert_eq!(uploaded.path, *path),
            Err(error) => assert!(reason(result) == TransferReason::NoLink && path.ends_with(name_in(error))),
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
    assert_eq!((server.puts().len(), server.links().len()), (4, 1));
}
