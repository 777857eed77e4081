//! One file on the disk: when it appears, what it replaces, and what stays after an error.

use std::fmt::Debug;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imagen_ai::{DownloadLink, Error, Overwrite};
use mockito::{Server, ServerGuard};

use super::{MIB, broken, client, names, signed};
use crate::support::file::File;
use crate::support::script::End::{Close, Stall};
use crate::support::script::{Script, Turn};
use crate::support::simulator::{READY, Simulator};
use crate::support::{child, client_of, eventually, link, refused};

/// What a child process of a test is to download, and where to.
fn errand() -> Option<(String, String)> {
    let variable = |name| std::env::var(name).unwrap();
    child::is_child().then(|| (variable("TEST_URL"), variable("TEST_PATH")))
}

fn child(test: &str, server: &Script, path: &Path) -> Command {
    let url = signed(&server.url());
    let mut command = child::command(
        test,
        &[
            ("TEST_URL", url.as_str().as_ref()),
            ("TEST_PATH", path.as_os_str()),
        ],
    );
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A storage that has one short file.
fn storage(body: &str) -> ServerGuard {
    let mut server = Server::new();
    server
        .mock("GET", mockito::Matcher::Any)
        .with_body(body)
        .create();
    server
}

/// The path and the kind of an error of the disk, and what it says.
#[track_caller]
fn disk<T: Debug>(result: Result<T, Error>) -> (PathBuf, ErrorKind, String) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(std::error::Error::source(&error).is_none());
    match error {
        Error::Io { path, source } => (path, source.kind(), text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_appears_under_its_name_when_it_is_whole() {
    let file = File::made(1, MIB);
    let server = Script::of(broken(&file, 1, 500_000, Close));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sky.jpg");
    let mut told = Vec::new();
    let downloaded = client()
        .download(DownloadLink::new(
            "DSC_0001.JPEG",
            signed(&server.url()).as_str(),
        ))
        .progress(|p| {
            assert_eq!(
                (p.name, p.items, p.all_bytes),
                ("DSC_0001.JPEG", 1, p.bytes)
            );
            told.push((p.bytes, p.total));
            let [part] = names(folder.path()).try_into().unwrap();
            assert!(part.ends_with(".imagen-part"), "{part}");
            ControlFlow::Continue(())
        })
        .to_file(&path)
        .unwrap();
    let length = MIB as u64;
    assert_eq!(told.first(), Some(&(0, None)));
    assert_eq!(told.last(), Some(&(length, Some(length))));
    assert_eq!((&downloaded.path, downloaded.bytes), (&path, length));
    assert_eq!(downloaded.file_name, "DSC_0001.JPEG");
    assert!(!downloaded.renamed && !downloaded.skipped);
    assert_eq!(names(folder.path()), ["sky.jpg"]);
    assert!(fs::read(&path).unwrap() == file.bytes());
}

#[test]
fn an_empty_file_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = storage("");
    let download = client();
    let download = download.download(signed(&server.url()));
    download.to_file(folder.path().join("empty")).unwrap();
    assert_eq!(names(folder.path()), ["empty"]);
}

#[test]
fn an_edit_is_downloaded_as_a_link_is() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let image = client.project(READY).image("DSC_0001.JPEG");
    let edit = image.copilot("a bluer sky").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = client
        .download(&edit)
        .to_file(folder.path().join("sky.jpg"))
        .unwrap();
    assert_eq!(file.file_name, "DSC_0001.JPEG");
    let expected = simulator.jpeg(READY, "DSC_0001.JPEG", Some(123));
    assert!(fs::read(&file.path).unwrap() == expected);
    let url = edit.enhanced_image_url.as_str();
    assert!(client.download(link(url)).to_vec(1 << 20).unwrap() == expected);
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, "old").unwrap();
    let server = Script::of([Turn::status(200).body("new")]);
    let client = client();
    let get = |overwrite| {
        let download = client.download(signed(&server.url()));
        download.overwrite(overwrite).to_file(&path)
    };

    let (at, kind, text) = disk(client.download(signed(&server.url())).to_file(&path));
    assert_eq!((at, kind), (path.clone(), ErrorKind::AlreadyExists));
    assert!(text.contains("Overwrite decides"), "{text}");
    let skipped = get(Overwrite::Skip).unwrap();
    assert!(skipped.skipped && skipped.bytes == 3);
    assert_eq!(server.connections(), 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert!(!get(Overwrite::Always).unwrap().skipped);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

#[test]
fn a_download_that_fails_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, "old").unwrap();
    let server = Script::of([Turn::file(&File::made(1, 2000)).cut_body(500, Close)]);
    let client = client();
    let download = client.download(signed(&server.url()));
    assert!(
        download
            .overwrite(Overwrite::Always)
            .to_file(&path)
            .is_err()
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["a.jpg"]);
}

#[test]
fn a_file_that_comes_meanwhile_stays() {
    for overwrite in [Overwrite::Never, Overwrite::Skip] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let server = storage("ours");
        let client = client();
        let download = client
            .download(signed(&server.url()))
            .overwrite(overwrite)
            .progress(|p| {
                if p.bytes > 0 {
                    fs::write(&path, "theirs").unwrap();
                }
                ControlFlow::Continue(())
            });
        match download.to_file(&path) {
            Ok(file) => assert!(overwrite == Overwrite::Skip && file.skipped && file.bytes == 6),
            result => {
                assert_eq!(disk(result).1, ErrorKind::AlreadyExists);
                assert_eq!(overwrite, Overwrite::Never);
            }
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }
}

