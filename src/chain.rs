//! Edits of one photo that build on each other.

mod recovery;

use std::collections::BTreeSet;
use std::fmt;
use std::thread::sleep;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::history::{History, Version};
use crate::image::{Image, check_instruction, check_preset};
use crate::types::{
    CopilotRequest, EnhanceRequest, Enhancement, EnhancementStatus, ProjectSource, RedactedUrl, VersionId,
};
use crate::wait::Wait;

/// The form of [`ChainState`]; another one is not gone on from.
const FORMAT: u32 = 1;

/// How often a chain that recovers by itself sends one edit, the first time included.
const SENDS: u32 = 3;

impl Image {
    /// A chain of edits that starts from the unedited photo. Nothing is sent.
    ///
    /// If the photo has versions already, the service drops them once the first edit has made another branch; use
    /// [`Image::resume`] to build on them.
    #[inline]
    pub fn chain(&self) -> Chain {
        Chain::new(self, None)
    }

    /// A chain of edits that starts from this version. Nothing is sent, so that a version that does not exist is an
    /// error of the first edit.
    #[inline]
    pub fn chain_from(&self, version: impl Into<VersionId>) -> Chain {
        Chain::new(self, Some(version.into()))
    }

    /// A chain that goes on from the photo's newest version ([`ImageHistory::latest`](crate::ImageHistory::latest)), or
    /// from the unedited photo if it has none. The history is asked.
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("p").image("a.jpg");
    /// let mut edits = photo.resume()?;
    /// println!("goes on from {:?}", edits.current());
    /// let step = edits.copilot("brighten the interior")?;
    /// println!("{} made {:?}", step.edit, step.version);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::history`](crate::Project::history), and [`Error::InvalidInput`] when the history does not tell
    /// whether the photo has versions, or holds some that could not be placed: starting from the unedited photo, or
    /// from a version that is not the newest, would drop what is there. [`Image::chain`] and [`Image::chain_from`]
    /// start all the same.
    #[inline]
    pub fn resume(&self) -> Result<Chain> {
        let history = self.project().history()?;
        let image = history.find(self.file_name());
        let latest = image.and_then(|image| image.latest());
        if history.unread() > 0 || (latest.is_none() && !history.tells_all_of(self.file_name())) {
            return Err(match history.alike(self.file_name()) {
                Some(_) if image.is_none() => history.no_such_image(self.file_name()),
                _ => Error::invalid(
                    "history",
                    format!(
                        "it does not tell for sure which versions {:?} has; Image::chain() and Image::chain_from() \
                         start all the same",
                        self.file_name()
                    ),
                ),
            });
        }
        let mut chain = Chain::new(self, latest.map(|version| version.id.clone()));
        chain.learn(&history);
        Ok(chain)
    }

    /// Goes on with a chain whose [state](Chain::state) was saved; [`ChainState`] has an example. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for the state of another photo or project, or of another version of this crate that
    /// saves it in another form.
    #[inline]
    pub fn continue_chain(&self, state: ChainState) -> Result<Chain> {
        if state.format != FORMAT {
            return Err(Error::invalid(
                "state",
                format!(
                    "has the form {}, and this version of the crate reads {FORMAT}",
                    state.format
                ),
            ));
        }
        let mut chain = Chain::new(self, None);
        let of = |state: &ChainState| {
            let ChainState {
                file_name,
                project_source,
                project,
                ..
            } = state;
            format!("{file_name:?} in the {project_source} project {project:?}")
        };
        if of(&state) != of(&chain.state) {
            return Err(Error::invalid(
                "state",
                format!("is that of {}, and this is {}", of(&state), of(&chain.state)),
            ));
        }
        chain.state = state;
        Ok(chain)
    }
}

