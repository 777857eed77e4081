//! Answers requests, however they came: [`State::answer`]. The calls of the Copilot API are here, the others in
//! `road`, the presigned URLs in `storage`.

use crate::fields::{self, Field, Kind};
use crate::project::{Edit, Photo, Project, Source, VersionRecord};
use crate::storage::{self, Link, date};
use crate::wire::{Answer, Received, decode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

const SOURCES: Kind<'_> = Kind::OneOf(&["REGULAR", "I2I"]);
const SOURCE: Field<'_> = ("project_source", SOURCES);
const SOURCE_IF_ANY: Field<'_> = ("project_source?", SOURCES);
const PARENT: Field<'_> = ("parent_version_id?", Kind::Parent);

/// The only key that is accepted.
pub(crate) const KEY: &str = "sim-key-0123456789";

/// How many bytes of a body are kept.
pub(crate) const KEPT: usize = 1 << 20;

/// A preset enhancement. The service's own list is not published.
#[derive(Clone, Debug)]
pub struct Preset {
    /// The `tool_id` for `enhance`.
    pub enhancement_type: String,
    /// The name for people.
    pub label: String,
    /// Only shown.
    pub enabled_for_batch: bool,
}

/// What can be changed while the simulator runs, with [`Simulator::configure`](crate::Simulator::configure).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Wraps the payload of every success in `{"data": ...}`. Default: `false`.
    pub envelope: bool,
    /// Lists profiles and sky templates as bare lists, not in an object. Default: `false`.
    pub bare_lists: bool,
    /// Lists a photo in the history of `ai-tools` even while it has no versions. Default: `true`.
    pub list_unedited: bool,
    /// Answers `finalize` with an empty body. Default: `false`.
    pub empty_finalize: bool,
    /// Makes the edit of a profile-based project want `Content-Type: application/json`, which it refuses otherwise.
    /// Default: `false`.
    pub edit_wants_json: bool,
    /// How many polls of its status see an edit in progress. Default: 2.
    pub edit_polls: u32,
    /// How many polls of its status see an export in progress. Default: 2.
    pub export_polls: u32,
    /// How long a presigned URL made from now on can be used. Default: one hour.
    pub link_lifetime: Duration,
    /// The least size of a JPEG in bytes. Default: 0, which makes about 250 bytes.
    pub jpeg_size: usize,
    /// The presets that `enhance` accepts and `ai-tools` lists. Default: four.
    pub presets: Vec<Preset>,
    /// The profiles, as they are listed. Default: 5700 for RAW, 5701 for JPEG, 5702 for either.
    pub profiles: Vec<Value>,
    /// The sky templates, as they are listed. Default: the ids 1 to 3.
    pub sky_templates: Vec<Value>,
}

impl Default for Settings {
    fn default() -> Self {
        let preset = |(tool, label, enabled_for_batch): (&str, &str, bool)| Preset {
            enhancement_type: tool.to_owned(),
            label: label.to_owned(),
            enabled_for_batch,
        };
        let presets = [
            ("virtual_staging", "Virtual staging", false),
            ("sky_replacement", "Sky replacement", true),
            ("day_to_dusk", "Day to dusk", true),
            ("object_removal", "Object removal", false),
        ];
        let profile = |(key, name, kind): (u64, &str, &str)| json!({ "profile_key": key, "profile_name": name, "profile_type": kind });
        let profiles = [
            (5700, "Raw light", "Personal"),
            (5701, "Bright JPEG", "Talent"),
            (5702, "Studio", "Shared"),
        ];
        let mut profiles = profiles.map(profile);
        profiles[0]["image_type"] = "RAW".into();
        profiles[1]["image_type"] = "JPG".into();
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
            presets: presets.map(preset).into(),
            profiles: profiles.into(),
            sky_templates: [1, 2, 3].map(|id| json!({ "id": id, "is_default": id == 1 })).into(),
        }
    }
}

/// Answers that were ordered with `fail_next`.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) method: String,
    pub(crate) path_ending: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) times: u32,
}

