//! Draws histories for a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{History, ImageHistory, Version};
use crate::transport::is_unseen;
use crate::types::{EnhancementStatus, VersionId};

/// The columns of a terminal, unless the formatter is told otherwise.
const COLUMNS: usize = 80;

/// How far branches of branches are indented at most.
const DEEPEST: usize = 32;

impl ImageHistory {
    /// Draws the tree as `{}` does, and marks where one stands with `← here`. `None` is the unedited photo.
    ///
    /// The unedited photo is at the top. The way to where one stands goes straight down from it, with filled marks; `{}` draws
    /// the way to the newest version so. What was built beside the way branches off to the right. A version whose parent is
    /// unknown, or not in the history, begins with `?`. Control characters are replaced, and long lines cut.
    pub fn draw(&self, current: Option<&VersionId>) -> String {
        self.tree(Some(current), COLUMNS)
    }

    fn tree(&self, current: Option<Option<&VersionId>>, columns: usize) -> String {
        let newest = self.latest().map(|version| Some(&version.id));
        let goal = current.or(newest).flatten();
        let way = goal.map(|id| self.path_to(id)).unwrap_or_default();
        let way: HashSet<_> = way.iter().map(|version| Some(&version.id)).chain([None]).collect();
        let (mut children, mut loose) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for version in &self.versions {
            let parent = version.parent.as_ref();
            match version.parent_told && parent.is_none_or(|id| self.by_id.contains_key(id)) {
                true => children.entry(parent).or_default().push(version),
                false => loose.push(version),
            }
        }
        // All versions come last, since those in a loop are not reached from any other.
        let starts = loose.into_iter().chain(&self.versions).map(Some);
        let mut drawn = HashSet::new();
        let mut lines = vec![format!("{}: {} version(s)", self.file_name, self.versions.len())];
        for start in [None].into_iter().chain(starts) {
            let mut stack = vec![(start, start.map_or("", |_| "? ").to_owned())];
            while let Some((version, indent)) = stack.pop() {
                let id = version.map(|version| &version.id);
                if !drawn.insert(id) {
                    continue;
                }
                let mark = if way.contains(&id) { '●' } else { '○' };
                let name = id.map_or("unedited".to_owned(), VersionId::to_string);
                let newest = if newest == Some(id) { " ← newest" } else { "" };
                let here = if current == Some(id) { " ← here" } else { "" };
                let label = version.map(label).unwrap_or_default();
                lines.push(format!("{indent}{mark} {name}{newest}{here}{label}"));
                let indent = indent.replace("├─", "│ ").replace("? ", "");
                let indent: String = indent.chars().take(DEEPEST).collect();
                let mut next = children.remove(&id).unwrap_or_default();
                let straight = next.iter().rposition(|version| way.contains(&Some(&version.id)));
                let straight = straight.or(next.len().checked_sub(1)).map(|at| next.remove(at));
                stack.extend(straight.map(|version| (Some(version), indent.clone())));
                stack.extend(next.iter().rev().map(|version| (Some(*version), format!("{indent}├─"))));
            }
        }
        let lines = lines.iter().map(|line| clean(line, columns));
        lines.collect::<Vec<_>>().join("\n")
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
            let line = format!("{}: {} version(s)", image.file_name, image.versions.len());
            writeln!(f, "{}", clean(&line, COLUMNS))?;
        }
        write!(f, "{} version(s) could not be placed", self.unread)
    }
}

/// Returns what is known of a version: its status, unless that is `SUCCESS`, its time to the minute, and what it was made by.
fn label(version: &Version) -> String {
    let status = version.status.as_ref().map(EnhancementStatus::as_str);
    let status = status.filter(|status| *status != "SUCCESS").into_iter();
    let minute = version.created_at.iter().map(|time| time.get(..16).unwrap_or(time));
    let asked = version.instruction.iter().chain(&version.preset).map(String::as_str);
    let words = status.chain(minute).chain(asked);
    words.fold(String::new(), |label, word| label + "  " + word)
}

/// Cuts a text to so many columns, and replaces what would move the cursor or turn the text around it.
fn clean(text: &str, columns: usize) -> String {
    let is_long = text.chars().nth(columns).is_some();
    let shown = |(column, c): (usize, char)| match c {
        _ if is_long && column + 1 == columns => '…',
        _ if c.is_whitespace() => ' ',
        _ if c.is_control() || is_unseen(c) => '\u{fffd}',
        _ => c,
    };
    text.chars().take(columns).enumerate().map(shown).collect()
}
