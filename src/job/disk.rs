//! The file of a job on the disk, under an exclusive lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::download::{folder_of, is_unsupported};
use crate::error::{Error, Result};

/// What a journal does to its file. The tests put a disk that fails in its place.
pub(super) trait Disk {
    /// Writes after the end. What an error has left there is not known.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Brings what was written to the disk itself.
    fn sync(&mut self) -> io::Result<()>;

    /// Drops what stands after this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// A file that this process holds the lock of, until it is dropped or the process dies.
pub(super) struct LockedFile {
    file: File,
    path: PathBuf,
    /// Whether the name of the file has reached the disk.
    is_folder_synced: bool,
}

impl LockedFile {
    /// Opens the file, or makes it, takes its lock, and reads it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<u8>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(|e| Error::io(path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
        if !metadata.is_file() {
            let why = format!("{}: it is no regular file", path.display());
            return Err(Error::invalid("path", why));
        }
        lock(&file, path)?;
        let mut locked = Self {
            file,
            path: path.to_owned(),
            is_folder_synced: false,
        };
        let mut text = Vec::new();
        let read = locked.file.read_to_end(&mut text);
        read.map_err(|e| Error::io(path, e))?;
        Ok((locked, text))
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let why = "another process or another handle works on this job";
            Err(Error::invalid("path", format!("{}: {why}", path.display())))
        }
        // A file system without locks: two processes could pay for the same thing.
        Err(TryLockError::Error(e)) => Err(Error::io(path, e)),
    }
}

impl Disk for LockedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.is_folder_synced {
            sync_folder(&self.path)?;
            self.is_folder_synced = true;
        }
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing alone would not end the lock while another thread starts a process, which has
        // a copy of the file's descriptor for a moment.
        let _ = self.file.unlock();
    }
}

/// Brings the name of a new file to the disk. Other systems than Unix do so by themselves.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder_of(path))?.sync_all() {
        // Some file systems have no such thing as syncing a folder.
        Err(e) if is_unsupported(&e) => Ok(()),
        result => result,
    }
}
