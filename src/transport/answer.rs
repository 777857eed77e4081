//! What came back: reading it within a limit, and making sense of it.

use std::io::Read;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::{HeaderMap, Response, Uri};

use super::retry::retry_after;
use super::{Sent, cause};
use crate::error::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, Error, Result};
use crate::types::{EnhancementStatus, from_json};

/// The most that room is made for before it has come, in bytes.
const READ_AHEAD: u64 = 64 * 1024;

/// How much of the body of an error is read, in bytes: more than any message needs.
pub(crate) const ERROR_BODY: u64 = 64 * 1024;

/// Where services and gateways put the id of a request.
const REQUEST_ID_HEADERS: [&str; 5] =
    ["x-request-id", "x-amzn-requestid", "x-amz-request-id", "x-amz-apigw-id", "cf-ray"];

/// An answer whose head arrived. What of its body did is `body`; if that is not all of it, `broken` says why.
pub(crate) struct Answer<'c> {
    pub(crate) sent: Sent<'c>,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) broken: Option<Cause>,
}

/// The fields by which a 2xx can say that the call failed.
#[derive(Deserialize)]
struct Verdict<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl<'c> Answer<'c> {
    /// Reads an answer: `limit` bytes of a success, and of anything else as much as an error needs.
    pub(super) fn receive(sent: Sent<'c>, response: Response<Body>, limit: u64) -> Self {
        let (parts, body) = response.into_parts();
        let limit = if parts.status.is_success() { limit } else { limit.min(ERROR_BODY) };
        let mut answer =
            Self { sent, status: parts.status.as_u16(), headers: parts.headers, body: Vec::new(), broken: None };
        // The announced length is only a hint: room for a large answer is made as it comes.
        if let Some(length) = body.content_length() {
            answer.body.reserve_exact(length.min(limit).min(READ_AHEAD) as usize);
        }
        // One byte more than allowed tells "too large" from "just so large".
        let mut reader = body.into_reader().take(limit.saturating_add(1));
        if let Err(e) = reader.read_to_end(&mut answer.body) {
            answer.broken = Some(cause::of(&e.into(), &answer.sent));
        } else if answer.body.len() as u64 > limit && parts.status.is_success() {
            answer.body.truncate(ERROR_BODY as usize);
            let message = format!("the answer is larger than the limit of {limit} bytes");
            answer.broken = Some(Cause::new(CauseKind::TooLarge, message));
        }
        answer
    }

    /// Parses the payload.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind `Failed` for an answer that says that the call failed. For one that cannot be read
    /// [`Error::Decode`], or [`Error::OutcomeUnknown`] if the call must not be repeated.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.check(self.payload()?)?;
        self.parse()
    }

    /// Parses the payload of an answer whose `status` is not that of the call, but of what was asked about.
    pub(crate) fn json_status<T: DeserializeOwned>(&self) -> Result<T> {
        self.parse().or_else(|error| self.check(self.payload()?).and(Err(error)))
    }

    /// Parses the payload, whatever it says of the call.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        from_json(self.payload()?)
            .map_err(|e| self.unreadable(format!("the answer is not the JSON that the API promises: {e}")))
    }

    /// Reads a list that comes bare, or as the field `name` of an object. An item that cannot be read is `None`.
    pub(crate) fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<Option<T>>> {
        let payload: Value = self.json()?;
        match payload.get(name).unwrap_or(&payload) {
            Value::Array(items) => Ok(items.iter().map(|item| T::deserialize(item).ok()).collect()),
            _ => Err(self.unreadable(format!("the answer holds no {name}"))),
        }
    }

    /// Reads an answer that need not hold anything.
    pub(crate) fn empty(&self) -> Result<()> {
        self.check(self.payload().unwrap_or_default())
    }

    /// Whether the body is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    /// Returns the payload: the body without its `data` envelope, if it has one, and without a byte order mark.
    pub(crate) fn payload(&self) -> Result<&str> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        match std::str::from_utf8(body.trim_ascii()) {
            Ok("") => Err(self.unreadable("the body is empty")),
            Ok(body) => Ok(unwrap_envelope(body).unwrap_or(body)),
            Err(e) => Err(self.unreadable(format!("the answer is not the JSON that the API promises: {e}"))),
        }
    }

    /// Refuses an answer that says that the call failed.
    fn check(&self, payload: &str) -> Result<()> {
        // What is no object says nothing.
        let Some(Verdict { error, status }) = payload.strip_prefix('{').and(serde_json::from_str(payload).ok()) else {
            return Ok(());
        };
        let status = status.and_then(|status| from_json(status.get()).ok());
        match error.is_some() || status == Some(EnhancementStatus::Failed) {
            true => Err(self.refused()),
            false => Ok(()),
        }
    }

    /// Makes the error for an answer by which the service says no.
    pub(crate) fn refused(&self) -> Error {
        Error::Api(Box::new(ApiError {
            status: self.status,
            kind: ApiErrorKind::of(self.status, &self.message()),
            message: self.said(),
            context: self.context(),
        }))
    }

    /// Makes the error for an answer that cannot be read.
    pub(crate) fn unreadable(&self, why: impl Into<String>) -> Error {
        // The words of `serde_json` quote what came.
        let cause = Cause::new(CauseKind::Json, self.sent.redact(&why.into()));
        if self.sent.call.once.is_some() {
            return self.unknown(cause);
        }
        Error::Decode(self.error(cause))
    }

    /// Makes the error for an answer that leaves open whether the call was carried out.
    pub(crate) fn unknown(&self, cause: Cause) -> Error {
        self.sent.unknown(cause, self.context())
    }

    /// Makes the error for an answer that did not arrive whole.
    pub(crate) fn error(&self, cause: Cause) -> Box<CallError> {
        self.sent.error(cause, self.context())
    }

    /// Returns what is known of the call and its answer.
    pub(crate) fn context(&self) -> Context {
        let mut context = self.sent.context();
        context.status = Some(self.status);
        context.request_id = request_id(&self.headers).map(|id| self.sent.redact(id));
        context.retry_after = retry_after(&self.headers);
        if !self.is_redirect() {
            context.body = self.sent.redact(&String::from_utf8_lossy(&self.body));
        }
        context
    }

    fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }

    /// Returns the service's own words, or what it sent instead.
    pub(crate) fn said(&self) -> String {
        self.sent.redact(&self.message())
    }

    /// The same, not redacted.
    fn message(&self) -> String {
        if self.is_redirect() {
            let location = self.headers.get("location").and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| location.parse::<Uri>().ok());
            let host = target.as_ref().and_then(Uri::host).map(|host| format!(" to {host}"));
            return format!("a redirect{}, and redirects are not followed", host.unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&self.body);
        let json: Value = from_json(text.trim_start_matches('\u{feff}')).unwrap_or_default();
        message_in(&json).or_else(|| message_in(json.get("data")?)).unwrap_or_else(|| text.into_owned())
    }
}

