//! The file of a job and what it says, as the handles of the job share it.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::header::Header;
use super::journal::Journal;
use super::line::Line;
use super::record::{Finalizing, Record};
use crate::chain::{Chain, Change, Keeper, Kept};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::transport::quoted;

/// The file of a job and what it says. The lock of the file is held until the last handle of this
/// is dropped.
pub(super) struct Log {
    path: PathBuf,
    pub(super) clock: Clock,
    shared: Mutex<Shared>,
}

/// Invariant: `record` is the sum of the lines of `journal`. Both change together, under one lock,
/// so that no paid call is announced after the finalizing.
struct Shared {
    journal: Journal,
    record: Record,
    /// The images that a chain or a batch works on.
    claimed: HashSet<String>,
}

impl Log {
    /// Opens the file of a job, or begins one.
    pub(super) fn open(path: &Path, header: &Header, clock: Clock) -> Result<Arc<Self>> {
        let (journal, lines) = Journal::open(path, header)?;
        let now = clock.now();
        let mut record = Record::default();
        for line in &lines {
            record.apply(line, now);
        }
        let shared = Shared {
            journal,
            record,
            claimed: HashSet::new(),
        };
        Ok(Arc::new(Self {
            path: path.to_owned(),
            clock,
            shared: Mutex::new(shared),
        }))
    }

    /// Adds a line about something that is about to be done, and brings it to the disk. After an
    /// error it must not be done.
    pub(super) fn announce(&self, line: Line) -> Result<()> {
        let mut shared = self.lock();
        shared.check_order(&line)?;
        shared.journal.announce(&line)?;
        shared.record.apply(&line, self.clock.now());
        Ok(())
    }

    /// Adds a line about something that has happened.
    pub(super) fn note(&self, line: Line) {
        let mut shared = self.lock();
        shared.journal.note(&line);
        shared.record.apply(&line, self.clock.now());
    }

    /// Refuses to go on if the file cannot be relied on any more.
    pub(super) fn check(&self) -> Result<()> {
        self.lock().journal.check()
    }

    /// Refuses edits of a project that is finalized.
    pub(super) fn check_takes_edits(&self) -> Result<()> {
        self.lock().check_takes_edits()
    }

    /// Looks something up in the record. Nothing else of the log may be called meanwhile.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.lock().record)
    }

    /// Returns the chain of an image, which has the image for itself until it is dropped.
    pub(super) fn chain(self: &Arc<Self>, image: &Image) -> Result<Chain> {
        let name = image.file_name();
        let mut shared = self.lock();
        if !shared.claimed.insert(name.to_owned()) {
            let why = format!(
                "a chain or a batch of this job works on {} already",
                quoted(name)
            );
            return Err(Error::invalid("image", why));
        }
        let record = shared.record.images.get(name);
        let kept = Kept {
            state: record.map(|image| image.chain.clone()).unwrap_or_default(),
            pending_since: record.map_or(self.clock.now(), |image| image.since),
            clock: self.clock.clone(),
        };
        let claim = Claim {
            log: Arc::clone(self),
            image: name.to_owned(),
        };
        Ok(Chain::kept(image.clone(), kept, Box::new(claim)))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A thread that panicked while it wrote may have left half a line.
        let shared = self.shared.lock();
        shared.unwrap_or_else(|poisoned| {
            let mut shared = PoisonError::into_inner(poisoned);
            shared.journal.give_up();
            shared
        })
    }
}

impl Shared {
    /// Refuses edits of a project that is finalized.
    fn check_takes_edits(&self) -> Result<()> {
        if self.record.finalizing == Finalizing::NotBegun {
            return Ok(());
        }
        let why = "the project is finalized, or may be, and takes no edits any more";
        Err(Error::invalid("job", why))
    }

    /// Refuses to announce what must not be done now.
    fn check_order(&self, line: &Line) -> Result<()> {
        if line.costs() {
            self.check_takes_edits()?;
        }
        if matches!(line, Line::Finalize)
            && let Some((image, what)) = self.record.unfinished()
        {
            let why = format!(
                "{} has an edit {what}; project().finalize_to() finalizes all the same",
                quoted(image)
            );
            return Err(Error::invalid("job", why));
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// An image that one chain or batch works on. It keeps what the chain does in the job's file.
#[derive(Debug)]
struct Claim {
    log: Arc<Log>,
    image: String,
}

impl Claim {
    fn line(&self, change: &Change) -> Line {
        Line::Copilot {
            image: self.image.clone(),
            change: change.clone(),
        }
    }
}

impl Keeper for Claim {
    fn announce(&self, change: &Change) -> Result<()> {
        self.log.announce(self.line(change))
    }

    fn note(&self, change: &Change) {
        self.log.note(self.line(change));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.log.lock().claimed.remove(&self.image);
    }
}
