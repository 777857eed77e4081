//! Looking for what became of a call whose answer was lost.

use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Result, WaitFailed, WaitReason};
use crate::progress::Progress;
use crate::project::Project;
use crate::wait::{Wait, asks_again};

/// What the answer to a question says.
pub(crate) enum Found<T> {
    /// What became of the call.
    Settled(T),
    /// Nothing for sure: it is worth asking again.
    Open(T),
}

/// Asks until an answer settles what is looked for, or the time is up, and returns the last answer.
///
/// `ask` is told whether the time was up before it asks: what has not come by then will not come.
///
/// # Errors
/// Permanent errors of `ask` at once; the last temporary error when the time is up.
pub(crate) fn look_for<T>(
    wait: &Wait,
    clock: &Clock,
    mut ask: impl FnMut(bool) -> Result<Found<T>>,
) -> Result<T> {
    let mut pauses = wait.pauses();
    loop {
        let answer = ask(pauses.is_over());
        let asked = match &answer {
            Ok(Found::Open(_)) => Duration::ZERO,
            Err(e) if asks_again(e) => e.retry_after().unwrap_or_default(),
            Ok(Found::Settled(_)) | Err(_) => return answer.map(Found::answer),
        };
        match pauses.next(asked) {
            Some(pause) => clock.pause(pause),
            None => return answer.map(Found::answer),
        }
    }
}

/// Tells the callback of the wait that a question has settled nothing and is asked again. The
/// callback can end the looking.
pub(crate) fn tell_of_question(
    wait: &Wait,
    project: &Project,
    waited_for: &'static str,
    progress: &Progress<'_>,
) -> Result<()> {
    let Some(callback) = &wait.progress else {
        return Ok(());
    };
    let is_final = progress.failure.is_some_and(|e| !asks_again(e));
    if is_final || callback.call(progress).is_continue() {
        return Ok(());
    }
    Err(Error::WaitFailed(Box::new(WaitFailed {
        project_uuid: project.shown_uuid(),
        waited_for,
        reason: WaitReason::Stopped,
        status: progress.status.cloned(),
        message: String::new(),
    })))
}

impl<T> Found<T> {
    fn answer(self) -> T {
        match self {
            Self::Settled(answer) | Self::Open(answer) => answer,
        }
    }
}
