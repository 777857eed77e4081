//! Many files into one folder, and from a project to its files.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use imagen_ai::{
    Client, DownloadLink, DownloadOptions, Downloaded, Error, Overwrite, Progress,
    ProgressCallback, RetryPolicy, TransferReason,
};
use mockito::{Matcher, Server, ServerGuard};
use serde_json::json;

use super::{KEY, client, names};
use crate::support::script::{Request, Script, Turn};
use crate::support::simulator::{NOT_EXPORTED, ProjectSpec, READY, SMART, Simulator};
use crate::support::{client_of, ms, refused};

/// A storage whose files hold their own name, and that knows none called `lost`.
fn storage() -> ServerGuard {
    let mut server = Server::new();
    server
        .mock("GET", Matcher::Regex("^/[^l]".into()))
        .with_body_from_request(|request| request.path().as_bytes()[1..].to_vec())
        .create();
    let gone = "<Error><Code>NoSuchKey</Code></Error>";
    let lost = server.mock("GET", Matcher::Regex("^/lost".into()));
    lost.with_status(404).with_body(gone).create();
    server
}

fn link(server: &str, name: &str, path: impl std::fmt::Display) -> DownloadLink {
    DownloadLink::new(name, &format!("{server}/{path}?sig=SECRET"))
}

fn one_thread() -> DownloadOptions {
    DownloadOptions {
        threads: 1,
        ..DownloadOptions::default()
    }
}

fn told(
    callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
) -> Option<ProgressCallback> {
    Some(ProgressCallback::new(callback))
}

/// The content of each file, or why there is none.
fn contents(files: &[Result<Downloaded, Error>]) -> Vec<Result<String, TransferReason>> {
    let mut contents = Vec::new();
    for file in files {
        contents.push(match file {
            Ok(file) => Ok(fs::read_to_string(&file.path).unwrap()),
            Err(Error::Transfer(e)) => Err(e.reason),
            Err(e) => panic!("{e}"),
        });
    }
    contents
}

fn whole(content: &str) -> Result<String, TransferReason> {
    Ok(content.to_owned())
}

#[test]
fn results_come_in_the_order_of_the_links_and_a_failure_stops_no_other() {
    let server = storage();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let mut links: Vec<_> = (0..20)
        .map(|n| link(&server.url(), &format!("{n}.jpg"), n))
        .collect();
    links[3] = link(&server.url(), "lost", "lost");
    links[8].download_link = None;
    let options = DownloadOptions::default();
    let results = client().download_all(&links, &out, &options).unwrap();
    let mut expected: Vec<_> = (0..20).map(|n| Ok(n.to_string())).collect();
    expected[3] = Err(TransferReason::Refused);
    expected[8] = Err(TransferReason::NoLink);
    assert_eq!(contents(&results), expected);
    let no_link = results[8].as_ref().unwrap_err().to_string();
    assert_eq!(no_link, "GET 8.jpg: the service gave no link for the file");
    let first = results[0].as_ref().unwrap();
    assert_eq!((&first.path, first.renamed), (&out.join("0.jpg"), false));
    assert_eq!(names(&out).len(), 18);

    let again = client().download_all(&links, &out, &options).unwrap();
    assert!(again.iter().all(Result::is_err), "they are there");
    let none = client().download_all(Vec::<DownloadLink>::new(), &out, &options);
    assert!(none.unwrap().is_empty());
}

#[test]
fn no_name_leads_out_of_the_folder_or_to_anothers_file() {
    let long = " ".repeat(300);
    let renamed = [
        ("../../0.jpg", "__.._0.jpg"),
        ("5.JPG", "5 (2).JPG"),
        ("NUL", "_NUL"),
        ("a/b\nc.jpg", "a_b_c.jpg"),
        (&format!("a.jpg.imagen-part{long}x"), "a.jpg.imagen-part_"),
        (&format!("CON{long}x.jpg"), "_CON.jpg"),
        ("stra\u{1e9e}e.jpg", "stra\u{1e9e}e (2).jpg"),
    ];
    let server = storage();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut links = Vec::new();
    for (n, name) in ["5.jpg", "a.jpg", "straße.jpg"].iter().enumerate() {
        links.push(link(&server.url(), name, n));
    }
    for (n, (given, _)) in renamed.iter().enumerate() {
        links.push(link(&server.url(), given, n + 3));
    }
    let results = client().download_all(&links, &out, &DownloadOptions::default());
    let results = results.unwrap();
    let expected: Vec<_> = (0..10).map(|n| Ok(n.to_string())).collect();
    assert_eq!(contents(&results), expected);
    for (result, (given, name)) in results[3..].iter().zip(renamed) {
        let file = result.as_ref().unwrap();
        assert_eq!(file.path, out.join(name));
        assert_eq!(file.file_name, given);
        assert!(file.renamed);
    }
    assert_eq!(names(folder.path()), ["out"]);
    assert_eq!(names(&out).len(), 10);
}