#[test]
fn a_target_that_cannot_be_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = Script::of([Turn::status(200).body("x")]);
    let client = client();
    let get = |path: &Path| {
        let download = client.download(signed(&server.url()));
        download.overwrite(Overwrite::Always).to_file(path)
    };
    let (path, kind, _) = disk(get(&at("missing/a.jpg")));
    assert_eq!((path, kind), (at("missing"), ErrorKind::NotFound));
    let (path, kind, _) = disk(get(folder.path()));
    assert_eq!(path, folder.path());
    assert_eq!(kind, ErrorKind::IsADirectory);
    fs::write(at("file"), "").unwrap();
    let below_a_file = disk(get(&at("file/a.jpg"))).0;
    // Windows says of a file on the way what it says of a folder that is missing.
    match cfg!(windows) {
        true => assert!(below_a_file.starts_with(at("file")), "{below_a_file:?}"),
        false => assert_eq!(below_a_file, at("file/a.jpg")),
    }
    // Under wine, a name that is too long is one that is not there until the file is made.
    if cfg!(not(windows)) {
        let long = at(&"x".repeat(300));
        assert_eq!(disk(get(&long)).0, long);
    }
    for nothing in [Path::new(".."), Path::new("/"), Path::new("")] {
        refused(get(nothing), "path");
    }
    refused(get(&at("newdir/")), "path");
    refused(get(&at("0123456789abcdef.imagen-part")), "path");
    assert_eq!(server.connections(), 0);
    assert_eq!(names(folder.path()), ["file"]);
}

#[cfg(windows)]
#[test]
fn a_file_that_windows_does_not_replace_is_refused_before_anything_is_sent() {
    use std::os::windows::fs::OpenOptionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, "old").unwrap();
    let server = Script::of([Turn::status(200).body("x")]);
    let client = client();
    let get = || {
        let download = client.download(signed(&server.url()));
        download.overwrite(Overwrite::Always).to_file(&path)
    };
    let open = fs::File::options()
        .read(true)
        .share_mode(1)
        .open(&path)
        .unwrap();
    assert_eq!(disk(get()).0, path);
    drop(open);
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions.clone()).unwrap();
    assert_eq!(disk(get()).1, ErrorKind::PermissionDenied);
    assert_eq!(server.connections(), 0);
    permissions.set_readonly(false);
    fs::set_permissions(&path, permissions).unwrap();
    get().unwrap();
}

/// What a part file that was left behind is called.
fn the_part(folder: &Path) -> Option<PathBuf> {
    let [name] = names(folder).try_into().ok()?;
    Some(folder.join(name)).filter(|path| path.extension().is_some_and(|it| it == "imagen-part"))
}

#[test]
fn what_a_killed_process_leaves_is_removed_by_the_next_download() {
    if let Some((url, path)) = errand() {
        let _ = client().download(link(url)).to_file(path);
        return;
    }
    let file = File::made(2, 16 * MIB);
    let stalled = Turn::file(&file).cut_body(8 * MIB, Stall);
    let server = Script::of([stalled, Turn::file(&file)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");

    let test = "download::files::what_a_killed_process_leaves_is_removed_by_the_next_download";
    let mut child = child(test, &server, &path).spawn().unwrap();
    eventually(|| {
        let length = the_part(folder.path()).and_then(|part| part.metadata().ok());
        length.is_some_and(|part| part.len() >= 4 * MIB as u64)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let part = the_part(folder.path()).unwrap();
    assert!(fs::metadata(part).unwrap().len() < file.bytes().len() as u64);

    client()
        .download(signed(&server.url()))
        .to_file(&path)
        .unwrap();
    assert_eq!(names(folder.path()), ["a.jpg"]);
    assert!(fs::read(&path).unwrap() == file.bytes());
}

/// A limit on the size of files stands in for a full disk: a write fails in the middle, and no
/// rights are needed to set it.
#[cfg(unix)]
#[test]
fn a_disk_without_room_is_an_error_and_leaves_nothing() {
    if let Some((url, path)) = errand() {
        let (at, _, _) = disk(client().download(link(url)).to_file(&path));
        assert_eq!(at, Path::new(&path));
        return;
    }
    let server = Script::of([Turn::file(&File::made(3, 8 * MIB))]);
    let folder = tempfile::tempdir().unwrap();
    let test = "download::files::a_disk_without_room_is_an_error_and_leaves_nothing";
    let child = child(test, &server, &folder.path().join("a.jpg"));
    let variables = child.get_envs();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_writer_that_fails_ends_the_download() {
    let server = Script::of([Turn::file(&File::made(4, 1000))]);
    let client = client();
    let download = client.download(signed(&server.url()));
    let (_, kind, text) = disk(download.to_writer([0; 500].as_mut_slice()));
    assert_eq!(kind, ErrorKind::WriteZero);
    assert!(text.starts_with("(writer): "), "{text}");
    assert_eq!(server.requests().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_writer_that_fails_when_it_is_flushed_is_an_error() {
    let server = storage("a picture");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut late = std::io::BufWriter::new(full);
    let client = client();
    let download = client.download(signed(&server.url()));
    let (_, kind, _) = disk(download.to_writer(&mut late));
    assert_eq!(kind, ErrorKind::StorageFull);
}
