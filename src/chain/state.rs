//! What a chain remembers, the rule that tells what became of an edit whose answer was lost, and
//! the file of a chain.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::download::{Overwrite, PartFile};
use crate::error::{Error, Result};
use crate::history::{History, ImageHistory, Version};
use crate::image::Image;
use crate::types::{CopilotEdit, DownloadLink, EnhancementStatus, SignedUrl, VersionId, link_from};

/// An edit of which it is not known whether it was made, or as which version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// What was asked for.
    pub edit: CopilotEdit,
    /// The version that it was to build on. `None` is the unedited photo.
    pub parent: Option<VersionId>,
    /// Whether the service said that it made the edit, and only did not name the version.
    pub made: bool,
    /// When its answer was lost, by the machine's clock, or until then when it was sent.
    pub sent: SystemTime,
}

/// What an edit of a chain gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The version that the edit made. `None` when the service named none; [`Step::version`] is
    /// the safe way to go on.
    pub version_id: Option<VersionId>,
    /// Where the picture can be fetched for a while, if that is known.
    pub url: Option<SignedUrl>,
}

impl Step {
    /// Returns the version that the edit made.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named none;
    /// [`Chain::recover`](crate::Chain::recover) looks for it.
    pub fn version(&self) -> Result<&VersionId> {
        let why = "the service named no version for this edit; Chain::recover() looks for it in the history";
        self.version_id
            .as_ref()
            .ok_or_else(|| Error::invalid("version_id", why))
    }
}

link_from!(Step, step => step.url.clone());

/// What became of an edit, from [`Chain::recover`](crate::Chain::recover).
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// It was made, and the chain has moved to it.
    Applied(Step),
    /// It was not made by the end of the wait, and the chain stands where it stood: send it again.
    NotApplied,
    /// The history does not tell, and the edit stays [pending](crate::Chain::pending). Ask again
    /// later, or decide by [`Chain::branch_from`](crate::Chain::branch_from) or
    /// [`Chain::assume_not_applied`](crate::Chain::assume_not_applied).
    CannotTell {
        /// The versions that may be the edit; maybe none.
        candidates: Vec<Version>,
    },
}

/// What a chain remembers. It holds no key and no URL.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The form of the file, and which photo of which project it is of.
    of: String,
    /// The versions from the first edit that is known to where the chain stands.
    pub(super) path: Vec<VersionId>,
    /// Whether it is not known what the first of them was built on.
    pub(super) is_root_unknown: bool,
    pub(super) pending: Option<Pending>,
    /// The versions that there were before the pending edit, or are before the next. `None` until
    /// a history was read, all of it.
    pub(super) known: Option<HashSet<VersionId>>,
}

impl State {
    /// Returns the state of a chain that stands at the unedited photo.
    pub(super) fn new(image: &Image) -> Self {
        let (project, name) = (image.project(), image.file_name());
        let of = format!(
            "form 1: {name:?} of the {} project {:?}",
            project.kind().as_str(),
            project.uuid()
        );
        Self {
            of,
            ..Self::default()
        }
    }

    pub(super) fn branch_from(&mut self, version: VersionId) {
        let (pending, known) = (self.pending.take(), self.known.take().unwrap_or_default());
        match self.path.iter().position(|id| *id == version) {
            Some(index) => self.path.truncate(index + 1),
            None if pending.is_some() && !known.contains(&version) => self.path.push(version),
            None => (self.path, self.is_root_unknown) = (vec![version], true),
        }
    }

    /// Decides what became of an edit by the history now. `over` is whether the wait was over when
    /// the history was asked for.
    ///
    /// A history with versions that could not be read decides nothing, since one of those may be
    /// the edit.
    pub(super) fn decide(
        &self,
        pending: &Pending,
        file_name: &str,
        history: &History,
        over: bool,
    ) -> Recovery {
        let image = history.find(file_name);
        let is_listed = |id: &VersionId| image.is_some_and(|image| image.get(id).is_some());
        let is_known = |id: &VersionId| self.known.as_ref().is_some_and(|known| known.contains(id));
        let has_parent =
            |version: &Version| version.parent_told && version.parent == pending.parent;
        let mut candidates = image
            .map(ImageHistory::versions)
            .unwrap_or_default()
            .to_vec();
        candidates.retain(|version| {
            // How the service names the unedited photo as a parent is not published: only a version
            // is surely another parent.
            let is_elsewhere = !has_parent(version)
                && version
                    .parent
                    .as_ref()
                    .is_some_and(|id| is_listed(id) || is_known(id));
            !is_known(&version.id)
                && !is_elsewhere
                && version.status != Some(EnhancementStatus::Failed)
        });
        let is_edit = |version: &&Version| {
            let (told, asked) = match &pending.edit {
                CopilotEdit::Instruction(text) => (&version.instruction, text),
                CopilotEdit::Preset(tool_id) => (&version.preset, tool_id),
            };
            has_parent(version)
                && told
                    .as_ref()
                    .is_some_and(|told| told.trim() == asked.trim())
        };
        let is_done = |it: &Version| {
            it.url.is_some() || matches!(it.status, None | Some(EnhancementStatus::Success))
        };
        let is_parent_there = pending.parent.as_ref().map_or(image.is_some(), is_listed);
        match candidates
            .iter()
            .filter(is_edit)
            .collect::<Vec<_>>()
            .as_slice()
        {
            _ if history.unread() > 0 => Recovery::CannotTell { candidates },
            [found] if self.known.is_some() && is_done(found) => Recovery::Applied(Step {
                version_id: Some(found.id.clone()),
                url: found.url.clone(),
            }),
            [] if candidates.is_empty() && is_parent_there && over && !pending.made => {
                Recovery::NotApplied
            }
            _ => Recovery::CannotTell { candidates },
        }
    }

