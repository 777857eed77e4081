//! What is called: the method, the path, the body, and whether it may be sent twice.
//!
//! A call of the API is a method of its handle: `Project::download_link` is one to copy. Its test
//! is in `tests/it/calls.rs` or in the file of its subject, and its answer in
//! `simulator/src/routes.rs` and what `service.rs` calls. A call for one image is told apart in
//! `project::advice_after_404`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use ureq::http::Method;

use super::quoted;
use crate::error::{Error, Result};

/// Everything but the unreserved characters of
/// [RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest path segment, in bytes: more than any file system allows, far less than a request
/// line may hold.
const LONGEST_SEGMENT: usize = 1024;

/// One call of the API.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// Below the base URL, percent-encoded.
    pub(crate) path: String,
    /// With its question mark, or empty.
    pub(crate) query: String,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) content_type: &'static str,
    /// Set for a call that must not be carried out twice: where to look before calling again.
    pub(crate) once: Option<&'static str>,
}

impl Call {
    pub(crate) fn get<'a>(path: impl AsRef<[&'a str]>) -> Self {
        Self::new("GET", path.as_ref())
    }

    pub(crate) fn post<'a>(path: impl AsRef<[&'a str]>) -> Self {
        Self::new("POST", path.as_ref())
    }

    pub(crate) fn delete<'a>(path: impl AsRef<[&'a str]>) -> Self {
        Self::new("DELETE", path.as_ref())
    }

    /// Makes a call. Each segment is encoded whole, so a name with a slash in it stays one segment.
    fn new(method: &'static str, segments: &[&str]) -> Self {
        let mut path = String::with_capacity(128);
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, RESERVED));
        }
        Self {
            method,
            path,
            query: String::new(),
            body: None,
            content_type: "application/json",
            once: None,
        }
    }

    /// Sets the query, which must need no encoding.
    pub(crate) fn query(self, query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            ..self
        }
    }

    /// Adds a field to the query. Its value is encoded.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.query
            .push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let json =
            serde_json::to_vec(body).map_err(|e| Error::invalid("request", e.to_string()))?;
        self.body = Some(json);
        Ok(self)
    }

    pub(crate) fn http_method(&self) -> Method {
        match self.method {
            "POST" => Method::POST,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// Marks a call that must not be carried out twice. `advice` says where to look before calling
    /// again.
    pub(crate) fn once(self, advice: &'static str) -> Self {
        Self {
            once: Some(advice),
            ..self
        }
    }

    /// Whether the call must not be carried out twice.
    pub(crate) fn is_once(&self) -> bool {
        self.once.is_some()
    }
}

/// Refuses a name that cannot be one path segment. `what` is what it is to its caller.
pub(crate) fn check_segment(field: &'static str, what: &str, name: &str) -> Result<()> {
    let why = match name {
        "" => format!("the {what} is empty"),
        "." | ".." => format!("{name:?} is a step in a path and no {what}"),
        _ if name.len() > LONGEST_SEGMENT => {
            format!("the {what} is longer than {LONGEST_SEGMENT} bytes")
        }
        _ if has_control(name) => {
            format!("the {what} {} holds a control character", quoted(name))
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(field, why))
}

fn has_control(name: &str) -> bool {
    // Every call asks twice, and most names are plain.
    let is_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    !is_plain && name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        let call = Call::get(["projects", "a/b c", "ü#?%.jpg", ""]);
        assert_eq!(call.path, "/projects/a%2Fb%20c/%C3%BC%23%3F%25.jpg/");
    }

    #[test]
    fn a_field_of_the_query_can_hold_anything() {
        let call = Call::get(["a"])
            .field("name", "a&b=c d+é")
            .field("size", "1");
        assert_eq!(call.query, "?name=a%26b%3Dc%20d%2B%C3%A9&size=1");
    }

    #[test]
    fn what_cannot_be_a_segment_is_refused() {
        for name in ["", ".", "..", "a\nb", "a\0", "ü\u{85}", &"a".repeat(1025)] {
            assert!(
                check_segment("file_name", "file name", name).is_err(),
                "{name:?}"
            );
        }
        for name in ["...", ".a", "a b", "é", &"a".repeat(1024)] {
            assert!(
                check_segment("file_name", "file name", name).is_ok(),
                "{name:?}"
            );
        }
    }
}
