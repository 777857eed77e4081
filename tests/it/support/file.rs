//! A file for downloads, as object storage serves it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::script::{Request, Turn};

/// A file that is served with `Content-Length`, `ETag`, `Range` and `If-Range`, unless told
/// otherwise. A server whose file changes has another one in a later [`Turn`].
#[derive(Clone, Debug)]
pub struct File {
    content: Arc<[u8]>,
    etag: Option<String>,
}

impl File {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let content: Arc<[u8]> = bytes.into().into();
        // Another content has another tag.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            content,
            etag: Some(format!("\"{:x}\"", hasher.finish())),
        }
    }

    /// So many bytes, the same ones for the same seed.
    pub fn made(seed: u64, length: usize) -> Self {
        let bytes = (seed..).map(|number| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8);
        Self::new(bytes.take(length).collect::<Vec<_>>())
    }

    /// With its quotes; `None` for a server that has none.
    pub fn etag(mut self, etag: Option<&str>) -> Self {
        self.etag = etag.map(str::to_owned);
        self
    }

    pub fn bytes(&self) -> &[u8] {
        &self.content
    }

    /// Makes this turn one that answers the request.
    pub(super) fn answer(&self, request: &Request, turn: Turn) -> Turn {
        let whole = self.content.len();
        let turn = match &self.etag {
            Some(etag) => turn.header("ETag", etag),
            None => turn,
        };
        match self.first_byte(request) {
            None => turn.body(&*self.content),
            Some(first) if first >= whole => turn
                .status_line("HTTP/1.1 416 Because")
                .header("Content-Range", format!("bytes */{whole}")),
            Some(first) => {
                let range = format!("bytes {first}-{}/{whole}", whole - 1);
                let turn = turn.status_line("HTTP/1.1 206 Because");
                turn.header("Content-Range", range)
                    .body(&self.content[first..])
            }
        }
    }

    /// The start of the range that is asked for, if it may be served: there is no `If-Range`, or it
    /// names this content. A weak tag never does.
    fn first_byte(&self, request: &Request) -> Option<usize> {
        let tag = request.header("if-range");
        let is_current = tag.is_none() || tag == self.etag.as_deref();
        let is_weak = tag.is_some_and(|tag| tag.starts_with("W/"));
        if !is_current || is_weak {
            return None;
        }
        let range = request.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}
