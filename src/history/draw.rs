//! Draws a photo's versions for a terminal.
//!
//! The unedited photo is at the top, and the way to the newest version goes straight down from it. What was built
//! beside a version branches off to the right before the trunk goes on, so that a long chain costs no width.
//! [`ImageHistory`] shows one.

use std::fmt;

use super::{History, ImageHistory, Version};
use crate::transport::is_unseen;
use crate::types::EnhancementStatus;

/// The columns of a terminal, unless the formatter is told otherwise.
const COLUMNS: usize = 80;

/// What an instruction keeps however narrow the terminal is.
const LEAST: usize = 12;

/// The line of one version, with its right side apart so that those are aligned.
struct Line {
    left: String,
    /// The part that is cut if there is no room.
    text: String,
    right: String,
}

impl fmt::Display for ImageHistory {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = f.width().unwrap_or(COLUMNS);
        write!(
            f,
            "{}: {}",
            clean(&self.file_name),
            count(self.versions.len(), "version")
        )?;
        if self.versions.is_empty() {
            return Ok(());
        }
        let lines = self.lines();
        let right = lines.iter().map(|line| width(&line.right)).max().unwrap_or(0);
        let gap = if right == 0 { 0 } else { right + 2 };
        let room = columns.saturating_sub(gap);
        let cut: Vec<String> = lines.iter().map(|line| line.cut(room)).collect();
        let left = cut.iter().map(|left| width(left)).max().unwrap_or(0);
        for (line, cut) in lines.iter().zip(&cut) {
            match line.right.as_str() {
                "" => write!(f, "\n{}", cut.trim_end())?,
                right => write!(f, "\n{cut}{:1$}{right}", "", left - width(cut) + 2)?,
            }
        }
        for problem in &self.problems {
            write!(f, "\n! {}", clean(&problem.to_string()))?;
        }
        Ok(())
    }
}

impl Line {
    #[inline]
    fn cut(&self, room: usize) -> String {
        let room = room.saturating_sub(width(&self.left)).max(LEAST);
        format!("{}{}", self.left, shorten(&self.text, room))
    }
}

impl ImageHistory {
    #[inline]
    fn lines(&self) -> Vec<Line> {
        let mut on_path = vec![false; self.versions.len()];
        for index in self.ancestors(self.latest) {
            if let Some(on_path) = on_path.get_mut(index as usize) {
                *on_path = true;
            }
        }
        let on_path = |index: u32| on_path.get(index as usize).copied().unwrap_or_default();
        let weights = self.weights();
        // What goes straight down: the way to the newest version, or else the largest branch, so that the columns stay
        // few however many branches there are.
        let trunk_of = |siblings: &[u32]| {
            let weight = |index: &u32| (on_path(*index), weights.get(*index as usize).copied());
            siblings.iter().copied().rev().max_by_key(weight)
        };

        let roots: Vec<u32> = self.siblings(self.first_root).collect();
        let (attached, loose): (Vec<u32>, Vec<u32>) = roots.into_iter().partition(|root| self.is_attached(*root));
        let mut lines = Vec::with_capacity(self.versions.len() + 1);
        let mut left: Vec<(u32, usize, bool)> = loose.into_iter().rev().map(|root| (root, 0, true)).collect();
        if !attached.is_empty() {
            let marked = attached.iter().any(|root| on_path(*root));
            lines.push(Line {
                left: format!("{} unedited", mark(marked)),
                text: String::new(),
                right: String::new(),
            });
            push(&mut left, &attached, trunk_of(&attached), 0);
        }
        // The depth of a line and whether a branch begins there, or at depth 0 a tree that hangs from nothing.
        while let Some((index, depth, begins)) = left.pop() {
            let prefix = match (depth, begins) {
                (0, false) => String::new(),
                (0, true) => "? ".to_owned(),
                (_, false) => "│ ".repeat(depth),
                (_, true) => format!("{}├─", "│ ".repeat(depth - 1)),
            };
            let Some(version) = self.at(Some(index)) else {
                continue;
            };
            let left_side = format!("{prefix}{} {}  ", mark(on_path(index)), clean(&version.id.to_string()));
            lines.push(Line {
                left: left_side,
                text: asked(version),
                right: notes(version, self.latest == Some(index)),
            });
            let children: Vec<u32> = self.siblings(self.links(Some(index)).first_child).collect();
            push(&mut left, &children, trunk_of(&children), depth);
        }
        lines
    }

