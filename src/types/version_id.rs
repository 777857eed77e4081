//! The identifier of a version.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Identifies one version of a photo: the `version_id` of an answer, the `parent_version_id` of a request.
///
/// It is opaque. The service's examples show numbers and its clients leave the type open, so it holds a number or a
/// string, and gives it back byte for byte as it came: `9007199254740993` keeps its last digit, and `"7"` and `7` are two
/// different versions. It can only be read from and written to JSON.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionId(Box<str>);

impl VersionId {
    /// Returns the number, if it is an integer of 64 bits.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        let number: i128 = self.0.parse().ok()?;
        (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::from_str::<String>(&self.0);
        f.pad(text.as_deref().unwrap_or(&self.0))
    }
}

macro_rules! version_id_from {
    ($($type:ty),*) => {$(
        impl From<$type> for VersionId {
            fn from(id: $type) -> Self {
                Self(serde_json::Value::from(id).to_string().into())
            }
        }
    )*};
}
version_id_from!(i32, i64, u32, u64, usize, &str, String);

impl From<&VersionId> for VersionId {
    fn from(id: &VersionId) -> Self {
        id.clone()
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'"', _, _, ..] | [b'-' | b'0'..=b'9', ..] => Ok(Self(Box::<str>::from(raw))),
            _ => Err(D::Error::custom("a version id is a number or a string that is not empty")),
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
            "9007199254740993",
            "18446744073709551615",
            "123456789012345678901234567890",
            "1e3",
            "1.50",
            "\"abc\"",
            "\"123\"",
            r#""a\u0062\/c""#,
        ] {
            let id: VersionId = serde_json::from_str(raw).unwrap();
            assert_eq!(serde_json::to_string(&id).unwrap(), raw);
        }
        for raw in ["null", "true", "{}", "[1]", "\"\""] {
            assert!(serde_json::from_str::<VersionId>(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn an_id_made_by_the_caller_equals_the_one_that_came() {
        let parsed = |json| serde_json::from_str::<VersionId>(json).unwrap();
        assert_eq!(parsed("42"), VersionId::from(42));
        assert_eq!(parsed("\"a\\\"b\""), VersionId::from("a\"b"));
        assert_eq!(VersionId::from("a\"b").to_string(), "a\"b");
        assert_eq!(parsed("18446744073709551615").as_integer(), Some(i128::from(u64::MAX)));
        assert_eq!(parsed("18446744073709551616").as_integer(), None);
        assert_eq!(parsed("\"7\"").as_integer(), None);
    }
}