/// Everything that the simulated service knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) origin: String,
    pub(crate) projects: Vec<Project>,
    pub(crate) settings: Settings,
    pub(crate) failures: Vec<Failure>,
    pub(crate) received: Vec<Received>,
    /// By path and query.
    pub(crate) links: HashMap<String, Link>,
    pub(crate) started: SystemTime,
    /// How far its clock is ahead of the machine's.
    pub(crate) clock_ahead: Duration,
    answered: u32,
}

impl State {
    pub(crate) fn new(origin: String) -> Self {
        Self {
            origin,
            projects: Vec::new(),
            settings: Settings::default(),
            failures: Vec::new(),
            received: Vec::new(),
            links: HashMap::new(),
            started: SystemTime::now(),
            clock_ahead: Duration::ZERO,
            answered: 0,
        }
    }

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
        let is_meant =
            |failure: &Failure| failure.method == request.method && request.path.ends_with(&failure.path_ending);
        let at = self.failures.iter().position(is_meant)?;
        let failure = &mut self.failures[at];
        let answer = match &failure.body {
            Value::Null => Answer::empty(failure.status),
            Value::String(text) if text.starts_with("<?xml") => {
                Answer::new(failure.status, "application/xml", text.as_str())
            }
            Value::String(text) => Answer::new(failure.status, "text/html", text.as_str()),
            body => Answer::json(failure.status, body),
        };
        failure.times -= 1;
        if failure.times == 0 {
            self.failures.remove(at);
        }
        Some(answer)
    }

    fn api(&mut self, request: &Received) -> Result<Answer, Answer> {
        use Source::{I2i, Regular};
        let Some(path) = request.path.strip_prefix("/v1/") else {
            return Err(Answer::refused(404, "Not Found"));
        };
        let segments: Option<Vec<String>> = path.split('/').map(decode).collect();
        let segments = segments.ok_or_else(Answer::bad_request)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if request.header("x-api-key") != Some(KEY) {
            return Err(Answer::refused(401, "Invalid or missing API key."));
        }
        let (source, path) = match segments.as_slice() {
            ["i2i", path @ ..] => (I2i, path),
            path => (Regular, path),
        };
        match (request.method.as_str(), source, path) {
            ("GET", Regular, ["profiles"]) => self.list_of(request, "profiles", &self.settings.profiles),
            ("GET", Regular, ["projects", "sky_replacement", "templates"]) => {
                self.list_of(request, "templates", &self.settings.sky_templates)
            }
            ("POST", _, ["projects", ""]) => self.create(request, source),
            ("GET", _, ["projects"]) => self.list(request, source),
            ("GET", Regular, ["projects", name, "uuid"]) => self.id_of(request, name),
            ("GET", _, ["projects", id]) => self.info(request, id, source),
            ("POST", _, ["projects", id, "get_temporary_upload_links"]) => self.upload_links(request, id, source),
            ("POST", Regular, ["projects", id, "edit"]) => self.edit_with_profile(request, id),
            ("POST", I2i, ["projects", id, "edit"]) => self.edit_smartly(request, id),
            ("GET", Regular, ["projects", id, "edit", "status"]) => self.edit_status(request, id),
            ("POST", Regular, ["projects", id, "export"]) => self.export(request, id),
            ("GET", Regular, ["projects", id, "export", "status"]) => self.export_status(request, id),
            ("GET", Regular, ["projects", id, "edit", "get_temporary_download_links"]) => self.xmp_links(request, id),
            ("GET", Regular, ["projects", id, "export", "get_temporary_download_links"])
            | ("GET", I2i, ["projects", id, "get_temporary_download_links"]) => self.jpeg_links(request, id, source),
            ("GET", Regular, ["projects", id, "export", "get_download_link"])
            | ("GET", I2i, ["projects", id, "get_download_link"]) => self.jpeg_link(request, id, source),
            ("POST", Regular, ["projects", id, "images", photo, "copilot"]) => self.copilot(request, id, photo),
            ("POST", Regular, ["projects", id, "images", photo, "enhance"]) => self.enhance(request, id, photo),
            ("DELETE", Regular, ["projects", id, "images", photo, "copilot"]) => self.reset(request, id, photo),
            ("GET", Regular, ["projects", id, "ai-tools"]) => self.ai_tools(request, id),
            ("POST", Regular, ["projects", id, "finalize"]) => self.finalize(request, id),
            (_, source, path) if exists(source, path) => Err(Answer::refused(405, "Method Not Allowed")),
            _ => Err(Answer::refused(404, "Not Found")),
        }
    }

    fn copilot(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let instruction = ("instruction", Kind::Instruction);
        let body = fields::body(request, &[SOURCE, PARENT, instruction])?;
        let instruction = text(&body, "instruction");
        if !ready(&mut self.projects, id, source_of(&body))?.is_realistic(&instruction) {
            let message = "Only realistic editing requests are supported.";
            return Err(Answer::refused(400, message));
        }
        self.edit_photo(&body, id, photo, Edit::Instruction(instruction))
    }

    fn enhance(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let presets = self.settings.presets.iter();
        let tools: Vec<&str> = presets.map(|preset| preset.enhancement_type.as_str()).collect();
        let body = fields::body(request, &[SOURCE, PARENT, ("tool_id", Kind::OneOf(&tools))])?;
        self.edit_photo(&body, id, photo, Edit::Preset(text(&body, "tool_id")))
    }

    fn edit_photo(&mut self, body: &Value, id: &str, photo: &str, edit: Edit) -> Result<Answer, Answer> {
        let now = self.now();
        let project = open(&mut self.projects, id, source_of(body))?;
        if let Some((status, body)) = &project.photo(photo)?.failure {
            return Err(Answer::json(*status, body));
        }
        let version = project.apply(photo, body["parent_version_id"].as_u64(), edit, now)?;
        let url = self.download_link(id, &version.to_string(), photo);
        let enhancement = json!({ "status": "SUCCESS", "version_id": version, "enhanced_image_url": url });
        self.success(enhancement)
    }

    fn reset(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let source = source_of_body(request)?;
        let project = open(&mut self.projects, id, source)?;
        project.photo(photo)?.versions.clear();
        Ok(Answer::empty(204))
    }

    /// The presets and a version history. The shape of the history is not published: all under `images` is invented.
    fn ai_tools(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        let source = source_of(&fields::query(request, &[SOURCE_IF_ANY])?);
        let photos = ready(&mut self.projects, id, source)?.photos.iter();
        let photos: Vec<(String, Vec<VersionRecord>)> = photos
            .filter(|photo| self.settings.list_unedited || !photo.versions.is_empty())
            .map(|photo| (photo.name.clone(), photo.versions.clone()))
            .collect();
        let mut images = Vec::new();
        for (photo, versions) in photos {
            let entry = |version: &VersionRecord| {
                let url = self.download_link(id, &version.id.to_string(), &photo);
                history_entry(version, &url)
            };
            let versions: Vec<Value> = versions.iter().map(entry).collect();
            images.push(json!({ "file_name": photo, "versions": versions }));
        }
        let prompt = |preset: &Preset| {
            json!({
                "enhancement_type": preset.enhancement_type,
                "label": preset.label,
                "enabled_for_batch": preset.enabled_for_batch,
            })
        };
        let prompts: Vec<Value> = self.settings.presets.iter().map(prompt).collect();
        self.success(json!({ "prompts": prompts, "images": images }))
    }

    /// Locks the edits in. A second call gets the same answer.
    fn finalize(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        let source = source_of_body(request)?;
        ready(&mut self.projects, id, source)?.finalized = true;
        if self.settings.empty_finalize {
            return Ok(Answer::empty(200));
        }
        self.jpegs(id, source)
    }

    /// Links to the finished JPEGs: the newest versions once the project is finalized, the unedited photos before.
    pub(crate) fn jpegs(&mut self, id: &str, source: Option<Source>) -> Result<Answer, Answer> {
        let project = ready(&mut self.projects, id, source)?;
        let finalized = project.finalized;
        let file = |photo: &Photo| (photo.name.clone(), state(photo, finalized));
        let files = project.photos.iter().map(file).collect();
        self.files(id, files)
    }

    /// Links to files, each given by its name and the state of the photo.
    pub(crate) fn files(&mut self, id: &str, files: Vec<(String, String)>) -> Result<Answer, Answer> {
        let file = |(name, state): &(String, String)| {
            let link = self.download_link(id, state, name);
            json!({ "file_name": name, "download_link": link })
        };
        let files: Vec<Value> = files.iter().map(file).collect();
        self.success(json!({ "files_list": files }))
    }

    pub(crate) fn success(&self, payload: Value) -> Result<Answer, Answer> {
        let body = if self.settings.envelope {
            json!({ "data": payload })
        } else {
            payload
        };
        Ok(Answer::json(200, &body))
    }
}