/// Edits of one photo, each built on the one before.
///
/// # What the service does to the branch not kept
/// The service keeps one line of versions for each photo. An edit built on an earlier version
/// ([`branch_from`](Self::branch_from), [`Image::chain_from`]) begins another branch, and "subsequent edits will
/// overwrite the branch you didn't keep" (vendor's page, Copilot API, "Chain edits"): the versions that came after that
/// earlier one are lost for good, and their pictures with them. So is everything when a [`chain`](Image::chain) starts
/// over from the unedited photo. Nothing here can prevent or undo that: look at [`Image::history`] first.
///
/// # After a failure
/// After any error the chain stands where it stood before. Three ends leave open what became of the edit:
/// - [`Error::OutcomeUnknown`]: it may have been made.
/// - [`Error::EnhancementFailed`] with any status but [`Failed`](EnhancementStatus::Failed): no picture came, but a
///   version may exist all the same.
/// - A [`Step`] without a version: it was made, and the service did not say as which version. As a parent, "no version"
///   would mean the unedited photo.
///
/// The chain then remembers what it tried ([`ChainState::pending`]) and refuses the next edit until it is known what
/// became of this one, since sending it again might pay for it twice. [`recover`](Self::recover) asks the history. If
/// even that cannot tell, a person can: [`branch_from`](Self::branch_from) goes on from the version that is the right
/// one, and [`assume_not_applied`](Self::assume_not_applied) from where the chain stands.
///
/// A chain that is [`recovering`](Self::recovering) asks by itself.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let photo = client.project("65f3a1c2d4e5f6a7b8c9d0e1").image("DSC_0001.JPEG");
/// use imagen_ai::Wait;
///
/// let mut edits = photo.chain().recovering(Wait::for_an_edit());
/// let sky = edits.copilot("make the sky more blue")?;
/// edits.copilot("brighten the interior")?;
/// edits.enhance("virtual_staging")?;
///
/// edits.branch_from(sky.version()?);
/// edits.copilot("remove the car")?; // on the blue sky; the service drops the other two
/// println!("{}: {} edits, now {:?}", edits.image().file_name(), edits.steps().len(), edits.current());
///
/// edits.reset()?; // all are discarded, and the next edit starts from the unedited photo
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chain {
    image: Image,
    state: ChainState,
    recovering: Option<Wait>,
}

impl Chain {
    /// Applies a prompt to the current version and moves to the result: [`Image::copilot`] with the right parent.
    ///
    /// # Errors
    /// As [`Image::copilot`]; the chain then stands where it stood. [`Error::InvalidInput`] also for a request with a
    /// parent of its own, which is what [`branch_from`](Self::branch_from) is for, and while an edit is
    /// [pending](ChainState::pending). With [`recovering`](Self::recovering) also as
    /// [`Project::history`](crate::Project::history), before anything was sent.
    #[inline]
    pub fn copilot(&mut self, request: impl Into<CopilotRequest>) -> Result<Step> {
        let request = request.into();
        check_parent(request.parent_version_id.as_ref())?;
        check_instruction(&request.instruction)?;
        self.apply(Edit::Instruction(request.instruction))
    }

    /// Applies a preset to the current version and moves to the result: [`Image::enhance`] with the right parent.
    ///
    /// # Errors
    /// As [`Image::enhance`] and [`Chain::copilot`].
    #[inline]
    pub fn enhance(&mut self, request: impl Into<EnhanceRequest>) -> Result<Step> {
        let request = request.into();
        check_parent(request.parent_version_id.as_ref())?;
        check_preset(&request.tool_id)?;
        self.apply(Edit::Preset(request.tool_id))
    }

    /// Lets the next edit build on this version. Nothing is sent: the other branch is lost only with that edit, when
    /// the service [drops it](Self#what-the-service-does-to-the-branch-not-kept).
    ///
    /// It also decides that a [pending](ChainState::pending) edit does not matter any more. One that is still running
    /// may then overwrite what is built here.
    #[inline]
    pub fn branch_from(&mut self, version: impl Into<VersionId>) {
        let version = version.into();
        self.state.known.insert(version.clone());
        self.state.current = Some(version);
        self.state.pending = None;
    }

    /// Discards all edits of the photo ([`Image::reset`]) and starts over from the unedited photo. Only when the
    /// service says that it did so are the steps and a pending edit forgotten.
    ///
    /// # Errors
    /// As [`Image::reset`]; nothing is forgotten then.
    #[inline]
    pub fn reset(&mut self) -> Result<()> {
        self.image.reset()?;
        self.state.current = None;
        self.state.steps.clear();
        self.state.pending = None;
        // Nobody has published that the numbers of discarded versions are not given again.
        self.state.known.clear();
        self.state.known_all = false;
        Ok(())
    }

