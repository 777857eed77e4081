//! The calls of the Copilot API.

use crate::fields::rule;
use crate::project::{Edit, Photo, Project, Source, VersionRecord};
use crate::service::{Call, Payload, State};
use crate::storage::date;
use crate::wire::Answer;
use serde_json::{Value, json};

/// `copilot`, with an instruction, or `enhance`, with a preset.
pub(crate) fn edit(state: &mut State, call: &Call<'_>) -> Payload {
    let (instruction, tool) = (call.text("instruction"), call.text("tool_id"));
    let mut presets = state.settings.presets.iter();
    let is_known = tool.is_empty() || presets.any(|preset| preset["enhancement_type"] == tool);
    rule(is_known, "tool_id", "Input should be a known enhancement type")?;
    let is_realistic = ready(state, call)?.is_realistic(instruction);
    Answer::unless(is_realistic, 400, "Only realistic editing requests are supported.")?;
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

/// The presets and a version history. The shape of the history is not published: all under `images` is invented.
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
    Answer::unless(!project.finalized, 400, "Project has been finalized.")?;
    Ok(project)
}
