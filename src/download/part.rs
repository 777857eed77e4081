//! A file that appears under its name when it is whole, and not before.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Overwrite;
use super::name::{LONGEST, PART};
use crate::error::{Error, Result};

/// A file on its way: `NAME.imagen-part` in the folder of `NAME`.
///
/// Dropping it removes it. What a killed process leaves is removed by the next that wants `NAME`, and so is the part
/// file of another download of `NAME` that is still running, since nothing tells the two apart. That one then fails
/// when it is done: a download publishes only the very file that it wrote.
pub(super) struct PartFile {
    part: PathBuf,
    target: PathBuf,
    /// Taken when it is done with.
    file: Option<File>,
}

impl PartFile {
    #[inline]
    pub(super) fn create(target: &Path) -> Result<Self> {
        let part = part_path(target, PART)?;
        let file = create_anew(&part).map_err(|e| Error::io(&part, e))?;
        Ok(Self {
            part,
            target: target.to_owned(),
            file: Some(file),
        })
    }

    #[inline]
    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let result = self.file().and_then(|file| file.write_all(bytes));
        result.map_err(|e| Error::io(&self.part, e))
    }

    #[inline]
    pub(super) fn clear(&mut self) -> Result<()> {
        let result = self.file().and_then(|file| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0)).map(drop)
        });
        result.map_err(|e| Error::io(&self.part, e))
    }

    /// Puts the file under its name. False if there is one already, and it may not be replaced.
    #[inline]
    pub(super) fn publish(mut self, overwrite: Overwrite) -> Result<bool> {
        // Before it has its name: a name may reach the disk earlier than the bytes.
        let synced = self.file().and_then(|file| file.sync_all());
        synced.map_err(|e| Error::io(&self.part, e))?;
        let own = self.take().map_err(|e| Error::io(&self.part, e))?;
        let published = match overwrite {
            Overwrite::Always => fs::rename(&own, &self.target).map(|()| true),
            Overwrite::Never | Overwrite::Skip => rename_to_new(&own, &self.target),
        };
        if !matches!(published, Ok(true)) {
            let _ = fs::remove_file(&own);
        }
        let published = published.map_err(|e| Error::io(&self.target, e))?;
        #[cfg(unix)]
        if let Some(folder) = self.target.parent() {
            // The new name is safe once the folder is. Some file systems cannot do that, and the file is whole anyway.
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(published)
    }

    /// Moves the part file to a name that nobody else knows, and gives that back if it is the file that we wrote. If
    /// another download has put its own there in the meantime, that one gets it back.
    #[inline]
    fn take(&mut self) -> io::Result<PathBuf> {
        let Some(file) = self.file.take() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let unique = RandomState::new().build_hasher().finish();
        let own = part_path(&self.target, &format!("-{unique:016x}{PART}")).map_err(io::Error::other)?;
        // Windows moves no open file, unless who opened it allowed that.
        #[cfg(not(unix))]
        drop(file);
        let replaced = || io::Error::other("another download of the same file has taken its place");
        fs::rename(&self.part, &own).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => replaced(),
            _ => e,
        })?;
        #[cfg(unix)]
        if !is_same(&file, &own) {
            fs::rename(&own, &self.part)?;
            return Err(replaced());
        }
        Ok(own)
    }
}

impl Drop for PartFile {
    #[inline]
    fn drop(&mut self) {
        if let Ok(own) = self.take() {
            let _ = fs::remove_file(own);
        }
    }
}

/// Creates the file, in the place of one that is left there. It is never one that another process has open.
#[inline]
fn create_anew(part: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    // Nobody may move or remove it while we write.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 1);
    // Others may do the same at the same time.
    for _ in 0..16 {
        match fs::remove_file(part) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        match options.open(part) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(unix)]
#[inline]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Renames, unless there is a file already; false if there is.
#[inline]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<bool> {
    // A rename replaces what is there, and `std` has none that does not; a second name is refused if there is one.
    match fs::hard_link(from, to) {
        Ok(()) => {
            let _ = fs::remove_file(from);
            Ok(true)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without second names. Who creates the file between the two lines loses it.
        Err(_) if fs::symlink_metadata(to).is_ok() => Ok(false),
        Err(_) => fs::rename(from, to).map(|()| true),
    }
}

/// The path beside `target` with `end` after its name, which is cut if there is no room for both.
#[inline]
fn part_path(target: &Path, end: &str) -> Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(Error::invalid("path", format!("{} names no file", target.display())));
    };
    let mut part = if name.len() <= LONGEST {
        name.to_owned()
    } else {
        let name = name.to_string_lossy();
        let cut = (0..=LONGEST).rev().find(|at| name.is_char_boundary(*at));
        OsString::from(cut.and_then(|cut| name.get(..cut)).unwrap_or_default())
    };
    part.push(end);
    Ok(target.with_file_name(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(target: &Path, text: &str) -> PartFile {
        let mut part = PartFile::create(target).unwrap();
        part.write(text.as_bytes()).unwrap();
        part
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_name_appears_with_the_whole_file_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.jpg");
        let part = written(&target, "whole");
        assert_eq!(names(folder.path()), ["a.jpg.imagen-part"]);
        assert!(part.publish(Overwrite::Never).unwrap());
        assert_eq!(names(folder.path()), ["a.jpg"]);
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        drop(written(&target, "given up"));
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }

    #[test]
    fn a_file_that_came_in_the_meantime_is_replaced_only_if_that_is_wanted() {
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
        drop(written(&target, "third, given up"));
        assert!(second.publish(Overwrite::Always).is_err());
        assert!(written(&target, "fourth").publish(Overwrite::Always).unwrap());
        assert_eq!(names(folder.path()), ["a.jpg"]);
    }

    #[test]
    fn there_is_room_for_the_end_of_the_longest_name() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("é".repeat(127));
        assert!(written(&target, "x").publish(Overwrite::Never).unwrap());
        assert!(target.exists());
        assert!(PartFile::create(Path::new("..")).is_err());
    }
}
