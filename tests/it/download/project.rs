//! From a project to its files.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imagen_ai::{Client, DownloadOptions, DownloadReason, Error, Output, RetryPolicy};

use super::names;
use crate::support::canned::{Canned, KEY};
use crate::support::client_of;
use crate::support::faulty::{Faulty, Reply};
use crate::support::simulator::{I2I, NOT_EXPORTED, ProjectSpec, READY, Simulator};

fn paths(simulator: &Simulator) -> Vec<String> {
    simulator.requests().into_iter().map(|request| request.path).collect()
}

fn asked_for_links(simulator: &Simulator) -> usize {
    paths(simulator)
        .iter()
        .filter(|path| path.ends_with("get_temporary_download_links"))
        .count()
}

#[test]
fn finalize_gives_the_links_of_its_answer_or_asks_for_them() {
    for empty in [false, true] {
        let simulator = Simulator::start();
        simulator.configure(|settings| settings.empty_finalize = empty);
        let client = client_of(&simulator);
        for (project, links) in [
            (
                client.project(READY),
                format!("/v1/projects/{READY}/export/get_temporary_download_links"),
            ),
            (
                client.i2i_project(I2I),
                format!("/v1/i2i/projects/{I2I}/get_temporary_download_links"),
            ),
        ] {
            simulator.clear_requests();
            let finalized = project.finalize().unwrap();
            let names: Vec<_> = finalized
                .files
                .iter()
                .filter_map(|file| file.file_name.as_deref())
                .collect();
            assert_eq!(names, ["DSC_0001.JPEG", "DSC_0002.JPEG", "DSC_0003.JPEG"]);
            assert!(simulator.is_finalized(project.uuid()));
            let mut expected = vec![format!("/v1/projects/{}/finalize", project.uuid())];
            expected.extend(empty.then_some(links));
            assert_eq!(paths(&simulator), expected);
        }
    }
}

#[test]
fn links_are_asked_for_where_the_project_stands() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    for (project, output, path, ends) in [
        (
            client.project(READY),
            Output::Jpeg,
            format!("/v1/projects/{READY}/export"),
            "JPEG",
        ),
        (
            client.project(READY),
            Output::Xmp,
            format!("/v1/projects/{READY}/edit"),
            "xmp",
        ),
        (
            client.i2i_project(I2I),
            Output::Jpeg,
            format!("/v1/i2i/projects/{I2I}"),
            "JPEG",
        ),
    ] {
        simulator.clear_requests();
        let links = project.download_links(output).unwrap();
        assert_eq!(links.len(), 3);
        assert!(
            links
                .iter()
                .all(|link| link.file_name.as_ref().unwrap().ends_with(ends)),
            "{links:?}"
        );
        let request = &simulator.requests()[0];
        assert_eq!(request.target(), format!("{path}/get_temporary_download_links"));
    }
    simulator.clear_requests();
    let error = client.i2i_project(I2I).download_links(Output::Xmp).unwrap_err();
    assert!(matches!(error, Error::InvalidInput { field: "output", .. }));
    assert_eq!(simulator.requests().len(), 0);

    let null = Canned::new(200, r#"{"files_list":null}"#);
    assert_eq!(null.client().project("p").download_links(Output::Jpeg).unwrap(), []);
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
    for project in [client.project(READY), client.i2i_project(I2I)] {
        let folder = tempfile::tempdir().unwrap();
        let files = project.finalize_to(folder.path(), &DownloadOptions::default()).unwrap();
        assert_eq!(files.len(), 3);
        assert!(files.iter().all(Result::is_ok), "{files:?}");
        assert_photos(&simulator, project.uuid(), folder.path(), 3);
    }
    let folder = tempfile::tempdir().unwrap();
    let error = client
        .project(NOT_EXPORTED)
        .finalize_to(folder.path(), &DownloadOptions::default())
        .unwrap_err();
    assert_eq!(error.status(), Some(400));
}

#[test]
fn what_cannot_be_written_is_found_out_before_the_edits_are_locked_in() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(READY);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let hasty = DownloadOptions {
        stall_timeout: Duration::ZERO,
        ..DownloadOptions::default()
    };
    let error = project.finalize_to(&file, &DownloadOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == file), "{error}");
    let error = project.finalize_to(folder.path(), &hasty).unwrap_err();
    assert!(
        matches!(
            error,
            Error::InvalidInput {
                field: "stall_timeout",
                ..
            }
        ),
        "{error}"
    );
    assert!(!simulator.is_finalized(READY));

    let out = folder.path().join("out");
    let nowhere = project.client().project("..");
    nowhere.finalize_to(&out, &DownloadOptions::default()).unwrap_err();
    assert!(!out.exists());
}

