//! Draws histories for a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{History, ImageHistory, Version};
use crate::transport::is_unseen;
use crate::types::{EnhancementStatus, VersionId};

/// The columns of a terminal, unless the formatter is told otherwise.
const COLUMNS: usize = 80;

/// The most columns of a name or an id.
const NAME: usize = 40;

/// The least columns of an instruction, however narrow the terminal is.
const LEAST: usize = 12;

/// The most branches of branches that are indented.
const DEEPEST: usize = 16;

impl ImageHistory {
    /// Draws the tree as `{}` does, and marks where one stands with `← here`. `None` is the unedited photo.
    ///
    /// The unedited photo is at the top, and the way to where one stands goes straight down from it, with filled marks. (`{}`
    /// draws the way to the newest version so.) What was built beside the way branches off to the right. A version whose
    /// parent is unknown, or not in the history, begins with `?`. Control characters are replaced.
    pub fn draw(&self, current: Option<&VersionId>) -> String {
        self.tree(Some(current), COLUMNS)
    }

    fn tree(&self, current: Option<Option<&VersionId>>, columns: usize) -> String {
        let newest = self.latest().map(|version| &version.id);
        let goal = current.unwrap_or(newest);
        let way = goal.map(|id| self.path_to(id)).unwrap_or_default();
        let way: HashSet<_> = way.iter().map(|version| &version.id).collect();
        let (mut children, mut loose) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for version in &self.versions {
            let parent = version.parent.as_ref();
            match version.parent_told && parent.is_none_or(|id| self.by_id.contains_key(id)) {
                true => children.entry(parent).or_default().push(version),
                false => loose.push(Some(version)),
            }
        }
        // All versions come last, since those in a loop are not reached from any other.
        let photo = (current.is_some() || children.contains_key(&None)).then_some(None);
        let starts = photo.into_iter().chain(loose).chain(self.versions.iter().map(Some));
        let mut drawn = HashSet::new();
        let mut tree = format!("{}: {} version(s)", clean(&self.file_name, NAME), self.versions.len());
        for start in starts {
            // Each with its depth, and whether a branch begins there.
            let mut stack = vec![(start, 0, true)];
            while let Some((version, depth, begins)) = stack.pop() {
                let id = version.map(|version| &version.id);
                if !drawn.insert(id) {
                    continue;
                }
                let indent = match (depth.min(DEEPEST), begins) {
                    (0, true) if id.is_some() => "? ".to_owned(),
                    (depth @ 1.., true) => "│ ".repeat(depth - 1) + "├─",
                    (depth, _) => "│ ".repeat(depth),
                };
                let mark = if id.is_none_or(|id| way.contains(id)) {
                    "●"
                } else {
                    "○"
                };
                let name = id.map_or("unedited".to_owned(), VersionId::to_string);
                let newest = if id == newest { "  ← newest" } else { "" };
                let here = if current == Some(id) { "  ← here" } else { "" };
                let notes = version.map(notes).unwrap_or_default() + newest + here;
                let left = format!("\n{indent}{mark} {}", clean(&name, NAME));
                let room = columns.saturating_sub(left.chars().count() + notes.chars().count() + 4);
                tree += &left;
                tree += &version
                    .map(|version| asked(version, room.max(LEAST)))
                    .unwrap_or_default();
                tree += &notes;
                let mut next = children.remove(&id).unwrap_or_default();
                let straight = next.iter().rposition(|version| way.contains(&version.id));
                let straight = straight.or(next.len().checked_sub(1)).map(|at| next.remove(at));
                stack.extend(straight.map(|version| (Some(version), depth, false)));
                stack.extend(next.into_iter().rev().map(|version| (Some(version), depth + 1, true)));
            }
        }
        tree
    }
}

impl fmt::Display for ImageHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree(None, f.width().unwrap_or(COLUMNS)))
    }
}

/// Shows a line a photo, and how many versions could not be placed.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for image in &self.images {
            write!(
                f,
                "{}: {} version(s)",
                clean(&image.file_name, NAME),
                image.versions.len()
            )?;
            let newest = image.latest().map(|version| format!(", newest {}", version.id));
            writeln!(f, "{}", clean(&newest.unwrap_or_default(), NAME))?;
        }
        write!(f, "{} version(s) could not be placed", self.unread)
    }
}

/// Returns what a version was made by.
fn asked(version: &Version, room: usize) -> String {
    match (&version.instruction, &version.preset) {
        (Some(instruction), _) => format!("  \"{}\"", clean(instruction, room)),
        (_, Some(preset)) => format!("  {}", clean(preset, room)),
        _ => String::new(),
    }
}

/// Returns the status of a version, unless it is `SUCCESS`, and its time to the minute.
fn notes(version: &Version) -> String {
    let status = version
        .status
        .as_ref()
        .filter(|status| **status != EnhancementStatus::Success);
    let status = status.map(|status| format!("  {}", clean(status.as_str(), NAME)));
    let minute = version
        .created_at
        .as_ref()
        .map(|time| format!("  {:.16}", clean(time, 16)));
    status.unwrap_or_default() + &minute.unwrap_or_default()
}

/// Cuts a text to so many columns, and replaces what would move the cursor or turn the text around it.
fn clean(text: &str, columns: usize) -> String {
    let shown = |(column, c): (usize, char)| match c {
        _ if column == columns => '…',
        _ if c.is_whitespace() => ' ',
        _ if c.is_control() || is_unseen(c) => '\u{fffd}',
        _ => c,
    };
    text.chars().take(columns + 1).enumerate().map(shown).collect()
}
