//! The presets, and the answer that they come in.

use std::fmt;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::redact::RedactedMap;

/// A preset that [`Image::enhance`](crate::Image::enhance) can apply.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AiTool {
    /// The `tool_id` for [`Image::enhance`](crate::Image::enhance).
    pub enhancement_type: String,
    /// Its name for people.
    pub label: Option<String>,
    /// Whether the service's own application offers it for many photos at once.
    pub enabled_for_batch: Option<bool>,
    /// Fields that this crate does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl AiTool {
    #[inline]
    fn of<E: Error>(mut fields: Fields) -> Result<Self, E> {
        Ok(Self {
            enhancement_type: fields.needed_text("enhancement_type")?,
            label: fields.text("label"),
            enabled_for_batch: fields.flag("enabled_for_batch"),
            extra: fields.0,
        })
    }
}

impl<'de> Deserialize<'de> for AiTool {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Fields::deserialize(deserializer)?)
    }
}

impl fmt::Debug for AiTool {
    #[inline]
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
///
/// Vendor's page, Copilot API, "Check version history". It does not show the presets; the vendor's clients do.
#[derive(Clone)]
#[non_exhaustive]
pub struct AiTools {
    /// The presets (`prompts`); empty when the answer brought none.
    pub prompts: Vec<AiTool>,
    raw: Box<RawValue>,
}

impl AiTools {
    /// The whole answer, untouched, as JSON text.
    #[inline]
    pub fn raw(&self) -> &str {
        self.raw.get()
    }
}

impl fmt::Debug for AiTools {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiTools")
            .field("prompts", &self.prompts)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for AiTools {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, default)]
            prompts: Option<&'a RawValue>,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // Presets of an unknown shape are no reason to lose the rest: they stay in `raw`.
        let answer: Option<Answer<'_>> = serde_json::from_str(raw.get()).ok();
        let list: Option<Vec<Value>> = answer.and_then(|answer| serde_json::from_str(answer.prompts?.get()).ok());
        let mut prompts = Vec::new();
        for item in list.unwrap_or_default() {
            if let Value::Object(item) = item {
                prompts.extend(AiTool::of::<D::Error>(Fields(item)).ok());
            }
        }
        Ok(Self { prompts, raw })
    }
}
