//! The API key, and the care that it needs.
//!
//! `ureq` logs the bytes it sends at `trace`, headers included. So a client that makes its own agent never gives it
//! the key: the header that `ureq` sees holds stars, and the connection to the API's host puts the key in their place
//! on the way out. With a caller's own agent, whose connections are made elsewhere, the header holds the key and is
//! marked sensitive.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::header::HeaderValue;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport};

use super::proxy::ProxyTransport;
use crate::error::{Error, Result};

pub(crate) const HEADER: &str = "x-api-key";

/// A header line longer than `ureq`'s output buffer cannot be sent.
const MAX_LENGTH: usize = 2048;

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
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        sensitive(&self.0)
    }

    /// The header to give to our own agent, whose connections put the key in.
    pub(crate) fn stand_in(&self) -> Option<HeaderValue> {
        sensitive(&"*".repeat(self.0.len()))
    }

    /// The key, to look for it in what came from elsewhere.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Looks names up on the thread that asks.
///
/// `ureq`'s own starts a thread for every lookup that has a time limit, so for every call.
#[derive(Debug, Default)]
pub(crate) struct CallingThreadResolver(DefaultResolver);

impl Resolver for CallingThreadResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let unlimited = NextTimeout {
            after: Duration::NotHappening,
            ..timeout
        };
        self.0.resolve(uri, config, unlimited)
    }
}

/// Puts the key into what is sent to the API's host, and to no other. The others that our own agent connects to are
/// proxies.
#[derive(Debug)]
pub(crate) struct KeyConnector {
    pub(crate) host: Uri,
    pub(crate) key: ApiKey,
}

impl<In: Transport> Connector<In> for KeyConnector {
    type Out = Either<ProxyTransport<In>, KeyTransport<In>>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let same_host = details.uri.scheme() == self.host.scheme() && details.uri.authority() == self.host.authority();
        Ok(chained.map(|inner| {
            if same_host {
                Either::B(KeyTransport {
                    inner,
                    key: self.key.clone(),
                })
            } else {
                Either::A(ProxyTransport::new(inner, details.timeout.after))
            }
        }))
    }
}

pub(crate) struct KeyTransport<T> {
    inner: T,
    key: ApiKey,
}

impl<T: Transport> Transport for KeyTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.inner.buffers().output();
        let placed = output
            .get_mut(..amount)
            .and_then(|sent| put_key(sent, self.key.0.as_bytes()));
        let result = self.inner.transmit_output(amount, timeout);
        // The buffer outlives the request.
        if let Some(key) = placed.and_then(|place| self.inner.buffers().output().get_mut(place)) {
            key.fill(b'*');
        }
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T: Transport> fmt::Debug for KeyTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

/// Replaces the stars in the header line of the key, and says where. The line break before the name is what no URL and
/// no JSON text can hold, so nothing but that header is ever touched.
fn put_key(sent: &mut [u8], key: &[u8]) -> Option<Range<usize>> {
    const NAME: &[u8] = b"x-api-key: ";
    if sent.first() == Some(&b'{') {
        // The body, which is written apart from the head.
        return None;
    }
    // A head that does not fit in one buffer goes on at the start of a line.
    let mut line = 0;
    while !sent.get(line..)?.starts_with(NAME) {
        line += sent.get(line..)?.iter().position(|b| *b == b'\n')? + 1;
    }
    let start = line + NAME.len();
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
        let mut head = *b"POST /*** HTTP/1.1\r\nhost: ***\r\nx-api-key: ***\r\nother: ***\r\n\r\n{\"x-api-key: ***\"}";
        let place = put_key(&mut head, b"k-1").unwrap();
        assert_eq!(&head[place], b"k-1");
        // The rest of a head that did not fit in one buffer.
        let mut rest = *b"x-api-key: ***\r\n\r\n";
        assert_eq!(put_key(&mut rest, b"k-1"), Some(11..14));
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
