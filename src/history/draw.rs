//! Draws histories for a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{History, ImageHistory, Version};
use crate::transport::one_line;
use crate::types::{EnhancementStatus, VersionId};

/// The columns of a terminal, unless the formatter is told otherwise.
const COLUMNS: usize = 80;

/// How far branches of branches are indented at most.
const DEEPEST: usize = 32;

impl ImageHistory {
    /// Draws the tree as `{}` does, and marks where one stands with `← here`. `None` is the
    /// unedited photo.
    ///
    /// The unedited photo is at the top. The way to where one stands goes straight down from it,
    /// with filled marks; `{}` draws the way to the newest version so. What was built beside
    /// the way branches off to the right. A version whose parent is unknown, or not in the
    /// history, begins with `?`. Control characters are replaced, and long lines cut.
    pub fn draw(&self, current: Option<&VersionId>) -> String {
        self.tree(Some(current), COLUMNS)
    }

    fn tree(&self, current: Option<Option<&VersionId>>, columns: usize) -> String {
        let newest = self.latest().map(|version| Some(&version.id));
        let way = current
            .or(newest)
            .flatten()
            .map(|id| self.path_to(id))
            .unwrap_or_default();
        let way: HashSet<_> = way
            .iter()
            .map(|version| Some(&version.id))
            .chain([None])
            .collect();
        // The versions under what they were built on, and under `None` those of which that is not
        // known.
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for version in &self.versions {
            let parent = version.parent_told.then_some(version.parent.as_ref());
            let parent =
                parent.filter(|parent| parent.is_none_or(|id| self.by_id.contains_key(id)));
            children.entry(parent).or_default().push(version);
        }
        let loose = children.remove(&None).unwrap_or_default().into_iter();
        // All versions come last, since those in a loop are not reached from any other. The last is
        // drawn first.
        let starts = self
            .versions
            .iter()
            .rev()
            .chain(loose.rev())
            .map(|version| (Some(version), "? ".to_owned()));
        let mut stack: Vec<_> = starts.chain([(None, String::new())]).collect();
        let mut drawn = HashSet::new();
        let mut lines = one_line(
            &format!("{}: {} version(s)", self.file_name, self.versions.len()),
            columns,
        );
        while let Some((version, indent)) = stack.pop() {
            let id = version.map(|version| &version.id);
            if !drawn.insert(id) {
                continue;
            }
            let mark = if way.contains(&id) { '●' } else { '○' };
            let name = id.map_or("unedited".to_owned(), VersionId::to_string);
            let newest = if newest == Some(id) {
                " ← newest"
            } else {
                ""
            };
            let here = if current == Some(id) { " ← here" } else { "" };
            let label = version.map(label).unwrap_or_default();
            lines = lines
                + "\n"
                + &one_line(
                    &format!("{indent}{mark} {name}{newest}{here}{label}"),
                    columns,
                );
            let indent: String = indent
                .replace("├─", "│ ")
                .replace("? ", "")
                .chars()
                .take(DEEPEST)
                .collect();
            let mut next = children.remove(&Some(id)).unwrap_or_default();
            let straight = next
                .iter()
                .rposition(|version| way.contains(&Some(&version.id)));
            let straight = straight
                .or(next.len().checked_sub(1))
                .map(|at| next.remove(at));
            stack.extend(straight.map(|version| (Some(version), indent.clone())));
            stack.extend(
                next.iter()
                    .rev()
                    .map(|version| (Some(*version), format!("{indent}├─"))),
            );
        }
        lines
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
        for image in self.images() {
            writeln!(
                f,
                "{}",
                one_line(
                    &format!("{}: {} version(s)", image.file_name, image.versions.len()),
                    COLUMNS
                )
            )?;
        }
        write!(f, "{} version(s) could not be placed", self.unread)
    }
}

/// Returns what is known of a version: its status, unless that is `SUCCESS`, its time to the
/// minute, and what it was made by.
fn label(version: &Version) -> String {
    let status = version
        .status
        .as_ref()
        .map(EnhancementStatus::as_str)
        .filter(|status| *status != "SUCCESS");
    let minute = version
        .created_at
        .as_deref()
        .map(|time| time.get(..16).unwrap_or(time));
    let words = [
        status,
        minute,
        version.instruction.as_deref(),
        version.preset.as_deref(),
    ];
    words
        .into_iter()
        .flatten()
        .fold(String::new(), |label, word| label + " · " + word)
}
