//! The object storage behind presigned URLs: other paths of the same server, with errors of their
//! own.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::checksum::checksum;
use crate::clock::date;
use crate::wire::{Answer, Received, decode};

/// Where the objects are. No path of the API starts like this.
pub(crate) const ROOT: &str = "/storage/imagen-simulator/";

/// What is encoded in a URL: all but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// When all objects were last modified.
const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// The longest text of one comment segment: its two length bytes count themselves.
const COMMENT_LIMIT: usize = 65_533;

/// What a presigned URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) project: String,
    pub(crate) content: Content,
    /// The name of the photo, the image or the sidecar.
    pub(crate) name: String,
}

/// What an object is. Its text is a segment of the URL's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An uploaded photo.
    Photo,
    /// A part of one, with its number from 1 on.
    Part { upload: String, number: usize },
    /// An image without edits.
    Unedited,
    /// A version of an image.
    Version(u64),
    /// An XMP file.
    Sidecar,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Photo => f.write_str("upload"),
            Self::Part { upload, number } => write!(f, "part-{number}-{upload}"),
            Self::Unedited => f.write_str("unedited"),
            Self::Version(id) => write!(f, "{id}"),
            Self::Sidecar => f.write_str("xmp"),
        }
    }
}

impl Content {
    /// Reads what [`Display`](fmt::Display) wrote.
    fn parse(text: &str) -> Option<Self> {
        if let Some(part) = text.strip_prefix("part-") {
            let (number, upload) = part.split_once('-')?;
            return Some(Self::Part {
                upload: upload.to_owned(),
                number: number.parse().ok()?,
            });
        }
        match text {
            "upload" => Some(Self::Photo),
            "unedited" => Some(Self::Unedited),
            "xmp" => Some(Self::Sidecar),
            id => Some(Self::Version(id.parse().ok()?)),
        }
    }
}

impl Object {
    fn path(&self) -> String {
        let project = utf8_percent_encode(&self.project, ESCAPED);
        let name = utf8_percent_encode(&self.name, ESCAPED);
        format!("{ROOT}{project}/{}/{name}", self.content)
    }

    fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix(ROOT)?.split('/').collect();
        let [project, content, name] = segments[..] else {
            return None;
        };
        Some(Self {
            project: decode(project)?,
            content: Content::parse(content)?,
            name: decode(name)?,
        })
    }
}

/// From when on a presigned URL can be used, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub(crate) from: SystemTime,
    pub(crate) lifetime: Duration,
}

/// The maker and the judge of presigned URLs. It keeps none: everything is in their queries.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// Scheme and host of all URLs.
    pub(crate) origin: String,
    /// When the last of all URLs made so far expires.
    pub(crate) last_expiry: Option<SystemTime>,
}

impl Storage {
    /// Makes a URL that `method` can be used on.
    pub(crate) fn link(&mut self, method: &str, object: &Object, validity: Validity) -> String {
        let expiry = validity.from + validity.lifetime;
        self.last_expiry = self.last_expiry.max(Some(expiry));
        let since_epoch = expiry.duration_since(SystemTime::UNIX_EPOCH);
        let signed = Signed {
            method,
            path: &object.path(),
            date: &date(validity.from).replace(['-', ':'], ""),
            seconds: &validity.lifetime.as_secs().to_string(),
            token: &since_epoch.unwrap_or_default().as_micros().to_string(),
        };
        format!("{}{}", self.origin, signed.target())
    }

    /// Returns the object that a request is for, or refuses the request as S3 does.
    pub(crate) fn open(&self, request: &Received, now: SystemTime) -> Result<Object, Answer> {
        if request.has_header("x-api-key") || request.has_header("authorization") {
            let message = "Only one auth mechanism allowed";
            return Err(xml(400, "InvalidArgument", message));
        }
        if request.query.is_none() {
            return Err(xml(403, "AccessDenied", "Access Denied"));
        }
        let Some((object, expiry)) = read_link(request) else {
            let message =
                "The request signature we calculated does not match the signature you provided.";
            return Err(xml(403, "SignatureDoesNotMatch", message));
        };
        if now >= expiry {
            return Err(xml(403, "AccessDenied", "Request has expired"));
        }
        Ok(object)
    }
}

/// What the signature of a URL covers.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    date: &'a str,
    seconds: &'a str,
    /// When the URL expires, in microseconds since 1970: the date has whole seconds only.
    token: &'a str,
}

impl Signed<'_> {
    /// Returns path and query of the URL. The signature is not AWS's.
    fn target(&self) -> String {
        let Self {
            method,
            path,
            date,
            seconds,
            token,
        } = self;
        let day = &date[..8.min(date.len())];
        let text = format!("simulator {method} {path} {date} {seconds} {token}");
        let signature = format!("{:016x}", checksum(text.as_bytes())).repeat(4);
        format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=SIMULATOR%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-Security-Token={token}\
             &X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        )
    }
}

