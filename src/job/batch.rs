//! The same Copilot edits on many images.

mod work;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use self::work::{Standing, Work, unknown};
use super::Job;
use crate::chain::{Chain, Pending, Step};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::image::{Image, check_edit};
use crate::lookup::{Found, look_for};
use crate::outcomes::Outcomes;
use crate::parallel::{Ended, parallel};
use crate::progress::{Progress, ProgressCallback};
use crate::project::Project;
use crate::transport::quoted;
use crate::types::CopilotEdit;
use crate::wait::Wait;

/// How [`Job::copilot_each`] edits images.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// How many images are edited at a time; 0 counts as 1. Default: 4.
    pub threads: usize,
    /// How long to look for an edit whose answer was lost, and how often to ask. Default:
    /// [`Wait::for_an_edit`].
    ///
    /// An edit that is not in the history at the end of it counts as not made, and is sent again.
    pub wait: Wait,
    /// Told of each image when its edits begin, when it has ended, and, while its lost edit is
    /// looked for, after each question. [`Wait::progress`] is not called.
    ///
    /// [`Break`](std::ops::ControlFlow::Break) ends the batch: edits that are under way are waited
    /// for, lost edits are not looked for any longer, and images that were not begun are
    /// [`TransferReason::Cancelled`](crate::TransferReason::Cancelled). Default: none.
    pub progress: Option<ProgressCallback>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            wait: Wait::for_an_edit(),
            progress: None,
        }
    }
}

/// An image to which all edits of [`Job::copilot_each`] were made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Edited {
    /// The image's file name.
    pub file_name: String,
    /// What each edit gave, in their order. Those of an earlier run have no link:
    /// [`Project::history`] has fresh ones.
    pub steps: Vec<Step>,
}

