//! The lines of a job's file: how they are read, and how they are added so that none is lost or
//! half there.

use std::path::{Path, PathBuf};
use std::{fmt, mem};

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::disk::{Disk, LockedFile};
use super::header::Header;
use crate::error::{Error, Result};

/// The file of a job: a header, and lines that are only ever added.
///
/// Invariants: the file holds whole lines in its first `length` bytes, and nothing after them,
/// unless `is_broken`. Lines in `unwritten` come before any line that is added later. No other
/// process or handle writes to the file, since its lock is held.
pub(super) struct Journal<D = LockedFile> {
    disk: D,
    path: PathBuf,
    length: u64,
    /// Whole lines that could not be written, or are about to be.
    unwritten: Vec<u8>,
    /// Whether something may stand after `length` that could not be cut off.
    is_broken: bool,
}

impl Journal {
    /// Opens the file of a job, or begins one, and returns what its lines say after the header.
    ///
    /// What follows the last whole line is cut off. A file that is refused is not changed.
    pub(super) fn open<L: DeserializeOwned>(
        path: &Path,
        header: &Header,
    ) -> Result<(Self, Vec<L>)> {
        let (disk, text) = LockedFile::open(path)?;
        let mut journal = Self {
            disk,
            path: path.to_owned(),
            length: 0,
            unwritten: Vec::new(),
            is_broken: false,
        };
        let lines = whole_lines(&text, path)?;
        let Some((found, lines)) = lines.split_first() else {
            // A process that was killed while it began may have left a part of the header.
            if !line_of(header)?.starts_with(&text) {
                let why = "it is no job's file, or its first line is cut short; it was not changed";
                return Err(refused(path, why));
            }
            journal.begin(header)?;
            return Ok((journal, Vec::new()));
        };
        let found_header = Header::read(found).map_err(|why| refused(path, why))?;
        if let Err(why) = header.compare(&found_header) {
            if !lines.is_empty() {
                return Err(refused(path, why));
            }
            // Nothing was done for that job.
            journal.begin(header)?;
            return Ok((journal, Vec::new()));
        }
        let mut entries = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            // The header is line 1.
            entries.push(read_line(line, index + 2, path)?);
        }
        let whole: usize = lines.iter().map(|line| line.len()).sum();
        journal.length = (found.len() + whole) as u64;
        journal.cut()?;
        Ok((journal, entries))
    }

    /// Makes the file one that holds a header alone.
    fn begin(&mut self, header: &Header) -> Result<()> {
        self.cut()?;
        self.write(&line_of(header)?, false)
    }
}

impl<D: Disk> Journal<D> {
    /// Adds a line and brings it to the disk, with all before it. After an error the line is not
    /// in the file, and what it announces must not be done.
    pub(super) fn announce(&mut self, line: &impl Serialize) -> Result<()> {
        self.check()?;
        let mut lines = self.unwritten.clone();
        lines.extend(line_of(line)?);
        self.write(&lines, true)?;
        self.unwritten.clear();
        Ok(())
    }

    /// Adds a line about something that has happened. It reaches the disk with the next line that
    /// is announced. If it cannot be written now, it is written before the next line.
    pub(super) fn note(&mut self, line: &impl Serialize) {
        match line_of(line) {
            Ok(line) => self.unwritten.extend(line),
            // Without this line the file would say something else than what happened.
            Err(_) => self.is_broken = true,
        }
        if self.is_broken {
            return;
        }
        let lines = mem::take(&mut self.unwritten);
        if self.write(&lines, false).is_err() {
            self.unwritten = lines;
        }
    }

    /// Refuses everything once the file cannot be relied on any more.
    pub(super) fn check(&self) -> Result<()> {
        if !self.is_broken {
            return Ok(());
        }
        let why = "its file could not be mended after a failed write; open the job again";
        Err(refused(&self.path, why))
    }

    /// Writes lines, or none of them.
    fn write(&mut self, lines: &[u8], and_sync: bool) -> Result<()> {
        let mut written = self.disk.append(lines);
        if written.is_ok() && and_sync {
            written = self.disk.sync();
        }
        if let Err(e) = written {
            self.is_broken = self.disk.cut(self.length).is_err();
            return Err(Error::io(&self.path, e));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Cuts off what stands after the whole lines.
    fn cut(&mut self) -> Result<()> {
        let cut = self.disk.cut(self.length);
        cut.map_err(|e| Error::io(&self.path, e))
    }

    /// Stops using the file, since it may hold half a line.
    pub(super) fn give_up(&mut self) {
        self.is_broken = true;
    }
}

/// Returns the lines that are whole: those that end in a newline and are JSON, up to the last such
/// line. What follows it is what a kill or a power cut has left.
fn whole_lines<'t>(text: &'t [u8], path: &Path) -> Result<Vec<&'t [u8]>> {
    let mut whole = Vec::new();
    let mut torn = None;
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !is_whole(line) {
            torn = torn.or(Some(index + 1));
            continue;
        }
        if let Some(torn) = torn {
            return Err(unreadable(torn, path));
        }
        whole.push(line);
    }
    Ok(whole)
}

fn is_whole(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else {
        return false;
    };
    text.ends_with('\n') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Reads a whole line. One that says something unknown is never cut off, since it may announce
/// something.
fn read_line<L: DeserializeOwned>(line: &[u8], number: usize, path: &Path) -> Result<L> {
    serde_json::from_slice(line).map_err(|_| unreadable(number, path))
}

fn line_of(line: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(line);
    let mut json = json.map_err(|e| Error::invalid("job", e.to_string()))?;
    json.push(b'\n');
    Ok(json)
}

fn unreadable(number: usize, path: &Path) -> Error {
    refused(path, format!("line {number} cannot be read"))
}

fn refused(path: &Path, why: impl fmt::Display) -> Error {
    Error::invalid("path", format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
