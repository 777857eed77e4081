//! One download: attempts, and where each goes on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use ureq::Body;
use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, TRANSFER_ENCODING,
};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::Download;
use super::name::{given_name, safe_name};
use crate::error::TransferReason::{Broken, Changed, Refused, TooLarge};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::transport::{FileCall, Rest, Transfer, check_limit};

/// How much is read at a time.
const BUFFER: usize = 128 * 1024;

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
        self.rewind()?;
        Ok(true)
    }
}

impl Sink for Vec<u8> {
    fn take_back(&mut self) -> io::Result<bool> {
        self.clear();
        Ok(true)
    }
}

impl Sink for &mut dyn Write {}

impl Download<'_> {
    /// Gets the whole file, at most `limit` bytes, and returns how long it is. `path` is for errors
    /// of the sink.
    pub(super) fn run(&mut self, sink: &mut dyn Sink, path: &Path, limit: u64) -> Result<u64> {
        check_limit("stall_timeout", self.stall_timeout)?;
        let Some(url) = &self.link.download_link else {
            return Err(Error::invalid(
                "url",
                "the service gave no URL for this file",
            ));
        };
        let name = given_name(&self.link);
        let name_on_disk = safe_name(&name);
        let call = FileCall {
            method: "GET",
            url,
            name,
            stall: self.stall_timeout,
        };
        let callback = &mut self.callback;
        let mut tell = |bytes, total| {
            callback(&Progress {
                name: &name_on_disk,
                items: 1,
                bytes,
                total,
                all_bytes: bytes,
                ..Progress::default()
            })
        };
        let mut file = Transfer::new(&self.client.transport, call, &mut tell)?;
        let mut receiver = Receiver {
            sink,
            path,
            limit,
            etag: None,
        };
        file.run(&mut |file| receiver.attempt(file))?;
        Ok(file.bytes)
    }
}

/// What a download has so far, and where it puts it.
struct Receiver<'s> {
    sink: &'s mut dyn Sink,
    /// For errors of the sink.
    path: &'s Path,
    /// The most bytes that there may be.
    limit: u64,
    /// The strong `ETag` of what the sink holds. Without one a transfer cannot go on where it
    /// stopped ([RFC 9110, section 13.1.5](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5)).
    etag: Option<HeaderValue>,
}

impl Receiver<'_> {
    /// Gets the file, or what is missing of it, once.
    fn attempt(&mut self, file: &mut Transfer<'_>) -> Result<()> {
        let rest = self.rest(file);
        let response = file
            .transport
            .get(&file.uri, rest.as_ref(), file.stall)
            .map_err(|e| file.broken(&e))?;
        match (response.status().as_u16(), rest) {
            (206, Some(rest)) if is_rest(response.headers(), &rest) => {}
            (206 | 416, Some(_)) => {
                // The next attempt asks for the whole file.
                self.etag = None;
                return Err(file.failed(Broken, "the storage did not send the rest of the file"));
            }
            (200, _) => self.begin(response.headers(), file)?,
            _ => return Err(file.refused(response)),
        }
        self.read(response.into_body(), file)
    }

    /// Returns what to ask for if the transfer can go on where it stopped.
    fn rest(&self, file: &Transfer<'_>) -> Option<Rest> {
        if file.bytes == 0 {
            return None;
        }
        let etag = self.etag.clone()?;
        Some(Rest {
            from: file.bytes,
            etag,
        })
    }

    /// Makes ready for a file from its start, by what the answer says of it.
    fn begin(&mut self, headers: &HeaderMap, file: &mut Transfer<'_>) -> Result<()> {
        let is_chunked = text(headers, TRANSFER_ENCODING).eq_ignore_ascii_case("chunked");
        let total = if is_chunked {
            None
        } else {
            text(headers, CONTENT_LENGTH).parse().ok()
        };
        let encoding = text(headers, CONTENT_ENCODING);
        let kind = text(headers, CONTENT_TYPE).to_ascii_lowercase();
        // Some storages keep `aws-chunked`, an encoding of the upload that is undone.
        if !matches!(encoding, "" | "identity" | "aws-chunked") {
            let why = format!("the file came with the Content-Encoding {encoding}");
            return Err(file.failed(Refused, &why));
        }
        if kind.starts_with("text/html") {
            return Err(file.failed(Refused, "a web page came in place of the file"));
        }
        // A part could pass for the whole.
        if total.is_none() && !is_chunked {
            return Err(file.failed(Refused, "the answer does not say where the file ends"));
        }
        self.empty_sink(file)?;
        self.etag = headers
            .get(ETAG)
            .filter(|etag| total.is_some() && etag.as_bytes().starts_with(b"\""))
            .cloned();
        file.bytes = 0;
        file.total = total;
        Ok(())
    }

    /// Empties the sink of what an earlier attempt brought.
    fn empty_sink(&mut self, file: &Transfer<'_>) -> Result<()> {
        if file.bytes == 0 || self.sink.take_back().map_err(|e| self.io(e))? {
            return Ok(());
        }
        let why = "the transfer broke and cannot go on, and what was written cannot be taken back";
        Err(file.failed(Changed, why))
    }

    /// Reads the body to its end.
    fn read(&mut self, body: Body, file: &mut Transfer<'_>) -> Result<()> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = reader
                .read(&mut buffer)
                .map_err(|e| file.broken(&e.into()))?;
            let received = file.bytes + read as u64;
            let total = file.total.unwrap_or(received);
            if total.max(received) > self.limit {
                return Err(file.failed(TooLarge, "the file is larger than is allowed"));
            }
            if received > total || (read == 0 && received < total) {
                return Err(file.failed(Broken, "more or fewer bytes came than the file has"));
            }
            if read == 0 {
                return Ok(());
            }
            let new = buffer.get(..read).unwrap_or_default();
            self.sink.write_all(new).map_err(|e| self.io(e))?;
            file.bytes = received;
            file.tell()?;
        }
    }

    fn io(&self, error: io::Error) -> Error {
        Error::io(self.path, error)
    }
}

/// Whether an answer is the rest that was asked for, of the same state of the file.
fn is_rest(headers: &HeaderMap, rest: &Rest) -> bool {
    let range = format!("bytes {}-", rest.from);
    text(headers, CONTENT_RANGE).starts_with(&range) && headers.get(ETAG) == Some(&rest.etag)
}

/// Returns a header's value, empty if it is missing or no text.
fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    match headers.get(name).map(HeaderValue::to_str) {
        Some(Ok(text)) => text,
        _ => "",
    }
}
