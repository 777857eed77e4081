//! One file on its way: attempts, where each goes on, and what a failure means.

use std::io::Read;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use log::warn;
use ureq::Body;
use ureq::http::Uri;
use ureq::http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use ureq::http::response::Parts;

use crate::error::{Cause, DownloadError, DownloadReason, Error, Result};
use crate::transport::{
    Fetch, FetchError, LOG, MESSAGE, Repeat, Transport, Verdict, cause_of, error_body, judge_status, parse_retry_after,
    request_id, status_word, without_query,
};

/// How much is read at a time.
const BUFFER: usize = 128 * 1024;

/// How many new bytes make an attempt a good one, after which the attempts are counted from the start.
///
/// Some networks cut every connection after so many bytes, and a large file must get through all the same; but a server
/// that gives a byte an attempt must not be asked for ever.
const GOOD_ATTEMPT: u64 = 1024 * 1024;

/// How often progress is told, at most.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Told of the bytes so far and of all of them, if that is known.
pub(super) type Watch<'a> = dyn FnMut(u64, Option<u64>) -> ControlFlow<()> + 'a;

/// Where the bytes go.
pub(super) trait Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Forgets what was written. False if it cannot.
    fn restart(&mut self) -> Result<bool>;

    /// How many bytes there is room for.
    #[inline]
    fn limit(&self) -> u64 {
        u64::MAX
    }
}

/// What names a state of the file, so that the rest of another is not put behind the start of this one.
#[derive(PartialEq)]
struct Validator {
    header: HeaderName,
    value: HeaderValue,
}

impl Validator {
    /// The strong `ETag`, or without any the `Last-Modified`, if a change in the same second can be ruled out:
    /// [RFC 9110, section 13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5).
    #[inline]
    fn of(headers: &HeaderMap) -> Option<Self> {
        if let Some(tag) = headers.get(ETAG) {
            let strong = tag.as_bytes().starts_with(b"\"");
            return strong.then(|| Self {
                header: ETAG,
                value: tag.clone(),
            });
        }
        let value = headers.get(LAST_MODIFIED)?;
        let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
        let answered = headers.get(DATE).and_then(date).unwrap_or_else(SystemTime::now);
        let age = answered.duration_since(date(value)?).ok()?;
        (age >= Duration::from_secs(1)).then(|| Self {
            header: LAST_MODIFIED,
            value: value.clone(),
        })
    }

    /// Whether an answer does not speak against this.
    #[inline]
    fn allows(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.header).is_none_or(|value| *value == self.value)
    }
}

/// Why an attempt did not bring the rest of the file.
enum Failure {
    Final(Error),
    /// To be tried again, after this time or one that the retry policy chooses.
    Passing(Box<DownloadError>, Option<Duration>),
}

impl From<Error> for Failure {
    #[inline]
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

pub(super) struct Transfer<'t> {
    transport: &'t Transport,
    uri: &'t Uri,
    stall: Duration,
    watch: &'t mut Watch<'t>,
    told: Instant,
    buffer: Vec<u8>,
    /// How much of the file the sink holds.
    received: u64,
    total: Option<u64>,
    validator: Option<Validator>,
    attempts: u32,
}

impl<'t> Transfer<'t> {
    #[inline]
    pub(super) fn new(transport: &'t Transport, uri: &'t Uri, stall: Duration, watch: &'t mut Watch<'t>) -> Self {
        Self {
            transport,
            uri,
            stall,
            watch,
            told: Instant::now(),
            buffer: vec![0; BUFFER],
            received: 0,
            total: None,
            validator: None,
            attempts: 0,
        }
    }