    /// Asks the history once what became of the [pending](ChainState::pending) edit (see
    /// [After a failure](Self#after-a-failure)).
    ///
    /// It was applied if one version is new since the chain last knew the photo, and has the right parent and, where
    /// the service tells it, the right instruction or preset. That a version is the newest counts for nothing. It was
    /// not applied if no new version can be it, in a history that tells the photo's versions and the one that the edit
    /// was to build on. Everything else is [`Recovery::CannotTell`], a history among them that tells no parents.
    ///
    /// A chain that was begun by [`Image::chain`] or [`Image::chain_from`] does not know which versions there were
    /// before it. Of its first edit it can tell "applied" only if it is [`recovering`](Self::recovering), which looks
    /// at the history first.
    ///
    /// ```no_run
    /// # let mut edits = imagen_ai::Client::from_env()?.project("p").image("a.jpg").chain();
    /// use imagen_ai::{Error, Recovery, Version, VersionId};
    ///
    /// fn ask_a_person(candidates: &[Version]) -> Option<VersionId> {
    ///     for version in candidates {
    ///         println!("is it {}, {:?}, at {:?}?", version.id, version.instruction, version.url);
    ///     }
    ///     // ...
    /// #   None
    /// }
    ///
    /// match edits.copilot("make the sky more blue") {
    ///     Ok(step) => println!("version {:?}", step.version),
    ///     Err(Error::OutcomeUnknown(e)) => match edits.recover()? {
    ///         Recovery::Applied(version) => println!("{}, but it is there: version {version}", e.cause),
    ///         Recovery::NotApplied => println!("{}; send it again", e.cause),
    ///         Recovery::CannotTell { candidates } => match ask_a_person(&candidates) {
    ///             Some(version) => edits.branch_from(version),
    ///             None => edits.assume_not_applied(),
    ///         },
    ///         _ => return Err(Error::OutcomeUnknown(e)),
    ///     },
    ///     Err(e) => return Err(e),
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if no edit is pending; otherwise as [`Project::history`](crate::Project::history), and
    /// nothing has changed.
    #[inline]
    pub fn recover(&mut self) -> Result<Recovery> {
        let Some(pending) = self.state.pending.clone() else {
            return Err(Error::invalid(
                "chain",
                "nothing to recover: the outcome of every edit is known",
            ));
        };
        let (recovery, history) = self.ask(&pending)?;
        self.settle(pending, &recovery, &history);
        Ok(recovery)
    }

    /// Decides that a [pending](ChainState::pending) edit was not applied, where [`recover`](Self::recover) cannot
    /// tell: the chain goes on from where it stands. If the edit was applied after all and is sent again, it is paid
    /// for twice, and the service drops the first of the two.
    ///
    /// An edit that the service said was applied stays in [`steps`](Self::steps), without a version.
    #[inline]
    pub fn assume_not_applied(&mut self) {
        self.state.pending = None;
    }

    /// Finds out by itself what became of an edit that is [pending](ChainState::pending), before `copilot` and
    /// `enhance` return. Default: off.
    ///
    /// The history is asked at once and then as `wait` says, since the edit may still be running. Once it is found the
    /// call succeeds. If one that ended in [`Error::OutcomeUnknown`] was not applied by the end of the wait, it is sent
    /// again, three times in all. If the history cannot tell by then, or the third time was no better, the call ends as
    /// it would without this setting.
    ///
    /// That an edit is applied once is only as sure as the wait is long: one that turns up later than that is applied
    /// twice. [`Wait::for_an_edit`] is twice what the vendor's clients allow a call.
    ///
    /// An edit on what this chain has not made itself is preceded by a look at the history, so that older versions are
    /// not taken for it: one call more at the beginning of a chain.
    #[must_use]
    #[inline]
    pub fn recovering(mut self, wait: Wait) -> Self {
        self.recovering = Some(wait);
        self
    }

