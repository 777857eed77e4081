//! Many files into one folder, and from a project to its files.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imagen_ai::{
    Client, DownloadLink, DownloadOptions, Downloaded, Error, Overwrite, ProgressCallback,
    RetryPolicy, TransferReason,
};

use super::{KEY, client, names};
use crate::support::faulty::{Faulty, Reply};
use crate::support::simulator::{NOT_EXPORTED, ProjectSpec, READY, SMART, Simulator};
use crate::support::{client_of, ms, refused};

/// A server whose files hold their own number, `/0?sig=SECRET` and on, each sent in `pieces`.
fn numbered(pieces: usize) -> Faulty {
    Faulty::each(move |request| {
        let number = request
            .path()
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap();
        match number.parse::<usize>() {
            Ok(_) => Reply::ok()
                .body(number.repeat(pieces))
                .drip_body(number.len(), ms(30)),
            Err(_) => Reply::s3_error(404, "NoSuchKey", "The specified key does not exist."),
        }
    })
}

fn link(server: &Faulty, name: &str, path: impl std::fmt::Display) -> DownloadLink {
    DownloadLink::new(name, &format!("{}/{path}?sig=SECRET", server.url()))
}

fn one_thread() -> DownloadOptions {
    DownloadOptions {
        threads: 1,
        ..DownloadOptions::default()
    }
}

/// The content of each file, or why there is none.
fn contents(files: &[Result<Downloaded, Error>]) -> Vec<Result<String, TransferReason>> {
    let content = |file: &Result<Downloaded, Error>| match file {
        Ok(file) => Ok(fs::read_to_string(&file.path).unwrap()),
        Err(Error::Transfer(e)) => Err(e.reason),
        Err(e) => panic!("{e}"),
    };
    files.iter().map(content).collect()
}

#[test]
fn results_come_in_the_order_of_the_links_and_a_failure_stops_no_other() {
    let server = numbered(1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let mut links: Vec<_> = (0..20)
        .map(|n| link(&server, &format!("{n}.jpg"), n))
        .collect();
    links[3] = link(&server, "lost", "lost");
    links[8].download_link = None;
    // No name leads out of the folder, or to another's file.
    let hostile = [
        ("../../0.jpg", "__.._0.jpg"),
        ("5.JPG", "5 (2).JPG"),
        ("NUL", "_NUL"),
        ("a/b\nc.jpg", "a_b_c.jpg"),
    ];
    for (n, (given, _)) in (16..).zip(hostile) {
        links[n].file_name = Some(given.to_owned());
    }
    let get = || {
        client()
            .download_all(&links, &out, &DownloadOptions::default())
            .unwrap()
    };
    let results = get();
    let mut expected: Vec<_> = (0..20).map(|n| Ok(n.to_string())).collect();
    expected[3] = Err(TransferReason::Refused);
    expected[8] = Err(TransferReason::NoLink);
    assert_eq!(contents(&results), expected);
    let no_link = results[8].as_ref().unwrap_err();
    assert_eq!(
        no_link.to_string(),
        "GET 8.jpg: the service gave no link for the file"
    );
    for (result, (given, name)) in results[16..].iter().zip(hostile) {
        let file = result.as_ref().unwrap();
        assert_eq!(
            (&file.path, file.file_name.as_str(), file.renamed),
            (&out.join(name), given, true)
        );
    }
    let around = (names(folder.path()), names(&folder.path().join("new")));
    assert_eq!(
        (names(&out).len(), around),
        (18, (vec!["new".to_owned()], vec!["folder".to_owned()]))
    );
    let first = results[0].as_ref().unwrap();
    assert_eq!((&first.path, first.renamed), (&out.join("0.jpg"), false));
    assert!(get().iter().all(Result::is_err), "they are there");
    let none = client().download_all(
        Vec::<DownloadLink>::new(),
        &out,
        &DownloadOptions::default(),
    );
    assert!(none.unwrap().is_empty());
}

#[test]
fn progress_is_told_of_each_file_and_of_all() {
    let server = numbered(10);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("there.jpg"), "already").unwrap();
    let named = [
        ("a/b.jpg", "1"),
        ("lost.jpg", "lost"),
        ("there.jpg", "2"),
        ("c.jpg", "333"),
    ];
    let links = named.map(|(name, path)| link(&server, name, path));
    let told: Arc<Mutex<Vec<_>>> = Arc::default();
    let record = Arc::clone(&told);
    let callback = ProgressCallback::new(move |p| {
        let file = (p.bytes, p.total, p.ended.is_some());
        let all = (p.all_bytes, p.items_done, p.items);
        record
            .lock()
            .unwrap()
            .push((p.index, p.name.to_owned(), file, all));
        ControlFlow::Continue(())
    });
    let options = DownloadOptions {
        overwrite: Overwrite::Skip,
        progress: Some(callback),
        ..one_thread()
    };
    let results = client()
        .download_all(&links, folder.path(), &options)
        .unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);

    let told = told.lock().unwrap();
    let of = |index: usize| told.iter().filter(move |told| told.0 == index);
    let last = |index: usize| {
        of(index)
            .next_back()
            .map(|(_, name, file, all)| (name.as_str(), *file, *all))
            .unwrap()
    };
    assert_eq!(
        of(0).next(),
        Some(&(0, "a_b.jpg".to_owned(), (0, None, false), (0, 0, 4)))
    );
    assert!(
        of(0).any(|(_, _, (bytes, total, _), _)| *bytes > 0 && *bytes < 10 && *total == Some(10))
    );
    assert_eq!(last(0), ("a_b.jpg", (10, Some(10), true), (10, 1, 4)));
    assert_eq!(last(1), ("lost.jpg", (0, None, true), (10, 2, 4)));
    assert_eq!(
        (of(2).count(), last(2)),
        (1, ("there.jpg", (0, None, true), (10, 3, 4)))
    );
    assert_eq!(last(3), ("c.jpg", (30, Some(30), true), (40, 4, 4)));
}

