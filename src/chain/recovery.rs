//! What an edit gave, and the rule that tells what became of one whose answer was lost.

use super::{Edit, Pending};
use crate::error::{Error, Result};
use crate::history::{History, ImageHistory, Version};
use crate::types::{DownloadLink, EnhancementStatus, SignedUrl, VersionId, link_from};

/// What an edit of a chain gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The version that the edit made. `None` when the service named none; [`Step::version`] is the safe way to go on.
    pub version_id: Option<VersionId>,
    /// Where the picture can be fetched for a while, if that is known.
    pub url: Option<SignedUrl>,
}

impl Step {
    /// Returns the version that the edit made.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named none; [`Chain::recover`](crate::Chain::recover) looks for it.
    pub fn version(&self) -> Result<&VersionId> {
        let why = "the service named no version for this edit; Chain::recover() looks for it in the history";
        let version = self.version_id.as_ref();
        version.ok_or_else(|| Error::invalid("version_id", why))
    }
}

link_from! {
    Step, step => step.url.clone();
}

/// What became of an edit, from [`Chain::recover`](crate::Chain::recover).
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// It was made, and the chain has moved to it.
    Applied(Step),
    /// It was not made by the end of the wait, and the chain stands where it stood: send it again.
    NotApplied,
    /// The history does not tell, and the edit stays [pending](crate::Chain::pending). Ask again later, or decide by
    /// [`Chain::branch_from`](crate::Chain::branch_from) or [`Chain::assume_not_applied`](crate::Chain::assume_not_applied).
    CannotTell {
        /// The versions that may be the edit; maybe none.
        candidates: Vec<Version>,
    },
}

