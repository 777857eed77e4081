//! The road to finished photos: profiles, projects, uploads, the edit, the export, and links to the files.

use crate::fields::{Field, Kind, QUERY_FLAG, rule};
use crate::project::{Project, ProjectSpec, Source, Status, image_type, stem};
use crate::service::{Call, Payload, State};
use crate::storage::date;
use crate::wire::Answer;
use serde_json::{Value, json};

pub(crate) const CREATE: [Field; 1] = [("name?", Kind::Text)];
pub(crate) const LIST: [Field; 5] = [
    ("client_type?", Kind::Text),
    ("get_thumbnail?", QUERY_FLAG),
    ("is_archived?", QUERY_FLAG),
    ("size?", Kind::Digits(1, 100)),
    ("page?", Kind::Digits(0, usize::MAX)),
];
pub(crate) const LIST_I2I: &[Field] = LIST.split_at(2).1;
pub(crate) const INFO: [Field; 1] = [("get_thumbnail?", QUERY_FLAG)];
pub(crate) const FILE: [Field; 1] = [("file_name", Kind::Text)];
pub(crate) const UPLOAD: [Field; 1] = [("files_list", Kind::Files)];
pub(crate) const UPLOAD_I2I: [Field; 2] = [UPLOAD[0], ("client_type", Kind::OneOf(&["API"]))];
pub(crate) const EDIT: [Field; 16] = [
    ("profile_key", Kind::Number),
    ("photography_type?", Kind::OneOf(&PHOTOGRAPHY_TYPES)),
    ("crop?", Kind::Flag),
    ("portrait_crop?", Kind::Flag),
    ("headshot_crop?", Kind::Flag),
    ("straighten?", Kind::Flag),
    ("smooth_skin?", Kind::Flag),
    ("subject_mask?", Kind::Flag),
    ("window_pull?", Kind::Flag),
    ("crop_aspect_ratio?", Kind::OneOf(&["2X3", "4X5", "5X7"])),
    ("hdr_output_compression?", Kind::OneOf(&["LOSSY", "LOSSLESS"])),
    ("hdr_merge?", Kind::Flag),
    ("perspective_correction?", Kind::Flag),
    ("sky_replacement?", Kind::Flag),
    ("sky_replacement_template_id?", Kind::Number),
    ("callback_url?", Kind::Https),
];
pub(crate) const EDIT_I2I: &[Field] = EDIT.split_at(11).1;

#[rustfmt::skip]
const PHOTOGRAPHY_TYPES: [&str; 11] = [
    "NO_TYPE", "OTHER", "PORTRAITS", "WEDDING", "REAL_ESTATE", "LANDSCAPE_NATURE", "EVENTS", "FAMILY_NEWBORN",
    "BOUDOIR", "SPORTS", "SCHOOL",
];

/// How many images a Smart Editing project needs.
const SMART_MINIMUM: usize = 5;

pub(crate) fn profiles(state: &mut State, _: &Call<'_>) -> Payload {
    Ok(list_of(state, "profiles", &state.settings.profiles))
}

pub(crate) fn sky_templates(state: &mut State, _: &Call<'_>) -> Payload {
    Ok(list_of(state, "templates", &state.settings.sky_templates))
}

fn list_of(state: &State, name: &str, list: &[Value]) -> Value {
    let bare = state.settings.bare_lists;
    if bare { list.into() } else { json!({ name: list }) }
}

pub(crate) fn create(state: &mut State, call: &Call<'_>) -> Payload {
    let number = state.projects.len() + 1;
    let made_up = format!("Project {number} of {}", date(state.now()));
    let name = call.fields["name"].as_str().unwrap_or(&made_up);
    if state.projects.iter().any(|project| project.spec.name == name) {
        let message = format!("Project with name '{name}' already exists");
        return Err(Answer::refused(400, message));
    }
    let id = format!("65f3a1c2d4e5f6a7{number:08x}");
    let spec = ProjectSpec::regular(&id).name(name).photo_count(0).exported(false);
    let spec = ProjectSpec {
        source: call.source,
        status: Status::Pending,
        ..spec
    };
    state.projects.push(Project::new(spec, state.now()));
    Ok(json!({ "project_uuid": id }))
}

