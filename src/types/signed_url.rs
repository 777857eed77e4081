//! Presigned URLs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A presigned URL: whoever has it can read, or write, the file for a while.
///
/// `Display`, [`as_str`](Self::as_str) and serde give all of it. `Debug` hides the query, which
/// holds the signature.
///
/// ```
/// let url = imagen_ai::SignedUrl::from(
///     "https://s3.example/a.jpg?X-Amz-Signature=4f1c",
/// );
/// assert_eq!(
///     url.as_str(),
///     "https://s3.example/a.jpg?X-Amz-Signature=4f1c"
/// );
/// assert_eq!(
///     format!("{url:?}"),
///     "\"https://s3.example/a.jpg?[redacted]\""
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct SignedUrl(String);

impl SignedUrl {
    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once(['?', '#']) {
            Some((before, _query)) => write!(f, "{:?}", format!("{before}?[redacted]")),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl AsRef<str> for SignedUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SignedUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl TryFrom<String> for SignedUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, &'static str> {
        if url.trim().is_empty() {
            return Err("the URL is empty");
        }
        Ok(Self(url))
    }
}