#[test]
fn links_that_expire_half_way_are_asked_for_again() {
    let simulator = Arc::new(Simulator::start());
    simulator.add_project(ProjectSpec::regular("long").photo_count(12));
    let client = client_of(&simulator);
    let folder = tempfile::tempdir().unwrap();
    // After every fourth file: as if the lot took three times as long as its links live.
    let clock = Arc::clone(&simulator);
    let options = DownloadOptions {
        threads: 1,
        ..DownloadOptions::default()
    }
    .on_progress(move |progress| {
        assert!(progress.files_done <= 12);
        if progress.done && progress.bytes > 0 && progress.index % 4 == 3 {
            clock.expire_links();
        }
        ControlFlow::Continue(())
    });
    let files = client.project("long").finalize_to(folder.path(), &options).unwrap();
    assert!(files.iter().all(Result::is_ok), "{files:?}");
    for (n, file) in files.iter().enumerate() {
        assert_eq!(
            file.as_ref().unwrap().path,
            folder.path().join(format!("DSC_{:04}.JPEG", n + 1))
        );
    }
    assert_photos(&simulator, "long", folder.path(), 12);
    assert_eq!(asked_for_links(&simulator), 2);
    // A file that was there was not fetched again.
    let storage = paths(&simulator)
        .iter()
        .filter(|path| path.starts_with("/storage/"))
        .count();
    assert_eq!(storage, 12 + 8 + 4);
}

#[test]
fn links_that_are_never_good_are_asked_for_once_more_and_no_further() {
    let simulator = Simulator::start();
    simulator.configure(|settings| settings.link_lifetime = Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    let files = client_of(&simulator)
        .project(READY)
        .finalize_to(folder.path(), &DownloadOptions::default())
        .unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        assert!(matches!(file, Err(Error::Download(e)) if e.reason == DownloadReason::LinkExpired));
    }
    assert_eq!(asked_for_links(&simulator), 1);
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Three files of one name, of which the links to the last two have expired. What the service says when it is asked for
/// fresh ones.
fn three_of_one_name(fresh: Option<Reply>) -> Faulty {
    Faulty::each(move |request| {
        let host = request.header("host").unwrap();
        let links = |signature: &str| {
            let link = |n| serde_json::json!({"file_name": "a.jpg", "download_link": format!("http://{host}/{n}?{signature}")});
            Reply::json(serde_json::json!({"files_list": [link(1), link(2), link(3)]}).to_string())
        };
        match request.path() {
            path if path.ends_with("/finalize") => links("old"),
            path if path.ends_with("/get_temporary_download_links") => fresh.clone().unwrap_or_else(|| links("new")),
            "/2?old" | "/3?old" => Reply::s3_error(403, "AccessDenied", "Request has expired"),
            path => Reply::ok().body(&path[1..2]),
        }
    })
}

fn finalized(server: &Faulty, options: &DownloadOptions) -> Vec<Result<String, DownloadReason>> {
    let client = Client::builder(KEY).base_url(server.url()).retry(RetryPolicy::none());
    let folder = tempfile::tempdir().unwrap();
    let files = client
        .build()
        .unwrap()
        .project("p")
        .finalize_to(folder.path(), options)
        .unwrap();
    files
        .into_iter()
        .map(|file| match file {
            Ok(file) => Ok(fs::read_to_string(file.path).unwrap()),
            Err(Error::Download(e)) => Err(e.reason),
            Err(e) => panic!("{e}"),
        })
        .collect()
}

#[test]
fn fresh_links_of_one_name_are_taken_in_their_order() {
    let server = three_of_one_name(None);
    let files = finalized(&server, &DownloadOptions::default());
    assert_eq!(files, ["1", "2", "3"].map(|content| Ok(content.to_owned())));
}

#[test]
fn what_arrived_is_kept_when_there_are_no_fresh_links() {
    let server = three_of_one_name(Some(Reply::status(403)));
    let files = finalized(&server, &DownloadOptions::default());
    let expired = Err(DownloadReason::LinkExpired);
    assert_eq!(files, [Ok("1".to_owned()), expired.clone(), expired]);
}

#[test]
fn a_run_that_was_ended_asks_for_no_fresh_links() {
    let server = three_of_one_name(None);
    let options = DownloadOptions {
        threads: 1,
        ..DownloadOptions::default()
    }
    .on_progress(|progress| match progress.index == 1 && progress.done {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    let files = finalized(&server, &options);
    let expected = [DownloadReason::LinkExpired, DownloadReason::Cancelled].map(Err);
    assert_eq!((&files[0], &files[1..]), (&Ok("1".to_owned()), &expected[..]));
    assert_eq!(server.requests(), 3);
}
