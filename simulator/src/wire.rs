//! A request as it came and an answer as it goes, without knowledge of the API.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// A request as it was on the wire.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`, `GET`, ...
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// What follows the first `?`, still percent-encoded.
    pub query: Option<String>,
    /// The headers, with names in lower case. A header that was sent twice is listed twice.
    pub headers: Vec<(String, String)>,
    /// The body. Of a longer body, [`Simulator::requests`](crate::Simulator::requests) keeps the
    /// first MiB.
    pub body: Vec<u8>,
}

impl Received {
    /// Returns the value of a header that was sent exactly once. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(sent, _)| sent == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Returns whether a header was sent. `name` is in lower case.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(sent, _)| sent == name)
    }

    /// Returns path and query, as in the request line.
    pub fn target(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        self.path.clone() + &query.unwrap_or_default()
    }

    /// Returns the body as JSON, or `Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Returns the media type of the body: empty if there is no `Content-Type`, or an empty one.
    pub(crate) fn media_type(&self) -> String {
        let header = self.headers.iter().find(|(name, _)| name == "content-type");
        let value = header.map_or("", |(_, value)| value);
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Returns the query's decoded pairs, or `None` if it is malformed or has a name twice. A `+`
    /// is a space.
    pub(crate) fn query_fields(&self) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        for pair in self.query.iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=')?;
            let value = decode(&value.replace('+', "%20"))?;
            if fields.insert(decode(name)?, Value::String(value)).is_some() {
                return None;
            }
        }
        Some(fields)
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Self {
            status,
            headers,
            body,
        }
        .with("content-type", content_type)
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A refusal by the service.
    pub(crate) fn refused(status: u16, detail: impl Into<Value>) -> Self {
        Self::json(status, &json!({ "detail": detail.into() }))
    }

    /// Refuses if a condition does not hold.
    pub(crate) fn unless(is_good: bool, status: u16, detail: &str) -> Result<(), Self> {
        is_good
            .then_some(())
            .ok_or_else(|| Self::refused(status, detail))
    }

    /// A 400 by the gateway in front of the service.
    pub(crate) fn bad_request() -> Self {
        Self::json(400, &json!({ "message": "Bad Request" }))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let header = self.headers.iter().find(|(sent, _)| *sent == name);
        header.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Decodes one path segment or a part of a query strictly: only the characters that RFC 3986 allows
/// there, two hex digits after each `%`, and UTF-8. `.` and `..` are refused in any spelling, since
/// a gateway may resolve them.
pub(crate) fn decode(text: &str) -> Option<String> {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let is_hex = |pair: &[u8]| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
    let mut escapes = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    if !text.bytes().all(is_allowed) || !escapes.all(|rest| is_hex(&rest[..rest.len().min(2)])) {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (decoded != "." && decoded != "..").then(|| decoded.into_owned())
}