    /// Reads the file, or makes it if there is none.
    pub(super) fn open(image: &Image, path: &Path) -> Result<Self> {
        let new = Self::new(image);
        let text = match fs::read(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return new.save(Some(path)).map(|()| new),
            text => text.map_err(|e| Error::io(path, e))?,
        };
        let refuse = |why| {
            Err(Error::invalid(
                "path",
                format!("{}: {why}; it was not changed", path.display()),
            ))
        };
        match serde_json::from_str::<Self>(std::str::from_utf8(&text).unwrap_or_default()) {
            // Between two processes others may have made versions. While an edit is out, what was
            // known stays.
            Ok(old) if old.of == new.of => Ok(Self {
                known: old.known.filter(|_| old.pending.is_some()),
                ..old
            }),
            Ok(old) => refuse(format!("a saved chain of {}, not of {}", old.of, new.of)),
            Err(e) => refuse(format!(
                "no saved chain of the form 1, or one that was cut short ({e})"
            )),
        }
    }

    /// Replaces the file as a whole, if there is one, so that a process that is killed leaves the
    /// old one or the new one.
    pub(super) fn save(&self, file: Option<&Path>) -> Result<()> {
        let Some(path) = file else { return Ok(()) };
        let mut part = PartFile::create(path)?;
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        text.and_then(|text| part.file.write_all(&text))
            .map_err(|e| Error::io(path, e))?;
        part.publish(Overwrite::Always).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is decided in a word and its versions: `applied 2`, `not applied`, `cannot tell
    /// 2 3`. `before` is the history that was read before the edit, if one was.
    fn decided(
        before: Option<&str>,
        parent: Option<u64>,
        edit: &CopilotEdit,
        now: &str,
        over: bool,
        made: bool,
    ) -> String {
        let versions = |history: &History| {
            history
                .find("a.jpg")
                .map(|image| image.versions().to_vec())
                .unwrap_or_default()
        };
        let before = before.map(|before| History::from_json(before).unwrap());
        let pending = Pending {
            edit: edit.clone(),
            parent: parent.map(VersionId::from),
            made,
            sent: SystemTime::now(),
        };
        let known = before.map(|before| {
            versions(&before)
                .into_iter()
                .map(|version| version.id)
                .collect()
        });
        let state = State {
            known,
            ..State::default()
        };
        match state.decide(&pending, "a.jpg", &History::from_json(now).unwrap(), over) {
            Recovery::Applied(step) => format!("applied {}", step.version_id.unwrap()),
            Recovery::NotApplied => "not applied".to_owned(),
            Recovery::CannotTell { candidates } => candidates
                .iter()
                .fold("cannot tell".to_owned(), |text, version| {
                    format!("{text} {}", version.id)
                }),
        }
    }

    const ONE: &str = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"prompt":"one"}]}"#;
    const NONE: &str = r#"{"a.jpg":[]}"#;

    #[test]
    fn what_became_of_two_on_one() {
        let edit = CopilotEdit::Instruction("two".to_owned());
        // Beside version 1, which was known before.
        for (what, new, expected) in [
            ("nothing new", "", "not applied"),
            (
                "it is there",
                r#""version_id":2,"parent_id":1,"prompt":"two""#,
                "applied 2",
            ),
            (
                "trimmed",
                r#""version_id":2,"parent_id":1,"prompt":" two\n""#,
                "applied 2",
            ),
            (
                "the edit not told",
                r#""version_id":2,"parent_id":1"#,
                "cannot tell 2",
            ),
            (
                "another edit",
                r#""version_id":2,"parent_id":1,"prompt":"x""#,
                "cannot tell 2",
            ),
            (
                "a preset of that name",
                r#""version_id":2,"parent_id":1,"tool_id":"two""#,
                "cannot tell 2",
            ),
            (
                "the parent not told",
                r#""version_id":2,"prompt":"two""#,
                "cannot tell 2",
            ),
            (
                "a parent that is no version",
                r#""version_id":2,"parent_id":0,"prompt":"two""#,
                "cannot tell 2",
            ),
            (
                "told to be a root",
                r#""version_id":2,"parent_id":null,"prompt":"two""#,
                "cannot tell 2",
            ),
            (
                "failed",
                r#""version_id":2,"parent_id":1,"prompt":"two","status":"FAILED""#,
                "not applied",
            ),
            (
                "running",
                r#""version_id":2,"parent_id":1,"prompt":"two","status":"RUNNING""#,
                "cannot tell 2",
            ),
            (
                "under another word",
                r#""version_id":2,"parent_id":1,"prompt":"two","status":"X","url":"https://s3/2""#,
                "applied 2",
            ),
            (
                "twice",
                r#""version_id":2,"parent_id":1,"prompt":"two"},{"version_id":3,"parent_id":1,"prompt":"two""#,
                "cannot tell 2 3",
            ),
            (
                "twice, one running",
                r#""version_id":2,"parent_id":1,"prompt":"two"},{"version_id":3,"parent_id":1,"prompt":"two","status":"RUNNING""#,
                "cannot tell 2 3",
            ),
            (
                "beside another's",
                r#""version_id":2,"parent_id":1,"prompt":"two"},{"version_id":3,"parent_id":1,"prompt":"x""#,
                "applied 2",
            ),
            (
                "built on already",
                r#""version_id":2,"parent_id":1,"prompt":"two"},{"version_id":3,"parent_id":2,"prompt":"two""#,
                "applied 2",
            ),
            (
                "on another's",
                r#""version_id":3,"parent_id":1,"status":"FAILED"},{"version_id":2,"parent_id":3,"prompt":"two""#,
                "not applied",
            ),
            ("one cannot be read", r#""version_id":true"#, "cannot tell"),
            (
                "it, and one that cannot be read",
                r#""version_id":2,"parent_id":1,"prompt":"two"},{"version_id":null"#,
                "cannot tell 2",
            ),
        ] {
            let new = if new.is_empty() {
                new.to_owned()
            } else {
                format!(",{{{new}}}")
            };
            let now =
                format!(r#"{{"a.jpg":[{{"version_id":1,"parent_id":null,"prompt":"one"}}{new}]}}"#);
            assert_eq!(
                decided(Some(ONE), Some(1), &edit, &now, true, false),
                expected,
                "{what}: {now}"
            );
        }
        for (what, now, expected) in [
            (
                "nested",
                r#"{"a.jpg":{"version_id":1,"children":[{"version_id":2,"prompt":"two"}]}}"#,
                "applied 2",
            ),
            ("the parent is gone", NONE, "cannot tell"),
            ("not listed", r#"{"images":[]}"#, "cannot tell"),
            (
                "ids in another form",
                r#"{"a.jpg":[{"version_id":"1","parent_id":null,"prompt":"one"}]}"#,
                "cannot tell 1",
            ),
        ] {
            assert_eq!(
                decided(Some(ONE), Some(1), &edit, now, true, false),
                expected,
                "{what}"
            );
        }
    }

    #[test]
    fn what_became_of_one_on_the_unedited_photo() {
        let edit = CopilotEdit::Preset("sky".to_owned());
        let there = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#;
        let (elsewhere, empty) = (r#"{"b.jpg":[{"version_id":1}]}"#, r#"{"images":[]}"#);
        for (what, before, now, expected) in [
            ("nothing new", Some(NONE), NONE, "not applied"),
            (
                "nothing new, nothing read before",
                None,
                NONE,
                "not applied",
            ),
            ("it is there", Some(NONE), there, "applied 1"),
            (
                "it is there, nothing read before",
                None,
                there,
                "cannot tell 1",
            ),
            ("not listed before", Some(empty), there, "applied 1"),
            ("not listed", Some(elsewhere), elsewhere, "cannot tell"),
            ("not listed at all", Some(empty), empty, "cannot tell"),
            ("another case", Some(NONE), r#"{"A.jpg":[]}"#, "cannot tell"),
            ("the old one", Some(ONE), ONE, "not applied"),
            (
                "on the old one",
                Some(ONE),
                r#"{"a.jpg":[{"version_id":2,"parent_id":1,"tool_id":"sky"}]}"#,
                "not applied",
            ),
        ] {
            assert_eq!(
                decided(before, None, &edit, now, true, false),
                expected,
                "{what}: {now}"
            );
        }
    }

    #[test]
    fn nothing_is_not_applied_before_the_wait_is_over_or_when_the_service_made_it() {
        let edit = CopilotEdit::Instruction("two".to_owned());
        let there = r#"{"a.jpg":[{"version_id":1,"parent_id":null},{"version_id":2,"parent_id":1,"prompt":"two"}]}"#;
        for (over, made) in [(false, false), (true, true), (false, true)] {
            assert_eq!(
                decided(Some(ONE), Some(1), &edit, ONE, over, made),
                "cannot tell"
            );
            assert_eq!(
                decided(Some(ONE), Some(1), &edit, there, over, made),
                "applied 2"
            );
        }
    }
}
