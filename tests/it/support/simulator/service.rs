//! What the service does with a request: [`State::answer`], which takes no notice of how the request came.

use super::fields::Fields;
use super::project::{Edit, Photo, Project, Source, Status, VersionRecord};
use super::storage::{self, Object, Storage, date};
use super::wire::{Answer, Received, decode};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// The key that it takes.
pub(super) const KEY: &str = "sim-key-0123456789";

/// A preset enhancement. The list that the service has is not published; these are made up.
#[derive(Clone, Debug)]
pub struct Preset {
    /// The `tool_id` for `enhance`.
    pub enhancement_type: String,
    /// For people.
    pub label: String,
    /// Not used by the simulator beyond showing it.
    pub enabled_for_batch: bool,
}

/// What a test may change while the simulator runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Puts the payload of every success into `{"data": ...}`.
    pub envelope: bool,
    /// Answers `finalize` with an empty body, which is all that the published page promises.
    pub empty_finalize: bool,
    /// How long a presigned URL made from now on is good for.
    pub link_lifetime: Duration,
    /// Makes every JPEG at least this long, where there should be something to download.
    pub jpeg_size: usize,
    /// The presets that `enhance` knows and `ai-tools` lists.
    pub presets: Vec<Preset>,
}

impl Default for Settings {
    fn default() -> Self {
        let preset = |(enhancement_type, label, enabled_for_batch): (&str, &str, bool)| Preset {
            enhancement_type: enhancement_type.to_owned(),
            label: label.to_owned(),
            enabled_for_batch,
        };
        let presets = [
            ("virtual_staging", "Virtual staging", false),
            ("sky_replacement", "Sky replacement", true),
            ("day_to_dusk", "Day to dusk", true),
            ("object_removal", "Object removal", false),
        ];
        Self {
            envelope: false,
            empty_finalize: false,
            link_lifetime: Duration::from_secs(3600),
            jpeg_size: 0,
            presets: presets.map(preset).into(),
        }
    }
}

/// Everything that the simulated service knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) projects: Vec<Project>,
    pub(super) settings: Settings,
    pub(super) received: Vec<Received>,
    pub(super) storage: Storage,
    /// How far its clock is ahead of the machine's.
    pub(super) clock_ahead: Duration,
    answered: u32,
}

