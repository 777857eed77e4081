//! Projects, their images, and what was done to each image.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::checksum::Digest;
use crate::wire::Answer;

/// The kind of a project; the service's `project_source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProjectKind {
    /// Profile-based: `REGULAR` on the wire.
    #[default]
    ProfileBased,
    /// Smart Editing: `I2I` on the wire.
    Smart,
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

/// A project to add to the simulator. [`profile_based`](Self::profile_based) and
/// [`smart`](Self::smart) make one that is ready for Copilot.
#[derive(Clone, Debug, Default)]
pub struct ProjectSpec {
    /// The identifier: any text.
    pub id: String,
    /// The name, unique among all projects.
    pub name: String,
    /// Profile-based or Smart Editing.
    pub kind: ProjectKind,
    /// The status of its edit.
    pub status: Status,
    /// Whether it was exported. Matters to profile-based projects only.
    pub exported: bool,
    /// The names of its images.
    pub images: Vec<String>,
    /// The id of its first version. Later ones count up from it, across the project's images.
    pub first_version: u64,
    /// Instructions with one of these words in them, in any case, are refused as not realistic.
    pub unrealistic_words: Vec<String>,
}

impl ProjectSpec {
    /// A profile-based project, completed and exported, with the images `DSC_0001.JPEG` to
    /// `DSC_0003.JPEG`.
    pub fn profile_based(id: &str) -> Self {
        let spec = Self {
            id: id.to_owned(),
            name: format!("Project {id}"),
            status: Status::Completed,
            exported: true,
            first_version: 123,
            unrealistic_words: vec!["dragon".to_owned()],
            ..Self::default()
        };
        spec.image_count(3)
    }

    /// A completed Smart Editing project with the same images.
    pub fn smart(id: &str) -> Self {
        let mut spec = Self::profile_based(id).exported(false);
        spec.kind = ProjectKind::Smart;
        spec
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the names of the images.
    pub fn images<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.images = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `count` images, from `DSC_0001.JPEG` on.
    pub fn image_count(self, count: usize) -> Self {
        self.images((1..=count).map(|number| format!("DSC_{number:04}.JPEG")))
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
pub enum CopilotEdit {
    /// `copilot`, with this instruction.
    Instruction(String),
    /// `enhance`, with this `tool_id`.
    Preset(String),
}

/// One version of an image, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Its id.
    pub id: u64,
    /// The version that it was built on; `None` for the unedited image.
    pub parent: Option<u64>,
    /// What was asked for.
    pub edit: CopilotEdit,
    /// When it was made, by the simulator's clock.
    pub created_at: SystemTime,
}

/// A photo that arrived through upload links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The name that the link was asked for.
    pub name: String,
    /// The length in bytes.
    pub length: u64,
    /// The [`checksum`](crate::checksum) of the whole file.
    pub checksum: u64,
    /// The bytes; of a longer file, the first
    /// [`Settings::kept_bytes`](crate::Settings::kept_bytes).
    pub bytes: Vec<u8>,
}

impl Uploaded {
    pub(crate) fn digest(&self) -> Digest {
        Digest {
            length: self.length,
            checksum: self.checksum,
        }
    }
}

/// An image. Each new version drops whatever else was built on its parent, so the versions always
/// form one line from the unedited image.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) versions: Vec<VersionRecord>,
    /// What every edit of this image is answered instead.
    pub(crate) failure: Option<Answer>,
}

impl Image {
    fn named(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// The edit or the export of a project. Polls move it on.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) status: Status,
    course: Course,
    /// Lets it end as failed, with these details.
    pub(crate) failure: Option<String>,
}

/// What polls do to a step.
#[derive(Clone, Copy, Debug, Default)]
enum Course {
    /// Nothing.
    #[default]
    Rests,
    /// So many see it pending, and then so many in progress.
    Waits { pending: u32, running: u32 },
    /// So many see it as it is, and the next one ends it.
    Runs { left: u32 },
}

impl Step {
    /// Sets the status, for good.
    pub(crate) fn set(&mut self, status: Status) {
        self.status = status;
        self.course = Course::Rests;
    }

    /// Begins. A failure that it ended with before is forgotten; one that is yet to come is not.
    pub(crate) fn start(&mut self, pending: u32, running: u32) {
        if self.status == Status::Failed {
            self.failure = None;
        }
        if pending > 0 {
            self.status = Status::Pending;
            self.course = Course::Waits { pending, running };
        } else {
            self.status = Status::InProgress;
            self.course = Course::Runs { left: running };
        }
    }

    /// Keeps the present status for so many polls. The one after them ends it.
    pub(crate) fn end_after(&mut self, polls: u32) {
        self.course = Course::Runs { left: polls };
    }

    pub(crate) fn is_running(&self) -> bool {
        let is_under_way = !matches!(self.course, Course::Rests);
        is_under_way || self.status == Status::InProgress
    }

    /// Counts one poll. Returns whether it completed with it.
    pub(crate) fn poll(&mut self) -> bool {
        if let Course::Waits {
            pending: 0,
            running,
        } = self.course
        {
            self.status = Status::InProgress;
            self.course = Course::Runs { left: running };
        }
        match &mut self.course {
            Course::Rests => {}
            Course::Waits { pending, .. } => *pending -= 1,
            Course::Runs { left: 0 } => return self.end(),
            Course::Runs { left } => *left -= 1,
        }
        false
    }

