//! Waiting until a project, its edit or its export is done: how long, and the one polling loop.

use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use crate::edit::StepStatus;
use crate::error::{Error, Result, WaitFailed, WaitReason};
use crate::project::Project;
use crate::types::ProjectStatus::{self, Completed, Failed, InProgress, Pending};
use crate::types::{ProjectInfo, ProjectKind};

/// The shortest wait, so that a `first` or `longest` of zero is no busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long to wait for the service to be done with something, and how often to ask.
///
/// Each wait is [`factor`](Self::factor) times the one before, from [`first`](Self::first) up to
/// [`longest`](Self::longest), until [`total`](Self::total) is over; the last is cut to end with
/// it. The first question is asked at once, the last at the end of the total. The default is how
/// the vendor's clients wait for a project.
///
/// ```
/// use imagen_ai::Wait;
/// use std::time::Duration;
///
/// let overnight = Wait {
///     total: Duration::from_secs(8 * 60 * 60),
///     ..Wait::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// The wait after the first question. Default: 10 s.
    pub first: Duration,
    /// How much longer each wait is than the one before. Below 1, or no number, counts as 1.
    /// Default: 1.2.
    pub factor: f64,
    /// The longest wait between two questions. Default: 60 s.
    pub longest: Duration,
    /// How long to wait in all, without the time that the questions take themselves. Default: 20
    /// h.
    pub total: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self::of_seconds(10, 1.2, 60, 20 * 60 * 60)
    }
}

impl Wait {
    /// Returns a wait for an edit that may still be running
    /// ([`Chain::recover`](crate::Chain::recover)): 2 s, times 1.5 each time, at most 15 s, for
    /// 10 minutes in all, which is twice as long as the vendor's clients give a call.
    pub fn for_an_edit() -> Self {
        Self::of_seconds(2, 1.5, 15, 10 * 60)
    }

    fn of_seconds(first: u64, factor: f64, longest: u64, total: u64) -> Self {
        let [first, longest, total] = [first, longest, total].map(Duration::from_secs);
        Self {
            first,
            factor,
            longest,
            total,
        }
    }

    /// Returns a function that tells how long to wait before the next question: as long as `asked`
    /// at least, together as long as the total. `None` says that the total is over.
    pub(crate) fn pauses(self) -> impl FnMut(Duration) -> Option<Duration> {
        let longest = self.longest.max(SHORTEST);
        let (mut next, mut left) = (self.first.clamp(SHORTEST, longest), self.total);
        move |asked| {
            let pause = next.max(asked).min(left);
            left -= pause;
            // In seconds, since a product of durations panics where it overflows.
            let longer = Duration::try_from_secs_f64(next.as_secs_f64() * self.factor.max(1.0));
            next = longer.unwrap_or(longest).min(longest);
            (!pause.is_zero()).then_some(pause)
        }
    }
}

/// What an answer says: whether it is what is waited for, or why waiting longer does not help; the
/// status, and the words beside it.
type Verdict = (Result<bool, WaitReason>, ProjectStatus, String);

impl Project {
    /// Waits until the edit is done: asks [`Project::edit_status`] now and then until it is
    /// `Completed`, and returns its last answer. It starts nothing itself.
    ///
    /// # Errors
    /// - [`Error::WaitFailed`]: the edit failed, with the service's details, or the time is over.
    /// - Those of [`Project::edit_status`] that do not pass, and the last one that does, if the
    ///   time is over.
    pub fn wait_until_edited(&self, wait: &Wait) -> Result<StepStatus> {
        self.wait_until_edited_with(wait, |_| ControlFlow::Continue(()))
    }