/// The state of a photo in the storage that its link leads to.
pub(crate) fn state(photo: &Photo, finalized: bool) -> String {
    let newest = photo.versions.last().filter(|_| finalized);
    newest.map_or("unedited".to_owned(), |version| version.id.to_string())
}

/// Finds a project by its id, of one kind or, with `None`, of either.
pub(crate) fn find<'a>(
    projects: &'a mut [Project],
    id: &str,
    source: impl Into<Option<Source>>,
) -> Result<&'a mut Project, Answer> {
    let source = source.into();
    let is_meant =
        |project: &&mut Project| project.spec.id == id && source.is_none_or(|kind| kind == project.spec.source);
    let project = projects.iter_mut().find(is_meant);
    project.ok_or_else(|| Answer::refused(404, "Project not found."))
}

/// Finds a project that has finished photos.
pub(crate) fn ready<'a>(
    projects: &'a mut [Project],
    id: &str,
    source: impl Into<Option<Source>>,
) -> Result<&'a mut Project, Answer> {
    let project = find(projects, id, source)?;
    if !project.is_ready() {
        return Err(Answer::refused(400, "Project has not been exported yet."));
    }
    Ok(project)
}

/// Finds a project whose photos may still be edited. What the service says about a finalized one is not published.
fn open<'a>(projects: &'a mut [Project], id: &str, source: Option<Source>) -> Result<&'a mut Project, Answer> {
    let project = ready(projects, id, source)?;
    if project.finalized {
        return Err(Answer::refused(400, "Project has been finalized."));
    }
    Ok(project)
}