#[test]
fn a_missing_link_is_told_in_one_printable_short_line_without_the_key() {
    let name = format!(
        "{}\u{1b}[2J\n\u{202e}{}",
        "x".repeat(40),
        "y".repeat(100_000)
    );
    let folder = tempfile::tempdir().unwrap();
    for name in [&name, &format!("{KEY}.jpg")] {
        let mut link = DownloadLink::default();
        link.file_name = Some(name.clone());
        let results = client().download_all([link], folder.path(), &DownloadOptions::default());
        let error = results.unwrap().0.remove(0).unwrap_err();
        let text = error.to_string();
        assert!(text.chars().count() < 400, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\n']), "{text:?}");
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn progress_is_told_of_each_file_and_of_all() {
    let server = storage();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("there.jpg"), "already").unwrap();
    let links = [
        ("a/b.jpg", "0123456789"),
        ("lost.jpg", "lost"),
        ("there.jpg", "x"),
        ("c.jpg", "333"),
    ]
    .map(|(name, path)| link(&server.url(), name, path));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = Arc::clone(&lines);
    let options = DownloadOptions {
        overwrite: Overwrite::Skip,
        progress: told(move |p| {
            let end = match p.ended {
                None => "",
                Some(Ok(())) => " whole",
                Some(Err(_)) => " failed",
            };
            let line = format!(
                "{} {} {}/{:?}{end}, {} bytes, {} of {}",
                p.index, p.name, p.bytes, p.total, p.all_bytes, p.items_done, p.items
            );
            record.lock().unwrap().push(line);
            ControlFlow::Continue(())
        }),
        ..one_thread()
    };
    let results = client().download_all(&links, folder.path(), &options);
    assert_eq!(results.unwrap().errors().count(), 1);

    let mut lines = lines.lock().unwrap().clone();
    // An answer may arrive in one piece or in several.
    lines.dedup_by_key(|line| line.split(',').next().unwrap().to_owned());
    assert_eq!(
        lines,
        [
            "0 a_b.jpg 0/None, 0 bytes, 0 of 4",
            "0 a_b.jpg 10/Some(10), 10 bytes, 0 of 4",
            "0 a_b.jpg 10/Some(10) whole, 10 bytes, 1 of 4",
            "1 lost.jpg 0/None, 10 bytes, 1 of 4",
            "1 lost.jpg 0/None failed, 10 bytes, 2 of 4",
            "2 there.jpg 0/None whole, 10 bytes, 3 of 4",
            "3 c.jpg 0/None, 10 bytes, 3 of 4",
            "3 c.jpg 3/Some(3), 13 bytes, 3 of 4",
            "3 c.jpg 3/Some(3) whole, 13 bytes, 4 of 4",
        ]
    );
}

#[test]
fn a_callback_stops_everything() {
    // The first file is whole at once; the others would take a minute.
    let server = Script::each(|request| match request.path().starts_with("/0") {
        true => Turn::status(200).body("whole"),
        false => Turn::status(200)
            .body(vec![b'x'; 3000])
            .drip_body(1, ms(20)),
    });
    let folder = tempfile::tempdir().unwrap();
    let links: Vec<_> = (0..50)
        .map(|n| link(&server.url(), &n.to_string(), n))
        .collect();
    let options = DownloadOptions {
        progress: told(|p| match p.items_done > 0 && p.ended.is_none() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }),
        ..DownloadOptions::default()
    };
    let results = client().download_all(&links, folder.path(), &options);
    let mut expected = vec![Err(TransferReason::Cancelled); 50];
    expected[0] = whole("whole");
    assert_eq!(contents(&results.unwrap()), expected);
    assert_eq!(names(folder.path()), ["0"]);
    assert!(server.requests().len() <= 5);
}

#[test]
fn after_the_end_a_file_that_is_there_is_cancelled_too() {
    let server = Script::of([Turn::status(200).body("x")]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b"), "old").unwrap();
    let links = ["a", "b"].map(|name| link(&server.url(), name, name));
    for overwrite in [Overwrite::Never, Overwrite::Skip] {
        let options = DownloadOptions {
            overwrite,
            progress: told(|_| ControlFlow::Break(())),
            ..one_thread()
        };

        let results = client().download_all(&links, folder.path(), &options);

        let cancelled = [
            Err(TransferReason::Cancelled),
            Err(TransferReason::Cancelled),
        ];
        assert_eq!(contents(&results.unwrap()), cancelled);
    }
    assert_eq!(names(folder.path()), ["b"]);
    assert_eq!(server.connections(), 0);
}

#[track_caller]
fn assert_photos(simulator: &Simulator, project: &str, folder: &Path, count: usize) {
    assert_eq!(names(folder).len(), count);
    for name in names(folder) {
        let expected = simulator.jpeg(project, &name, None);
        assert!(fs::read(folder.join(&name)).unwrap() == expected, "{name}");
    }
}

#[test]
fn finalize_to_puts_the_finished_photos_on_disk() {
    let simulator = Simulator::start();
    simulator.configure(|settings| settings.jpeg_size = 100_000);
    let client = client_of(&simulator);
    for project in [client.project(READY), client.smart_project(SMART)] {
        let folder = tempfile::tempdir().unwrap();
        let files = project.finalize_to(folder.path(), &DownloadOptions::default());
        assert_eq!(files.unwrap().all().unwrap().len(), 3);
        assert_photos(&simulator, project.uuid(), folder.path(), 3);
    }
}

#[test]
fn a_project_that_cannot_be_finalized_is_the_services_error() {
    let simulator = Simulator::start();
    let folder = tempfile::tempdir().unwrap();
    let project = client_of(&simulator).project(NOT_EXPORTED);
    let error = project.finalize_to(folder.path(), &DownloadOptions::default());
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
    if cfg!(target_os = "linux") {
        places.push("/proc/self/fd".into());
    }
    for place in &places {
        let result = project.finalize_to(place, &DownloadOptions::default());
        match result.unwrap_err() {
            Error::Io { path, .. } => assert_eq!(path, *place),
            other => panic!("{other}"),
        }
    }
    let hasty = DownloadOptions {
        stall_timeout: ms(0),
        ..one_thread()
    };
    refused(project.finalize_to(folder.path(), &hasty), "stall_timeout");
    assert!(!simulator.is_finalized(READY));
}

#[test]
fn a_project_that_cannot_be_asked_for_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let nowhere = client().project("..");
    let result = nowhere.finalize_to(&out, &DownloadOptions::default());
    refused(result, "project_uuid");
    assert!(!out.exists());
}

/// How many requests to the simulator had this in their path.
fn paths(simulator: &Simulator, part: &str) -> usize {
    let requests = simulator.requests();
    requests.iter().filter(|it| it.path.contains(part)).count()
}

#[test]
fn a_job_that_takes_longer_than_its_links_live_goes_on() {
    let simulator = Arc::new(Simulator::start());
    simulator.add_project(ProjectSpec::profile_based("long").image_count(12));
    let clock = Arc::clone(&simulator);
    let options = DownloadOptions {
        progress: told(move |p| {
            if matches!(p.ended, Some(Ok(()))) && p.index == 3 {
                clock.expire_links();
            }
            ControlFlow::Continue(())
        }),
        ..one_thread()
    };
    let folder = tempfile::tempdir().unwrap();
    let project = client_of(&simulator).project("long");
    let files = project.finalize_to(folder.path(), &options).unwrap();
    assert_eq!(files.all().unwrap().len(), 12);
    assert_photos(&simulator, "long", folder.path(), 12);
    // A file that was there was not fetched again.
    assert_eq!(paths(&simulator, "/get_download_link"), 8);
    assert_eq!(paths(&simulator, "/storage/"), 12 + 8);
}

/// A service whose project `p` has these files, with its storage. `decide` answers a request for a
/// file, and for a fresh link, by its path and query.
fn service(
    files: &'static [&'static str],
    mut decide: impl FnMut(&str) -> Option<Turn> + Send + 'static,
) -> Script {
    Script::each(move |request: &Request| {
        let path = request.path();
        let host = request.header("host").unwrap();
        let url = |name: &str, age: &str| format!("http://{host}/{name}?{age}");
        if let Some(turn) = decide(path) {
            return turn;
        }
        if path.ends_with("/finalize") {
            let link = |name: &&str| json!({"file_name": name, "download_link": url(name, "old")});
            let links: Vec<_> = files.iter().map(link).collect();
            return Turn::json(json!({ "files_list": links }).to_string());
        }
        if let Some((_, name)) = path.split_once("/get_download_link?file_name=") {
            return Turn::json(json!({ "download_link": url(name, "new") }).to_string());
        }
        Turn::status(200).body(path.trim_start_matches('/'))
    })
}

