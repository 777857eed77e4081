//! The plain structs and enums of the wire. Unknown fields are ignored.

mod signed_url;
mod version_id;

use std::str::FromStr;
use std::{fmt, iter};

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

pub use self::signed_url::SignedUrl;
pub use self::version_id::VersionId;

/// Defines an enum of the words that a field of the wire can hold.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
            /// Any other word, as it came.
            #[serde(untagged)]
            Other(String),
        }

        impl $name {
            /// Returns the word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                $(if [$word $(, $alias)*].iter().any(|known| crate::types::same_word(known, &word)) {
                    return Self::$variant;
                })+
                Self::Other(word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// Whether two words of the wire are the same: case, spaces and punctuation do not count.
pub(crate) fn same_word(one: &str, other: &str) -> bool {
    let letters = |c: &char| c.is_alphanumeric();
    let [one, other] =
        [one, other].map(|word| word.chars().filter(letters).map(|c| c.to_ascii_lowercase()));
    one.eq(other)
}

/// Parses JSON. Escapes of lone surrogates, with which Python writes names that are no UTF-8, read
/// as U+FFFD.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json).or_else(|_| serde_json::from_str(&without_lone_surrogates(json)))
}

/// Replaces the escapes of lone surrogates.
fn without_lone_surrogates(json: &str) -> String {
    let unit = |text: &str, at| {
        u16::from_str_radix(text.get(at..)?.strip_prefix("\\u")?.get(..4)?, 16).ok()
    };
    let (mut mended, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        let (length, is_lone) = match (unit(escape, 0), unit(escape, 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, false),
            (Some(0xd800..=0xdfff), _) => (6, true),
            _ => (2, false),
        };
        let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.extend([before, if is_lone { "\\ufffd" } else { escape }]);
        rest = after;
    }
    mended + rest
}

/// Reads an object; `null` is one without fields. Fields that make it unreadable are left out, as
/// long as it can be read without them.
pub(crate) fn read<T: DeserializeOwned>(json: &Value) -> serde_json::Result<T> {
    let mut fields: Vec<_> = match json {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect(),
        Value::Null => Vec::new(),
        _ => return Err(serde_json::Error::custom("it is no object")),
    };
    loop {
        // The field that was read last. It is `None` once all were read: an error then is a field
        // that is missing.
        let (mut rest, mut last) = (fields.iter(), None);
        let next = iter::from_fn(|| {
            last = rest.next().copied();
            last
        });
        match (T::deserialize(MapDeserializer::new(next)), last) {
            (Err(_), Some((bad, _))) => fields.retain(|(name, _)| *name != bad),
            (result, _) => return result,
        }
    }
}

/// Reads a list that comes bare, or as the field `name` of an object. An item that cannot be read
/// is `None`.
pub(crate) fn items<T: DeserializeOwned>(json: &Value, name: &str) -> Option<Vec<Option<T>>> {
    let items = json.get(name).unwrap_or(json).as_array()?;
    Some(items.iter().map(|item| read(item).ok()).collect())
}

/// The extensions of the photos that the service takes: of JPEG files, and of RAW files.
pub(crate) const PHOTO: &str =
    "jpg jpeg dng nef cr2 arw nrw crw srf sr2 orf raw rw2 raf ptx pef rwl srw cr3 3fr fff";

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

impl FromStr for ProjectKind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word.to_ascii_lowercase().as_str() {
            "profile-based" | "regular" => Ok(Self::ProfileBased),
            "smart" | "i2i" => Ok(Self::Smart),
            _ => Err(Error::invalid(
                "kind",
                format!("{word:?}: must be profile-based or smart"),
            )),
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
    pub project_uuid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// When it was made, as the service writes it.
    pub created_at: Option<String>,
    /// How many photos it has.
    pub number_of_images: Option<u64>,
    /// How far its export is. Profile-based projects have one; `None` when it was not exported.
    pub export_status: Option<ProjectStatus>,
    /// The editing tools that were applied.
    pub ai_tools: Option<Vec<String>>,
    /// The profile it was edited with.
    pub profile: Option<String>,
    /// The service's number for it.
    pub project_id: Option<u64>,
    /// The customer's reference. The vendor's Python client knows it as a number.
    pub customer_reference_id: Option<u64>,
    /// A small picture of it.
    pub thumbnail_src: Option<SignedUrl>,
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
    pub file_name: Option<String>,
    /// Where it can be fetched. Downloading a file whose link the service left out is
    /// [`Error::InvalidInput`](crate::Error::InvalidInput); among many files it is one that
    /// failed, with [`TransferReason::NoLink`](crate::TransferReason::NoLink).
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

/// Makes `From` for a type of which a reference is enough.
macro_rules! link_from {
    ($from:ty, $value:ident => $link:expr) => {
        impl From<&$from> for DownloadLink {
            fn from($value: &$from) -> Self {
                Self {
                    file_name: None,
                    download_link: $link,
                }
            }
        }
        impl From<$from> for DownloadLink {
            fn from(value: $from) -> Self {
                Self::from(&value)
            }
        }
    };
}
pub(crate) use link_from;
link_from!(Enhancement, edit => Some(edit.enhanced_image_url.clone()));

impl From<&DownloadLink> for DownloadLink {
    fn from(link: &DownloadLink) -> Self {
        link.clone()
    }
}

link_from!(SignedUrl, url => Some(url.clone()));

/// A prompt for one photo, for [`Image::copilot`](crate::Image::copilot). A `&str` or `String` is
/// one without a parent.
///
/// ```
/// use imagen_ai::{CopilotRequest, VersionId};
///
/// let request = CopilotRequest::new("brighten the interior").parent(123);
/// assert_eq!(request.parent_version_id, Some(VersionId::from(123)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CopilotRequest {
    /// What to do, in plain words: 1 to 255 Unicode code points, not only white space.
    pub instruction: String,
    /// The version to build on. `None` starts from the unedited photo, and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

/// A preset for one photo, for [`Image::enhance`](crate::Image::enhance). A `&str`, a `String` or a
/// [`Preset`] is one without a parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnhanceRequest {
    /// The preset: a [`Preset::tool_id`], not empty.
    pub tool_id: String,
    /// The version to build on. `None` starts from the unedited photo, and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

impl CopilotRequest {
    /// Makes a prompt on the unedited image.
    pub fn new(instruction: impl Into<String>) -> Self {
        Self {
            instruction: instruction.into(),
            parent_version_id: None,
        }
    }

