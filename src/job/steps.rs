//! The edit and the export of a job's project: sent once, and looked up when an answer is missing.

use std::time::Duration;

use serde_json::Value;

use super::line::{Event, Line};
use super::log::Log;
use super::record::{Phase, Started};
use super::{Job, cannot_tell, shown_path};
use crate::edit::{EditOptions, StepStatus};
use crate::error::{ApiErrorKind, CallError, Error, Result, WaitFailed, WaitReason};
use crate::lookup::{Found, look_for};
use crate::progress::Progress;
use crate::project::Project;
use crate::types::ProjectKind;
use crate::types::ProjectStatus::{self, Completed, Failed, InProgress};
use crate::wait::Wait;

/// What to do about a call that the service may or may not have.
pub(super) const SETTLE: &str = "run the job again later, or look at the project and say so with \
                      Job::assume_done() or Job::assume_not_done()";

impl Job {
    /// Edits all photos and waits until the edit is done: [`Project::edit`] and
    /// [`Project::wait_until_edited`]. Costs credits, once for the job.
    ///
    /// An edit that is done is not sent again, and nothing is asked. One that an earlier run sent
    /// is waited for.
    ///
    /// # How a lost answer is found out
    /// The status of the edit is asked for until it changes, for up to 10 minutes
    /// ([`Wait::for_an_edit`]; less if `wait` is shorter). `In Progress` and `Completed` say that
    /// the service has the edit. If the status stays as it was, the wire cannot tell whether the
    /// edit waits in a queue or never arrived, and the edit is not sent again: a person decides,
    /// by [`Job::assume_done`] or [`Job::assume_not_done`].
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a photo that was given to [`Job::upload`] in this run has not
    ///   arrived; the project was edited outside the job, or by the job with other options; or
    ///   [`EditOptions::export`] is set, which is [`Job::export`]'s task. Else as
    ///   [`Project::edit`]. Nothing was sent.
    /// - [`Error::WaitFailed`]: the edit failed, on each run; it is not sent again. Or the wait
    ///   ended before the edit; the next run waits on.
    /// - [`Error::OutcomeUnknown`]: it cannot be told whether the edit has begun.
    /// - [`Error::Io`]: the job's file could not be written. Nothing was sent.
    /// - Those of [`Project::edit`] and of [`Project::edit_status`].
    pub fn edit(&mut self, options: &EditOptions, wait: &Wait) -> Result<StepStatus> {
        self.log.check()?;
        if options.export {
            let why = "Job::export() does it, and keeps whether it was done";
            return Err(Error::invalid("export", why));
        }
        self.check_options(options)?;
        if let Some(photo) = self.missing_photos.iter().next() {
            let why = format!("the photo {photo:?} has not arrived: upload it again first");
            return Err(Error::invalid("job", why));
        }
        self.step(Task::Edit(options)).run(wait)
    }

    /// Exports the finished images and waits until that is done: [`Project::export`] and
    /// [`Project::wait_until_exported`]. Costs credits, once for the job.
    ///
    /// A Smart Editing project has no export: its edit's status is returned.
    ///
    /// # How a lost answer is found out
    /// As for [`Job::edit`], by the status of the export.
    ///
    /// # Errors
    /// As [`Job::edit`], but for photos and options.
    pub fn export(&mut self, wait: &Wait) -> Result<StepStatus> {
        self.log.check()?;
        if self.project.kind() == ProjectKind::Smart {
            return match self.log.read(|record| record.edit.phase.clone()) {
                Phase::Done(status) => Ok(status),
                _ => self.project.edit_status(),
            };
        }
        self.step(Task::Export).run(wait)
    }

    fn step<'j>(&'j self, task: Task<'j>) -> Step<'j> {
        Step {
            project: &self.project,
            log: &self.log,
            task,
        }
    }

