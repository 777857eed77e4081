//! What a person is told of a job, and what a person decides.

use std::fmt;

use super::Job;
use super::line::{Event, Line};
use super::record::{Finalizing, ImageRecord, Phase, Record};
use crate::chain::Recovery;
use crate::error::{Error, Result};
use crate::transport::quoted;
use crate::types::CopilotEdit;

/// What a job has done, from [`Job::report`]. `Display` has a line for each step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The project's id.
    pub project_uuid: String,
    /// How many photos have arrived.
    pub photos: usize,
    /// What was sent, and what came of it. A step that was not begun is not among them.
    pub steps: Vec<StepReport>,
}

/// A step of a job, and what came of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// What was sent.
    pub step: JobStep,
    /// What came of it.
    pub state: StepState,
}

/// A step of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobStep {
    /// [`Job::edit`].
    Edit,
    /// [`Job::export`].
    Export,
    /// A Copilot edit of [`Job::copilot_each`] or [`Job::chain`].
    Copilot {
        /// The image's file name.
        image: String,
        /// What was asked for.
        edit: CopilotEdit,
    },
    /// [`Job::finalize_to`].
    Finalize,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepState {
    /// It is done, or was made.
    Done,
    /// The service has it, and the next run waits for it, or sends it again where that costs
    /// nothing.
    Underway,
    /// The service refused it, or said that it failed, or it was shown not to be made.
    Failed,
    /// It was sent, and it is not known what became of it. Running the step again looks for it;
    /// where that cannot tell, [`Job::assume_done`] and [`Job::assume_not_done`] settle it.
    Unknown,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "project {}: {} photos", self.project_uuid, self.photos)?;
        for StepReport { step, state } in &self.steps {
            writeln!(f, "{step}: {state}")?;
        }
        Ok(())
    }
}

impl fmt::Display for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit => f.write_str("edit"),
            Self::Export => f.write_str("export"),
            Self::Copilot { image, edit } => match edit {
                CopilotEdit::Instruction(text) => {
                    write!(f, "{}, {}", quoted(image), quoted(text))
                }
                CopilotEdit::Preset(tool_id) => {
                    write!(f, "{}, preset {}", quoted(image), quoted(tool_id))
                }
            },
            Self::Finalize => f.write_str("finalize"),
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Underway => "under way",
            Self::Failed => "failed",
            Self::Unknown => "not known",
        })
    }
}