impl Job {
    /// Starts each image from its unedited state and applies the edits to it, each built on the
    /// one before. Versions that an image has already are dropped by the service with the first
    /// edit. Costs credits, once for each edit of each image of the job.
    ///
    /// Images are given by value or by reference. An edit is an instruction (`&str`, `String`), a
    /// [`Preset`](crate::Preset) or a [`CopilotEdit`]. The results are in the order of the images.
    /// An image that fails stops no other: look at each, or call [`Outcomes::all`].
    ///
    /// Edits that the job has made are not sent again. For each image, the edits must begin with
    /// those: more can be added at the end. Images can be added, left out and reordered. An image
    /// that the service refused to edit is sent again by the next run.
    ///
    /// # How a lost answer is found out
    /// The history of the project is read once before the first edit. Edits whose answers were lost
    /// are looked for together, when all other images are done: see [`Chain::recover`]. An edit
    /// that was not made is sent again.
    ///
    /// # What ends it early
    /// [`RateLimited`], [`Unauthorized`], [`Error::Network`], and a job's file that cannot be
    /// written. Images that were not begun carry that error; nothing was sent for them.
    ///
    /// [`RateLimited`]: crate::ApiErrorKind::RateLimited
    /// [`Unauthorized`]: crate::ApiErrorKind::Unauthorized
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an edit that is refused, an image of another project or one that
    ///   is given twice, an image that a [chain](Job::chain) works on, or edits that do not begin
    ///   with those that the image has; or edits to make, after [`finalize_to`](Job::finalize_to).
    ///   Nothing was sent.
    /// - Those of [`Project::history`]. No edit was sent.
    ///
    /// Of one image: those of [`Chain::copilot`].
    pub fn copilot_each(
        &mut self,
        images: impl IntoIterator<Item = impl Borrow<Image>>,
        edits: impl IntoIterator<Item = impl Into<CopilotEdit>>,
        options: &BatchOptions,
    ) -> Result<Outcomes<Edited>> {
        self.log.check()?;
        let edits: Vec<CopilotEdit> = edits.into_iter().map(Into::into).collect();
        for edit in &edits {
            check_edit(edit)?;
        }
        let images: Vec<_> = images.into_iter().collect();
        check_each_once(images.iter().map(Borrow::borrow))?;
        let mut works = Vec::with_capacity(images.len());
        for image in images {
            works.push(self.work_on(image.borrow(), &edits, works.len())?);
        }
        if !works.iter().all(Work::is_done) {
            self.log.check_takes_edits()?;
        }
        let left = works.iter().filter(|work| !work.is_done());
        self.unfinished
            .extend(left.map(|work| work.file_name.clone()));
        let batch = Batch {
            project: &self.project,
            clock: &self.log.clock,
            edits: &edits,
            options,
            images: works.len(),
            images_ended: AtomicUsize::new(0),
            ended: Ended::default(),
        };
        batch.run(&mut works)?;

        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            let outcome = work.outcome(edits.len());
            if let Ok(edited) = &outcome {
                self.unfinished.remove(&edited.file_name);
            }
            outcomes.push(outcome);
        }
        Ok(Outcomes(outcomes))
    }

    /// Takes an image for the batch, with what the job has done for it.
    fn work_on(&self, image: &Image, edits: &[CopilotEdit], index: usize) -> Result<Work> {
        let chain = Box::new(self.chain(image)?);
        self.check_begins_with(image.file_name(), edits)?;
        let mut steps = Vec::with_capacity(edits.len());
        steps.extend(chain.path().iter().map(Step::of_id));
        if chain.pending().is_some_and(Pending::is_answered) {
            steps.push(Step::unnamed());
        }
        let standing = if steps.len() == edits.len() {
            Standing::Done
        } else if chain.pending().is_some() {
            let error = unknown(&chain);
            Standing::Lost(chain, error)
        } else {
            Standing::Ready(chain)
        };
        Ok(Work {
            index,
            file_name: image.file_name().to_owned(),
            steps,
            standing,
            times_lost: 0,
            is_end_told: false,
        })
    }

    /// Refuses edits that do not begin with those that the image has.
    fn check_begins_with(&self, image: &str, edits: &[CopilotEdit]) -> Result<()> {
        let begins_with = self.log.read(|record| {
            let Some(image) = record.images.get(image) else {
                return true;
            };
            let Some(mut made) = image.edits() else {
                return false;
            };
            made.extend(image.chain.pending.as_ref().map(|pending| &pending.edit));
            let given: Vec<&CopilotEdit> = edits.iter().take(made.len()).collect();
            made == given
        });
        if begins_with {
            return Ok(());
        }
        self.log.check_takes_edits()?;
        let why = format!(
            "{} was edited by this job, and the edits do not begin with those that it has: \
             add new ones at the end, or go on with Job::chain()",
            quoted(image)
        );
        Err(Error::invalid("edits", why))
    }
}

/// Refuses an image that is given twice.
fn check_each_once<'i>(images: impl Iterator<Item = &'i Image>) -> Result<()> {
    let mut names = HashSet::new();
    for image in images {
        if !names.insert(image.file_name()) {
            let why = format!("{} is given twice", quoted(image.file_name()));
            return Err(Error::invalid("image", why));
        }
    }
    Ok(())
}

/// One run over many images.
struct Batch<'b> {
    project: &'b Project,
    clock: &'b Clock,
    edits: &'b [CopilotEdit],
    options: &'b BatchOptions,
    images: usize,
    images_ended: AtomicUsize,
    /// Why no more edits are sent.
    ended: Ended,
}

