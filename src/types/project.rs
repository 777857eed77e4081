//! What the service says of a project and its files.

use std::fmt;

use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::edit::Enhancement;
use super::fields::Fields;
use super::redact::{RedactedMap, RedactedUrl};

/// How a project was edited, which the service wants to know in every call (`project_source`).
///
/// Vendor's page, Copilot API, "Send a prompt": `"project_source": "REGULAR"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProjectSource {
    /// Edited with a profile: `REGULAR`. Made by [`Client::project`](crate::Client::project).
    #[serde(rename = "REGULAR")]
    Regular,
    /// Edited by Smart Editing: `I2I`. Made by [`Client::i2i_project`](crate::Client::i2i_project).
    #[serde(rename = "I2I")]
    I2i,
}

impl ProjectSource {
    /// The word on the wire: `REGULAR` or `I2I`.
    #[inline]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "REGULAR",
            Self::I2i => "I2I",
        }
    }
}

impl fmt::Display for ProjectSource {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a project is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProjectStatus {
    /// `Pending`: not begun.
    Pending,
    /// `In Progress`.
    InProgress,
    /// `Completed`: the Copilot API works on it (a profile-based project must also have been exported).
    Completed,
    /// `Failed`.
    Failed,
    /// Any other word, as it came.
    Other(String),
}

impl ProjectStatus {
    #[inline]
    pub(crate) fn of(word: &str) -> Self {
        let plain: String = word
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        match plain.as_str() {
            "pending" => Self::Pending,
            "inprogress" => Self::InProgress,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl fmt::Display for ProjectStatus {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "Pending",
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Other(word) => word,
        })
    }
}

impl Serialize for ProjectStatus {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProjectStatus {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(deserializer)?))
    }
}

/// What the service says of a project: `GET /projects/{uuid}`, `GET /i2i/projects/{uuid}`.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProjectInfo {
    /// How far it is.
    pub status: ProjectStatus,
    /// Its id.
    pub project_uuid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// When it was made, as the service writes it.
    pub created_at: Option<String>,
    /// How many photos it has.
    pub number_of_images: Option<u64>,
    /// How far its export is (profile-based projects); `None` when it was not exported.
    pub export_status: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for ProjectInfo {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            status: ProjectStatus::of(&fields.needed_text::<D::Error>("status")?),
            project_uuid: fields.text("project_uuid"),
            name: fields.text("name"),
            created_at: fields.text("created_at"),
            number_of_images: fields.number("number_of_images"),
            export_status: fields.text("export_status"),
            extra: fields.0,
        })
    }
}

impl fmt::Debug for ProjectInfo {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectInfo")
            .field("status", &self.status)
            .field("project_uuid", &self.project_uuid)
            .field("name", &self.name)
            .field("created_at", &self.created_at)
            .field("number_of_images", &self.number_of_images)
            .field("export_status", &self.export_status)
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// A file of a project and the presigned URL that it can be fetched from for a while.
///
/// ```
/// use imagen_ai::DownloadLink;
///
/// let link = DownloadLink::new("sky.jpg", "https://storage.example/0123?X-Amz-Signature=4f1c");
/// assert_eq!(link.file_name.as_deref(), Some("sky.jpg"));
/// assert!(link.download_link.ends_with("=4f1c"));
/// assert!(!format!("{link:?}").contains("4f1c"));
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DownloadLink {
    /// The file's name, if the service gave one.
    pub file_name: Option<String>,
    /// The presigned URL. Whoever has it can read the file, so keep its query out of logs; `Debug` does.
    pub download_link: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl DownloadLink {
    /// A link to download under a name of your choice.
    #[inline]
    pub fn new(file_name: impl Into<String>, download_link: impl Into<String>) -> Self {
        Self {
            file_name: Some(file_name.into()),
            download_link: download_link.into(),
            extra: Map::new(),
        }
    }
}

impl From<&DownloadLink> for DownloadLink {
    #[inline]
    fn from(link: &DownloadLink) -> Self {
        link.clone()
    }
}

/// A presigned URL; the file is named by its last segment.
impl From<&str> for DownloadLink {
    #[inline]
    fn from(url: &str) -> Self {
        Self::from(url.to_owned())
    }
}

/// A presigned URL; the file is named by its last segment.
impl From<String> for DownloadLink {
    #[inline]
    fn from(url: String) -> Self {
        Self {
            file_name: None,
            ..Self::new("", url)
        }
    }
}

/// A presigned URL; the file is named by its last segment.
impl From<&String> for DownloadLink {
    #[inline]
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

/// The picture of the new version.
impl From<&Enhancement> for DownloadLink {
    #[inline]
    fn from(edit: &Enhancement) -> Self {
        Self::from(&edit.enhanced_image_url)
    }
}

impl DownloadLink {
    #[inline]
    fn of<E: Error>(mut fields: Fields) -> Result<Self, E> {
        Ok(Self {
            file_name: fields.text("file_name"),
            download_link: fields.needed_text("download_link")?,
            extra: fields.0,
        })
    }
}

impl<'de> Deserialize<'de> for DownloadLink {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Fields::deserialize(deserializer)?)
    }
}

impl fmt::Debug for DownloadLink {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadLink")
            .field("file_name", &self.file_name)
            .field("download_link", &RedactedUrl(&self.download_link))
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// The finished files of a project: the answer to [`Project::finalize`](crate::Project::finalize), and of the endpoints
/// for download links. Vendor's page, Copilot API, "Finalize".
#[derive(Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finalized {
    /// The files, in the service's order.
    #[serde(rename = "files_list")]
    pub files: Vec<DownloadLink>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Finalized {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        let mut files = Vec::new();
        match fields.0.remove("files_list") {
            Some(Value::Array(items)) => {
                for item in items {
                    let Value::Object(item) = item else {
                        return Err(D::Error::custom("an item of `files_list` is no object"));
                    };
                    files.push(DownloadLink::of(Fields(item))?);
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => return Err(D::Error::custom("`files_list` is no list")),
        }
        Ok(Self { files, extra: fields.0 })
    }
}

impl fmt::Debug for Finalized {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finalized")
            .field("files", &self.files)
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}
