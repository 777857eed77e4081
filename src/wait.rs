//! Waiting until a project, its edit or its export is done: how long, and the one polling loop.

use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::edit::StepStatus;
use crate::error::{ApiErrorKind, Error, Result, WaitFailed, WaitReason};
use crate::progress::{Progress, ProgressCallback};
use crate::project::Project;
use crate::types::ProjectStatus::{self, Completed, Failed, InProgress, Pending};
use crate::types::{ProjectInfo, ProjectKind};

/// The shortest pause, so that a `first` or `longest` of zero is no busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// How many answers in a row may say that there is no such project, before a wait believes it. The
/// service may not know a project yet that it has just made.
const MOST_NOT_FOUND: u32 = 3;

/// How long to wait for the service to be done with something, and how often to ask.
///
/// The first question is asked at once. The pause after it is [`first`](Self::first), and each
/// pause is [`factor`](Self::factor) times the one before, up to [`longest`](Self::longest). The
/// last pause is cut to end with [`total`](Self::total), and one more question is asked then. The
/// default is how the vendor's clients wait for a project.
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
#[derive(Clone, Debug)]
pub struct Wait {
    /// The pause after the first question. Default: 10 s.
    pub first: Duration,
    /// How much longer each pause is than the one before. Below 1 or NaN counts as 1.
    /// Default: 1.2.
    pub factor: f64,
    /// The longest pause between two questions. Default: 60 s.
    pub longest: Duration,
    /// How long to wait in all, without the time that the questions take themselves. Default: 20
    /// h.
    pub total: Duration,
    /// How long the service may say nothing but `Pending` before the wait fails with
    /// [`WaitReason::NotBegun`]. The time that the questions take does not count. Default: 1 h.
    pub not_begun: Duration,
    /// Told of every answer, and of every failure to get one, after which the service is asked
    /// again ([`Progress::failure`]). [`Break`](std::ops::ControlFlow::Break) ends the wait with
    /// [`WaitReason::Stopped`], unless the answer ends it anyway. Looking for a lost call
    /// ([`Chain::recover`](crate::Chain::recover), [`Job::edit`](crate::Job::edit)) tells only of
    /// questions that are asked again. Default: none.
    pub progress: Option<ProgressCallback>,
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            factor: 1.2,
            longest: Duration::from_secs(60),
            total: Duration::from_secs(20 * 60 * 60),
            not_begun: Duration::from_secs(60 * 60),
            progress: None,
        }
    }
}

impl Wait {
    /// Returns a wait for an edit that may still be running
    /// ([`Chain::recover`](crate::Chain::recover)): 2 s, times 1.5 each time, at most 15 s, for
    /// 10 minutes in all, which is twice as long as the vendor's clients give a call.
    pub fn for_an_edit() -> Self {
        Self {
            first: Duration::from_secs(2),
            factor: 1.5,
            longest: Duration::from_secs(15),
            total: Duration::from_secs(10 * 60),
            ..Self::default()
        }
    }

    /// Returns the pauses between the questions of one wait.
    pub(crate) fn pauses(&self) -> Pauses {
        let longest = self.longest.max(SHORTEST);
        Pauses {
            next: self.first.clamp(SHORTEST, longest),
            factor: self.factor.max(1.0),
            longest,
            slept: Duration::ZERO,
            total: self.total,
        }
    }
}

/// The pauses between the questions of one wait. Together they are as long as its total.
pub(crate) struct Pauses {
    next: Duration,
    factor: f64,
    longest: Duration,
    /// The sum of the pauses so far.
    slept: Duration,
    total: Duration,
}

impl Pauses {
    /// Whether the total is over: the next question is the last.
    pub(crate) fn is_over(&self) -> bool {
        self.slept >= self.total
    }

