//! The plain structs and enums of the wire.
//!
//! Field names are the service's own. Structs that the service may extend are `#[non_exhaustive]` and keep the
//! fields they do not know in `extra`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

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
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "REGULAR",
            Self::I2i => "I2I",
        }
    }
}

impl fmt::Display for ProjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identifier of one version of a photo: the `version_id` of an answer, the `parent_version_id` of a request.
///
/// It is opaque. The service's examples show numbers, its clients leave the type open, so this holds a number of any
/// size or a string and gives it back exactly as it came: `9007199254740993` does not lose its last digit, and `"7"`
/// and `7` are two different versions.
///
/// ```
/// use imagen_ai::VersionId;
///
/// let id: VersionId = serde_json::from_str("9007199254740993")?;
/// assert_eq!(id, VersionId::from(9_007_199_254_740_993_u64));
/// assert_eq!(serde_json::to_string(&id)?, "9007199254740993");
/// assert_ne!(VersionId::from("7"), VersionId::from(7));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// It is read from and written to JSON; other serde formats can only write it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Signed(i64),
    /// Only above `i64::MAX`, so that equal numbers have one representation.
    Unsigned(u64),
    /// Any other JSON number, as the server spelt it.
    Number(Box<str>),
    Text(Box<str>),
}

impl VersionId {
    /// Reads what stands at a `version_id`: a number, or a string that is not empty. Anything else names no version.
    pub(crate) fn from_json(raw: &str) -> Option<Self> {
        match raw.bytes().next()? {
            b'"' => {
                let text: String = serde_json::from_str(raw).ok()?;
                (!text.is_empty()).then(|| Self::from(text))
            }
            b'-' | b'0'..=b'9' => Some(Self::from_number(raw)),
            _ => None,
        }
    }

    /// Whether it is a number that versions can be counted by.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.0, Repr::Signed(_) | Repr::Unsigned(_))
    }

    fn from_number(raw: &str) -> Self {
        // Not every number that parses is spelt as it would be printed: `-0` must stay `-0`.
        if let Some(n) = raw.parse::<i64>().ok().filter(|n| n.to_string() == raw) {
            return Self(Repr::Signed(n));
        }
        match raw.parse::<u64>().ok().filter(|n| n.to_string() == raw) {
            Some(n) => Self(Repr::Unsigned(n)),
            None => Self(Repr::Number(raw.into())),
        }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Signed(n) => fmt::Display::fmt(n, f),
            Repr::Unsigned(n) => fmt::Display::fmt(n, f),
            Repr::Number(s) | Repr::Text(s) => f.pad(s),
        }
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Text(s) => write!(f, "VersionId({s:?})"),
            _ => write!(f, "VersionId({self})"),
        }
    }
}

macro_rules! version_id_from {
    ($($int:ty),*) => {$(
        impl From<$int> for VersionId {
            fn from(n: $int) -> Self {
                Self(Repr::Signed(n.into()))
            }
        }
    )*};
}
version_id_from!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for VersionId {
    fn from(n: u64) -> Self {
        Self(match i64::try_from(n) {
            Ok(n) => Repr::Signed(n),
            Err(_) => Repr::Unsigned(n),
        })
    }
}

impl From<usize> for VersionId {
    fn from(n: usize) -> Self {
        Self::from(n as u64)
    }
}

