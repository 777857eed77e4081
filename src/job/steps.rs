//! The edit and the export of a job's project: sent once, and looked up when an answer is missing.

use std::time::Duration;

use serde_json::Value;

use super::line::{Event, Line};
use super::log::Log;
use super::record::{Phase, Started};
use super::{Job, cannot_tell, shown_path};
use crate::edit::{EditOptions, StepStatus};
use crate::error::{ApiErrorKind, CallError, Error, Result, WaitReason};
use crate::lookup::{Found, look_for, tell_of_question};
use crate::progress::Progress;
use crate::project::Project;
use crate::transport::quoted;
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
    ///   arrived, or an upload of this run failed as a whole; the project was edited outside the
    ///   job, or by the job with other options; [`EditOptions::export`] is set, which is
    ///   [`Job::export`]'s task; or the options are refused by [`Project::edit`]. No edit was sent.
    /// - [`Error::WaitFailed`]: the edit failed, on each run; it is not sent again. Or the wait
    ///   ended before the edit; the next run waits on.
    /// - [`Error::OutcomeUnknown`]: it cannot be told whether the edit has begun.
    /// - [`Error::Io`]: the job's file could not be written. No edit was sent.
    /// - Those of [`Project::edit`] and of [`Project::edit_status`].
    pub fn edit(&mut self, options: &EditOptions, wait: &Wait) -> Result<StepStatus> {
        self.log.check()?;
        if options.export {
            let why = "Job::export() does it, and keeps whether it was done";
            return Err(Error::invalid("export", why));
        }
        options.check(self.project.kind())?;
        self.check_options(options)?;
        self.check_photos()?;
        self.task(TaskKind::Edit(options)).run(wait)
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
    /// As [`Job::edit`], except the errors about photos and options.
    pub fn export(&mut self, wait: &Wait) -> Result<StepStatus> {
        self.log.check()?;
        if self.project.kind() == ProjectKind::Smart {
            return match self.log.read(|record| record.edit.phase.clone()) {
                Phase::Done(status) => Ok(status),
                _ => self.project.edit_status(),
            };
        }
        self.task(TaskKind::Export).run(wait)
    }

    fn task<'j>(&'j self, kind: TaskKind<'j>) -> Task<'j> {
        Task {
            project: &self.project,
            log: &self.log,
            kind,
        }
    }

    /// Refuses to edit the project before the photos of this run have arrived.
    fn check_photos(&self) -> Result<()> {
        if let Some(photo) = self.missing_photos.first() {
            let photo = quoted(photo);
            let why = format!("the photo {photo} has not arrived: upload it again first");
            return Err(Error::invalid("job", why));
        }
        if let Some(photo) = self.refused_photos.first() {
            let photo = quoted(photo);
            let why = format!(
                "an upload with the photo {photo} failed as a whole: upload its photos again first"
            );
            return Err(Error::invalid("job", why));
        }
        Ok(())
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

/// Names the options that differ, with their values. The token that a callback URL has is a secret.
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
        if was == is {
            continue;
        }
        differences.push(match name.as_str() {
            "callback_url" => "another callback_url".to_owned(),
            _ => format!("{name} was {}, not {}", shown(was), shown(is)),
        });
    }
    differences
}

fn shown(option: Option<&Value>) -> String {
    option.map_or("unset".to_owned(), Value::to_string)
}

/// What the service does with the whole project, and what costs.
#[derive(Clone, Copy)]
enum TaskKind<'j> {
    Edit(&'j EditOptions),
    Export,
}

/// A task of a job, which is sent once.
struct Task<'j> {
    project: &'j Project,
    log: &'j Log,
    kind: TaskKind<'j>,
}

impl Task<'_> {
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
        let options = match self.kind {
            TaskKind::Edit(options) => Some(options.clone()),
            TaskKind::Export => None,
        };
        self.announce(Event::Sending { options, before })?;
        let sent = match self.kind {
            TaskKind::Edit(options) => self.project.edit(options),
            TaskKind::Export => self.project.export(),
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
        let (TaskKind::Edit(_), Some(status)) = (self.kind, status) else {
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
        let wait_left = time_to_look(wait, clock.since(since));
        let is_found = look_for(&wait_left, clock, |is_last| {
            let answer = self.status_of(&project);
            if let Ok(now) = &answer {
                if has_begun(before.as_ref(), now.as_ref()) {
                    return Ok(Found::Settled(true));
                }
                status.clone_from(now);
            }
            let progress = Progress {
                name: self.name(),
                items: 1,
                status: status.as_ref(),
                failure: answer.as_ref().err(),
                ..Progress::default()
            };
            if !is_last {
                tell_of_question(wait, self.project, self.name(), &progress)?;
            }
            answer.map(|_| Found::Open(false))
        })?;
        if !is_found {
            return Err(self.unknown(status));
        }
        self.note(Event::Accepted);
        Ok(())
    }

    fn wait_until_done(&self, wait: &Wait) -> Result<StepStatus> {
        let result = match self.kind {
            TaskKind::Edit(_) => self.project.wait_until_edited(wait),
            TaskKind::Export => self.project.wait_until_exported(wait),
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
        let status = match self.kind {
            TaskKind::Edit(_) => project.edit_status(),
            TaskKind::Export => project.export_status(),
        };
        match status {
            // It is shown, and kept in a file.
            Ok(status) => {
                let transport = &project.client().transport;
                Ok(Some(transport.redact(status.status.as_str()).into()))
            }
            Err(e) if e.api_kind() == Some(ApiErrorKind::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn unknown(&self, status: Option<ProjectStatus>) -> Error {
        let name = self.name();
        let status = status.map_or("unknown".to_owned(), |status| status.to_string());
        let message = format!(
            "the {name} was sent, its answer is not known, and the status is still {status}"
        );
        let path = self.project.path(&[name]).unwrap_or_default();
        cannot_tell(shown_path(self.project, &path), message, SETTLE)
    }

    fn name(&self) -> &'static str {
        match self.kind {
            TaskKind::Edit(_) => "edit",
            TaskKind::Export => "export",
        }
    }

    fn phase(&self) -> Phase {
        self.read(|started| started.phase.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Started) -> T) -> T {
        self.log.read(|record| match self.kind {
            TaskKind::Edit(_) => look(&record.edit),
            TaskKind::Export => look(&record.export),
        })
    }

    fn announce(&self, event: Event) -> Result<()> {
        self.log.announce(self.line(event))
    }

    fn note(&self, event: Event) {
        self.log.note(self.line(event));
    }

    fn line(&self, event: Event) -> Line {
        match self.kind {
            TaskKind::Edit(_) => Line::Edit(event),
            TaskKind::Export => Line::Export(event),
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
fn time_to_look(wait: &Wait, lost_for: Duration) -> Wait {
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