    /// Returns how long to pause before the next question: at least as long as the service
    /// `asked`. `None` says that the total is over.
    pub(crate) fn next(&mut self, asked: Duration) -> Option<Duration> {
        let left = self.total.saturating_sub(self.slept);
        if left.is_zero() {
            return None;
        }
        let pause = self.next.max(asked).min(left);
        self.slept += pause;
        // In seconds, since a product of durations panics where it overflows.
        let longer = Duration::try_from_secs_f64(self.next.as_secs_f64() * self.factor);
        self.next = longer.unwrap_or(self.longest).min(self.longest);
        Some(pause)
    }
}

impl Project {
    /// Waits until the edit is done: asks [`Project::edit_status`] now and then until it is
    /// `Completed`, and returns the last answer. It starts nothing itself.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::{ProgressCallback, Wait};
    /// use std::ops::ControlFlow;
    ///
    /// let progress = ProgressCallback::new(|p| {
    ///     match (p.failure, p.status) {
    ///         (Some(e), _) => println!("{}; asking again", e.summary()),
    ///         (None, Some(status)) => println!("{}: {status}", p.name),
    ///         (None, None) => {}
    ///     }
    ///     ControlFlow::Continue(())
    /// });
    /// let wait = Wait {
    ///     progress: Some(progress),
    ///     ..Wait::default()
    /// };
    /// project.wait_until_edited(&wait)?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// Temporary failures do not end the wait. A 404 counts as one until three came in a row,
    /// since the service may not know a project yet that it has just made. After 429 the next
    /// question waits for the service's `Retry-After`, if that is longer than the pause.
    ///
    /// # Errors
    /// - [`Error::WaitFailed`]: the edit failed, with the service's details; it was not begun
    ///   within [`Wait::not_begun`]; the time is up; or the callback ended the wait.
    /// - Permanent errors of [`Project::edit_status`] at once; the last temporary error when the
    ///   time is up.
    pub fn wait_until_edited(&self, wait: &Wait) -> Result<StepStatus> {
        Waiting::new(self, "edit", wait).until_done(Self::edit_status)
    }

    /// Waits until the export is done. Like [`Project::wait_until_edited`], with
    /// [`Project::export_status`].
    ///
    /// # Errors
    /// As [`Project::wait_until_edited`]; [`Error::InvalidInput`] for a Smart Editing project,
    /// which has no export.
    pub fn wait_until_exported(&self, wait: &Wait) -> Result<StepStatus> {
        Waiting::new(self, "export", wait).until_done(Self::export_status)
    }

    /// Waits until the Copilot API works on the project: asks [`Project::info`] now and then until
    /// its status is `Completed`, and returns the last answer. It starts nothing itself.
    ///
    /// A profile-based project must also have been exported. When it is completed and has no
    /// `export_status`, the wait fails at once ([`WaitReason::NotExported`]); while the export is
    /// `Pending` or `In Progress`, the wait goes on. The service has not published the words of
    /// `export_status`, so any but these and `Failed` count as exported, and a wrong guess shows
    /// as [`ApiErrorKind::NotReady`] in the next call.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Project must be completed first".
    ///
    /// # Errors
    /// - [`Error::WaitFailed`]: the project or its export failed, the project has not been
    ///   exported, or one of the other reasons of [`Project::wait_until_edited`].
    /// - Permanent errors of [`Project::info`] at once; the last temporary error when the time is
    ///   up.
    pub fn wait_until_completed(&self, wait: &Wait) -> Result<ProjectInfo> {
        Waiting::new(self, "project", wait).until_done(Self::info)
    }
}

/// An answer that says how far something is.
trait Status {
    fn look(&self, kind: ProjectKind) -> Look;
}

/// What an answer says.
struct Look {
    verdict: Verdict,
    status: ProjectStatus,
    percent: Option<f64>,
    /// What the service says beside the status; empty if nothing.
    details: String,
}

/// What an answer means for a wait.
enum Verdict {
    Done,
    /// It is not done, and nothing was done for it yet.
    NotBegun,
    Underway,
    /// Waiting longer does not help.
    InVain(WaitReason),
}

