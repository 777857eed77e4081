//! The way to object storage: `GET` and `PUT` of presigned URLs, which never carry the key.

use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{debug, warn};
use ureq::http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue, IF_RANGE, RANGE, USER_AGENT,
};
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, Uri};
use ureq::{Body, SendBody};

use super::agent::{self, REDIRECTS, configured, of_file, shorter};
use super::{
    ERROR_BODY, LOG, Shared, Transport, cause, is_https, may_pass, parse_url, request_id,
    retry_after,
};
use crate::error::TransferReason::{
    self, Broken, Cancelled, LinkExpired, NoLink, Refused, Stalled,
};
use crate::error::{CauseKind, Context, Error, Result, TransferError};
use crate::types::SignedUrl;

/// The default limit for how long nothing of a file may move.
pub(crate) const STALL: Duration = Duration::from_secs(60);

/// Shorter parts of a query are not looked for in what the storage says.
const SHORTEST_SECRET: usize = 12;

/// How many new bytes make an attempt a good one, after which failures are counted anew. A network
/// that cuts every connection after so many bytes must let a large file through, and a server that
/// gives a byte an attempt must not be asked for ever.
const GOOD_ATTEMPT: u64 = 1024 * 1024;

/// How often the progress is told while a transfer waits to be tried again.
const TELL_EVERY: Duration = Duration::from_millis(100);

const ENDED: &str = "ended by the callback";

/// A callback that is told how many bytes of a file have been transferred, and how many it has.
pub(crate) type Tell<'t> = dyn FnMut(u64, Option<u64>) -> ControlFlow<()> + 't;

/// One file on its way, in either direction.
pub(crate) struct Transfer<'t> {
    pub(crate) transport: &'t Transport,
    pub(crate) uri: Uri,
    pub(crate) stall: Duration,
    /// How many bytes of the file have been transferred.
    pub(crate) bytes: u64,
    pub(crate) total: Option<u64>,
    tell: &'t mut Tell<'t>,
    /// Whether the callback has ended the transfer.
    ended: bool,
    name: String,
    method: &'static str,
    attempts: u32,
    began: Instant,
}

impl<'t> Transfer<'t> {
    pub(crate) fn new(
        transport: &'t Transport,
        method: &'static str,
        url: &SignedUrl,
        name: String,
        stall: Duration,
        tell: &'t mut Tell<'t>,
    ) -> Result<Self> {
        let (uri, began) = (parse_url("url", url.as_str(), false)?, Instant::now());
        Ok(Self {
            transport,
            method,
            uri,
            name,
            stall,
            tell,
            bytes: 0,
            total: None,
            ended: false,
            attempts: 0,
            began,
        })
    }

    /// Makes attempts until one succeeds or no other would help. The progress is told before each
    /// and while it waits.
    pub(crate) fn run(&mut self, attempt: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let (mut failures, mut good) = (0, 0);
        self.tell()?;
        loop {
            self.attempts += 1;
            let Err(error) = attempt(self) else {
                return Ok(());
            };
            // Counted from the most that ever arrived, so that starting over again and again is no
            // progress.
            if self.bytes >= good + GOOD_ATTEMPT {
                (good, failures) = (self.bytes, 0);
            }
            failures += 1;
            let wait = self
                .transport
                .shared
                .limits
                .retry
                .wait_after(failures, error.retry_after());
            let Some(wait) = wait.filter(|_| error.is_safe_to_retry()) else {
                return Err(error);
            };
            // Without the message, which may be the storage's.
            let (method, path) = (self.method, self.uri.path());
            warn!(target: LOG, "{method} {path}: failed; trying again in {:.1} s", wait.as_secs_f64());
            let failed = Instant::now();
            self.tell()?;
            while failed.elapsed() < wait {
                sleep(wait.saturating_sub(failed.elapsed()).min(TELL_EVERY));
                self.tell()?;
            }
        }
    }

