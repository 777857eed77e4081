//! Edits of one photo that build on each other.

mod state;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use self::state::State;
use crate::error::{CallError, Error, Result};
use crate::history::{History, ImageHistory};
use crate::image::{Image, check_edit};
use crate::types::{CopilotEdit, VersionId};
use crate::wait::{Wait, asks_again};

pub use self::state::{Pending, Recovery, Step};

/// What an edit that was lost says once the history has shown that it was not made.
const NOT_MADE: &str = "the history shows that the edit was not made: send it again";

impl Image {
    /// Starts a chain at the unedited photo. Nothing is sent.
    ///
    /// If the photo has versions already, the service drops them once the first edit has made
    /// another branch; [`Image::chain_from_latest`] builds on them.
    pub fn chain(&self) -> Chain {
        Chain {
            image: self.clone(),
            state: State::new(self),
            file: None,
            recovering: None,
        }
    }

    /// Starts a chain at this version. Nothing is sent, so a version that does not exist is an
    /// error of the first edit.
    pub fn chain_from(&self, version: impl Into<VersionId>) -> Chain {
        let mut chain = self.chain();
        chain.state.branch_from(version.into());
        chain
    }

    /// Asks for the history and starts a chain at the newest version
    /// ([`ImageHistory::latest`](crate::ImageHistory::latest)), or at the unedited photo if the
    /// photo is listed without versions.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the history does not list the photo, holds versions that could
    ///   not be read, or does not tell which version is the newest. A chain that starts too early
    ///   would overwrite a branch.
    /// - Those of [`Project::history`](crate::Project::history).
    pub fn chain_from_latest(&self) -> Result<Chain> {
        let history = self.project().history()?;
        let image = history
            .find(self.file_name())
            .filter(|_| history.unread() == 0);
        let image = image.filter(|image| image.latest().is_some() || image.versions().is_empty());
        let why = "it does not list the photo, or does not tell for sure which version is the newest; Image::chain_from() \
                   starts where you say";
        let image = image.ok_or_else(|| Error::invalid("history", why))?;
        let path = image
            .latest()
            .map(|latest| image.path_to(&latest.id))
            .unwrap_or_default();
        let mut chain = self.chain();
        chain.state.is_root_unknown = path
            .first()
            .is_some_and(|first| !first.parent_told || first.parent.is_some());
        chain.state.path = path.iter().map(|version| version.id.clone()).collect();
        chain.learn(&history);
        Ok(chain)
    }

    /// Goes on with the chain that is saved in a file. If there is no such file, it starts a chain
    /// at the unedited photo and makes the file. Nothing is sent.
    ///
    /// The chain keeps the file up to date: it is written before each edit is sent, after each
    /// known outcome, and by the methods that move the chain. So a program that was killed in
    /// the middle of an edit finds out what became of it.
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::{Recovery, Wait};
    ///
    /// let wait = Wait::for_an_edit();
    /// let mut edits = photo.chain_saved_in("edits.json")?.recovering(wait);
    /// if edits.pending().is_some() {
    ///     if let Recovery::CannotTell { candidates } = edits.recover(&wait)? {
    ///         panic!("a person has to look at {candidates:?}");
    ///     }
    /// }
    /// let all = ["make the sky more blue", "brighten the interior", "warm evening light"];
    /// for instruction in &all[edits.path().len()..] {
    ///     edits.copilot(*instruction)?;
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # The file
    /// It holds the project's id and kind, the photo's name, ids of versions, and the edit that is
    /// out with its time; no key and no URL. It is replaced as a whole, by way of a file of the
    /// same name with `.imagen-part` added. A power cut in the seconds after that may bring the
    /// file before back. Only one chain at a time may use it.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the file is that of another photo, project or kind of project,
    ///   has a form that this version does not know, is cut short, or is something else. It is not
    ///   changed.
    /// - [`Error::Io`]: it cannot be read or made.
    pub fn chain_saved_in(&self, path: impl Into<PathBuf>) -> Result<Chain> {
        let file = path.into();
        Ok(Chain {
            state: State::open(self, &file)?,
            file: Some(file),
            ..self.chain()
        })
    }
}

/// Edits of one photo, each built on the one before.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let photo = client.project("65f3a1c2d4e5f6a7b8c9d0e1").image("DSC_0001.JPEG");
/// use imagen_ai::Wait;
///
/// let mut edits = photo.chain().recovering(Wait::for_an_edit());
/// let sky = edits.copilot("make the sky more blue")?;
/// edits.enhance("virtual_staging")?;
/// edits.undo()?; // back on the blue sky
/// edits.copilot("brighten the interior")?; // the service drops the staged version
/// client.download(&sky).to_file("sky.jpg")?;
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # Branches
/// The service keeps one line of versions for each photo: "subsequent edits will overwrite the
/// branch you didn't keep" ([vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Chain edits"). After
/// [`undo`](Self::undo), [`branch_from`](Self::branch_from) or a start at the unedited photo, the
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
/// A chain that is [`recovering`](Self::recovering), or saved in a file, reads the history before
/// its first edit, so that a version that was there before is never taken for the edit. A chain
/// that did not read it (or read one with versions that could not be read) cannot tell that an edit
/// was made, only that it was not.
///
/// "Not applied" is only as sure as the wait is long. An edit that first appears in the history
/// after that is the one case that is left.
#[derive(Debug)]
pub struct Chain {
    image: Image,
    state: State,
    file: Option<PathBuf>,
    recovering: Option<Wait>,
}