    /// Builds on this version instead. The service overwrites the branch that is not kept.
    #[must_use]
    pub fn parent(mut self, version: impl Into<VersionId>) -> Self {
        self.parent_version_id = Some(version.into());
        self
    }
}

impl From<String> for CopilotRequest {
    fn from(instruction: String) -> Self {
        Self::new(instruction)
    }
}

impl From<&String> for CopilotRequest {
    fn from(instruction: &String) -> Self {
        Self::new(instruction)
    }
}

impl From<&str> for CopilotRequest {
    fn from(instruction: &str) -> Self {
        Self::new(instruction)
    }
}

impl EnhanceRequest {
    /// Makes a preset on the unedited image.
    pub fn new(tool_id: impl Into<String>) -> Self {
        Self {
            tool_id: tool_id.into(),
            parent_version_id: None,
        }
    }

    /// Builds on this version instead. The service overwrites the branch that is not kept.
    #[must_use]
    pub fn parent(mut self, version: impl Into<VersionId>) -> Self {
        self.parent_version_id = Some(version.into());
        self
    }
}

impl From<String> for EnhanceRequest {
    fn from(tool_id: String) -> Self {
        Self::new(tool_id)
    }
}

impl From<&String> for EnhanceRequest {
    fn from(tool_id: &String) -> Self {
        Self::new(tool_id)
    }
}

impl From<&str> for EnhanceRequest {
    fn from(tool_id: &str) -> Self {
        Self::new(tool_id)
    }
}

impl From<Preset> for EnhanceRequest {
    fn from(preset: Preset) -> Self {
        Self::new(preset.tool_id)
    }
}

impl From<&Preset> for EnhanceRequest {
    fn from(preset: &Preset) -> Self {
        Self::new(&preset.tool_id)
    }
}

/// What to do to a photo: words or a preset, for [`Chain::apply`](crate::Chain::apply).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CopilotEdit {
    /// The instruction of a [`CopilotRequest`].
    #[serde(rename = "instruction")]
    Instruction(String),
    /// The `tool_id` of an [`EnhanceRequest`].
    #[serde(rename = "tool_id")]
    Preset(String),
}

words! {
    /// What the service says of an edit. Only `SUCCESS` is published.
    EnhancementStatus {
        /// `SUCCESS`.
        Success = "SUCCESS",
        /// `FAILED`, `FAILURE` or `ERROR`. An [`Enhancement`] never has it, since
        /// [`Error::EnhancementFailed`](crate::Error::EnhancementFailed) is returned instead. A version of the history may.
        Failed = "FAILED" | "FAILURE" | "ERROR",
    }
}

/// The word is empty where the service gave none.
impl Default for EnhancementStatus {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// A new version of a photo: the answer to `copilot` and `enhance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Enhancement {
    /// What the service said of the edit.
    #[serde(default)]
    pub status: EnhancementStatus,
    /// The new version. `None` when the service named none; [`Enhancement::version`] is the safe
    /// way to go on.
    pub version_id: Option<VersionId>,
    /// Where the picture can be fetched for a while.
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
    pub label: Option<String>,
    /// Whether the service's own application offers it for many images at once.
    pub enabled_for_batch: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_costs_one_character() {
        for (json, text) in [
            (
                r#""caf\udce9 \ud83d\ude00 \u00e9 \\udce9""#,
                "caf\u{fffd} 😀 é \\udce9",
            ),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(from_json::<String>(json).unwrap(), text);
        }
        assert!(from_json::<String>(r#""\ud83"#).is_err());
        assert!(from_json::<String>(r#""\ud83d\x""#).is_err());
    }

    #[test]
    fn what_is_of_another_type_is_absent_and_what_is_needed_is_missed() {
        let mut json = serde_json::json!({"status": "Completed", "name": 7, "profile": ["x"], "ai_tools": "x"});
        let info: ProjectInfo = read(&json).unwrap();
        assert_eq!(
            (info.status, info.name, info.profile, info.ai_tools),
            (ProjectStatus::Completed, None, None, None)
        );
        json["status"] = 5.into();
        // Fields that no one knows do not make it slow.
        (0..100_000).for_each(|number| json[number.to_string()] = number.into());
        assert!(
            read::<ProjectInfo>(&json)
                .unwrap_err()
                .to_string()
                .contains("status")
        );
        assert_eq!(
            read::<DownloadLink>(&Value::Null).unwrap(),
            DownloadLink::default()
        );
        assert!(read::<DownloadLink>(&"x".into()).is_err());
    }

    #[test]
    fn words_are_compared_without_case_and_spaces() {
        for word in ["In Progress", "IN_PROGRESS", "inprogress"] {
            assert_eq!(
                ProjectStatus::from(word.to_owned()),
                ProjectStatus::InProgress
            );
        }
        let other: ProjectStatus = serde_json::from_str("\"Archived\"").unwrap();
        assert_eq!(
            (
                other.as_str(),
                serde_json::to_string(&other).unwrap().as_str()
            ),
            ("Archived", "\"Archived\"")
        );
    }
}
