//! From files on disk to photos in a project.

mod faults;
mod storage;

#[cfg(target_os = "linux")]
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use imagen_ai::{
    Client, EditOptions, Error, Profile, Progress, Project, ProjectSource, TransferReason, UploadOptions, Uploaded,
    Wait, WaitReason,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::canned::Canned;
use crate::support::simulator::{Simulator, checksum};
use crate::support::{client_at, client_of, contrary_config, eventually, lock, ms};
use storage::{OK, Step, Storage};

const KEY: &str = "sk-upload-0123456789";

fn late_ok() -> Step {
    Step::Late(OK.to_owned())
}

fn client(server: &Storage) -> Client {
    client_at(&format!("http://{}/v1", server.addr), KEY)
}

fn project(server: &Storage) -> Project {
    client(server).project("p")
}

fn with(change: impl FnOnce(&mut UploadOptions)) -> UploadOptions {
    let mut options = UploadOptions::default();
    change(&mut options);
    options
}

fn one_by_one() -> UploadOptions {
    with(|options| options.threads = 1)
}

pub fn field(error: &Error) -> &str {
    match error {
        Error::InvalidInput { field, .. } => field,
        other => panic!("{other:#?}"),
    }
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
    let paths = names.iter().map(|name| folder.path().join(name));
    let paths: Vec<_> = paths.collect();
    for (path, name) in paths.iter().zip(names) {
        fs::write(path, name.repeat(1000)).unwrap();
    }
    (folder, paths)
}

const AGENT: &str = concat!("user-agent: imagen-ai/", env!("CARGO_PKG_VERSION"));

#[test]
fn the_requests_are_exactly_these() {
    const FILES: &str = r#""files_list":[{"file_name":"b.NEF"},{"file_name":"ä c.dng"}]}"#;
    for (source, path, start) in
        [(ProjectSource::Regular, "", "{"), (ProjectSource::I2i, "/i2i", r#"{"client_type":"API","#)]
    {
        let server = Storage::start([late_ok()]);
        let (_folder, paths) = files(&["b.NEF", "ä c.dng"]);
        let uploaded = client(&server).project_of(source, "p").upload(&paths, &one_by_one());
        let uploaded = uploaded.unwrap().pop().unwrap().unwrap();
        assert_eq!((&uploaded.path, uploaded.bytes), (&paths[1], 8000));
        assert_eq!(uploaded.file_name, "ä c.dng");

        let [(head, body)] = &server.links()[..] else { panic!() };
        let line = format!("POST /v1{path}/projects/p/get_temporary_upload_links HTTP/1.1\r\n");
        assert!(head.starts_with(&line) && head.contains(KEY), "{head}");
        assert_eq!(*body, format!("{start}{FILES}"));
        let puts = server.puts();
        let mut lines: Vec<&str> = puts[0].0.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), "PUT /b.NEF?X-Amz-Signature=SECRET-0 HTTP/1.1");
        // No key, no Content-Type, no chunks.
        lines.sort_unstable();
        let sent = format!("accept: */*|content-length: 5000|expect: 100-continue|host: {}|{AGENT}", server.addr);
        assert_eq!(lines.join("|"), sent);
        assert!(puts[1].0.starts_with("PUT /%C3%A4%20c.dng?"), "{puts:?}");
        assert_eq!((puts[0].1, puts[1].1), (5000, 8000));
    }
}

#[test]
fn a_callers_agent_sends_files_the_same_way() {
    let redirect = "HTTP/1.1 307 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_owned();
    // The last storage does not know `Expect`, and the agent would wait for ever.
    let steps = [(late_ok(), true), (Step::Early(redirect), false), (Step::Silent(OK.to_owned()), true)];
    for (step, is_ok) in steps {
        let server = Storage::start([step]);
        let (_folder, paths) = files(&["a.jpg"]);
        let client = Client::builder(KEY).base_url(format!("http://{}/v1", server.addr));
        let agent = contrary_config().timeout_await_100(None).build();
        let project = client.agent(agent.into()).build().unwrap().project("p");
        let results = project.upload(&paths, &UploadOptions::default()).unwrap();
        assert_eq!(results[0].is_ok(), is_ok, "{results:?}");
        let [(head, _)] = &server.puts()[..] else { panic!() };
        assert!(head.contains("expect: 100-continue") && head.contains(AGENT), "{head}");
        assert!(!head.contains(KEY) && !head.contains("content-type"), "{head}");
    }
}

#[test]
fn everything_is_checked_before_anything_is_sent() {
    let server = Storage::start([late_ok()]);
    let (folder, _) = files(&["a.nef", "b.JPG", "c.txt", "d"]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/folder.nef")).unwrap();
    fs::write(at("sub/a.nef"), "other").unwrap();
    let profile = |kind| serde_json::from_value::<Profile>(json!({ "profile_key": 1, "image_type": kind })).ok();
    let upload = |names: &[&str], profile| {
        let options = with(|options| options.profile = profile);
        project(&server).upload(names.iter().map(|name| at(name)), &options)
    };
    let raw = profile("raw");
    #[rustfmt::skip]
    let table = [
        (vec!["a.nef", "b.JPG"], None, "b.JPG: it is JPG, and not RAW like a.nef"),
        (vec!["b.JPG"], raw.clone(), "b.JPG: it is JPG, and not RAW like the profile"),
        (vec!["a.nef", "sub/a.nef"], None, "sub/a.nef: it has the same name as a.nef"),
        (vec!["a.nef", "a.nef"], None, "a.nef: it has the same name as a.nef"),
        (vec!["a.nef", "sub/folder.nef"], None, "sub/folder.nef: it is no regular file"),
        (vec!["a.nef", "c.txt"], None, "c.txt: its extension is none of jpg jpeg dng nef"),
        (vec!["d"], None, "d: its extension is none of jpg"),
    ];
    for (names, profile, why) in table {
        let error = upload(&names, profile).unwrap_err();
        let text = error.to_string().replace(&format!("{}/", folder.path().display()), "");
        assert!(text.starts_with(&format!("paths: {why}")) && field(&error) == "paths", "{text}");
    }
    let error = upload(&["a.nef", "gone.nef"], None).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == at("gone.nef")), "{error}");
    #[cfg(target_os = "linux")]
    {
        let odd: PathBuf = folder.path().join::<&OsStr>(OsStrExt::from_bytes(b"caf\xe9.nef"));
        fs::write(&odd, "x").unwrap();
        let error = project(&server).upload([&odd], &UploadOptions::default()).unwrap_err();
        assert!(error.to_string().contains("Unicode"), "{error}");
    }
    let no_limit = with(|options| options.stall_timeout = ms(0));
    let error = project(&server).upload([at("a.nef")], &no_limit).unwrap_err();
    assert_eq!(field(&error), "stall_timeout");
    assert!(upload(&[], None).unwrap().is_empty());
    assert_eq!((server.links().len(), server.puts().len()), (0, 0));

    for profile in [raw, profile("HEIC"), None] {
        assert!(upload(&["a.nef"], profile).unwrap()[0].is_ok());
    }
}