/// Returns the object and the expiry of a URL that was made for this request: only the very text
/// that was given out is good, for its method, and an upload has an empty `Content-Type`.
fn read_link(request: &Received) -> Option<(Object, SystemTime)> {
    if request.method != "GET" && !request.media_type().is_empty() {
        return None;
    }
    let fields = request.query_fields()?;
    let field = |name| fields.get(name)?.as_str();
    let token = field("X-Amz-Security-Token")?;
    let signed = Signed {
        method: &request.method,
        path: &request.path,
        date: field("X-Amz-Date").filter(|date| date.is_ascii())?,
        seconds: field("X-Amz-Expires")?,
        token,
    };
    if signed.target() != request.target() {
        return None;
    }
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_micros(token.parse().ok()?);
    Some((Object::parse(&request.path)?, expiry))
}

/// Sends an object, or the range of it that is asked for.
pub(crate) fn serve(request: &Received, object: &Object, jpeg_size: usize) -> Answer {
    let content_type;
    let bytes;
    if object.content == Content::Sidecar {
        content_type = "application/rdf+xml";
        bytes = sidecar(object).into_bytes();
    } else {
        content_type = "image/jpeg";
        bytes = jpeg(object, jpeg_size);
    }
    let etag = format!("\"{:016x}\"", checksum(&bytes));
    let answer = match wanted_range(request, &etag, bytes.len()) {
        None => Answer::new(200, content_type, bytes),
        Some(range) if range.is_empty() => {
            let message = "The requested range is not satisfiable";
            let content_range = format!("bytes */{}", bytes.len());
            return xml(416, "InvalidRange", message).with("content-range", content_range);
        }
        Some(range) => {
            let last = range.end - 1;
            let content_range = format!("bytes {}-{last}/{}", range.start, bytes.len());
            let part = Answer::new(206, content_type, &bytes[range]);
            part.with("content-range", content_range)
        }
    };
    answer
        .with("etag", etag)
        .with("last-modified", MODIFIED)
        .with("accept-ranges", "bytes")
}

fn sidecar(object: &Object) -> String {
    let Object { project, name, .. } = object;
    format!("<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><!-- {project}/{name} --></x:xmpmeta>\n")
}

/// Makes a JPEG of at least `least` bytes with the object's name in a comment. It depends on
/// nothing else, so the picture of a version can be downloaded even after a reset.
pub(crate) fn jpeg(object: &Object, least: usize) -> Vec<u8> {
    // The JFIF header must come first.
    let (head, rest) = include_bytes!("photo.jpg").split_at(20);
    let mut bytes = head.to_vec();
    let name = format!("{}/{}/{}", object.project, object.content, object.name);
    add_comment(&mut bytes, name.as_bytes());
    while bytes.len() + rest.len() < least {
        // A segment has four bytes beside its text.
        let missing = least - bytes.len() - rest.len();
        let length = missing.saturating_sub(4).min(COMMENT_LIMIT);
        add_comment(&mut bytes, &vec![b'.'; length]);
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// Adds a comment segment, which decoders skip.
fn add_comment(jpeg: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(COMMENT_LIMIT)];
    let length = text.len() + 2;
    jpeg.extend_from_slice(&[0xff, 0xfe]);
    jpeg.extend_from_slice(&(length as u16).to_be_bytes());
    jpeg.extend_from_slice(text);
}

/// Returns the range that a request wants of an object, unless it wants all. An empty range lies
/// outside of the object.
fn wanted_range(request: &Received, etag: &str, length: usize) -> Option<Range<usize>> {
    let condition = request.header("if-range");
    if condition.is_some_and(|condition| condition != etag && condition != MODIFIED) {
        return None;
    }
    parse_range(request.header("range")?, length)
}

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. `None` is a header to ignore, as S3 ignores one
/// that asks for several ranges.
fn parse_range(header: &str, length: usize) -> Option<Range<usize>> {
    match header.strip_prefix("bytes=")?.split_once('-')? {
        ("", count) => Some(length.saturating_sub(count.parse().ok()?)..length),
        (first, "") => Some(first.parse().ok()?..length),
        (first, last) => {
            let first: usize = first.parse().ok()?;
            let last: usize = last.parse().ok()?;
            if first > last {
                return None;
            }
            Some(first..length.min(last.saturating_add(1)))
        }
    }
}

/// An error of S3's.
pub(crate) fn xml(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIMULATED</RequestId><HostId>simulator</HostId></Error>"
    );
    Answer::new(status, "application/xml", body)
}
