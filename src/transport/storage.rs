//! The way to object storage: `GET` and `PUT` of presigned URLs, which never carry the key.

use std::io::Read;
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
    ERROR_BODY, LOG, Transport, cause, is_https, may_pass, parse_url, request_id, retry_after,
};
use crate::error::TransferReason::{
    self, Broken, Cancelled, LinkExpired, NoLink, Refused, Stalled,
};
use crate::error::{Context, Error, Result, TransferError};
use crate::types::SignedUrl;

/// By default, an attempt at a file is given up after this long without progress.
pub(crate) const STALL: Duration = Duration::from_secs(60);

/// After an attempt that brought so many new bytes, failures are counted from 0 again. A large file
/// must get through a network that cuts every connection after some megabytes. A server that gives
/// one byte an attempt must not be asked without end.
const GOOD_ATTEMPT: u64 = 1024 * 1024;

/// How often the progress is told while a transfer waits to be tried again.
const TELL_EVERY: Duration = Duration::from_millis(100);

const ENDED: &str = "ended by the callback";

/// A callback that is told how many bytes of a file have been transferred, and how many it has.
pub(crate) type Tell<'t> = dyn FnMut(u64, Option<u64>) -> ControlFlow<()> + 't;

/// What a transfer is asked to do.
pub(crate) struct FileCall<'u> {
    pub(crate) method: &'static str,
    pub(crate) url: &'u SignedUrl,
    /// The file's name, for errors.
    pub(crate) name: String,
    pub(crate) stall: Duration,
}

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
        call: FileCall<'_>,
        tell: &'t mut Tell<'t>,
    ) -> Result<Self> {
        Ok(Self {
            transport,
            uri: parse_link(transport, call.url)?,
            stall: call.stall,
            bytes: 0,
            total: None,
            tell,
            ended: false,
            name: call.name,
            method: call.method,
            attempts: 0,
            began: Instant::now(),
        })
    }

    /// Sends the next attempts to another link.
    pub(crate) fn use_link(&mut self, url: &SignedUrl) -> Result<()> {
        self.uri = parse_link(self.transport, url)?;
        Ok(())
    }

    /// Makes attempts until one succeeds or no other would help. The progress is told before each
    /// and while it waits.
    pub(crate) fn run(&mut self, attempt: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let retry = self.transport.shared.limits.retry;
        let mut failures = 0;
        // Counted from the most that ever arrived, so that starting over again and again is no
        // progress.
        let mut most = 0;
        self.tell()?;
        loop {
            self.attempts += 1;
            let Err(error) = attempt(self) else {
                return Ok(());
            };
            if self.bytes >= most + GOOD_ATTEMPT {
                most = self.bytes;
                failures = 0;
            }
            failures += 1;
            match retry.wait_after(failures, error.retry_after()) {
                Some(wait) if error.is_safe_to_retry() => self.wait(wait)?,
                _ => return Err(error),
            }
        }
    }

    /// Waits before the next attempt.
    fn wait(&mut self, wait: Duration) -> Result<()> {
        let began = Instant::now();
        // Without the error's message, which may be the storage's.
        let path = self.transport.redact(self.uri.path());
        let method = self.method;
        let seconds = wait.as_secs_f64();
        warn!(target: LOG, "{method} {path}: failed; trying again in {seconds:.1} s");
        self.tell()?;
        while began.elapsed() < wait {
            sleep(wait.saturating_sub(began.elapsed()).min(TELL_EVERY));
            self.tell()?;
        }
        Ok(())
    }

    /// Tells of the progress.
    pub(crate) fn tell(&mut self) -> Result<()> {
        self.ended = (self.tell)(self.bytes, self.total).is_break();
        if self.ended {
            return Err(self.failed(Cancelled, ENDED));
        }
        Ok(())
    }

    /// Makes the error of an attempt that brought no answer, or not all of it.
    pub(crate) fn broken(&self, error: &ureq::Error) -> Error {
        if self.ended {
            return self.failed(Cancelled, ENDED);
        }
        let (reason, message) = judge(error);
        let message = self.redact(&message);
        // Apart, since a host can hold what a query repeats: an S3 link names its region in both.
        let peer = agent::peer(&self.transport.shared.files, &self.uri);
        let peer = self.transport.redact(&peer);
        Error::Transfer(self.error(reason, format!("{peer}: {message}")))
    }

    /// Makes the error of an answer that is not the file, or not its receipt.
    pub(crate) fn refused(&self, response: Response<Body>) -> Error {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let text = start_of(body, self.stall);
        let code = xml_element(&text, "Code");
        let words = match (&code, xml_element(&text, "Message")) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) if parts.status.is_redirection() => {
                "a redirect, which is not followed".to_owned()
            }
            (None, _) => text,
        };
        let reason = reason_of(status, code.as_deref());
        let words = self.redact(&words);
        let message = format!("{status} {words}").trim_end().to_owned();
        let mut error = self.error(reason, message);
        error.context.status = Some(status);
        error.context.request_id = request_id(&parts.headers).map(|id| self.redact(id));
        error.context.retry_after = retry_after(&parts.headers);
        Error::Transfer(error)
    }

    /// Makes the error of a transfer. `message` can hold anything that came.
    pub(crate) fn failed(&self, reason: TransferReason, message: &str) -> Error {
        Error::Transfer(self.error(reason, self.redact(message)))
    }

    /// Redacts what came, which may repeat the link's signature.
    fn redact(&self, text: &str) -> String {
        let query = self.uri.query().unwrap_or_default();
        self.transport.redact_of_url(text, query)
    }

    /// Makes the error of a transfer with a message that may be shown.
    fn error(&self, reason: TransferReason, message: String) -> Box<TransferError> {
        let context = Context {
            method: self.method,
            path: self.transport.shown(&self.uri),
            attempts: self.attempts,
            elapsed: self.began.elapsed(),
            ..Context::default()
        };
        Box::new(TransferError {
            // Not compared with the query, which may repeat the name, as the one to save it under.
            name: self.transport.redact(&self.name),
            reason,
            message,
            bytes: self.bytes,
            context,
        })
    }
}

