//! What the calls in `calls.txt` do.

use crate::fields::rule;
use crate::project::*;
use crate::service::{Call, Payload, State};
use crate::storage::date;
use crate::wire::Answer;
use serde_json::{Value, json};

/// The profiles, or the sky templates.
pub(crate) fn list_of(state: &mut State, call: &Call<'_>) -> Payload {
    let (name, list) = match call.id {
        "sky_replacement" => ("templates", &state.settings.sky_templates),
        _ => ("profiles", &state.settings.profiles),
    };
    let bare = state.settings.bare_lists;
    Ok(if bare {
        json!(list)
    } else {
        json!({ name: list })
    })
}

pub(crate) fn create(state: &mut State, call: &Call<'_>) -> Payload {
    let number = state.projects.len() + 1;
    let made_up = format!("Project {number} of {}", date(state.now()));
    let name = call.fields["name"].as_str().unwrap_or(&made_up);
    let is_new = state
        .projects
        .iter()
        .all(|project| project.spec.name != name);
    Answer::unless(
        is_new,
        400,
        &format!("Project with name '{name}' already exists"),
    )?;
    let id = format!("65f3a1c2d4e5f6a7{number:08x}");
    let mut spec = ProjectSpec::regular(&id)
        .name(name)
        .photo_count(0)
        .exported(false);
    (spec.source, spec.status) = (call.source, Status::Pending);
    state.projects.push(Project::new(spec, state.now()));
    Ok(json!({ "project_uuid": id }))
}

pub(crate) fn list(state: &mut State, call: &Call<'_>) -> Payload {
    let number = |name, default| call.text(name).parse().unwrap_or(default);
    let (size, page): (usize, usize) = (number("size", 20), number("page", 0));
    // All projects were made through the API, and none is archived.
    let any = call.text("is_archived") != "true" && matches!(call.text("client_type"), "" | "API");
    let is_listed = |project: &&Project| any && project.spec.source == call.source;
    let listed: Vec<&Project> = state.projects.iter().filter(is_listed).collect();
    let on_page = listed.iter().skip(page.saturating_mul(size)).take(size);
    let projects: Vec<Value> = on_page.map(|project| describe(project)).collect();
    let pagination = json!({ "total": listed.len(), "size": size, "page": page });
    Ok(json!({ "projects": projects, "pagination": pagination }))
}

/// Finds a project by its name, which stands in the place of the id.
pub(crate) fn id_of(state: &mut State, call: &Call<'_>) -> Payload {
    let mut projects = state.projects.iter();
    let project = projects
        .find(|project| project.spec.name == call.id && project.spec.source == Source::Regular);
    let project = project.ok_or_else(|| Answer::refused(404, "Project not found."))?;
    Ok(json!({ "project_uuid": project.spec.id }))
}

/// A question for the whole project is a poll of its edit and of its export.
pub(crate) fn info(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, call.source)?;
    project.poll_edit();
    project.export.poll();
    Ok(describe(project))
}

fn describe(project: &Project) -> Value {
    let export = project.export.status;
    json!({
        "project_uuid": project.spec.id,
        "name": project.spec.name,
        "status": project.edit.status.as_str(),
        "created_at": project.created_at.map(date),
        "number_of_images": project.photos.len().max(project.uploads.len()),
        "export_status": (export != Status::Pending).then(|| export.as_str()),
        "profile": project.profile,
        "ai_tools": project.tools,
        "thumbnail_src": null,
        // The vendor's Python client wants a number.
        "customer_reference_id": 1,
    })
}

/// The links come in the opposite order, so a client that matches them by place goes wrong.
pub(crate) fn upload_links(state: &mut State, call: &Call<'_>) -> Payload {
    state.find(call.id, call.source)?;
    let files = call.fields["files_list"]
        .as_array()
        .into_iter()
        .flatten()
        .rev();
    let files: Vec<&str> = files
        .filter_map(|file| file["file_name"].as_str())
        .collect();
    for name in &files {
        let count = files.iter().filter(|other| *other == name).count();
        let message = format!("File \u{201c}{name}\u{201d} appears {count} times.");
        Answer::unless(count == 1, 400, &message)?;
    }
    let link = |name| json!({ "file_name": name, "upload_link": state.link("PUT", [call.id, "upload", name]) });
    let links: Vec<Value> = files.into_iter().map(link).collect();
    Ok(json!({ "files_list": links }))
}