impl Status for StepStatus {
    fn look(&self, _: ProjectKind) -> Look {
        let verdict = match self.status {
            Completed => Verdict::Done,
            Pending => Verdict::NotBegun,
            Failed => Verdict::InVain(WaitReason::Failed),
            _ => Verdict::Underway,
        };
        let details = match &self.details {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(json) => json.to_string(),
        };
        Look {
            verdict,
            status: self.status.clone(),
            percent: self.progress,
            details,
        }
    }
}

impl Status for ProjectInfo {
    fn look(&self, kind: ProjectKind) -> Look {
        let verdict = match self.status {
            Completed if kind == ProjectKind::ProfileBased => self.look_at_export(),
            Completed => Verdict::Done,
            Pending => Verdict::NotBegun,
            Failed => Verdict::InVain(WaitReason::Failed),
            _ => Verdict::Underway,
        };
        let details = match &self.export_status {
            None => String::new(),
            Some(export) => format!("export {export}"),
        };
        Look {
            verdict,
            status: self.status.clone(),
            percent: None,
            details,
        }
    }
}

impl ProjectInfo {
    /// Says what the export of a completed project means for a wait.
    fn look_at_export(&self) -> Verdict {
        match self.export_status {
            None => Verdict::InVain(WaitReason::NotExported),
            Some(Failed) => Verdict::InVain(WaitReason::Failed),
            Some(Pending) => Verdict::NotBegun,
            Some(InProgress) => Verdict::Underway,
            // Words that are not published count as exported.
            Some(_) => Verdict::Done,
        }
    }
}

/// One wait, from its first question to its end.
struct Waiting<'w> {
    /// One whose refused questions return at once: this waits for the service's limit itself.
    project: Project,
    /// What is waited for, in a word.
    name: &'static str,
    wait: &'w Wait,
    pauses: Pauses,
    /// The last answer that came.
    last: Option<Look>,
    /// Whether an answer has said anything but `Pending`.
    has_begun: bool,
    /// How many answers in a row said 404.
    not_found: u32,
}

/// How a wait ends.
enum End {
    /// With the last answer, or the failure to get it.
    Answer,
    Failed(WaitReason),
}

impl<'w> Waiting<'w> {
    fn new(project: &Project, name: &'static str, wait: &'w Wait) -> Self {
        Self {
            project: project.returning_refusals(),
            name,
            wait,
            pauses: wait.pauses(),
            last: None,
            has_begun: false,
            not_found: 0,
        }
    }

    /// Asks until an answer ends the wait, or its time is up.
    fn until_done<A: Status>(mut self, ask: impl Fn(&Project) -> Result<A>) -> Result<A> {
        loop {
            let answer = ask(&self.project);
            let end = match &answer {
                Ok(answer) => self.end_after(answer),
                Err(error) => self.end_after_failure(error),
            };
            match end {
                Some(End::Answer) => return self.ended(answer),
                Some(End::Failed(reason)) => return self.ended(Err(self.failed(reason))),
                None => {}
            }
            let Some(pause) = self.pauses.next(asked_pause(&answer)) else {
                let timed_out = |_| Err(self.failed(WaitReason::TimedOut));
                return self.ended(answer.and_then(timed_out));
            };
            if self.tell(None, answer.as_ref().err()).is_break() {
                return Err(self.failed(WaitReason::Stopped));
            }
            sleep(pause);
        }
    }

    /// Tells the callback how the wait ended.
    fn ended<A>(&self, result: Result<A>) -> Result<A> {
        let ended = result.as_ref().map(|_| ());
        let _ = self.tell(Some(ended), None);
        result
    }

    /// Says whether an answer ends the wait, and remembers what it says.
    fn end_after(&mut self, answer: &impl Status) -> Option<End> {
        let look = answer.look(self.project.kind());
        let end = match look.verdict {
            Verdict::Done => Some(End::Answer),
            Verdict::InVain(reason) => Some(End::Failed(reason)),
            Verdict::NotBegun if self.has_begun || self.pauses.slept < self.wait.not_begun => None,
            Verdict::NotBegun => Some(End::Failed(WaitReason::NotBegun)),
            Verdict::Underway => None,
        };
        self.has_begun |= !matches!(look.verdict, Verdict::NotBegun);
        self.not_found = 0;
        // The texts are the service's.
        let transport = &self.project.client().transport;
        self.last = Some(Look {
            status: transport.redact(look.status.as_str()).into(),
            details: transport.redact(&look.details),
            ..look
        });
        end
    }

