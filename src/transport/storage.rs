//! The way to object storage: `GET` and `PUT` of presigned URLs, which never carry the key.

use std::io::Read;
use std::time::{Duration, Instant};

use log::debug;
use ureq::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, EXPECT, HeaderValue, IF_RANGE, RANGE, USER_AGENT};
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, Uri};
use ureq::{Body, SendBody};

use super::agent::{REDIRECTS, configured, of_file, shorter};
use super::{ERROR_BODY, LOG, Shared, Transport, agent, cause, is_https};
use super::{may_pass, parse_url, request_id, retry_after};
use crate::error::{CauseKind, Context, Result, TransferError, TransferReason};
use crate::types::SignedUrl;

/// The default limit for how long nothing of a file may move.
pub(crate) const STALL: Duration = Duration::from_secs(60);

/// Shorter parts of a query are not looked for in what the storage says.
const SHORTEST_SECRET: usize = 12;

/// Why one attempt of a transfer brought nothing.
pub(crate) struct Refusal {
    /// Without the file's name, and without the bytes and attempts so far.
    pub(crate) error: Box<TransferError>,
    /// Whether another attempt may do better.
    pub(crate) may_pass: bool,
}

impl Transport {
    /// Fetches a file, or the rest of it from a byte on if it is still the one that has this `ETag`. Redirects are
    /// followed, from https only to https.
    pub(crate) fn get(&self, uri: &Uri, rest: Option<(u64, &HeaderValue)>, stall: Duration) -> Fetched {
        // Of a compressed file neither the length could be checked nor the rest be asked for.
        let mut request = Request::get(uri).header(ACCEPT_ENCODING, "identity");
        if let Some((from, etag)) = rest {
            request = request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, etag);
        }
        self.transfer(request, SendBody::none(), stall)
    }

    /// Sends a file of a known length. The storage is asked first whether it takes the file, and no redirect is
    /// followed.
    pub(crate) fn put(&self, uri: &Uri, file: &mut dyn Read, length: u64, stall: Duration) -> Fetched {
        let request = Request::put(uri).header(CONTENT_LENGTH, length).header(EXPECT, "100-continue");
        self.transfer(request, SendBody::from_reader(file), stall)
    }

    fn transfer<'b>(&self, request: Builder, body: SendBody<'b>, stall: Duration) -> Fetched {
        let began = Instant::now();
        let mut request = request.header(USER_AGENT, &self.shared.user_agent).body(body)?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let Shared { files, limits, foreign, .. } = &*self.shared;
        let upload = method == Method::PUT;
        if *foreign || upload || stall != STALL || !is_https(&uri) {
            let connect = shorter(limits.connect_timeout, files.config().timeouts().connect);
            let stall = shorter(stall, None);
            // `ureq` would make a GET of a PUT that is redirected.
            let redirects = if upload { 0 } else { REDIRECTS };
            request = configured(files, request, redirects, of_file(connect, stall), stall);
        }
        let result = files.run(request);
        let status = result.as_ref().ok().map(|answer| answer.status().as_u16());
        let seconds = began.elapsed().as_secs_f64();
        debug!(target: LOG, "{method} {}: status {status:?}, {seconds:.3} s", without_query(&uri));
        result
    }

    /// Says what an error of `ureq` means for a transfer.
    pub(crate) fn broken(&self, method: &'static str, uri: &Uri, error: &ureq::Error) -> Refusal {
        use ureq::Timeout::{Connect, Resolve};
        let kind = cause::kind_of(error);
        let (reason, message) = match error {
            ureq::Error::Timeout(limit) if !matches!(limit, Connect | Resolve) => {
                (TransferReason::Stalled, "nothing moved for as long as the stall limit".to_owned())
            }
            ureq::Error::TooManyRedirects => (TransferReason::Refused, "the storage redirects too often".to_owned()),
            ureq::Error::RequireHttpsOnly(_) | ureq::Error::BadUri(_) => {
                (TransferReason::Refused, "the storage redirects away from https".to_owned())
            }
            // S3 does so for a wrong region. `ureq` has no public type for it, and no answer to read.
            ureq::Error::Protocol(e) if e.to_string().contains("location header") => {
                (TransferReason::Refused, "the storage redirects without saying where".to_owned())
            }
            _ if kind == CauseKind::Tls || cause::is_proxy_authentication(error) => {
                (TransferReason::Refused, cause::words(error))
            }
            _ => (TransferReason::Broken, cause::words(error)),
        };
        let peer = agent::peer(&self.shared.files, uri);
        self.refusal(method, uri, reason, &format!("{peer}: {message}"))
    }

    /// Says what an answer that is not the file, or not its receipt, means for a transfer.
    pub(crate) fn refused(
        &self,
        method: &'static str,
        uri: &Uri,
        response: Response<Body>,
        stall: Duration,
    ) -> Refusal {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let body = error_body(body, stall);
        let text = String::from_utf8_lossy(&body);
        let code = xml_element(&text, "Code");
        let words = match (&code, xml_element(&text, "Message")) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) if parts.status.is_redirection() => "a redirect, which is not followed".to_owned(),
            (None, _) => text.into_owned(),
        };
        let reason = match (status, code.as_deref()) {
            // A 403 of a proxy or a firewall is not the storage's.
            (403, Some(_)) | (400, Some("ExpiredToken")) => TransferReason::LinkExpired,
            _ if may_pass(status) => TransferReason::Broken,
            _ => TransferReason::Refused,
        };
        let mut refusal = self.refusal(method, uri, reason, format!("{status} {words}").trim_end());
        let context = &mut refusal.error.context;
        context.status = Some(status);
        context.request_id = request_id(&parts.headers).map(|id| self.redact(id, &[]));
        context.retry_after = retry_after(&parts.headers);
        refusal
    }

    /// Makes the error of a transfer. `message` can hold anything that came.
    pub(crate) fn refusal(&self, method: &'static str, uri: &Uri, reason: TransferReason, message: &str) -> Refusal {
        let query = uri.query().unwrap_or_default();
        let mut secrets = vec![query];
        secrets.extend(query.split(['&', '=']).filter(|part| part.len() >= SHORTEST_SECRET));
        Refusal {
            may_pass: matches!(reason, TransferReason::Broken | TransferReason::Stalled),
            error: Box::new(TransferError {
                name: String::new(),
                reason,
                message: self.redact(message, &secrets),
                bytes: 0,
                context: Context { method, path: without_query(uri), ..Context::default() },
            }),
        }
    }
}

/// An answer of the storage, whatever its status.
type Fetched = std::result::Result<Response<Body>, ureq::Error>;

/// Reads a presigned URL.
pub(crate) fn parse(url: &SignedUrl) -> Result<Uri> {
    parse_url("url", url.as_str(), false)
}

/// Returns a URL as it may be shown.
fn without_query(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{scheme}://{authority}{}", uri.path())
}

/// Reads the start of the body of an answer that is no success, for as long as `limit`.
fn error_body(body: Body, limit: Duration) -> Vec<u8> {
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

/// Returns the text of the first such element.
fn xml_element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_away_from_https_is_final_and_its_url_not_shown() {
        let client = crate::Client::builder("a-key").base_url("http://127.0.0.1:1").build();
        let uri = Uri::from_static("https://s3.example/a.jpg?sig=SECRET");
        let error = ureq::Error::RequireHttpsOnly("http://s3.example/a.jpg?sig=SECRET".to_owned());
        let refusal = client.unwrap().transport.broken("GET", &uri, &error);
        let text = refusal.error.to_string();
        assert!(!refusal.may_pass && text.contains("away from https") && !text.contains("SECRET"), "{text}");
    }
}
