//! The identifier of a version.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;

/// Identifies one version of a photo: the `version_id` of an answer, the `parent_version_id` of a
/// request.
///
/// It is opaque. The service's examples show numbers and its clients leave the type open, so it
/// holds a number or a string, and gives it back byte for byte as it came: `9007199254740993` keeps
/// its last digit. It can only be read from and written to JSON.
///
/// `FromStr` reads a number as a number, and any other text as a string, so that `"123"` names the
/// version that is printed as `123`. A string of digits alone, which the service has never been
/// seen to send, needs its quotation marks: `"\"7\""` and `"7"` are two different versions. `Debug`
/// prints the JSON, which `FromStr` reads back.
///
/// Numbers come before strings in the order of versions, the smaller number first.
///
/// ```
/// use imagen_ai::VersionId;
///
/// let id: VersionId = serde_json::from_str("9007199254740993")?;
/// assert_eq!(id, VersionId::from(9_007_199_254_740_993_u64));
/// assert_eq!(serde_json::to_string(&id)?, "9007199254740993");
///
/// let from_a_terminal: VersionId = "123".parse()?;
/// assert_eq!(from_a_terminal, VersionId::from(123));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionId(Box<str>);

impl VersionId {
    /// Makes the id that is this string, whatever it looks like.
    pub(crate) fn of_string(id: &str) -> Self {
        Self(Value::from(id).to_string().into())
    }

    /// Returns the number, if it is an integer of 64 bits.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        let number: i128 = self.0.parse().ok()?;
        (i128::from(i64::MIN)..=i128::from(u64::MAX))
            .contains(&number)
            .then_some(number)
    }
}

/// Prints the JSON: `123` or `"abc"`.
impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for VersionId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.as_integer(), other.as_integer()) {
            (Some(one), Some(other)) if one != other => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            // Two spellings of one number are two ids.
            _ => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for VersionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for VersionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("version_id", "the id is empty"));
        }
        match serde_json::from_str(text) {
            Ok(id) => Ok(id),
            Err(_) => Ok(Self::of_string(text)),
        }
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
                Self(Value::from(id).to_string().into())
            }
        }
    )*};
}
version_id_from!(i32, i64, u32, u64, usize);

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
            _ => Err(D::Error::custom(
                "a version id is a number or a string that is not empty",
            )),
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
        assert_eq!(parsed("\"a\\\"b\""), "a\"b".parse().unwrap());
        assert_eq!(parsed("\"a\\\"b\"").to_string(), "a\"b");
        assert_eq!(
            parsed("18446744073709551615").as_integer(),
            Some(i128::from(u64::MAX))
        );
        assert_eq!(parsed("18446744073709551616").as_integer(), None);
        assert_eq!(parsed("\"7\"").as_integer(), None);
    }

    #[test]
    fn a_text_is_the_id_that_is_printed_so() {
        for (text, json) in [
            ("123", "123"),
            (" 7 ", "7"),
            ("-1", "-1"),
            ("v-7", "\"v-7\""),
            ("\"7\"", "\"7\""),
            ("null", "\"null\""),
        ] {
            let id: VersionId = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&id).unwrap(), json);
            assert_eq!(format!("{id:?}"), json);
            assert_eq!(format!("{id:?}").parse::<VersionId>().unwrap(), id);
        }
        assert!(" ".parse::<VersionId>().is_err());
    }

    #[test]
    fn numbers_are_in_their_order_and_before_strings() {
        let mut ids: Vec<VersionId> = ["b", "10", "9", "a", "-1"]
            .map(|text| text.parse().unwrap())
            .into();
        ids.sort();
        assert_eq!(format!("{ids:?}"), r#"[-1, 9, 10, "a", "b"]"#);
    }
}