impl State {
    pub(super) fn new(origin: String) -> Self {
        Self {
            projects: Vec::new(),
            settings: Settings::default(),
            received: Vec::new(),
            storage: Storage::new(origin, SystemTime::now()),
            clock_ahead: Duration::ZERO,
            answered: 0,
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }

    /// Answers one request, and remembers it.
    pub(super) fn answer(&mut self, request: Received) -> Answer {
        self.answered += 1;
        let request_id = format!("sim-{:06}", self.answered);
        let answer = if request.path.starts_with(storage::ROOT) {
            let (now, least) = (self.now(), self.settings.jpeg_size);
            let answer = self.storage.answer(&request, now, least);
            answer.with("x-amz-request-id", request_id)
        } else {
            let answer = self.api(&request).unwrap_or_else(|refusal| refusal);
            answer.with("x-request-id", request_id)
        };
        self.received.push(request);
        answer
    }

    fn api(&mut self, request: &Received) -> Result<Answer, Answer> {
        let Some(path) = request.path.strip_prefix("/v1/") else {
            return Err(Answer::refused(404, "Not Found"));
        };
        let segments: Option<Vec<String>> = path.split('/').map(decode).collect();
        let segments = segments.ok_or_else(|| Answer::by_gateway(400, "Bad Request"))?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if request.header("x-api-key") != Some(KEY) {
            return Err(Answer::refused(401, "Invalid or missing API key."));
        }
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["projects", id, "images", photo, "copilot"]) => self.copilot(request, id, photo),
            ("POST", ["projects", id, "images", photo, "enhance"]) => self.enhance(request, id, photo),
            ("DELETE", ["projects", id, "images", photo, "copilot"]) => self.reset(request, id, photo),
            ("GET", ["projects", id, "ai-tools"]) => self.ai_tools(request, id),
            ("POST", ["projects", id, "finalize"]) => self.finalize(request, id),
            ("GET", ["projects", id]) => self.info(request, id, Source::Regular),
            ("GET", ["i2i", "projects", id]) => self.info(request, id, Source::I2i),
            ("GET", ["projects", id, "export", "get_temporary_download_links"]) => {
                self.jpeg_links(request, id, Source::Regular)
            }
            ("GET", ["i2i", "projects", id, "get_temporary_download_links"]) => {
                self.jpeg_links(request, id, Source::I2i)
            }
            ("GET", ["projects", id, "edit", "get_temporary_download_links"]) => self.xmp_links(request, id),
            (_, path) => Err(match methods(path) {
                Some(methods) => Answer::refused(405, "Method Not Allowed").with("allow", methods),
                None => Answer::refused(404, "Not Found"),
            }),
        }
    }

    fn copilot(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let mut fields = Fields::of_body(request)?;
        let (source, parent) = (fields.source(), fields.parent());
        let instruction = fields.instruction();
        fields.check()?;
        let project = ready(&mut self.projects, id, source)?;
        if !project.is_realistic(&instruction) {
            let message = "Only realistic editing requests are supported.";
            return Err(Answer::refused(400, message));
        }
        self.edit(id, source, photo, parent, Edit::Instruction(instruction))
    }

    fn enhance(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let mut fields = Fields::of_body(request)?;
        let (source, parent) = (fields.source(), fields.parent());
        let preset = fields.preset(&self.settings.presets);
        fields.check()?;
        self.edit(id, source, photo, parent, Edit::Preset(preset))
    }

    fn edit(
        &mut self,
        id: &str,
        source: Source,
        photo: &str,
        parent: Option<u64>,
        edit: Edit,
    ) -> Result<Answer, Answer> {
        let now = self.now();
        let project = open(&mut self.projects, id, source)?;
        if let Some((status, body)) = &project.photo(photo)?.failure {
            return Err(Answer::json(*status, body));
        }
        let version = project.apply(photo, parent, edit, now)?;
        let url = self.link(id, photo, &version.to_string());
        let enhancement = json!({ "status": "SUCCESS", "version_id": version, "enhanced_image_url": url });
        Ok(self.success(enhancement))
    }

    fn reset(&mut self, request: &Received, id: &str, photo: &str) -> Result<Answer, Answer> {
        let source = body_source(request)?;
        let project = open(&mut self.projects, id, source)?;
        project.photo(photo)?.versions.clear();
        Ok(Answer::empty(204))
    }

    /// The presets, and a version history whose shape nobody has published: `images` and everything in it is
    /// made up.
    fn ai_tools(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        no_body(request)?;
        let mut fields = Fields::of_query(request)?;
        let source = fields.source_if_any();
        fields.check()?;

        let (now, lifetime) = (self.now(), self.settings.link_lifetime);
        let project = ready(&mut self.projects, id, source)?;
        let image = |photo: &Photo| {
            let version = |version: &VersionRecord| {
                let (project, photo, state) = (id, photo.name.as_str(), version.id.to_string());
                let object = Object {
                    project,
                    photo,
                    state: &state,
                };
                history_entry(version, &self.storage.link(object, now, lifetime))
            };
            let versions: Vec<Value> = photo.versions.iter().map(version).collect();
            json!({ "file_name": photo.name, "versions": versions })
        };
        let images: Vec<Value> = project.photos.iter().map(image).collect();
        let prompt = |preset: &Preset| {
            json!({
                "enhancement_type": preset.enhancement_type,
                "label": preset.label,
                "enabled_for_batch": preset.enabled_for_batch,
            })
        };
        let prompts: Vec<Value> = self.settings.presets.iter().map(prompt).collect();
        Ok(self.success(json!({ "prompts": prompts, "images": images })))
    }

    /// Locks the edits in. Asked twice, it answers the same twice.
    fn finalize(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        let source = body_source(request)?;
        ready(&mut self.projects, id, source)?.finalized = true;
        if self.settings.empty_finalize {
            return Ok(Answer::empty(200));
        }
        self.files(id, source)
    }

    fn info(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        no_body(request)?;
        let mut fields = Fields::of_query(request)?;
        fields.thumbnail();
        fields.check()?;

        let project = find(&mut self.projects, id, source)?;
        if let Some(polls) = project.polls_left {
            if polls == 0 {
                project.spec.status = Status::Completed;
            }
            project.polls_left = polls.checked_sub(1);
        }
        let exported = project.spec.exported.then_some("Completed");
        let info = json!({
            "project_uuid": id,
            "name": project.spec.name,
            "status": project.spec.status.as_str(),
            "created_at": date(project.created_at),
            "number_of_images": project.photos.len(),
            "export_status": exported,
        });
        Ok(self.success(info))
    }

    fn jpeg_links(&mut self, request: &Received, id: &str, source: Source) -> Result<Answer, Answer> {
        no_body(request)?;
        Fields::of_query(request)?.check()?;
        if !find(&mut self.projects, id, source)?.is_ready() {
            return Err(not_ready());
        }
        self.files(id, source)
    }

    fn xmp_links(&mut self, request: &Received, id: &str) -> Result<Answer, Answer> {
        no_body(request)?;
        Fields::of_query(request)?.check()?;
        let project = find(&mut self.projects, id, Source::Regular)?;
        if project.spec.status != Status::Completed {
            return Err(Answer::refused(400, "Project has not been completed yet."));
        }
        let photos = project.photos.iter();
        let names: Vec<String> = photos.map(|photo| sidecar(&photo.name)).collect();
        let file = |name: &String| {
            let link = self.link(id, name, "xmp");
            json!({ "file_name": name, "download_link": link })
        };
        let files: Vec<Value> = names.iter().map(file).collect();
        Ok(self.success(json!({ "files_list": files })))
    }

    /// The finished JPEGs: the newest versions once the project is finalized, the unedited photos before.
    fn files(&mut self, id: &str, source: Source) -> Result<Answer, Answer> {
        let project = find(&mut self.projects, id, source)?;
        let finalized = project.finalized;
        let state = |photo: &Photo| {
            let version = photo.newest().filter(|_| finalized);
            (
                photo.name.clone(),
                version.map_or("unedited".to_owned(), |version| version.to_string()),
            )
        };
        let photos: Vec<(String, String)> = project.photos.iter().map(state).collect();
        let file = |(name, state): &(String, String)| {
            let link = self.link(id, name, state);
            json!({ "file_name": name, "download_link": link })
        };
        let files: Vec<Value> = photos.iter().map(file).collect();
        Ok(self.success(json!({ "files_list": files })))
    }

    fn link(&mut self, project: &str, photo: &str, state: &str) -> String {
        let now = self.now();
        self.storage
            .link(Object { project, photo, state }, now, self.settings.link_lifetime)
    }

    fn success(&self, payload: Value) -> Answer {
        let body = if self.settings.envelope {
            json!({ "data": payload })
        } else {
            payload
        };
        Answer::json(200, &body)
    }
}