    /// Like [`Project::wait_until_edited`], and calls `seen` with the answer to every question, or
    /// with the failure to get one. [`Break`](ControlFlow::Break) ends the wait with
    /// [`WaitReason::Stopped`], unless the answer ends it anyway.
    ///
    /// # Errors
    /// As [`Project::wait_until_edited`].
    pub fn wait_until_edited_with(
        &self,
        wait: &Wait,
        mut seen: impl FnMut(&Result<StepStatus>) -> ControlFlow<()>,
    ) -> Result<StepStatus> {
        self.wait_for("edit", wait, &|| self.edit_status(), &judge_job, &mut seen)
    }

    /// Waits until the export is done. Like [`Project::wait_until_edited`], with
    /// [`Project::export_status`].
    ///
    /// # Errors
    /// As [`Project::wait_until_edited`]; [`Error::InvalidInput`] for a Smart Editing project,
    /// which has no export.
    pub fn wait_until_exported(&self, wait: &Wait) -> Result<StepStatus> {
        self.wait_until_exported_with(wait, |_| ControlFlow::Continue(()))
    }

    /// Like [`Project::wait_until_exported`], with a callback as
    /// [`Project::wait_until_edited_with`] has it.
    ///
    /// # Errors
    /// As [`Project::wait_until_exported`].
    pub fn wait_until_exported_with(
        &self,
        wait: &Wait,
        mut seen: impl FnMut(&Result<StepStatus>) -> ControlFlow<()>,
    ) -> Result<StepStatus> {
        self.wait_for(
            "export",
            wait,
            &|| self.export_status(),
            &judge_job,
            &mut seen,
        )
    }

    /// Waits until the Copilot API works on the project: asks [`Project::info`] now and then until
    /// its status is `Completed`, and returns its last answer. It starts nothing itself.
    ///
    /// A profile-based project must also have been exported. When it is completed and has no
    /// `export_status`, that is told at once ([`WaitReason::NotExported`]); while the export is
    /// `Pending` or `In Progress`, the wait goes on. The service has not published the words of
    /// `export_status`, so any but these and `Failed` count as exported, and a wrong guess shows
    /// as [`ApiErrorKind::NotReady`](crate::ApiErrorKind::NotReady) in the next call.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Project must be completed first".
    ///
    /// # Errors
    /// - [`Error::WaitFailed`]: the project or its export failed, it has not been exported, or the
    ///   time is over.
    /// - Those of [`Project::info`] that do not pass, and the last one that does, if the time is
    ///   over.
    pub fn wait_until_completed(&self, wait: &Wait) -> Result<ProjectInfo> {
        self.wait_until_completed_with(wait, |_| ControlFlow::Continue(()))
    }

    /// Like [`Project::wait_until_completed`], and calls `seen` with the answer to every question,
    /// or with the failure to get one. [`Break`](ControlFlow::Break) ends the wait with
    /// [`WaitReason::Stopped`], unless the answer ends it anyway.
    ///
    /// # Errors
    /// As [`Project::wait_until_completed`].
    pub fn wait_until_completed_with(
        &self,
        wait: &Wait,
        mut seen: impl FnMut(&Result<ProjectInfo>) -> ControlFlow<()>,
    ) -> Result<ProjectInfo> {
        let judge = |info: &ProjectInfo| {
            let is_smart = self.kind() == ProjectKind::Smart;
            let exported = if is_smart {
                Some(&Completed)
            } else {
                info.export_status.as_ref()
            };
            let verdict = match (&info.status, exported) {
                (Failed, _) | (Completed, Some(Failed)) => Err(WaitReason::Failed),
                (Completed, None) => Err(WaitReason::NotExported),
                (Completed, Some(Pending | InProgress)) => Ok(false),
                (status, _) => Ok(*status == Completed),
            };
            let words = info
                .export_status
                .as_ref()
                .map(|export| format!("export {export}"));
            (verdict, info.status.clone(), words.unwrap_or_default())
        };
        self.wait_for("project", wait, &|| self.info(), &judge, &mut seen)
    }

