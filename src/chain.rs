//! Copilot edits of one image that build on each other.

mod decide;
mod start;
mod state;
mod step;

use std::fmt;
use std::time::{Duration, Instant};

use self::decide::decide;
use crate::clock::Clock;
use crate::error::{CallError, Error, Result};
use crate::history::History;
use crate::image::{Image, check_edit};
use crate::lookup::{Found, look_for, tell_of_question};
use crate::progress::Progress;
use crate::types::{CopilotEdit, CopilotRequest, EnhanceRequest, VersionId};
use crate::wait::Wait;

pub(crate) use self::state::{Change, State};
pub use self::step::{Pending, Recovery, Step};

/// Copilot edits of one image, each built on the one before.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let image = client.project("65f3a1c2d4e5f6a7b8c9d0e1").image("DSC_0001.JPEG");
/// use imagen_ai::Wait;
///
/// let mut edits = image.chain().recovering(Wait::for_an_edit());
/// let sky = edits.copilot("make the sky more blue")?;
/// edits.enhance("virtual_staging")?;
/// edits.undo()?; // back on the blue sky
/// edits.copilot("brighten the interior")?; // the service drops the staged version
/// client.download(&sky).to_file("sky.jpg")?;
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # Branches
/// The service keeps one line of versions for each image: "subsequent edits will overwrite the
/// branch you didn't keep" ([vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Chain edits"). After
/// [`undo`](Self::undo), [`branch_from`](Self::branch_from) or a start at the unedited image, the
/// next edit makes the service drop the versions that came after.
///
/// # An edit whose answer was lost
/// After [`Error::OutcomeUnknown`], and after a success that names no version, the edit is
/// [pending](Self::pending): it may have been made and paid for. The chain then refuses further
/// edits until [`recover`](Self::recover) has found out, or until a person has decided by
/// [`branch_from`](Self::branch_from) or [`assume_not_applied`](Self::assume_not_applied).
/// A chain never sends an edit again by itself. After any other error nothing is pending, and the
/// chain stands where it stood.
///
/// A chain that is [`recovering`](Self::recovering), or of a [job](crate::Job::chain), reads the
/// history before its first edit, so that a version that was there before is never taken for the
/// edit. A chain that did not read it (or read one with versions that could not be read) cannot
/// tell that an edit was made, only that it was not.
///
/// [`Recovery::NotApplied`] means that the edit was not in the history when the wait ended. If it
/// appears later and was sent again, it is paid for twice.
#[derive(Debug)]
pub struct Chain {
    image: Image,
    state: State,
    /// Keeps the changes beyond the process, if that is done.
    keeper: Option<Box<dyn Keeper>>,
    recovering: Option<Wait>,
    /// When this process learned of the pending edit, if one is pending. It is not kept beyond the
    /// process: the machine may wake up with another date.
    pending_since: Instant,
    clock: Clock,
}

/// Keeps the changes of a chain beyond the process.
pub(crate) trait Keeper: fmt::Debug + Send + Sync {
    /// Keeps a change that is about to be made. After an error it must not be made.
    fn announce(&self, change: &Change) -> Result<()>;

    /// Keeps what has happened, as soon as that can be done.
    fn note(&self, change: &Change);
}

/// What a keeper has kept of a chain.
pub(crate) struct Kept {
    pub(crate) state: State,
    /// When this process learned of the pending edit, if one is pending.
    pub(crate) pending_since: Instant,
    pub(crate) clock: Clock,
}

impl Chain {
    /// Makes the chain that has this state.
    fn restored(image: Image, state: State) -> Self {
        let clock = Clock::default();
        Self {
            image,
            state,
            keeper: None,
            recovering: None,
            pending_since: clock.now(),
            clock,
        }
    }

    /// Makes the chain that a keeper has kept.
    pub(crate) fn kept(image: Image, kept: Kept, keeper: Box<dyn Keeper>) -> Self {
        Self {
            keeper: Some(keeper),
            pending_since: kept.pending_since,
            clock: kept.clock,
            ..Self::restored(image, kept.state)
        }
    }