/// A version in the history.
fn history_entry(version: &VersionRecord, url: &str) -> Value {
    let (name, text) = match &version.edit {
        Edit::Instruction(text) => ("instruction", text),
        Edit::Preset(text) => ("tool_id", text),
    };
    json!({
        "version_id": version.id,
        "parent_version_id": version.parent,
        name: text,
        "status": "SUCCESS",
        "enhanced_image_url": url,
        "created_at": date(version.created_at),
    })
}

/// Reads `{"project_source": ...}`, the whole body of two calls. The OpenAPI file requires it and the vendor's page
/// leaves it out: an empty body means a project of either kind.
fn source_of_body(request: &Received) -> Result<Option<Source>, Answer> {
    if request.body.is_empty() {
        return Ok(None);
    }
    Ok(source_of(&fields::body(request, &[SOURCE])?))
}

/// The kind of project that `project_source` says, if it is there.
fn source_of(fields: &Value) -> Option<Source> {
    match fields["project_source"].as_str()? {
        "I2I" => Some(Source::I2i),
        _ => Some(Source::Regular),
    }
}

pub(crate) fn text(fields: &Value, name: &str) -> String {
    fields[name].as_str().unwrap_or_default().to_owned()
}

/// Whether a path is there for some method.
fn exists(source: Source, path: &[&str]) -> bool {
    match path {
        ["projects"] | ["projects", ""] | ["projects", _] | ["projects", _, "edit" | "get_temporary_upload_links"] => {
            true
        }
        ["projects", _, "get_temporary_download_links" | "get_download_link"] => source == Source::I2i,
        ["profiles"]
        | ["projects", "sky_replacement", "templates"]
        | ["projects", _, "uuid" | "export" | "ai-tools" | "finalize"]
        | ["projects", _, "edit", "status" | "get_temporary_download_links"]
        | [
            "projects",
            _,
            "export",
            "status" | "get_temporary_download_links" | "get_download_link",
        ]
        | ["projects", _, "images", _, "copilot" | "enhance"] => source == Source::Regular,
        _ => false,
    }
}
