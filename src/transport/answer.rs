//! What came back: reading it within a limit, and making sense of it.

use std::borrow::Cow;
use std::io::Read;
use std::str::from_utf8;
use std::time::{Duration, Instant};

use log::warn;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::header::{HeaderName, LOCATION};
use ureq::http::{HeaderMap, Response, Uri};

use super::retry::retry_after;
use super::{Call, LOG, Transport};
use crate::error::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, Error, Result};
use crate::types::{EnhancementStatus, from_json, items, read};

/// How much of the body of an error is read, and the most that room is made for before it has come,
/// in bytes.
pub(crate) const ERROR_BODY: u64 = 64 * 1024;

/// Where services and gateways put the id of a request.
const REQUEST_ID_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-amzn-requestid"),
    HeaderName::from_static("x-amz-request-id"),
    HeaderName::from_static("x-amz-apigw-id"),
    HeaderName::from_static("cf-ray"),
];

/// How often a call was tried so far.
#[derive(Clone, Copy)]
pub(super) struct Tries {
    pub(super) began: Instant,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// How often it failed. A refusal because of the service's limit is no failure.
    pub(super) failures: u32,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            attempts: 0,
            failures: 0,
        }
    }
}

/// What came of an attempt at a call: an answer, as far as it arrived.
pub(crate) struct Answer<'c> {
    transport: &'c Transport,
    pub(super) call: &'c Call,
    tries: Tries,
    /// `None` if not even the head came.
    pub(super) status: Option<u16>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl<'c> Answer<'c> {
    /// Makes the answer of an attempt that has brought nothing yet.
    pub(super) fn new(transport: &'c Transport, call: &'c Call, tries: Tries) -> Self {
        Self {
            transport,
            call,
            tries,
            status: None,
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// Reads an answer: `limit` bytes of a success, and of anything else as much as an error needs.
    pub(super) fn receive(
        &mut self,
        response: Response<Body>,
        limit: u64,
    ) -> Result<(), ureq::Error> {
        let (parts, body) = response.into_parts();
        self.status = Some(parts.status.as_u16());
        self.headers = parts.headers;
        let limit = if parts.status.is_success() {
            limit
        } else {
            ERROR_BODY
        };
        // The announced length is only a hint: room for a large answer is made as it comes.
        let announced = body.content_length().unwrap_or_default();
        self.body.reserve_exact(announced.min(ERROR_BODY) as usize);
        let mut reader = body.into_with_config().limit(limit).reader();
        reader.read_to_end(&mut self.body)?;
        Ok(())
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, Some(200..=299))
    }

    /// Returns how long the service asked to wait, if it did.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Returns where a redirect leads.
    pub(super) fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// Parses the payload.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind `Failed` for an answer that says that the call failed. For one
    /// that cannot be read [`Error::Decode`], or [`Error::OutcomeUnknown`] if the call must not
    /// be repeated.
    pub(crate) fn json(&self) -> Result<Value> {
        let json = self.parse()?;
        self.check(&json)?;
        Ok(json)
    }

    /// Reads the payload as an object.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T> {
        read(&self.json()?).map_err(|e| self.unpromised(&e))
    }

    /// Reads an answer to the question how far something is. Its `status` is not that of the call,
    /// so `FAILED` is no error.
    pub(crate) fn status_object<T: DeserializeOwned>(&self) -> Result<T> {
        let json = self.parse()?;
        match read(&json) {
            Ok(object) => Ok(object),
            Err(e) => {
                self.check(&json)?;
                Err(self.unpromised(&e))
            }
        }
    }

    /// Reads the payload as a list. An item that cannot be read is `None`.
    pub(crate) fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<Option<T>>> {
        self.list_in(&self.json()?, name)
    }

    /// Reads a list in the parsed payload, which comes bare or as the field `name` of an object.
    pub(crate) fn list_in<T: DeserializeOwned>(
        &self,
        json: &Value,
        name: &str,
    ) -> Result<Vec<Option<T>>> {
        items(json.get(name).unwrap_or(json))
            .ok_or_else(|| self.unreadable(format!("the answer holds no {name}")))
    }

    /// Parses the payload, whatever it says of the call.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        from_json(self.payload()).map_err(|e| self.unpromised(&e))
    }

    /// Reads an answer that need not hold anything, and refuses one that says that the call failed.
    pub(crate) fn empty(&self) -> Result<()> {
        match from_json(self.payload()) {
            Ok(json) => self.check(&json),
            Err(_) => Ok(()),
        }
    }

    /// Refuses an answer that says that the call failed. What is no object says nothing.
    fn check(&self, json: &Value) -> Result<()> {
        let status = json.get("status").and_then(Value::as_str);
        let status = EnhancementStatus::from(status.unwrap_or_default().to_owned());
        let has_error = json.get("error").is_some_and(is_error);
        if has_error || status == EnhancementStatus::Failed {
            return Err(self.refused());
        }
        Ok(())
    }

    /// Returns the payload: the body without its `data` envelope, if it has one, and without a byte
    /// order mark. It is a replacement character if the body is not UTF-8.
    pub(crate) fn payload(&self) -> &str {
        let body = from_utf8(&self.body).unwrap_or("\u{fffd}");
        let body = body.trim_start_matches('\u{feff}').trim_ascii();
        unwrap_envelope(body).unwrap_or(body)
    }

    /// Makes the error for an answer that says no.
    pub(super) fn refused(&self) -> Error {
        let message = self.message();
        let status = self.status.unwrap_or_default();
        Error::Api(Box::new(ApiError {
            status,
            kind: ApiErrorKind::of(status, &message),
            message: self.redact(&message),
            advice: "",
            context: self.context(),
        }))
    }

    /// Makes the error for an answer that cannot be read.
    pub(crate) fn unreadable(&self, why: impl Into<String>) -> Error {
        // The words of `serde_json` quote what came.
        let cause = Cause {
            kind: CauseKind::Json,
            message: self.redact(&why.into()),
        };
        if self.call.is_once() {
            return self.unknown(cause);
        }
        Error::Decode(self.error(cause))
    }

    /// Makes the error for JSON that cannot be read.
    fn unpromised(&self, error: &serde_json::Error) -> Error {
        self.unreadable(format!(
            "the answer is not the JSON that the API promises: {error}"
        ))
    }

    /// Makes the error for an attempt that leaves open whether the call was carried out.
    pub(super) fn unknown(&self, cause: Cause) -> Error {
        let mut error = self.error(cause);
        error.advice = self.call.once.unwrap_or_default();
        let error = Error::OutcomeUnknown(error);
        let why = self.transport.in_short(self.call, &error);
        warn!(target: LOG, "{why}; outcome unknown");
        error
    }

    /// Makes the same error for a status that leaves it open.
    pub(super) fn unknown_by_status(&self) -> Error {
        let status = self.status.unwrap_or_default();
        let message = self.redact(&self.message());
        self.unknown(Cause {
            kind: CauseKind::Status,
            message: format!("{status} {message}"),
        })
    }

    /// Makes the error for an answer that did not arrive whole, or not at all.
    pub(super) fn error(&self, cause: Cause) -> Box<CallError> {
        Box::new(CallError {
            cause,
            advice: "",
            context: self.context(),
        })
    }

    /// Returns what is known of the call and its answer.
    pub(crate) fn context(&self) -> Context {
        let request_id = request_id(&self.headers);
        Context {
            method: self.call.method,
            path: self.redact(&self.call.path),
            status: self.status,
            request_id: request_id.map(|id| self.redact(id)),
            retry_after: self.retry_after(),
            attempts: self.tries.attempts,
            elapsed: self.tries.began.elapsed(),
            body: self.redact(&self.start_of_body()),
        }
    }

    /// Returns as much of the body as an error may show. The body of a redirect is left out, since
    /// it may repeat the target.
    fn start_of_body(&self) -> Cow<'_, str> {
        if matches!(self.status, Some(300..=399)) {
            return Cow::default();
        }
        let start = self.body.get(..ERROR_BODY as usize);
        String::from_utf8_lossy(start.unwrap_or(&self.body))
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        self.transport.redact(text)
    }

    /// Returns the service's own words, or what it sent instead, not redacted.
    pub(crate) fn message(&self) -> String {
        if let Some(300..=399) = self.status {
            return self.redirect_message();
        }
        let json = from_json(self.payload()).unwrap_or_default();
        message_in(&json).unwrap_or_else(|| self.start_of_body().into_owned())
    }

    /// Says where a redirect leads, without what a path or a query could hold.
    fn redirect_message(&self) -> String {
        let target: Uri = self
            .location()
            .and_then(|location| location.parse().ok())
            .unwrap_or_default();
        let place = target.host().unwrap_or("another place");
        format!("a redirect to {place}, and redirects are not followed")
    }
}

