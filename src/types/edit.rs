//! What an edit asks for and what it brings.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::redact::{RedactedMap, RedactedUrl};
use super::tools::AiTool;
use super::version_id::VersionId;
use crate::error::{Error, Result};

/// A prompt for one photo: `POST …/copilot`. Vendor's page, Copilot API, "Send a prompt" and "Chain edits".
///
/// `copilot("text")` makes one; this type adds a parent. A `String` or a reference does too, so that one prompt can be
/// sent for many photos.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// # let others = [photo.clone()];
/// use imagen_ai::{CopilotRequest, VersionId};
///
/// let request = CopilotRequest::new("brighten the interior").parent(123);
/// assert_eq!(request.instruction, "brighten the interior");
/// assert_eq!(request.parent_version_id, Some(VersionId::from(123)));
/// photo.copilot(&request)?;
///
/// let prompt = String::from("make the sky more blue");
/// for photo in &others {
///     photo.copilot(&prompt)?;
/// }
/// # Ok::<(), imagen_ai::Error>(())
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

/// A preset for one photo: `POST …/enhance`. Vendor's page, Copilot API, "Preset enhancement".
///
/// `enhance("virtual_staging")` makes one, and so does `enhance(&tool)` of an [`AiTool`].
///
/// ```
/// use imagen_ai::EnhanceRequest;
///
/// let request = EnhanceRequest::new("virtual_staging").parent(124);
/// assert_eq!(request.tool_id, "virtual_staging");
/// assert_eq!(request.parent_version_id, Some(124.into()));
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
    #[inline]
    fn from(tool: &AiTool) -> Self {
        Self::new(tool.enhancement_type.as_str())
    }
}

/// What the service says of an edit. Only `SUCCESS` is published.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// use imagen_ai::EnhancementStatus;
///
/// for version in photo.history()?.versions() {
///     match &version.status {
///         Some(EnhancementStatus::Success) => println!("{}: ready", version.id),
///         Some(EnhancementStatus::Failed) => println!("{}: not to be built on", version.id),
///         Some(EnhancementStatus::Other(word)) => println!("{}: {word}", version.id),
///         _ => println!("{}: the service does not say", version.id),
///     }
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
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

impl EnhancementStatus {
    pub(crate) fn of(word: &str) -> Self {
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
            Value::String(word) => Self::of(&word),
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

#[cfg(test)]
mod tests {
    use super::*;

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
