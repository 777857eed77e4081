//! The way to object storage: a `GET` of a presigned URL, which never carries the key.

use std::time::{Duration, Instant};

use log::debug;
use ureq::http::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, LOCATION, RANGE, USER_AGENT};
use ureq::http::uri::Scheme;
use ureq::http::{Request, Response, Uri};
use ureq::{Agent, Body};

use super::agent::{MAX_IDLE, check_agent, proxy_for, storage_agent};
use super::clean::{Cleaner, MESSAGE};
use super::request::{is_https, is_loopback};
use super::response::{ERROR_BODY, cause_of};
use super::{LOG, LONGEST, Transport, status_word};
use crate::error::{Cause, Error};

const MAX_REDIRECTS: usize = 5;

/// How soon a callback can end a transfer from which nothing comes.
const LONGEST_READ: Duration = Duration::from_millis(500);

/// What to get.
pub(crate) struct Fetch<'a> {
    pub(crate) uri: &'a Uri,
    /// The byte to go on from, if the file is still the one that this validator names.
    pub(crate) from: Option<(u64, &'a HeaderValue)>,
    /// The longest that sending the request, then receiving the head of the answer, and each wait for more of its body
    /// may take.
    pub(crate) patience: Duration,
}

/// Why there is no answer.
pub(crate) enum FetchError {
    /// A redirect that is not followed, and why.
    Redirect(String),
    /// The storage was silent.
    Silent,
    /// Anything else; not yet fit to be shown.
    Network(Cause),
}

#[inline]
fn network(error: &ureq::Error) -> FetchError {
    FetchError::Network(cause_of(error))
}

impl Transport {
    /// Gets a presigned URL, following redirects from https to https (or from this machine's loopback). Says which URL
    /// answered.
    #[inline]
    pub(crate) fn fetch(&self, fetch: &Fetch<'_>) -> Result<(Response<Body>, Uri), FetchError> {
        let mut uri = fetch.uri.clone();
        for _ in 0..=MAX_REDIRECTS {
            let began = Instant::now();
            let result = self.get(&uri, fetch);
            debug!(
                target: LOG,
                "GET {}: status {}, from byte {}, {:.3} s",
                without_query(&uri),
                status_word(result.as_ref().ok().map(|answer| answer.status().as_u16())),
                fetch.from.map_or(0, |(start, _)| start),
                began.elapsed().as_secs_f64(),
            );
            let response = result.map_err(|e| match e {
                ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => network(&e),
                ureq::Error::Timeout(_) => FetchError::Silent,
                _ => network(&e),
            })?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, uri));
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(target) = location.and_then(|location| resolve(&uri, location)) else {
                return Err(FetchError::Redirect("redirects to nowhere".to_owned()));
            };
            if !may_follow(&uri, &target) {
                let host = self
                    .cleaner_of(&[&uri, &target])
                    .text(target.host().unwrap_or_default(), 128);
                return Err(FetchError::Redirect(format!(
                    "redirects to {host} without TLS, which is not followed"
                )));
            }
            self.check_agent_for(&target)
                .map_err(|e| FetchError::Redirect(e.to_string()))?;
            uri = target;
        }
        Err(FetchError::Redirect(format!(
            "redirects more than {MAX_REDIRECTS} times"
        )))
    }

    #[inline]
    fn get(&self, uri: &Uri, fetch: &Fetch<'_>) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::get(uri)
            .header(USER_AGENT, self.shared.settings.user_agent.clone())
            // Of a compressed file neither the length could be checked nor the rest be asked for.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some((start, validator)) = fetch.from {
            request = request
                .header(RANGE, format!("bytes={start}-"))
                .header(IF_RANGE, validator);
        }
        let agent = self.storage_agent();
        self.check_tls(agent, uri)?;
        let config = agent
            .configure_request(request.body(())?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(is_https(uri))
            .max_idle_age(MAX_IDLE)
            // A large file takes as long as it takes.
            .timeout_global(None)
            .timeout_per_call(None)
            .timeout_recv_body(None)
            .timeout_connect(self.limit(self.shared.settings.connect_timeout, |agent| agent.connect))
            .timeout_send_request(Some(fetch.patience.min(LONGEST)))
            .timeout_recv_response(Some(fetch.patience.min(LONGEST)))
            .timeout_per_read(Some(self.longest_read(fetch.patience)))
            .proxy(proxy_for(agent, uri));
        agent.run(config.build())
    }

    /// How long one read of a body may wait before it is asked again whether to go on.
    ///
    /// With our own agent that is short, so that a callback is heard in the middle of a silence. With a caller's own
    /// the same limit would hold for the head of the answer, which a storage may take its time for.
    #[inline]
    pub(crate) fn longest_read(&self, patience: Duration) -> Duration {
        let longest = if self.shared.foreign { LONGEST } else { LONGEST_READ };
        patience.min(longest)
    }

    #[inline]
    fn storage_agent(&self) -> &Agent {
        if self.shared.foreign {
            &self.shared.agent
        } else {
            self.shared.storage.get_or_init(storage_agent)
        }
    }

    /// Refuses what a caller's own agent would panic with on the way to this URL; see [`check_agent`].
    #[inline]
    pub(crate) fn check_agent_for(&self, uri: &Uri) -> Result<(), Error> {
        if self.shared.foreign {
            check_agent(&self.shared.agent, uri)?;
        }
        Ok(())
    }

    /// Cleans what the storage says about presigned URLs.
    #[inline]
    pub(crate) fn cleaner_of(&self, uris: &[&Uri]) -> Cleaner {
        Cleaner::of_urls(&self.shared.settings.key, uris)
    }

    /// A text of the service's as it may be shown.
    #[inline]
    pub(crate) fn clean(&self, text: &str) -> String {
        self.cleaner_of(&[]).text(text, MESSAGE)
    }
}

