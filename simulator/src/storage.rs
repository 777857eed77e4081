//! The object storage behind presigned URLs: other paths of the same server, with errors of their
//! own.

use crate::project::Uploaded;
use crate::service::{KEPT, State};
use crate::wire::{Answer, Received};
use httpdate::fmt_http_date;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;
use std::time::SystemTime;

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

/// A JPEG of at least `least` bytes with the object's name in a comment. It depends on nothing
/// else, so the picture of a version can be downloaded even after a reset.
pub(crate) fn jpeg(object: &[&str; 3], least: usize) -> Vec<u8> {
    // The JFIF header must come first.
    let (head, rest) = include_bytes!("photo.jpg").split_at(20);
    let mut bytes = head.to_vec();
    comment(&mut bytes, object.join("/").as_bytes());
    while bytes.len() + rest.len() < least {
        // A segment has four bytes beside its text.
        let missing = least - bytes.len() - rest.len();
        comment(
            &mut bytes,
            &vec![b'.'; missing.saturating_sub(4).min(COMMENT_LIMIT)],
        );
    }
    bytes.extend_from_slice(rest);
    bytes
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

/// A presigned URL that was given out: its method, the object, and when it expires. An object is
/// project, state and photo; the state is `upload`, `unedited`, `xmp`, or a version's id.
pub(crate) type Link = (&'static str, [String; 3], SystemTime);

impl State {
    /// Gives out a URL that `method` may be used on.
    pub(crate) fn link(&mut self, method: &'static str, object: [&str; 3]) -> String {
        let path = object.map(|name| utf8_percent_encode(name, ESCAPED).to_string());
        let (path, lifetime) = (
            format!("{ROOT}{}", path.join("/")),
            self.settings.link_lifetime,
        );
        let date = date(self.now()).replace(['-', ':'], "");
        // No signature of AWS's: only the very URLs that were given out are good.
        let signature = checksum(format!("{path} {}", self.links.len()).as_bytes());
        let target = format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=SIMULATOR%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
            day = &date[..8],
            seconds = lifetime.as_secs(),
            signature = format!("{signature:016x}").repeat(4),
        );
        let url = format!("{}{target}", self.origin);
        let (object, expiry) = (object.map(str::to_owned), self.now() + lifetime);
        let link = (method, object, expiry);
        self.links.insert(target, link);
        url
    }

    /// Answers a request for an object, or refuses it as S3 does.
    pub(crate) fn storage(&mut self, request: &Received) -> Answer {
        if request.has_header("x-api-key") || request.has_header("authorization") {
            return xml(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        if request.query.is_none() {
            return xml(403, "AccessDenied", "Access Denied");
        }
        let is_untyped = request.media_type().is_empty();
        let signed =
            |(method, ..): &&Link| request.method == *method && (*method == "GET" || is_untyped);
        match self.links.get(&request.target()).filter(signed).cloned() {
            None => {
                let message = "The request signature we calculated does not match the signature you provided.";
                xml(403, "SignatureDoesNotMatch", message)
            }
            Some((_, _, expiry)) if self.now() >= expiry => {
                xml(403, "AccessDenied", "Request has expired")
            }
            Some(("PUT", object, _)) => self.store(request, &object),
            Some((_, object, _)) => self.serve(request, &object),
        }
    }

    /// Stores an uploaded file.
    fn store(&mut self, request: &Received, [project, _, photo]: &[String; 3]) -> Answer {
        if request.has_header("transfer-encoding") {
            let message = "A header you provided implies functionality that is not implemented";
            return xml(501, "NotImplemented", message);
        }
        if !request.has_header("content-length") {
            let message = "You must provide the Content-Length HTTP header.";
            return xml(411, "MissingContentLength", message);
        }
        let mut projects = self.projects.iter_mut();
        let Some(project) = projects.find(|other| other.spec.id == *project) else {
            return xml(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        let checksum = checksum(&request.body);
        project.uploads.retain(|upload| upload.name != *photo);
        project.uploads.push(Uploaded {
            name: photo.clone(),
            length: request.body.len() as u64,
            checksum,
            bytes: request.body[..request.body.len().min(KEPT)].to_vec(),
        });
        Answer::empty(200).with("etag", format!("\"{checksum:016x}\""))
    }

    /// Sends an object, or the part of it that is asked for.
    fn serve(&self, request: &Received, [project, state, photo]: &[String; 3]) -> Answer {
        let (content_type, bytes) = if state == "xmp" {
            let xmp = format!(
                "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><!-- {project}/{photo} --></x:xmpmeta>\n"
            );
            ("application/rdf+xml", xmp.into_bytes())
        } else {
            (
                "image/jpeg",
                jpeg(&[project, state, photo], self.settings.jpeg_size),
            )
        };
        let etag = format!("\"{:016x}\"", checksum(&bytes));
        let condition = request.header("if-range");
        let is_met = condition.is_none_or(|condition| condition == etag || condition == MODIFIED);
        let range = request.header("range").filter(|_| is_met);
        let answer = match range.and_then(|range| parse_range(range, bytes.len())) {
            None => Answer::new(200, content_type, bytes),
            Some(range) if range.is_empty() => {
                return xml(
                    416,
                    "InvalidRange",
                    "The requested range is not satisfiable",
                )
                .with("content-range", format!("bytes */{}", bytes.len()));
            }
            Some(range) => {
                let content_range =
                    format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
                Answer::new(206, content_type, &bytes[range]).with("content-range", content_range)
            }
        };
        let answer = answer.with("etag", etag).with("last-modified", MODIFIED);
        answer.with("accept-ranges", "bytes")
    }
}

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. `None` is a header to ignore, as S3 ignores one
/// that asks for several ranges. An empty range lies outside of the object.
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

/// An error of S3's.
fn xml(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIMULATED</RequestId><HostId>simulator</HostId></Error>"
    );
    Answer::new(status, "application/xml", body)
}

/// Returns the checksum that the simulator keeps of each uploaded file: FNV-1a with 64 bits.
pub fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Formats a time as the API does: `2026-01-31T12:00:00Z`.
pub(crate) fn date(time: SystemTime) -> String {
    let date = fmt_http_date(time); // `Sat, 31 Jan 2026 12:00:00 GMT`
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&date[8..11]);
    let month = month.map_or(0, |at| at / 3 + 1);
    format!(
        "{}-{month:02}-{}T{}Z",
        &date[12..16],
        &date[5..7],
        &date[17..25]
    )
}