    /// Applies a prompt to the current version, as [`Image::copilot`], and moves to the result.
    /// Costs credits.
    ///
    /// A request with a [`parent`](CopilotRequest::parent) moves the chain to that version first,
    /// as [`branch_from`](Self::branch_from), and the chain stays there if the edit fails. While an
    /// edit is pending, such a request is refused too.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an edit is [pending](Self::pending), or the instruction is
    ///   refused. The edit was not sent.
    /// - [`Error::Io`]: the file of the chain's [job](crate::Job) could not be written. The edit
    ///   was not sent. (If the file cannot be written after the answer, the answer is returned all
    ///   the same, and the next edit writes it first.)
    /// - [`Error::OutcomeUnknown`]: the edit may have been made, and is pending.
    /// - [`Error::Network`]: nothing was done: call again. A recovering chain returns it for a lost
    ///   answer too, once it knows that the edit was not made.
    /// - Others of [`Image::copilot`]. Those of [`Project::history`](crate::Project::history),
    ///   before anything was sent, for a chain that recovers or is of a job.
    pub fn copilot(&mut self, request: impl Into<CopilotRequest>) -> Result<Step> {
        let request = request.into();
        self.edit(
            CopilotEdit::Instruction(request.instruction),
            request.parent_version_id,
        )
    }

    /// Applies a preset to the current version, as [`Image::enhance`], and moves to the result.
    /// Costs credits.
    ///
    /// A request with a [`parent`](EnhanceRequest::parent) moves the chain first, as in
    /// [`Chain::copilot`].
    ///
    /// # Errors
    /// As [`Chain::copilot`].
    pub fn enhance(&mut self, request: impl Into<EnhanceRequest>) -> Result<Step> {
        let request = request.into();
        self.edit(
            CopilotEdit::Preset(request.tool_id),
            request.parent_version_id,
        )
    }

    /// Applies a prompt or a preset to the current version and moves to the result. Costs credits.
    ///
    /// A `&str` or a `String` is a prompt, and a [`Preset`](crate::Preset) a preset.
    ///
    /// # Errors
    /// As [`Chain::copilot`].
    pub fn apply(&mut self, edit: impl Into<CopilotEdit>) -> Result<Step> {
        self.edit(edit.into(), None)
    }

    fn edit(&mut self, edit: CopilotEdit, parent: Option<VersionId>) -> Result<Step> {
        check_edit(&edit)?;
        self.check_settled()?;
        if let Some(parent) = parent {
            self.branch_from(parent)?;
        }
        self.look_before()?;

        let answer = self.send(edit);
        match self.recovering.clone() {
            Some(wait) if self.state.pending.is_some() => self.find_out(answer, &wait),
            _ => answer,
        }
    }

    /// Sends an edit, without a look at the history before or after. Costs credits.
    pub(crate) fn send(&mut self, edit: CopilotEdit) -> Result<Step> {
        self.check_settled()?;
        let pending = Pending {
            edit,
            parent: self.current().cloned(),
            made: false,
            is_unread: false,
        };
        self.announce(Change::Sending {
            pending: pending.clone(),
            known: self.state.known.clone(),
        })?;
        let answer = self
            .image
            .apply(&pending.edit, pending.parent.as_ref())
            .map(Step::of_enhancement);
        self.settle(outcome_of(&answer));
        answer
    }

    /// Reads which versions there are before the first edit, if it may have to be found later.
    fn look_before(&mut self) -> Result<()> {
        let may_be_looked_for = self.keeper.is_some() || self.recovering.is_some();
        if self.state.known.is_none() && may_be_looked_for {
            let history = self.image.project().history()?;
            self.state.learn(&history, self.image.file_name());
        }
        Ok(())
    }

    /// Makes a change, unless it cannot be kept.
    fn announce(&mut self, change: Change) -> Result<()> {
        if let Some(keeper) = &self.keeper {
            keeper.announce(&change)?;
        }
        self.state.apply(&change);
        Ok(())
    }

    /// Moves on as the outcome of the pending edit says.
    fn settle(&mut self, outcome: Change) {
        if let Some(keeper) = &self.keeper {
            keeper.note(&outcome);
        }
        self.state.apply(&outcome);
        self.pending_since = self.clock.now();
    }

    /// Finds out what became of the pending edit, and returns what its call returns then.
    fn find_out(&mut self, answer: Result<Step>, wait: &Wait) -> Result<Step> {
        match (self.recover(wait), answer) {
            // The link of the answer is newer than that of the history.
            (Ok(Recovery::Applied(found)), Ok(Step { url, .. })) => Ok(Step { url, ..found }),
            (Ok(Recovery::Applied(found)), Err(_)) => Ok(found),
            (Ok(Recovery::NotApplied), Err(Error::OutcomeUnknown(e))) => Err(not_made(*e)),
            (_, answer) => answer,
        }
    }

