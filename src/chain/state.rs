//! What a chain remembers, and the file that it is saved in.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::types::VersionId;

/// The form of the file. A file of another form is refused.
const FORM: u32 = 1;

/// What was asked for: words or a preset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Edit {
    /// [`Chain::copilot`](crate::Chain::copilot) with this instruction.
    Instruction(String),
    /// [`Chain::enhance`](crate::Chain::enhance) with this `tool_id`.
    Preset(String),
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Instruction(text) | Self::Preset(text)) = self;
        f.pad(text)
    }
}

/// An edit of which it is not known whether it was made, or as which version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// What was asked for.
    pub edit: Edit,
    /// The version that it was to build on. `None` is the unedited photo.
    pub parent: Option<VersionId>,
    /// Whether the service said that it made the edit, and only did not name the version.
    pub made: bool,
    /// When it was sent, by the machine's clock.
    pub sent: SystemTime,
    /// The versions that there were before. Absent when no history was read, or not all of one.
    pub(super) known: Option<HashSet<VersionId>>,
}

/// What a chain remembers. It holds no key and no URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    form: u32,
    /// Which photo of which project.
    photo: String,
    /// The versions from the first edit that is known to where the chain stands.
    pub(super) path: Vec<VersionId>,
    /// Whether the first of them was built on the unedited photo.
    pub(super) from_unedited: bool,
    pub(super) pending: Option<Pending>,
}

impl State {
    /// Returns the state of a chain that stands at the unedited photo.
    pub(super) fn new(image: &Image) -> Self {
        let (project, name) = (image.project(), image.file_name());
        let (source, uuid) = (project.source().as_str(), project.uuid());
        Self {
            form: FORM,
            photo: format!("{name:?} of the {source} project {uuid:?}"),
            path: Vec::new(),
            from_unedited: true,
            pending: None,
        }
    }

    pub(super) fn branch_from(&mut self, version: VersionId) {
        let known = self.pending.take().map(|pending| pending.known.unwrap_or_default());
        match self.path.iter().position(|id| *id == version) {
            Some(index) => self.path.truncate(index + 1),
            None if known.is_some_and(|known| !known.contains(&version)) => self.path.push(version),
            None => (self.path, self.from_unedited) = (vec![version], false),
        }
    }

    /// Reads the file, or makes it if there is none.
    pub(super) fn open(image: &Image, path: &Path) -> Result<Self> {
        let new = Self::new(image);
        let text = match fs::read(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return new.save(path).map(|()| new),
            text => text.map_err(|e| Error::io(path, e))?,
        };
        let why = match serde_json::from_slice::<Self>(&text) {
            Ok(saved) if saved.form != FORM => format!("a saved chain of the form {}, not {FORM}", saved.form),
            Ok(saved) if saved.photo != new.photo => format!("the chain of {}, not {}", saved.photo, new.photo),
            Ok(saved) => return Ok(saved),
            Err(e) => format!("no saved chain of the form {FORM}, or one that was cut short ({e})"),
        };
        let why = format!("{}: {why}; it was not changed", path.display());
        Err(Error::invalid("path", why))
    }

    /// Replaces the file as a whole, so that a process that is killed leaves the old one or the new one.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let replace = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            match file.sync_all() {
                // A file system without this ability (`ENOTSUP`, `ENOSYS`, `EINVAL`) is no failure.
                Err(e) if !matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => Err(e),
                _ => fs::rename(&temporary, path),
            }
        };
        replace().map_err(|e| Error::io(path, e))
    }
}