fn expired() -> Turn {
    Turn::s3_error(403, "AccessDenied", "Request has expired")
}

fn finalized(server: &Script, options: &DownloadOptions) -> Vec<Result<String, TransferReason>> {
    let client = Client::builder(KEY)
        .base_url(server.url())
        .retry(RetryPolicy::none());
    let folder = tempfile::tempdir().unwrap();
    let project = client.build().unwrap().project("p");
    contents(&project.finalize_to(folder.path(), options).unwrap())
}

/// How many requests had this in their path.
fn asked(server: &Script, part: &str) -> usize {
    let requests = server.requests();
    requests
        .iter()
        .filter(|it| it.path().contains(part))
        .count()
}

#[test]
fn a_file_whose_link_has_expired_gets_a_fresh_one() {
    let server = service(&["a.jpg", "b.jpg", "c.jpg"], |path| match path {
        "/b.jpg?old" | "/c.jpg?old" => Some(expired()),
        _ => None,
    });
    let files = finalized(&server, &DownloadOptions::default());
    let expected = ["a.jpg?old", "b.jpg?new", "c.jpg?new"].map(whole);
    assert_eq!(files, expected);
    assert_eq!(asked(&server, "/export/get_download_link?"), 2);
    assert_eq!(asked(&server, "get_temporary_download_links"), 0);
}