impl From<&str> for VersionId {
    fn from(text: &str) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<String> for VersionId {
    fn from(text: String) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<&VersionId> for VersionId {
    fn from(id: &VersionId) -> Self {
        id.clone()
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Signed(n) => serializer.serialize_i64(*n),
            Repr::Unsigned(n) => serializer.serialize_u64(*n),
            Repr::Text(s) => serializer.serialize_str(s),
            Repr::Number(s) => serde_json::from_str::<&RawValue>(s)
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(raw.get())
            .ok_or_else(|| D::Error::custom("a version id is a number or a string that is not empty"))
    }
}

/// A prompt for one photo: `POST …/copilot`.
///
/// `copilot("text")` makes one; this type adds a parent.
///
/// ```
/// use imagen_ai::{CopilotRequest, VersionId};
///
/// let request = CopilotRequest::new("brighten the interior").parent(123);
/// assert_eq!(request.parent_version_id, Some(VersionId::from(123)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopilotRequest {
    /// What to do, in plain words: 1 to 255 Unicode code points, not only white space.
    pub instruction: String,
    /// The version to build on; `None` starts from the unedited photo and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

impl CopilotRequest {
    /// A prompt on the unedited photo.
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

/// A preset for one photo: `POST …/enhance`.
///
/// `enhance("virtual_staging")` makes one, and so does `enhance(&tool)` of an [`AiTool`].
///
/// ```
/// use imagen_ai::EnhanceRequest;
///
/// let request = EnhanceRequest::new("virtual_staging").parent(124);
/// assert_eq!(request.tool_id, "virtual_staging");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnhanceRequest {
    /// The preset: an [`AiTool::enhancement_type`], not empty.
    pub tool_id: String,
    /// The version to build on; `None` starts from the unedited photo and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

impl EnhanceRequest {
    /// A preset on the unedited photo.
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

macro_rules! request_from {
    ($request:ty) => {
        impl From<&str> for $request {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
        impl From<String> for $request {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }
        impl From<&String> for $request {
            fn from(text: &String) -> Self {
                Self::new(text.as_str())
            }
        }
        impl From<&$request> for $request {
            fn from(request: &$request) -> Self {
                request.clone()
            }
        }
    };
}
request_from!(CopilotRequest);
request_from!(EnhanceRequest);

impl From<&AiTool> for EnhanceRequest {
    fn from(tool: &AiTool) -> Self {
        Self::new(tool.enhancement_type.as_str())
    }
}

/// What the service says of an edit. Only `SUCCESS` is published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnhancementStatus {
    /// `SUCCESS`.
    Success,
    /// `FAILED`, `FAILURE` or `ERROR`. An [`Enhancement`] never has it, since
    /// [`Error::EnhancementFailed`] is returned instead; a version of the history may.
    Failed,
    /// Any other word, as it came; empty when there was none.
    Other(String),
}

impl From<&str> for EnhancementStatus {
    fn from(word: &str) -> Self {
        let is = |known: &str| word.trim().eq_ignore_ascii_case(known);
        if is("SUCCESS") {
            Self::Success
        } else if is("FAILED") || is("FAILURE") || is("ERROR") {
            Self::Failed
        } else {
            Self::Other(word.to_owned())
        }
    }
}

impl fmt::Display for EnhancementStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Other(word) => word,
        })
    }
}

impl Serialize for EnhancementStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnhancementStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::Other(String::new()),
            Value::String(word) => Self::from(word.as_str()),
            other => Self::Other(other.to_string()),
        })
    }
}

/// A new version of a photo: the answer to `copilot` and `enhance`.
///
/// Vendor's page, Copilot API, "Send a prompt": `status`, `version_id`, `enhanced_image_url`.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Enhancement {
    /// What the service said of the edit.
    pub status: EnhancementStatus,
    /// The new version; `None` when the service named none. [`Enhancement::version`] is the safe way to go on.
    pub version_id: Option<VersionId>,
    /// Where the picture can be fetched for a while: a presigned URL, never empty. Whoever has it can read the
    /// picture, so keep its query out of logs; `Debug` of this struct does.
    pub enhanced_image_url: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Enhancement {
    /// The version to build the next edit on.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named no version: going on with "no parent" would silently start over
    /// from the unedited photo.
    pub fn version(&self) -> Result<&VersionId> {
        self.version_id.as_ref().ok_or_else(|| {
            Error::invalid(
                "version_id",
                "the service named no version for this edit, and building on \"no version\" would start over from \
                 the unedited photo; find it with Image::history()",
            )
        })
    }
}

impl fmt::Debug for Enhancement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enhancement")
            .field("status", &self.status)
            .field("version_id", &self.version_id)
            .field("enhanced_image_url", &RedactedUrl(&self.enhanced_image_url))
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// The answer to an edit as it comes, before it is known to be a success.
pub(crate) struct EnhancementAnswer<'a> {
    status: EnhancementStatus,
    version_id: Option<&'a RawValue>,
    enhanced_image_url: Value,
    extra: Map<String, Value>,
}