impl Chain {
    /// Applies a prompt to the current version, as [`Image::copilot`], and moves to the result.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an edit is [pending](Self::pending), or the instruction is
    ///   refused. The edit was not sent.
    /// - [`Error::Io`]: the file of a saved chain could not be written. The edit was not sent. (If
    ///   the file cannot be written after the answer, the answer is returned all the same, and the
    ///   next edit writes the file first.)
    /// - [`Error::OutcomeUnknown`]: the edit may have been made, and is pending.
    /// - [`Error::Network`]: nothing was done: call again. A recovering chain returns it for a lost
    ///   answer too, once it knows that the edit was not made.
    /// - Others of [`Image::copilot`]. Those of [`Project::history`](crate::Project::history),
    ///   before anything was sent, for a chain that is saved or recovers.
    pub fn copilot(&mut self, instruction: impl Into<String>) -> Result<Step> {
        self.apply(CopilotEdit::Instruction(instruction.into()))
    }

    /// Applies a preset to the current version, as [`Image::enhance`], and moves to the result.
    ///
    /// # Errors
    /// As [`Chain::copilot`].
    pub fn enhance(&mut self, tool_id: impl Into<String>) -> Result<Step> {
        self.apply(CopilotEdit::Preset(tool_id.into()))
    }

    /// Applies a prompt or a preset to the current version and moves to the result.
    ///
    /// # Errors
    /// As [`Chain::copilot`].
    pub fn apply(&mut self, edit: CopilotEdit) -> Result<Step> {
        check_edit(&edit)?;
        self.check_settled()?;
        if self.state.known.is_none() && (self.file.is_some() || self.recovering.is_some()) {
            self.learn(&self.image.project().history()?);
        }
        let pending = Pending {
            edit,
            parent: self.current().cloned(),
            made: false,
            sent: SystemTime::now(),
        };
        self.change(|state| state.pending = Some(pending.clone()))?;
        let answer = self.image.apply(&pending.edit, pending.parent.as_ref());
        let answer = answer.map(|made| Step {
            version_id: made.version_id,
            url: Some(made.enhanced_image_url),
        });
        let (version, made) = match &answer {
            Ok(step) => (
                step.version_id.clone(),
                step.version_id.is_none().then_some(true),
            ),
            Err(Error::OutcomeUnknown(e)) => {
                (None, Some(matches!(e.context.status, Some(200..=299))))
            }
            Err(_) => (None, None),
        };
        // The history may list the version that failed: it is read again before the next edit.
        self.state
            .known
            .take_if(|_| matches!(answer, Err(Error::EnhancementFailed(_))));
        self.settle(
            version,
            made.map(|made| Pending {
                made,
                sent: SystemTime::now(),
                ..pending
            }),
        );
        let Some(wait) = self.recovering.filter(|_| made.is_some()) else {
            return answer;
        };
        match (self.recover(&wait), answer) {
            (Ok(Recovery::Applied(found)), Ok(Step { url, .. })) => Ok(Step { url, ..found }),
            (Ok(Recovery::Applied(found)), _) => Ok(found),
            (Ok(Recovery::NotApplied), Err(Error::OutcomeUnknown(e))) => {
                Err(Error::Network(Box::new(CallError {
                    advice: NOT_MADE,
                    ..*e
                })))
            }
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

    /// Returns the photo.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Returns the version that the next edit builds on. `None` is the unedited photo.
    pub fn current(&self) -> Option<&VersionId> {
        self.state.path.last()
    }

    /// Returns the versions from the first edit to where the chain stands. Those before the start
    /// of a [`chain_from`](Image::chain_from) or [`branch_from`](Self::branch_from) are not
    /// known and not among them.
    pub fn path(&self) -> &[VersionId] {
        &self.state.path
    }

    /// Returns the edit of which it is not known what became of it.
    pub fn pending(&self) -> Option<&Pending> {
        self.state.pending.as_ref()
    }

    /// Asks the history what became of the [pending](Self::pending) edit, until it is found or the
    /// wait is over. The total of the wait counts from when the answer was lost, or, if the
    /// process was killed before that, from when the edit was sent.
    ///
    /// - It was applied if exactly one version that was not there before has the right parent and
    ///   the right words, and is finished.
    /// - It was not applied if the wait is over, the history lists the photo and the version that
    ///   the edit builds on, and no new version can be the edit. One that failed, or was built on
    ///   another version, cannot. An edit that the service said it made is never one of these.
    /// - Anything else cannot be told: a history with versions that could not be read, or one that
    ///   does not list the photo, among others. The edit stays pending.
    ///
    /// The time is the machine's clock. If that was set back, the wait is longer; if it was set
    /// forward, shorter. An attempt after `429`, in which the process was killed, counts from
    /// the first.
    ///
    /// ```no_run
    /// # let mut edits = imagen_ai::Client::from_env()?.project("p").image("a.jpg").chain_saved_in("edits.json")?;
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
    /// [`Error::InvalidInput`] if no edit is pending; those of
    /// [`Project::history`](crate::Project::history) that do not pass, and the last one that
    /// does, if the wait is over. Nothing has changed then.
    pub fn recover(&mut self, wait: &Wait) -> Result<Recovery> {
        let Some(pending) = &self.state.pending else {
            return Err(Error::invalid("chain", "no edit is pending"));
        };
        // A clock that was set back counts as no time.
        let total = wait
            .total
            .saturating_sub(pending.sent.elapsed().unwrap_or_default());
        let mut pauses = Wait { total, ..*wait }.pauses();
        let (recovery, history) = loop {
            let delay = pauses(Duration::ZERO);
            let decide = |now| {
                (
                    self.state
                        .decide(pending, self.image.file_name(), &now, delay.is_none()),
                    now,
                )
            };
            let asked = self.image.project().history().map(decide);
            match (asked, delay) {
                (Ok((Recovery::CannotTell { .. }, _)), Some(delay)) => sleep(delay),
                (Err(e), Some(delay)) if asks_again(&e) => sleep(delay),
                (asked, _) => break asked?,
            }
        };
        let version = match &recovery {
            Recovery::Applied(step) => step.version_id.clone(),
            Recovery::NotApplied => None,
            Recovery::CannotTell { .. } => return Ok(recovery),
        };
        self.learn(&history);
        self.settle(version, None);
        Ok(recovery)
    }

    /// Decides that the [pending](Self::pending) edit was not made, where
    /// [`recover`](Self::recover) cannot tell. If it was made after all and is sent again, it
    /// is paid for twice.
    ///
    /// # Errors
    /// [`Error::Io`]: the file of a saved chain could not be written. Nothing has changed.
    pub fn assume_not_applied(&mut self) -> Result<()> {
        self.change(|state| (state.pending, state.known) = (None, None))
    }

    /// Moves to the version before, or to the unedited photo. Nothing is sent; the service
    /// [drops](Self#branches) the undone version with the next edit.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an edit is [pending](Self::pending); the chain stands at the
    ///   unedited photo; or it does not know what its first version was built on
    ///   ([`Image::chain_from`], [`Chain::branch_from`]).
    /// - [`Error::Io`]: the file of a saved chain could not be written. Nothing has changed.
    pub fn undo(&mut self) -> Result<()> {
        self.check_settled()?;
        if self.state.path.len() <= usize::from(self.state.is_root_unknown) {
            let why = "nothing to undo: no edit was made, or what the first version was built on is not known";
            return Err(Error::invalid("chain", why));
        }
        self.change(|state| drop(state.path.pop()))
    }

    /// Lets the next edit build on this version. Nothing is sent; the service
    /// [drops](Self#branches) the other branch with the next edit.
    ///
    /// It also decides what became of a [pending](Self::pending) edit: a version that the chain did
    /// not know before is taken for that edit, and with any other the edit does not matter any
    /// more.
    ///
    /// # Errors
    /// [`Error::Io`]: the file of a saved chain could not be written. Nothing has changed.
    pub fn branch_from(&mut self, version: impl Into<VersionId>) -> Result<()> {
        self.change(|state| state.branch_from(version.into()))
    }

    /// Discards all edits of the photo, as [`Image::reset`], and starts over at the unedited photo.
    /// A pending edit is forgotten too; if it is still running it may appear afterwards.
    ///
    /// # Errors
    /// Those of [`Image::reset`], and nothing has changed. [`Error::Io`]: the edits are discarded,
    /// but the file of a saved chain could not be written.
    pub fn reset(&mut self) -> Result<()> {
        self.image.reset()?;
        let new = State::new(&self.image);
        self.change(|state| *state = new)
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

    /// Remembers which versions there are. With some that could not be read, which ones are new
    /// cannot be told.
    fn learn(&mut self, history: &History) {
        let versions = history
            .find(self.image.file_name())
            .map(ImageHistory::versions)
            .unwrap_or_default();
        let ids = versions.iter().map(|version| version.id.clone());
        self.state.known = (history.unread() == 0).then(|| ids.collect());
    }

    /// Moves to the version that the edit made, if any, and remembers whether the edit is still
    /// pending.
    fn settle(&mut self, version: Option<VersionId>, pending: Option<Pending>) {
        self.state
            .known
            .iter_mut()
            .for_each(|known| known.extend(version.clone()));
        self.state.path.extend(version);
        self.state.pending = pending;
        // If this fails, the next edit writes it first.
        _ = self.state.save(self.file.as_deref());
    }

    /// Changes the state, unless it cannot be saved with the change.
    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        let before = self.state.clone();
        change(&mut self.state);
        self.state
            .save(self.file.as_deref())
            .inspect_err(|_| self.state = before)
    }
}
