//! What the service knows: projects, their photos, and what was done to each photo.

use crate::wire::Answer;
use serde_json::{Value, json};
use std::time::SystemTime;

/// The kind of a project; the service's `project_source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Profile-based.
    #[default]
    Regular,
    /// Smart Editing.
    I2i,
}

/// The status of a project, an edit or an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Not begun.
    #[default]
    Pending,
    /// Running.
    InProgress,
    /// Done.
    Completed,
    /// Given up.
    Failed,
}

impl Status {
    /// Returns the words on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

/// A project to add to the simulator. [`regular`](Self::regular) and [`i2i`](Self::i2i) make one
/// that is ready for Copilot.
#[derive(Clone, Debug, Default)]
pub struct ProjectSpec {
    /// The identifier: any text.
    pub id: String,
    /// The name, unique among all projects.
    pub name: String,
    /// Profile-based or Smart Editing.
    pub source: Source,
    /// The status of its edit.
    pub status: Status,
    /// Whether it was exported. Matters to profile-based projects only.
    pub exported: bool,
    /// The names of its finished photos.
    pub photos: Vec<String>,
    /// The id of its first version. Later ones count up from it, across the project's photos.
    pub first_version: u64,
    /// Instructions with one of these words in them, in any case, are refused as not realistic.
    pub unrealistic_words: Vec<String>,
}

impl ProjectSpec {
    /// A profile-based project, completed and exported, with the photos `DSC_0001.JPEG` to
    /// `DSC_0003.JPEG`.
    pub fn regular(id: &str) -> Self {
        let spec = Self {
            id: id.to_owned(),
            name: format!("Project {id}"),
            status: Status::Completed,
            exported: true,
            first_version: 123,
            unrealistic_words: vec!["dragon".to_owned()],
            ..Self::default()
        };
        spec.photo_count(3)
    }

    /// A completed Smart Editing project with the same photos.
    pub fn i2i(id: &str) -> Self {
        let mut spec = Self::regular(id).exported(false);
        spec.source = Source::I2i;
        spec
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the names of the finished photos.
    pub fn photos<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.photos = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `count` photos, from `DSC_0001.JPEG` on.
    pub fn photo_count(self, count: usize) -> Self {
        self.photos((1..=count).map(|number| format!("DSC_{number:04}.JPEG")))
    }

    /// Sets the status.
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Sets whether it was exported.
    pub fn exported(mut self, exported: bool) -> Self {
        self.exported = exported;
        self
    }
}

/// What made a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// `copilot`, with this instruction.
    Instruction(String),
    /// `enhance`, with this `tool_id`.
    Preset(String),
}

/// One version of a photo, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Its id.
    pub id: u64,
    /// The version that it was built on; `None` for the unedited photo.
    pub parent: Option<u64>,
    /// What was asked for.
    pub edit: Edit,
    /// When it was made, by the simulator's clock.
    pub created_at: SystemTime,
}

/// A file that arrived through an upload link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The name that the link was asked for.
    pub name: String,
    /// The length in bytes.
    pub length: u64,
    /// The [`checksum`](crate::checksum) of the whole file.
    pub checksum: u64,
    /// The bytes; of a longer file, the first MiB.
    pub bytes: Vec<u8>,
}

/// A photo. Each new version drops whatever else was built on its parent, so the versions always
/// form one line from the unedited photo.
#[derive(Debug, Default)]
pub(crate) struct Photo {
    pub(crate) name: String,
    pub(crate) versions: Vec<VersionRecord>,
    /// What every edit of this photo is answered instead.
    pub(crate) failure: Option<(u16, Value)>,
}

fn photos(names: impl Iterator<Item = String>) -> Vec<Photo> {
    let mut photos = Vec::new();
    for name in names {
        photos.push(Photo::default());
        photos.last_mut().expect("one was added").name = name;
    }
    photos
}

/// The edit or the export of a project.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) status: Status,
    /// How many polls are left before it ends. `None` lets it stay as it is.
    pub(crate) polls_left: Option<u32>,
    /// Lets it end as failed, with these details.
    pub(crate) failure: Option<String>,
}

impl Job {
    pub(crate) fn set(&mut self, status: Status) {
        (self.status, self.polls_left) = (status, None);
    }

    pub(crate) fn start(&mut self, polls: u32) {
        self.failure = self
            .failure
            .take()
            .filter(|_| self.status != Status::Failed);
        (self.status, self.polls_left) = (Status::InProgress, Some(polls));
    }

    /// Counts one poll. Returns whether it completed with it.
    pub(crate) fn poll(&mut self) -> bool {
        let is_over = self.polls_left == Some(0);
        self.polls_left = self.polls_left.and_then(|polls| polls.checked_sub(1));
        if is_over {
            let failed = self.failure.is_some();
            self.status = if failed {
                Status::Failed
            } else {
                Status::Completed
            };
        }
        is_over && self.status == Status::Completed
    }