    /// The photo.
    #[inline]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The version that the next edit builds on; `None` is the unedited photo. While an edit is
    /// [pending](ChainState::pending) it is what that one was to build on.
    #[inline]
    pub fn current(&self) -> Option<&VersionId> {
        self.state.current.as_ref()
    }

    /// What was applied through this chain, in order, on branches that are gone by now too.
    #[inline]
    pub fn steps(&self) -> &[Step] {
        &self.state.steps
    }

    /// What to save in order to go on later.
    #[inline]
    pub fn state(&self) -> &ChainState {
        &self.state
    }

    #[inline]
    fn new(image: &Image, current: Option<VersionId>) -> Self {
        let project = image.project();
        Self {
            image: image.clone(),
            state: ChainState {
                format: FORMAT,
                project: project.uuid().to_owned(),
                project_source: project.source(),
                file_name: image.file_name().to_owned(),
                known: current.iter().cloned().collect(),
                known_all: false,
                current,
                steps: Vec::new(),
                pending: None,
            },
            recovering: None,
        }
    }

    #[inline]
    fn apply(&mut self, edit: Edit) -> Result<Step> {
        if let Some(pending) = &self.state.pending {
            return Err(match pending.applied {
                true => unnamed(),
                false => Error::invalid(
                    "chain",
                    "whether the last edit was applied is not known, and this one would build on it or pay for it \
                     twice: Chain::recover() asks the history",
                ),
            });
        }
        if self.recovering.is_some() && !self.state.knows_children_of(self.state.current.as_ref()) {
            let history = self.image.project().history()?;
            self.learn(&history);
        }
        let mut sends = 0;
        loop {
            sends += 1;
            let error = match self.send(&edit) {
                Ok(enhancement) => return Ok(self.arrived(edit, enhancement)),
                Err(error @ Error::OutcomeUnknown(_)) => error,
                Err(Error::EnhancementFailed(failed)) if failed.status == EnhancementStatus::Failed => {
                    self.state.known.extend(failed.version_id.clone());
                    return Err(Error::EnhancementFailed(failed));
                }
                // A success without a picture: there may be a version all the same.
                Err(error @ Error::EnhancementFailed(_)) => error,
                Err(error) => return Err(error),
            };
            self.state.pending = Some(self.pending(&edit, false));
            // What the service has answered is not sent again, whatever the answer lacks.
            let again = sends < SENDS && matches!(error, Error::OutcomeUnknown(_));
            match self.recover_in_time(again) {
                Some(Recovery::Applied(_)) => return self.state.steps.last().cloned().ok_or(error),
                Some(Recovery::NotApplied) if again => {}
                _ => return Err(error),
            }
        }
    }

    #[inline]
    fn send(&self, edit: &Edit) -> Result<Enhancement> {
        let parent = self.state.current.clone();
        match edit {
            Edit::Instruction(instruction) => {
                let mut request = CopilotRequest::new(instruction);
                request.parent_version_id = parent;
                self.image.copilot(request)
            }
            Edit::Preset(tool_id) => {
                let mut request = EnhanceRequest::new(tool_id);
                request.parent_version_id = parent;
                self.image.enhance(request)
            }
        }
    }

    #[inline]
    fn arrived(&mut self, edit: Edit, enhancement: Enhancement) -> Step {
        let step = Step {
            edit: edit.clone(),
            parent: self.state.current.clone(),
            version: enhancement.version_id.clone(),
            url: Some(enhancement.enhanced_image_url),
        };
        self.state.steps.push(step.clone());
        match enhancement.version_id {
            Some(version) => {
                self.state.known.insert(version.clone());
                self.state.current = Some(version);
                step
            }
            None => {
                self.state.pending = Some(self.pending(&edit, true));
                self.recover_in_time(false);
                self.state.steps.last().cloned().unwrap_or(step)
            }
        }
    }

    #[inline]
    fn pending(&self, edit: &Edit, applied: bool) -> Pending {
        Pending {
            edit: edit.clone(),
            parent: self.state.current.clone(),
            applied,
        }
    }

    #[inline]
    fn ask(&self, pending: &Pending) -> Result<(Recovery, History)> {
        let history = self.image.project().history()?;
        Ok((recovery::decide(&self.state, pending, &history), history))
    }