impl Job {
    /// Returns what the job has done so far. Nothing is sent.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// use imagen_ai::{JobStep, StepState};
    ///
    /// let mut job = client.open_job("wedding.job", "Smith wedding")?;
    /// for row in job.report().steps {
    ///     if row.state == StepState::Unknown {
    ///         println!("{}: look at the project", row.step);
    ///     }
    /// }
    /// // A person has looked, and found that the edit never began.
    /// job.assume_not_done(&JobStep::Edit)?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn report(&self) -> Report {
        let (photos, steps) = self.log.read(|record| (record.photos.len(), steps(record)));
        Report {
            project_uuid: self.project.uuid().to_owned(),
            photos,
            steps,
        }
    }

    /// Settles a step whose outcome cannot be told: it was done.
    ///
    /// An edit or an export is waited for by the next run, until it is `Completed`. For a Copilot
    /// edit the history is read, and the one new version of the image is taken for the edit.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the step is not in question; a chain works on the image; or the
    ///   history lists none or several versions that may be the Copilot edit
    ///   ([`Chain::branch_from`](crate::Chain::branch_from) says which).
    /// - [`Error::Io`]: the job's file could not be written. Nothing has changed.
    /// - Those of [`Project::history`](crate::Project::history), for a Copilot edit.
    pub fn assume_done(&mut self, step: &JobStep) -> Result<()> {
        self.check_state(step, &[StepState::Unknown, StepState::Underway])?;
        match step {
            JobStep::Edit => self.log.announce(Line::Edit(Event::AssumedDone)),
            JobStep::Export => self.log.announce(Line::Export(Event::AssumedDone)),
            JobStep::Copilot { image, .. } => self.assume_made(image),
            JobStep::Finalize => {
                let why = "finalize: Job::finalize_to() sends it again, which costs nothing";
                Err(Error::invalid("step", why))
            }
        }
    }

    /// Settles a step that failed, whose outcome cannot be told, or that is under way without end:
    /// it was not done. The next run sends it again. If it was done after all, it is paid for
    /// twice. After a finalizing edits can be sent again: it must surely not have been done.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the step is not in question, or a chain works on the image.
    /// - [`Error::Io`]: the job's file could not be written. Nothing has changed.
    pub fn assume_not_done(&mut self, step: &JobStep) -> Result<()> {
        let states = [StepState::Unknown, StepState::Underway, StepState::Failed];
        self.check_state(step, &states)?;
        match step {
            JobStep::Edit => self.log.announce(Line::Edit(Event::AssumedNotDone)),
            JobStep::Export => self.log.announce(Line::Export(Event::AssumedNotDone)),
            JobStep::Copilot { image, .. } => {
                let handle = self.project.image(image);
                self.chain(&handle)?.assume_not_applied()?;
                self.unfinished.remove(image);
                Ok(())
            }
            JobStep::Finalize => self.log.announce(Line::FinalizeRefused),
        }
    }

    /// Refuses to settle a step that was not sent or is in no such state.
    fn check_state(&self, step: &JobStep, states: &[StepState]) -> Result<()> {
        let steps = self.log.read(steps);
        let Some(row) = steps.iter().rev().find(|row| row.step == *step) else {
            let why = format!("{step}: this job has not sent it");
            return Err(Error::invalid("step", why));
        };
        if !states.contains(&row.state) {
            let why = format!("{step}: it is not in question ({})", row.state);
            return Err(Error::invalid("step", why));
        }
        Ok(())
    }

    /// Takes the one version that may be the lost edit of an image for it.
    fn assume_made(&self, image: &str) -> Result<()> {
        let mut chain = self.chain(&self.project.image(image))?;
        let history = self.project.history()?;
        let Recovery::CannotTell { candidates } = chain.look_in(&history, false) else {
            return Ok(());
        };
        let [version] = candidates.as_slice() else {
            let why = format!(
                "{}: the history lists {} versions that may be the edit; \
                 Chain::branch_from() says which",
                quoted(image),
                candidates.len()
            );
            return Err(Error::invalid("step", why));
        };
        chain.branch_from(&version.id)
    }
}

/// Returns the steps that were begun, in the order in which a job does them.
fn steps(record: &Record) -> Vec<StepReport> {
    let mut steps = Vec::new();
    let mut add = |step, state| steps.push(StepReport { step, state });
    if let Some(state) = state_of(&record.edit.phase) {
        add(JobStep::Edit, state);
    }
    if let Some(state) = state_of(&record.export.phase) {
        add(JobStep::Export, state);
    }
    for (name, image) in &record.images {
        for (edit, state) in edits_of(image) {
            let image = name.clone();
            let edit = edit.clone();
            add(JobStep::Copilot { image, edit }, state);
        }
    }
    match record.finalizing {
        Finalizing::NotBegun => {}
        Finalizing::Announced => add(JobStep::Finalize, StepState::Underway),
        Finalizing::Done => add(JobStep::Finalize, StepState::Done),
    }
    steps
}

fn state_of(phase: &Phase) -> Option<StepState> {
    match phase {
        Phase::NotBegun => None,
        Phase::Unanswered { .. } => Some(StepState::Unknown),
        Phase::Accepted => Some(StepState::Underway),
        Phase::Failed => Some(StepState::Failed),
        Phase::Done(_) => Some(StepState::Done),
    }
}

/// Returns the edits up to where the image's chain stands, and the one after that.
fn edits_of(image: &ImageRecord) -> Vec<(&CopilotEdit, StepState)> {
    let mut edits = Vec::new();
    for version in &image.chain.path {
        if let Some(edit) = image.edit_of(version) {
            edits.push((edit, StepState::Done));
        }
    }
    if let Some(pending) = &image.chain.pending {
        let state = if pending.is_answered() {
            StepState::Done
        } else {
            StepState::Unknown
        };
        edits.push((&pending.edit, state));
    } else if let Some(edit) = &image.not_made {
        edits.push((edit, StepState::Failed));
    }
    edits
}