/// Parses a link. An error shows it without the key, which a service may have put into it.
fn parse_link(transport: &Transport, url: &SignedUrl) -> Result<Uri> {
    match parse_url("url", url.as_str(), false) {
        Err(Error::InvalidInput { field, message }) => {
            Err(Error::invalid(field, transport.redact(&message)))
        }
        result => result,
    }
}

/// Tells what an error of `ureq` means for a transfer, and what to say of it.
fn judge(error: &ureq::Error) -> (TransferReason, String) {
    use ureq::Error::{BadUri, Protocol, RequireHttpsOnly, Timeout, TooManyRedirects};
    use ureq::Timeout::{Connect, Resolve};
    let (reason, message) = match error {
        Timeout(Connect | Resolve) => return (Broken, cause::words(error)),
        Timeout(_) => (Stalled, "nothing moved for as long as the stall limit"),
        TooManyRedirects => (Refused, "it redirects too often"),
        RequireHttpsOnly(_) | BadUri(_) => (Refused, "it redirects away from https"),
        // S3 does so for a wrong region. `ureq` has no public type for it, and no answer to read.
        Protocol(e) if e.to_string().contains("location header") => {
            (Refused, "it redirects without saying where")
        }
        _ if is_final(error) => return (Refused, cause::words(error)),
        _ => return (Broken, cause::words(error)),
    };
    (reason, message.to_owned())
}

/// Whether another attempt would fail in the same way: a certificate that is not trusted, a proxy
/// that refuses, or no TLS in this build. Any other failure of TLS may be bytes that were damaged
/// on their way.
fn is_final(error: &ureq::Error) -> bool {
    let is_setup = matches!(error, ureq::Error::TlsRequired | ureq::Error::Tls(_));
    is_setup || cause::is_certificate(error) || cause::is_refused_by_proxy(error)
}

