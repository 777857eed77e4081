//! Draws histories for a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{History, ImageHistory, Version};
use crate::transport::one_line;
use crate::types::{EnhancementStatus, VersionId};

/// The columns of a terminal, unless the formatter is told otherwise.
const COLUMNS: usize = 80;

/// How far branches of branches are indented at most, in columns, so that a drawing does not grow
/// with the square of the versions.
const DEEPEST: usize = 32;

impl ImageHistory {
    /// Draws the tree as `{}` does, and marks this version with `← here`. `None` is the unedited
    /// image.
    ///
    /// The unedited image is at the top. The path to the marked version goes straight down from it,
    /// with filled marks; in `{}` it is the path to the newest version. What was built beside the
    /// path branches off to the right. A version whose parent is unknown, or not in the history,
    /// begins with `?`. Control characters are replaced, and long lines cut.
    pub fn draw(&self, current: Option<&VersionId>) -> String {
        Tree::new(self, Some(Node::of(current))).draw(COLUMNS)
    }
}

impl fmt::Display for ImageHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = f.width().unwrap_or(COLUMNS);
        f.write_str(&Tree::new(self, None).draw(columns))
    }
}

/// Shows a line for each image, and how many versions could not be placed.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for image in self.images() {
            writeln!(f, "{}", one_line(&title(image), COLUMNS))?;
        }
        write!(f, "{} version(s) could not be placed", self.unread)
    }
}

fn title(image: &ImageHistory) -> String {
    format!("{}: {} version(s)", image.file_name, image.versions.len())
}

/// A point of a tree: what an edit can build on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node<'h> {
    Unedited,
    Version(&'h VersionId),
}

impl<'h> Node<'h> {
    fn of(id: Option<&'h VersionId>) -> Self {
        match id {
            Some(id) => Self::Version(id),
            None => Self::Unedited,
        }
    }
}

/// What is drawn next, and how it is indented.
struct Branch<'h> {
    /// `None` is the unedited image.
    version: Option<&'h Version>,
    indent: String,
}

impl<'h> Branch<'h> {
    fn node(&self) -> Node<'h> {
        Node::of(self.version.map(|version| &version.id))
    }
}

/// The versions of an image by what they were built on.
struct Tree<'h> {
    image: &'h ImageHistory,
    children: HashMap<Node<'h>, Vec<&'h Version>>,
    /// The versions whose parent is unknown or not in the history.
    loose: Vec<&'h Version>,
    newest: Option<Node<'h>>,
    /// What is marked with `← here`.
    here: Option<Node<'h>>,
    /// What is drawn straight down: the path to what is marked, or else to the newest version.
    path: HashSet<Node<'h>>,
}

impl<'h> Tree<'h> {
    fn new(image: &'h ImageHistory, here: Option<Node<'h>>) -> Self {
        let newest = image.latest().map(|version| Node::Version(&version.id));
        let mut tree = Self {
            image,
            children: HashMap::new(),
            loose: Vec::new(),
            newest,
            here,
            path: HashSet::from([Node::Unedited]),
        };
        if let Some(Node::Version(id)) = here.or(newest) {
            let path = image.path_to(id);
            let nodes = path.iter().map(|version| Node::Version(&version.id));
            tree.path.extend(nodes);
        }
        for version in &image.versions {
            tree.add(version);
        }
        tree
    }

    fn add(&mut self, version: &'h Version) {
        let parent = match &version.parent {
            Some(id) if self.image.by_id.contains_key(id) => Node::Version(id),
            None if version.parent_told => Node::Unedited,
            _ => {
                self.loose.push(version);
                return;
            }
        };
        self.children.entry(parent).or_default().push(version);
    }

    /// Draws all versions, each once, without recursion: a tree can be as deep as it has versions.
    fn draw(mut self, columns: usize) -> String {
        let mut text = one_line(&title(self.image), columns);
        let mut drawn = HashSet::new();
        let mut branches = self.starts();
        while let Some(branch) = branches.pop() {
            if !drawn.insert(branch.node()) {
                continue;
            }
            text.push('\n');
            text.push_str(&one_line(&self.line(&branch), columns));
            self.push_children(&branch, &mut branches);
        }
        text
    }

    /// Returns the stack that the drawing starts with. The unedited image is on top, then come the
    /// loose versions, then all: those whose parents lead round in a circle are reached from no
    /// other. What was drawn by then is not drawn again.
    fn starts(&self) -> Vec<Branch<'h>> {
        let all = self.image.versions.iter().rev();
        let loose = self.loose.iter().copied().rev();
        let mut starts: Vec<_> = all
            .chain(loose)
            .map(|version| Branch {
                version: Some(version),
                indent: "? ".to_owned(),
            })
            .collect();
        starts.push(Branch {
            version: None,
            indent: String::new(),
        });
        starts
    }

    fn line(&self, branch: &Branch<'_>) -> String {
        let node = branch.node();
        let indent = &branch.indent;
        let mark = if self.path.contains(&node) {
            '●'
        } else {
            '○'
        };
        let name = match node {
            Node::Version(id) => id.to_string(),
            Node::Unedited => "unedited".to_owned(),
        };
        let newest = if self.newest == Some(node) {
            " ← newest"
        } else {
            ""
        };
        let here = if self.here == Some(node) {
            " ← here"
        } else {
            ""
        };
        let label = branch.version.map(label).unwrap_or_default();
        format!("{indent}{mark} {name}{newest}{here}{label}")
    }

    /// Puts what was built on a node on the stack: the branches to the right, to be drawn first,
    /// above what goes straight down.
    fn push_children(&mut self, parent: &Branch<'h>, stack: &mut Vec<Branch<'h>>) {
        let mut children = self.children.remove(&parent.node()).unwrap_or_default();
        let indent = below(&parent.indent);
        let on_path = children
            .iter()
            .rposition(|version| self.path.contains(&Node::Version(&version.id)));
        let straight = match on_path {
            Some(index) => Some(children.remove(index)),
            None => children.pop(),
        };
        if let Some(version) = straight {
            stack.push(Branch {
                version: Some(version),
                indent: indent.clone(),
            });
        }
        for version in children.into_iter().rev() {
            stack.push(Branch {
                version: Some(version),
                indent: format!("{indent}├─"),
            });
        }
    }
}

/// Returns how the lines below an indented one are indented.
fn below(indent: &str) -> String {
    let below = indent.replace("├─", "│ ").replace("? ", "");
    below.chars().take(DEEPEST).collect()
}

/// Returns what is known of a version: its status, unless that is `SUCCESS`, its time to the
/// minute, and what made it.
fn label(version: &Version) -> String {
    let mut words = Vec::new();
    if let Some(status) = &version.status
        && *status != EnhancementStatus::Success
    {
        words.push(status.as_str());
    }
    if let Some(time) = &version.created_at {
        words.push(time.get(..16).unwrap_or(time));
    }
    if let Some(instruction) = &version.instruction {
        words.push(instruction);
    }
    if let Some(preset) = &version.preset {
        words.push(preset);
    }
    words.iter().map(|word| format!(" · {word}")).collect()
}
