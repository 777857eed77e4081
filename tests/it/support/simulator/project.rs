//! What the service knows: projects, their photos, and what was done to each photo.

use super::wire::Answer;
use serde_json::Value;
use std::time::SystemTime;

/// How a project was edited before Copilot; the service's `project_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Profile-based.
    Regular,
    /// Smart Editing.
    I2i,
}

impl Source {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "REGULAR",
            Self::I2i => "I2I",
        }
    }
}

/// A project's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not begun.
    Pending,
    /// Being edited.
    InProgress,
    /// Edited.
    Completed,
    /// Given up.
    Failed,
}

impl Status {
    /// The words for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

/// A project to put into the simulator. Starts out ready for Copilot; change what should differ.
#[derive(Clone, Debug)]
pub struct ProjectSpec {
    /// The identifier: any text.
    pub id: String,
    /// The name that `GET /projects/{id}` gives.
    pub name: String,
    /// Profile-based or Smart Editing.
    pub source: Source,
    /// Where its editing stands.
    pub status: Status,
    /// Whether it was exported. Matters to profile-based projects only.
    pub exported: bool,
    /// The names of its finished photos.
    pub photos: Vec<String>,
    /// The number of its first version. Later ones count up from it, across the project's photos.
    pub first_version: u64,
    /// Instructions that hold one of these words, in any case, are not realistic enough.
    pub unrealistic_words: Vec<String>,
}

impl ProjectSpec {
    /// A profile-based project, completed and exported, with the photos `DSC_0001.JPEG` to `DSC_0003.JPEG`.
    pub fn regular(id: &str) -> Self {
        let spec = Self {
            id: id.to_owned(),
            name: format!("Project {id}"),
            source: Source::Regular,
            status: Status::Completed,
            exported: true,
            photos: Vec::new(),
            first_version: 123,
            unrealistic_words: vec!["dragon".to_owned()],
        };
        spec.photo_count(3)
    }

    /// A completed Smart Editing project with the same photos.
    pub fn i2i(id: &str) -> Self {
        Self {
            source: Source::I2i,
            exported: false,
            ..Self::regular(id)
        }
    }

    /// With these photos instead.
    pub fn photos<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.photos = names.into_iter().map(Into::into).collect();
        self
    }

    /// With `count` photos, `DSC_0001.JPEG` and on.
    pub fn photo_count(self, count: usize) -> Self {
        self.photos((1..=count).map(|number| format!("DSC_{number:04}.JPEG")))
    }

    /// With another status.
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Exported or not.
    pub fn exported(mut self, exported: bool) -> Self {
        self.exported = exported;
        self
    }
}

/// What a version was made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `copilot`, with this instruction.
    Instruction(String),
    /// `enhance`, with this `tool_id`.
    Preset(String),
}

/// One version of a photo, as the service itself knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Its number.
    pub id: u64,
    /// The version that it was built on; `None` for the unedited photo.
    pub parent: Option<u64>,
    /// What was asked for.
    pub edit: Edit,
    /// When, by the simulator's clock.
    pub created_at: SystemTime,
}

/// A photo. Each new version drops whatever else was built on its parent, so that the versions that are
/// left always form one line from the unedited photo: a list says it all.
#[derive(Debug)]
pub(super) struct Photo {
    pub(super) name: String,
    pub(super) versions: Vec<VersionRecord>,
    /// What every edit of this photo is answered instead, if a test asked for that.
    pub(super) failure: Option<(u16, Value)>,
}

impl Photo {
    pub(super) fn newest(&self) -> Option<u64> {
        self.versions.last().map(|version| version.id)
    }
}

/// A project and its state.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) spec: ProjectSpec,
    pub(super) photos: Vec<Photo>,
    pub(super) created_at: SystemTime,
    pub(super) next_version: u64,
    pub(super) finalized: bool,
    /// How many more polls are told the old status before it becomes `Completed`, if a test asked for that.
    pub(super) polls_left: Option<u32>,
}

impl Project {
    pub(super) fn new(spec: ProjectSpec, created_at: SystemTime) -> Self {
        let photo = |name: &String| Photo {
            name: name.clone(),
            versions: Vec::new(),
            failure: None,
        };
        Self {
            photos: spec.photos.iter().map(photo).collect(),
            next_version: spec.first_version,
            spec,
            created_at,
            finalized: false,
            polls_left: None,
        }
    }

    /// Whether there are finished photos: what Copilot and the links to the JPEGs wait for.
    pub(super) fn is_ready(&self) -> bool {
        self.spec.status == Status::Completed && (self.spec.exported || self.spec.source == Source::I2i)
    }

    /// Whether an instruction has none of the project's unrealistic words.
    pub(super) fn is_realistic(&self, instruction: &str) -> bool {
        let instruction = instruction.to_lowercase();
        let mut words = self.spec.unrealistic_words.iter();
        !words.any(|word| instruction.contains(&word.to_lowercase()))
    }

    /// Finds a photo by its name, byte for byte.
    pub(super) fn photo(&mut self, name: &str) -> Result<&mut Photo, Answer> {
        let photo = self.photos.iter_mut().find(|photo| photo.name == name);
        photo.ok_or_else(|| Answer::refused(404, "Image not found."))
    }

    /// Applies an edit on top of `parent` and drops the branch that is not kept.
    pub(super) fn apply(
        &mut self,
        name: &str,
        parent: Option<u64>,
        edit: Edit,
        created_at: SystemTime,
    ) -> Result<u64, Answer> {
        let id = self.next_version;
        let photo = self.photo(name)?;
        let kept = match parent {
            None => 0,
            Some(parent) => {
                let position = photo.versions.iter().position(|version| version.id == parent);
                let refusal = || Answer::refused(404, format!("Parent version {parent} not found."));
                position.ok_or_else(refusal)? + 1
            }
        };
        photo.versions.truncate(kept);
        photo.versions.push(VersionRecord {
            id,
            parent,
            edit,
            created_at,
        });
        self.next_version += 1;
        Ok(id)
    }
}