#[test]
fn a_callback_stops_everything() {
    // The first file is whole at once; the others would take a minute.
    let server = Faulty::each(|request| match request.path().starts_with("/0") {
        true => Reply::ok().body("whole"),
        false => Reply::ok().body(vec![b'x'; 3000]).drip_body(1, ms(20)),
    });
    let folder = tempfile::tempdir().unwrap();
    let links: Vec<_> = (0..50).map(|n| link(&server, &n.to_string(), n)).collect();
    let callback = ProgressCallback::new(|progress| {
        match progress.items_done > 0 && progress.ended.is_none() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let options = DownloadOptions {
        progress: Some(callback),
        ..DownloadOptions::default()
    };
    let began = Instant::now();
    let results = client()
        .download_all(&links, folder.path(), &options)
        .unwrap();
    assert!(began.elapsed() < ms(20_000), "{:?}", began.elapsed());
    let mut expected = vec![Err(TransferReason::Cancelled); 50];
    expected[0] = Ok("whole".to_owned());
    assert_eq!(contents(&results), expected);
    assert_eq!(names(folder.path()), ["0"]);
    assert!(server.requests() <= 5, "{}", server.requests());
}

fn paths(simulator: &Simulator, part: &str) -> usize {
    simulator
        .requests()
        .iter()
        .filter(|request| request.path.contains(part))
        .count()
}

#[track_caller]
fn assert_photos(simulator: &Simulator, project: &str, folder: &Path, count: usize) {
    assert_eq!(names(folder).len(), count);
    for name in names(folder) {
        assert!(
            fs::read(folder.join(&name)).unwrap() == simulator.jpeg(project, &name, None),
            "{name}"
        );
    }
}

#[test]
fn finalize_to_puts_the_finished_photos_on_disk() {
    let simulator = Simulator::start();
    simulator.configure(|settings| settings.jpeg_size = 100_000);
    let client = client_of(&simulator);
    for project in [client.project(READY), client.smart_project(SMART)] {
        let folder = tempfile::tempdir().unwrap();
        let files = project
            .finalize_to(folder.path(), &DownloadOptions::default())
            .unwrap();
        assert_eq!(
            files.iter().filter(|file| file.is_ok()).count(),
            3,
            "{files:?}"
        );
        assert_photos(&simulator, project.uuid(), folder.path(), 3);
    }
    let folder = tempfile::tempdir().unwrap();
    let error = client
        .project(NOT_EXPORTED)
        .finalize_to(folder.path(), &DownloadOptions::default());
    assert_eq!(error.unwrap_err().status(), Some(400));
}

#[test]
fn what_cannot_be_written_is_found_out_before_the_edits_are_locked_in() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(READY);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    // A folder that is there and cannot be written to, for every user.
    let mut places = vec![file];
    places.extend(cfg!(target_os = "linux").then(|| "/proc/self/fd".into()));
    for place in &places {
        let error = project
            .finalize_to(place, &DownloadOptions::default())
            .unwrap_err();
        assert!(
            matches!(&error, Error::Io { path, .. } if path == place),
            "{error}"
        );
    }
    let hasty = DownloadOptions {
        stall_timeout: Duration::ZERO,
        ..one_thread()
    };
    refused(project.finalize_to(folder.path(), &hasty), "stall_timeout");
    assert!(!simulator.is_finalized(READY));

    let out = folder.path().join("out");
    let nowhere = project.client().project("..");
    nowhere
        .finalize_to(&out, &DownloadOptions::default())
        .unwrap_err();
    assert!(!out.exists());
}

#[test]
fn links_that_expire_half_way_are_asked_for_again() {
    let simulator = Arc::new(Simulator::start());
    simulator.add_project(ProjectSpec::profile_based("long").image_count(12));
    let client = client_of(&simulator);
    let folder = tempfile::tempdir().unwrap();
    // After every fourth file: as if the lot took three times as long as its links live.
    let clock = Arc::clone(&simulator);
    let callback = ProgressCallback::new(move |progress| {
        assert!(progress.items_done <= 12);
        if progress.ended.is_some() && progress.bytes > 0 && progress.index % 4 == 3 {
            clock.expire_links();
        }
        ControlFlow::Continue(())
    });
    let options = DownloadOptions {
        progress: Some(callback),
        ..one_thread()
    };
    let files = client
        .project("long")
        .finalize_to(folder.path(), &options)
        .unwrap();
    for (n, file) in files.iter().enumerate() {
        let expected = folder.path().join(format!("DSC_{:04}.JPEG", n + 1));
        assert_eq!(file.as_ref().unwrap().path, expected);
    }
    assert_photos(&simulator, "long", folder.path(), 12);
    // A file that was there was not fetched again.
    let asked = (
        paths(&simulator, "get_temporary_download_links"),
        paths(&simulator, "/storage/"),
    );
    assert_eq!(asked, (2, 12 + 8 + 4));
}

#[test]
fn links_that_are_never_good_are_asked_for_once_more_and_no_further() {
    let simulator = Simulator::start();
    simulator.configure(|settings| settings.link_lifetime = Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    let project = client_of(&simulator).project(READY);
    let files = project
        .finalize_to(folder.path(), &DownloadOptions::default())
        .unwrap();
    assert_eq!(contents(&files), vec![Err(TransferReason::LinkExpired); 3]);
    assert_eq!(paths(&simulator, "get_temporary_download_links"), 1);
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Three files of one name, of which the links to the last two have expired. What the service says
/// when it is asked for fresh ones.
fn three_of_one_name(fresh: Option<Reply>) -> Faulty {
    Faulty::each(move |request| {
        let host = request.header("host").unwrap();
        let links = |signature: &str| {
            let url = |n| format!("http://{host}/{n}?{signature}");
            let link = |n| serde_json::json!({"file_name": "a.jpg", "download_link": url(n)});
            Reply::json(serde_json::json!({"files_list": [link(1), link(2), link(3)]}).to_string())
        };
        match request.path() {
            path if path.ends_with("/finalize") => links("old"),
            path if path.ends_with("/get_temporary_download_links") => {
                fresh.clone().unwrap_or_else(|| links("new"))
            }
            "/2?old" | "/3?old" => Reply::s3_error(403, "AccessDenied", "Request has expired"),
            path => Reply::ok().body(&path[1..2]),
        }
    })
}

fn finalized(server: &Faulty, options: &DownloadOptions) -> Vec<Result<String, TransferReason>> {
    let client = Client::builder(KEY)
        .base_url(server.url())
        .retry(RetryPolicy::none());
    let folder = tempfile::tempdir().unwrap();
    let project = client.build().unwrap().project("p");
    contents(&project.finalize_to(folder.path(), options).unwrap())
}

#[test]
fn fresh_links_of_one_name_are_taken_in_their_order() {
    let options = DownloadOptions::default();
    let files = finalized(&three_of_one_name(None), &options);
    assert_eq!(files, ["1", "2", "3"].map(|content| Ok(content.to_owned())));
    // What arrived is kept when there are none.
    let files = finalized(&three_of_one_name(Some(Reply::status(403))), &options);
    let [first, expired, cancelled] = [
        Ok("1".to_owned()),
        Err(TransferReason::LinkExpired),
        Err(TransferReason::Cancelled),
    ];
    assert_eq!(files, [first.clone(), expired.clone(), expired.clone()]);
    // A run that was ended asks for none.
    let server = three_of_one_name(None);
    let callback =
        ProgressCallback::new(
            |progress| match progress.index == 1 && progress.ended.is_some() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        );
    let options = DownloadOptions {
        progress: Some(callback),
        ..one_thread()
    };
    assert_eq!(finalized(&server, &options), [first, expired, cancelled]);
    assert_eq!(server.requests(), 3);
}
