//! A file that appears under its name when it is whole, and not before.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Overwrite;
use crate::error::{Error, Result};

/// The end of the name of a file that is still being written.
pub(super) const PART: &str = ".imagen-part";

/// A file on its way: `NAME.imagen-part` in the folder of `NAME`. Dropping it removes it.
///
/// A part file that is there already is removed: a killed process left it, or another download of
/// `NAME` is still running. That one then fails, since a download publishes only the very file that
/// it wrote.
pub(crate) struct PartFile {
    part: PathBuf,
    target: PathBuf,
    pub(crate) file: File,
}

impl PartFile {
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let mut part = target.as_os_str().to_owned();
        part.push(PART);
        let _ = fs::remove_file(&part);
        let file = File::create_new(&part).map_err(|e| match (e.kind(), target.parent()) {
            (ErrorKind::NotFound, Some(folder)) => Error::io(folder, e),
            _ => Error::io(target, e),
        })?;
        Ok(Self {
            part: part.into(),
            target: target.to_owned(),
            file,
        })
    }

    /// Puts the file under its name. Returns false if there is a file already that may not be
    /// replaced.
    pub(crate) fn publish(self, overwrite: Overwrite) -> Result<bool> {
        self.rename(overwrite)
            .map_err(|e| Error::io(&self.target, e))
    }

    fn rename(&self, overwrite: Overwrite) -> io::Result<bool> {
        // A name may reach the disk earlier than the bytes.
        self.file
            .sync_all()
            .or_else(|e| if is_unsupported(&e) { Ok(()) } else { Err(e) })?;
        if !self.is_there() {
            return Err(io::Error::other(
                "another download of the same file replaced it",
            ));
        }
        // A rename replaces what is there, and a second name does not.
        if overwrite != Overwrite::Always {
            let linked = fs::hard_link(&self.part, &self.target).is_ok();
            // Otherwise the file system has no hard links, and a file that another program makes at
            // this moment is replaced.
            if linked || self.target.symlink_metadata().is_ok() {
                return Ok(linked);
            }
        }
        fs::rename(&self.part, &self.target).map(|()| true)
    }

    /// Whether the part file is still the one that this download writes.
    fn is_there(&self) -> bool {
        let both = (self.file.metadata(), self.part.symlink_metadata());
        let same =
            |a: &Metadata, b: &Metadata| a.len() == b.len() && a.created().ok() == b.created().ok();
        matches!(both, (Ok(ours), Ok(there)) if same(&ours, &there))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Whether the file system says that it cannot sync, as network drives do (`ENOSYS`, `EINVAL`, and
/// `ENOTSUP`, for which not every version of the standard library has a kind).
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unsupported | ErrorKind::InvalidInput
    ) || matches!(error.raw_os_error(), Some(45 | 95 | 102))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Write;

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
        assert_eq!(names(folder.path()), ["a.jpg.imagen-part"]);
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
    fn of_two_downloads_of_one_name_the_later_wins_and_neither_publishes_the_others_part() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let first = written(&target, "first");
        let second = written(&target, "second, and only half of");
        let error = first.publish(Overwrite::Always).unwrap_err();
        assert!(error.to_string().contains("another download"), "{error}");
        assert_eq!(names(folder.path()), ["a.jpg.imagen-part"]);
        assert!(second.publish(Overwrite::Always).unwrap());
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_sync_that_is_not_supported_is_done_without() {
        for (code, unsupported) in [(95, true), (22, true), (38, true), (5, false), (28, false)] {
            assert_eq!(
                is_unsupported(&io::Error::from_raw_os_error(code)),
                unsupported,
                "{code}"
            );
        }
    }
}