/// The start of the body of an answer that is no success, for as long as `limit`.
#[inline]
pub(crate) fn error_body(body: Body, limit: Duration) -> Vec<u8> {
    use std::io::Read;
    let began = Instant::now();
    let mut reader = body.into_reader();
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    while (text.len() as u64) < ERROR_BODY && began.elapsed() < limit {
        match reader.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
    text
}

/// Whether a file may be got from here: by TLS, or from this machine.
#[inline]
pub(crate) fn may_fetch(uri: &Uri) -> bool {
    is_https(uri) || (uri.scheme() == Some(&Scheme::HTTP) && is_loopback(uri))
}

#[inline]
fn may_follow(from: &Uri, to: &Uri) -> bool {
    is_https(to) || (!is_https(from) && may_fetch(to))
}

/// A URL as it may be shown.
#[inline]
pub(crate) fn without_query(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", uri.path())
}

/// Where a `Location` points, seen from the URL that it was got from.
#[inline]
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let text = if location.contains("://") && !location.starts_with(['/', '?']) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = text.parse().ok()?;
    uri.host().is_some_and(|host| !host.is_empty()).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_seen_from_the_url_that_sent_it() {
        let base: Uri = "https://s3.example:8443/a/b.jpg?sig=1".parse().unwrap();
        for (location, target) in [
            ("https://other.example/x?y=1", "https://other.example/x?y=1"),
            ("//other.example/x", "https://other.example/x"),
            ("/x?u=http://y/", "https://s3.example:8443/x?u=http://y/"),
            ("c.jpg", "https://s3.example:8443/a/c.jpg"),
            ("?sig=2", "https://s3.example:8443/a/b.jpg?sig=2"),
        ] {
            assert_eq!(resolve(&base, location).unwrap(), target.parse::<Uri>().unwrap());
        }
        assert_eq!(resolve(&base, "https://"), None);
    }

    #[test]
    fn no_redirect_leaves_tls() {
        for (from, to, follow) in [
            ("https://a/", "https://b/", true),
            ("https://a/", "http://b/", false),
            ("https://a/", "http://127.0.0.1/", false),
            ("http://127.0.0.1/", "http://localhost:1/", true),
            ("http://127.0.0.1/", "https://b/", true),
            ("http://127.0.0.1/", "http://b/", false),
            ("http://127.0.0.1/", "ftp://127.0.0.1/", false),
        ] {
            assert_eq!(
                may_follow(&from.parse().unwrap(), &to.parse().unwrap()),
                follow,
                "{from} {to}"
            );
        }
    }

    #[test]
    fn a_url_is_shown_without_user_and_query() {
        let uri: Uri = "https://user:pass@s3.example:8443/a?sig=SECRET".parse().unwrap();
        assert_eq!(without_query(&uri), "https://s3.example:8443/a");
    }
}