    /// Says whether a failure to get an answer ends the wait.
    fn end_after_failure(&mut self, error: &Error) -> Option<End> {
        let is_not_found = error.api_kind() == Some(ApiErrorKind::NotFound);
        self.not_found = if is_not_found { self.not_found + 1 } else { 0 };
        let is_asked_again = if is_not_found {
            self.not_found < MOST_NOT_FOUND
        } else {
            asks_again(error)
        };
        if is_asked_again {
            return None;
        }
        Some(End::Answer)
    }

    fn tell(&self, ended: Option<Result<(), &Error>>, failure: Option<&Error>) -> ControlFlow<()> {
        let Some(callback) = &self.wait.progress else {
            return ControlFlow::Continue(());
        };
        callback.call(&Progress {
            name: self.name,
            ended,
            items_done: usize::from(ended.is_some()),
            items: 1,
            status: self.last.as_ref().map(|look| &look.status),
            percent: self.last.as_ref().and_then(|look| look.percent),
            failure,
            ..Progress::default()
        })
    }

    fn failed(&self, reason: WaitReason) -> Error {
        let last = self.last.as_ref();
        Error::WaitFailed(Box::new(WaitFailed {
            project_uuid: self.project.shown_uuid(),
            waited_for: self.name,
            reason,
            status: last.map(|look| look.status.clone()),
            message: last.map(|look| look.details.clone()).unwrap_or_default(),
        }))
    }
}

/// Returns how long the service asked to wait before the next question.
fn asked_pause<A>(answer: &Result<A>) -> Duration {
    match answer {
        Ok(_) => Duration::ZERO,
        Err(error) => error.retry_after().unwrap_or_default(),
    }
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

    fn seconds(wait: &Wait) -> Vec<f64> {
        let mut pauses = wait.pauses();
        iter::from_fn(|| Some(pauses.next(Duration::ZERO)?.as_secs_f64())).collect()
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_total() {
        let wait = Wait {
            first: Duration::from_secs(10),
            factor: 2.0,
            longest: Duration::from_secs(30),
            total: Duration::from_secs(95),
            ..Wait::default()
        };
        assert_eq!(seconds(&wait), [10.0, 20.0, 30.0, 30.0, 5.0]);
        assert_eq!(seconds(&Wait::default())[..3], [10.0, 12.0, 14.4]);
    }

    #[test]
    fn a_pause_is_as_long_as_the_service_asks_and_no_longer_than_the_total() {
        let wait = Wait {
            first: Duration::from_secs(10),
            total: Duration::from_secs(95),
            ..Wait::default()
        };
        let mut pauses = wait.pauses();
        let asked = Duration::from_secs(90);
        assert_eq!(pauses.next(asked), Some(asked));
        assert_eq!(pauses.next(Duration::MAX), Some(Duration::from_secs(5)));
        assert_eq!(pauses.next(Duration::MAX), None);
    }

    #[test]
    fn odd_settings_end_all_the_same() {
        let no_numbers = Wait {
            first: Duration::ZERO,
            factor: f64::NAN,
            longest: Duration::ZERO,
            total: Duration::from_millis(3),
            ..Wait::default()
        };
        assert_eq!(seconds(&no_numbers), [0.001, 0.001, 0.001]);
        let none = Wait {
            total: Duration::ZERO,
            ..Wait::default()
        };
        assert!(seconds(&none).is_empty());
        let endless = Wait {
            first: Duration::MAX,
            factor: f64::INFINITY,
            longest: Duration::MAX,
            total: Duration::MAX,
            ..Wait::default()
        };
        assert_eq!(seconds(&endless).len(), 1);
    }
}