    /// Ends. Returns whether it completed.
    pub(crate) fn end(&mut self) -> bool {
        let is_good = self.failure.is_none();
        self.set(if is_good {
            Status::Completed
        } else {
            Status::Failed
        });
        is_good
    }

    pub(crate) fn report(&self) -> Value {
        let progress = match (self.status, self.course) {
            (Status::Completed, _) => Some(100),
            (Status::InProgress, Course::Runs { left }) => Some(100 / (left + 2)),
            _ => None,
        };
        let has_failed = self.status == Status::Failed;
        let details = self.failure.as_ref().filter(|_| has_failed);
        json!({ "status": self.status.as_str(), "progress": progress, "details": details })
    }
}

/// A file that is uploaded in parts.
#[derive(Debug)]
pub(crate) struct PartUpload {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) name: String,
    /// Whether it was completed or aborted.
    pub(crate) is_over: bool,
    /// Those that have arrived, in the order of their numbers.
    pub(crate) parts: Vec<Option<Uploaded>>,
}

/// A project and its state. Status and images in `spec` are those at its beginning.
#[derive(Debug, Default)]
pub(crate) struct Project {
    pub(crate) spec: ProjectSpec,
    pub(crate) edit: Step,
    pub(crate) export: Step,
    /// Whether the export begins by itself when the edit is done.
    pub(crate) exports_itself: bool,
    pub(crate) uploads: Vec<Uploaded>,
    pub(crate) part_uploads: Vec<PartUpload>,
    pub(crate) images: Vec<Image>,
    /// The name of the profile of its edit.
    pub(crate) profile: Value,
    /// The options of its edit.
    pub(crate) tools: Vec<&'static str>,
    pub(crate) created_at: Option<SystemTime>,
    next_version: u64,
    pub(crate) finalized: bool,
}

impl Project {
    pub(crate) fn new(spec: ProjectSpec, created_at: SystemTime) -> Self {
        let mut project = Self {
            images: spec.images.iter().cloned().map(Image::named).collect(),
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
            images: self.images.iter().map(|image| image.name.clone()).collect(),
            ..self.spec.clone()
        }
    }

    /// Turns the uploaded photos, if any, into images: `DSC_0001.NEF` into `DSC_0001.JPEG`.
    pub(crate) fn make_images(&mut self) {
        if self.uploads.is_empty() {
            return;
        }
        self.images.clear();
        for photo in &self.uploads {
            let name = format!("{}.JPEG", stem(&photo.name));
            self.images.push(Image::named(name));
        }
    }

    /// Takes a photo, in place of one with the same name.
    pub(crate) fn take_photo(&mut self, photo: Uploaded) {
        self.uploads.retain(|other| other.name != photo.name);
        self.uploads.push(photo);
    }

    /// Refuses a project whose edit is not completed.
    pub(crate) fn edited(&mut self) -> Result<&mut Self, Answer> {
        if self.edit.status != Status::Completed {
            return Err(Answer::refused(400, "Project has not been completed yet."));
        }
        Ok(self)
    }

    /// Refuses a project without images, which Copilot and the links to the JPEGs need.
    pub(crate) fn ready(&mut self) -> Result<&mut Self, Answer> {
        let needs_export = self.spec.kind == ProjectKind::ProfileBased;
        let is_exported = self.export.status == Status::Completed || !needs_export;
        if !is_exported || self.edit.status != Status::Completed {
            return Err(Answer::refused(400, "Project has not been exported yet."));
        }
        Ok(self)
    }

    /// Finds an image by its name, byte for byte.
    pub(crate) fn image(&mut self, name: &str) -> Result<&mut Image, Answer> {
        let image = self.images.iter_mut().find(|image| image.name == name);
        image.ok_or_else(|| Answer::refused(404, "Image not found."))
    }

    /// Adds a version on top of its parent, drops the branch that is not kept, and returns the
    /// version's id.
    pub(crate) fn add_version(
        &mut self,
        image: &str,
        parent: Option<u64>,
        edit: CopilotEdit,
        created_at: SystemTime,
    ) -> Result<u64, Answer> {
        let id = self.next_version;
        let image = self.image(image)?;
        let kept = match parent {
            None => 0,
            Some(parent) => {
                let position = image.versions.iter().position(|made| made.id == parent);
                let refusal = || Answer::refused(404, "Parent version not found.");
                position.ok_or_else(refusal)? + 1
            }
        };
        image.versions.truncate(kept);
        image.versions.push(VersionRecord {
            id,
            parent,
            edit,
            created_at,
        });
        self.next_version += 1;
        Ok(id)
    }
}

/// A file's name without its extension.
pub(crate) fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) => stem,
        None => name,
    }
}

const RAW_EXTENSIONS: [&str; 19] = [
    "dng", "nef", "cr2", "arw", "nrw", "crw", "srf", "sr2", "orf", "raw", "rw2", "raf", "ptx",
    "pef", "rwl", "srw", "cr3", "3fr", "fff",
];

/// The `image_type` of a photo, by its name.
pub(crate) fn image_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    if matches!(extension.as_str(), "jpg" | "jpeg") {
        return Some("JPG");
    }
    RAW_EXTENSIONS
        .contains(&extension.as_str())
        .then_some("RAW")
}
