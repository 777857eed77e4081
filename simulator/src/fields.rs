//! Checks the fields of a body or a query as strictly as the service does, and words its 422
//! answers.

use crate::service::Payload;
use crate::wire::{Answer, Received};
use serde_json::{Map, Value, json};

/// Reads the fields of a request. `place` and `fields` are as in `calls.txt`.
pub(crate) fn read(request: &Received, place: &str, fields: &[&str]) -> Payload {
    let invalid = |message: &str| {
        Err(Answer::refused(
            422,
            vec![fault(&["body"], message, &Value::Null)],
        ))
    };
    if place == "query" {
        // Gateways refuse a `GET` with a body.
        let given = request.query_fields().filter(|_| request.body.is_empty());
        return check("query", given.ok_or_else(Answer::bad_request)?, fields);
    } else if request.body.is_empty() {
        let null = (place == "body?").then_some(Value::Null);
        return null.map_or_else(|| invalid("Field required"), Ok);
    } else if place != "json" && request.media_type() != "application/json" {
        return Err(Answer::refused(
            415,
            "Content-Type must be application/json.",
        ));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(given)) => check("body", given, fields),
        Ok(_) => invalid("Input should be a valid dictionary or object to extract fields from"),
        Err(error) => invalid(&format!("JSON decode error: {error}")),
    }
}

/// Names all faults at once, fields that nobody knows among them. The fields of the result are
/// `Null` if absent.
fn check(place: &str, given: Map<String, Value>, fields: &[&str]) -> Payload {
    let known: Vec<(&str, &str)> = fields
        .iter()
        .filter_map(|field| field.split_once(':'))
        .collect();
    let mut faults = Vec::new();
    for (field, what) in &known {
        let name = field.trim_end_matches('?');
        let value = given.get(name);
        let missing = || (name == *field).then(|| "Field required".to_owned());
        if let Some(message) = value.map_or_else(missing, |value| wrong(value, what)) {
            faults.push(fault(
                &[place, name],
                &message,
                value.unwrap_or(&Value::Null),
            ));
        }
    }
    for (name, value) in &given {
        if !known
            .iter()
            .any(|(field, _)| field.trim_end_matches('?') == name)
        {
            faults.push(fault(
                &[place, name],
                "Extra inputs are not permitted",
                value,
            ));
        }
    }
    let is_good = faults.is_empty();
    is_good
        .then(|| given.into())
        .ok_or_else(|| Answer::refused(422, faults))
}

/// Returns what a value should be, if it is not.
fn wrong(value: &Value, what: &str) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let is_good = match what {
        "text" => !text.is_empty(),
        "instruction" => (1..=255).contains(&text.chars().count()),
        "number" => value.is_u64(),
        "parent" => value.is_u64() || value.is_null(),
        "flag" => value.is_boolean(),
        "https" => text.starts_with("https://"),
        "files" => {
            !value[0].is_null()
                && value
                    .as_array()
                    .is_some_and(|files| files.iter().all(is_file))
        }
        range if range.contains("..") => {
            let number = |text: &str| text.parse::<u32>().ok();
            let (least, most) = range.split_once("..")?;
            number(text).is_some_and(|given| (number(least)..=number(most)).contains(&Some(given)))
        }
        words => words.split('|').any(|word| value == word),
    };
    let what = match what {
        "text" => "string with at least 1 character",
        "instruction" if text.is_empty() => "string with at least 1 character",
        "instruction" => "string with at most 255 characters",
        "number" | "parent" => "valid integer",
        "flag" => "valid boolean",
        "https" => "https URL",
        "files" => "list of at least one {file_name, md5?}",
        words => &*format!("'{}'", words.replace('|', "' or '")),
    };
    (!is_good).then(|| format!("Input should be {what}"))
}

fn is_file(value: &Value) -> bool {
    let has_text = |name| value[name].as_str().is_some_and(|text| !text.is_empty());
    let length = 1 + usize::from(has_text("md5"));
    has_text("file_name") && value.as_object().is_some_and(|file| file.len() == length)
}

/// Refuses a body that breaks a rule between its fields.
pub(crate) fn rule(is_kept: bool, name: &str, message: &str) -> Result<(), Answer> {
    let fault = || fault(&["body", name], message, &Value::Null);
    is_kept
        .then_some(())
        .ok_or_else(|| Answer::refused(422, vec![fault()]))
}

/// One entry of a 422 list, in FastAPI's shape.
fn fault(place: &[&str], message: &str, input: &Value) -> Value {
    json!({ "type": "value_error", "loc": place, "msg": message, "input": input })
}