#[test]
fn a_link_that_expires_half_way_through_a_file_is_renewed() {
    let mut times = 0;
    let server = service(&["a.jpg"], move |path| {
        times += usize::from(path == "/a.jpg?old");
        let cut = Turn::status(200)
            .unframed()
            .header("Content-Length", "9")
            .body("a.jp");
        match (path, times) {
            ("/a.jpg?old", 1) => Some(cut.then(crate::support::script::End::Close)),
            ("/a.jpg?old", _) => Some(expired()),
            _ => None,
        }
    });
    let client = Client::builder(KEY).base_url(server.url());
    let client = client.retry(super::RETRY).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = client
        .project("p")
        .finalize_to(folder.path(), &DownloadOptions::default());
    assert_eq!(contents(&files.unwrap()), [whole("a.jpg?new")]);
    assert_eq!(names(folder.path()), ["a.jpg"]);
}

#[test]
fn a_link_that_is_never_good_is_renewed_once_and_no_more() {
    let server = service(&["a.jpg", "b.jpg"], |path| match path.contains('?') {
        true if path.starts_with("/a.jpg") => Some(expired()),
        _ => None,
    });
    let files = finalized(&server, &DownloadOptions::default());
    assert_eq!(
        files,
        [Err(TransferReason::LinkExpired), whole("b.jpg?old")]
    );
    assert_eq!(asked(&server, "get_download_link"), 1);
    assert_eq!(asked(&server, "/a.jpg?"), 2);
}

#[test]
fn what_arrived_is_kept_when_there_is_no_fresh_link() {
    let server = service(&["a.jpg", "b.jpg"], |path| match path {
        "/b.jpg?old" => Some(expired()),
        path if path.contains("get_download_link") => Some(Turn::status(403)),
        _ => None,
    });
    let files = finalized(&server, &DownloadOptions::default());
    assert_eq!(
        files,
        [whole("a.jpg?old"), Err(TransferReason::LinkExpired)]
    );
}

/// The service could only give a link to one of them, and each must get its own bytes.
#[test]
fn of_several_files_with_one_name_none_gets_a_fresh_link() {
    let mut times = 0;
    let server = service(&["a.jpg", "a.jpg"], move |path| {
        times += usize::from(path == "/a.jpg?old");
        (path == "/a.jpg?old" && times == 2).then(expired)
    });
    let files = finalized(&server, &one_thread());
    assert_eq!(
        files,
        [whole("a.jpg?old"), Err(TransferReason::LinkExpired)]
    );
    assert_eq!(asked(&server, "get_download_link"), 0);
}

#[test]
fn a_run_that_was_ended_asks_for_no_fresh_link() {
    let server = service(&["a.jpg", "b.jpg"], |path| {
        (path == "/a.jpg?old").then(expired)
    });
    let asked_before = Arc::new(Mutex::new(0));
    let options = DownloadOptions {
        // Told once before the request, and once more before a fresh link is asked for.
        progress: told(move |p| {
            let mut times = asked_before.lock().unwrap();
            *times += 1;
            match p.ended.is_none() && *times > 1 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }),
        ..one_thread()
    };
    let files = finalized(&server, &options);
    let expected = [TransferReason::LinkExpired, TransferReason::Cancelled];
    assert_eq!(files, expected.map(Err));
    assert_eq!(server.requests().len(), 2);
}
