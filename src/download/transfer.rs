//! One download: attempts, and where each goes on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use ureq::Body;
use ureq::http::HeaderValue;
use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, TRANSFER_ENCODING,
};

use super::Download;
use super::name::given_name;
use crate::error::TransferReason::{Broken, Changed, Refused, TooLarge};
use crate::error::{Error, Result};
use crate::transport::{Transfer, check_limit};

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
        self.set_len(0).and_then(|()| self.rewind()).map(|()| true)
    }
}

impl Sink for Vec<u8> {
    fn take_back(&mut self) -> io::Result<bool> {
        self.clear();
        Ok(true)
    }
}

impl Sink for &mut dyn Write {}

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

impl Download<'_> {
    /// Gets the whole file, at most `limit` bytes, and returns how long it is. `path` is for errors
    /// of the sink.
    pub(super) fn run(&mut self, sink: &mut dyn Sink, path: &Path, limit: u64) -> Result<u64> {
        check_limit("stall_timeout", self.stall_timeout)?;
        let url = self.link.download_link.as_ref();
        let url =
            url.ok_or_else(|| Error::invalid("url", "the service gave no URL for this picture"))?;
        let (transport, name, stall) = (
            &self.client.transport,
            given_name(&self.link),
            self.stall_timeout,
        );
        let mut file = Transfer::new(transport, "GET", url, name, stall, &mut self.progress)?;
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

impl Receiver<'_> {
    fn attempt(&mut self, file: &mut Transfer<'_>) -> Result<()> {
        let rest = self
            .etag
            .as_ref()
            .filter(|_| file.bytes > 0)
            .map(|etag| (file.bytes, etag));
        let response = file
            .transport
            .get(&file.uri, rest, file.stall)
            .map_err(|e| file.broken(&e))?;
        let value = |name| response.headers().get(name);
        let text = |name| {
            value(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let goes_on = rest.is_some_and(|(from, etag)| {
            text(CONTENT_RANGE).starts_with(&format!("bytes {from}-")) && value(ETAG) == Some(etag)
        });
        match response.status().as_u16() {
            206 if goes_on => {}
            206 | 416 if rest.is_some() => {
                self.etag = None;
                return Err(file.failed(Broken, "the storage did not send the rest of the file"));
            }
            200 => {
                let chunked = text(TRANSFER_ENCODING).eq_ignore_ascii_case("chunked");
                let total = text(CONTENT_LENGTH).parse().ok().filter(|_| !chunked);
                let encoding = text(CONTENT_ENCODING);
                // Some storages keep `aws-chunked`, an encoding of the upload that is undone.
                if !matches!(encoding, "" | "identity" | "aws-chunked") {
                    let why = format!("the file came with the Content-Encoding {encoding}");
                    return Err(file.failed(Refused, &why));
                }
                if text(CONTENT_TYPE)
                    .to_ascii_lowercase()
                    .starts_with("text/html")
                {
                    return Err(file.failed(Refused, "a web page came in place of the file"));
                }
                // Else a part could pass for the whole.
                if total.is_none() && !chunked {
                    return Err(file.failed(Refused, "the answer does not say where the file ends"));
                }
                if file.bytes > 0 && !self.sink.take_back().map_err(|e| Error::io(self.path, e))? {
                    let why = "the transfer broke and cannot go on, and what was written cannot be taken back";
                    return Err(file.failed(Changed, why));
                }
                let strong =
                    |etag: &&HeaderValue| total.is_some() && etag.as_bytes().starts_with(b"\"");
                self.etag = value(ETAG).filter(strong).cloned();
                (file.bytes, file.total) = (0, total);
            }
            _ => return Err(file.refused(response)),
        }
        self.read(response.into_body(), file)
    }

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
            self.sink
                .write_all(new)
                .map_err(|e| Error::io(self.path, e))?;
            file.bytes = received;
            file.tell()?;
        }
    }
}
