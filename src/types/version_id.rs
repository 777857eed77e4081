//! The identifier of a version.

use std::cmp::Ordering;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Identifies one version of an image: the `version_id` of an answer, the `parent_version_id` of a
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
///
/// A clone costs nothing, and neither does hashing or comparing clones, however long the id is.
#[derive(Clone)]
pub struct VersionId {
    json: Arc<str>,
    /// The hash of `json`, under the keys of this process.
    hash: u64,
}

/// Keys that nobody outside knows, so that nobody can choose ids that share a hash.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl VersionId {
    /// Makes the id that is written so.
    pub(crate) fn of_json(json: impl Into<Arc<str>>) -> Self {
        let json = json.into();
        let hash = KEYS.hash_one(&*json);
        Self { json, hash }
    }

    /// Makes the id that is this string, whatever it looks like.
    pub(crate) fn of_string(id: &str) -> Self {
        Self::of_json(Value::from(id).to_string())
    }

    /// Returns the number, if it is an integer of 64 bits.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        let number: i128 = self.json.parse().ok()?;
        let smallest = i128::from(i64::MIN);
        let largest = i128::from(u64::MAX);
        if number < smallest || number > largest {
            return None;
        }
        Some(number)
    }

    /// Returns the length of the id, in bytes of JSON.
    pub(crate) fn len(&self) -> usize {
        self.json.len()
    }
}

impl PartialEq for VersionId {
    fn eq(&self, other: &Self) -> bool {
        if self.hash != other.hash {
            return false;
        }
        Arc::ptr_eq(&self.json, &other.json) || self.json == other.json
    }
}

impl Eq for VersionId {}

impl Hash for VersionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Prints the JSON: `123` or `"abc"`.
impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

impl Ord for VersionId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.as_integer(), other.as_integer()) {
            (Some(one), Some(other)) if one != other => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            // Two spellings of one number are two ids.
            _ => self.json.cmp(&other.json),
        }
    }
}

impl PartialOrd for VersionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::from_str::<String>(&self.json) {
            Ok(text) => f.pad(&text),
            Err(_) => f.pad(&self.json),
        }
    }
}

impl From<i32> for VersionId {
    fn from(id: i32) -> Self {
        Self::of_json(id.to_string())
    }
}

impl From<i64> for VersionId {
    fn from(id: i64) -> Self {
        Self::of_json(id.to_string())
    }
}

impl From<u32> for VersionId {
    fn from(id: u32) -> Self {
        Self::of_json(id.to_string())
    }
}

impl From<u64> for VersionId {
    fn from(id: u64) -> Self {
        Self::of_json(id.to_string())
    }
}

impl From<usize> for VersionId {
    fn from(id: usize) -> Self {
        Self::of_json(id.to_string())
    }
}

impl From<&VersionId> for VersionId {
    fn from(id: &VersionId) -> Self {
        id.clone()
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.json).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'"', _, _, ..] | [b'-' | b'0'..=b'9', ..] => Ok(Self::of_json(raw.get())),
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

    /// Counts what it is given.
    #[derive(Default)]
    struct Counting(usize);

    impl Hasher for Counting {
        fn write(&mut self, bytes: &[u8]) {
            self.0 += bytes.len();
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_long_id_takes_no_longer_to_hash() {
        let mut hasher = Counting::default();
        VersionId::of_string(&"x".repeat(1_000_000)).hash(&mut hasher);
        assert_eq!(hasher.0, 8);
    }

    #[test]
    fn equal_ids_that_came_apart_have_one_hash() {
        let one = VersionId::of_string("abc");
        let other: VersionId = "abc".parse().unwrap();
        assert_eq!(one, other);
        assert_eq!(one.hash, other.hash);
        assert_ne!(one, VersionId::of_string("abd"));
    }
}
