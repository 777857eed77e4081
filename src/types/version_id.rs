//! The identifier of a version.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
/// What takes a version takes whatever turns into one: an integer, a text, a `VersionId` or a reference to it.
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
        // Of the integers in JSON only `-0` is not spelt as it would be printed.
        let signed = raw.parse().ok().filter(|_| raw != "-0").map(Repr::Signed);
        let number = signed.or_else(|| raw.parse().ok().map(Repr::Unsigned));
        Self(number.unwrap_or_else(|| Repr::Number(raw.into())))
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
}
