//! The object storage behind presigned URLs: other paths of the same server, with manners of its own.

use super::wire::{Answer, Received, decode};
use httpdate::{fmt_http_date, parse_http_date};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the objects are. Nothing of the API stands under it.
pub(super) const ROOT: &str = "/storage/imagen-simulator/";

/// What a presigned URL leaves as it is (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An object's name: which photo, in which state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    pub(super) project: &'a str,
    pub(super) photo: &'a str,
    /// `unedited`, `xmp`, or a version's number.
    pub(super) state: &'a str,
}

impl Object<'_> {
    fn path(&self) -> String {
        let escape = |text| utf8_percent_encode(text, ESCAPED);
        format!(
            "{ROOT}{}/{}/{}",
            escape(self.project),
            escape(self.state),
            escape(self.photo)
        )
    }

    /// Its bytes follow from its name alone, so that a version's picture is there even after a reset.
    fn bytes(&self, least: usize) -> Vec<u8> {
        match self.state {
            "xmp" => format!(
                "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><!-- {}/{} --></x:xmpmeta>\n",
                self.project, self.photo
            )
            .into_bytes(),
            _ => self.jpeg(least),
        }
    }

    /// A JPEG whose comment names the object, of at least `least` bytes.
    pub(super) fn jpeg(&self, least: usize) -> Vec<u8> {
        let (head, rest) = JPEG.split_at(JFIF_END);
        let mut bytes = head.to_vec();
        comment(
            &mut bytes,
            format!("{}/{}/{}", self.project, self.state, self.photo).as_bytes(),
        );
        while bytes.len() + rest.len() < least {
            // A segment costs four bytes beside its text.
            let missing = least - bytes.len() - rest.len();
            comment(&mut bytes, &vec![b'.'; missing.saturating_sub(4).min(COMMENT_LIMIT)]);
        }
        bytes.extend_from_slice(rest);
        bytes
    }
}

/// The storage: the URLs given out so far, and when each ends.
#[derive(Debug)]
pub(super) struct Storage {
    origin: String,
    /// The very path and query given out. Whatever is not in here is not signed.
    links: HashMap<String, SystemTime>,
    modified: SystemTime,
}

impl Storage {
    pub(super) fn new(origin: String, now: SystemTime) -> Self {
        Self {
            origin,
            links: HashMap::new(),
            modified: now,
        }
    }