    /// Makes the chain find out by itself what became of an edit whose answer was lost, before
    /// `copilot` and `enhance` return: [`recover`](Self::recover) with this wait. Default: off.
    ///
    /// An edit that is found is a success. One that was not made is [`Error::Network`]: call again.
    /// Otherwise the call ends as it would without this setting, and the edit stays
    /// [pending](Self::pending).
    #[must_use]
    pub fn recovering(mut self, wait: Wait) -> Self {
        self.recovering = Some(wait);
        self
    }

    /// Returns the image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Returns the version that the next edit builds on. `None` is the unedited image.
    pub fn current(&self) -> Option<&VersionId> {
        self.state.path.last()
    }

    /// Returns the versions from the first edit to where the chain stands. Those before the start
    /// of a [`chain_from`](Image::chain_from) or [`branch_from`](Self::branch_from) are not
    /// known and not among them.
    pub fn path(&self) -> &[VersionId] {
        &self.state.path
    }

    /// Returns the edit whose outcome is not known, if there is one.
    pub fn pending(&self) -> Option<&Pending> {
        self.state.pending.as_ref()
    }

    /// Asks the history what became of the [pending](Self::pending) edit, until it is found or the
    /// wait is over. The total of the wait counts from when the answer was lost, or, if the
    /// process was killed before that, from when this process opened the job.
    ///
    /// - It was applied if exactly one version that was not there before has the right parent and
    ///   the right words, and is finished.
    /// - It was not applied if the wait is over, the history lists the image and the version that
    ///   the edit builds on, and no new version can be the edit. A version that failed or has
    ///   another parent does not count. An edit that was answered with a success
    ///   ([`Pending::made`]) is never one of these.
    /// - Anything else cannot be told: a history with versions that could not be read, or one that
    ///   does not list the image, among others. The edit stays pending.
    ///
    /// ```no_run
    /// # let image = imagen_ai::Client::from_env()?.project("p").image("a.jpg");
    /// # let mut edits = image.chain();
    /// use imagen_ai::{Recovery, Wait};
    ///
    /// match edits.recover(&Wait::for_an_edit())? {
    ///     Recovery::Applied(step) => println!("it was made: version {}", step.version()?),
    ///     Recovery::NotApplied => println!("it was not made: send it again"),
    ///     Recovery::CannotTell { candidates } => match candidates.first() {
    ///         // A person looks at them.
    ///         Some(version) => edits.branch_from(&version.id)?,
    ///         None => edits.assume_not_applied()?,
    ///     },
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if no edit is pending. [`Error::WaitFailed`] if [`Wait::progress`]
    /// ended the wait. Permanent errors of [`Project::history`](crate::Project::history) at once;
    /// the last temporary one when the wait is over. Nothing has changed then.
    pub fn recover(&mut self, wait: &Wait) -> Result<Recovery> {
        if self.state.pending.is_none() {
            return Err(Error::invalid("chain", "no edit is pending"));
        }
        let wait = Wait {
            total: wait.total.saturating_sub(self.pending_for()),
            ..wait.clone()
        };
        let project = self.image.project().returning_refusals();
        let clock = self.clock.clone();
        look_for(&wait, &clock, |is_last| {
            let history = project.history();
            let answer = history.map(|history| self.look_in(&history, is_last));
            if let Ok(recovery @ (Recovery::Applied(_) | Recovery::NotApplied)) = answer {
                return Ok(Found::Settled(recovery));
            }
            let progress = Progress {
                name: self.image.file_name(),
                items: 1,
                failure: answer.as_ref().err(),
                ..Progress::default()
            };
            if !is_last {
                tell_of_question(&wait, &project, "Copilot edit", &progress)?;
            }
            answer.map(Found::Open)
        })
    }

    /// Settles the pending edit, if this history tells what became of it.
    pub(crate) fn look_in(&mut self, history: &History, time_is_up: bool) -> Recovery {
        let Some(pending) = &self.state.pending else {
            return Recovery::CannotTell {
                candidates: Vec::new(),
            };
        };
        let file_name = self.image.file_name();
        let known = self.state.known.as_ref();
        let recovery = decide(pending, known, file_name, history, time_is_up);
        let outcome = match &recovery {
            Recovery::Applied(Step {
                version_id: Some(version),
                ..
            }) => Change::Made(version.clone()),
            Recovery::NotApplied => Change::NotMade,
            Recovery::Applied(_) | Recovery::CannotTell { .. } => return recovery,
        };
        self.learn(history);
        self.settle(outcome);
        recovery
    }