    /// Asks until the answer is one to stop at or the time is over, and tells `seen` of every
    /// answer and of every failure to get one. A failure after which one [asks
    /// again](asks_again) is not the end.
    fn wait_for<T>(
        &self,
        waited_for: &'static str,
        wait: &Wait,
        ask: &dyn Fn() -> Result<T>,
        judge: &dyn Fn(&T) -> Verdict,
        seen: &mut dyn FnMut(&Result<T>) -> ControlFlow<()>,
    ) -> Result<T> {
        let redact = |text: &str| self.client().transport.redact(text, &[]);
        let (mut pauses, mut told) = (wait.pauses(), None);
        let reason = loop {
            let answer = ask();
            let go_on = seen(&answer);
            let asked = answer
                .as_ref()
                .err()
                .and_then(Error::retry_after)
                .unwrap_or_default();
            let verdict = match &answer {
                Ok(answer) => {
                    let (verdict, status, words) = judge(answer);
                    told = Some((redact(status.as_str()).into(), redact(&words)));
                    verdict
                }
                Err(e) if asks_again(e) => Ok(false),
                Err(_) => return answer,
            };
            match (verdict, go_on) {
                (Ok(true), _) => return answer,
                (Err(reason), _) => break reason,
                (_, ControlFlow::Break(())) => break WaitReason::Stopped,
                _ => match pauses(asked) {
                    Some(pause) => sleep(pause),
                    None if answer.is_err() => return answer,
                    None => break WaitReason::TimedOut,
                },
            }
        };
        let (project_uuid, (status, message)) = (self.uuid().to_owned(), told.unzip());
        let message = message.unwrap_or_default();
        Err(Error::WaitFailed(Box::new(WaitFailed {
            project_uuid,
            waited_for,
            reason,
            status,
            message,
        })))
    }
}

/// Judges the status of an edit or an export.
fn judge_job(job: &StepStatus) -> Verdict {
    let verdict = if job.status == Failed {
        Err(WaitReason::Failed)
    } else {
        Ok(job.status == Completed)
    };
    let words = job
        .details
        .as_ref()
        .map(|details| details.as_str().map_or(details.to_string(), str::to_owned));
    (verdict, job.status.clone(), words.unwrap_or_default())
}

/// Whether a question is asked again after this failure: see [`Error::is_safe_to_retry`], and a
/// page where JSON should be.
pub(crate) fn asks_again(error: &Error) -> bool {
    error.is_safe_to_retry() || matches!(error, Error::Decode(_))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn seconds(wait: Wait) -> Vec<f64> {
        let mut pauses = wait.pauses();
        iter::from_fn(|| Some(pauses(Duration::ZERO)?.as_secs_f64())).collect()
    }

    #[test]
    fn waits_grow_up_to_the_longest_and_end_with_the_total() {
        let wait = Wait {
            first: Duration::from_secs(10),
            factor: 2.0,
            longest: Duration::from_secs(30),
            total: Duration::from_secs(95),
        };
        assert_eq!(seconds(wait), [10.0, 20.0, 30.0, 30.0, 5.0]);
        assert_eq!(seconds(Wait::default())[..3], [10.0, 12.0, 14.4]);
        let mut pauses = wait.pauses();
        assert_eq!(
            pauses(Duration::from_secs(90)),
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            (pauses(Duration::MAX), pauses(Duration::MAX)),
            (Some(Duration::from_secs(5)), None)
        );
    }

    #[test]
    fn odd_settings_end_all_the_same() {
        let second = Wait {
            first: Duration::ZERO,
            factor: f64::NAN,
            longest: Duration::ZERO,
            total: Duration::from_millis(3),
        };
        assert_eq!(seconds(second), [0.001, 0.001, 0.001]);
        let none = Wait {
            total: Duration::ZERO,
            ..Wait::default()
        };
        assert!(seconds(none).is_empty());
        let endless = Wait {
            first: Duration::MAX,
            factor: f64::INFINITY,
            longest: Duration::MAX,
            total: Duration::MAX,
        };
        assert_eq!(seconds(endless).len(), 1);
    }
}
