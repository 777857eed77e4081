//! One file on its way: attempts, where each goes on, and what a failure means.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::warn;
use ureq::Body;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, TRANSFER_ENCODING};
use ureq::http::{HeaderValue, Uri};

use super::Download;
use super::name::given_name;
use crate::error::TransferReason::{self, Broken, Cancelled, Changed, Refused, TooLarge};
use crate::error::{Error, Result};
use crate::transport::{LOG, check_limit, parse};

/// How much is read at a time.
const BUFFER: usize = 128 * 1024;

/// How many new bytes make an attempt a good one, after which failures are counted anew. A network that cuts every
/// connection after so many bytes must let a large file through, and a server that gives a byte an attempt must not be
/// asked for ever.
const GOOD_ATTEMPT: u64 = 1024 * 1024;

/// How often progress is told, at most.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Where the bytes go.
pub(super) trait Sink: Write {
    /// Takes back what was written. Returns false if that cannot be done.
    fn take_back(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

impl Sink for File {
    fn take_back(&mut self) -> io::Result<bool> {
        self.set_len(0)?;
        self.rewind().map(|()| true)
    }
}

impl Sink for Vec<u8> {
    fn take_back(&mut self) -> io::Result<bool> {
        self.clear();
        Ok(true)
    }
}

impl Sink for &mut dyn Write {}

/// How far a transfer is.
#[derive(Default)]
pub(super) struct State {
    uri: Uri,
    /// The most bytes that there may be.
    pub(super) limit: Option<u64>,
    /// How much of the file the sink holds.
    received: u64,
    total: Option<u64>,
    /// The strong `ETag` of what the sink holds. Without one a transfer cannot go on where it stopped
    /// ([RFC 9110, section 13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5)).
    etag: Option<HeaderValue>,
    attempts: u32,
    told: Option<Instant>,
}

impl Download<'_> {
    /// Gets the whole file, and returns how long it is. `path` is for errors of the sink.
    pub(super) fn run(mut self, sink: &mut dyn Sink, path: &Path) -> Result<u64> {
        check_limit("stall_timeout", self.stall_timeout)?;
        let url = self.link.download_link.as_ref();
        self.state.uri = parse(url.ok_or_else(|| Error::invalid("url", "the service gave no URL for this picture"))?)?;
        let began = Instant::now();
        let result = self.try_to_get(sink);
        result.map(|()| self.state.received).map_err(|mut error| {
            match &mut error {
                Error::Io { path: place, .. } => *place = path.to_owned(),
                Error::Transfer(e) => {
                    (e.name, e.bytes) = (given_name(&self.link), self.state.received);
                    (e.context.attempts, e.context.elapsed) = (self.state.attempts, began.elapsed());
                }
                _ => {}
            }
            error
        })
    }

    fn try_to_get(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (mut failures, mut good) = (0, 0);
        loop {
            self.tell()?;
            self.state.attempts += 1;
            let Err(error) = self.attempt(sink) else {
                return self.tell();
            };
            // Counted from the most that ever arrived, so that starting over again and again is no progress.
            if self.state.received >= good + GOOD_ATTEMPT {
                (good, failures) = (self.state.received, 0);
            }
            failures += 1;
            let retry = self.client.transport.retry();
            let wait = retry.wait_after(failures, error.retry_after());
            let Some(wait) = wait.filter(|_| error.is_safe_to_retry()) else {
                return Err(error);
            };
            // Without the message, which may be the storage's.
            let path = self.state.uri.path();
            warn!(target: LOG, "GET {path}: failed; trying again in {:.1} s", wait.as_secs_f64());
            let failed = Instant::now();
            while failed.elapsed() < wait {
                sleep(wait.saturating_sub(failed.elapsed()).min(TELL_EVERY));
                self.tell()?;
            }
        }
    }

    fn attempt(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (received, etag) = (self.state.received, self.state.etag.clone());
        let rest = etag.as_ref().filter(|_| received > 0).map(|etag| (received, etag));
        if rest.is_none() {
            self.start_over(sink)?;
        }
        let (transport, uri, stall) = (&self.client.transport, &self.state.uri, self.stall_timeout);
        let response = transport.get(uri, rest, stall).map_err(|e| self.broken(&e))?;
        let value = |name| response.headers().get(name);
        let text = |name| value(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let goes_on = rest.is_some_and(|(from, etag)| {
            text(CONTENT_RANGE).starts_with(&format!("bytes {from}-")) && value(ETAG) == Some(etag)
        });
        match response.status().as_u16() {
            206 if goes_on => {}
            206 | 416 if rest.is_some() => {
                self.state.etag = None;
                return Err(self.failed(Broken, "the storage did not send the rest of the file"));
            }
            200 => {
                let chunked = text(TRANSFER_ENCODING).eq_ignore_ascii_case("chunked");
                let total = text(CONTENT_LENGTH).parse().ok().filter(|_| !chunked);
                let refuse = |why: &str| Err(self.failed(Refused, why));
                match text(CONTENT_ENCODING) {
                    // Some storages keep `aws-chunked`, an encoding of the upload that is undone.
                    "" | "identity" | "aws-chunked" => {}
                    other => return refuse(&format!("the file came with the Content-Encoding {other}")),
                }
                if text(CONTENT_TYPE).to_ascii_lowercase().starts_with("text/html") {
                    return refuse("a web page came in place of the file");
                }
                if total.is_none() && !chunked {
                    return refuse(
                        "the answer does not say where the file ends, so that a part could pass for the whole",
                    );
                }
                let strong = |etag: &&HeaderValue| total.is_some() && etag.as_bytes().starts_with(b"\"");
                let etag = value(ETAG).filter(strong).cloned();
                self.start_over(sink)?;
                (self.state.etag, self.state.total) = (etag, total);
            }
            _ => {
                let refused = transport.refused("GET", uri, response, stall);
                return Err(Error::Transfer(refused.error));
            }
        }
        self.read(response.into_body(), sink)
    }

    fn read(&mut self, body: Body, sink: &mut dyn Sink) -> Result<()> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = reader.read(&mut buffer).map_err(|e| self.broken(&e.into()))?;
            let received = self.state.received + read as u64;
            let total = self.state.total.unwrap_or(received);
            if self.state.limit.is_some_and(|limit| limit < total.max(received)) {
                return Err(self.failed(TooLarge, "the file is larger than is allowed"));
            }
            if received > total || (read == 0 && received < total) {
                return Err(self.failed(Broken, "more or fewer bytes came than the file has"));
            }
            if read == 0 {
                return Ok(());
            }
            let new = buffer.get(..read).unwrap_or_default();
            sink.write_all(new).map_err(|e| Error::io("", e))?;
            self.state.received = received;
            if self.state.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                self.tell()?;
            }
        }
    }

    fn start_over(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.state.received > 0 && !sink.take_back().map_err(|e| Error::io("", e))? {
            let why = "the transfer broke and cannot go on, and what was written cannot be taken back";
            return Err(self.failed(Changed, why));
        }
        self.state.received = 0;
        Ok(())
    }

    /// Tells of the progress.
    fn tell(&mut self) -> Result<()> {
        self.state.told = Some(Instant::now());
        match (self.progress)(self.state.received, self.state.total).is_break() {
            true => Err(self.failed(Cancelled, "ended by the callback")),
            false => Ok(()),
        }
    }

    fn broken(&self, error: &ureq::Error) -> Error {
        let transport = &self.client.transport;
        Error::Transfer(transport.broken("GET", &self.state.uri, error).error)
    }

    fn failed(&self, reason: TransferReason, why: &str) -> Error {
        let transport = &self.client.transport;
        Error::Transfer(transport.refusal("GET", &self.state.uri, reason, why).error)
    }
}
