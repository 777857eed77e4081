//! The known fields of an object, and the rest of it.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

/// An object whose known fields are taken out one by one. What is left is what this crate does not know.
///
/// By hand, since a derived `flatten` is several times the code for the same, in every build.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self)
    }
}

impl Fields {
    /// A field of little weight: what is no text counts as none, and is no reason to refuse the answer.
    #[inline]
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        self.0.remove(name)?.as_u64()
    }

    #[inline]
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.0.remove(name)?.as_bool()
    }

    /// A field without which the object says nothing.
    #[inline]
    pub(super) fn needed_text<E: Error>(&mut self, name: &'static str) -> Result<String, E> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(text),
            // Not what it is: it may hold a presigned URL.
            Some(_) => Err(E::custom(format_args!("`{name}` is no text"))),
            None => Err(E::missing_field(name)),
        }
    }
}