    /// Remembers which versions there are, so that a later one can be told from them.
    pub(crate) fn learn(&mut self, history: &History) {
        self.state.learn(history, self.image.file_name());
    }

    /// Returns for how long this process has known that the pending edit's answer is lost.
    pub(crate) fn pending_for(&self) -> Duration {
        self.clock.since(self.pending_since)
    }

    /// Decides that the [pending](Self::pending) edit was not made, where
    /// [`recover`](Self::recover) cannot tell. If it was made after all and is sent again, it
    /// is paid for twice.
    ///
    /// # Errors
    /// [`Error::Io`]: the file of the chain's job could not be written. Nothing has changed.
    pub fn assume_not_applied(&mut self) -> Result<()> {
        self.change(State::give_up_pending)
    }

    /// Moves to the version before, or to the unedited image. Nothing is sent; the service
    /// [drops](Self#branches) the undone version with the next edit.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an edit is [pending](Self::pending); the chain stands at the
    ///   unedited image; or it does not know what its first version was built on
    ///   ([`Image::chain_from`], [`Chain::branch_from`]).
    /// - [`Error::Io`]: the file of the chain's job could not be written. Nothing has changed.
    pub fn undo(&mut self) -> Result<()> {
        self.check_settled()?;
        if !self.state.can_step_back() {
            return Err(Error::invalid(
                "chain",
                "nothing to undo: no edit was made, or what the first version was built on is \
                 not known",
            ));
        }
        self.change(State::step_back)
    }

    /// Lets the next edit build on this version. Nothing is sent; the service
    /// [drops](Self#branches) the other branch with the next edit.
    ///
    /// It also decides what became of a [pending](Self::pending) edit: a version that the chain did
    /// not know before is taken for that edit, and with any other the edit does not matter any
    /// more.
    ///
    /// # Errors
    /// [`Error::Io`]: the file of the chain's job could not be written. Nothing has changed.
    pub fn branch_from(&mut self, version: impl Into<VersionId>) -> Result<()> {
        self.change(|state| state.branch_from(version.into()))
    }

    /// Discards all edits of the image, as [`Image::reset`], and starts over at the unedited image.
    /// A pending edit is forgotten too; if it is still running it may appear afterwards.
    ///
    /// # Errors
    /// - Those of [`Image::reset`]. If the service refused the only attempt by a 4xx, nothing has
    ///   changed. After any other failure the chain stands at the unedited image, and the edits may
    ///   be discarded or not.
    /// - [`Error::Io`]: the file of the chain's job could not be written. Nothing was sent.
    pub fn reset(&mut self) -> Result<()> {
        let before = self.state.clone();
        // A chain that was killed after the reset must not believe in the edits any more.
        self.announce(Change::Resetting)?;
        let result = self.image.reset();
        match &result {
            Ok(()) => self.settle(Change::Moved(State::default())),
            Err(e) if e.is_definite_no() => self.settle(Change::NotReset(before)),
            Err(_) => {}
        }
        result
    }

    fn check_settled(&self) -> Result<()> {
        let Some(Pending { edit, .. }) = &self.state.pending else {
            return Ok(());
        };
        let why = format!(
            "what became of the last edit ({edit:?}) is not known: call Chain::recover() first"
        );
        Err(Error::invalid("chain", why))
    }

    /// Moves the chain, unless that cannot be kept.
    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut moved = self.state.clone();
        change(&mut moved);
        self.announce(Change::Moved(moved))
    }
}

/// Makes the error of an edit whose answer was lost, once the history has shown that it was not
/// made.
pub(crate) fn not_made(lost: CallError) -> Error {
    Error::Network(Box::new(CallError {
        advice: "the history shows that the edit was not made: send it again",
        ..lost
    }))
}

/// Returns what the answer to an edit says became of it.
fn outcome_of(answer: &Result<Step>) -> Change {
    match answer {
        Ok(step) => match &step.version_id {
            Some(version) => Change::Made(version.clone()),
            None => Change::MadeUnnamed,
        },
        Err(Error::OutcomeUnknown(e)) => match e.context.status {
            Some(200..=299) => Change::MadeUnread,
            _ => Change::Lost,
        },
        Err(Error::EnhancementFailed(_)) => Change::Failed,
        Err(_) => Change::NotMade,
    }
}