    /// Refuses other options than those that the project was edited with.
    fn check_options(&self, options: &EditOptions) -> Result<()> {
        let sent = self.log.read(|record| match record.edit.phase {
            Phase::NotBegun => None,
            _ => record.edit.options.clone(),
        });
        let Some(sent) = sent else { return Ok(()) };
        let differences = differences(&sent, options);
        if differences.is_empty() {
            return Ok(());
        }
        let why = format!(
            "the job's edit was sent with other options ({}), and another edit would cost again",
            differences.join(", ")
        );
        Err(Error::invalid("options", why))
    }
}

/// Names the options that differ, with their values.
fn differences(sent: &EditOptions, given: &EditOptions) -> Vec<String> {
    let sent = serde_json::to_value(sent).unwrap_or_default();
    let given = serde_json::to_value(given).unwrap_or_default();
    let mut names: Vec<&String> = Vec::new();
    for options in [&sent, &given] {
        names.extend(options.as_object().into_iter().flat_map(|map| map.keys()));
    }
    names.sort();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        let was = sent.get(name);
        let is = given.get(name);
        if was != is {
            differences.push(format!("{name} was {}, not {}", shown(was), shown(is)));
        }
    }
    differences
}

fn shown(option: Option<&Value>) -> String {
    option.map_or("unset".to_owned(), Value::to_string)
}

/// What the service does with the whole project, and what costs.
#[derive(Clone, Copy)]
enum Task<'j> {
    Edit(&'j EditOptions),
    Export,
}

/// A task of a job, which is sent once.
struct Step<'j> {
    project: &'j Project,
    log: &'j Log,
    task: Task<'j>,
}