pub(crate) fn list(state: &mut State, call: &Call<'_>) -> Payload {
    let number = |name, default| call.text(name).parse().unwrap_or(default);
    let (size, page): (usize, usize) = (number("size", 20), number("page", 0));
    let thumbnails = call.source == Source::Regular && call.text("get_thumbnail") != "false";
    // All projects were made through the API, and none is archived.
    let any = call.text("is_archived") != "true" && matches!(call.text("client_type"), "" | "API");
    let projects = state
        .projects
        .iter()
        .filter(|project| any && project.spec.source == call.source);
    let ids: Vec<String> = projects.map(|project| project.spec.id.clone()).collect();
    let on_page = ids.iter().skip(page.saturating_mul(size)).take(size);
    let projects: Result<Vec<Value>, Answer> = on_page.map(|id| describe(state, id, call.source, thumbnails)).collect();
    let pagination = json!({ "total": ids.len(), "size": size, "page": page });
    Ok(json!({ "projects": projects?, "pagination": pagination }))
}

/// Finds a project by its name, which stands in the place of the id.
pub(crate) fn id_of(state: &mut State, call: &Call<'_>) -> Payload {
    let mut projects = state.projects.iter();
    let project = projects.find(|project| project.spec.name == call.id && project.spec.source == Source::Regular);
    let project = project.ok_or_else(|| Answer::refused(404, "Project not found."))?;
    Ok(json!({ "project_uuid": project.spec.id }))
}

/// A question for the whole project is a poll of its edit and of its export.
pub(crate) fn info(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, call.source)?;
    project.poll_edit();
    project.export.poll();
    describe(state, call.id, call.source, call.text("get_thumbnail") != "false")
}

fn describe(state: &mut State, id: &str, source: Source, thumbnail: bool) -> Payload {
    let project = state.find(id, source)?;
    let export = project.export.status;
    let export = (export != Status::Pending).then(|| export.as_str());
    let photo = project.photos.first().filter(|_| thumbnail);
    let photo = photo.map(|photo| photo.name.clone());
    let mut info = json!({
        "project_uuid": id,
        "name": project.spec.name,
        "status": project.edit.status.as_str(),
        "created_at": project.created_at.map(date),
        "number_of_images": project.photos.len().max(project.uploads.len()),
        "export_status": export,
        "profile": project.profile,
        "ai_tools": project.tools,
        "project_id": null,
        "customer_reference_id": null,
        "thumbnail_src": null,
    });
    if let Some(photo) = photo {
        info["thumbnail_src"] = state.download_link(id, "unedited", &photo).into();
    }
    Ok(info)
}

/// The links come in the opposite order, so a client that matches them by place goes wrong.
pub(crate) fn upload_links(state: &mut State, call: &Call<'_>) -> Payload {
    state.find(call.id, call.source)?;
    let files: Vec<&Value> = call.fields["files_list"]
        .as_array()
        .into_iter()
        .flatten()
        .rev()
        .collect();
    for file in &files {
        let (name, same) = (&file["file_name"], |other: &&&Value| {
            other["file_name"] == file["file_name"]
        });
        let count = files.iter().filter(same).count();
        if count > 1 {
            let name = name.as_str().unwrap_or_default();
            let message = format!("File \u{201c}{name}\u{201d} appears {count} times.");
            return Err(Answer::refused(400, message));
        }
    }
    let link = |file: &Value| {
        let name = &file["file_name"];
        let link = state.upload_link(call.id, name.as_str().unwrap_or_default(), file["md5"].as_str());
        json!({ "file_name": name, "upload_link": link })
    };
    let links: Vec<Value> = files.into_iter().map(link).collect();
    Ok(json!({ "files_list": links }))
}

pub(crate) fn edit_with_profile(state: &mut State, call: &Call<'_>) -> Payload {
    let content_type = if state.settings.edit_wants_json {
        "application/json"
    } else {
        ""
    };
    if call.request.media_type() != content_type {
        return Err(Answer::refused(415, format!("Content-Type must be '{content_type}'.")));
    }
    let is_set = |name: &&&str| call.fields[**name] == true;
    for names in [
        &["crop", "portrait_crop", "headshot_crop"][..],
        &["straighten", "perspective_correction"],
    ] {
        let message = format!("Only one may be set: {}", names.join(", "));
        rule(names.iter().filter(is_set).count() <= 1, names[0], &message)?;
    }
    let compressed = call.fields.get("hdr_output_compression").is_some();
    let allowed = !compressed || call.fields["hdr_merge"] == true;
    rule(
        allowed,
        "hdr_output_compression",
        "hdr_output_compression needs hdr_merge",
    )?;

    let images = image_type_of(state.find(call.id, Source::Regular)?)?;
    let refused = |message: &str| Answer::refused(400, message);
    let images = images.ok_or_else(|| refused("Project has no images."))?;
    let mut profiles = state.settings.profiles.iter();
    let profile = profiles.find(|profile| profile["profile_key"] == call.fields["profile_key"]);
    let profile = profile.ok_or_else(|| refused("Profile not found."))?;
    let wanted = profile["image_type"].as_str().unwrap_or(images);
    if !wanted.eq_ignore_ascii_case(images) {
        return Err(refused(&format!("Profile is for {wanted} images, not for {images}.")));
    }
    if compressed && images != "RAW" {
        return Err(refused("hdr_output_compression is for RAW images."));
    }
    let name = profile["profile_name"].clone();
    start_edit(state, call, name)
}