    /// Gets the whole file, and says how long it is.
    #[inline]
    pub(super) fn run(mut self, sink: &mut dyn Sink) -> Result<u64> {
        self.tell()?;
        let retry = self.transport.settings().retry;
        let mut failures = 0;
        let mut good = 0;
        loop {
            self.attempts = self.attempts.saturating_add(1);
            let (error, wait) = match self.attempt(sink) {
                Ok(()) => break,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, wait)) => (error, wait),
            };
            // Counted from the most that ever arrived, so that starting over again and again is no progress.
            if self.received >= good + GOOD_ATTEMPT {
                good = self.received;
                failures = 0;
            }
            failures += 1;
            if failures >= retry.max_attempts.max(1) || wait.is_some_and(|wait| wait > retry.max_retry_after) {
                return Err(Error::Download(error));
            }
            let wait = wait.unwrap_or_else(|| retry.backoff(failures));
            // Not the message, which may be the storage's.
            warn!(
                target: LOG,
                "GET {}: {:?}, status {}, after {} bytes; trying again in {:.1} s",
                error.url,
                error.reason,
                status_word(error.status),
                error.received,
                wait.as_secs_f64()
            );
            self.pause(wait)?;
        }
        self.tell()?;
        Ok(self.received)
    }

    #[inline]
    fn attempt(&mut self, sink: &mut dyn Sink) -> Result<(), Failure> {
        if self.received > 0 && self.validator.is_none() {
            self.start_over(sink)?;
        }
        let asked_for_rest = self.received > 0;
        let fetch = Fetch {
            uri: self.uri,
            from: self
                .validator
                .as_ref()
                .filter(|_| asked_for_rest)
                .map(|validator| (self.received, &validator.value)),
            patience: self.stall,
        };
        let (response, answered_by) = match self.transport.fetch(&fetch) {
            Ok(answer) => answer,
            Err(FetchError::Redirect(why)) => {
                return Err(self.end(DownloadReason::Refused, why).into());
            }
            Err(FetchError::Silent) => return Err(self.stalled()),
            Err(FetchError::Network(cause)) => return Err(self.lost(&cause)),
        };
        let (parts, body) = response.into_parts();
        let mut skip = 0;
        match parts.status.as_u16() {
            200 => {
                let validator = Validator::of(&parts.headers);
                if asked_for_rest {
                    if sink.restart()? {
                        self.received = 0;
                    } else if validator == self.validator {
                        // What cannot be written again need not be: it is the same file.
                        skip = self.received;
                    } else {
                        return Err(self.changed());
                    }
                }
                self.total = length(&parts.headers, &body);
                // Without a length it may be compressed all the same, and a range is one of other bytes then.
                self.validator = validator.filter(|_| self.total.is_some());
                if self.total.is_none() && !is_chunked(&parts.headers) {
                    let why = "the answer does not say how long the file is, so that a whole one cannot be told from a \
                               part";
                    return Err(self.broken(why));
                }
            }
            206 if asked_for_rest && self.goes_on(&parts.headers) => {}
            206 if asked_for_rest => {
                self.start_over(sink)?;
                return Err(self.at_once("the storage sent another part of the file than the one that was asked for"));
            }
            416 if asked_for_rest => {
                self.start_over(sink)?;
                return Err(self.at_once("the storage says that the file ends before the part that was asked for"));
            }
            _ => return Err(self.refused(&answered_by, &parts, body)),
        }
        self.read(body, skip, sink)?;
        if self.total.is_some_and(|total| total != self.received) {
            return Err(self.broken("the transfer ended before the file did"));
        }
        Ok(())
    }

    /// Copies the body to the sink, without its first `skip` bytes.
    #[inline]
    fn read(&mut self, body: Body, mut skip: u64, sink: &mut dyn Sink) -> Result<(), Failure> {
        let whole = self.total.unwrap_or_default();
        if whole > sink.limit() {
            let message = format!("the file has {whole} bytes, and {} are allowed", sink.limit());
            return Err(self.end(DownloadReason::TooLarge, message).into());
        }
        let mut reader = body.into_reader();
        let mut moved = Instant::now();
        self.tell()?;
        loop {
            match reader.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    moved = Instant::now();
                    let skipped = skip.min(read as u64);
                    skip -= skipped;
                    let new = self.buffer.get(skipped as usize..read).unwrap_or_default();
                    let received = self.received.saturating_add(new.len() as u64);
                    if self.total.is_some_and(|total| received > total) {
                        self.validator = None;
                        return Err(self.broken("more bytes came than the file has"));
                    }
                    if received > sink.limit() {
                        let message = format!("the file is larger than the {} bytes that are allowed", sink.limit());
                        return Err(self.end(DownloadReason::TooLarge, message).into());
                    }
                    sink.write(new)?;
                    self.received = received;
                    if self.told.elapsed() >= TELL_EVERY {
                        self.tell()?;
                    }
                }
                Err(e) => match ureq::Error::from(e) {
                    // Nothing is lost: the next read goes on where this one waited in vain.
                    ureq::Error::Timeout(ureq::Timeout::PerRead) => {
                        if moved.elapsed() >= self.stall {
                            return Err(self.stalled());
                        }
                        self.tell()?;
                    }
                    e => {
                        return Err(self.lost(&cause_of(&e)));
                    }
                },
            }
        }
    }

    /// Whether an answer goes on where this file stopped.
    #[inline]
    fn goes_on(&self, headers: &HeaderMap) -> bool {
        let range = headers
            .get(CONTENT_RANGE)
            .and_then(|value| content_range(value.to_str().ok()?));
        let right_place = range.is_some_and(|(first, total)| {
            first == self.received && total.is_none_or(|total| self.total == Some(total))
        });
        right_place
            && self
                .validator
                .as_ref()
                .is_some_and(|validator| validator.allows(headers))
    }

    #[inline]
    fn start_over(&mut self, sink: &mut dyn Sink) -> Result<(), Failure> {
        if !sink.restart()? {
            return Err(self.changed());
        }
        self.received = 0;
        self.validator = None;
        Ok(())
    }

    /// Tells of the progress.
    #[inline]
    fn tell(&mut self) -> Result<()> {
        self.told = Instant::now();
        match (self.watch)(self.received, self.total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(self.end(DownloadReason::Cancelled, "ended by the caller")),
        }
    }

    /// Waits, and looks now and then whether it still should.
    #[inline]
    fn pause(&mut self, wait: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TELL_EVERY));
            self.tell()?;
        }
    }

    #[inline]
    fn error(&self, reason: DownloadReason, message: impl Into<String>) -> Box<DownloadError> {
        Box::new(DownloadError {
            url: without_query(self.uri),
            reason,
            message: message.into(),
            status: None,
            request_id: None,
            retry_after: None,
            received: self.received,
            attempts: self.attempts,
        })
    }

    #[inline]
    fn end(&self, reason: DownloadReason, message: impl Into<String>) -> Error {
        Error::Download(self.error(reason, message))
    }

    #[inline]
    fn broken(&self, why: impl Into<String>) -> Failure {
        Failure::Passing(self.error(DownloadReason::Broken, why), None)
    }

    #[inline]
    fn lost(&self, cause: &Cause) -> Failure {
        self.broken(self.transport.cleaner_of(&[self.uri]).text(&cause.message, MESSAGE))
    }

    #[inline]
    fn at_once(&self, why: &str) -> Failure {
        Failure::Passing(self.error(DownloadReason::Broken, why), Some(Duration::ZERO))
    }

    #[inline]
    fn stalled(&self) -> Failure {
        let why = format!("nothing came for {:.1} s", self.stall.as_secs_f64());
        Failure::Passing(self.error(DownloadReason::Stalled, why), None)
    }

    #[inline]
    fn changed(&self) -> Failure {
        let why = "the transfer broke and cannot go on, since the file cannot be shown to be still the same, and what \
                   was written cannot be taken back";
        self.end(DownloadReason::Changed, why).into()
    }

    /// An answer that is not the file.
    #[inline]
    fn refused(&self, answered_by: &Uri, parts: &Parts, body: Body) -> Failure {
        let status = parts.status.as_u16();
        let body = error_body(body, self.stall);
        let retry_after = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| parse_retry_after(value, SystemTime::now()));
        let xml = String::from_utf8_lossy(&body);
        let code = xml_element(&xml, "Code");
        let clean = self.transport.cleaner_of(&[self.uri, answered_by]);
        let stated: Vec<String> = code.iter().cloned().chain(xml_element(&xml, "Message")).collect();
        let words = match stated.join(": ").as_str() {
            "" => clean.start(&body, MESSAGE),
            stated => clean.text(stated, MESSAGE),
        };
        let again = matches!(
            judge_status(Repeat::Freely, status, retry_after.is_some()),
            Verdict::Again { .. }
        );
        let reason = match (status, code.as_deref()) {
            // 403 of a proxy or a firewall is no word of the storage.
            (403, Some(_)) | (400, Some("ExpiredToken")) => DownloadReason::LinkExpired,
            _ if again => DownloadReason::Broken,
            _ => DownloadReason::Refused,
        };
        let mut error = self.error(reason, format!("{status} {words}").trim_end());
        error.status = Some(status);
        error.request_id = request_id(&parts.headers, &clean);
        error.retry_after = retry_after;
        if again {
            Failure::Passing(error, retry_after)
        } else {
            Failure::Final(Error::Download(error))
        }
    }
}

/// The length that an answer promises of the whole file.
#[inline]
fn length(headers: &HeaderMap, body: &Body) -> Option<u64> {
    // `ureq` has no length for an empty body.
    let empty = headers.get(CONTENT_LENGTH).is_some_and(|value| value == "0") && !is_chunked(headers);
    body.content_length().or(empty.then_some(0))
}

#[inline]
fn is_chunked(headers: &HeaderMap) -> bool {
    let encodings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    encodings
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("chunked"))
}

/// The first byte and the length of the whole in `bytes FIRST-LAST/TOTAL`, where the total may be `*`.
#[inline]
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, total))
}

/// The text of the first such element.
#[inline]
fn xml_element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    (!plain.is_empty()).then_some(plain)
}
