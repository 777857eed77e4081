//! Answers requests, however they came: [`State::answer`].

use crate::project::{Project, Source};
use crate::storage::{self, Link};
use crate::wire::{Answer, Received, decode};
use crate::{calls, fields};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The only key that is accepted.
pub(crate) const KEY: &str = "sim-key-0123456789";

/// How many bytes of a body are kept.
pub(crate) const KEPT: usize = 1 << 20;

/// What can be changed while the simulator runs, with
/// [`Simulator::configure`](crate::Simulator::configure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Wraps the payload of every success in `{"data": ...}`. Default: `false`.
    pub envelope: bool,
    /// Answers `profiles` and `templates` with a bare list, not with an object. Default: `false`.
    pub bare_lists: bool,
    /// Lists a photo in the history of `ai-tools` even while it has no versions. Default: `true`.
    pub list_unedited: bool,
    /// Answers `finalize` with an empty body. Default: `false`.
    pub empty_finalize: bool,
    /// Makes an edit with a profile want `Content-Type: application/json`, not an empty one.
    /// Default: `false`.
    pub edit_wants_json: bool,
    /// How many polls see an edit in progress. Default: 2.
    pub edit_polls: u32,
    /// How many polls see an export in progress. Default: 2.
    pub export_polls: u32,
    /// How long a presigned URL made from now on can be used. Default: one hour.
    pub link_lifetime: Duration,
    /// The least size of a JPEG in bytes. Default: 0, which makes about 250 bytes.
    pub jpeg_size: usize,
    /// The presets of `enhance`, as `ai-tools` lists them. Default: four, with the key
    /// `enhancement_type`.
    pub presets: Vec<Value>,
    /// The profiles, as they are listed. Default: 5700 for RAW, 5701 for JPEG. One without
    /// `image_type` takes either.
    pub profiles: Vec<Value>,
    /// The sky templates, as they are listed. Default: 1 to 3.
    pub sky_templates: Vec<Value>,
}

impl Default for Settings {
    fn default() -> Self {
        let defaults: Value =
            serde_json::from_str(include_str!("defaults.json")).expect("the file is JSON");
        let list = |name| defaults[name].as_array().cloned().unwrap_or_default();
        Self {
            envelope: false,
            bare_lists: false,
            list_unedited: true,
            empty_finalize: false,
            edit_wants_json: false,
            edit_polls: 2,
            export_polls: 2,
            link_lifetime: Duration::from_secs(3600),
            jpeg_size: 0,
            presets: list("presets"),
            profiles: list("profiles"),
            sky_templates: list("sky_templates"),
        }
    }
}

/// Everything that the service knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) origin: String,
    pub(crate) projects: Vec<Project>,
    pub(crate) settings: Settings,
    /// What `fail_next` ordered: method, end of the path, answer, and how many times.
    pub(crate) failures: Vec<(String, String, Answer, u32)>,
    pub(crate) received: Vec<Received>,
    /// By path and query.
    pub(crate) links: HashMap<String, Link>,
    /// How far its clock is ahead of the machine's.
    pub(crate) clock_ahead: Duration,
    answered: u32,
}

/// A call of the API, with the fields of its body or query.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Received,
    /// The kind of project that the path says.
    pub(crate) source: Source,
    pub(crate) id: &'a str,
    pub(crate) photo: &'a str,
    pub(crate) fields: Value,
}

impl Call<'_> {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_default()
    }
}

/// The payload of an answer, `Null` for an empty one, or a refusal.
pub(crate) type Payload = Result<Value, Answer>;

impl State {
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }

    /// Answers one request, and remembers it.
    pub(crate) fn answer(&mut self, mut request: Received) -> Answer {
        self.answered += 1;
        let is_storage = request.path.starts_with(storage::ROOT);
        let answer = match self.ordered_failure(&request) {
            Some(answer) => answer,
            None if is_storage => self.storage(&request),
            None => self.api(&request).unwrap_or_else(|refusal| refusal),
        };
        request.body.truncate(KEPT);
        request.body.shrink_to_fit();
        self.received.push(request);
        let name = if is_storage {
            "x-amz-request-id"
        } else {
            "x-request-id"
        };
        answer.with(name, format!("sim-{:06}", self.answered))
    }

    fn ordered_failure(&mut self, request: &Received) -> Option<Answer> {
        let mut failures = self.failures.iter_mut();
        let (_, _, answer, times) = failures.find(|(method, path_ending, _, times)| {
            *times > 0 && request.method == *method && request.path.ends_with(path_ending.as_str())
        })?;
        *times -= 1;
        Some(answer.clone())
    }

    fn api(&mut self, request: &Received) -> Result<Answer, Answer> {
        let not_found = || Answer::refused(404, "Not Found");
        let path = request.path.strip_prefix("/v1/").ok_or_else(not_found)?;
        let segments: Option<Vec<String>> = path.split('/').map(decode).collect();
        let segments = segments.ok_or_else(Answer::bad_request)?;
        if request.header("x-api-key") != Some(KEY) {
            return Err(Answer::refused(401, "Invalid or missing API key."));
        }
        let fits = |(pattern, segment): (&str, &String)| pattern == "*" || pattern == segment;
        let is_call = |columns: &Vec<&str>| {
            let pattern = columns.get(1).map_or("", |pattern| pattern).split('/');
            let is_path =
                pattern.clone().count() == segments.len() && pattern.zip(&segments).all(fits);
            is_path && columns[0] == request.method
        };
        let lines = include_str!("calls.txt").lines();
        let mut lines = lines.map(|line| line.split_whitespace().collect());
        let columns = lines.find(is_call).ok_or_else(not_found)?;
        let is_i2i = segments[0] == "i2i";
        let segment = |at: usize| {
            segments
                .get(at + usize::from(is_i2i))
                .map_or("", String::as_str)
        };
        let call = Call {
            request,
            source: if is_i2i { Source::I2i } else { Source::Regular },
            id: segment(1),
            photo: segment(3),
            fields: fields::read(request, columns[2], &columns[4..])?,
        };
        Ok(match self.respond(columns[3], &call)? {
            Value::Null if request.method == "DELETE" => Answer::empty(204),
            Value::Null => Answer::empty(200),
            payload if self.settings.envelope => Answer::json(200, &json!({ "data": payload })),
            payload => Answer::json(200, &payload),
        })
    }

    fn respond(&mut self, function: &str, call: &Call<'_>) -> Payload {
        match function {
            "list_of" => calls::list_of(self, call),
            "create" => calls::create(self, call),
            "list" => calls::list(self, call),
            "id_of" => calls::id_of(self, call),
            "info" => calls::info(self, call),
            "upload_links" => calls::upload_links(self, call),
            "edit_with_profile" => calls::edit_with_profile(self, call),
            "edit_smartly" => calls::edit_smartly(self, call),
            "status" => calls::status(self, call),
            "export" => calls::export(self, call),
            "xmp_links" => calls::xmp_links(self, call),
            "jpeg_links" => calls::jpeg_links(self, call),
            "edit_photo" => calls::edit_photo(self, call),
            "reset" => calls::reset(self, call),
            "ai_tools" => calls::ai_tools(self, call),
            "finalize" => calls::finalize(self, call),
            function => unreachable!("calls.txt names {function}"),
        }
    }
}