/// The project of that name, edited in that way.
fn find<'a>(projects: &'a mut [Project], id: &str, source: Source) -> Result<&'a mut Project, Answer> {
    let project = projects
        .iter_mut()
        .find(|project| project.spec.id == id && project.spec.source == source);
    project.ok_or_else(|| Answer::refused(404, "Project not found."))
}

/// The same, if the Copilot API may be used on it.
fn ready<'a>(projects: &'a mut [Project], id: &str, source: Source) -> Result<&'a mut Project, Answer> {
    let project = find(projects, id, source)?;
    if project.is_ready() {
        Ok(project)
    } else {
        Err(not_ready())
    }
}

/// The same, if its edits may still change. What the service says to a finalized project is not published;
/// this text is made up.
fn open<'a>(projects: &'a mut [Project], id: &str, source: Source) -> Result<&'a mut Project, Answer> {
    let project = ready(projects, id, source)?;
    if project.finalized {
        Err(Answer::refused(400, "Project has been finalized."))
    } else {
        Ok(project)
    }
}

fn not_ready() -> Answer {
    Answer::refused(400, "Project has not been exported yet.")
}

/// The name of a photo's XMP file.
fn sidecar(photo: &str) -> String {
    let stem = photo.rsplit_once('.').map_or(photo, |(stem, _)| stem);
    format!("{stem}.xmp")
}

/// A version in the history. Made up, as is all of the history.
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

/// `{"project_source": ...}`, the whole body of two calls, which the vendor's page leaves out. A Smart Editing project is
/// not found without it.
fn body_source(request: &Received) -> Result<Source, Answer> {
    if request.body.is_empty() {
        return Ok(Source::Regular);
    }
    let mut fields = Fields::of_body(request)?;
    let source = fields.source();
    fields.check()?;
    Ok(source)
}

/// Gateways refuse a `GET` with a body.
fn no_body(request: &Received) -> Result<(), Answer> {
    if request.body.is_empty() {
        Ok(())
    } else {
        Err(Answer::by_gateway(400, "Bad Request"))
    }
}

/// What may be done to a path, if there is one.
fn methods(path: &[&str]) -> Option<&'static str> {
    match path {
        ["projects", _, "images", _, "copilot"] => Some("DELETE, POST"),
        ["projects", _, "images", _, "enhance"] | ["projects", _, "finalize"] => Some("POST"),
        ["projects", _] | ["projects", _, "ai-tools"] | ["i2i", "projects", _] => Some("GET"),
        ["projects", _, "export" | "edit", "get_temporary_download_links"] => Some("GET"),
        ["i2i", "projects", _, "get_temporary_download_links"] => Some("GET"),
        _ => None,
    }
}