    /// Takes in what became of the pending edit.
    #[inline]
    fn settle(&mut self, pending: Pending, recovery: &Recovery, history: &History) {
        match recovery {
            Recovery::CannotTell { .. } => return,
            Recovery::NotApplied => {}
            Recovery::Applied(version) => {
                let found = history.find(&self.state.file_name).and_then(|image| image.get(version));
                let url = found.and_then(|version| version.url.clone());
                match self.state.steps.last_mut().filter(|_| pending.applied) {
                    Some(last) => last.version = Some(version.clone()),
                    None => self.state.steps.push(Step {
                        edit: pending.edit,
                        parent: pending.parent,
                        version: Some(version.clone()),
                        url,
                    }),
                }
                self.state.current = Some(version.clone());
            }
        }
        self.state.pending = None;
        self.learn(history);
    }

    /// Asks until the pending edit is found or the time is over; not at all if that is not to be done. A history that
    /// cannot be asked tells nothing. `again` is whether an edit that was not applied is to be sent again: if not, it
    /// stays pending, since its error will say that its outcome is unknown.
    #[inline]
    fn recover_in_time(&mut self, again: bool) -> Option<Recovery> {
        let wait = self.recovering?;
        let pending = self.state.pending.clone()?;
        let mut delays = wait.delays();
        loop {
            let asked = self.ask(&pending).ok();
            let found = matches!(&asked, Some((Recovery::Applied(_), _)));
            match delays.next() {
                Some(delay) if !found => sleep(delay),
                _ => {
                    let (recovery, history) = asked?;
                    if found || again {
                        self.settle(pending, &recovery, &history);
                    }
                    return Some(recovery);
                }
            }
        }
    }

    /// Takes in which versions there are.
    #[inline]
    fn learn(&mut self, history: &History) {
        if let Some(image) = history.find(&self.state.file_name) {
            let ids = image.versions().iter().map(|version| version.id.clone());
            self.state.known.extend(ids);
        }
        self.state.known_all |= history.tells_all_of(&self.state.file_name);
    }
}

/// One edit that was applied.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// let step = photo.chain().copilot("make the sky more blue")?;
/// println!("{} on {:?} made {:?}", step.edit, step.parent, step.version);
/// if let Some(url) = &step.url {
///     photo.project().client().download(url).to_file("sky.jpg")?;
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// What was asked for.
    pub edit: Edit,
    /// What it was built on; `None` is the unedited photo.
    pub parent: Option<VersionId>,
    /// The version that it made; `None` until [`Chain::recover`] finds one that the service did not name.
    pub version: Option<VersionId>,
    /// Where the picture can be fetched for a while, if that was told: a presigned URL. Whoever has it can read the
    /// picture, so it is not serialized, and `Debug` leaves its query out. [`Image::history`] may have a fresh one.
    #[serde(skip)]
    pub url: Option<String>,
}

impl Step {
    /// The version that this edit made.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named none and [`Chain::recover`] has not found it.
    #[inline]
    pub fn version(&self) -> Result<&VersionId> {
        self.version.as_ref().ok_or_else(unnamed)
    }
}

impl fmt::Debug for Step {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("edit", &self.edit)
            .field("parent", &self.parent)
            .field("version", &self.version)
            .field("url", &self.url.as_deref().map(RedactedUrl))
            .finish()
    }
}

/// What was asked for: words or a preset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// [`Chain::copilot`] with this instruction.
    Instruction(String),
    /// [`Chain::enhance`] with this `tool_id`.
    Preset(String),
}

impl fmt::Display for Edit {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruction(text) => write!(f, "{text:?}"),
            Self::Preset(tool_id) => f.write_str(tool_id),
        }
    }
}