/// Returns the value of an object whose only key is `data`.
fn unwrap_envelope(body: &str) -> Option<&str> {
    // Any other object is the payload as it stands, and large ones should not be read twice to find that out.
    if !body.strip_prefix('{')?.trim_ascii_start().starts_with("\"data\"") {
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

/// Finds the message, in this order: `error.message`; `error` as a string; `detail` as a string; `detail` as a list of
/// `{loc, msg}`; `message`.
fn message_in(json: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|s| !s.trim().is_empty()).map(str::to_owned);
    let (error, detail) = (json.get("error"), json.get("detail"));
    error
        .and_then(|error| error.get("message"))
        .and_then(text)
        .or_else(|| error.and_then(text))
        .or_else(|| detail.and_then(text))
        .or_else(|| validation_errors(detail?.as_array()?))
        .or_else(|| json.get("message").and_then(text))
}

/// Joins `[{"loc":["body","instruction"],"msg":"too long"}]` to `body.instruction: too long`.
fn validation_errors(list: &[Value]) -> Option<String> {
    let word = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
    let lines = list.iter().filter_map(|item| {
        let message = item.get("msg")?.as_str()?;
        match item.get("loc").and_then(Value::as_array) {
            Some(steps) => Some(format!("{}: {message}", steps.iter().map(word).collect::<Vec<_>>().join("."))),
            None => Some(message.to_owned()),
        }
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// Returns the id that the service or gateway gave the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let mut ids = REQUEST_ID_HEADERS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    ids.find(|id| !id.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_the_contracts_order() {
        for (body, message) in [
            (r#"{"error":{"message":"a"},"detail":"b","message":"c"}"#, Some("a")),
            (r#"{"error":"a","detail":"b","message":"c"}"#, Some("a")),
            (r#"{"error":{"code":7},"detail":"b","message":"c"}"#, Some("b")),
            (
                r#"{"detail":[{"loc":["body","instruction"],"msg":"too long"},{"loc":["query",0],"msg":"no"}]}"#,
                Some("body.instruction: too long; query.0: no"),
            ),
            (r#"{"detail":[],"message":"c"}"#, Some("c")),
            (r#"{"message":"Forbidden"}"#, Some("Forbidden")),
            (r#"{"error":"","other":1}"#, None),
        ] {
            assert_eq!(message_in(&body.parse().unwrap()).as_deref(), message);
        }
    }

    #[test]
    fn only_an_object_with_data_alone_is_an_envelope() {
        for (body, payload) in [
            (r#"{"data":{"a":1}}"#, Some(r#"{"a":1}"#)),
            ("{ \"data\" : [1, 2] }", Some("[1, 2]")),
            (r#"{"data":{"a":1},"b":2}"#, None),
            (r#"{"b":2,"data":{"a":1}}"#, None),
            (r#"{"data":{"data":1}}"#, Some(r#"{"data":1}"#)),
            (r#"{"datas":1}"#, None),
            (r#"{"data":"#, None),
        ] {
            assert_eq!(unwrap_envelope(body), payload, "{body}");
        }
    }
}
