//! What came back: reading it within a limit, and making sense of it.

use std::io::Read;
use std::str::Utf8Error;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::{HeaderMap, Response, Uri};

use super::clean::{Cleaner, MESSAGE};
use super::retry::parse_retry_after;
use crate::error::{Cause, CauseKind};

/// The start of a body that an error keeps, in characters.
const EXCERPT: usize = 300;
/// The longest request id or host name kept, in characters.
const SHORT: usize = 128;
/// The most that room is made for before it has come, in bytes.
const READ_AHEAD: u64 = 64 * 1024;
/// How much of the body of an error is read, in bytes: more than any message needs.
pub(super) const ERROR_BODY: u64 = 64 * 1024;

/// Where services and gateways put the id of a request.
const REQUEST_ID_HEADERS: [&str; 5] = [
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amz-apigw-id",
    "cf-ray",
];

/// An answer whose head arrived. What of its body did is `body`; if that is not all of it, `broken` says why.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) broken: Option<Cause>,
}

impl Answer {
    /// Reads an answer: `limit` bytes of a success, and of anything else as much as an error needs.
    pub(crate) fn read(response: Response<Body>, limit: u64) -> Self {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let mut answer = Self {
            status,
            headers: parts.headers,
            body: Vec::new(),
            broken: None,
        };
        if parts.status.is_success() {
            answer.read_body(body, limit);
            if answer.body.len() as u64 > limit {
                answer.body.truncate(ERROR_BODY as usize);
                let message = format!("the answer is larger than the limit of {limit} bytes");
                answer.broken = Some(Cause::new(CauseKind::TooLarge, message));
            }
        } else {
            answer.read_body(body, limit.min(ERROR_BODY));
        }
        answer
    }

    fn read_body(&mut self, body: Body, limit: u64) {
        // A promise, and no more: what is large is made room for as it comes.
        if let Some(length) = body.content_length() {
            self.body.reserve_exact(length.min(limit).min(READ_AHEAD) as usize);
        }
        // One byte more than allowed tells "too large" from "just so large".
        let mut reader = body.into_reader().take(limit.saturating_add(1));
        if let Err(e) = reader.read_to_end(&mut self.body) {
            self.broken = Some(cause_of(&ureq::Error::from(e)));
        }
    }

    /// The id that the service or gateway gave the request.
    pub(crate) fn request_id(&self, clean: &Cleaner) -> Option<String> {
        request_id(&self.headers, clean)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(header(&self.headers, "retry-after")?, SystemTime::now())
    }

    fn redirect_host(&self, clean: &Cleaner) -> Option<String> {
        let target: Uri = header(&self.headers, "location")?.parse().ok()?;
        Some(clean.text(target.host()?, SHORT))
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The payload: the body, out of its `data` envelope if it has one. `None` when there is no body.
    pub(crate) fn payload(&self) -> Result<Option<&str>, Cause> {
        let body = self.text().map_err(|e| {
            let message = format!("the answer is not the JSON that the API promises: {e}");
            Cause::new(CauseKind::Json, message)
        })?;
        if body.is_empty() {
            return Ok(None);
        }
        Ok(Some(unwrap_envelope(body).unwrap_or(body)))
    }

    fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.body.trim_ascii())
    }

    /// The service's own words for what went wrong; empty when it has none.
    pub(crate) fn stated_message(&self, clean: &Cleaner) -> String {
        let json: Value = serde_json::from_str(self.text().unwrap_or_default()).unwrap_or_default();
        message_in(&json)
            .or_else(|| message_in(json.get("data")?))
            .map(|message| clean.text(&message, MESSAGE))
            .unwrap_or_default()
    }

    /// The service's own words, or the start of what it sent instead.
    pub(crate) fn message(&self, clean: &Cleaner) -> String {
        if self.is_redirect() {
            let host = self
                .redirect_host(clean)
                .map(|host| format!(" to {host}"))
                .unwrap_or_default();
            return format!("a redirect{host}, and redirects are not followed");
        }
        let stated = self.stated_message(clean);
        if stated.is_empty() { self.excerpt(clean) } else { stated }
    }

    fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }

    /// The start of the body as one printable line.
    pub(crate) fn excerpt(&self, clean: &Cleaner) -> String {
        if self.is_redirect() {
            // It repeats the target, of which nothing but the host is shown.
            return String::new();
        }
        clean.start(&self.body, EXCERPT)
    }
}

