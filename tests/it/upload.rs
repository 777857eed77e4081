//! From files on disk to photos in a project.

mod faults;

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use imagen_ai::{
    Client, EditOptions, Error, Profile, Progress, Project, ProjectKind, TransferReason,
    UploadOptions, Uploaded, Wait, WaitReason,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::canned::Canned;
use crate::support::faulty::End::{Close, Reset};
use crate::support::faulty::{Faulty, Reply, Request};
use crate::support::simulator::{Simulator, checksum};
use crate::support::{client_at, client_of, contrary_config, eventually, lock, ms, refused};

const KEY: &str = "sk-upload-0123456789";

/// A service, and the storage that its links lead to.
struct Servers {
    api: Faulty,
    storage: Faulty,
}

impl Servers {
    /// What the storage does to each `PUT`. The service gives links in the opposite order, and none
    /// for names with "nolink" in them.
    fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let storage = Faulty::start(script);
        let url = storage.url();
        let api = Faulty::each(move |request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let names = body["files_list"]
                .as_array()
                .unwrap()
                .iter()
                .rev()
                .map(|file| file["file_name"].as_str().unwrap());
            let link = |name| json!({"file_name": name, "upload_link": format!("{url}/{name}?X-Amz-Signature=SECRET")});
            let links: Vec<_> = names
                .filter(|name| !name.contains("nolink"))
                .map(link)
                .collect();
            Reply::json(json!({ "files_list": links }).to_string())
        });
        Self { api, storage }
    }

    fn project(&self) -> Project {
        client_at(&self.api.url(), KEY).project("p")
    }

    fn puts(&self) -> Vec<Request> {
        self.storage.received()
    }
}

/// An answer before the body.
fn early(reply: Reply) -> Reply {
    reply.early().then(Close)
}

/// An answer while the body is on its way, and a reset.
fn midway(reply: Reply) -> Reply {
    reply.early().interim(100).then_wait(ms(30)).then(Reset)
}

fn with(change: impl FnOnce(&mut UploadOptions)) -> UploadOptions {
    let mut options = UploadOptions::default();
    change(&mut options);
    options
}

fn one_by_one() -> UploadOptions {
    with(|options| options.threads = 1)
}

fn reason(result: &Result<Uploaded, Error>) -> TransferReason {
    match result {
        Err(Error::Transfer(e)) => e.reason,
        other => panic!("{other:#?}"),
    }
}

/// A folder with files of these names, each holding its name a thousand times.
fn files(names: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &&str| {
        let path = folder.path().join(name);
        fs::write(&path, name.repeat(1000)).unwrap();
        path
    };
    let paths = names.iter().map(write).collect();
    (folder, paths)
}

const AGENT: &str = concat!("user-agent: imagen-ai/", env!("CARGO_PKG_VERSION"));