#[test]
fn an_answer_without_links_sends_nothing() {
    let (_folder, paths) = files(&["a.jpg"]);
    let upload = |body: &str| {
        let server = Canned::new(200, body);
        server.client().project("p").upload(&paths, &one_by_one())
    };
    assert!(matches!(upload("{}"), Err(Error::Decode(_))));
    assert!(matches!(upload(r#"{"error":{"message":"no"}}"#), Err(Error::Api(_))));
    // One unreadable link costs its own file only.
    let body = r#"{"files_list":[7,{"file_name":7},{"file_name":"a.jpg","upload_link":""},{"file_name":"z.jpg"}]}"#;
    assert_eq!(reason(&upload(body).unwrap()[0]), TransferReason::NoLink);
}

#[test]
fn progress_tells_of_each_file_and_of_all() {
    let server = Storage::start([Step::Cut(1000, String::new()), late_ok()]);
    let (_folder, paths) = files(&["a.jpg", "b.jpg", "c-nolink.jpg"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let options = one_by_one().on_progress(move |p: &Progress<'_>| {
        assert_eq!((p.file_name, p.files), (["a.jpg", "b.jpg", "c-nolink.jpg"][p.index], 3));
        lock(&list).push((p.index, p.bytes, p.total, p.done, p.all_bytes, p.files_done));
        ControlFlow::Continue(())
    });
    let results = project(&server).upload(&paths, &options).unwrap();
    assert!(results[0].is_ok() && results[1].is_ok() && results[2].is_err());
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
    ];
    let mut told = lock(&told);
    told.dedup();
    assert_eq!(*told, expected);
}

#[test]
fn a_callback_can_end_it() {
    let server = Storage::start([late_ok()]);
    let (_folder, paths) = files(&["a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
    let options = one_by_one().on_progress(|p| match p.index == 1 && p.bytes > 0 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    let results = project(&server).upload(&paths, &options).unwrap();
    assert!(results[0].is_ok());
    for result in &results[1..] {
        assert_eq!(reason(result), TransferReason::Cancelled);
    }
    // The second was on its way.
    eventually(|| server.puts().len() == 2);
}

#[test]
fn the_whole_road_works_for_both_kinds() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    #[rustfmt::skip]
    let wait = Wait { longest: ms(5), ..Wait::default() };
    let names = ["1.NEF", "2.NEF", "3.NEF", "4.NEF", "5.NEF", "6.nef"];
    let (_folder, paths) = files(&names);
    for smart in [false, true] {
        #[rustfmt::skip]
        let (project, edit) = match smart {
            false => (client.create_project("Smith wedding"), EditOptions::profile(5700).crop(true)),
            true => (client.create_i2i_project("Smith house"), EditOptions::smart().hdr_merge(true)),
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
        assert!(results.iter().all(Result::is_ok), "{results:?}");
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
            assert!(matches!(early, Err(Error::WaitFailed(e)) if e.reason == WaitReason::NotExported));
            project.export().unwrap();
            assert_eq!(project.wait_until_exported(&wait).unwrap().progress, Some(100.0));
        }
        project.wait_until_completed(&wait).unwrap();
        let mut images = project.images().unwrap();
        images.sort_by(|one, other| one.file_name().cmp(other.file_name()));
        assert_eq!((images.len(), images[0].file_name()), (6, "1.JPEG"));
        assert!(images[0].copilot("make the sky more blue").unwrap().version_id.is_some());
    }
}