/// By hand, since a derived one with a flattened map would read every answer twice.
impl<'de> Deserialize<'de> for EnhancementAnswer<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = EnhancementAnswer<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut answer = EnhancementAnswer {
                    status: EnhancementStatus::Other(String::new()),
                    version_id: None,
                    enhanced_image_url: Value::Null,
                    extra: Map::new(),
                };
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match &*key {
                        "status" => {
                            let raw: &RawValue = map.next_value()?;
                            answer.status = match raw.get() {
                                "\"SUCCESS\"" => EnhancementStatus::Success,
                                other => serde_json::from_str(other).map_err(A::Error::custom)?,
                            };
                        }
                        "version_id" => answer.version_id = Some(map.next_value()?),
                        "enhanced_image_url" => answer.enhanced_image_url = map.next_value()?,
                        _ => {
                            answer.extra.insert(key.into_owned(), map.next_value()?);
                        }
                    }
                }
                Ok(answer)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// An answer that says that the edit failed, or brings no picture.
pub(crate) struct FailedAnswer {
    pub(crate) status: EnhancementStatus,
    pub(crate) version_id: Option<VersionId>,
}

impl EnhancementAnswer<'_> {
    pub(crate) fn into_success(mut self) -> Result<Enhancement, FailedAnswer> {
        let version_id = self.version_id.and_then(|raw| VersionId::from_json(raw.get()));
        let url = match self.enhanced_image_url {
            Value::String(url) if !url.trim().is_empty() && self.status != EnhancementStatus::Failed => url,
            _ => {
                return Err(FailedAnswer {
                    status: self.status,
                    version_id,
                });
            }
        };
        if let (None, Some(raw)) = (&version_id, self.version_id) {
            // Neither a number nor a string: no version, but nothing that came is thrown away.
            let value = serde_json::from_str(raw.get()).unwrap_or_default();
            self.extra.insert("version_id".to_owned(), value);
        }
        Ok(Enhancement {
            status: self.status,
            version_id,
            enhanced_image_url: url,
            extra: self.extra,
        })
    }
}

/// A preset that [`Image::enhance`](crate::Image::enhance) can apply.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AiTool {
    /// The `tool_id` for [`Image::enhance`](crate::Image::enhance).
    pub enhancement_type: String,
    /// Its name for people.
    #[serde(default, deserialize_with = "lenient")]
    pub label: Option<String>,
    /// Whether the service's own application offers it for many photos at once.
    #[serde(default, deserialize_with = "lenient")]
    pub enabled_for_batch: Option<bool>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for AiTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiTool")
            .field("enhancement_type", &self.enhancement_type)
            .field("label", &self.label)
            .field("enabled_for_batch", &self.enabled_for_batch)
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// The answer of `GET …/ai-tools`: the presets, typed, and everything else as it came.
///
/// The version history that the same answer may carry is read by [`Project::history`](crate::Project::history).
#[derive(Clone)]
#[non_exhaustive]
pub struct AiTools {
    /// The presets (`prompts`); empty when the answer brought none.
    pub prompts: Vec<AiTool>,
    raw: Box<RawValue>,
}

impl AiTools {
    /// The whole answer, untouched, as JSON text.
    pub fn raw(&self) -> &str {
        self.raw.get()
    }
}

impl fmt::Debug for AiTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiTools")
            .field("prompts", &self.prompts)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for AiTools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, default)]
            prompts: Option<&'a RawValue>,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // Presets of an unknown shape are no reason to lose the rest: they stay in `raw`.
        let prompts = serde_json::from_str::<Answer<'_>>(raw.get())
            .ok()
            .and_then(|answer| serde_json::from_str::<Vec<Value>>(answer.prompts?.get()).ok())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|prompt| serde_json::from_value(prompt).ok())
            .collect();
        Ok(Self { prompts, raw })
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

