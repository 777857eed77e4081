//! What became of an edit: a decision over what was known before it and the history now.

use super::{ChainState, Edit, Pending, Recovery};
use crate::history::{History, ImageHistory, Version};
use crate::types::{EnhancementStatus, VersionId};

/// Decides by what is new, has the right parent and, where it is told, the right instruction or preset.
#[inline]
pub(super) fn decide(before: &ChainState, tried: &Pending, now: &History) -> Recovery {
    let image = now.find(&before.file_name);
    let possible: Vec<(&Version, Option<bool>, Option<bool>)> = image
        .into_iter()
        .flat_map(|image| image.versions().iter().map(move |version| (image, version)))
        .filter(|(_, version)| !before.known.contains(&version.id) && !version.failed())
        .map(|(image, version)| {
            let parent = has_parent(image, version, tried.parent.as_ref());
            (version, parent, is_edit(version, &tried.edit))
        })
        .filter(|(_, parent, _)| *parent != Some(false))
        .collect();

    let right = |edit: Option<bool>| {
        let right = possible
            .iter()
            .filter(move |(version, parent, told)| *parent == Some(true) && *told == edit && is_finished(version));
        right.map(|(version, ..)| *version).collect::<Vec<_>>()
    };
    let applied = match (right(Some(true)).as_slice(), right(None).as_slice()) {
        ([version], _) => Some(*version),
        ([], [version]) if possible.len() == 1 => Some(*version),
        _ => None,
    };
    if let Some(version) = applied.filter(|_| before.knows_children_of(tried.parent.as_ref())) {
        return Recovery::Applied(version.id.clone());
    }

    let parent_is_there = match &tried.parent {
        Some(parent) => image.is_some_and(|image| image.get(parent).is_some()),
        None => true,
    };
    if possible.is_empty() && !tried.applied && parent_is_there && now.tells_of(&before.file_name) {
        return Recovery::NotApplied;
    }
    Recovery::CannotTell {
        candidates: possible.into_iter().map(|(version, ..)| version.clone()).collect(),
    }
}

/// Whether a version was built on this one; `None` if that is not told, or in a way that may mean this one: nobody has
/// published how the unedited photo is named as a parent.
#[inline]
fn has_parent(image: &ImageHistory, version: &Version, parent: Option<&VersionId>) -> Option<bool> {
    match &version.parent {
        _ if !version.parent_told => None,
        told if told.as_ref() == parent => Some(true),
        Some(other) if image.get(other).is_some() => Some(false),
        _ => None,
    }
}

/// Whether a version was made by this edit; `None` if that is not told.
#[inline]
fn is_edit(version: &Version, edit: &Edit) -> Option<bool> {
    let (told, asked) = match edit {
        Edit::Instruction(text) => (&version.instruction, text),
        Edit::Preset(tool_id) => (&version.preset, tool_id),
    };
    match told {
        Some(told) => Some(told.trim() == asked.trim()),
        None if version.instruction.is_some() || version.preset.is_some() => Some(false),
        None => None,
    }
}

