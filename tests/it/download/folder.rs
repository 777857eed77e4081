//! What is in the folder already, and who else writes to it.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use imagen_ai::{DownloadLink, DownloadOptions, Overwrite};
use mockito::{Matcher, Server, ServerGuard};

use super::{client, names};

/// A storage that answers with the path that was asked for.
fn storage() -> ServerGuard {
    let mut server = Server::new();
    server
        .mock("GET", Matcher::Any)
        .with_body_from_request(|request| request.path().as_bytes().to_vec())
        .create();
    server
}

fn link(server: &ServerGuard, name: &str, path: &str) -> DownloadLink {
    DownloadLink::new(name, &format!("{}/{path}?sig=SECRET", server.url()))
}

/// Downloads three ways into the folder.
fn download_everything(folder: &Path) {
    let server = storage();
    let client = client();
    client
        .download(link(&server, "a.jpg", "a"))
        .to_file(folder.join("a.jpg"))
        .unwrap();
    let links = [link(&server, "b.jpg", "b"), link(&server, "probe", "c")];
    let options = DownloadOptions::default();
    client
        .download_all(links, folder, &options)
        .unwrap()
        .all()
        .unwrap();
}

/// Names that a part file or a trial has, had, or could be thought to have.
const NAMES_LIKE_OURS: [&str; 5] = [
    "a.jpg.imagen-part",
    "b.jpg.imagen-part",
    "probe.imagen-part",
    "imagen-part",
    ".imagen-part",
];

#[test]
fn a_users_own_files_named_like_part_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES_LIKE_OURS {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    download_everything(folder.path());
    for name in NAMES_LIKE_OURS {
        let content = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(content, "mine", "{name}");
    }
    assert_eq!(names(folder.path()).len(), NAMES_LIKE_OURS.len() + 3);
}

#[cfg(unix)]
#[test]
fn links_that_were_planted_are_neither_followed_nor_removed() {
    use std::os::unix::fs::{MetadataExt, symlink};

    let elsewhere = tempfile::tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let folder = tempfile::tempdir().unwrap();
    // One that is ours to the letter, too.
    let symlinks = [&NAMES_LIKE_OURS[..3], &["0123456789abcdef.imagen-part"]].concat();
    for name in &symlinks {
        symlink(&victim, folder.path().join(name)).unwrap();
    }
    for name in &NAMES_LIKE_OURS[3..] {
        fs::hard_link(&victim, folder.path().join(name)).unwrap();
    }
    download_everything(folder.path());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::metadata(&victim).unwrap().nlink(), 3);
    for name in &symlinks {
        let there = folder.path().join(name).symlink_metadata().unwrap();
        assert!(there.is_symlink(), "{name}");
    }
}

/// A download that opened one would wait for ever.
#[cfg(unix)]
#[test]
fn pipes_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipes = [&NAMES_LIKE_OURS[..], &["0123456789abcdef.imagen-part"]].concat();
    for name in &pipes {
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join(name))
            .status();
        assert!(made.unwrap().success());
    }
    download_everything(folder.path());
    assert_eq!(names(folder.path()).len(), pipes.len() + 3);
}

#[test]
fn leftovers_are_removed_before_many_files_are_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0123456789abcdef.imagen-part"), "left").unwrap();
    let none = Vec::<DownloadLink>::new();
    let all = client().download_all(none, folder.path(), &DownloadOptions::default());
    assert!(all.unwrap().is_empty());
    assert_eq!(names(folder.path()), [""; 0]);
}

/// A hard link of exactly the name of a leftover loses its name here, and nothing else.
#[test]
fn a_leftover_that_is_a_second_name_of_a_file_leaves_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("finished.jpg");
    let leftover = folder.path().join("0123456789abcdef.imagen-part");
    fs::write(&file, "whole").unwrap();
    fs::hard_link(&file, &leftover).unwrap();
    download_everything(folder.path());
    assert!(!leftover.exists());
    assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
}

#[cfg(unix)]
#[test]
fn only_a_regular_file_is_replaced_and_a_link_to_one_is_a_file() {
    use std::os::unix::fs::symlink;

    use super::signed;
    use crate::support::script::{Script, Turn};

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("real.jpg"), "old").unwrap();
    for (link, to) in [
        ("link", "real.jpg"),
        ("dangling", "nowhere"),
        ("device", "/dev/null"),
    ] {
        symlink(to, at(link)).unwrap();
    }
    let server = Script::of([Turn::status(200).body("x")]);
    let client = client();
    let get = |path: &Path| {
        let download = client.download(signed(&server.url()));
        download.overwrite(Overwrite::Always).to_file(path)
    };
    for special in [&at("dangling"), &at("device"), Path::new("/dev/null")] {
        let text = get(special).unwrap_err().to_string();
        assert!(text.contains("no regular file"), "{text}");
    }
    assert_eq!(server.connections(), 0);
    get(&at("link")).unwrap();
    assert!(at("link").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_to_string(at("real.jpg")).unwrap(), "old");
    let all = ["dangling", "device", "link", "real.jpg"];
    assert_eq!(names(folder.path()), all);
}

/// Downloads two files of one length to one name at the same moment. Returns which returned `Ok`,
/// and what the file holds.
fn race(server: &ServerGuard, overwrite: Overwrite) -> ([bool; 2], String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let client = client();
    let start = Barrier::new(2);
    let get = |name: &str| {
        start.wait();
        let download = client.download(link(server, "a.jpg", name));
        let result = download.overwrite(overwrite).to_file(&path);
        let mine = format!("/{name}");
        if result.is_ok() && overwrite == Overwrite::Never {
            assert_eq!(fs::read_to_string(&path).unwrap(), mine);
        }
        result.is_ok_and(|file| !file.skipped)
    };
    let done = thread::scope(|scope| {
        let first = scope.spawn(|| get("1"));
        let second = scope.spawn(|| get("2"));
        [first.join().unwrap(), second.join().unwrap()]
    });
    assert_eq!(names(folder.path()), ["a.jpg"]);
    (done, fs::read_to_string(path).unwrap())
}

#[test]
fn of_two_downloads_of_one_name_at_the_same_moment_one_has_it() {
    let server = storage();
    for _ in 0..100 {
        for overwrite in [Overwrite::Never, Overwrite::Skip] {
            let (done, content) = race(&server, overwrite);
            let expected = match done {
                [true, false] => "/1",
                [false, true] => "/2",
                _ => panic!("{done:?}"),
            };
            assert_eq!(content, expected);
        }
    }
}

#[test]
fn of_two_downloads_that_replace_one_name_both_arrive_and_the_last_one_stays() {
    let server = storage();
    for _ in 0..50 {
        let (done, content) = race(&server, Overwrite::Always);
        // Where Windows cannot rename as POSIX has it, nothing replaces a file that is open, as
        // that of the other download is for a moment.
        let is_refused = cfg!(windows) && done != [false, false];
        assert!(done == [true, true] || is_refused, "{done:?}");
        assert!(["/1", "/2"].contains(&&*content));
    }
}
