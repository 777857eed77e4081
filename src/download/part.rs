//! A file that appears under its name when it is whole, and not before.

use std::fs::{self, File, Metadata, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Overwrite;
use crate::error::{Error, Result};

/// The end of the name of a file that is still being written.
pub(super) const PART: &str = ".imagen-part";

/// How many names are tried. A second one is needed only if another download cleans the folder at
/// the very moment, or if someone guessed 64 random bits.
const ATTEMPTS: u32 = 8;

/// A file on its way, in the folder of its target. Dropping it removes it.
///
/// Its name is 16 random hex digits and [`PART`], and it was new when it was created. So it is the
/// file of one download alone, and creating it opens, follows and empties nothing that is there.
///
/// It is locked from its creation until it is closed, which the system also does when the process
/// dies. So a part file without a lock is a leftover. On a file system without locks nobody gets
/// one, and leftovers stay.
pub(super) struct PartFile {
    part: PathBuf,
    target: PathBuf,
    pub(super) file: File,
    /// Whether device and inode tell the file from others: they were the same for the open file
    /// and for its path when it was new. Some network drives give another inode with each
    /// look.
    is_told_apart: bool,
}

impl PartFile {
    pub(super) fn create(target: &Path) -> Result<Self> {
        let folder = folder_of(target);
        let (part, file) = create_in(folder).map_err(|e| match e.kind() {
            // Windows says the same of a folder that is a file.
            ErrorKind::NotFound if !folder.exists() => Error::io(folder, e),
            _ => Error::io(target, e),
        })?;
        let there = part.symlink_metadata();
        let is_told_apart = there.is_ok_and(|there| is_same(&file, &there).unwrap_or(false));
        Ok(Self {
            part,
            target: target.to_owned(),
            file,
            is_told_apart,
        })
    }

    /// Puts the file under its name. Returns false if there is a file already that may not be
    /// replaced.
    pub(super) fn publish(self, overwrite: Overwrite) -> Result<bool> {
        self.move_to_target(overwrite, |part, target| fs::hard_link(part, target))
            .map_err(|e| Error::io(&self.target, e))
    }

    /// Puts the file under its name. `link` gives a file a second name.
    fn move_to_target(
        &self,
        overwrite: Overwrite,
        link: fn(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<bool> {
        self.sync()?;
        let Ok(there) = self.part.symlink_metadata() else {
            return Err(io::Error::other("another program removed its part file"));
        };
        if !self.is_ours(&there)? {
            return Err(io::Error::other("another program replaced its part file"));
        }
        // A rename replaces what is there, and a second name does not.
        if overwrite != Overwrite::Always {
            if link(&self.part, &self.target).is_ok() {
                return Ok(true);
            }
            if self.target.symlink_metadata().is_ok() {
                return Ok(false);
            }
            // The file system has no hard links. A file that another program makes under this name
            // at this moment is replaced.
        }
        fs::rename(&self.part, &self.target)?;
        Ok(true)
    }

    /// Whether what is at the path of the part file is the file, as far as that can be told.
    fn is_ours(&self, there: &Metadata) -> io::Result<bool> {
        Ok(!self.is_told_apart || is_same(&self.file, there)?)
    }

    /// Writes the bytes to the disk, since their name may get there earlier.
    fn sync(&self) -> io::Result<()> {
        match self.file.sync_all() {
            Err(e) if !is_unsupported(&e) => Err(e),
            _ => Ok(()),
        }
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // It is not there any more if it was renamed.
        if let Ok(there) = self.part.symlink_metadata()
            && let Ok(true) = self.is_ours(&there)
        {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Whether what is at a path is this open file.
#[cfg(unix)]
fn is_same(file: &File, there: &Metadata) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let ours = file.metadata()?;
    Ok(ours.dev() == there.dev() && ours.ino() == there.ino())
}

/// Elsewhere the standard library does not tell one file from another.
#[cfg(not(unix))]
fn is_same(_: &File, _: &Metadata) -> io::Result<bool> {
    Ok(true)
}

/// Returns the folder of a file, also of one that is named without a folder.
pub(crate) fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Finds out whether files can be made in a folder.
pub(super) fn try_folder(folder: &Path) -> io::Result<()> {
    // The file is kept open, and so locked, until it is removed.
    let (part, _file) = create_in(folder)?;
    fs::remove_file(part)
}

/// Makes a part file of a name that is free.
fn create_in(folder: &Path) -> io::Result<(PathBuf, File)> {
    for _ in 0..ATTEMPTS {
        let part = folder.join(random_name());
        if let Some(file) = create_at(&part)? {
            return Ok((part, file));
        }
    }
    Err(io::Error::other("no part file could be made"))
}

/// Makes a file and locks it. Returns `None` if the path is not free, or another download removed
/// the file.
fn create_at(part: &Path) -> io::Result<Option<File>> {
    let file = match File::create_new(part) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(None),
        result => result?,
    };
    // Until it is locked, another download may take it for a leftover, lock it and remove it.
    let is_taken = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if is_taken || part.symlink_metadata().is_err() {
        let _ = fs::remove_file(part);
        return Ok(None);
    }
    Ok(Some(file))
}

fn random_name() -> String {
    // The seed of a hash map is random, and needs no dependency.
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}{PART}")
}

/// Whether a file has the name of a part file.
fn is_part_name(name: &str) -> bool {
    let Some(digits) = name.strip_suffix(PART) else {
        return false;
    };
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digits.len() == 16 && digits.bytes().all(is_digit)
}

/// Removes the part files in a folder that no process is writing any more.
pub(super) fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.map_while(io::Result::ok) {
        let is_part = entry.file_name().to_str().is_some_and(is_part_name);
        // To open a pipe could take for ever, and to open a link would follow it.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_part && is_file {
            let _ = remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(part: &Path) -> io::Result<()> {
    let file = File::open(part)?;
    // The lock is held while the file is removed, so that its maker cannot lock it in between.
    file.try_lock_shared()?;
    fs::remove_file(part)
}

/// The codes by which systems say that something is not supported, where the standard library may
/// have no kind for them. Windows: `ERROR_INVALID_FUNCTION`, `ERROR_NOT_SUPPORTED`.
#[cfg(windows)]
const UNSUPPORTED: [i32; 2] = [1, 50];
/// `ENOTTY`, which exFAT answers to `F_FULLFSYNC`; `ENOTSUP`; `EOPNOTSUPP`.
#[cfg(target_vendor = "apple")]
const UNSUPPORTED: [i32; 3] = [25, 45, 102];
/// `EOPNOTSUPP` of the BSDs and of Linux.
#[cfg(not(any(windows, target_vendor = "apple")))]
const UNSUPPORTED: [i32; 2] = [45, 95];

/// Whether the file system says that it cannot sync, as network drives do (also by `ENOSYS` and
/// `EINVAL`).
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    let is_kind = matches!(
        error.kind(),
        ErrorKind::Unsupported | ErrorKind::InvalidInput
    );
    let code = error.raw_os_error();
    is_kind || code.is_some_and(|code| UNSUPPORTED.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Write;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;
    use std::thread;

    use super::super::transfer::Sink;
    use super::*;

    fn written(target: &Path, text: &str) -> PartFile {
        let mut part = PartFile::create(target).unwrap();
        part.file.write_all(text.as_bytes()).unwrap();
        part
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_name_appears_with_the_whole_file_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let mut part = written(&target, "taken back");
        assert!(part.file.take_back().unwrap());
        part.file.write_all(b"whole").unwrap();
        let [name] = names(folder.path()).try_into().unwrap();
        assert!(is_part_name(name.to_str().unwrap()), "{name:?}");
        assert!(part.publish(Overwrite::Never).unwrap());
        assert_eq!(names(folder.path()), ["a.jpg"]);
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        drop(written(&target, "given up"));
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_replaced_only_if_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        for (overwrite, published, content) in [
            (Overwrite::Never, false, "theirs"),
            (Overwrite::Skip, false, "theirs"),
            (Overwrite::Always, true, "ours"),
        ] {
            let part = written(&target, "ours");
            fs::write(&target, "theirs").unwrap();
            assert_eq!(part.publish(overwrite).unwrap(), published);
            assert_eq!(fs::read_to_string(&target).unwrap(), content);
            assert_eq!(names(folder.path()), ["a.jpg"]);
        }
    }

    #[test]
    fn without_hard_links_it_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let publish = |overwrite, text| {
            let part = written(&target, text);
            let no_links = |_: &Path, _: &Path| Err(ErrorKind::Unsupported.into());
            let published = part.move_to_target(overwrite, no_links).unwrap();
            drop(part);
            assert_eq!(names(folder.path()), ["a.jpg"]);
            (published, fs::read_to_string(&target).unwrap())
        };
        assert_eq!(publish(Overwrite::Never, "new"), (true, "new".to_owned()));
        for overwrite in [Overwrite::Never, Overwrite::Skip] {
            assert_eq!(publish(overwrite, "late"), (false, "new".to_owned()));
        }
        let last = publish(Overwrite::Always, "last");
        assert_eq!(last, (true, "last".to_owned()));
    }

    #[test]
    fn two_downloads_of_one_name_have_their_own_part_files() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let first = written(&target, "first");
        let second = written(&target, "other, and only half of");
        remove_leftovers(folder.path());
        assert!(first.publish(Overwrite::Never).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"first");
        assert!(!second.publish(Overwrite::Never).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }

    #[test]
    fn a_part_file_is_never_made_of_what_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let link = folder.path().join("link");
        fs::hard_link(&victim, &link).unwrap();
        assert!(create_at(&link).unwrap().is_none());
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(names(folder.path()), ["link", "victim"]);
        assert!(create_at(&folder.path().join("free")).unwrap().is_some());
    }

    // Windows may keep the name of a removed file for as long as somebody has it open.
    #[cfg(not(windows))]
    #[test]
    fn a_part_file_that_somebody_removed_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let part = written(&folder.path().join("a.jpg"), "gone");
        fs::remove_file(&part.part).unwrap();
        let error = part.publish(Overwrite::Never).unwrap_err();
        assert!(error.to_string().contains("removed its part"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_somebody_put_at_its_place_is_neither_published_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        for overwrite in [Overwrite::Never, Overwrite::Always] {
            let part = written(&target, "ours");
            let path = part.part.clone();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "theirs").unwrap();

            let error = part.publish(overwrite).unwrap_err();

            assert!(error.to_string().contains("replaced its part"), "{error}");
            assert!(!target.exists());
            assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        }
    }

    /// As on a network drive that gives another inode with each look.
    #[cfg(unix)]
    #[test]
    fn where_inodes_tell_nothing_the_name_alone_does() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let mut part = written(&target, "ours");
        fs::copy(&part.part, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &part.part).unwrap();
        part.is_told_apart = false;

        assert!(part.publish(Overwrite::Never).unwrap());

        assert_eq!(fs::read_to_string(&target).unwrap(), "ours");
    }

    #[test]
    fn a_folder_can_be_tried_while_others_clean_it() {
        let folder = tempfile::tempdir().unwrap();
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Relaxed) {
                    remove_leftovers(folder.path());
                }
            });
            let tries: io::Result<Vec<()>> =
                (0..2_000).map(|_| try_folder(folder.path())).collect();
            is_done.store(true, Relaxed);
            tries.unwrap();
        });
    }

    #[test]
    fn only_files_with_exactly_the_name_of_a_part_file_are_leftovers() {
        for (name, is_part) in [
            ("0123456789abcdef.imagen-part", true),
            ("0123456789ABCDEF.imagen-part", false),
            ("0123456789abcde.imagen-part", false),
            ("x0123456789abcdef.imagen-part", false),
            ("a.jpg.imagen-part", false),
            ("probe.imagen-part", false),
            ("0123456789abcdef.imagen-part_", false),
            (".imagen-part", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), "left").unwrap();
            remove_leftovers(folder.path());
            assert_eq!(names(folder.path()).is_empty(), is_part, "{name}");
        }
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple", windows))]
    #[test]
    fn only_a_sync_that_is_not_supported_is_done_without() {
        #[cfg(target_os = "linux")]
        let codes = [(95, true), (22, true), (38, true), (5, false), (28, false)];
        #[cfg(target_vendor = "apple")]
        let codes = [(25, true), (45, true), (22, true), (5, false), (28, false)];
        #[cfg(windows)]
        let codes = [(1, true), (50, true), (5, false), (112, false)];
        for (code, unsupported) in codes {
            assert_eq!(
                is_unsupported(&io::Error::from_raw_os_error(code)),
                unsupported,
                "{code}"
            );
        }
    }
}