    pub(crate) fn report(&self) -> Value {
        let progress = match (self.status, self.polls_left) {
            (Status::Completed, _) => Some(100),
            (Status::InProgress, Some(left)) => Some(100 / (left + 2)),
            _ => None,
        };
        let details = self
            .failure
            .as_ref()
            .filter(|_| self.status == Status::Failed);
        json!({ "status": self.status.as_str(), "progress": progress, "details": details })
    }
}

/// A project and its state. Status and photos in `spec` are those at its beginning.
#[derive(Debug, Default)]
pub(crate) struct Project {
    pub(crate) spec: ProjectSpec,
    pub(crate) edit: Job,
    pub(crate) export: Job,
    pub(crate) uploads: Vec<Uploaded>,
    pub(crate) photos: Vec<Photo>,
    /// The name of the profile and the options of its edit.
    pub(crate) profile: Value,
    pub(crate) tools: Vec<String>,
    pub(crate) created_at: Option<SystemTime>,
    next_version: u64,
    pub(crate) finalized: bool,
}

impl Project {
    pub(crate) fn new(spec: ProjectSpec, created_at: SystemTime) -> Self {
        let mut project = Self {
            photos: photos(spec.photos.iter().cloned()),
            next_version: spec.first_version,
            created_at: Some(created_at),
            spec,
            ..Self::default()
        };
        project.edit.set(project.spec.status);
        if project.spec.exported {
            project.export.set(Status::Completed);
        }
        project
    }

    /// The project as it is now.
    pub(crate) fn spec(&self) -> ProjectSpec {
        ProjectSpec {
            status: self.edit.status,
            exported: self.export.status == Status::Completed,
            photos: self.photos.iter().map(|photo| photo.name.clone()).collect(),
            ..self.spec.clone()
        }
    }

    /// Counts one poll of the edit.
    pub(crate) fn poll_edit(&mut self) {
        if self.edit.poll() {
            self.finish_photos();
        }
    }

    /// Turns the uploaded files, if any, into finished photos: `DSC_0001.NEF` into `DSC_0001.JPEG`.
    pub(crate) fn finish_photos(&mut self) {
        if !self.uploads.is_empty() {
            let name = |file: &Uploaded| format!("{}.JPEG", stem(&file.name));
            self.photos = photos(self.uploads.iter().map(name));
        }
    }

    /// Refuses a project whose edit is not completed.
    pub(crate) fn edited(&mut self) -> Result<&mut Self, Answer> {
        let is_edited = self.edit.status == Status::Completed;
        Answer::unless(is_edited, 400, "Project has not been completed yet.")?;
        Ok(self)
    }

    /// Refuses a project without finished photos, which Copilot and the links to the JPEGs need.
    pub(crate) fn ready(&mut self) -> Result<&mut Self, Answer> {
        let is_exported =
            self.export.status == Status::Completed || self.spec.source == Source::I2i;
        let is_ready = is_exported && self.edit.status == Status::Completed;
        Answer::unless(is_ready, 400, "Project has not been exported yet.")?;
        Ok(self)
    }

    /// The finished JPEGs by name and state: the newest version once the project is finalized,
    /// unedited before.
    pub(crate) fn jpegs(&self) -> Vec<(String, String)> {
        let state = |photo: &Photo| {
            let newest = photo.versions.last().filter(|_| self.finalized);
            newest.map_or("unedited".to_owned(), |version| version.id.to_string())
        };
        let photos = self.photos.iter();
        photos
            .map(|photo| (photo.name.clone(), state(photo)))
            .collect()
    }

    /// Finds a photo by its name, byte for byte.
    pub(crate) fn photo(&mut self, name: &str) -> Result<&mut Photo, Answer> {
        let photo = self.photos.iter_mut().find(|photo| photo.name == name);
        photo.ok_or_else(|| Answer::refused(404, "Image not found."))
    }

    /// Adds a version on top of its parent, drops the branch that is not kept, and returns the
    /// version's id.
    pub(crate) fn apply(&mut self, name: &str, mut version: VersionRecord) -> Result<u64, Answer> {
        let id = self.next_version;
        let photo = self.photo(name)?;
        let kept = version.parent.map_or(Some(0), |parent| {
            let position = photo
                .versions
                .iter()
                .position(|version| version.id == parent);
            position.map(|position| position + 1)
        });
        let refusal = || Answer::refused(404, "Parent version not found.");
        photo.versions.truncate(kept.ok_or_else(refusal)?);
        version.id = id;
        photo.versions.push(version);
        self.next_version += 1;
        Ok(id)
    }
}

/// A file's name without its extension.
pub(crate) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

const RAW: &str = "dng nef cr2 arw nrw crw srf sr2 orf raw rw2 raf ptx pef rwl srw cr3 3fr fff";

/// The `image_type` of a file, by its name.
pub(crate) fn image_type(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    match extension.as_str() {
        "jpg" | "jpeg" => Some("JPG"),
        raw => RAW.split(' ').any(|known| known == raw).then_some("RAW"),
    }
}