impl Batch<'_> {
    fn run(&self, works: &mut [Work]) -> Result<()> {
        for work in works.iter_mut().filter(|work| work.is_done()) {
            self.tell_end(work);
        }
        if works.iter().all(Work::is_done) {
            return Ok(());
        }
        self.look_before(works)?;
        self.edit_all(works);
        for work in works {
            self.tell_end(work);
        }
        Ok(())
    }

    /// Sends all edits that are left, and those again that were lost and not made.
    fn edit_all(&self, works: &mut [Work]) {
        loop {
            let ready = works.iter_mut().filter(|work| work.is_ready());
            parallel(ready, self.options.threads, |work| self.edit(work));
            if self.ended.why().is_some() {
                return;
            }
            self.look_for_lost(works);
            if !works.iter().any(Work::is_ready) {
                return;
            }
        }
    }

    /// Reads which versions the images have, so that a lost edit can be told from them.
    fn look_before(&self, works: &mut [Work]) -> Result<()> {
        let history = self.project.history()?;
        for work in works {
            match &mut work.standing {
                Standing::Ready(chain) => chain.learn(&history),
                _ => work.look_in(&history, false),
            }
        }
        Ok(())
    }

    /// Sends the edits that an image lacks, and tells the callback.
    fn edit(&self, work: &mut Work) {
        self.tell(work, None);
        let standing = mem::replace(&mut work.standing, Standing::Done);
        work.standing = match standing {
            Standing::Ready(chain) => self.send(chain, &mut work.steps),
            other => other,
        };
        if !work.is_lost() {
            self.tell_end(work);
        }
    }

    /// Sends the edits that an image lacks, one after the other.
    fn send(&self, mut chain: Box<Chain>, steps: &mut Vec<Step>) -> Standing {
        while let Some(edit) = self.edits.get(steps.len()) {
            if let Some(error) = self.ended.why() {
                return Standing::Failed(error);
            }
            let result = chain.send(edit.clone());
            let is_pending = chain.pending().is_some();
            match result {
                Ok(step) => steps.push(step),
                Err(error) if is_pending => return Standing::Lost(chain, error),
                Err(error) => {
                    self.end_if_next_would_fail(&error);
                    return Standing::Failed(error);
                }
            }
            // It was made, and nothing can be built on a version that is not known.
            if is_pending {
                let error = unknown(&chain);
                return Standing::Lost(chain, error);
            }
        }
        Standing::Done
    }

    /// Looks for all lost edits together, until all are found or the time is up.
    fn look_for_lost(&self, works: &mut [Work]) {
        let total = self.options.wait.total;
        let Some(youngest) = works.iter().filter_map(Work::lost_for).min() else {
            return;
        };
        let wait = Wait {
            total: total.saturating_sub(youngest),
            ..self.options.wait.clone()
        };
        let project = self.project.returning_refusals();
        // What cannot be asked leaves the edits lost, and their errors say so.
        let _ = look_for(&wait, self.clock, |is_over| {
            // What has not come by now will not come.
            let overdue: Vec<bool> = works.iter().map(|work| work.is_lost_for(total)).collect();
            let answer = project.history();
            if let Ok(history) = &answer {
                for (work, is_overdue) in works.iter_mut().zip(overdue) {
                    work.look_in(history, is_over || is_overdue);
                }
            }
            self.tell_of_lost(works);
            if self.ended.why().is_some() || !works.iter().any(Work::is_lost) {
                return Ok(Found::Settled(()));
            }
            answer.map(|_| Found::Open(()))
        });
    }

    /// Tells the callback of the images whose edits are still looked for.
    fn tell_of_lost(&self, works: &[Work]) {
        for work in works {
            if work.is_lost() {
                self.tell(work, None);
            }
        }
    }

    /// Tells the callback of the end of an image, once.
    fn tell_end(&self, work: &mut Work) {
        if work.is_end_told {
            return;
        }
        work.is_end_told = true;
        self.images_ended.fetch_add(1, Relaxed);
        let ended = match work.error(self.edits.len()) {
            Some(error) => Err(error),
            None => Ok(()),
        };
        self.tell(work, Some(ended));
    }

    fn tell(&self, work: &Work, ended: Option<Result<(), &Error>>) {
        let Some(callback) = &self.options.progress else {
            return;
        };
        let progress = Progress {
            index: work.index,
            name: &work.file_name,
            ended,
            items_done: self.images_ended.load(Relaxed),
            items: self.images,
            ..Progress::default()
        };
        if callback.call(&progress).is_break() {
            self.ended.end(
                &self
                    .project
                    .client()
                    .transport
                    .cancelled("POST", &work.file_name),
            );
        }
    }

    /// Ends the batch after an error that the next image would meet too.
    fn end_if_next_would_fail(&self, error: &Error) {
        if error.is_of_all_calls() || matches!(error, Error::Io { .. }) {
            self.ended.end(error);
        }
    }
}
