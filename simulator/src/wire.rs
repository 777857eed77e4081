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
    /// first [`Settings::kept_bytes`](crate::Settings::kept_bytes).
    pub body: Vec<u8>,
}

impl Received {
    /// Returns the value of a header that was sent exactly once. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(sent, _)| sent == name);
        let (_, value) = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Some(value)
    }

    /// Returns whether a header was sent. `name` is in lower case.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(sent, _)| sent == name)
    }

    /// Returns path and query, as in the request line.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Returns the body as JSON, or `Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Returns the media type of the body: empty if there is no `Content-Type`, or an empty one.
    pub(crate) fn media_type(&self) -> String {
        let header = self.headers.iter().find(|(name, _)| name == "content-type");
        let Some((_, value)) = header else {
            return String::new();
        };
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// Returns the query's decoded pairs, or `None` if it is malformed or has a name twice. A `+`
    /// is a space.
    pub(crate) fn query_fields(&self) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        let Some(query) = &self.query else {
            return Some(fields);
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            let value = decode(&value.replace('+', "%20"))?;
            let twice = fields.insert(decode(name)?, Value::String(value));
            if twice.is_some() {
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
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut answer = Self::empty(status).with("content-type", content_type);
        answer.body = body.into();
        answer
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A refusal by the service.
    pub(crate) fn refused(status: u16, detail: impl Into<Value>) -> Self {
        Self::json(status, &json!({ "detail": detail.into() }))
    }

    /// An answer of the gateway in front of the service.
    pub(crate) fn gateway(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    pub(crate) fn bad_request() -> Self {
        Self::gateway(400, "Bad Request")
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Decodes one path segment or a part of a query strictly: only the characters that RFC 3986 allows
/// there, two hex digits after each `%`, and UTF-8. `.` and `..` are refused in any spelling, since
/// a gateway may resolve them.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.bytes().all(is_allowed) || !has_whole_escapes(text) {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    if decoded == "." || decoded == ".." {
        return None;
    }
    Some(decoded.into_owned())
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

fn has_whole_escapes(text: &str) -> bool {
    let mut after_percent = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    after_percent.all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
}
