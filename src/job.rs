//! Jobs: a project and what was done to it, kept in a file.

mod batch;
mod create;
mod disk;
mod header;
mod journal;
mod line;
mod log;
mod photos;
mod record;
mod report;
mod steps;

#[cfg(test)]
mod model;

use std::collections::HashSet;
use std::sync::Arc;

use self::log::Log;
use crate::chain::Chain;
use crate::error::{CallError, Cause, CauseKind, Context, Error, Result};
use crate::image::Image;
use crate::project::Project;

pub use self::batch::{BatchOptions, Edited};
pub use self::report::{JobStep, Report, StepReport, StepState};

/// A project and what was done to it, kept in a file.
#[derive(Debug)]
pub struct Job {
    project: Project,
    log: Arc<Log>,
    /// The photos that this run was given and that have not arrived.
    missing_photos: HashSet<String>,
    /// The images that this run was given and whose edits were not all made.
    unfinished: HashSet<String>,
}

impl Job {
    fn new(project: Project, log: Arc<Log>) -> Self {
        Self {
            project,
            log,
            missing_photos: HashSet::new(),
            unfinished: HashSet::new(),
        }
    }

    /// Returns the job's project.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Goes on with the Copilot edits of an image, or starts a chain at the unedited image. Nothing
    /// is sent.
    ///
    /// The job's file is written before each edit is sent, and after each known outcome, so that a
    /// program which was killed in the middle of an edit finds out what became of it. The chain
    /// holds the lock of the job's file, even after the `Job` was dropped.
    ///
    /// # Errors
    /// [`Error::InvalidInput`]: the image is of another project, or another chain of this job works
    /// on it.
    pub fn chain(&self, image: &Image) -> Result<Chain> {
        self.log.check()?;
        self.check_image(image)?;
        self.log.chain(image)
    }

    fn check_image(&self, image: &Image) -> Result<()> {
        if *image.project() != self.project {
            let why = format!("{:?} is of another project", image.file_name());
            return Err(Error::invalid("image", why));
        }
        Ok(())
    }
}

/// Makes the error of a call of an earlier run of which it cannot be told what became.
fn cannot_tell(path: impl Into<String>, message: String, advice: &'static str) -> Error {
    Error::OutcomeUnknown(Box::new(CallError {
        cause: Cause {
            kind: CauseKind::Other,
            message,
        },
        advice,
        context: Context {
            method: "POST",
            path: path.into(),
            ..Context::default()
        },
    }))
}