impl From<&str> for ProjectStatus {
    fn from(word: &str) -> Self {
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
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProjectStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// What the service says of a project: `GET /projects/{uuid}`, `GET /i2i/projects/{uuid}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
    /// How far its export is (profile-based projects); `None` when it was not exported.
    #[serde(default, deserialize_with = "lenient")]
    pub export_status: Option<String>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for ProjectInfo {
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DownloadLink {
    /// The file's name, if the service gave one.
    #[serde(default, deserialize_with = "lenient")]
    pub file_name: Option<String>,
    /// The presigned URL. Whoever has it can read the file, so keep its query out of logs; `Debug` does.
    pub download_link: String,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl DownloadLink {
    /// A link to download under a name of your choice.
    pub fn new(file_name: impl Into<String>, download_link: impl Into<String>) -> Self {
        Self {
            file_name: Some(file_name.into()),
            download_link: download_link.into(),
            extra: Map::new(),
        }
    }
}

impl fmt::Debug for DownloadLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadLink")
            .field("file_name", &self.file_name)
            .field("download_link", &RedactedUrl(&self.download_link))
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// The finished files of a project: the answer to `finalize`, and of the download endpoints.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finalized {
    /// The files, in the service's order.
    #[serde(rename = "files_list", default, deserialize_with = "null_is_empty")]
    pub files: Vec<DownloadLink>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for Finalized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finalized")
            .field("files", &self.files)
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// A field of little weight whose type is not what was promised is `None`, not a reason to refuse the answer.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A list that is `null` has nothing in it.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Prints a URL without its query, which in a presigned one is the right to read the file.
pub(crate) struct RedactedUrl<'a>(pub(crate) &'a str);

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once(['?', '#']) {
            Some((before, _)) => write!(f, "\"{}?[redacted]\"", before.escape_debug()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Prints unknown fields, in which a presigned URL may stand anywhere, without the queries of URLs.
pub(crate) struct RedactedMap<'a>(pub(crate) &'a Map<String, Value>);

impl fmt::Debug for RedactedMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(key, value)| (key, RedactedValue(value))))
            .finish()
    }
}

struct RedactedValue<'a>(&'a Value);

impl fmt::Debug for RedactedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if text.contains("://") => RedactedUrl(text).fmt(f),
            Value::Array(items) => f.debug_list().entries(items.iter().map(RedactedValue)).finish(),
            Value::Object(map) => RedactedMap(map).fmt(f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_come_back_byte_for_byte() {
        for raw in [
            "0",
            "-1",
            "-0",
            "123",
            "9007199254740993",
            "9223372036854775807",
            "18446744073709551615",
            "-9223372036854775808",
            "123456789012345678901234567890",
            "1e3",
            "1.50",
            "\"abc\"",
            "\"123\"",
        ] {
            let id: VersionId = serde_json::from_str(raw).unwrap();
            assert_eq!(serde_json::to_string(&id).unwrap(), raw);
            let again: VersionId = serde_json::from_str(&serde_json::to_string(&id).unwrap()).unwrap();
            assert_eq!(again, id);
        }
        for raw in ["null", "true", "{}", "[1]", "\"\""] {
            assert!(serde_json::from_str::<VersionId>(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn equal_numbers_are_equal_ids_however_they_were_made() {
        let parsed: VersionId = serde_json::from_str("42").unwrap();
        assert_eq!(parsed, VersionId::from(42_u64));
        assert_eq!(parsed, VersionId::from(42_i32));
        assert_eq!(
            serde_json::from_str::<VersionId>("18446744073709551615").unwrap(),
            VersionId::from(u64::MAX)
        );
    }

    #[test]
    fn debug_shows_no_presigned_query_however_deep() {
        let answer: EnhancementAnswer<'_> = serde_json::from_str(
            r#"{"status":"SUCCESS","version_id":1,"enhanced_image_url":"https://s3/x.jpg?X-Amz-Signature=SECRET",
                "more":{"thumbs":["https://s3/t.jpg?sig=SECRET"]}}"#,
        )
        .unwrap();
        let text = format!("{:?}", answer.into_success().ok().unwrap());
        assert!(!text.contains("SECRET"), "{text}");
        assert!(text.contains("https://s3/x.jpg?[redacted]") && text.contains("https://s3/t.jpg?[redacted]"));
    }
}
