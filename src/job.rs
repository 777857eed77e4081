//! Jobs: a project and what was done to it, kept in a file.
//!
//! The methods of [`Job`] are in `create`, `photos`, `steps`, `batch`, `finalize` and `report`.
//! They share a `log::Log`: the file, and what its lines come to. Below it, from the top down:
//! `record::Record` is the sum of the lines; `journal::Journal` adds `line::Line`s so that none is
//! lost; `disk::Disk` is the file under its lock.

mod batch;
mod create;
mod disk;
mod finalize;
mod header;
mod journal;
mod line;
mod log;
mod photos;
mod record;
mod report;
mod steps;

// Windows lets nobody read a file that is locked, as the model does to kill a process.
#[cfg(all(test, not(windows)))]
mod model;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::log::Log;
use crate::chain::Chain;
use crate::error::{CallError, Cause, CauseKind, Context, Error, Result};
use crate::image::Image;
use crate::project::Project;
use crate::transport::{Call, check_segment, quoted};

pub use self::batch::{BatchOptions, Edited};
pub use self::report::{JobStep, Report, StepReport, StepState};

/// A project and what was done to it, kept in a file. A program that was killed goes on from there.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let photos = ["card/DSC_0001.NEF", "card/DSC_0002.NEF"];
/// use imagen_ai::{
///     BatchOptions, DownloadOptions, EditOptions, UploadOptions, Wait,
/// };
///
/// let mut job = client.open_job("wedding.job", "Smith wedding")?;
/// job.upload(photos, &UploadOptions::default())?.all()?;
/// job.edit(&EditOptions::profile(5700), &Wait::default())?;
/// job.export(&Wait::default())?;
/// let images = job.project().images()?;
/// let edits = ["make the sky more blue"];
/// job.copilot_each(images, edits, &BatchOptions::default())?
///     .all()?;
/// job.finalize_to("finished", &DownloadOptions::default())?
///     .all()?;
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// The program can be killed at any moment and started again from the top: what is done is not
/// done again, and nothing is paid for twice. Each step says in its docs how it finds out what
/// became of a call whose answer it did not see, and what it costs.
///
/// # When it cannot be told
/// Now and then the service does not show what became of a call. The step is then
/// [`Error::OutcomeUnknown`], in this run and in the next ones, and is never sent again by itself:
/// a person looks at the project and calls [`assume_done`](Self::assume_done) or
/// [`assume_not_done`](Self::assume_not_done). [`report`](Self::report) lists these steps.
///
/// An answer that was lost is looked for as long as the step says. That time is counted from when
/// this process opened the job, or lost the answer; the machine's date does not matter.
///
/// # The file
/// It holds lines of JSON: ids, file names, options and instructions; no API key and no links.
/// (A [`callback_url`](crate::EditOptions::callback_url) stands in it as it was given.) Lines are
/// only ever added. What costs credits is written there, and brought to the disk, before it is
/// sent; if that fails, it is not sent.
///
/// The job holds the lock of its file, until it and its chains are dropped or the process has
/// ended. A second handle of the same file is [`Error::InvalidInput`], in this process too.
///
/// - On a network drive a job is for one machine at a time, since not all of them know locks of
///   other machines. Where there are no locks at all, a job cannot be opened.
/// - On Windows nobody can read or copy the file while the job is open.
/// - A copy of the file, or one that is restored from a backup, is another job. It knows nothing of
///   what was done since, and can pay for that again.
#[derive(Debug)]
pub struct Job {
    project: Project,
    log: Arc<Log>,
    /// The photos that this run was given and that have not arrived.
    missing_photos: BTreeSet<String>,
    /// The photos of uploads of this run that failed as a whole, until one of them is given again.
    refused_photos: BTreeSet<String>,
    /// The images that this run was given and whose edits were not all made.
    unfinished: BTreeSet<String>,
}

impl Job {
    fn new(project: Project, log: Arc<Log>) -> Self {
        Self {
            project,
            log,
            missing_photos: BTreeSet::new(),
            refused_photos: BTreeSet::new(),
            unfinished: BTreeSet::new(),
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
            let why = format!("{} is of another project", quoted(image.file_name()));
            return Err(Error::invalid("image", why));
        }
        // A call would refuse it too, but only after it was announced.
        check_segment("file_name", "file name", image.file_name())
    }
}

/// Returns the path of a call as an error shows it. The names in it can be the service's.
fn shown_path(project: &Project, path: &[&str]) -> String {
    let call = Call::post(path);
    project.client().transport.redact(&call.path)
}

/// Makes the error of a call whose outcome cannot be told.
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
