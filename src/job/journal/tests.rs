//! Files that were cut or are something else, locks, and disks that are full.

use std::fs;
use std::io::{self, ErrorKind};

use tempfile::TempDir;

use super::super::header::Begun;
use super::*;
use crate::types::ProjectKind;

fn header() -> Header {
    let name = Begun::Name("Smith wedding".to_owned());
    Header::new("https://api.example/v1", ProjectKind::ProfileBased, name)
}

/// Opens a journal of texts with the header above.
fn open(path: &Path) -> Result<(Journal, Vec<String>)> {
    Journal::open(path, &header())
}

#[track_caller]
fn assert_refused(path: &Path, header: &Header, words: &str) {
    let before = fs::read(path).unwrap();
    let error = Journal::open::<String>(path, header).map(drop).unwrap_err();
    let text = error.to_string();
    let is_refused = matches!(error, Error::InvalidInput { field: "path", .. });
    assert!(is_refused && text.contains(words), "{text}");
    assert_eq!(fs::read(path).unwrap(), before, "it was changed: {text}");
}

#[test]
fn lines_come_back_in_their_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let (mut journal, lines) = open(&path).unwrap();
    assert!(lines.is_empty());
    journal.note(&"one");
    journal.announce(&"two").unwrap();
    journal.note(&"a\nb");
    drop(journal);

    let (_journal, lines) = open(&path).unwrap();

    assert_eq!(lines, ["one", "two", "a\nb"]);
}

#[test]
fn a_file_that_was_cut_anywhere_opens_with_its_whole_lines() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let (mut journal, _) = open(&path).unwrap();
    for line in ["one", "two", "three"] {
        journal.announce(&line).unwrap();
    }
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        let newlines = whole[..length].iter().filter(|byte| **byte == b'\n');
        let expected = newlines.count().saturating_sub(1);
        fs::write(&path, &whole[..length]).unwrap();

        let (mut journal, lines) = open(&path).unwrap();
        journal.note(&"more");
        drop(journal);

        assert_eq!(lines, ["one", "two", "three"][..expected], "{length}");
        let (_journal, lines) = open(&path).unwrap();
        assert_eq!(lines.len(), expected + 1, "{length}");
        assert_eq!(lines[expected], "more", "{length}");
    }
}

#[test]
fn what_follows_the_last_whole_line_is_cut_off() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let (mut journal, _) = open(&path).unwrap();
    journal.note(&"one");
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for torn in [
        &b"\"tw"[..],
        b"\"tw\n",
        b"\n\n",
        b"\0\0\0",
        b"\"\xff\"\n\0\n",
        b"7",
    ] {
        fs::write(&path, [&whole, torn].concat()).unwrap();
        let (journal, lines) = open(&path).unwrap();
        assert_eq!(lines, ["one"], "{torn:?}");
        // Windows lets nobody read a file that is locked.
        drop(journal);
        assert_eq!(fs::read(&path).unwrap(), whole, "{torn:?}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_refused_with_its_number() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let (mut journal, _) = open(&path).unwrap();
    journal.note(&"one");
    drop(journal);
    let whole = fs::read_to_string(&path).unwrap();
    for (after, number) in [
        ("\"tw\n\"three\"\n", "line 3 "),
        ("\n\"three\"\n", "line 3 "),
        // It is whole, and only says something unknown.
        ("{\"new\":1}\n", "line 3 "),
        ("\"two\"\n{\"new\":1}\n\"th", "line 4 "),
    ] {
        fs::write(&path, format!("{whole}{after}")).unwrap();
        assert_refused(&path, &header(), number);
    }
}

#[test]
fn what_is_no_job_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    for (text, words) in [
        ("\u{ff}\u{d8} a picture", "no job's file"),
        ("some\ntext\n", "no job's file"),
        ("[1]\n", "line 1 "),
        ("{\"path\":[]}\n", "no job's file"),
        ("{\"imagen_job\":2,\"all\":\"new\"}\n", "form is 2"),
        ("{\"imagen_job\":1}\n", "line 1 "),
        ("{\"imagen_job\":1,\"base_url\":\"other", "cut short"),
    ] {
        fs::write(&path, text).unwrap();
        assert_refused(&path, &header(), words);
    }
    let error = open(folder.path()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn another_job_is_refused_with_the_difference() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let (mut journal, _) = open(&path).unwrap();
    journal.note(&"one");
    drop(journal);
    let ours = header();
    let mut other = ours.clone();
    other.begun = Begun::Name("Miller".to_owned());
    assert_refused(
        &path,
        &other,
        "\"Smith wedding\", not of a new project \"Miller\"",
    );
    other.begun = Begun::Project("p1".to_owned());
    assert_refused(&path, &other, "not of the project with the id \"p1\"");
    other.kind = ProjectKind::Smart;
    assert_refused(&path, &other, "; profile-based, not smart");
    let mut other = ours;
    other.base_url = "https://other.example".to_owned();
    assert_refused(
        &path,
        &other,
        "at \"https://api.example/v1\", not at \"https://other",
    );
}

#[test]
fn a_file_for_which_nothing_was_done_can_become_another_job() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    drop(open(&path).unwrap());
    let mut other = header();
    other.begun = Begun::Name("Miller".to_owned());

    drop(Journal::open::<String>(&path, &other).unwrap());

    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("Miller") && !text.contains("Smith"), "{text}");
    drop(Journal::open::<String>(&path, &other).unwrap());
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.job");
    let first = open(&path).unwrap();
    let error = open(&path).map(drop).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("another handle works on this job")
    );
    drop(first);
    open(&path).unwrap();
}

