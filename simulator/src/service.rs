//! Answers requests, however they came: [`State::answer`].

use crate::fields::{self, Field, OPTIONAL_SOURCE, SOURCE};
use crate::project::{Project, Source};
use crate::storage::{self, Link};
use crate::wire::{Answer, Received, decode};
use crate::{copilot, road};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The only key that is accepted.
pub(crate) const KEY: &str = "sim-key-0123456789";

/// How many bytes of a body are kept.
pub(crate) const KEPT: usize = 1 << 20;

/// What can be changed while the simulator runs, with [`Simulator::configure`](crate::Simulator::configure).
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
    /// Makes the edit of a profile-based project want `Content-Type: application/json`, which it refuses otherwise.
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
    /// The presets of `enhance`, as `ai-tools` lists them. Default: four, with the key `enhancement_type`.
    pub presets: Vec<Value>,
    /// The profiles, as they are listed. Default: 5700 for RAW, 5701 for JPEG, 5702 for either.
    pub profiles: Vec<Value>,
    /// The sky templates, as they are listed. Default: 1 to 3.
    pub sky_templates: Vec<Value>,
}

impl Default for Settings {
    fn default() -> Self {
        let defaults: Value = serde_json::from_str(include_str!("defaults.json")).expect("the file is JSON");
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

/// Everything that the simulated service knows.
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

/// What there is to know of a call: how its fields are read, which ones there are, and what it does.
type Route = (
    fn(&Received, &[Field]) -> Payload,
    &'static [Field],
    fn(&mut State, &Call<'_>) -> Payload,
);

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
        let name = if is_storage { "x-amz-request-id" } else { "x-request-id" };
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
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if request.header("x-api-key") != Some(KEY) {
            return Err(Answer::refused(401, "Invalid or missing API key."));
        }
        let (source, path) = match segments.as_slice() {
            ["i2i", path @ ..] => (Source::I2i, path),
            path => (Source::Regular, path),
        };
        let (read, known, respond) = route(&request.method, source, path).ok_or_else(not_found)?;
        let call = Call {
            request,
            source,
            id: path.get(1).copied().unwrap_or_default(),
            photo: path.get(3).copied().unwrap_or_default(),
            fields: read(request, known)?,
        };
        Ok(match respond(self, &call)? {
            Value::Null if request.method == "DELETE" => Answer::empty(204),
            Value::Null => Answer::empty(200),
            payload if self.settings.envelope => Answer::json(200, &json!({ "data": payload })),
            payload => Answer::json(200, &payload),
        })
    }
}

/// All calls of the API. Those of Copilot have one path for both kinds of project.
fn route(method: &str, source: Source, path: &[&str]) -> Option<Route> {
    use Source::{I2i, Regular};
    const LINKS: &str = "get_temporary_download_links";
    Some(match (method, source, path) {
        ("GET", Regular, ["profiles"]) => (fields::query, &[], road::profiles),
        ("GET", Regular, ["projects", "sky_replacement", "templates"]) => (fields::query, &[], road::sky_templates),
        ("POST", _, ["projects", ""]) => (fields::body, &road::CREATE, road::create),
        ("GET", Regular, ["projects"]) => (fields::query, &road::LIST, road::list),
        ("GET", I2i, ["projects"]) => (fields::query, road::LIST_I2I, road::list),
        ("GET", Regular, ["projects", _, "uuid"]) => (fields::query, &[], road::id_of),
        ("GET", _, ["projects", _]) => (fields::query, &road::INFO, road::info),
        ("POST", Regular, ["projects", _, "get_temporary_upload_links"]) => {
            (fields::body, &road::UPLOAD, road::upload_links)
        }
        ("POST", I2i, ["projects", _, "get_temporary_upload_links"]) => {
            (fields::body, &road::UPLOAD_I2I, road::upload_links)
        }
        ("POST", Regular, ["projects", _, "edit"]) => (fields::json_body, &road::EDIT, road::edit_with_profile),
        ("POST", I2i, ["projects", _, "edit"]) => (fields::body, road::EDIT_I2I, road::edit_smartly),
        ("GET", Regular, ["projects", _, "edit", "status"]) => (fields::query, &[], road::edit_status),
        ("POST", Regular, ["projects", _, "export"]) => (fields::body_if_any, &[], road::export),
        ("GET", Regular, ["projects", _, "export", "status"]) => (fields::query, &[], road::export_status),
        ("GET", Regular, ["projects", _, "edit", LINKS]) => (fields::query, &[], road::xmp_links),
        ("GET", Regular, ["projects", _, "export", LINKS]) => (fields::query, &[], road::jpeg_links),
        ("GET", I2i, ["projects", _, LINKS]) => (fields::query, &[], road::jpeg_links),
        ("GET", Regular, ["projects", _, "export", "get_download_link"])
        | ("GET", I2i, ["projects", _, "get_download_link"]) => (fields::query, &road::FILE, road::jpeg_link),
        ("POST", Regular, ["projects", _, "images", _, "copilot"]) => {
            (fields::body, &copilot::COPILOT, copilot::copilot)
        }
        ("POST", Regular, ["projects", _, "images", _, "enhance"]) => {
            (fields::body, &copilot::ENHANCE, copilot::enhance)
        }
        ("DELETE", Regular, ["projects", _, "images", _, "copilot"]) => (fields::body_if_any, &SOURCE, copilot::reset),
        ("GET", Regular, ["projects", _, "ai-tools"]) => (fields::query, &OPTIONAL_SOURCE, copilot::ai_tools),
        ("POST", Regular, ["projects", _, "finalize"]) => (fields::body_if_any, &SOURCE, copilot::finalize),
        _ => return None,
    })
}