impl Step<'_> {
    /// Sends the call, unless it was sent, and waits until it is done.
    fn run(&self, wait: &Wait) -> Result<StepStatus> {
        match self.phase() {
            Phase::NotBegun => self.begin(wait)?,
            Phase::Unanswered { .. } => self.look_up(wait)?,
            Phase::Accepted | Phase::Failed => {}
            Phase::Done(status) => return Ok(status),
        }
        self.wait_until_done(wait)
    }

    /// Sends the call, and finds out whether the service has it.
    fn begin(&self, wait: &Wait) -> Result<()> {
        let before = self.status_of(self.project)?;
        self.check_untouched(before.as_ref())?;
        let options = match self.task {
            Task::Edit(options) => Some(options.clone()),
            Task::Export => None,
        };
        self.announce(Event::Sending { options, before })?;
        let sent = match self.task {
            Task::Edit(options) => self.project.edit(options),
            Task::Export => self.project.export(),
        };
        match sent {
            Ok(()) => self.note(Event::Accepted),
            Err(Error::OutcomeUnknown(e)) => {
                self.note(Event::Lost);
                return self.look_up(wait).map_err(|looked| lost(looked, *e));
            }
            Err(e) => {
                self.note(Event::Refused);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Refuses an edit of a project that was edited by somebody else.
    fn check_untouched(&self, status: Option<&ProjectStatus>) -> Result<()> {
        let (Task::Edit(_), Some(status)) = (self.task, status) else {
            return Ok(());
        };
        let is_edited = matches!(status, InProgress | Completed | Failed);
        if is_edited && !self.read(|started| started.is_assumed_not_done) {
            let why = format!(
                "the project was edited outside the job (its status is {status}); \
                 Project::edit() edits it again"
            );
            return Err(Error::invalid("job", why));
        }
        Ok(())
    }

    /// Asks for the status until it tells whether the service has the call.
    fn look_up(&self, wait: &Wait) -> Result<()> {
        let Phase::Unanswered { before, since } = self.phase() else {
            return Ok(());
        };
        let clock = &self.log.clock;
        let project = self.project.returning_refusals();
        let mut status = None;
        let is_found = look_for(&lookup(wait, clock.since(since)), clock, |_| {
            status = self.status_of(&project)?;
            if has_begun(before.as_ref(), status.as_ref()) {
                return Ok(Found::Settled(true));
            }
            self.tell(wait, status.as_ref())?;
            Ok(Found::Open(false))
        })?;
        if !is_found {
            return Err(self.unknown(status));
        }
        self.note(Event::Accepted);
        Ok(())
    }

    /// Tells the callback of the wait that the status says nothing. It can end the looking.
    fn tell(&self, wait: &Wait, status: Option<&ProjectStatus>) -> Result<()> {
        let Some(callback) = &wait.progress else {
            return Ok(());
        };
        let progress = Progress {
            name: self.name(),
            items: 1,
            status,
            ..Progress::default()
        };
        if callback.call(&progress).is_continue() {
            return Ok(());
        }
        Err(Error::WaitFailed(Box::new(WaitFailed {
            project_uuid: self.project.uuid().to_owned(),
            waited_for: self.name(),
            reason: WaitReason::Stopped,
            status: status.cloned(),
            message: String::new(),
        })))
    }

    fn wait_until_done(&self, wait: &Wait) -> Result<StepStatus> {
        let result = match self.task {
            Task::Edit(_) => self.project.wait_until_edited(wait),
            Task::Export => self.project.wait_until_exported(wait),
        };
        match &result {
            // The details are whatever the service says: they are not kept in a file.
            Ok(status) => self.note(Event::Done(StepStatus {
                details: None,
                ..status.clone()
            })),
            Err(Error::WaitFailed(e)) if e.reason == WaitReason::Failed => {
                // Once is enough.
                if !matches!(self.phase(), Phase::Failed) {
                    self.note(Event::Failed);
                }
            }
            Err(_) => {}
        }
        result
    }

    /// Asks for the status. `None` if the service knows of no such edit or export.
    fn status_of(&self, project: &Project) -> Result<Option<ProjectStatus>> {
        let status = match self.task {
            Task::Edit(_) => project.edit_status(),
            Task::Export => project.export_status(),
        };
        match status {
            Ok(status) => Ok(Some(status.status)),
            Err(e) if e.api_kind() == Some(ApiErrorKind::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn unknown(&self, status: Option<ProjectStatus>) -> Error {
        let name = self.name();
        let transport = &self.project.client().transport;
        let status = match status {
            Some(status) => transport.redact(status.as_str()),
            None => "unknown".to_owned(),
        };
        let message = format!(
            "the {name} was sent, its answer is not known, and the status is still {status}"
        );
        let path = self.project.path(&[name]).unwrap_or_default();
        cannot_tell(shown_path(self.project, &path), message, SETTLE)
    }

    fn name(&self) -> &'static str {
        match self.task {
            Task::Edit(_) => "edit",
            Task::Export => "export",
        }
    }

    fn phase(&self) -> Phase {
        self.read(|started| started.phase.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Started) -> T) -> T {
        self.log.read(|record| match self.task {
            Task::Edit(_) => look(&record.edit),
            Task::Export => look(&record.export),
        })
    }

    fn announce(&self, event: Event) -> Result<()> {
        self.log.announce(self.line(event))
    }

    fn note(&self, event: Event) {
        self.log.note(self.line(event));
    }

    fn line(&self, event: Event) -> Line {
        match self.task {
            Task::Edit(_) => Line::Edit(event),
            Task::Export => Line::Export(event),
        }
    }
}

/// Whether the status shows that the service has a call whose answer was lost.
///
/// A status that is not known to move on, `Pending` above all, says nothing: the call may wait in a
/// queue, or may never have arrived.
fn has_begun(before: Option<&ProjectStatus>, now: Option<&ProjectStatus>) -> bool {
    now != before && matches!(now, Some(InProgress | Completed | Failed))
}

/// Returns how long to look for a call whose answer has been lost for so long. The caller's wait
/// can make it shorter: the end of it decides nothing.
fn lookup(wait: &Wait, lost_for: Duration) -> Wait {
    let longest = Wait::for_an_edit();
    let total = longest.total.min(wait.total);
    Wait {
        first: longest.first.min(wait.first),
        longest: longest.longest.min(wait.longest),
        total: total.saturating_sub(lost_for),
        ..longest
    }
}

/// Returns the error of a call that was lost in this run: it says more than one of an earlier run.
fn lost(looked: Error, call: CallError) -> Error {
    match looked {
        Error::OutcomeUnknown(_) => Error::OutcomeUnknown(Box::new(CallError {
            advice: SETTLE,
            ..call
        })),
        other => other,
    }
}
