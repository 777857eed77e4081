//! The API key, and the care that it needs.
//!
//! `ureq` logs the bytes it sends at `trace`, headers included. So a client that makes its own agent never gives it
//! the key: the header that `ureq` sees holds stars, and the connection to the API's host puts the key in their place
//! on the way out. With a caller's own agent, whose connections are made elsewhere, the header holds the key and is
//! marked sensitive.

use std::fmt;
use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;

use ureq::http::header::HeaderValue;

use crate::error::{Error, Result};

pub(super) const HEADER: &str = "x-api-key";

/// A header line longer than `ureq`'s output buffer cannot be sent.
const MAX_LENGTH: usize = 2048;

/// What stands for the key in the header that `ureq` sees. A static text is cloned for a call without a lock or a count
/// that threads would meet at.
static STARS: [u8; MAX_LENGTH] = [b'*'; MAX_LENGTH];

/// The API key. Shows itself to nobody.
#[derive(Clone)]
pub(crate) struct ApiKey(Arc<str>);

impl ApiKey {
    pub(crate) fn new(key: &str, field: &'static str) -> Result<Self> {
        let key = key.trim();
        if key.is_empty() {
            return Err(Error::invalid(field, "the API key is empty"));
        }
        if key.len() > MAX_LENGTH {
            return Err(Error::invalid(
                field,
                format!("the API key is longer than {MAX_LENGTH} bytes"),
            ));
        }
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::invalid(
                field,
                "the API key holds a character that is not allowed in an HTTP header: a space, a control character or \
                 one outside ASCII",
            ));
        }
        Ok(Self(key.into()))
    }

    /// The header to give to an agent that is not ours.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok().map(sensitive)
    }

    /// The header to give to our own agent, whose connections put the key in.
    pub(super) fn stand_in(&self) -> Option<HeaderValue> {
        let stars = std::str::from_utf8(STARS.get(..self.0.len())?).ok()?;
        Some(sensitive(HeaderValue::from_static(stars)))
    }

    /// The key, to look for it in what came from elsewhere.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Replaces the stars in the header line of the key, and says where. The line break before the name is what no URL and
/// no JSON text can hold, so nothing but that header is ever touched.
pub(super) fn put_key(sent: &mut [u8], key: &ApiKey) -> Option<Range<usize>> {
    const NAME: &[u8] = b"x-api-key: ";
    let key = key.0.as_bytes();
    let mut rest: &[u8] = sent;
    if rest.starts_with(b"{") {
        // The body, which is written apart from the head.
        return None;
    }
    // A head that does not fit in one buffer goes on at the start of a line.
    while !rest.starts_with(NAME) {
        if rest.skip_until(b'\n').ok()? == 0 {
            return None;
        }
    }
    let start = sent.len() - rest.len() + NAME.len();
    let place = start..start + key.len();
    let value = sent.get_mut(place.clone())?;
    if value.iter().any(|b| *b != b'*') {
        return None;
    }
    value.copy_from_slice(key);
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_replaces_the_stars_of_its_own_header_and_nothing_else() {
        let key = ApiKey::new("k-1", "api_key").unwrap();
        let mut head = *b"POST /*** HTTP/1.1\r\nhost: ***\r\nx-api-key: ***\r\nother: ***\r\n\r\n{\"x-api-key: ***\"}";
        let place = put_key(&mut head, &key).unwrap();
        assert_eq!(&head[place], b"k-1");
        // The rest of a head that did not fit in one buffer.
        let mut rest = *b"x-api-key: ***\r\n\r\n";
        assert_eq!(put_key(&mut rest, &key), Some(11..14));
        assert_eq!(
            head.as_slice(),
            b"POST /*** HTTP/1.1\r\nhost: ***\r\nx-api-key: k-1\r\nother: ***\r\n\r\n{\"x-api-key: ***\"}"
        );
    }

    #[test]
    fn what_is_no_header_value_is_refused_without_being_shown() {
        for key in [
            "",
            "  ",
            "se cret",
            "secret\u{7f}",
            "se\ncret",
            "sécret",
            &"x".repeat(MAX_LENGTH + 1),
        ] {
            let error = ApiKey::new(key, "api_key").unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("cret") && !text.contains("xxx"), "{text}");
        }
        assert_eq!(&*ApiKey::new(" secret\n", "api_key").unwrap().0, "secret");
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", ApiKey::new("secret", "api_key").unwrap()), "[redacted]");
    }
}