    /// Gives out a URL that looks presigned and ends after `lifetime`.
    pub(super) fn link(&mut self, object: Object<'_>, now: SystemTime, lifetime: Duration) -> String {
        let path = object.path();
        let date = date(now).replace(['-', ':'], "");
        let target = format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=SIMULATOR%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
            day = &date[..8],
            seconds = lifetime.as_secs(),
            signature = signature(&path, self.links.len()),
        );
        let url = format!("{}{target}", self.origin);
        self.links.insert(target, now + lifetime);
        url
    }

    /// When the last of the links given out ends.
    pub(super) fn last_expiry(&self) -> Option<SystemTime> {
        self.links.values().max().copied()
    }

    /// Answers a request for an object. `least` is the least size of a JPEG.
    pub(super) fn answer(&self, request: &Received, now: SystemTime, least: usize) -> Answer {
        if request.has_header("x-api-key") || request.has_header("authorization") {
            return xml(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        if request.query.is_none() {
            return xml(403, "AccessDenied", "Access Denied");
        }
        // A link is signed for GET alone, as S3 does it.
        let expiry = match self.links.get(&request.target()) {
            Some(expiry) if request.method == "GET" => *expiry,
            _ => {
                let message = "The request signature we calculated does not match the signature you provided.";
                return xml(403, "SignatureDoesNotMatch", message);
            }
        };
        if now >= expiry {
            return xml(403, "AccessDenied", "Request has expired");
        }
        let names: Option<Vec<_>> = request.path[ROOT.len()..].split('/').map(decode).collect();
        match names.as_deref() {
            Some([project, state, photo]) => self.serve(request, &Object { project, photo, state }.bytes(least), state),
            _ => xml(404, "NoSuchKey", "The specified key does not exist."),
        }
    }

    /// Sends the bytes, or the part of them that is asked for.
    fn serve(&self, request: &Received, bytes: &[u8], state: &str) -> Answer {
        let content_type = if state == "xmp" {
            "application/rdf+xml"
        } else {
            "image/jpeg"
        };
        let etag = format!("\"{:016x}\"", hash(bytes));
        let modified = fmt_http_date(self.modified);
        let unchanged = match request.header("if-range") {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == etag,
            Some(date) => parse_http_date(date).is_ok_and(|date| fmt_http_date(date) == modified),
        };
        let range = request.header("range").filter(|_| unchanged);
        let answer = match range.and_then(|range| parse_range(range, bytes.len())) {
            None => Answer::new(200, content_type, bytes),
            Some(range) if range.is_empty() => {
                return xml(416, "InvalidRange", "The requested range is not satisfiable")
                    .with("content-range", format!("bytes */{}", bytes.len()));
            }
            Some(range) => {
                let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
                Answer::new(206, content_type, &bytes[range]).with("content-range", content_range)
            }
        };
        answer
            .with("etag", etag)
            .with("last-modified", modified)
            .with("accept-ranges", "bytes")
    }
}

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. `None` is a header to ignore, as S3 ignores one that asks for
/// several ranges; an empty range is one that lies outside.
fn parse_range(header: &str, length: usize) -> Option<Range<usize>> {
    match header.strip_prefix("bytes=")?.split_once('-')? {
        ("", count) => Some(length.saturating_sub(count.parse().ok()?)..length),
        (first, "") => Some(first.parse().ok()?..length),
        (first, last) => {
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then(|| first..length.min(last.saturating_add(1)))
        }
    }
}

/// An error as S3 words it.
fn xml(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIMULATED</RequestId><HostId>simulator</HostId></Error>"
    );
    Answer::new(status, "application/xml", body)
}

/// 64 hex digits that look like a signature. Not AWS's: what counts is that the server gave the URL out.
fn signature(path: &str, number: usize) -> String {
    format!("{:016x}", hash(&(path, number))).repeat(4)
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// `2026-01-31T12:00:00Z`, as the API writes times.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01, by counting years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The longest text of one comment segment: its two length bytes count themselves.
const COMMENT_LIMIT: usize = 65_533;

/// Adds a comment segment, which decoders skip.
fn comment(jpeg: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(COMMENT_LIMIT)];
    let length = u16::try_from(text.len() + 2).expect("the text was cut to fit");
    jpeg.extend_from_slice(&[0xff, 0xfe]);
    jpeg.extend_from_slice(&length.to_be_bytes());
    jpeg.extend_from_slice(text);
}

/// The end of the JFIF header, which must come first; comments follow it.
const JFIF_END: usize = 20;

/// A whole baseline JPEG, 48 by 32 pixels: sky, horizon, grass.
#[rustfmt::skip]
const JPEG: [u8; 209] = [
    0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01,
    0x00, 0x01, 0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x08, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0xff, 0xc0, 0x00, 0x11, 0x08, 0x00, 0x20,
    0x00, 0x30, 0x03, 0x01, 0x11, 0x00, 0x02, 0x11, 0x00, 0x03, 0x11, 0x00, 0xff, 0xc4, 0x00, 0x1c,
    0x00, 0x01, 0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xff, 0xda, 0x00, 0x0c, 0x03, 0x01, 0x00, 0x02, 0x00, 0x03, 0x00, 0x00, 0x3f, 0x00, 0xeb, 0x7d,
    0x53, 0xe7, 0x80, 0x00, 0x00, 0x00, 0x7d, 0x4b, 0xce, 0x76, 0x00, 0x00, 0x00, 0x00, 0xf7, 0x5f,
    0x14, 0xfa, 0x80, 0x00, 0x00, 0x00, 0x1f, 0x8c, 0xba, 0x1e, 0x20, 0x00, 0x00, 0x00, 0x0f, 0xff,
    0xd9,
];
