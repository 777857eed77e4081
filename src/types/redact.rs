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

/// Whether a text may be a URL with a query, be it relative, or hold one.
fn may_hold_query(text: &str) -> bool {
    let parts = text.split_once(['?', '#']);
    text.contains("://") || parts.is_some_and(|(before, query)| before.contains('/') || query.contains('='))
}

struct RedactedValue<'a>(&'a Value);

impl fmt::Debug for RedactedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if may_hold_query(text) => RedactedUrl(text).fmt(f),
            Value::Array(items) => f.debug_list().entries(items.iter().map(RedactedValue)).finish(),
            Value::Object(map) => RedactedMap(map).fmt(f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_is_shown_however_its_url_is_written() {
        let map = serde_json::json!({
            "absolute": "https://s3/x.jpg?sig=SECRET",
            "without a scheme": "//s3/x.jpg?sig=SECRET",
            "without a host": "/x.jpg?SECRET",
            "a name": "x.jpg?sig=SECRET",
            "after a question": "Ready? https://s3/x.jpg?SECRET",
            "a fragment": "https://s3/x.jpg#sig=SECRET",
            "JSON": r#"{"url":"https:\/\/s3\/x.jpg?sig=SECRET"}"#,
            "nested": [{"url": "https://s3/x.jpg?sig=SECRET"}],
            "a question": "Is it done? Yes.",
        });
        let text = format!("{:?}", RedactedMap(map.as_object().unwrap()));
        assert!(!text.contains("SECRET"), "{text}");
        assert!(
            text.contains("x.jpg?[redacted]") && text.contains("Is it done? Yes."),
            "{text}"
        );
    }
}
