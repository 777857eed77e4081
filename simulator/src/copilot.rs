//! The calls of the Copilot API.

use crate::fields::{Field, Kind, SOURCE, rule};
use crate::project::{Edit, Photo, Project, Source, VersionRecord};
use crate::service::{Call, Payload, State};
use crate::storage::date;
use crate::wire::Answer;
use serde_json::{Value, json};

const PARENT: Field = ("parent_version_id?", Kind::Parent);
pub(crate) const COPILOT: [Field; 3] = [SOURCE[0], PARENT, ("instruction", Kind::Instruction)];
pub(crate) const ENHANCE: [Field; 3] = [SOURCE[0], PARENT, ("tool_id", Kind::Text)];

pub(crate) fn copilot(state: &mut State, call: &Call<'_>) -> Payload {
    let instruction = call.text("instruction");
    if !ready(state, call)?.is_realistic(instruction) {
        let message = "Only realistic editing requests are supported.";
        return Err(Answer::refused(400, message));
    }
    edit(state, call, Edit::Instruction(instruction.to_owned()))
}

pub(crate) fn enhance(state: &mut State, call: &Call<'_>) -> Payload {
    let tool = call.text("tool_id");
    let is_known = state
        .settings
        .presets
        .iter()
        .any(|preset| preset["enhancement_type"] == tool);
    rule(is_known, "tool_id", "Input should be a known enhancement type")?;
    edit(state, call, Edit::Preset(tool.to_owned()))
}

fn edit(state: &mut State, call: &Call<'_>, edit: Edit) -> Payload {
    let now = state.now();
    let project = open(state, call)?;
    if let Some((status, body)) = &project.photo(call.photo)?.failure {
        return Err(Answer::json(*status, body));
    }
    let version = project.apply(call.photo, call.fields["parent_version_id"].as_u64(), edit, now)?;
    let url = state.download_link(call.id, &version.to_string(), call.photo);
    Ok(json!({ "status": "SUCCESS", "version_id": version, "enhanced_image_url": url }))
}

pub(crate) fn reset(state: &mut State, call: &Call<'_>) -> Payload {
    open(state, call)?.photo(call.photo)?.versions.clear();
    Ok(Value::Null)
}

/// The presets and a version history. The shape of the history is not published: all under `images` is invented.
pub(crate) fn ai_tools(state: &mut State, call: &Call<'_>) -> Payload {
    let list_unedited = state.settings.list_unedited;
    let photos = std::mem::take(&mut ready(state, call)?.photos);
    let image = |photo: &Photo| {
        let versions = photo.versions.iter();
        let versions: Vec<Value> = versions
            .map(|version| history_entry(state, call.id, photo, version))
            .collect();
        json!({ "file_name": photo.name, "versions": versions })
    };
    let listed = photos
        .iter()
        .filter(|photo| list_unedited || !photo.versions.is_empty());
    let images: Vec<Value> = listed.map(image).collect();
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
        "enhanced_image_url": state.download_link(id, &version.id.to_string(), &photo.name),
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

/// Finds a project that has finished photos. Without `project_source` it may be of either kind: the vendor's page leaves
/// it out, where the OpenAPI file requires it.
fn ready<'a>(state: &'a mut State, call: &Call<'_>) -> Result<&'a mut Project, Answer> {
    let source = match call.text("project_source") {
        "I2I" => Some(Source::I2i),
        "REGULAR" => Some(Source::Regular),
        _ => None,
    };
    state.find(call.id, source)?.ready()
}

/// Finds a project whose photos may still be edited. What the service says about a finalized one is not published.
fn open<'a>(state: &'a mut State, call: &Call<'_>) -> Result<&'a mut Project, Answer> {
    let project = ready(state, call)?;
    if project.finalized {
        return Err(Answer::refused(400, "Project has been finalized."));
    }
    Ok(project)
}