/// What to save of a [`Chain`] in order to go on later, as JSON: [`Image::continue_chain`] takes it.
///
/// It holds no key and no URL. The instructions are in it. Whether the chain is [recovering](Chain::recovering) is not.
///
/// A state that was saved before an edit does not know of that edit. A process that is killed in the middle of one
/// leaves no trace of it here: look at [`Image::history`] before going on.
///
/// ```
/// use imagen_ai::{ChainState, Edit};
///
/// # let photo = imagen_ai::Client::new("my-key")?.project("65f3a1c2").image("DSC_0001.JPEG");
/// // What serde_json::to_string(edits.state()) gave, when the answer to the second edit was lost:
/// let saved = r#"{
///     "format": 1,
///     "project": "65f3a1c2",
///     "project_source": "REGULAR",
///     "file_name": "DSC_0001.JPEG",
///     "current": 123,
///     "steps": [{"edit": {"instruction": "make the sky more blue"}, "parent": null, "version": 123}],
///     "known": [123],
///     "known_all": true,
///     "pending": {"edit": {"preset": "virtual_staging"}, "parent": 123, "applied": false}
/// }"#;
/// let edits = photo.continue_chain(serde_json::from_str(saved)?)?;
///
/// let state: &ChainState = edits.state();
/// assert_eq!(state.current, Some(123.into()));
/// assert_eq!(state.steps.len(), 1);
/// let pending = state.pending.as_ref().ok_or("nothing to recover")?;
/// match &pending.edit {
///     Edit::Instruction(text) => println!("was it asked to {text:?}?"),
///     Edit::Preset(tool_id) => println!("was {tool_id} applied to {:?}? {}", pending.parent, pending.applied),
/// }
/// # assert_eq!(serde_json::from_str::<serde_json::Value>(saved)?, serde_json::to_value(state)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainState {
    /// The form of this struct: 1. [`Image::continue_chain`] refuses any other.
    pub format: u32,
    /// The project's id. [`Image::continue_chain`] refuses another's state; so it does with the next two.
    pub project: String,
    /// How the project was edited.
    pub project_source: ProjectSource,
    /// The photo's file name.
    pub file_name: String,
    /// The version that the next edit builds on; `None` is the unedited photo.
    pub current: Option<VersionId>,
    /// What was applied through this chain.
    pub steps: Vec<Step>,
    /// Every version of the photo that the chain has heard of, even if it is gone. What is not among them is new.
    pub known: BTreeSet<VersionId>,
    /// Whether the history once told all there were.
    pub known_all: bool,
    /// The edit of which it is not known whether it was applied, or as which version; `None` if there is none.
    pub pending: Option<Pending>,
}

/// An edit of which it is not known whether it was applied, or as which version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// What was asked for.
    pub edit: Edit,
    /// What it was to build on; `None` is the unedited photo.
    pub parent: Option<VersionId>,
    /// Whether the service said that it was applied, and only named no version.
    pub applied: bool,
}

/// What became of an edit whose outcome was unknown: the answer of [`Chain::recover`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Recovery {
    /// It was applied and is this version, to which the chain has moved.
    Applied(VersionId),
    /// It was not applied by the time of asking, and the chain is where it was: send it again. An edit that is still
    /// running somewhere can turn up later, so this is only as sure as the time that has passed since.
    NotApplied,
    /// The history does not tell. The chain refuses the next edit still: ask again later, or decide by
    /// [`Chain::branch_from`] or [`Chain::assume_not_applied`].
    CannotTell {
        /// The versions that may be this edit; maybe none.
        candidates: Vec<Version>,
    },
}

impl ChainState {
    /// Whether a version with this parent that is not known must be new.
    #[inline]
    fn knows_children_of(&self, parent: Option<&VersionId>) -> bool {
        // What was built on a version that this chain made came after that.
        let own = |parent| self.steps.iter().any(|step| step.version.as_ref() == Some(parent));
        self.known_all || parent.is_some_and(own)
    }
}

#[inline]
fn check_parent(parent: Option<&VersionId>) -> Result<()> {
    match parent {
        None => Ok(()),
        Some(_) => Err(Error::invalid(
            "parent_version_id",
            "a chain builds on its current version; Chain::branch_from() changes that",
        )),
    }
}

#[inline]
fn unnamed() -> Error {
    Error::invalid(
        "version_id",
        "the service named no version for the last edit, and building on \"no version\" would start over from the \
         unedited photo; Chain::recover() looks for it in the history",
    )
}
