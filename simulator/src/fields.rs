//! Reads the fields of a body or a query as strictly as the service does, and words its 422
//! answers.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::wire::{Answer, Received};

/// The fields of a body or a query.
///
/// A reader takes each field that it knows, and then calls [`end`](Self::end), which refuses the
/// request if a field was missing, wrong or unknown. So one answer names all faults, as FastAPI's
/// does. Until then a faulty field reads as the default of its type.
pub(crate) struct Fields {
    place: &'static str,
    /// Those that were not taken yet.
    given: Map<String, Value>,
    faults: Vec<Value>,
}

impl Fields {
    /// Reads a body that must be there and be called JSON.
    pub(crate) fn body(request: &Received) -> Result<Self, Answer> {
        match Self::optional_body(request)? {
            Some(fields) => Ok(fields),
            None => Err(invalid_body("Field required")),
        }
    }

    /// Reads a body that may be empty.
    pub(crate) fn optional_body(request: &Received) -> Result<Option<Self>, Answer> {
        if request.body.is_empty() {
            return Ok(None);
        }
        if request.media_type() != "application/json" {
            let detail = "Content-Type must be application/json.";
            return Err(Answer::refused(415, detail));
        }
        Self::untyped_body(request).map(Some)
    }

    /// Reads a body that must be there, whatever it is called.
    pub(crate) fn untyped_body(request: &Received) -> Result<Self, Answer> {
        if request.body.is_empty() {
            return Err(invalid_body("Field required"));
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(given)) => Ok(Self::new("body", given)),
            Ok(_) => Err(invalid_body(
                "Input should be a valid dictionary or object to extract fields from",
            )),
            Err(error) => Err(invalid_body(&format!("JSON decode error: {error}"))),
        }
    }

    /// Reads the query of a call without a body. Gateways refuse a `GET` with one.
    pub(crate) fn query(request: &Received) -> Result<Self, Answer> {
        if !request.body.is_empty() {
            return Err(Answer::bad_request());
        }
        match request.query_fields() {
            Some(given) => Ok(Self::new("query", given)),
            None => Err(Answer::bad_request()),
        }
    }

    fn new(place: &'static str, given: Map<String, Value>) -> Self {
        Self {
            place,
            given,
            faults: Vec::new(),
        }
    }

    /// Takes a field that must be there.
    pub(crate) fn required<T: Default>(&mut self, name: &str, read: impl Read<T>) -> T {
        if !self.given.contains_key(name) {
            self.fault(name, "Field required", &Value::Null);
        }
        self.optional(name, read).unwrap_or_default()
    }

    /// Takes a field that may be absent.
    pub(crate) fn optional<T>(&mut self, name: &str, read: impl Read<T>) -> Option<T> {
        let value = self.given.remove(name)?;
        match read(&value) {
            Ok(read) => Some(read),
            Err(what) => {
                self.fault(name, &format!("Input should be {what}"), &value);
                None
            }
        }
    }

    /// Refuses the request if anything about it was wrong.
    pub(crate) fn end(mut self) -> Result<(), Answer> {
        for (name, value) in std::mem::take(&mut self.given) {
            self.fault(&name, "Extra inputs are not permitted", &value);
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Answer::refused(422, self.faults))
    }

    fn fault(&mut self, name: &str, message: &str, input: &Value) {
        self.faults.push(fault(&[self.place, name], message, input));
    }
}

/// Reads a value, or says what it should be.
pub(crate) trait Read<T>: Fn(&Value) -> Result<T, String> {}

impl<T, F: Fn(&Value) -> Result<T, String>> Read<T> for F {}

/// A text that is not empty.
pub(crate) fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    if text.is_empty() {
        return Err("string with at least 1 character".to_owned());
    }
    Ok(text.to_owned())
}

pub(crate) fn integer(value: &Value) -> Result<u64, String> {
    let integer = value.as_u64();
    integer.ok_or_else(|| "valid integer".to_owned())
}

/// A number in a query.
pub(crate) fn number_in(range: RangeInclusive<u32>) -> impl Read<u32> {
    move |value| {
        let number = value.as_str().and_then(|text| text.parse().ok());
        let number = number.filter(|number| range.contains(number));
        number.ok_or_else(|| format!("between {} and {}", range.start(), range.end()))
    }
}

pub(crate) fn boolean(value: &Value) -> Result<bool, String> {
    let boolean = value.as_bool();
    boolean.ok_or_else(|| "valid boolean".to_owned())
}

/// One of these words, exactly so.
pub(crate) fn one_of(words: &'static [&'static str]) -> impl Read<&'static str> {
    move |value| {
        let word = words.iter().copied().find(|word| value == word);
        word.ok_or_else(|| format!("'{}'", words.join("' or '")))
    }
}

/// Refuses a body that breaks a rule between its fields.
pub(crate) fn rule(is_kept: bool, name: &str, message: &str) -> Result<(), Answer> {
    if is_kept {
        return Ok(());
    }
    let fault = fault(&["body", name], message, &Value::Null);
    Err(Answer::refused(422, vec![fault]))
}

fn invalid_body(message: &str) -> Answer {
    Answer::refused(422, vec![fault(&["body"], message, &Value::Null)])
}

/// One entry of a 422 list, in FastAPI's shape.
fn fault(place: &[&str], message: &str, input: &Value) -> Value {
    json!({ "type": "value_error", "loc": place, "msg": message, "input": input })
}