/// Whether a version can be built on, as far as is told.
#[inline]
fn is_finished(version: &Version) -> bool {
    matches!(version.status, None | Some(EnhancementStatus::Success)) || version.url.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ProjectSource;

    /// What a chain knows that has seen this history.
    fn seen(history: &History) -> ChainState {
        let image = history.find("a.jpg");
        let versions = image.map(ImageHistory::versions).unwrap_or_default();
        ChainState {
            format: 1,
            project: "p".to_owned(),
            project_source: ProjectSource::Regular,
            file_name: "a.jpg".to_owned(),
            current: None,
            steps: Vec::new(),
            known: versions.iter().map(|version| version.id.clone()).collect(),
            known_all: history.tells_all_of("a.jpg"),
            pending: None,
        }
    }

    /// The answer in a word and its versions: `applied 2`, `not applied`, `cannot tell 2 3`.
    fn answer(before: &str, parent: Option<u64>, edit: &Edit, now: &str) -> String {
        let before = seen(&History::from_json(before).unwrap());
        let tried = Pending {
            edit: edit.clone(),
            parent: parent.map(VersionId::from),
            applied: false,
        };
        match decide(&before, &tried, &History::from_json(now).unwrap()) {
            Recovery::Applied(version) => format!("applied {version}"),
            Recovery::NotApplied => "not applied".to_owned(),
            Recovery::CannotTell { candidates } => candidates.iter().fold("cannot tell".to_owned(), |text, version| {
                format!("{text} {}", version.id)
            }),
        }
    }

    const ONE: &str = r#"{"a.jpg":[{"version_id":1,"parent_id":null,"instruction":"one"}]}"#;
    const NONE: &str = r#"{"a.jpg":[]}"#;

    #[test]
    fn what_became_of_two_on_one() {
        let one = r#"{"version_id":1,"parent_id":null,"instruction":"one"}"#;
        let zero = r#"{"version_id":0,"parent_id":null,"instruction":"zero"}"#;
        let edit = Edit::Instruction("two".to_owned());
        for (what, now, expected) in [
            ("nothing new", format!("[{one}]"), "not applied"),
            (
                "it is there",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"instruction":"two"}}]"#),
                "applied 2",
            ),
            (
                "trimmed",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"instruction":" two\n"}}]"#),
                "applied 2",
            ),
            (
                "the edit not told",
                format!(r#"[{one},{{"version_id":2,"parent_id":1}}]"#),
                "applied 2",
            ),
            (
                "nested",
                r#"{"version_id":1,"children":[{"version_id":2,"prompt":"two"}]}"#.to_owned(),
                "applied 2",
            ),
            (
                "another edit",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"instruction":"x"}}]"#),
                "cannot tell 2",
            ),
            (
                "a preset",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"tool_id":"x"}}]"#),
                "cannot tell 2",
            ),
            (
                "the parent not told",
                format!(r#"[{one},{{"version_id":2,"instruction":"two"}}]"#),
                "cannot tell 2",
            ),
            (
                "a parent that is gone",
                format!(r#"[{one},{{"version_id":2,"parent_id":9}}]"#),
                "cannot tell 2",
            ),
            (
                "no parent",
                format!(r#"[{one},{{"version_id":2,"parent_id":null}}]"#),
                "cannot tell 2",
            ),
            (
                "failed",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"status":"FAILED"}}]"#),
                "not applied",
            ),
            (
                "running",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"status":"RUNNING"}}]"#),
                "cannot tell 2",
            ),
            (
                "done under another word",
                format!(r#"[{one},{{"version_id":2,"parent_id":1,"status":"DONE","url":"https://s3/2"}}]"#),
                "applied 2",
            ),
            (
                "twice",
                format!(
                    r#"[{one},{{"version_id":2,"parent_id":1,"prompt":"two"}},{{"version_id":3,"parent_id":1,"prompt":"two"}}]"#
                ),
                "cannot tell 2 3",
            ),
            (
                "beside another's, the newest",
                format!(
                    r#"[{one},{{"version_id":2,"parent_id":1,"prompt":"two"}},{{"version_id":3,"parent_id":1,"prompt":"x"}}]"#
                ),
                "applied 2",
            ),
            (
                "one of two that are not told",
                format!(r#"[{one},{{"version_id":2,"parent_id":1}},{{"version_id":3,"parent_id":1}}]"#),
                "cannot tell 2 3",
            ),
            (
                "built on already",
                format!(
                    r#"[{one},{{"version_id":2,"parent_id":1,"prompt":"two"}},{{"version_id":3,"parent_id":2,"prompt":"two"}}]"#
                ),
                "applied 2",
            ),
            (
                "another's, elsewhere",
                format!(r#"[{zero},{one},{{"version_id":2,"parent_id":0,"instruction":"two"}}]"#),
                "cannot tell 0",
            ),
            ("the parent is gone", "[]".to_owned(), "cannot tell"),
            (
                "one cannot be read",
                format!(r#"[{one},{{"version_id":true}}]"#),
                "cannot tell",
            ),
            (
                "ids in another form",
                r#"[{"version_id":"1","parent_id":null,"prompt":"one"}]"#.to_owned(),
                "cannot tell 1",
            ),
        ] {
            let now = format!(r#"{{"a.jpg":{now}}}"#);
            assert_eq!(answer(ONE, Some(1), &edit, &now), expected, "{what}: {now}");
        }
    }

    #[test]
    fn what_became_of_one_on_the_unedited_photo() {
        let edit = Edit::Preset("sky".to_owned());
        for (what, before, now, expected) in [
            ("nothing new", NONE, NONE, "not applied"),
            (
                "it is there",
                NONE,
                r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#,
                "applied 1",
            ),
            (
                "a root by its place",
                NONE,
                r#"{"a.jpg":{"version_id":1,"preset":"sky","children":[]}}"#,
                "applied 1",
            ),
            (
                "nothing before, others told",
                r#"{"b.jpg":[{"version_id":1}]}"#,
                r#"{"b.jpg":[{"version_id":1}]}"#,
                "not applied",
            ),
            (
                "by the names of the RAW files",
                r#"{"b.nef":[{"version_id":1}]}"#,
                r#"{"b.nef":[{"version_id":1}],"a.nef":[{"version_id":2,"parent_id":null,"tool_id":"sky"}]}"#,
                "cannot tell",
            ),
            (
                "by names that are no files'",
                r#"{"images":{"6650b2aa":{"versions":[{"version_id":1}]}}}"#,
                r#"{"images":{"6650b2aa":{"versions":[{"version_id":1},{"version_id":2}]}}}"#,
                "cannot tell",
            ),
            (
                "nothing told at all",
                r#"{"prompts":[]}"#,
                r#"{"prompts":[]}"#,
                "cannot tell",
            ),
            (
                "an empty history",
                r#"{"images":[]}"#,
                r#"{"images":[]}"#,
                "cannot tell",
            ),
            (
                "only the name",
                r#"{"x":{"file_name":"a.jpg"}}"#,
                r#"{"x":{"file_name":"a.jpg"}}"#,
                "cannot tell",
            ),
            (
                "another case",
                r#"{"A.jpg":[{"version_id":1}]}"#,
                r#"{"A.jpg":[{"version_id":1}]}"#,
                "cannot tell",
            ),
            (
                "not seen before",
                r#"{"prompts":[]}"#,
                r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#,
                "cannot tell 1",
            ),
            (
                "after an empty history",
                r#"{"images":[]}"#,
                r#"{"a.jpg":[{"version_id":1,"parent_id":null,"tool_id":"sky"}]}"#,
                "applied 1",
            ),
            ("the old one again", ONE, ONE, "not applied"),
            (
                "in place of the old one",
                ONE,
                r#"{"a.jpg":[{"version_id":2,"parent_id":null,"tool_id":"sky"}]}"#,
                "applied 2",
            ),
            (
                "on the old one",
                ONE,
                r#"{"a.jpg":[{"version_id":1,"parent_id":null},{"version_id":2,"parent_id":1}]}"#,
                "not applied",
            ),
        ] {
            assert_eq!(answer(before, None, &edit, now), expected, "{what}: {now}");
        }
    }

    #[test]
    fn what_hangs_from_a_chains_own_version_is_new_even_if_the_rest_is_not_known() {
        let now = r#"{"a.jpg":[{"version_id":1,"parent_id":null},{"version_id":2,"parent_id":1,"prompt":"two"}]}"#;
        let mut before = seen(&History::from_json(r#"{"prompts":[]}"#).unwrap());
        before.known.insert(VersionId::from(1));
        let mut tried = Pending {
            edit: Edit::Instruction("two".to_owned()),
            parent: Some(VersionId::from(1)),
            applied: false,
        };
        let now = History::from_json(now).unwrap();
        assert!(matches!(decide(&before, &tried, &now), Recovery::CannotTell { candidates } if candidates.len() == 1));
        before.steps.push(super::super::Step {
            edit: tried.edit.clone(),
            parent: None,
            version: Some(VersionId::from(1)),
            url: None,
        });
        assert_eq!(decide(&before, &tried, &now), Recovery::Applied(VersionId::from(2)));

        // What the service says it applied was applied, whatever the history shows.
        before.known.insert(VersionId::from(2));
        assert_eq!(decide(&before, &tried, &now), Recovery::NotApplied);
        tried.applied = true;
        assert_eq!(
            decide(&before, &tried, &now),
            Recovery::CannotTell { candidates: vec![] }
        );
    }
}