    /// Tells of the progress.
    pub(crate) fn tell(&mut self) -> Result<()> {
        self.ended = (self.tell)(self.bytes, self.total).is_break();
        (!self.ended)
            .then_some(())
            .ok_or_else(|| self.failed(Cancelled, ENDED))
    }

    /// Says what an error of `ureq` means for the transfer.
    pub(crate) fn broken(&self, error: &ureq::Error) -> Error {
        use ureq::Error::{BadUri, Protocol, RequireHttpsOnly, Timeout, TooManyRedirects};
        use ureq::Timeout::{Connect, Resolve};
        let is_final =
            cause::kind_of(error) == CauseKind::Tls || cause::is_proxy_authentication(error);
        let words = cause::words(error);
        let (reason, message) = match error {
            _ if self.ended => (Cancelled, ENDED),
            Timeout(Connect | Resolve) => (Broken, &*words),
            Timeout(_) => (Stalled, "nothing moved for as long as the stall limit"),
            TooManyRedirects => (Refused, "it redirects too often"),
            RequireHttpsOnly(_) | BadUri(_) => (Refused, "it redirects away from https"),
            // S3 does so for a wrong region. `ureq` has no public type for it, and no answer to
            // read.
            Protocol(e) if e.to_string().contains("location header") => {
                (Refused, "it redirects without saying where")
            }
            _ if is_final => (Refused, &*words),
            _ => (Broken, &*words),
        };
        let peer = agent::peer(&self.transport.shared.files, &self.uri);
        self.failed(reason, &format!("{peer}: {message}"))
    }

    /// Says what an answer that is not the file, or not its receipt, means for the transfer.
    pub(crate) fn refused(&self, response: Response<Body>) -> Error {
        let (began, (parts, body)) = (Instant::now(), response.into_parts());
        let status = parts.status.as_u16();
        // No body takes longer than the stall limit, however slowly it comes.
        let body = BufReader::new(body.into_reader().take(ERROR_BODY))
            .bytes()
            .map_while(io::Result::ok);
        let body: Vec<u8> = body.take_while(|_| began.elapsed() < self.stall).collect();
        let text = String::from_utf8_lossy(&body);
        let code = xml_element(&text, "Code");
        let words = match (&code, xml_element(&text, "Message")) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) if parts.status.is_redirection() => {
                "a redirect, which is not followed".to_owned()
            }
            (None, _) => text.into_owned(),
        };
        let reason = match (status, code.as_deref()) {
            // A 403 of a proxy or a firewall is not the storage's.
            (403, Some(_)) | (400, Some("ExpiredToken")) => LinkExpired,
            // S3 says so when it heard nothing for a while.
            (400, Some("RequestTimeout")) => Broken,
            _ if may_pass(status) => Broken,
            _ => Refused,
        };
        let mut error = self.error(reason, format!("{status} {words}").trim_end());
        error.context.status = Some(status);
        error.context.request_id =
            request_id(&parts.headers).map(|id| self.transport.redact(id, &[]));
        error.context.retry_after = retry_after(&parts.headers);
        Error::Transfer(error)
    }

    /// Makes the error of a transfer. `message` can hold anything that came.
    pub(crate) fn failed(&self, reason: TransferReason, message: &str) -> Error {
        Error::Transfer(self.error(reason, message))
    }

    fn error(&self, reason: TransferReason, message: &str) -> Box<TransferError> {
        let query = self.uri.query().unwrap_or_default();
        let mut secrets = vec![query];
        secrets.extend(
            query
                .split(['&', '='])
                .filter(|part| part.len() >= SHORTEST_SECRET),
        );
        let (name, message) = (self.name.clone(), self.transport.redact(message, &secrets));
        let (method, path, attempts) = (self.method, without_query(&self.uri), self.attempts);
        let context = Context {
            method,
            path,
            attempts,
            elapsed: self.began.elapsed(),
            ..Context::default()
        };
        Box::new(TransferError {
            name,
            reason,
            message,
            bytes: self.bytes,
            context,
        })
    }
}