/// An object whose only key is `data` is an envelope.
fn unwrap_envelope(body: &str) -> Option<&str> {
    // Any other object is the payload as it stands, and large ones should not be read twice to find that out.
    let after_brace = body.strip_prefix('{')?.trim_ascii_start();
    if !after_brace.starts_with("\"data\"") {
        return None;
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let envelope: Envelope<'_> = serde_json::from_str(body).ok()?;
    Some(envelope.data.get())
}

/// In this order: `error.message`; `error` as a string; `detail` as a string; `detail` as a list of `{loc, msg}`;
/// `message`.
pub(crate) fn message_in(json: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|s| !s.trim().is_empty()).map(str::to_owned);
    let error = json.get("error");
    let detail = json.get("detail");
    error
        .and_then(|error| error.get("message"))
        .and_then(text)
        .or_else(|| error.and_then(text))
        .or_else(|| detail.and_then(text))
        .or_else(|| {
            detail
                .and_then(Value::as_array)
                .and_then(|list| validation_errors(list))
        })
        .or_else(|| json.get("message").and_then(text))
}

/// `[{"loc":["body","instruction"],"msg":"too long"}]` becomes `body.instruction: too long`.
fn validation_errors(list: &[Value]) -> Option<String> {
    let lines: Vec<String> = list
        .iter()
        .filter_map(|item| {
            let message = item.get("msg")?.as_str()?;
            let place: Vec<String> = match item.get("loc") {
                Some(Value::Array(steps)) => steps
                    .iter()
                    .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
                    .collect(),
                Some(Value::String(step)) => vec![step.clone()],
                _ => Vec::new(),
            };
            Some(if place.is_empty() {
                message.to_owned()
            } else {
                format!("{}: {message}", place.join("."))
            })
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

pub(crate) fn request_id(headers: &HeaderMap, clean: &Cleaner) -> Option<String> {
    REQUEST_ID_HEADERS
        .iter()
        .filter_map(|name| header(headers, name))
        .map(|id| clean.text(id, SHORT))
        .find(|id| !id.is_empty())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Says what went wrong, without quoting anything that the error of `ureq` may hold of a URL or of somebody else.
pub(crate) fn cause_of(error: &ureq::Error) -> Cause {
    use std::io::ErrorKind as Io;
    let (kind, message) = match error {
        ureq::Error::Io(e) => match e.kind() {
            Io::ConnectionRefused
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::AddrNotAvailable
            | Io::NotConnected => (CauseKind::Connect, e.to_string()),
            Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
                (CauseKind::Closed, format!("the connection broke: {e}"))
            }
            // The standard library has no kind for it, and its own words differ between systems only after these.
            _ if e.to_string().contains("lookup address") => (CauseKind::Connect, e.to_string()),
            Io::TimedOut | Io::WouldBlock => (CauseKind::Timeout, "timed out".to_owned()),
            #[cfg(feature = "rustls")]
            Io::InvalidData if e.get_ref().is_some_and(|inner| is_made_of(inner, ureq::Error::Rustls)) => {
                (CauseKind::Tls, format!("TLS: {e}"))
            }
            _ => (CauseKind::Other, e.to_string()),
        },
        ureq::Error::Timeout(ureq::Timeout::Connect) => (
            CauseKind::Timeout,
            "connecting took longer than the connect timeout".to_owned(),
        ),
        ureq::Error::Timeout(which) => (CauseKind::Timeout, format!("timed out ({which} limit)")),
        ureq::Error::HostNotFound => (CauseKind::Connect, "the host's name could not be found".to_owned()),
        ureq::Error::ConnectionFailed => (CauseKind::Connect, "no connection could be made".to_owned()),
        ureq::Error::ConnectProxyFailed(why) => (CauseKind::Proxy, format!("the proxy refused: {why}")),
        ureq::Error::InvalidProxyUrl => (CauseKind::Proxy, "the proxy's URL is not valid".to_owned()),
        ureq::Error::TlsRequired => (
            CauseKind::Tls,
            "https needs TLS, and this build has none: enable the feature rustls or native-tls".to_owned(),
        ),
        ureq::Error::Tls(why) => (CauseKind::Tls, format!("TLS: {why}")),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(e) => (CauseKind::Tls, format!("TLS: {e}")),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(e) => (CauseKind::Tls, format!("TLS: {e}")),
        ureq::Error::Protocol(e) => (CauseKind::Protocol, format!("not HTTP/1.1: {e}")),
        ureq::Error::Http(e) => (CauseKind::Protocol, format!("not HTTP/1.1: {e}")),
        ureq::Error::LargeResponseHeader(size, limit) => (
            CauseKind::TooLarge,
            format!("the answer's header is too large: {size} bytes, and {limit} are allowed"),
        ),
        ureq::Error::BodyStalled => (CauseKind::Protocol, "the answer's body made no progress".to_owned()),
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => (CauseKind::Protocol, "the answer is not valid gzip".to_owned()),
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            (CauseKind::Other, "the HTTP client refused the URL".to_owned())
        }
        other => (CauseKind::Other, other.to_string()),
    };
    Cause::new(kind, message)
}

/// Whether an error has the type that a variant of `ureq`'s error holds: that of `rustls`, which is no dependency of
/// this crate by name.
#[cfg(feature = "rustls")]
fn is_made_of<T: std::error::Error + 'static>(
    error: &(dyn std::error::Error + Send + Sync + 'static),
    _variant: fn(T) -> ureq::Error,
) -> bool {
    error.is::<T>()
}

/// Whether nothing can have been sent, for a request without a body to tell by.
pub(crate) fn before_sending(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
    ) || matches!(
        cause_of(error).kind,
        CauseKind::Connect | CauseKind::Tls | CauseKind::Proxy
    )
}

#[cfg(test)]
mod tests {
    use super::super::key::ApiKey;
    use super::super::request::{Call, Path};
    use super::*;

    fn clean() -> Cleaner {
        let key = ApiKey::new("sk-SECRETSECRET", "api_key").unwrap();
        Cleaner::new(&key, &Call::get(Path::default()))
    }

    fn answer(body: &str) -> Answer {
        Answer {
            status: 400,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            broken: None,
        }
    }

    #[test]
    fn the_message_is_found_in_the_contracts_order() {
        for (body, message) in [
            (r#"{"error":{"message":"a"},"detail":"b","message":"c"}"#, "a"),
            (r#"{"error":"a","detail":"b","message":"c"}"#, "a"),
            (r#"{"error":{"code":7},"detail":"b","message":"c"}"#, "b"),
            (
                r#"{"detail":[{"loc":["body","instruction"],"msg":"too long"},{"loc":["query",0],"msg":"no"}]}"#,
                "body.instruction: too long; query.0: no",
            ),
            (r#"{"detail":[],"message":"c"}"#, "c"),
            (r#"{"message":"Forbidden"}"#, "Forbidden"),
            (r#"{"error":"","other":1}"#, r#"{"error":"","other":1}"#),
            ("<html>\n  <b>502</b>\n</html>", "<html> <b>502</b> </html>"),
            ("", ""),
        ] {
            assert_eq!(answer(body).message(&clean()), message);
        }
    }

    #[test]
    fn only_an_object_with_data_alone_is_an_envelope() {
        for (body, payload) in [
            (r#"{"data":{"a":1}}"#, r#"{"a":1}"#),
            (" { \"data\" : [1, 2] } ", "[1, 2]"),
            (r#"{"data":{"a":1},"b":2}"#, r#"{"data":{"a":1},"b":2}"#),
            (r#"{"b":2,"data":{"a":1}}"#, r#"{"b":2,"data":{"a":1}}"#),
            (r#"{"data":{"data":1}}"#, r#"{"data":1}"#),
            (r#"{"datas":1}"#, r#"{"datas":1}"#),
            (r#"{"data":"#, r#"{"data":"#),
        ] {
            assert_eq!(answer(body).payload(), Ok(Some(payload)), "{body}");
        }
        assert_eq!(answer(" \n").payload(), Ok(None));
    }
}