#[test]
fn the_requests_are_exactly_these() {
    const FILES: &str = r#""files_list":[{"file_name":"b.NEF"},{"file_name":"ä c.dng"}]}"#;
    for (source, path, start) in [
        (ProjectKind::ProfileBased, "", "{"),
        (ProjectKind::Smart, "/i2i", r#"{"client_type":"API","#),
    ] {
        let server = Servers::start([Reply::ok()]);
        let (_folder, paths) = files(&["b.NEF", "ä c.dng"]);
        let project = client_at(&server.api.url(), KEY).project_of(source, "p");
        let uploaded = project
            .upload(&paths, &one_by_one())
            .unwrap()
            .0
            .pop()
            .unwrap()
            .unwrap();
        assert_eq!(
            (&uploaded.path, uploaded.bytes, uploaded.file_name.as_str()),
            (&paths[1], 8000, "ä c.dng")
        );

        let [links] = &server.api.received()[..] else {
            panic!()
        };
        assert_eq!(
            links.path(),
            format!("{path}/projects/p/get_temporary_upload_links")
        );
        assert_eq!(
            (links.method(), links.header("x-api-key")),
            ("POST", Some(KEY))
        );
        assert_eq!(links.body, format!("{start}{FILES}").into_bytes());
        let [first, second] = &server.puts()[..] else {
            panic!()
        };
        let mut lines: Vec<&str> = first.head.lines().collect();
        assert_eq!(
            lines.remove(0),
            "PUT /b.NEF?X-Amz-Signature=SECRET HTTP/1.1"
        );
        // No key, no Content-Type, no chunks.
        lines.sort_unstable();
        let host = server.storage.addr();
        let sent = format!(
            "accept-encoding: identity|accept: */*|content-length: 5000|host: {host}|{AGENT}"
        );
        assert_eq!(lines.join("|"), sent);
        assert!(second.path().starts_with("/%C3%A4%20c.dng?"), "{second:?}");
        assert_eq!(
            (first.body.len(), &second.body),
            (5000, &fs::read(&paths[1]).unwrap())
        );
    }
}

#[test]
fn a_callers_agent_sends_files_the_same_way() {
    let replies = [
        (Reply::ok(), true),
        (early(Reply::redirect(307, "/x")), false),
    ];
    for (reply, is_ok) in replies {
        let server = Servers::start([reply]);
        let (_folder, paths) = files(&["a.jpg"]);
        let agent = contrary_config().build();
        let client = Client::builder(KEY)
            .base_url(server.api.url())
            .agent(agent.into())
            .build();
        let results = client
            .unwrap()
            .project("p")
            .upload(&paths, &UploadOptions::default())
            .unwrap();
        assert_eq!(results[0].is_ok(), is_ok, "{results:?}");
        let [Request { head, .. }] = &server.puts()[..] else {
            panic!()
        };
        assert!(!head.contains("expect:") && head.contains(AGENT), "{head}");
        assert!(
            !head.contains(KEY) && !head.contains("content-type"),
            "{head}"
        );
    }
}

#[test]
fn everything_is_checked_before_anything_is_sent() {
    let server = Servers::start([Reply::ok()]);
    let (folder, _) = files(&["a.nef", "b.JPG", "c.txt", "d"]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/folder.nef")).unwrap();
    fs::write(at("sub/a.nef"), "other").unwrap();
    let profile = |kind| {
        serde_json::from_value::<Profile>(json!({ "profile_key": 1, "image_type": kind })).ok()
    };
    let upload = |names: &[&str], profile| {
        let options = with(|options| options.profile = profile);
        server
            .project()
            .upload(names.iter().map(|name| at(name)), &options)
    };
    let raw = profile("raw");
    let table = [
        (
            "a.nef b.JPG",
            None,
            "b.JPG: it is JPG, and not RAW like a.nef",
        ),
        (
            "b.JPG",
            raw.clone(),
            "b.JPG: it is JPG, and not RAW like the profile",
        ),
        (
            "a.nef sub/a.nef",
            None,
            "sub/a.nef: it has the same name as a.nef",
        ),
        ("a.nef a.nef", None, "a.nef: it has the same name as a.nef"),
        (
            "a.nef sub/folder.nef",
            None,
            "sub/folder.nef: it is no regular file",
        ),
        (
            "a.nef c.txt",
            None,
            "c.txt: its extension is none of jpg jpeg dng nef",
        ),
        ("d", None, "d: its extension is none of jpg"),
    ];
    for (names, profile, why) in table {
        let text = refused(
            upload(&names.split(' ').collect::<Vec<_>>(), profile),
            "paths",
        );
        let text = text.replace(&format!("{}/", folder.path().display()), "");
        assert!(text.starts_with(&format!("paths: {why}")), "{text}");
    }
    let error = upload(&["a.nef", "gone.nef"], None).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if *path == at("gone.nef")),
        "{error}"
    );
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd: PathBuf = folder
            .path()
            .join(std::ffi::OsStr::from_bytes(b"caf\xe9.nef"));
        fs::write(&odd, "x").unwrap();
        let text = refused(
            server.project().upload([&odd], &UploadOptions::default()),
            "paths",
        );
        assert!(text.contains("Unicode"), "{text}");
    }
    let no_limit = with(|options| options.stall_timeout = ms(0));
    refused(
        server.project().upload([at("a.nef")], &no_limit),
        "stall_timeout",
    );
    assert!(upload(&[], None).unwrap().is_empty());
    assert_eq!(
        (server.api.connections(), server.storage.connections()),
        (0, 0)
    );

    for profile in [raw, profile("HEIC"), None] {
        assert!(upload(&["a.nef"], profile).unwrap()[0].is_ok());
    }
}

