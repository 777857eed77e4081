//! Many files into one folder.

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Instant;

use imagen_ai::{DownloadLink, DownloadOptions, DownloadReason, Error, Overwrite};

use super::{client, names};
use crate::support::faulty::{Faulty, Reply};
use crate::support::ms;

/// A server whose files hold their own number, `/0?sig=SECRET` and on, each sent in `pieces`.
fn numbered(pieces: usize) -> Faulty {
    Faulty::each(move |request| {
        let number = request
            .path()
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap()
            .to_owned();
        match number.parse::<usize>() {
            Ok(_) => Reply::ok().body(number.repeat(pieces)).drip_body(number.len(), ms(30)),
            Err(_) => Reply::s3_error(404, "NoSuchKey", "The specified key does not exist."),
        }
    })
}

fn link(server: &Faulty, name: &str, path: impl std::fmt::Display) -> DownloadLink {
    DownloadLink::new(name, format!("{}/{path}?sig=SECRET", server.url()))
}

#[test]
fn results_come_in_the_order_of_the_links_and_a_failure_stops_no_other() {
    let server = numbered(1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let links: Vec<_> = (0..20)
        .map(|n| {
            if n % 5 == 3 {
                link(&server, "lost", "lost")
            } else {
                link(&server, &format!("{n}.jpg"), n)
            }
        })
        .collect();
    let results = client()
        .download_all(&links, &out, &DownloadOptions::default())
        .unwrap();
    assert_eq!(results.len(), 20);
    for (n, result) in results.iter().enumerate() {
        match result {
            Ok(file) => {
                assert_eq!(file.path, out.join(format!("{n}.jpg")));
                assert_eq!(fs::read_to_string(&file.path).unwrap(), n.to_string());
            }
            Err(Error::Download(e)) => assert!(n % 5 == 3 && e.reason == DownloadReason::Refused),
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(names(&out).len(), 16);
    assert!(
        client()
            .download_all(&links, &out, &DownloadOptions::default())
            .unwrap()
            .iter()
            .all(Result::is_err)
    );

    assert!(
        client()
            .download_all([""; 0], &out, &DownloadOptions::default())
            .unwrap()
            .is_empty()
    );
    let in_the_way = client().download_all(&links, out.join("1.jpg"), &DownloadOptions::default());
    assert!(matches!(in_the_way, Err(Error::Io { .. })));
}

#[test]
fn two_hundred_hostile_names_stay_in_the_folder_and_apart() {
    let forms = [
        "../../../../tmp/evil.jpg",
        "..\\..\\evil.jpg",
        "/etc/passwd",
        "C:\\Windows\\evil.jpg",
        "C:evil.jpg",
        "..",
        ".",
        "",
        " ",
        "...",
        ".hidden",
        "NUL",
        "con.jpg",
        "LPT1.tar.gz",
        "a.jpg",
        "A.JPG",
        "a.jpg.",
        "a.jpg ",
        "a:stream.jpg",
        "a\0b.jpg",
        "a\nb.jpg",
        "\u{1b}[31mred.jpg",
        "\u{202e}gpj.exe",
        "\u{feff}.jpg",
        "a/b.jpg",
        "a\\b.jpg",
        "a?b.jpg",
        "caf\u{e9}.jpg",
        "CAF\u{c9}.JPG",
        "stra\u{df}e.jpg",
        "STRASSE.JPG",
        "%2e%2e%2fevil.jpg",
        "~/.ssh/id",
        "-rf",
        "$(touch evil)",
        "a.jpg.imagen-part",
        "a (2).jpg",
        "🏠.jpg",
        "|rm",
        "\u{200b}",
    ];
    let long = "x".repeat(400);
    let server = numbered(1);
    let links: Vec<_> = (0..200)
        .map(|n| {
            let form = forms[n % forms.len()];
            let name = if n % 40 == 39 {
                format!("{long}{form}.jpg")
            } else {
                form.to_owned()
            };
            link(&server, &name, n)
        })
        .collect();
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let results = client()
        .download_all(&links, &out, &DownloadOptions::default())
        .unwrap();

    let mut seen = HashSet::new();
    for (n, (link, result)) in links.iter().zip(&results).enumerate() {
        let file = result.as_ref().unwrap_or_else(|e| panic!("{link:?}: {e}"));
        assert_eq!(file.path.parent(), Some(out.as_path()), "{link:?}");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), n.to_string());
        let name = file.path.file_name().unwrap().to_str().unwrap();
        assert!(!name.starts_with('.') && name.len() <= 255);
        assert!(seen.insert(name.to_lowercase()), "{name}");
        if !link.file_name.as_ref().unwrap().trim().is_empty() {
            assert_eq!(Some(&file.file_name), link.file_name.as_ref());
        }
        assert_eq!(file.renamed, file.file_name != name);
    }
    assert_eq!(names(&out).len(), 200);
    assert_eq!(names(parent.path()), ["out"]);
    assert_eq!(results[14].as_ref().unwrap().path, out.join("a.jpg"));
    assert!(!results[14].as_ref().unwrap().renamed);
}

#[test]
fn a_link_without_a_name_is_named_by_its_url() {
    let server = Faulty::start([Reply::ok().body("x")]);
    let folder = tempfile::tempdir().unwrap();
    let urls = ["/a/my%20photo.jpg?sig=/b.jpg", "/a/..%2f..%2fevil.jpg", "/"].map(|path| server.url() + path);
    let results = client()
        .download_all(&urls, folder.path(), &DownloadOptions::default())
        .unwrap();
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(names(folder.path()), ["__.._evil.jpg", "my photo.jpg", "unnamed"]);
}

#[test]
fn no_more_files_are_on_their_way_than_threads() {
    for (threads, links, most) in [(0, 4, 1), (1, 4, 1), (3, 9, 3), (8, 2, 2)] {
        let server = numbered(3);
        let folder = tempfile::tempdir().unwrap();
        let links: Vec<_> = (0..links).map(|n| link(&server, &n.to_string(), n)).collect();
        type Seen = (HashSet<ThreadId>, HashSet<usize>, usize);
        let seen: Arc<(Mutex<Seen>, Condvar)> = Arc::default();
        let shared = Arc::clone(&seen);
        let options = DownloadOptions {
            threads,
            ..DownloadOptions::default()
        }
        .on_progress(move |progress| {
            let (state, changed) = &*shared;
            let mut state = state.lock().unwrap();
            let (ids, underway, peak) = &mut *state;
            ids.insert(std::thread::current().id());
            if progress.done {
                assert!(underway.remove(&progress.index));
            } else {
                underway.insert(progress.index);
            }
            *peak = underway.len().max(*peak);
            changed.notify_all();
            // Nobody goes on until as many are on their way as there can be.
            let waited = changed.wait_timeout_while(state, ms(10_000), |(_, _, peak)| *peak < most);
            assert!(!waited.unwrap().1.timed_out());
            ControlFlow::Continue(())
        });
        let results = client().download_all(&links, folder.path(), &options).unwrap();
        assert!(results.iter().all(Result::is_ok));
        let (ids, underway, peak) = &*seen.0.lock().unwrap();
        assert_eq!((ids.len(), underway.len(), *peak), (most, 0, most), "{threads}");
        assert!(ids.contains(&std::thread::current().id()));
    }
}

#[test]
fn progress_is_told_of_each_file_and_of_all() {
    let server = numbered(10);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("there.jpg"), "already").unwrap();
    let links = [
        link(&server, "a/b.jpg", 1),
        link(&server, "lost.jpg", "lost"),
        link(&server, "there.jpg", 2),
        link(&server, "c.jpg", 333),
    ];
    let told: Arc<Mutex<Vec<_>>> = Arc::default();
    let record = Arc::clone(&told);
    let options = DownloadOptions {
        threads: 1,
        overwrite: Overwrite::Skip,
        ..DownloadOptions::default()
    };
    let options = options.on_progress(move |p| {
        let name = p.file_name.to_owned();
        record.lock().unwrap().push((
            p.index,
            name,
            p.bytes,
            p.total,
            p.done,
            p.all_bytes,
            p.files_done,
            p.files,
        ));
        ControlFlow::Continue(())
    });
    let results = client().download_all(&links, folder.path(), &options).unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);

    let told = told.lock().unwrap();
    let of = |index: usize| told.iter().filter(move |told| told.0 == index).cloned();
    let name = |name: &str| name.to_owned();
    assert_eq!(of(0).next(), Some((0, name("a_b.jpg"), 0, None, false, 0, 0, 4)));
    assert_eq!(
        of(0).next_back(),
        Some((0, name("a_b.jpg"), 10, Some(10), true, 10, 1, 4))
    );
    assert!(of(0).any(|told| !told.4 && told.2 > 0 && told.2 < 10 && told.3 == Some(10)));
    assert_eq!(of(1).next_back(), Some((1, name("lost.jpg"), 0, None, true, 10, 2, 4)));
    assert_eq!(
        of(2).collect::<Vec<_>>(),
        [(2, name("there.jpg"), 0, None, true, 10, 3, 4)]
    );
    assert_eq!(told.last(), Some(&(3, name("c.jpg"), 30, Some(30), true, 40, 4, 4)));
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
    let options = DownloadOptions::default().on_progress(|progress| {
        if progress.files_done > 0 && !progress.done {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let began = Instant::now();
    let results = client().download_all(&links, folder.path(), &options).unwrap();
    assert!(began.elapsed() < ms(20_000), "{:?}", began.elapsed());
    assert_eq!(results.len(), 50);
    assert!(results[0].is_ok());
    for result in &results[1..] {
        assert!(matches!(result, Err(Error::Download(e)) if e.reason == DownloadReason::Cancelled));
    }
    assert_eq!(names(folder.path()), ["0"]);
    assert!(server.requests() <= 5, "{}", server.requests());
}
