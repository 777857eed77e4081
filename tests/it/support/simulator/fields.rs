//! Reads the fields of a body or a query as strictly as the service does, and words its 422 answers.

use super::project::Source;
use super::service::Preset;
use super::wire::{Answer, Received};
use serde_json::{Map, Value, json};

/// The longest instruction, in Unicode code points.
const INSTRUCTION_LIMIT: usize = 255;

/// The fields of one request and what was found wrong with them so far. Every reader gives a value even for a
/// field that is wrong, so that one answer can name all faults; [`Fields::check`] stands between the readers and
/// the use of what they gave.
pub(super) struct Fields {
    place: &'static str,
    given: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Value>,
}

impl Fields {
    /// The fields of a JSON body, which must be there, be called JSON, and be one object.
    pub(super) fn of_body(request: &Received) -> Result<Self, Answer> {
        if request.body.is_empty() {
            return Err(invalid(vec![fault(
                &["body"],
                "missing",
                "Field required",
                &Value::Null,
            )]));
        }
        let content_type = request.header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Answer::refused(415, "Content-Type must be application/json."));
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(given)) => Ok(Self::new("body", given)),
            Ok(other) => Err(invalid(vec![fault(
                &["body"],
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                &other,
            )])),
            Err(error) => Err(invalid(vec![json!({
                "type": "json_invalid",
                "loc": ["body", error.column()],
                "msg": "JSON decode error",
                "input": {},
                "ctx": { "error": error.to_string() },
            })])),
        }
    }

    /// The fields of a query.
    pub(super) fn of_query(request: &Received) -> Result<Self, Answer> {
        let given = request
            .query_fields()
            .ok_or_else(|| Answer::by_gateway(400, "Bad Request"))?;
        Ok(Self::new("query", given))
    }

    fn new(place: &'static str, given: Map<String, Value>) -> Self {
        Self {
            place,
            given,
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// `project_source`: present, and one of the two words.
    pub(super) fn source(&mut self) -> Source {
        match self.text("project_source").as_deref() {
            Some("REGULAR") => Source::Regular,
            Some("I2I") => Source::I2i,
            Some(_) => {
                self.fault("project_source", "enum", "Input should be 'REGULAR' or 'I2I'");
                Source::Regular
            }
            None => Source::Regular,
        }
    }

    /// `project_source` where the vendor's page leaves it out: that of a profile-based project then.
    pub(super) fn source_if_any(&mut self) -> Source {
        if self.given.contains_key("project_source") {
            self.source()
        } else {
            Source::Regular
        }
    }

    /// `parent_version_id`: present, and either null or a whole number.
    pub(super) fn parent(&mut self) -> Option<u64> {
        match self.required("parent_version_id")? {
            Value::Null => None,
            value => {
                let id = value.as_u64();
                if id.is_none() {
                    self.fault("parent_version_id", "int_type", "Input should be a valid integer");
                }
                id
            }
        }
    }

    /// `instruction`: a string of 1 to 255 code points.
    pub(super) fn instruction(&mut self) -> String {
        let text = self.text("instruction").unwrap_or_else(|| "-".to_owned());
        if text.is_empty() {
            self.fault(
                "instruction",
                "string_too_short",
                "String should have at least 1 character",
            );
        } else if text.chars().count() > INSTRUCTION_LIMIT {
            self.fault(
                "instruction",
                "string_too_long",
                "String should have at most 255 characters",
            );
        }
        text
    }

    /// `tool_id`: one of the presets.
    pub(super) fn preset(&mut self, presets: &[Preset]) -> String {
        let is_known = |text: &str| presets.iter().any(|preset| preset.enhancement_type == text);
        match self.text("tool_id") {
            Some(text) if is_known(&text) => text,
            Some(text) => {
                self.fault("tool_id", "enum", "Input should be a known enhancement type");
                text
            }
            None => String::new(),
        }
    }

    /// `get_thumbnail`: may be absent; `true` or `false`.
    pub(super) fn thumbnail(&mut self) {
        self.known.push("get_thumbnail");
        let text = self.given.get("get_thumbnail").and_then(Value::as_str);
        if !matches!(text, None | Some("true" | "false")) {
            self.fault("get_thumbnail", "bool_parsing", "Input should be a valid boolean");
        }
    }

    /// Refuses the request if any field was wrong, or if there are fields that nobody asked for.
    pub(super) fn check(mut self) -> Result<(), Answer> {
        for (name, value) in &self.given {
            if !self.known.contains(&name.as_str()) {
                let message = "Extra inputs are not permitted";
                self.faults
                    .push(fault(&[self.place, name], "extra_forbidden", message, value));
            }
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(invalid(self.faults))
        }
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        match self.required(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.fault(name, "string_type", "Input should be a valid string");
                None
            }
        }
    }

    fn required(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let value = self.given.get(name).cloned();
        if value.is_none() {
            self.fault(name, "missing", "Field required");
        }
        value
    }

    fn fault(&mut self, name: &str, kind: &str, message: &str) {
        let input = self
            .given
            .get(name)
            .cloned()
            .unwrap_or_else(|| self.given.clone().into());
        self.faults.push(fault(&[self.place, name], kind, message, &input));
    }
}

/// One entry of a 422 list, in FastAPI's shape. It repeats the input, as FastAPI does.
fn fault(place: &[&str], kind: &str, message: &str, input: &Value) -> Value {
    json!({ "type": kind, "loc": place, "msg": message, "input": input })
}

fn invalid(faults: Vec<Value>) -> Answer {
    Answer::refused(422, faults)
}
