//! Checks the fields of a body or a query as strictly as the service does, and words its 422 answers.

use crate::wire::{Answer, Received};
use serde_json::{Map, Value, json};

/// A field's name, with a `?` behind it if it may be absent, and what it must be.
pub(crate) type Field = (&'static str, Kind);

/// What a field must be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// 1 to 255 Unicode code points.
    Instruction,
    Number,
    /// A number, or null.
    Parent,
    Flag,
    OneOf(&'static [&'static str]),
    /// Digits of a query, for a number between these two.
    Digits(usize, usize),
    Https,
    /// `[{file_name, md5?}]`
    Files,
}

/// A boolean of a query.
pub(crate) const QUERY_FLAG: Kind = Kind::OneOf(&["true", "false"]);

/// `project_source`.
pub(crate) const SOURCE: [Field; 1] = [("project_source", Kind::OneOf(&["REGULAR", "I2I"]))];
pub(crate) const OPTIONAL_SOURCE: [Field; 1] = [("project_source?", SOURCE[0].1)];

impl Kind {
    /// Returns what the value should be, if it is not.
    fn fault(self, value: &Value) -> Option<String> {
        let text = value.as_str().unwrap_or_default();
        let (is_good, what) = match self {
            Self::Text => (!text.is_empty(), "string with at least 1 character"),
            Self::Instruction if text.is_empty() => (false, "string with at least 1 character"),
            Self::Instruction => (text.chars().count() <= 255, "string with at most 255 characters"),
            Self::Number => (value.is_u64(), "valid integer"),
            Self::Parent => (value.is_u64() || value.is_null(), "valid integer"),
            Self::Flag => (value.is_boolean(), "valid boolean"),
            Self::OneOf(words) => (words.contains(&text), &*format!("one of '{}'", words.join("' or '"))),
            Self::Digits(least, most) => {
                let is_good = text.parse().is_ok_and(|number| (least..=most).contains(&number));
                (is_good, &*format!("integer from {least} to {most}"))
            }
            Self::Https => (text.starts_with("https://"), "https URL"),
            Self::Files => {
                let is_good = value
                    .as_array()
                    .is_some_and(|files| !files.is_empty() && files.iter().all(is_file));
                (is_good, "list of at least one {file_name, md5?}")
            }
        };
        (!is_good).then(|| format!("Input should be: {what}"))
    }
}

fn is_file(value: &Value) -> bool {
    let has_text = |name| value.get(name).is_some_and(|text| Kind::Text.fault(text).is_none());
    let length = 1 + usize::from(has_text("md5"));
    has_text("file_name") && value.as_object().is_some_and(|file| file.len() == length)
}

/// Reads a body that must be called JSON.
pub(crate) fn body(request: &Received, fields: &[Field]) -> Result<Value, Answer> {
    if !request.body.is_empty() && request.media_type() != "application/json" {
        return Err(Answer::refused(415, "Content-Type must be application/json."));
    }
    json_body(request, fields)
}

/// Reads a body that must be one JSON object, whatever its `Content-Type`.
pub(crate) fn json_body(request: &Received, fields: &[Field]) -> Result<Value, Answer> {
    let invalid = |message: &str| Err(refusal(vec![fault(&["body"], message, &Value::Null)]));
    if request.body.is_empty() {
        return invalid("Field required");
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(given)) => check("body", given, fields),
        Ok(_) => invalid("Input should be a valid dictionary or object to extract fields from"),
        Err(error) => invalid(&format!("JSON decode error: {error}")),
    }
}

/// Reads a body like [`body`], if there is one.
pub(crate) fn body_if_any(request: &Received, fields: &[Field]) -> Result<Value, Answer> {
    if request.body.is_empty() {
        return Ok(Value::Null);
    }
    body(request, fields)
}

/// Reads the query of a request that must have no body: gateways refuse a `GET` with one.
pub(crate) fn query(request: &Received, fields: &[Field]) -> Result<Value, Answer> {
    let given = request.query_fields().filter(|_| request.body.is_empty());
    check("query", given.ok_or_else(Answer::bad_request)?, fields)
}

/// Names all faults at once, fields that nobody knows among them. The fields of the result are `Null` if absent.
fn check(place: &str, given: Map<String, Value>, fields: &[Field]) -> Result<Value, Answer> {
    let names = fields.iter().map(|(name, _)| name.trim_end_matches('?'));
    let mut faults = Vec::new();
    for (name, (field, kind)) in names.clone().zip(fields) {
        let value = given.get(name);
        let missing = || (name == *field).then(|| "Field required".to_owned());
        if let Some(message) = value.map_or_else(missing, |value| kind.fault(value)) {
            faults.push(fault(&[place, name], &message, value.unwrap_or(&Value::Null)));
        }
    }
    for (name, value) in &given {
        if !names.clone().any(|known| known == name) {
            faults.push(fault(&[place, name], "Extra inputs are not permitted", value));
        }
    }
    if faults.is_empty() {
        Ok(given.into())
    } else {
        Err(refusal(faults))
    }
}

/// Refuses a body that breaks a rule between its fields.
pub(crate) fn rule(is_kept: bool, name: &str, message: &str) -> Result<(), Answer> {
    let fault = || fault(&["body", name], message, &Value::Null);
    is_kept.then_some(()).ok_or_else(|| refusal(vec![fault()]))
}

/// One entry of a 422 list, in FastAPI's shape.
fn fault(place: &[&str], message: &str, input: &Value) -> Value {
    json!({ "type": "value_error", "loc": place, "msg": message, "input": input })
}

fn refusal(faults: Vec<Value>) -> Answer {
    Answer::refused(422, faults)
}
