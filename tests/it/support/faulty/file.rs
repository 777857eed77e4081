//! A file for downloads, as object storage serves it.

use std::sync::Arc;

use super::reply::Reply;
use super::reply::send::Piece;
use super::wire::Request;

/// A file that is served with `Content-Length`, `ETag`, `Last-Modified`, `Range` and `If-Range`, unless told otherwise.
/// A server whose file changes has another one in a later [`Reply`].
#[derive(Clone, Debug)]
pub struct File {
    content: Content,
    etag: Option<String>,
    modified: Option<String>,
    ranges: Ranges,
}

#[derive(Clone, Debug)]
enum Content {
    Held(Arc<[u8]>),
    Made { pattern: Arc<[u8]>, len: u64 },
}

#[derive(Clone, Debug)]
enum Ranges {
    Honoured,
    Ignored,
    /// Answered, with this `Content-Range`.
    Mislabelled(String),
}

/// The pattern of a made file repeats after so many bytes, but for the number that each repetition starts with. It is
/// no round number, so that a reader who is wrong by a round number notices.
const PERIOD: u64 = 65_521;

impl File {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Content::Held(bytes.into().into()))
    }

    /// So many bytes that are made up as they are sent, the same ones for the same seed.
    pub fn made(seed: u64, len: u64) -> Self {
        let mut state = seed;
        let pattern = (0..PERIOD).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let pattern = pattern.collect();
        Self::of(Content::Made { pattern, len })
    }

    fn of(content: Content) -> Self {
        let mut file = Self {
            content,
            etag: None,
            modified: Some("Wed, 01 Jan 2025 00:00:00 GMT".into()),
            ranges: Ranges::Honoured,
        };
        // Another content must not have the same tag; its start and length tell apart what tests use.
        let start = file.read(0, file.len().min(256) as usize);
        let sum = start.iter().fold(file.len(), |sum, &b| sum.wrapping_mul(31).wrapping_add(b.into()));
        file.etag = Some(format!("\"{sum:x}\""));
        file
    }

    /// With its quotes; `None` for a server that has none.
    pub fn etag(self, etag: Option<&str>) -> Self {
        let etag = etag.map(str::to_owned);
        Self { etag, ..self }
    }

    /// An HTTP date; `None` for a server that sends none.
    pub fn last_modified(self, date: Option<&str>) -> Self {
        let modified = date.map(str::to_owned);
        Self { modified, ..self }
    }

    /// Every answer is the whole file.
    pub fn without_ranges(self) -> Self {
        let ranges = Ranges::Ignored;
        Self { ranges, ..self }
    }

    /// Ranges are answered with the right bytes and a wrong `Content-Range`.
    pub fn with_content_range(self, wrong: &str) -> Self {
        let ranges = Ranges::Mislabelled(wrong.into());
        Self { ranges, ..self }
    }

    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Held(bytes) => bytes.len() as u64,
            Content::Made { len, .. } => *len,
        }
    }

    /// A part of the content: what a test compares with.
    pub fn read(&self, from: u64, len: usize) -> Vec<u8> {
        match &self.content {
            Content::Held(bytes) => bytes[from as usize..][..len].to_vec(),
            Content::Made { pattern, .. } => {
                let mut bytes = Vec::with_capacity(len + pattern.len());
                let mut number = from / PERIOD;
                let skip = (from % PERIOD) as usize;
                while bytes.len() < skip + len {
                    let start = bytes.len();
                    bytes.extend_from_slice(pattern);
                    for (byte, stamp) in bytes[start..].iter_mut().zip(number.to_le_bytes()) {
                        *byte ^= stamp;
                    }
                    number += 1;
                }
                bytes.truncate(skip + len);
                bytes.drain(..skip);
                bytes
            }
        }
    }

    /// All of it, for small ones.
    pub fn bytes(&self) -> Vec<u8> {
        self.read(0, self.len() as usize)
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let whole = self.len();
        let asked = request.header("range").filter(|_| self.is_current(request));
        let asked = asked.and_then(|value| parse_range(value, whole));
        let (mut reply, from, len) = match (asked, &self.ranges) {
            (None, _) | (_, Ranges::Ignored) => (Reply::ok(), 0, whole),
            (Some(None), _) => {
                let label = format!("bytes */{whole}");
                (Reply::status(416).header("Content-Range", label), 0, 0)
            }
            (Some(Some((first, last))), ranges) => {
                let label = match ranges {
                    Ranges::Mislabelled(wrong) => wrong.clone(),
                    _ => format!("bytes {first}-{last}/{whole}"),
                };
                let part = Reply::status(206).header("Content-Range", label);
                (part, first, last - first + 1)
            }
        };
        let ranges = (!matches!(self.ranges, Ranges::Ignored)).then(|| "bytes".to_owned());
        let headers = [("Accept-Ranges", &ranges), ("ETag", &self.etag), ("Last-Modified", &self.modified)];
        for (name, value) in headers {
            if let Some(value) = value {
                reply = reply.header(name, value.as_str());
            }
        }
        let of = self.clone();
        reply.content(Piece::Slice { of, from, len })
    }

    /// Whether a range may be served: there is no `If-Range`, or it names this content. A weak tag never does.
    fn is_current(&self, request: &Request) -> bool {
        request.header("if-range").is_none_or(|value| {
            let tag = self.etag.as_deref() == Some(value) && !value.starts_with("W/");
            tag || self.modified.as_deref() == Some(value)
        })
    }
}

/// The first and last byte of a single range, `Some(None)` if there are no such bytes, and `None` if it is not
/// understood, which servers take as if it had not been asked for.
fn parse_range(value: &str, len: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    let (first, last) = match first {
        "" => (len.saturating_sub(last), if last == 0 { 0 } else { len }),
        first => (first.parse().ok()?, last.saturating_add(1)),
    };
    Some((first < len.min(last)).then(|| (first, len.min(last) - 1)))
}
