//! The rule that tells what became of a Copilot edit whose answer was lost.

use std::collections::HashSet;

use super::step::{Pending, Recovery, Step};
use crate::history::{History, ImageHistory, Version};
use crate::types::{CopilotEdit, EnhancementStatus, VersionId};

/// Decides what became of a pending edit by the history now.
///
/// `known` are the versions that the image had before the edit; `None` if nobody looked.
/// `time_is_up` says that the wait was over when the history was asked for: an edit that is not in
/// it will not come any more.
pub(crate) fn decide(
    pending: &Pending,
    known: Option<&HashSet<VersionId>>,
    file_name: &str,
    history: &History,
    time_is_up: bool,
) -> Recovery {
    let search = Search {
        pending,
        known,
        image: history.find(file_name),
    };
    let candidates = search.candidates();

    // A version that could not be read may be the edit.
    if history.unread() > 0 {
        return Recovery::CannotTell { candidates };
    }
    if let Some(made) = search.edit_among(&candidates) {
        return Recovery::Applied(Step::of_version(made));
    }
    let is_nothing_new = candidates.is_empty() && search.is_parent_listed();
    let will_not_come = time_is_up && !pending.made;
    if is_nothing_new && will_not_come {
        return Recovery::NotApplied;
    }
    Recovery::CannotTell { candidates }
}

/// A pending edit, and where it is looked for.
struct Search<'s> {
    pending: &'s Pending,
    known: Option<&'s HashSet<VersionId>>,
    /// `None` if the history does not list the image.
    image: Option<&'s ImageHistory>,
}

impl Search<'_> {
    /// Returns the versions that may be the edit: new, not failed, and without another parent.
    fn candidates(&self) -> Vec<Version> {
        let mut candidates = Vec::new();
        for version in self.image.map(ImageHistory::versions).unwrap_or_default() {
            let is_old = self.is_known(&version.id);
            if !is_old && !version.has_failed() && !self.has_another_parent(version) {
                candidates.push(version.clone());
            }
        }
        candidates
    }

    /// Returns the edit, if one candidate alone must be it.
    fn edit_among<'c>(&self, candidates: &'c [Version]) -> Option<&'c Version> {
        // Without the versions from before, an older one may look just like the edit.
        self.known?;
        let mut alike = candidates.iter().filter(|version| self.is_alike(version));
        let only = alike.next()?;
        let is_one_of_many = alike.next().is_some();
        if is_one_of_many || !is_finished(only) {
            return None;
        }
        Some(only)
    }

    /// Whether a version has the parent and the words of the edit.
    fn is_alike(&self, version: &Version) -> bool {
        let (told, asked) = match &self.pending.edit {
            CopilotEdit::Instruction(text) => (&version.instruction, text),
            CopilotEdit::Preset(tool_id) => (&version.preset, tool_id),
        };
        let Some(told) = told else { return false };
        self.has_the_parent(version) && told.trim() == asked.trim()
    }

    fn has_the_parent(&self, version: &Version) -> bool {
        version.parent_told && version.parent == self.pending.parent
    }

    /// Whether a version was surely built on something else than the edit.
    ///
    /// How the service names the unedited image as a parent is not published, so that only a
    /// version is surely another parent.
    fn has_another_parent(&self, version: &Version) -> bool {
        let Some(parent) = &version.parent else {
            return false;
        };
        let is_version = self.is_listed(parent) || self.is_known(parent);
        is_version && !self.has_the_parent(version)
    }

    /// Whether the history lists what the edit builds on.
    fn is_parent_listed(&self) -> bool {
        match &self.pending.parent {
            Some(parent) => self.is_listed(parent),
            None => self.image.is_some(),
        }
    }

    fn is_listed(&self, id: &VersionId) -> bool {
        self.image.is_some_and(|image| image.get(id).is_some())
    }

    fn is_known(&self, id: &VersionId) -> bool {
        self.known.is_some_and(|known| known.contains(id))
    }
}

/// Whether the image of a version can be fetched, as far as the history tells.
fn is_finished(version: &Version) -> bool {
    match version.status {
        None | Some(EnhancementStatus::Success) => true,
        Some(_) => version.url.is_some(),
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
        };
        let known: Option<HashSet<_>> = before.map(|before| {
            versions(&before)
                .into_iter()
                .map(|version| version.id)
                .collect()
        });
        let now = History::from_json(now).unwrap();
        match decide(&pending, known.as_ref(), "a.jpg", &now, over) {
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
    #[expect(clippy::too_many_lines, reason = "a table")]
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