#[test]
fn an_answer_without_links_sends_nothing() {
    let (_folder, paths) = files(&["a.jpg"]);
    let upload = |body: &str| {
        Canned::new(200, body)
            .client()
            .project("p")
            .upload(&paths, &one_by_one())
    };
    assert!(matches!(upload("{}"), Err(Error::Decode(_))));
    assert!(matches!(
        upload(r#"{"error":{"message":"no"}}"#),
        Err(Error::Api(_))
    ));
    // One unreadable link costs its own file only.
    let body = r#"{"files_list":[7,{"file_name":7},{"file_name":"a.jpg","upload_link":""},{"file_name":"z.jpg"}]}"#;
    assert_eq!(reason(&upload(body).unwrap()[0]), TransferReason::NoLink);
}

#[test]
fn progress_tells_of_each_file_and_of_all_and_the_callback_can_end_it() {
    let server = Servers::start([midway(Reply::raw("")), Reply::ok()]);
    let (_folder, paths) = files(&["a.jpg", "b.jpg", "c-nolink.jpg", "d.jpg", "e.jpg"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let options = one_by_one().on_progress(move |p: &Progress<'_>| {
        assert_eq!(
            (p.file_name.as_bytes()[0], p.files),
            (b'a' + p.index as u8, 5)
        );
        lock(&list).push((p.index, p.bytes, p.total, p.done, p.all_bytes, p.files_done));
        match p.index == 3 && p.bytes > 0 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let results = server.project().upload(&paths, &options).unwrap();
    assert!(results[0].is_ok() && results[1].is_ok());
    let [no_link, cancelled @ ..] = [2, 3, 4].map(|index| reason(&results[index]));
    assert_eq!(
        (no_link, cancelled),
        (TransferReason::NoLink, [TransferReason::Cancelled; 2])
    );
    // The bytes of an attempt that failed count once.
    let expected = [
        (0, 0, Some(5000), false, 0, 0),
        (0, 5000, Some(5000), false, 5000, 0),
        (0, 0, Some(5000), false, 0, 0),
        (0, 5000, Some(5000), false, 5000, 0),
        (0, 5000, Some(5000), true, 5000, 1),
        (1, 0, Some(5000), false, 5000, 1),
        (1, 5000, Some(5000), false, 10_000, 1),
        (1, 5000, Some(5000), true, 10_000, 2),
        (2, 0, None, true, 10_000, 3),
        (3, 0, Some(5000), false, 10_000, 3),
        (3, 5000, Some(5000), false, 15_000, 3),
    ];
    let mut told = lock(&told);
    // While a file waits to be sent again, the same is told several times.
    told.dedup();
    assert_eq!(told[..expected.len()], expected);
    // The fourth was on its way.
    eventually(|| server.puts().len() == 4);
}

#[test]
fn the_whole_road_works_for_both_kinds() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let wait = Wait {
        longest: ms(5),
        ..Wait::default()
    };
    let names = ["1.NEF", "2.NEF", "3.NEF", "4.NEF", "5.NEF", "6.nef"];
    let (_folder, paths) = files(&names);
    // An empty file is a file.
    fs::write(&paths[2], "").unwrap();
    for smart in [false, true] {
        let (project, edit) = match smart {
            false => (
                client.create_project("Smith wedding"),
                EditOptions::profile(5700).crop(true),
            ),
            true => (
                client.create_smart_project("Smith house"),
                EditOptions::smart().hdr_merge(true),
            ),
        };
        let project = project.unwrap();
        match project.edit(&edit).unwrap_err() {
            Error::OutcomeUnknown(e) if smart => assert!(e.advice.contains("five")),
            early => assert_eq!((smart, early.status()), (false, Some(400))),
        }
        let mut profiles = client.profiles().unwrap().into_iter();
        let profile = profiles.find(|profile| profile.profile_key == 5700);
        let options = with(|options| options.profile = profile);
        let results = project.upload(&paths, &options).unwrap();
        assert!(
            results
                .iter()
                .map(|result| &result.as_ref().unwrap().path)
                .eq(&paths),
            "{results:?}"
        );
        let mut stored = simulator.uploaded(project.uuid());
        stored.sort_by(|one, other| one.name.cmp(&other.name));
        for ((stored, path), name) in stored.iter().zip(&paths).zip(names) {
            assert_eq!(stored.name, name);
            assert_eq!(stored.checksum, checksum(&fs::read(path).unwrap()));
        }

        project.edit(&edit).unwrap();
        let mut seen = Vec::new();
        let edited = project.wait_until_edited_with(&wait, |status| {
            seen.push(status.as_ref().unwrap().status.to_string());
            ControlFlow::Continue(())
        });
        edited.unwrap();
        assert_eq!(seen, ["In Progress", "In Progress", "Completed"]);
        if !smart {
            let early = project.wait_until_completed(&wait);
            assert!(
                matches!(early, Err(Error::WaitFailed(e)) if e.reason == WaitReason::NotExported)
            );
            project.export().unwrap();
            assert_eq!(
                project.wait_until_exported(&wait).unwrap().progress,
                Some(100.0)
            );
        }
        project.wait_until_completed(&wait).unwrap();
        let mut images = project.images().unwrap();
        images.sort_by(|one, other| one.file_name().cmp(other.file_name()));
        assert_eq!((images.len(), images[0].file_name()), (6, "1.JPEG"));
        assert!(
            images[0]
                .copilot("make the sky more blue")
                .unwrap()
                .version_id
                .is_some()
        );
    }
}