pub(crate) fn edit_with_profile(state: &mut State, call: &Call<'_>) -> Payload {
    let content_type = ["", "application/json"][usize::from(state.settings.edit_wants_json)];
    let is_good = call.request.media_type() == content_type;
    Answer::unless(
        is_good,
        415,
        &format!("Content-Type must be '{content_type}'."),
    )?;
    let crops = ["crop", "portrait_crop", "headshot_crop"];
    for names in [&crops[..], &["straighten", "perspective_correction"]] {
        let set = names.iter().filter(|name| call.fields[**name] == true);
        let message = format!("Only one may be set: {}", names.join(", "));
        rule(set.count() <= 1, names[0], &message)?;
    }
    let compression = "hdr_output_compression";
    let compressed = call.fields.get(compression).is_some();
    let allowed = !compressed || call.fields["hdr_merge"] == true;
    rule(allowed, compression, "It needs hdr_merge")?;
    let images = image_type_of(state.find(call.id, Source::Regular)?)?;
    let refused = |message| Answer::refused(400, message);
    let images = images.ok_or_else(|| refused("Project has no images."))?;
    let mut profiles = state.settings.profiles.iter();
    let profile = profiles.find(|profile| profile["profile_key"] == call.fields["profile_key"]);
    let profile = profile.ok_or_else(|| refused("Profile not found."))?;
    let wanted = profile["image_type"].as_str().unwrap_or(images);
    let message = format!("Profile is for {wanted} images, not for {images}.");
    Answer::unless(wanted.eq_ignore_ascii_case(images), 400, &message)?;
    Answer::unless(
        !compressed || images == "RAW",
        400,
        "hdr_output_compression is for RAW images.",
    )?;
    let name = profile["profile_name"].clone();
    start_edit(state, call, name)
}

pub(crate) fn edit_smartly(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::I2i)?;
    Answer::unless(project.uploads.len() >= 5, 500, "Internal Server Error")?;
    image_type_of(project)?;
    start_edit(state, call, Value::Null)
}

fn start_edit(state: &mut State, call: &Call<'_>, profile: Value) -> Payload {
    let field = "sky_replacement_template_id";
    if let Some(id) = call.fields.get(field) {
        let mut templates = state.settings.sky_templates.iter();
        let is_good = templates.any(|template| template["id"] == *id)
            && call.fields["sky_replacement"] == true;
        rule(
            is_good,
            field,
            "It needs sky_replacement and the id of a template",
        )?;
    }
    let polls = state.settings.edit_polls;
    let project = state.find(call.id, None)?;
    let is_idle = project.edit.status != Status::InProgress;
    Answer::unless(is_idle, 400, "Project is being edited.")?;
    let options = call.fields.as_object().into_iter().flatten();
    let tools = options.filter(|(_, value)| **value == true);
    project.tools = tools.map(|(name, _)| name.clone()).collect();
    project.profile = profile;
    project.finalized = false;
    project.edit.start(polls);
    project.export.set(Status::Pending);
    Ok(json!({ "message": "Editing started" }))
}

/// The status of the edit or of the export, which the path says.
pub(crate) fn status(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::Regular)?;
    if call.request.path.ends_with("/edit/status") {
        project.poll_edit();
        return Ok(project.edit.report());
    }
    project.export.poll();
    Ok(project.export.report())
}

/// Starts an export. One that is running or done is left as it is.
pub(crate) fn export(state: &mut State, call: &Call<'_>) -> Payload {
    let polls = state.settings.export_polls;
    let project = state.find(call.id, Source::Regular)?.edited()?;
    if matches!(project.export.status, Status::Pending | Status::Failed) {
        project.export.start(polls);
    }
    Ok(json!({ "message": "Export started" }))
}

/// Links to all finished JPEGs, or to the one with a name.
pub(crate) fn jpeg_links(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, call.source)?.ready()?;
    let mut files = project.jpegs();
    let Some(name) = call.fields["file_name"].as_str() else {
        return Ok(state.file_list(call.id, &files));
    };
    project.photo(name)?;
    files.retain(|(file, _)| file == name);
    let link = state.file_list(call.id, &files)["files_list"][0]["download_link"].take();
    Ok(json!({ "download_link": link }))
}

/// Links to the XMP files. DNG and JPEG files have the XMP inside, and come back themselves.
pub(crate) fn xmp_links(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::Regular)?.edited()?;
    let file =
        |name: &str, is_raw: bool| match name.to_ascii_lowercase().ends_with(".dng") || !is_raw {
            true => (name.to_owned(), "unedited".to_owned()),
            false => (format!("{}.xmp", stem(name)), "xmp".to_owned()),
        };
    let upload = |Uploaded { name, .. }: &Uploaded| file(name, image_type(name) == Some("RAW"));
    let mut files: Vec<_> = project.uploads.iter().map(upload).collect();
    if files.is_empty() {
        // The photos of a project that was added finished were RAW files.
        files = project
            .photos
            .iter()
            .map(|photo| file(&photo.name, true))
            .collect();
    }
    Ok(state.file_list(call.id, &files))
}