/// Makes the error of a file for which there is no link.
pub(crate) fn no_link(method: &'static str, name: &str) -> Error {
    let message = "the service gave no link for the file".to_owned();
    let context = Context {
        method,
        path: name.to_owned(),
        ..Context::default()
    };
    let (name, reason, bytes) = (name.to_owned(), NoLink, 0);
    Error::Transfer(Box::new(TransferError {
        name,
        reason,
        message,
        bytes,
        context,
    }))
}

impl Transport {
    /// Fetches a file, or the rest of it from a byte on if it is still the one that has this
    /// `ETag`. Redirects are followed, from https only to https.
    pub(crate) fn get(
        &self,
        uri: &Uri,
        rest: Option<(u64, &HeaderValue)>,
        stall: Duration,
    ) -> Fetched {
        let mut request = Request::get(uri);
        if let Some((from, etag)) = rest {
            request = request
                .header(RANGE, format!("bytes={from}-"))
                .header(IF_RANGE, etag);
        }
        self.transfer(request, SendBody::none(), stall)
    }

    /// Sends a file of a known length. No redirect is followed.
    ///
    /// Without `Expect: 100-continue`: `ureq` takes a `100 Continue` that has a header for the
    /// final answer, proxies answer 417, and none of the vendor's clients sends it.
    pub(crate) fn put(
        &self,
        uri: &Uri,
        file: &mut dyn Read,
        length: u64,
        stall: Duration,
    ) -> Fetched {
        let request = Request::put(uri).header(CONTENT_LENGTH, length);
        self.transfer(request, SendBody::from_reader(file), stall)
    }

    fn transfer<'b>(&self, request: Builder, body: SendBody<'b>, stall: Duration) -> Fetched {
        let began = Instant::now();
        let Shared {
            files,
            user_agent,
            limits,
            foreign,
            ..
        } = &*self.shared;
        // Of a compressed file neither the length could be checked nor the rest be asked for.
        let request = request
            .header(USER_AGENT, user_agent)
            .header(ACCEPT_ENCODING, "identity");
        let mut request = request.body(body)?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let upload = method == Method::PUT;
        if *foreign || upload || stall != STALL || !is_https(&uri) {
            let connect = shorter(limits.connect_timeout, files.config().timeouts().connect);
            let stall = shorter(stall, None);
            // `ureq` would make a GET of a PUT that is redirected.
            request = configured(
                files,
                request,
                if upload { 0 } else { REDIRECTS },
                of_file(connect, stall),
                stall,
            );
        }
        let result = files.run(request);
        let status = result.as_ref().ok().map(|answer| answer.status().as_u16());
        let seconds = began.elapsed().as_secs_f64();
        debug!(target: LOG, "{method} {}: status {status:?}, {seconds:.3} s", without_query(&uri));
        result
    }
}

/// An answer of the storage, whatever its status.
type Fetched = std::result::Result<Response<Body>, ureq::Error>;

/// Returns a URL as it may be shown.
fn without_query(uri: &Uri) -> String {
    uri.to_string()
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Returns the text of the first such element.
fn xml_element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_away_from_https_is_final_and_its_url_not_shown() {
        let client = crate::Client::builder("a-key")
            .base_url("http://127.0.0.1:1")
            .build()
            .unwrap();
        let (url, stall) = (
            SignedUrl::from("https://s3.example/a.jpg?sig=SECRET"),
            STALL,
        );
        let mut tell = |_, _| ControlFlow::Continue(());
        let transfer = Transfer::new(
            &client.transport,
            "GET",
            &url,
            String::new(),
            stall,
            &mut tell,
        )
        .unwrap();
        let error = ureq::Error::RequireHttpsOnly("http://s3.example/a.jpg?sig=SECRET".to_owned());
        let error = transfer.broken(&error);
        let text = error.to_string();
        assert!(
            !error.is_safe_to_retry()
                && text.contains("away from https")
                && !text.contains("SECRET"),
            "{text}"
        );
    }
}
