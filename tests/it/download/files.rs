//! What is on the disk, whatever happens.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use imagen_ai::{DownloadLink, Error, Overwrite};

use super::{MIB, broken, client, names, url};
use crate::support::child;
use crate::support::faulty::End::Close;
use crate::support::faulty::{Faulty, File, Reply};
use crate::support::link;
use crate::support::simulator::{READY, Simulator};
use crate::support::{client_of, eventually, ms, refused};

/// What a child process of a test is to download, and where to.
fn errand() -> Option<(String, String)> {
    let variable = |name| std::env::var(name).unwrap();
    child::is_child().then(|| (variable("TEST_URL"), variable("TEST_PATH")))
}

fn child(test: &str, server: &Faulty, path: &Path) -> Command {
    let url = url(server);
    let mut command = child::command(
        test,
        &[("TEST_URL", url.as_ref()), ("TEST_PATH", path.as_os_str())],
    );
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The path and the kind of an error of the disk.
#[track_caller]
fn disk<T: std::fmt::Debug>(result: Result<T, Error>) -> (std::path::PathBuf, ErrorKind, String) {
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
    let server = Faulty::start(broken(&file, 1, 500_000, Close));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let mut told = Vec::new();
    let downloaded = client()
        .download(DownloadLink::new("DSC_0001.JPEG", &url(&server)))
        .progress(|p| {
            told.push((p.bytes, p.total));
            assert_eq!(names(folder.path()), ["a.jpg.imagen-part"]);
            ControlFlow::Continue(())
        })
        .to_file(&path)
        .unwrap();
    assert_eq!(told.first(), Some(&(0, None)));
    assert_eq!(told.last(), Some(&(MIB, Some(MIB))));
    assert_eq!((&downloaded.path, downloaded.bytes), (&path, MIB));
    assert_eq!(downloaded.file_name, "DSC_0001.JPEG");
    assert!(!downloaded.renamed && !downloaded.skipped);
    assert_eq!(names(folder.path()), ["a.jpg"]);
    assert!(fs::read(&path).unwrap() == file.bytes());
    // An empty file is a file.
    let server = Faulty::start([Reply::ok()]);
    let empty = folder.path().join("empty");
    client()
        .download(link(url(&server)))
        .to_file(empty)
        .unwrap();
    assert_eq!(names(folder.path()), ["a.jpg", "empty"]);
}

#[test]
fn an_edit_is_downloaded_as_a_link_is() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let photo = client.project(READY).image("DSC_0001.JPEG");
    let edit = photo.copilot("a bluer sky").unwrap();
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
fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, "old").unwrap();
    let server = Faulty::start([Reply::ok().body("new")]);
    let get = |overwrite| {
        client()
            .download(link(url(&server)))
            .overwrite(overwrite)
            .to_file(&path)
    };

    let (at, kind, text) = disk(client().download(link(url(&server))).to_file(&path));
    assert!(
        at == path && kind == ErrorKind::AlreadyExists && text.contains("Overwrite decides"),
        "{text}"
    );
    let skipped = get(Overwrite::Skip).unwrap();
    assert!(skipped.skipped && skipped.bytes == 3);
    assert_eq!(
        (
            server.requests(),
            fs::read_to_string(&path).unwrap().as_str()
        ),
        (0, "old")
    );
    assert!(!get(Overwrite::Always).unwrap().skipped);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    // A download that fails replaces nothing.
    let refused = Faulty::start([Reply::file(&File::made(1, 2000)).cut_body(500, Close)]);
    let failed = client()
        .download(link(url(&refused)))
        .overwrite(Overwrite::Always)
        .to_file(&path);
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    // A file that comes while we download stays too.
    for overwrite in [Overwrite::Never, Overwrite::Skip] {
        fs::remove_file(&path).unwrap();
        let client = client();
        let download = client
            .download(link(url(&server)))
            .overwrite(overwrite)
            .progress(|p| {
                if p.bytes > 0 {
                    fs::write(&path, "theirs").unwrap();
                }
                ControlFlow::Continue(())
            });
        match download.to_file(&path) {
            Ok(file) => assert!(overwrite == Overwrite::Skip && file.skipped && file.bytes == 6),
            result => assert_eq!(
                (disk(result).1, overwrite),
                (ErrorKind::AlreadyExists, Overwrite::Never)
            ),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }
}