/// Decides by the versions that were known before, the edit, and the history now. `over` is whether the wait was over when
/// the history was asked for.
///
/// A history with versions that could not be read decides nothing, since one of those may be the edit.
pub(super) fn decide(pending: &Pending, file_name: &str, history: &History, over: bool) -> Recovery {
    let known = pending.known.as_ref();
    let image = history.find(file_name);
    let is_listed = |id: &VersionId| image.is_some_and(|image| image.get(id).is_some());
    let is_known = |id: &VersionId| known.is_some_and(|known| known.contains(id));
    let has_parent = |version: &Version| version.parent_told && version.parent == pending.parent;
    // How the service names the unedited photo as a parent is not published: only a version is surely another parent.
    let has_other = |version: &Version| version.parent.as_ref().is_some_and(|id| is_listed(id) || is_known(id));
    let versions = image.map(ImageHistory::versions).unwrap_or_default();
    let possible = versions.iter().filter(|version| {
        let failed = version.status == Some(EnhancementStatus::Failed);
        !is_known(&version.id) && !failed && (has_parent(version) || !has_other(version))
    });
    let candidates: Vec<Version> = possible.cloned().collect();
    let is_edit = |version: &Version| {
        let (told, asked) = match &pending.edit {
            Edit::Instruction(text) => (&version.instruction, text),
            Edit::Preset(tool_id) => (&version.preset, tool_id),
        };
        told.as_ref().is_some_and(|told| told.trim() == asked.trim())
    };
    let is_finished =
        |version: &Version| version.url.is_some() || matches!(version.status, None | Some(EnhancementStatus::Success));
    let mut right = candidates.iter().filter(|version| has_parent(version) && is_edit(version));
    let found = right.next().filter(|version| right.next().is_none() && is_finished(version));
    let is_parent_there = pending.parent.as_ref().is_none_or(is_listed);
    match (history.unread(), found) {
        (0, Some(version)) if known.is_some() => {
            Recovery::Applied(Step { version_id: Some(version.id.clone()), url: version.url.clone() })
        }
        (0, None) if candidates.is_empty() && image.is_some() && is_parent_there && over && !pending.made => {
            Recovery::NotApplied
        }
        _ => Recovery::CannotTell { candidates },
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// Returns what is decided in a word and its versions: `applied 2`, `not applied`, `cannot tell 2 3`. `before` is the
    /// history that was read before the edit, if one was.
    fn decided(before: Option<&str>, parent: Option<u64>, edit: &Edit, now: &str, over: bool, made: bool) -> String {
        let versions =
            |history: &History| history.find("a.jpg").map(|image| image.versions().to_vec()).unwrap_or_default();
        let before = before.map(|before| History::from_json(before).unwrap());
        let pending = Pending {
            edit: edit.clone(),
            parent: parent.map(VersionId::from),
            made,
            sent: SystemTime::now(),
            known: before.map(|before| versions(&before).into_iter().map(|version| version.id).collect()),
        };
        match decide(&pending, "a.jpg", &History::from_json(now).unwrap(), over) {
            Recovery::Applied(step) => format!("applied {}", step.version_id.unwrap()),
            Recovery::NotApplied => "not applied".to_owned(),
            Recovery::CannotTell { candidates } => {
                candidates.iter().fold("cannot tell".to_owned(), |text, version| format!("{text} {}", version.id))
            }
        }
    }

    const ONE: &str = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"prompt":"one"}]}"#;
    const NONE: &str = r#"{"a.jpg":[]}"#;

    #[test]
    fn what_became_of_two_on_one() {
        let edit = Edit::Instruction("two".to_owned());
        // Beside version 1, which was known before.
        for (what, new, expected) in [
            ("nothing new", "", "not applied"),
            ("it is there", r#""version_id":2,"parent_id":1,"prompt":"two""#, "applied 2"),
            ("trimmed", r#""version_id":2,"parent_id":1,"prompt":" two\n""#, "applied 2"),
            ("the edit not told", r#""version_id":2,"parent_id":1"#, "cannot tell 2"),
            ("another edit", r#""version_id":2,"parent_id":1,"prompt":"x""#, "cannot tell 2"),
            ("a preset of that name", r#""version_id":2,"parent_id":1,"tool_id":"two""#, "cannot tell 2"),
            ("the parent not told", r#""version_id":2,"prompt":"two""#, "cannot tell 2"),
            ("a parent that is no version", r#""version_id":2,"parent_id":0,"prompt":"two""#, "cannot tell 2"),
            ("told to be a root", r#""version_id":2,"parent_id":null,"prompt":"two""#, "cannot tell 2"),
            ("failed", r#""version_id":2,"parent_id":1,"prompt":"two","status":"FAILED""#, "not applied"),
            ("running", r#""version_id":2,"parent_id":1,"prompt":"two","status":"RUNNING""#, "cannot tell 2"),
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
            let new = if new.is_empty() { new.to_owned() } else { format!(",{{{new}}}") };
            let now = format!(r#"{{"a.jpg":[{{"version_id":1,"parent_id":null,"prompt":"one"}}{new}]}}"#);
            assert_eq!(decided(Some(ONE), Some(1), &edit, &now, true, false), expected, "{what}: {now}");
        }
        for (what, now, expected) in [
            ("nested", r#"{"a.jpg":{"version_id":1,"children":[{"version_id":2,"prompt":"two"}]}}"#, "applied 2"),
            ("the parent is gone", NONE, "cannot tell"),
            ("not listed", r#"{"images":[]}"#, "cannot tell"),
            (
                "ids in another form",
                r#"{"a.jpg":[{"version_id":"1","parent_id":null,"prompt":"one"}]}"#,
                "cannot tell 1",
            ),
        ] {
            assert_eq!(decided(Some(ONE), Some(1), &edit, now, true, false), expected, "{what}");
        }
    }

    #[test]
    fn what_became_of_one_on_the_unedited_photo() {
        let edit = Edit::Preset("sky".to_owned());
        let there = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#;
        let (elsewhere, empty) = (r#"{"b.jpg":[{"version_id":1}]}"#, r#"{"images":[]}"#);
        for (what, before, now, expected) in [
            ("nothing new", Some(NONE), NONE, "not applied"),
            ("nothing new, nothing read before", None, NONE, "not applied"),
            ("it is there", Some(NONE), there, "applied 1"),
            ("it is there, nothing read before", None, there, "cannot tell 1"),
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
            assert_eq!(decided(before, None, &edit, now, true, false), expected, "{what}: {now}");
        }
    }

    #[test]
    fn nothing_is_not_applied_before_the_wait_is_over_or_when_the_service_made_it() {
        let edit = Edit::Instruction("two".to_owned());
        let there = r#"{"a.jpg":[{"version_id":1,"parent_id":null},{"version_id":2,"parent_id":1,"prompt":"two"}]}"#;
        for (over, made) in [(false, false), (true, true), (false, true)] {
            assert_eq!(decided(Some(ONE), Some(1), &edit, ONE, over, made), "cannot tell");
            assert_eq!(decided(Some(ONE), Some(1), &edit, there, over, made), "applied 2");
        }
    }
}
