//! Reading JSON that need not be as promised.

use serde::Deserializer;
use serde::de::{Deserialize, DeserializeOwned, Error as _};
use serde_json::{Map, Value};

/// Parses JSON. Escapes of lone surrogates, with which Python writes names that are no UTF-8, read
/// as U+FFFD.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    match serde_json::from_str(json) {
        Ok(value) => Ok(value),
        Err(_) => serde_json::from_str(&without_lone_surrogates(json)),
    }
}

/// Replaces the escapes of surrogates that are no half of a pair by the escape of U+FFFD.
fn without_lone_surrogates(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('\\') {
        let (before, escapes) = rest.split_at(start);
        let first = escaped_unit(escapes);
        let second = escapes.get(6..).and_then(escaped_unit);
        let (escape, replacement) = match (first, second) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (start_of(escapes, 12), None),
            (Some(0xd800..=0xdfff), _) => (start_of(escapes, 6), Some("\\ufffd")),
            // An escaped backslash does not begin another escape.
            _ => (start_of(escapes, 2), None),
        };
        mended.push_str(before);
        mended.push_str(replacement.unwrap_or(escape));
        rest = escapes.get(escape.len()..).unwrap_or_default();
    }
    mended.push_str(rest);
    mended
}

/// Reads the UTF-16 unit of an escape like `\u00e9` at the start of a text.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// Returns so many bytes of a text, or all of it where it is shorter.
fn start_of(text: &str, length: usize) -> &str {
    text.get(..length).unwrap_or(text)
}

/// Reads an object. `null` is one without fields.
pub(crate) fn read<T: DeserializeOwned>(json: &Value) -> serde_json::Result<T> {
    match json {
        Value::Object(_) => T::deserialize(json),
        Value::Null => T::deserialize(Value::Object(Map::new())),
        // `Deserialize` would take a list for the fields in their order.
        _ => Err(serde_json::Error::custom("it is no object")),
    }
}

/// Reads a field that an answer can do without: it is empty if it is of another type.
///
/// Goes with `default`, since `deserialize_with` alone would make the field a required one.
pub(crate) fn lenient<'de, D, T>(field: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let json = Value::deserialize(field)?;
    Ok(serde_json::from_value(json).unwrap_or_default())
}

/// Reads a list. An item that cannot be read is `None`.
pub(crate) fn items<T: DeserializeOwned>(json: &Value) -> Option<Vec<Option<T>>> {
    let list = json.as_array()?;
    Some(list.iter().map(|item| read(item).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DownloadLink, ProjectInfo, ProjectStatus};

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
    }

    #[test]
    fn what_is_no_json_stays_so() {
        for json in [r#""\ud83""#, r#""\ud83d\x""#, r#""\é""#, r#""\"#] {
            assert!(from_json::<String>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_optional_field_of_another_type_is_empty() {
        let json = serde_json::json!({
            "status": "Completed", "name": 7, "profile": ["x"], "ai_tools": "x", "project_id": -1,
        });

        let info: ProjectInfo = read(&json).unwrap();

        assert_eq!(info.status, ProjectStatus::Completed);
        assert_eq!((info.name, info.profile), (None, None));
        assert_eq!((info.ai_tools, info.project_id), (None, None));
    }

    #[test]
    fn a_required_field_is_missed() {
        for status in [Value::Null, 5.into()] {
            let json = serde_json::json!({ "status": status });
            assert!(read::<ProjectInfo>(&json).is_err());
        }
        let error = read::<ProjectInfo>(&serde_json::json!({})).unwrap_err();
        assert!(error.to_string().contains("status"), "{error}");
    }

    #[test]
    fn null_is_an_object_without_fields_and_nothing_else_is_one() {
        let empty = DownloadLink::default();
        assert_eq!(read::<DownloadLink>(&Value::Null).unwrap(), empty);
        for json in [
            Value::from("x"),
            serde_json::json!(["a.jpg", "https://s3/a"]),
        ] {
            assert!(read::<DownloadLink>(&json).is_err(), "{json}");
        }
    }
}