/// `copilot`, with an instruction, or `enhance`, with a preset.
pub(crate) fn edit_photo(state: &mut State, call: &Call<'_>) -> Payload {
    let (instruction, tool) = (call.text("instruction"), call.text("tool_id"));
    let mut presets = state.settings.presets.iter();
    let is_known = tool.is_empty() || presets.any(|preset| preset["enhancement_type"] == tool);
    rule(
        is_known,
        "tool_id",
        "Input should be a known enhancement type",
    )?;
    let words = &ready(state, call)?.spec.unrealistic_words;
    let lower = instruction.to_lowercase();
    let is_realistic = !words
        .iter()
        .any(|word| lower.contains(&word.to_lowercase()));
    Answer::unless(
        is_realistic,
        400,
        "Only realistic editing requests are supported.",
    )?;
    let edit = match tool {
        "" => Edit::Instruction(instruction.to_owned()),
        _ => Edit::Preset(tool.to_owned()),
    };
    let version = VersionRecord {
        id: 0,
        parent: call.fields["parent_version_id"].as_u64(),
        edit,
        created_at: state.now(),
    };
    let project = open(state, call)?;
    if let Some((status, body)) = &project.photo(call.photo)?.failure {
        return Err(Answer::json(*status, body));
    }
    let version = project.apply(call.photo, version)?;
    let url = state.link("GET", [call.id, &version.to_string(), call.photo]);
    Ok(json!({ "status": "SUCCESS", "version_id": version, "enhanced_image_url": url }))
}

pub(crate) fn reset(state: &mut State, call: &Call<'_>) -> Payload {
    open(state, call)?.photo(call.photo)?.versions.clear();
    Ok(Value::Null)
}

/// The presets and a version history. The shape of the history is not published: all under `images`
/// is invented.
pub(crate) fn ai_tools(state: &mut State, call: &Call<'_>) -> Payload {
    let list_unedited = state.settings.list_unedited;
    let photos = std::mem::take(&mut ready(state, call)?.photos);
    let mut images = Vec::new();
    let is_listed = |photo: &&Photo| list_unedited || !photo.versions.is_empty();
    for photo in photos.iter().filter(is_listed) {
        let entry = |version| history_entry(state, call.id, photo, version);
        let versions: Vec<Value> = photo.versions.iter().map(entry).collect();
        images.push(json!({ "file_name": photo.name, "versions": versions }));
    }
    ready(state, call)?.photos = photos;
    Ok(json!({ "prompts": state.settings.presets, "images": images }))
}

fn history_entry(state: &mut State, id: &str, photo: &Photo, version: &VersionRecord) -> Value {
    let (name, text) = match &version.edit {
        Edit::Instruction(text) => ("instruction", text),
        Edit::Preset(text) => ("tool_id", text),
    };
    json!({
        "version_id": version.id,
        "parent_version_id": version.parent,
        name: text,
        "status": "SUCCESS",
        "enhanced_image_url": state.link("GET", [id, &version.id.to_string(), &photo.name]),
        "created_at": date(version.created_at),
    })
}

/// Locks the edits in. A second call gets the same answer.
pub(crate) fn finalize(state: &mut State, call: &Call<'_>) -> Payload {
    let project = ready(state, call)?;
    project.finalized = true;
    let files = project.jpegs();
    if state.settings.empty_finalize {
        return Ok(Value::Null);
    }
    Ok(state.file_list(call.id, &files))
}

/// Finds a project that has finished photos. Without `project_source` it may be of either kind: the
/// vendor's page leaves it out, where the OpenAPI file requires it.
fn ready<'a>(state: &'a mut State, call: &Call<'_>) -> Result<&'a mut Project, Answer> {
    let source = match call.text("project_source") {
        "I2I" => Some(Source::I2i),
        "REGULAR" => Some(Source::Regular),
        _ => None,
    };
    state.find(call.id, source)?.ready()
}

/// Finds a project whose photos may still be edited. What the service says about a finalized one is
/// not published.
fn open<'a>(state: &'a mut State, call: &Call<'_>) -> Result<&'a mut Project, Answer> {
    let project = ready(state, call)?;
    Answer::unless(!project.finalized, 400, "Project has been finalized.")?;
    Ok(project)
}

impl State {
    /// Finds a project by its id, of one kind or, with `None`, of either.
    pub(crate) fn find(
        &mut self,
        id: &str,
        source: impl Into<Option<Source>>,
    ) -> Result<&mut Project, Answer> {
        let source = source.into();
        let mut projects = self
            .projects
            .iter_mut()
            .filter(|project| project.spec.id == id);
        let project =
            projects.find(|project| source.is_none_or(|source| source == project.spec.source));
        project.ok_or_else(|| Answer::refused(404, "Project not found."))
    }

    /// Links to files, each given by its name and its state in the storage.
    pub(crate) fn file_list(&mut self, id: &str, files: &[(String, String)]) -> Value {
        let file = |(name, state): &(String, String)| json!({ "file_name": name, "download_link": self.link("GET", [id, state, name]) });
        let files: Vec<Value> = files.iter().map(file).collect();
        json!({ "files_list": files })
    }
}

/// The type of all images of a project, or `None` if it has none.
fn image_type_of(project: &Project) -> Result<Option<&'static str>, Answer> {
    let mut types = project
        .uploads
        .iter()
        .map(|upload| image_type(&upload.name));
    let first = types.next();
    let is_uniform = first != Some(None) && types.all(|other| Some(other) == first);
    Answer::unless(
        is_uniform,
        400,
        "All images of a project must be RAW, or all must be JPEG.",
    )?;
    Ok(first.flatten())
}