pub(crate) fn edit_smartly(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::I2i)?;
    if project.uploads.len() < SMART_MINIMUM {
        return Err(Answer::refused(500, "Internal Server Error"));
    }
    image_type_of(project)?;
    start_edit(state, call, Value::Null)
}

fn start_edit(state: &mut State, call: &Call<'_>, profile: Value) -> Payload {
    if let Some(id) = call.fields.get("sky_replacement_template_id") {
        let is_known = state
            .settings
            .sky_templates
            .iter()
            .any(|template| template["id"] == *id);
        let allowed = is_known && call.fields["sky_replacement"] == true;
        rule(
            allowed,
            "sky_replacement_template_id",
            "Needs sky_replacement and a known template",
        )?;
    }
    let polls = state.settings.edit_polls;
    let project = state.find(call.id, None)?;
    if project.edit.status == Status::InProgress {
        return Err(Answer::refused(400, "Project is being edited."));
    }
    let options = call.fields.as_object().into_iter().flatten();
    let tools = options.filter(|(_, value)| **value == true);
    project.tools = tools.map(|(name, _)| name.clone()).collect();
    project.profile = profile;
    project.finalized = false;
    project.edit.start(polls);
    project.export.set(Status::Pending);
    Ok(json!({ "message": "Editing started" }))
}

pub(crate) fn edit_status(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::Regular)?;
    project.poll_edit();
    Ok(project.edit.report())
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

pub(crate) fn export_status(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::Regular)?;
    project.export.poll();
    Ok(project.export.report())
}

pub(crate) fn jpeg_links(state: &mut State, call: &Call<'_>) -> Payload {
    let files = state.find(call.id, call.source)?.ready()?.jpegs();
    Ok(state.file_list(call.id, &files))
}

pub(crate) fn jpeg_link(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, call.source)?.ready()?;
    project.photo(call.text("file_name"))?;
    let mut files = project.jpegs();
    files.retain(|(name, _)| name == call.text("file_name"));
    let link = state.file_list(call.id, &files)["files_list"][0]["download_link"].take();
    Ok(json!({ "download_link": link }))
}

/// Links to the XMP files. DNG and JPEG files have the XMP inside, and come back themselves.
pub(crate) fn xmp_links(state: &mut State, call: &Call<'_>) -> Payload {
    let project = state.find(call.id, Source::Regular)?.edited()?;
    let sidecar = |name: &str| (format!("{}.xmp", stem(name)), "xmp".to_owned());
    let file = |name: &str| {
        let has_xmp_inside = name.to_ascii_lowercase().ends_with(".dng") || image_type(name) == Some("JPG");
        if has_xmp_inside {
            (name.to_owned(), "unedited".to_owned())
        } else {
            sidecar(name)
        }
    };
    let mut files: Vec<_> = project.uploads.iter().map(|upload| file(&upload.name)).collect();
    if files.is_empty() {
        // The photos of a project that was added finished were RAW files.
        files = project.photos.iter().map(|photo| sidecar(&photo.name)).collect();
    }
    Ok(state.file_list(call.id, &files))
}

impl State {
    /// Finds a project by its id, of one kind or, with `None`, of either.
    pub(crate) fn find(&mut self, id: &str, source: impl Into<Option<Source>>) -> Result<&mut Project, Answer> {
        let source = source.into();
        let mut projects = self.projects.iter_mut().filter(|project| project.spec.id == id);
        let project = projects.find(|project| source.is_none_or(|source| source == project.spec.source));
        project.ok_or_else(|| Answer::refused(404, "Project not found."))
    }

    /// Links to files, each given by its name and its state in the storage.
    pub(crate) fn file_list(&mut self, id: &str, files: &[(String, String)]) -> Value {
        let file = |(name, state): &(String, String)| json!({ "file_name": name, "download_link": self.download_link(id, state, name) });
        let files: Vec<Value> = files.iter().map(file).collect();
        json!({ "files_list": files })
    }
}

/// The type of all images of a project, or `None` if it has none.
fn image_type_of(project: &Project) -> Result<Option<&'static str>, Answer> {
    let mut types = project.uploads.iter().map(|upload| image_type(&upload.name));
    let first = types.next();
    if first == Some(None) || types.any(|other| Some(other) != first) {
        let message = "All images of a project must be RAW, or all must be JPEG.";
        return Err(Answer::refused(400, message));
    }
    Ok(first.flatten())
}