#[test]
fn a_target_that_cannot_be_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let server = Faulty::start([Reply::ok().body("x")]);
    let client = client();
    let get = |path: &Path| {
        client
            .download(link(url(&server)))
            .overwrite(Overwrite::Always)
            .to_file(path)
    };
    let (path, kind, text) = disk(get(&at("missing/a.jpg")));
    assert!(
        path == at("missing") && kind == ErrorKind::NotFound,
        "{text}"
    );
    let (path, kind, _) = disk(get(folder.path()));
    assert!(path == folder.path() && kind == ErrorKind::IsADirectory);
    for nothing in ["..", "/", ""]
        .map(Path::new)
        .into_iter()
        .chain([&*at("newdir/")])
    {
        refused(get(nothing), "path");
    }
    #[cfg(unix)]
    {
        fs::write(at("real.jpg"), "old").unwrap();
        for (link, to) in [
            ("link", "real.jpg"),
            ("dangling", "nowhere"),
            ("device", "/dev/null"),
        ] {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        for special in ["dangling", "device"]
            .map(at)
            .iter()
            .chain([&"/dev/null".into()])
        {
            let (path, _, text) = disk(get(special));
            assert!(
                path == *special && text.contains("no regular file"),
                "{text}"
            );
        }
        assert_eq!(server.requests(), 0);
        // A link to a file is a file. It is replaced, and what it points to is not.
        get(&at("link")).unwrap();
        assert!(at("link").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read_to_string(at("real.jpg")).unwrap(), "old");
        assert_eq!(
            names(folder.path()),
            ["dangling", "device", "link", "real.jpg"]
        );
    }
}

#[test]
fn what_a_killed_process_leaves_is_replaced_by_the_next() {
    if let Some((url, path)) = errand() {
        let _ = client().download(link(url)).to_file(path);
        return;
    }
    let file = File::made(2, 16 * MIB);
    let whole = Reply::file(&file);
    let server = Faulty::start([whole.clone().drip_body(64 * 1024, ms(5)), whole]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let part = folder.path().join("a.jpg.imagen-part");

    let test = "download::files::what_a_killed_process_leaves_is_replaced_by_the_next";
    let mut child = child(test, &server, &path).spawn().unwrap();
    eventually(|| fs::metadata(&part).is_ok_and(|part| part.len() >= 4 * MIB));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(folder.path()), ["a.jpg.imagen-part"]);
    assert!(fs::metadata(&part).unwrap().len() < file.len());

    client()
        .download(link(url(&server)))
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
    let server = Faulty::start([Reply::file(&File::made(3, 8 * MIB))]);
    let folder = tempfile::tempdir().unwrap();
    let test = "download::files::a_disk_without_room_is_an_error_and_leaves_nothing";
    let child = child(test, &server, &folder.path().join("a.jpg"));
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(
            child
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!((server.requests(), names(folder.path()).len()), (1, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_writer_that_fails_ends_the_download() {
    let server = Faulty::start([Reply::file(&File::made(4, 1000))]);
    let (_, kind, text) = disk(
        client()
            .download(link(url(&server)))
            .to_writer(&mut [0; 500].as_mut_slice()),
    );
    assert!(
        kind == ErrorKind::WriteZero && text.starts_with("(writer): "),
        "{text}"
    );
    // It may fail when it is flushed, too.
    let mut late =
        std::io::BufWriter::new(fs::File::options().write(true).open("/dev/full").unwrap());
    let (_, kind, _) = disk(client().download(link(url(&server))).to_writer(&mut late));
    assert_eq!((kind, server.requests()), (ErrorKind::StorageFull, 2));
}