/// A disk that fails at one of its operations, after half of a write.
struct Full {
    text: Vec<u8>,
    left: usize,
    /// Whether the operation after it fails too: the one that mends the file.
    and_next: bool,
    syncs: usize,
}

impl Full {
    fn journal(left: usize, and_next: bool) -> Journal<Self> {
        let disk = Self {
            text: Vec::new(),
            left,
            and_next,
            syncs: 0,
        };
        Journal {
            disk,
            path: PathBuf::new(),
            length: 0,
            unwritten: Vec::new(),
            is_broken: false,
        }
    }

    fn operation(&mut self) -> io::Result<()> {
        self.left = self.left.wrapping_sub(1);
        let fails = self.left == 0 || (self.and_next && self.left == usize::MAX);
        if fails {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for Full {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let done = self.operation();
        let written = if done.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        self.text.extend(&bytes[..written]);
        done
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        self.operation()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.operation()?;
        self.text.truncate(length as usize);
        Ok(())
    }
}

/// Adds six lines, of which the even ones are announced. Returns those that must be there.
fn add_lines(journal: &mut Journal<Full>) -> Vec<String> {
    let mut expected = Vec::new();
    for number in 0..6 {
        let line = format!("line {number}");
        if number % 2 == 1 {
            journal.note(&line);
            expected.push(line);
        } else if journal.announce(&line).is_ok() {
            expected.push(line);
        }
    }
    expected
}

fn lines_in(disk: &Full) -> Vec<String> {
    let lines = whole_lines(&disk.text, Path::new("")).unwrap();
    let lines = lines.iter();
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn a_full_disk_loses_only_announcements_that_were_refused() {
    // Three writes with a sync, and three without.
    for failing in 1..=9 {
        let mut journal = Full::journal(failing, false);
        let mut expected = add_lines(&mut journal);
        let announced = [0, 2, 4].map(|number| format!("line {number}"));
        let refused = announced.iter().filter(|line| !expected.contains(line));
        assert!(refused.count() <= 1, "{failing}: {expected:?}");

        journal.announce(&"the disk has room again").unwrap();

        expected.push("the disk has room again".to_owned());
        assert_eq!(lines_in(&journal.disk), expected, "{failing}");
        assert_eq!(journal.disk.text.len() as u64, journal.length);
    }
}

#[test]
fn a_file_that_cannot_be_mended_is_not_used_again() {
    for failing in 1..=9 {
        let mut journal = Full::journal(failing, true);
        add_lines(&mut journal);
        let text = journal.disk.text.clone();
        let error = journal.announce(&"more").unwrap_err();
        assert!(error.to_string().contains("open the job again"), "{error}");
        journal.note(&"more");
        assert_eq!(journal.disk.text, text, "{failing}");
        assert!(journal.check().is_err());
    }
}

#[test]
fn only_announcements_are_synced() {
    let mut journal = Full::journal(usize::MAX, false);
    for number in 0..10_000 {
        journal.note(&number);
    }
    assert_eq!(journal.disk.syncs, 0);
    journal.announce(&"edit").unwrap();
    assert_eq!(journal.disk.syncs, 1);
}
