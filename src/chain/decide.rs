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
        image: history.get(file_name),
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
        let mut alike = candidates.iter().filter(|version| self.is_alike(version));
        let only = alike.next()?;
        let is_one_of_many = alike.next().is_some();
        // Without the versions from before, an older one may look just like the edit.
        let may_be_old = self.known.is_none();
        if may_be_old || is_one_of_many || !is_finished(only) {
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

    /// Whether a version surely has another parent than the edit.
    ///
    /// A parent that is no known version may be the unedited image: how the service names that as a
    /// parent is not published.
    fn has_another_parent(&self, version: &Version) -> bool {
        let Some(parent) = &version.parent else {
            return false;
        };
        let is_a_version = self.is_listed(parent) || self.is_known(parent);
        is_a_version && !self.has_the_parent(version)
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

    /// An edit of `a.jpg` that is pending, and what is known about it.
    struct Case {
        edit: CopilotEdit,
        parent: Option<u64>,
        made: bool,
        /// The history that was read before the edit, if one was.
        before: Option<&'static str>,
        time_is_up: bool,
    }

    impl Case {
        /// Version 1 is there, and on it the prompt "two" was sent.
        fn two_on_one() -> Self {
            Self {
                edit: CopilotEdit::Instruction("two".to_owned()),
                parent: Some(1),
                made: false,
                before: Some(ONLY_ONE),
                time_is_up: true,
            }
        }

        /// The preset "sky" was sent for the unedited image.
        fn sky_on_unedited(before: Option<&'static str>) -> Self {
            Self {
                edit: CopilotEdit::Preset("sky".to_owned()),
                parent: None,
                made: false,
                before,
                time_is_up: true,
            }
        }

        /// Returns what is decided by the history now, in a word and its versions: `applied 2`,
        /// `not applied`, `cannot tell 2 3`.
        fn decided_by(&self, now: &str) -> String {
            let pending = Pending {
                edit: self.edit.clone(),
                parent: self.parent.map(VersionId::from),
                made: self.made,
                is_unread: false,
            };
            let known = self.before.map(known);
            let now = History::from_json(now).unwrap();
            match decide(&pending, known.as_ref(), "a.jpg", &now, self.time_is_up) {
                Recovery::Applied(step) => format!("applied {}", step.version().unwrap()),
                Recovery::NotApplied => "not applied".to_owned(),
                Recovery::CannotTell { candidates } => {
                    let mut text = "cannot tell".to_owned();
                    for version in candidates {
                        text += &format!(" {}", version.id);
                    }
                    text
                }
            }
        }
    }

    fn known(history: &str) -> HashSet<VersionId> {
        let history = History::from_json(history).unwrap();
        let image = history.get("a.jpg");
        let versions = image.map(ImageHistory::versions).unwrap_or_default();
        versions.iter().map(|version| version.id.clone()).collect()
    }

    const ONE: &str = r#"{"version_id":1,"parent_id":null,"prompt":"one"}"#;
    const TWO: &str = r#"{"version_id":2,"parent_id":1,"prompt":"two"}"#;

    /// Histories.
    const ONLY_ONE: &str = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"prompt":"one"}]}"#;
    const NONE: &str = r#"{"a.jpg":[]}"#;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_became_of_two_on_one() {
        // The versions beside version 1.
        let rows: [(&str, &[&str], &str); 19] = [
            ("nothing new", &[], "not applied"),
            ("it is there", &[TWO], "applied 2"),
            (
                "trimmed",
                &[r#"{"version_id":2,"parent_id":1,"prompt":" two\n"}"#],
                "applied 2",
            ),
            (
                "the edit not told",
                &[r#"{"version_id":2,"parent_id":1}"#],
                "cannot tell 2",
            ),
            (
                "another edit",
                &[r#"{"version_id":2,"parent_id":1,"prompt":"x"}"#],
                "cannot tell 2",
            ),
            (
                "a preset of that name",
                &[r#"{"version_id":2,"parent_id":1,"tool_id":"two"}"#],
                "cannot tell 2",
            ),
            (
                "the parent not told",
                &[r#"{"version_id":2,"prompt":"two"}"#],
                "cannot tell 2",
            ),
            (
                "a parent that is no version",
                &[r#"{"version_id":2,"parent_id":0,"prompt":"two"}"#],
                "cannot tell 2",
            ),
            (
                "told to be a root",
                &[r#"{"version_id":2,"parent_id":null,"prompt":"two"}"#],
                "cannot tell 2",
            ),
            (
                "failed",
                &[r#"{"version_id":2,"parent_id":1,"prompt":"two","status":"FAILED"}"#],
                "not applied",
            ),
            (
                "running",
                &[r#"{"version_id":2,"parent_id":1,"prompt":"two","status":"RUNNING"}"#],
                "cannot tell 2",
            ),
            (
                "under another word",
                &[
                    r#"{"version_id":2,"parent_id":1,"prompt":"two","status":"X","url":"https://s3/2"}"#,
                ],
                "applied 2",
            ),
            (
                "twice",
                &[TWO, r#"{"version_id":3,"parent_id":1,"prompt":"two"}"#],
                "cannot tell 2 3",
            ),
            (
                "twice, one running",
                &[
                    TWO,
                    r#"{"version_id":3,"parent_id":1,"prompt":"two","status":"RUNNING"}"#,
                ],
                "cannot tell 2 3",
            ),
            (
                "beside another's",
                &[TWO, r#"{"version_id":3,"parent_id":1,"prompt":"x"}"#],
                "applied 2",
            ),
            (
                "built on already",
                &[TWO, r#"{"version_id":3,"parent_id":2,"prompt":"two"}"#],
                "applied 2",
            ),
            (
                "on another's",
                &[
                    r#"{"version_id":3,"parent_id":1,"status":"FAILED"}"#,
                    r#"{"version_id":2,"parent_id":3,"prompt":"two"}"#,
                ],
                "not applied",
            ),
            (
                "one cannot be read",
                &[r#"{"version_id":true}"#],
                "cannot tell",
            ),
            (
                "it, and one that cannot be read",
                &[TWO, r#"{"version_id":null}"#],
                "cannot tell 2",
            ),
        ];
        for (what, new, expected) in rows {
            let versions = [&[ONE], new].concat().join(",");
            let now = format!(r#"{{"a.jpg":[{versions}]}}"#);
            let decided = Case::two_on_one().decided_by(&now);
            assert_eq!(decided, expected, "{what}: {now}");
        }
    }

    #[test]
    fn what_became_of_two_on_one_in_other_histories() {
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
            let decided = Case::two_on_one().decided_by(now);
            assert_eq!(decided, expected, "{what}");
        }
    }

    #[test]
    fn what_became_of_one_on_the_unedited_image() {
        let there = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#;
        let elsewhere = r#"{"b.jpg":[{"version_id":1}]}"#;
        let empty = r#"{"images":[]}"#;
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
            ("the old one", Some(ONLY_ONE), ONLY_ONE, "not applied"),
            (
                "on the old one",
                Some(ONLY_ONE),
                r#"{"a.jpg":[{"version_id":2,"parent_id":1,"tool_id":"sky"}]}"#,
                "not applied",
            ),
        ] {
            let decided = Case::sky_on_unedited(before).decided_by(now);
            assert_eq!(decided, expected, "{what}: {now}");
        }
    }

    /// Before the wait is over, or when the service said that it made it.
    #[test]
    fn what_may_still_come_or_was_made_is_never_not_applied() {
        let there = format!(r#"{{"a.jpg":[{ONE},{TWO}]}}"#);
        for (time_is_up, made) in [(false, false), (true, true), (false, true)] {
            let case = Case {
                time_is_up,
                made,
                ..Case::two_on_one()
            };
            assert_eq!(case.decided_by(ONLY_ONE), "cannot tell");
            assert_eq!(case.decided_by(&there), "applied 2");
        }
    }
}
