//! What became of an edit: a decision over what was known before it and the history now.

use super::{ChainState, Edit, Pending, Recovery};
use crate::history::{History, ImageHistory, Version};
use crate::types::{EnhancementStatus, VersionId};

/// Decides by what is new, has the right parent and, where it is told, the right instruction or preset.
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
fn has_parent(image: &ImageHistory, version: &Version, parent: Option<&VersionId>) -> Option<bool> {
    match &version.parent {
        _ if !version.parent_told => None,
        told if told.as_ref() == parent => Some(true),
        Some(other) if image.get(other).is_some() => Some(false),
        _ => None,
    }
}

/// Whether a version was made by this edit; `None` if that is not told.
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
fn is_finished(version: &Version) -> bool {
    matches!(version.status, None | Some(EnhancementStatus::Success)) || version.url.is_some()
}
