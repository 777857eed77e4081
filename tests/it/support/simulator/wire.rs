//! One request as it came, one answer as it goes: nothing here knows what the service does.

use serde_json::{Map, Value, json};

/// A request exactly as it was on the wire, for a test to look at.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`, `GET`, ...
    pub method: String,
    /// The path with its percent-encoding untouched.
    pub path: String,
    /// What stood behind the first `?`, still encoded.
    pub query: Option<String>,
    /// Names in lower case; a header that was sent twice is here twice.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header, if it was sent exactly once. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(sent, _)| sent == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Whether a header was sent at all. `name` is in lower case.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(sent, _)| sent == name)
    }

    /// Path and query, as in the request line.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The query's pairs, decoded, or `None` if it is malformed or names a thing twice.
    pub(super) fn query_fields(&self) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        for pair in self.query.iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=')?;
            let earlier = fields.insert(decode(name)?, Value::String(decode(value)?));
            if earlier.is_some() {
                return None;
            }
        }
        Some(fields)
    }
}

/// An answer. Made in one piece, so that its parts cannot disagree.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A refusal in the shape of the service's own errors.
    pub(super) fn refused(status: u16, detail: impl Into<Value>) -> Self {
        Self::json(status, &json!({ "detail": detail.into() }))
    }

    /// A refusal by the gateway in front of the service, which never saw the request.
    pub(super) fn by_gateway(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(sent, _)| *sent == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Percent-decodes one path segment or query part, strictly: only the characters that RFC 3986 allows
/// there (a `+` is a plus), two hex digits after each `%`, and UTF-8. `.` and `..` are refused in any
/// spelling, since a gateway may take them as "here" and "up" before the service sees them.
pub(super) fn decode(segment: &str) -> Option<String> {
    let mut decoded = Vec::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => byte,
            _ => return None,
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (decoded != "." && decoded != "..").then_some(decoded)
}
