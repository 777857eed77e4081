//! Calls that begin the edit and the export of a project, and tell how far they are.

use serde_json::{Value, json};

use crate::callback::Callback;
use crate::fields::{Fields, boolean, integer, one_of, rule};
use crate::project::{Project, ProjectKind, Status, image_type};
use crate::state::State;
use crate::wire::{Answer, Received};
use ProjectKind::{ProfileBased, Smart};

const PHOTOGRAPHY_TYPES: &[&str] = &[
    "NO_TYPE",
    "OTHER",
    "PORTRAITS",
    "WEDDING",
    "REAL_ESTATE",
    "LANDSCAPE_NATURE",
    "EVENTS",
    "FAMILY_NEWBORN",
    "BOUDOIR",
    "SPORTS",
    "SCHOOL",
];

/// The options of a profile-based edit that are on or off.
const PROFILE_SWITCHES: [&str; 10] = [
    "crop",
    "portrait_crop",
    "headshot_crop",
    "straighten",
    "perspective_correction",
    "hdr_merge",
    "smooth_skin",
    "subject_mask",
    "window_pull",
    "sky_replacement",
];

/// The options of a Smart edit that are on or off.
const SMART_SWITCHES: [&str; 3] = ["hdr_merge", "perspective_correction", "sky_replacement"];

/// Options of which one can be on.
const EXCLUSIVE: [&[&str]; 2] = [
    &["crop", "portrait_crop", "headshot_crop"],
    &["straighten", "perspective_correction"],
];

/// What both kinds of edits have.
struct CommonOptions {
    /// The switches that are on.
    tools: Vec<&'static str>,
    sky_template: Option<u64>,
    callback: Option<Callback>,
}

impl CommonOptions {
    fn read(fields: &mut Fields, switches: &[&'static str], local_callbacks: bool) -> Self {
        let mut tools = Vec::new();
        for switch in switches {
            if fields.optional(switch, boolean) == Some(true) {
                tools.push(*switch);
            }
        }
        let callback = fields.optional("callback_url", callback_url(local_callbacks));
        Self {
            tools,
            sky_template: fields.optional("sky_replacement_template_id", integer),
            callback: callback.flatten(),
        }
    }

    fn has(&self, switch: &str) -> bool {
        self.tools.contains(&switch)
    }

    fn check(&self, sky_templates: &[Value]) -> Result<(), Answer> {
        let Some(id) = self.sky_template else {
            return Ok(());
        };
        let is_known = sky_templates.iter().any(|template| template["id"] == id);
        rule(
            is_known && self.has("sky_replacement"),
            "sky_replacement_template_id",
            "It needs sky_replacement and the id of a template",
        )
    }
}

/// Reads a `callback_url`. One that cannot be called, which is every https one, is `None`.
fn callback_url(takes_local: bool) -> impl Fn(&Value) -> Result<Option<Callback>, String> {
    move |value: &Value| {
        let url = value.as_str().unwrap_or_default();
        if url.starts_with("https://") {
            return Ok(None);
        }
        match Callback::parse(url) {
            Some(callback) if takes_local => Ok(Some(callback)),
            _ => Err("https URL".to_owned()),
        }
    }
}

/// The body of a profile-based edit.
struct ProfileEdit {
    profile_key: u64,
    common: CommonOptions,
    compression: Option<&'static str>,
    export: bool,
}

impl ProfileEdit {
    fn read(request: &Received, local_callbacks: bool) -> Result<Self, Answer> {
        let mut fields = Fields::untyped_body(request)?;
        let body = Self {
            profile_key: fields.required("profile_key", integer),
            common: CommonOptions::read(&mut fields, &PROFILE_SWITCHES, local_callbacks),
            compression: fields.optional("hdr_output_compression", one_of(&["LOSSY", "LOSSLESS"])),
            export: fields.optional("export", boolean).unwrap_or_default(),
        };
        fields.optional("photography_type", one_of(PHOTOGRAPHY_TYPES));
        fields.optional("crop_aspect_ratio", one_of(&["2X3", "4X5", "5X7"]));
        fields.end()?;
        body.check()?;
        Ok(body)
    }