    /// Whether a root was built on the unedited photo.
    #[inline]
    fn is_attached(&self, root: u32) -> bool {
        self.at(Some(root))
            .is_some_and(|version| version.parent_told && version.parent.is_none())
    }

    /// How many versions there are in the branch that begins with each.
    #[inline]
    fn weights(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.versions.len());
        let mut left: Vec<u32> = self.siblings(self.first_root).collect();
        while let Some(index) = left.pop() {
            order.push(index);
            left.extend(self.siblings(self.links(Some(index)).first_child));
        }
        let mut weights = vec![1_usize; self.versions.len()];
        for index in order.into_iter().rev() {
            let own = weights.get(index as usize).copied().unwrap_or_default();
            let parent = self.links(Some(index)).parent;
            if let Some(weight) = parent.and_then(|parent| weights.get_mut(parent as usize)) {
                *weight += own;
            }
        }
        weights
    }
}

/// Puts the children of a version on the stack: the branches to be drawn first, the trunk last.
#[inline]
fn push(stack: &mut Vec<(u32, usize, bool)>, children: &[u32], trunk: Option<u32>, depth: usize) {
    stack.extend(trunk.map(|trunk| (trunk, depth, false)));
    let branches = children.iter().rev().filter(|child| Some(**child) != trunk);
    stack.extend(branches.map(|child| (*child, depth + 1, true)));
}

#[inline]
fn mark(on_path: bool) -> char {
    if on_path { '●' } else { '○' }
}

/// What the version was made by.
#[inline]
fn asked(version: &Version) -> String {
    match (&version.instruction, &version.preset) {
        (Some(instruction), _) => format!("\"{}\"", clean(instruction)),
        (None, Some(preset)) => clean(preset),
        (None, None) => String::new(),
    }
}

#[inline]
fn notes(version: &Version, newest: bool) -> String {
    let mut notes = Vec::new();
    if let Some(status) = version.status.as_ref().filter(|s| **s != EnhancementStatus::Success) {
        notes.push(clean(&status.to_string()));
    }
    if let Some(time) = &version.created_at {
        notes.push(minute(&clean(time)));
    }
    if !version.parent_told {
        notes.push("parent not told".to_owned());
    }
    if newest {
        notes.push("← newest".to_owned());
    }
    notes.join("  ")
}

/// `2026-01-31T12:00:00.123Z` to the minute; any other form as it is.
#[inline]
fn minute(time: &str) -> String {
    const FORM: &str = "0000-00-00T00:00";
    let head: String = time.chars().take(FORM.len()).collect();
    let form: String = head.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if form == FORM {
        head.replace('T', " ")
    } else {
        shorten(time, 24)
    }
}

/// Without what would move the cursor or turn the line around: control characters and bidirectional marks.
#[inline]
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            _ if c.is_whitespace() => ' ',
            _ if c.is_control() || is_unseen(c) => '\u{fffd}',
            _ => c,
        })
        .collect()
}

/// Cut to so many columns, a quotation mark at the end kept.
#[inline]
fn shorten(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let end = if text.ends_with('"') { "…\"" } else { "…" };
    let kept: String = text.chars().take(room.saturating_sub(width(end))).collect();
    format!("{}{end}", kept.trim_end())
}

/// Columns, one for each code point. Letters of East Asia and emoji take two, which only moves what follows them.
#[inline]
fn width(text: &str) -> usize {
    text.chars().count()
}

#[inline]
pub(super) fn count(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

impl fmt::Display for History {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        let columns = f.width().unwrap_or(COLUMNS);
        let longest = self.images.iter().map(|image| width(&image.file_name)).max();
        let names = longest.unwrap_or_default().min(LONGEST);
        write!(f, "{}", count(self.images.len(), "photo"))?;
        for image in &self.images {
            let name = shorten(&clean(&image.file_name), LONGEST);
            let mut line = format!("{name:names$}  {:>11}", count(image.versions.len(), "version"));
            if let Some(newest) = image.latest() {
                line += &format!("  newest {}  {}", clean(&newest.id.to_string()), asked(newest));
            }
            if !image.problems.is_empty() {
                line += &format!("  ({})", count(image.problems.len(), "problem"));
            }
            write!(f, "\n{}", shorten(line.trim_end(), columns))?;
        }
        if self.unread > 0 {
            write!(f, "\n! {} could not be placed", count(self.unread, "version"))?;
        }
        Ok(())
    }
}