/// Reads the start of an error's body, for at most two stalls, however slowly it comes.
fn start_of(body: Body, stall: Duration) -> String {
    let began = Instant::now();
    let mut reader = body.into_reader().take(ERROR_BODY);
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while began.elapsed() < stall {
        match reader.read(&mut buffer) {
            Ok(read) if read > 0 => text.extend(buffer.iter().take(read)),
            _ => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Tells what a refusal means, by its status and the code in the storage's XML.
fn reason_of(status: u16, code: Option<&str>) -> TransferReason {
    match (status, code) {
        // Without a code it is the 403 of a proxy or a firewall.
        (403, Some(_)) | (400, Some("ExpiredToken")) => LinkExpired,
        // S3 waited too long for the next bytes of an upload.
        (400, Some("RequestTimeout")) => Broken,
        _ if may_pass(status) => Broken,
        _ => Refused,
    }
}

impl Transport {
    /// Makes the error of a file for which there is no link.
    pub(crate) fn no_link(&self, method: &'static str, name: &str) -> Error {
        self.not_begun(
            method,
            name,
            NoLink,
            "the service gave no link for the file",
        )
    }

    /// Makes the error of a file that no request was sent for, since the callback ended the work.
    pub(crate) fn cancelled(&self, method: &'static str, name: &str) -> Error {
        self.not_begun(method, name, Cancelled, ENDED)
    }

    fn not_begun(
        &self,
        method: &'static str,
        name: &str,
        reason: TransferReason,
        message: &str,
    ) -> Error {
        let name = self.redact(name);
        let context = Context {
            method,
            path: name.clone(),
            ..Context::default()
        };
        Error::Transfer(Box::new(TransferError {
            name,
            reason,
            message: message.to_owned(),
            bytes: 0,
            context,
        }))
    }

    /// Returns a URL as it may be shown: without its query, and no longer than other texts.
    fn shown(&self, uri: &Uri) -> String {
        let url = uri.to_string();
        self.redact(url.split('?').next().unwrap_or_default())
    }

    /// Fetches a file, or the rest of it. Redirects are followed, from https only to https.
    pub(crate) fn get(&self, uri: &Uri, rest: Option<&Rest>, stall: Duration) -> Fetched {
        let mut request = Request::get(uri);
        if let Some(rest) = rest {
            request = request
                .header(RANGE, format!("bytes={}-", rest.from))
                .header(IF_RANGE, &rest.etag);
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

    fn transfer(&self, request: Builder, body: SendBody<'_>, stall: Duration) -> Fetched {
        let began = Instant::now();
        let shared = &*self.shared;
        // Of a compressed file neither the length could be checked nor the rest be asked for.
        let mut request = request
            .header(USER_AGENT, &shared.user_agent)
            .header(ACCEPT_ENCODING, "identity")
            .body(body)?;
        let method = request.method().clone();
        let uri = request.uri().clone();
        let is_usual = method == Method::GET && stall == STALL && is_https(&uri);
        if shared.foreign || !is_usual {
            let connect = shared.files.config().timeouts().connect;
            let connect = shorter(shared.limits.connect_timeout, connect);
            let stall = shorter(stall, None);
            // `ureq` would make a GET of a PUT that is redirected.
            let redirects = match method {
                Method::GET => REDIRECTS,
                _ => 0,
            };
            let limits = of_file(connect, stall);
            request = configured(&shared.files, request, redirects, limits, stall);
        }
        let result = shared.files.run(request);
        let status = result.as_ref().ok().map(|answer| answer.status().as_u16());
        let seconds = began.elapsed().as_secs_f64();
        let url = self.shown(&uri);
        debug!(target: LOG, "{method} {url}: status {status:?}, {seconds:.3} s");
        result
    }
}

/// The rest of a file: from a byte on, if the file is still the one with this `ETag`.
pub(crate) struct Rest {
    pub(crate) from: u64,
    pub(crate) etag: HeaderValue,
}

/// An answer of the storage, whatever its status.
type Fetched = std::result::Result<Response<Body>, ureq::Error>;

/// Returns the text of the first such element.
fn xml_element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    match text.trim() {
        "" => None,
        text => Some(text.to_owned()),
    }
}

#[cfg(test)]
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tests {
    use super::*;

    /// Returns the error of a download from this link, of a file of this name.
    fn broken(url: &str, name: &str, error: &ureq::Error) -> Error {
        let client = crate::Client::builder("a-key")
            .base_url("http://127.0.0.1:1")
            .build()
            .unwrap();
        let call = FileCall {
            method: "GET",
            url: &SignedUrl::from(url),
            name: name.to_owned(),
            stall: STALL,
        };
        let mut tell = |_, _| ControlFlow::Continue(());
        let transfer = Transfer::new(&client.transport, call, &mut tell).unwrap();
        transfer.broken(error)
    }

    #[test]
    fn a_host_and_a_name_that_the_query_repeats_are_shown() {
        let url = "https://bucket.s3.ap-northeast-1.amazonaws.com/a.jpg\
            ?response-content-disposition=attachment%3B%20filename%3DWedding_DSC_0001.jpg\
            &X-Amz-Credential=AKIA%2F20260101%2Fap-northeast-1%2Fs3%2Faws4_request";

        let error = broken(url, "Wedding_DSC_0001.jpg", &ureq::Error::HostNotFound);

        let Error::Transfer(e) = error else {
            panic!("{error}");
        };
        assert_eq!(e.name, "Wedding_DSC_0001.jpg");
        let words = "bucket.s3.ap-northeast-1.amazonaws.com: host not found";
        assert_eq!(e.message, words);
    }

    #[test]
    fn of_the_failures_of_tls_only_a_certificate_is_final() {
        for (words, is_final) in [
            ("cannot decrypt peer's message", false),
            ("received corrupt message of type InvalidContentType", false),
            ("received fatal alert: HandshakeFailure", false),
            ("invalid peer certificate: UnknownIssuer", true),
            ("received fatal alert: CertificateRequired", true),
        ] {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, words);
            let error = broken("https://s3.example/a.jpg?s=1", "", &error.into());
            assert_eq!(error.is_safe_to_retry(), !is_final, "{error}");
        }
    }

    #[test]
    fn a_redirect_away_from_https_is_final_and_its_url_not_shown() {
        let error = ureq::Error::RequireHttpsOnly("http://s3.example/a.jpg?sig=SECRET".to_owned());
        let error = broken("https://s3.example/a.jpg?sig=SECRET", "", &error);
        let text = error.to_string();
        assert!(
            !error.is_safe_to_retry()
                && text.contains("away from https")
                && !text.contains("SECRET"),
            "{text}"
        );
    }
}