    fn check(&self) -> Result<(), Answer> {
        for switches in EXCLUSIVE {
            let on = switches.iter().filter(|switch| self.common.has(switch));
            let message = format!("Only one may be set: {}", switches.join(", "));
            rule(on.count() <= 1, switches[0], &message)?;
        }
        let has_hdr = self.common.has("hdr_merge");
        let is_allowed = self.compression.is_none() || has_hdr;
        rule(is_allowed, "hdr_output_compression", "It needs hdr_merge")
    }
}

pub(crate) fn edit_with_profile(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    let content_type = if state.settings.edit_wants_json {
        "application/json"
    } else {
        ""
    };
    if request.media_type() != content_type {
        let message = format!("Content-Type must be '{content_type}'.");
        return Err(Answer::refused(415, message));
    }
    let body = ProfileEdit::read(request, state.settings.local_callbacks)?;
    let images = image_type_of(state.project_of(ProfileBased, id)?)?;
    let images = images.ok_or_else(|| Answer::refused(400, "Project has no images."))?;
    let profile = profile_for(images, body.profile_key, &state.settings.profiles)?;
    if body.compression.is_some() && images != "RAW" {
        let message = "hdr_output_compression is for RAW images.";
        return Err(Answer::refused(400, message));
    }
    start(state, id, body.common, profile)?;
    state.project(id)?.exports_itself = body.export;
    Ok(json!({ "message": "Editing started" }))
}

/// Finds a profile that fits the images, and returns its name.
fn profile_for(images: &str, key: u64, profiles: &[Value]) -> Result<Value, Answer> {
    let profile = profiles
        .iter()
        .find(|profile| profile["profile_key"] == key);
    let profile = profile.ok_or_else(|| Answer::refused(400, "Profile not found."))?;
    let wanted = profile["image_type"].as_str().unwrap_or(images);
    if !wanted.eq_ignore_ascii_case(images) {
        let message = format!("Profile is for {wanted} images, not for {images}.");
        return Err(Answer::refused(400, message));
    }
    Ok(profile["profile_name"].clone())
}

pub(crate) fn edit_smartly(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::body(request)?;
    let local_callbacks = state.settings.local_callbacks;
    let options = CommonOptions::read(&mut fields, &SMART_SWITCHES, local_callbacks);
    fields.end()?;

    let project = state.project_of(Smart, id)?;
    if project.uploads.len() < 5 {
        return Err(Answer::refused(500, "Internal Server Error"));
    }
    image_type_of(project)?;
    start(state, id, options, Value::Null)?;
    Ok(json!({ "message": "Editing started" }))
}

/// Returns the type of all photos of a project, or `None` if it has none.
fn image_type_of(project: &Project) -> Result<Option<&'static str>, Answer> {
    let mut common_type = None;
    for photo in &project.uploads {
        let this_type = image_type(&photo.name);
        let is_other = common_type.is_some() && this_type != common_type;
        if this_type.is_none() || is_other {
            let message = "All images of a project must be RAW, or all must be JPEG.";
            return Err(Answer::refused(400, message));
        }
        common_type = this_type;
    }
    Ok(common_type)
}

fn start(
    state: &mut State,
    id: &str,
    options: CommonOptions,
    profile: Value,
) -> Result<(), Answer> {
    options.check(&state.settings.sky_templates)?;
    let pending = state.settings.pending_polls;
    let running = state.settings.edit_polls;
    let project = state.project(id)?;
    if project.edit.is_running() {
        return Err(Answer::refused(400, "Project is being edited."));
    }
    project.tools = options.tools;
    project.profile = profile;
    project.finalized = false;
    project.edit.start(pending, running);
    project.export.set(Status::Pending);
    if let Some(callback) = options.callback {
        state.callbacks.push((id.to_owned(), callback));
    }
    Ok(())
}

/// Tells the status of an edit, which is a poll.
pub(crate) fn edit_status(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    state.poll_edit(ProfileBased, id)?;
    Ok(state.project(id)?.edit.report())
}

/// Tells the status of an export, which is a poll.
pub(crate) fn export_status(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    let project = state.project_of(ProfileBased, id)?;
    project.export.poll();
    Ok(project.export.report())
}

/// Begins an export. One that is running or done is left as it is.
pub(crate) fn export(state: &mut State, request: &Received, id: &str) -> Result<Value, Answer> {
    if let Some(fields) = Fields::optional_body(request)? {
        fields.end()?;
    }
    let pending = state.settings.pending_polls;
    let running = state.settings.export_polls;
    let project = state.project_of(ProfileBased, id)?.edited()?;
    let is_done = project.export.status == Status::Completed;
    if !is_done && !project.export.is_running() {
        project.export.start(pending, running);
    }
    Ok(json!({ "message": "Export started" }))
}
