//! What `copilot` and `enhance` are asked for.

use serde::{Deserialize, Serialize};

use super::{Preset, VersionId};

/// A prompt for one image, for [`Image::copilot`](crate::Image::copilot). A `&str` or `String` is
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
    /// The version to build on. `None` starts from the unedited image, and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

impl CopilotRequest {
    /// Makes a prompt that starts from the unedited image.
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

impl<T: Into<String>> From<T> for CopilotRequest {
    fn from(instruction: T) -> Self {
        Self::new(instruction)
    }
}

impl From<&Self> for CopilotRequest {
    fn from(request: &Self) -> Self {
        request.clone()
    }
}

/// A preset for one image, for [`Image::enhance`](crate::Image::enhance). A `&str`, a `String` or a
/// [`Preset`] is one without a parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnhanceRequest {
    /// The preset: a [`Preset::tool_id`], not empty.
    pub tool_id: String,
    /// The version to build on. `None` starts from the unedited image, and is sent as `null`.
    pub parent_version_id: Option<VersionId>,
}

impl EnhanceRequest {
    /// Makes a request for a preset that starts from the unedited image.
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

impl<T: Into<String>> From<T> for EnhanceRequest {
    fn from(tool_id: T) -> Self {
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

impl From<&Self> for EnhanceRequest {
    fn from(request: &Self) -> Self {
        request.clone()
    }
}

/// What to do to an image: a prompt or a preset, for [`Chain::apply`](crate::Chain::apply).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CopilotEdit {
    /// The instruction of a [`CopilotRequest`].
    #[serde(rename = "instruction")]
    Instruction(String),
    /// The `tool_id` of an [`EnhanceRequest`].
    #[serde(rename = "tool_id")]
    Preset(String),
}

/// An instruction.
impl<T: Into<String>> From<T> for CopilotEdit {
    fn from(instruction: T) -> Self {
        Self::Instruction(instruction.into())
    }
}

impl From<Preset> for CopilotEdit {
    fn from(preset: Preset) -> Self {
        Self::Preset(preset.tool_id)
    }
}

impl From<&Preset> for CopilotEdit {
    fn from(preset: &Preset) -> Self {
        Self::Preset(preset.tool_id.clone())
    }
}

impl From<&Self> for CopilotEdit {
    fn from(edit: &Self) -> Self {
        edit.clone()
    }
}
