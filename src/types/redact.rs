//! `Debug` without the queries of presigned URLs.

use std::fmt;

use serde_json::{Map, Value};

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
