//! A file for downloads, as object storage serves it.

use std::sync::Arc;

use super::reply::Reply;
use super::wire::Request;

/// A file that is served with `Content-Length`, `ETag`, `Range` and `If-Range`, unless told
/// otherwise. A server whose file changes has another one in a later [`Reply`].
#[derive(Clone, Debug)]
pub struct File {
    content: Arc<[u8]>,
    etag: Option<String>,
    ranges: Ranges,
}

#[derive(Clone, Debug)]
enum Ranges {
    Honoured,
    Ignored,
    /// Answered, with this `Content-Range`.
    Mislabelled(String),
}

impl File {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let content: Arc<[u8]> = bytes.into().into();
        // Another content must not have the same tag; its start and length tell apart what tests
        // use.
        let sum = content.iter().take(256).fold(content.len(), |sum, &byte| {
            sum.wrapping_mul(31) + usize::from(byte)
        });
        Self {
            etag: Some(format!("\"{sum:x}\"")),
            content,
            ranges: Ranges::Honoured,
        }
    }

    /// So many bytes, the same ones for the same seed.
    pub fn made(seed: u64, len: u64) -> Self {
        let mut state = seed;
        let bytes = (0..len).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        Self::new(bytes.collect::<Vec<_>>())
    }

    /// With its quotes; `None` for a server that has none.
    pub fn etag(self, etag: Option<&str>) -> Self {
        let etag = etag.map(str::to_owned);
        Self { etag, ..self }
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
        self.content.len() as u64
    }

    /// A part of the content: what a test compares with.
    pub fn read(&self, from: u64, len: usize) -> Vec<u8> {
        self.content[from as usize..][..len].to_vec()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.content.to_vec()
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let whole = self.content.len();
        let asked = request.header("range").filter(|_| self.is_current(request));
        let from = asked.and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        let reply = match (from, &self.ranges) {
            (None, _) | (_, Ranges::Ignored) => Reply::ok().body(&self.content[..]),
            (Some(from), _) if from >= whole => {
                Reply::status(416).header("Content-Range", format!("bytes */{whole}"))
            }
            (Some(from), ranges) => {
                let label = match ranges {
                    Ranges::Mislabelled(wrong) => wrong.clone(),
                    _ => format!("bytes {from}-{}/{whole}", whole - 1),
                };
                Reply::status(206)
                    .header("Content-Range", label)
                    .body(&self.content[from..])
            }
        };
        match &self.etag {
            Some(etag) => reply.header("ETag", etag.as_str()),
            None => reply,
        }
    }

    /// Whether a range may be served: there is no `If-Range`, or it names this content. A weak tag
    /// never does.
    fn is_current(&self, request: &Request) -> bool {
        let names_it =
            |value: &str| self.etag.as_deref() == Some(value) && !value.starts_with("W/");
        request.header("if-range").is_none_or(names_it)
    }
}