/// Whether the field `error` of an answer says anything. A success can have one that is empty.
pub(crate) fn is_error(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// Returns the value of an object whose only key is `data`.
fn unwrap_envelope(body: &str) -> Option<&str> {
    // Any other object is the payload as it stands.
    body.strip_prefix('{')?
        .trim_ascii_start()
        .strip_prefix("\"data\"")?;
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let envelope: Envelope<'_> = serde_json::from_str(body).ok()?;
    Some(envelope.data.get())
}

/// Finds the message, in this order: `error.message`; `error` as a string; `detail` as a string;
/// `detail` as a list of `{loc, msg}`; `message`.
fn message_in(json: &Value) -> Option<String> {
    let texts = [
        json.pointer("/error/message"),
        json.get("error"),
        json.get("detail"),
    ];
    for text in texts.into_iter().flatten() {
        if let Some(text) = non_empty(text) {
            return Some(text);
        }
    }
    let validation = json.get("detail").and_then(validation_errors);
    validation.or_else(|| json.get("message").and_then(non_empty))
}

/// Returns a text that says something.
fn non_empty(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_empty = text.trim().is_empty();
    (!is_empty).then(|| text.to_owned())
}

/// Joins `[{"loc":["body","instruction"],"msg":"too long"}]` to `body.instruction: too long`.
fn validation_errors(detail: &Value) -> Option<String> {
    let mut lines = Vec::new();
    for item in detail.as_array()? {
        lines.extend(validation_error(item));
    }
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn validation_error(item: &Value) -> Option<String> {
    let message = item.get("msg")?.as_str()?;
    let mut steps = Vec::new();
    for step in item.get("loc")?.as_array()? {
        match step {
            Value::String(name) => steps.push(name.clone()),
            Value::Number(index) => steps.push(index.to_string()),
            _ => {}
        }
    }
    Some(format!("{}: {message}", steps.join(".")))
}

/// Returns the id that the service or gateway gave the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    for name in REQUEST_ID_HEADERS {
        let id = headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = id
            && !id.trim().is_empty()
        {
            return Some(id);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_the_contracts_order() {
        for (body, message) in [
            (
                r#"{"error":{"message":"a"},"detail":"b","message":"c"}"#,
                Some("a"),
            ),
            (r#"{"error":"a","detail":"b","message":"c"}"#, Some("a")),
            (
                r#"{"error":{"code":7},"detail":"b","message":"c"}"#,
                Some("b"),
            ),
            (
                r#"{"detail":[{"loc":["body","instruction"],"msg":"too long"},
                    {"loc":["query",0],"msg":"no"}]}"#,
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
