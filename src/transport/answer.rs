//! What came back: reading it within a limit, and making sense of it.

use std::io::Read;
use std::str::from_utf8;
use std::time::Instant;

use log::warn;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::Body;
use ureq::http::header::LOCATION;
use ureq::http::{HeaderMap, Response, Uri};

use super::retry::retry_after;
use super::{Call, LOG, Transport, in_short};
use crate::error::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, Error, Result};
use crate::types::{EnhancementStatus, from_json, items, read};

/// How much of the body of an error is read, and the most that room is made for before it has come,
/// in bytes.
pub(crate) const ERROR_BODY: u64 = 64 * 1024;

/// Where services and gateways put the id of a request.
const REQUEST_ID_HEADERS: [&str; 5] = [
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amz-apigw-id",
    "cf-ray",
];

/// What came of an attempt at a call: an answer, as far as it arrived.
pub(crate) struct Answer<'c> {
    transport: &'c Transport,
    call: &'c Call,
    attempts: u32,
    began: Instant,
    /// `None` if not even the head came.
    pub(super) status: Option<u16>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl<'c> Answer<'c> {
    /// Makes the answer of an attempt that has brought nothing yet.
    pub(super) fn new(
        transport: &'c Transport,
        call: &'c Call,
        attempts: u32,
        began: Instant,
    ) -> Self {
        Self {
            transport,
            call,
            attempts,
            began,
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
        let limit = if parts.status.is_success() {
            limit
        } else {
            ERROR_BODY
        };
        (self.status, self.headers) = (Some(parts.status.as_u16()), parts.headers);
        // The announced length is only a hint: room for a large answer is made as it comes.
        self.body
            .reserve_exact(body.content_length().unwrap_or_default().min(ERROR_BODY) as usize);
        body.into_with_config()
            .limit(limit)
            .reader()
            .read_to_end(&mut self.body)?;
        Ok(())
    }

    /// Parses the payload.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind `Failed` for an answer that says that the call failed. For one
    /// that cannot be read [`Error::Decode`], or [`Error::OutcomeUnknown`] if the call must not
    /// be repeated.
    pub(crate) fn json(&self) -> Result<Value> {
        let json = self.parse()?;
        self.check(&json).map(|()| json)
    }

    /// Reads the object that the payload was parsed to.
    pub(crate) fn object<T: DeserializeOwned>(&self, json: &Value) -> Result<T> {
        read(json).map_err(|e| self.unpromised(&e))
    }

    /// Reads an object whose `status` is not that of the call, but of what was asked about.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let json = self.parse()?;
        self.object(&json)
            .or_else(|e| self.check(&json).and(Err(e)))
    }

    /// Reads a list that comes bare, or as the field `name` of an object. An item that cannot be
    /// read is `None`.
    pub(crate) fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<Option<T>>> {
        items(&self.json()?, name)
            .ok_or_else(|| self.unreadable(format!("the answer holds no {name}")))
    }

    /// Parses the payload, whatever it says of the call.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        from_json(self.payload()).map_err(|e| self.unpromised(&e))
    }

    /// Reads an answer that need not hold anything, and refuses one that says that the call failed.
    pub(crate) fn empty(&self) -> Result<()> {
        from_json(self.payload()).map_or(Ok(()), |json| self.check(&json))
    }

    /// Refuses an answer that says that the call failed. What is no object says nothing.
    fn check(&self, json: &Value) -> Result<()> {
        let status = json
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let has_error = json.get("error").is_some_and(|error| !error.is_null());
        let failed =
            has_error || EnhancementStatus::from(status.to_owned()) == EnhancementStatus::Failed;
        if failed { Err(self.refused()) } else { Ok(()) }
    }

    /// Returns the payload: the body without its `data` envelope, if it has one, and without a byte
    /// order mark. It is a replacement character if the body is not UTF-8.
    pub(crate) fn payload(&self) -> &str {
        let body = from_utf8(&self.body).unwrap_or("\u{fffd}");
        let body = body.trim_start_matches('\u{feff}').trim_ascii();
        unwrap_envelope(body).unwrap_or(body)
    }

    /// Makes the error for an answer by which the service says no.
    pub(super) fn refused(&self) -> Error {
        let (context, message) = (self.context(), self.message());
        let status = context.status.unwrap_or_default();
        let kind = ApiErrorKind::of(status, &message);
        Error::Api(Box::new(ApiError {
            status,
            kind,
            message: self.redact(&message),
            context,
        }))
    }

    /// Makes the error for an answer that cannot be read.
    pub(crate) fn unreadable(&self, why: impl Into<String>) -> Error {
        // The words of `serde_json` quote what came.
        let cause = Cause {
            kind: CauseKind::Json,
            message: self.redact(&why.into()),
        };
        match self.call.once {
            Some(_) => self.unknown(cause),
            None => Error::Decode(self.error(cause)),
        }
    }

    /// Makes the error for JSON that cannot be read.
    fn unpromised(&self, error: &serde_json::Error) -> Error {
        self.unreadable(format!(
            "the answer is not the JSON that the API promises: {error}"
        ))
    }

    /// Makes the error for an attempt that leaves open whether the call was carried out.
    pub(super) fn unknown(&self, cause: Cause) -> Error {
        let advice = self.call.once.unwrap_or_default();
        let error = Error::OutcomeUnknown(Box::new(CallError {
            advice,
            ..*self.error(cause)
        }));
        warn!(target: LOG, "{}; outcome unknown", in_short(self.call, &error));
        error
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
        let Self {
            call,
            status,
            attempts,
            ..
        } = *self;
        let start = self.body.get(..ERROR_BODY as usize).unwrap_or(&self.body);
        // The body of a redirect may tell where it leads.
        let shown = if matches!(status, Some(300..=399)) {
            &[]
        } else {
            start
        };
        let body = self.redact(&String::from_utf8_lossy(shown));
        let (method, path, elapsed) = (call.method, call.path.clone(), self.began.elapsed());
        let (request_id, retry_after) = (request_id(&self.headers), retry_after(&self.headers));
        let request_id = request_id.map(|id| self.redact(id));
        Context {
            method,
            path,
            status,
            request_id,
            retry_after,
            attempts,
            elapsed,
            body,
        }
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        self.transport.redact(text, &[])
    }

    /// Returns the service's own words, or what it sent instead, not redacted.
    pub(crate) fn message(&self) -> String {
        if let Some(300..=399) = self.status {
            let location = self
                .headers
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let target: Uri = location
                .and_then(|location| location.parse().ok())
                .unwrap_or_default();
            let place = target.host().unwrap_or("another place");
            return format!("a redirect to {place}, and redirects are not followed");
        }
        let json = from_json(self.payload()).unwrap_or_default();
        message_in(&json).unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned())
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
    let text = |value: Option<&Value>| {
        value?
            .as_str()
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
    };
    let (error, detail) = (json.get("error"), json.get("detail"));
    let message = text(error.and_then(|error| error.get("message")))
        .or_else(|| text(error))
        .or_else(|| text(detail));
    message
        .or_else(|| validation_errors(detail?))
        .or_else(|| text(json.get("message")))
}

/// Joins `[{"loc":["body","instruction"],"msg":"too long"}]` to `body.instruction: too long`.
fn validation_errors(detail: &Value) -> Option<String> {
    let word = |step: &Value| {
        step.as_str()
            .map(str::to_owned)
            .or_else(|| Some(step.as_u64()?.to_string()))
    };
    let line = |item: &Value| {
        let path = item
            .get("loc")?
            .as_array()?
            .iter()
            .filter_map(word)
            .reduce(|path, step| path + "." + &step);
        Some(path? + ": " + item.get("msg")?.as_str()?)
    };
    detail
        .as_array()?
        .iter()
        .filter_map(line)
        .reduce(|lines, line| lines + "; " + &line)
}

/// Returns the id that the service or gateway gave the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let mut ids = REQUEST_ID_HEADERS
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok());
    ids.find(|id| !id.trim().is_empty())
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
