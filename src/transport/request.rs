//! What is called: the method, the path, the body, and whether it may be sent twice.

use std::io::{self, Read};
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use ureq::http::Uri;
use ureq::http::uri::Scheme;

use super::retry::Repeat;
use crate::error::{Error, Result};

/// Everything but the unreserved characters of
/// [RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// More than any file system allows, and far less than a request line may hold.
const MAX_SEGMENT: usize = 1024;

/// A path below the base URL, percent-encoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(String);

impl Path {
    /// A path of fixed words, such as `/projects`.
    pub(crate) fn new(fixed: &str) -> Self {
        // Long enough for most, so that it is allocated once.
        let mut path = String::with_capacity(128);
        path.push_str(fixed);
        Self(path)
    }

    /// Adds more fixed words.
    pub(crate) fn then(mut self, fixed: &str) -> Self {
        self.0.push_str(fixed);
        self
    }

    /// Adds a name as the one segment that it is, whatever characters it holds.
    pub(crate) fn segment(mut self, field: &'static str, name: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::invalid(field, format!("{name:?} {why}")));
        if name.is_empty() {
            return Err(Error::invalid(field, "the name is empty"));
        }
        if name.len() > MAX_SEGMENT {
            return Err(Error::invalid(
                field,
                format!("the name is longer than {MAX_SEGMENT} bytes"),
            ));
        }
        if name == "." || name == ".." {
            return refuse("is a step in a path, not a name");
        }
        self.0.push('/');
        let start = self.0.len();
        self.0.extend(utf8_percent_encode(name, SEGMENT));
        let encoded = self.0.len() - start != name.len();
        // Which is one of those that are encoded.
        if encoded && name.chars().any(char::is_control) {
            return refuse("holds a control character");
        }
        Ok(self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The methods of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn http(self) -> ureq::http::Method {
        match self {
            Self::Get => ureq::http::Method::GET,
            Self::Post => ureq::http::Method::POST,
            Self::Delete => ureq::http::Method::DELETE,
        }
    }
}

/// One call of the API.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: Path,
    /// With its question mark; empty if there is none.
    pub(crate) query: &'static str,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) repeat: Repeat,
    /// The most bytes of an answer that are read, if the client's limit is not less.
    pub(crate) most: u64,
}

/// More than a hundred times what an answer has that is not a list of a project's files or versions. What is unknown of
/// an answer is kept, and takes many times the memory of its text.
const SMALL: u64 = 1024 * 1024;

impl Call {
    pub(crate) fn get(path: Path) -> Self {
        Self {
            method: Method::Get,
            path,
            query: "",
            body: None,
            repeat: Repeat::Freely,
            most: u64::MAX,
        }
    }

    pub(crate) fn post(path: Path, body: &impl Serialize) -> Result<Self> {
        Self::with_body(Method::Post, path, body)
    }

    pub(crate) fn delete(path: Path, body: &impl Serialize) -> Result<Self> {
        Self::with_body(Method::Delete, path, body)
    }

    fn with_body(method: Method, path: Path, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(|e| Error::invalid("request", e.to_string()))?;
        Ok(Self {
            method,
            path,
            query: "",
            body: Some(body),
            repeat: Repeat::Freely,
            most: u64::MAX,
        })
    }

    pub(crate) fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// Marks a call that must not be carried out twice.
    pub(crate) fn only_once(mut self) -> Self {
        self.repeat = Repeat::IfUntouched;
        self
    }

    /// Marks a call whose answer is small.
    pub(crate) fn small(mut self) -> Self {
        self.most = SMALL;
        self
    }
}

/// The body of a request, which knows whether any of it was asked for.
///
/// `ureq` asks for the body once the head is written. As long as it has not, the service has at most the head of a
/// request whose body it was promised, and can have done nothing.
pub(crate) struct Witness<'a> {
    left: &'a [u8],
    pub(crate) asked: bool,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self {
            left: body,
            asked: false,
        }
    }
}

impl Read for Witness<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.asked = true;
        self.left.read(buf)
    }
}

/// Where the API is.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    /// Without a slash at the end.
    text: String,
    uri: Uri,
}

impl BaseUrl {
    pub(crate) fn parse(text: &str, allow_http: bool, field: &'static str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::invalid(field, why));
        let text = text.trim().trim_end_matches('/');
        if text.contains(['?', '#']) {
            return refuse("a base URL has no query and no fragment");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("not a URL");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return refuse("a base URL has a scheme and a host, such as https://api.imagen-ai.com/v1");
        };
        if authority.as_str().contains('@') {
            return refuse("a base URL holds no user name and no password; the API key goes into a header");
        }
        if authority.host().is_empty() {
            return refuse("a base URL has a host");
        }
        if *scheme == Scheme::HTTP {
            if !allow_http && !is_loopback(&uri) {
                return refuse(
                    "http would send the API key in the clear; use https, or say allow_http(true) on the builder",
                );
            }
        } else if *scheme != Scheme::HTTPS {
            return refuse("the scheme of a base URL is https");
        }
        Ok(Self {
            text: text.to_owned(),
            uri,
        })
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_https(&self) -> bool {
        is_https(&self.uri)
    }
}

pub(super) fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// Whether a URL's host is this machine: `127.0.0.0/8`, `::1` or `localhost`.
pub(super) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        for (name, encoded) in [
            ("DSC_0001.JPEG", "/DSC_0001.JPEG"),
            ("IMG #1.jpg", "/IMG%20%231.jpg"),
            ("100%.jpg", "/100%25.jpg"),
            ("../../finalize", "/..%2F..%2Ffinalize"),
            ("a+b&c=d?.jpg", "/a%2Bb%26c%3Dd%3F.jpg"),
            ("\"'`", "/%22%27%60"),
            ("a\\b", "/a%5Cb"),
            ("🏠.jpg", "/%F0%9F%8F%A0.jpg"),
            ("\u{e9}", "/%C3%A9"),
            ("e\u{301}", "/e%CC%81"),
            ("...", "/..."),
            ("%2e%2e", "/%252e%252e"),
        ] {
            assert_eq!(Path::default().segment("image", name).unwrap().as_str(), encoded);
        }
        let long = "x".repeat(MAX_SEGMENT + 1);
        for name in ["", ".", "..", "a\nb", "a\0b", "a\u{7f}b", "a\u{85}b", &long] {
            let error = Path::default().segment("image", name).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { field: "image", .. }), "{name:?}");
        }
    }

    #[test]
    fn a_base_url_is_safe_or_refused() {
        for good in [
            "https://api.imagen-ai.com/v1",
            "https://api.imagen-ai.com/v1/",
            " https://gateway.example:8443/a/b// ",
            "http://127.0.0.1:8080/v1",
            "http://127.8.9.10",
            "http://[::1]:8080",
            "http://LOCALHOST:1",
        ] {
            let url = BaseUrl::parse(good, false, "base_url").unwrap();
            assert!(!url.as_str().ends_with('/'));
        }
        for bad in [
            "",
            "api.imagen-ai.com/v1",
            "/v1",
            "ftp://api.imagen-ai.com",
            "http://api.imagen-ai.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "https://user:pass@api.imagen-ai.com",
            "https://key@api.imagen-ai.com",
            "https://api.imagen-ai.com/v1?x=1",
            "https://api.imagen-ai.com/v1#x",
            "https://",
            "https:///v1",
        ] {
            let error = BaseUrl::parse(bad, false, "base_url").unwrap_err();
            assert!(!error.to_string().contains("user:"), "{bad}: {error}");
        }
        assert!(BaseUrl::parse("http://192.168.1.2/v1", true, "base_url").is_ok());
    }
}
