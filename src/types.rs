//! The plain structs and enums of the wire. Unknown fields are ignored.

mod json;
mod request;
mod signed_url;
mod version_id;
mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::json::{from_json, items, lenient, read};
pub use self::request::{CopilotEdit, CopilotRequest, EnhanceRequest};
pub use self::signed_url::SignedUrl;
pub use self::version_id::VersionId;
pub(crate) use self::words::{same_word, words};

/// How a project is edited. Every Copilot call tells the service (`project_source`).
///
/// `Display` and `FromStr` use the words `profile-based` and `smart`. `FromStr` also reads the
/// words of the wire, in any case.
///
/// ```
/// use imagen_ai::ProjectKind;
///
/// assert_eq!("smart".parse::<ProjectKind>()?, ProjectKind::Smart);
/// assert_eq!(ProjectKind::ProfileBased.to_string(), "profile-based");
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProjectKind {
    /// Edited with a profile, as made by [`Client::create_project`](crate::Client::create_project).
    #[default]
    #[serde(rename = "REGULAR")]
    ProfileBased,
    /// Edited by Smart Editing, as made by
    /// [`Client::create_smart_project`](crate::Client::create_smart_project).
    #[serde(rename = "I2I")]
    Smart,
}

impl ProjectKind {
    /// Returns the word on the wire: `REGULAR` or `I2I`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProfileBased => "REGULAR",
            Self::Smart => "I2I",
        }
    }
}

impl fmt::Display for ProjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileBased => f.pad("profile-based"),
            Self::Smart => f.pad("smart"),
        }
    }
}

words! {
    /// How far a project, an edit or an export is. Only these words are published.
    ProjectStatus {
        /// Not begun.
        Pending = "Pending",
        /// Begun.
        InProgress = "In Progress",
        /// Done.
        Completed = "Completed",
        /// Given up by the service.
        Failed = "Failed",
    }
}

/// What the service says of a project: `GET /projects/{uuid}` or `GET /i2i/projects/{uuid}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProjectInfo {
    /// How far it is.
    pub status: ProjectStatus,
    /// Its id.
    #[serde(default, deserialize_with = "lenient")]
    pub project_uuid: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// When it was made, as the service writes it.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<String>,
    /// How many photos it has.
    #[serde(default, deserialize_with = "lenient")]
    pub number_of_images: Option<u64>,
    /// How far its export is. Profile-based projects have one; `None` when it was not exported.
    #[serde(default, deserialize_with = "lenient")]
    pub export_status: Option<ProjectStatus>,
    /// The editing tools that were applied.
    #[serde(default, deserialize_with = "lenient")]
    pub ai_tools: Option<Vec<String>>,
    /// The profile it was edited with.
    #[serde(default, deserialize_with = "lenient")]
    pub profile: Option<String>,
    /// The service's number for it.
    #[serde(default, deserialize_with = "lenient")]
    pub project_id: Option<u64>,
    /// The customer's reference. The vendor's Python client knows it as a number.
    #[serde(default, deserialize_with = "lenient")]
    pub customer_reference_id: Option<u64>,
}

/// A file of a project, and where it can be fetched for a while.
///
/// ```
/// let link = imagen_ai::DownloadLink::new(
///     "sky.jpg",
///     "https://s3.example/0123?X-Amz-Signature=4f1c",
/// );
/// assert_eq!(link.file_name.as_deref(), Some("sky.jpg"));
/// assert!(!format!("{link:?}").contains("4f1c"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DownloadLink {
    /// The file's name, if the service gave one.
    #[serde(default, deserialize_with = "lenient")]
    pub file_name: Option<String>,
    /// Where it can be fetched. Downloading a file whose link the service left out is
    /// [`Error::InvalidInput`](crate::Error::InvalidInput); among many files it is one that
    /// failed, with [`TransferReason::NoLink`](crate::TransferReason::NoLink).
    #[serde(default, deserialize_with = "lenient")]
    pub download_link: Option<SignedUrl>,
}

impl DownloadLink {
    /// Makes a link to download under a name of your choice.
    pub fn new(file_name: impl Into<String>, download_link: &str) -> Self {
        Self {
            file_name: Some(file_name.into()),
            download_link: Some(download_link.into()),
        }
    }
}

impl From<SignedUrl> for DownloadLink {
    fn from(url: SignedUrl) -> Self {
        Self {
            file_name: None,
            download_link: Some(url),
        }
    }
}

impl From<&SignedUrl> for DownloadLink {
    fn from(url: &SignedUrl) -> Self {
        Self::from(url.clone())
    }
}

impl From<Enhancement> for DownloadLink {
    fn from(made: Enhancement) -> Self {
        Self::from(made.enhanced_image_url)
    }
}

impl From<&Enhancement> for DownloadLink {
    fn from(made: &Enhancement) -> Self {
        Self::from(&made.enhanced_image_url)
    }
}

/// Takes a list's item as it is.
impl From<&DownloadLink> for DownloadLink {
    fn from(link: &DownloadLink) -> Self {
        link.clone()
    }
}

words! {
    /// What the service says of a Copilot edit. Only `SUCCESS` is published.
    EnhancementStatus {
        /// `SUCCESS`.
        Success = "SUCCESS",
        /// `FAILED`, `FAILURE` or `ERROR`. A version of the history may have it. An
        /// [`Enhancement`] never does: the call returns
        /// [`Error::EnhancementFailed`](crate::Error::EnhancementFailed) instead.
        Failed = "FAILED" | "FAILURE" | "ERROR",
    }
}

/// The word is empty where the service gave none.
impl Default for EnhancementStatus {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// A new version of an image: the answer to `copilot` and `enhance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Enhancement {
    /// What the service said of the edit.
    #[serde(default)]
    pub status: EnhancementStatus,
    /// The new version. `None` when the service named none; [`Enhancement::version`] is the safe
    /// way to go on.
    pub version_id: Option<VersionId>,
    /// Where the image of this version can be fetched for a while.
    pub enhanced_image_url: SignedUrl,
}

/// A preset that [`Image::enhance`](crate::Image::enhance) can apply, from
/// [`Project::presets`](crate::Project::presets).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Preset {
    /// What [`Image::enhance`](crate::Image::enhance) takes. The answer calls it
    /// `enhancement_type`.
    #[serde(rename = "enhancement_type")]
    pub tool_id: String,
    /// Its name for people.
    #[serde(default, deserialize_with = "lenient")]
    pub label: Option<String>,
    /// Whether the service's own application offers it for many images at once.
    #[serde(default, deserialize_with = "lenient")]
    pub enabled_for_batch: Option<bool>,
}
