//! The Copilot calls: edits of one image, and what is around them.

use serde_json::{Value, json};

use crate::clock::date;
use crate::fields::{Fields, integer, one_of, rule, text};
use crate::images::{file_list, finished, version_link};
use crate::project::{CopilotEdit, Image, Project, ProjectKind, VersionRecord};
use crate::state::State;
use crate::storage::{Storage, Validity};
use crate::wire::{Answer, Received};

const MOST_CHARACTERS: usize = 255;

/// The body of `copilot` and `enhance`.
struct EditBody {
    edit: CopilotEdit,
    parent: Option<u64>,
    kind: ProjectKind,
}

impl EditBody {
    fn read_copilot(request: &Received) -> Result<Self, Answer> {
        let mut fields = Fields::body(request)?;
        let edit = CopilotEdit::Instruction(fields.required("instruction", instruction));
        Self::read_rest(fields, edit)
    }

    fn read_enhance(request: &Received) -> Result<Self, Answer> {
        let mut fields = Fields::body(request)?;
        let edit = CopilotEdit::Preset(fields.required("tool_id", text));
        Self::read_rest(fields, edit)
    }

    fn read_rest(mut fields: Fields, edit: CopilotEdit) -> Result<Self, Answer> {
        // The vendor's Python client leaves the parent of a first edit out.
        let parent = fields.optional("parent_version_id", version_id);
        let kind = fields.required("project_source", project_source);
        fields.end()?;
        Ok(Self {
            edit,
            parent: parent.flatten(),
            kind,
        })
    }
}

fn instruction(value: &Value) -> Result<String, String> {
    let instruction = text(value)?;
    if instruction.chars().count() > MOST_CHARACTERS {
        return Err(format!("string with at most {MOST_CHARACTERS} characters"));
    }
    Ok(instruction)
}

/// The unedited image is `null`.
fn version_id(value: &Value) -> Result<Option<u64>, String> {
    match value {
        Value::Null => Ok(None),
        value => integer(value).map(Some),
    }
}

fn project_source(value: &Value) -> Result<ProjectKind, String> {
    let source = one_of(&["REGULAR", "I2I"])(value)?;
    match source {
        "I2I" => Ok(ProjectKind::Smart),
        _ => Ok(ProjectKind::ProfileBased),
    }
}

pub(crate) fn copilot(
    state: &mut State,
    request: &Received,
    project: &str,
    image: &str,
) -> Result<Value, Answer> {
    let body = EditBody::read_copilot(request)?;
    edit(state, body, project, image)
}

pub(crate) fn enhance(
    state: &mut State,
    request: &Received,
    project: &str,
    image: &str,
) -> Result<Value, Answer> {
    let body = EditBody::read_enhance(request)?;
    edit(state, body, project, image)
}

fn edit(state: &mut State, body: EditBody, id: &str, image: &str) -> Result<Value, Answer> {
    if let CopilotEdit::Preset(tool) = &body.edit {
        let mut presets = state.settings.presets.iter();
        let is_known = presets.any(|preset| preset["enhancement_type"] == tool.as_str());
        rule(
            is_known,
            "tool_id",
            "Input should be a known enhancement type",
        )?;
    }
    let validity = state.validity();
    let project = state.project_of(body.kind, id)?.ready()?;
    if let CopilotEdit::Instruction(instruction) = &body.edit {
        check_realistic(instruction, &project.spec.unrealistic_words)?;
    }
    check_open(project)?;
    if let Some(failure) = &project.image(image)?.failure {
        return Err(failure.clone());
    }
    let version = project.add_version(image, body.parent, body.edit, validity.from)?;
    let url = version_link(&mut state.storage, id, image, version, validity);
    Ok(json!({ "status": "SUCCESS", "version_id": version, "enhanced_image_url": url }))
}

fn check_realistic(instruction: &str, unrealistic_words: &[String]) -> Result<(), Answer> {
    let instruction = instruction.to_lowercase();
    for word in unrealistic_words {
        if instruction.contains(&word.to_lowercase()) {
            let message = "Only realistic editing requests are supported.";
            return Err(Answer::refused(400, message));
        }
    }
    Ok(())
}

/// What the service says about an edit in a finalized project is not published.
fn check_open(project: &Project) -> Result<(), Answer> {
    if project.finalized {
        return Err(Answer::refused(400, "Project has been finalized."));
    }
    Ok(())
}

/// Drops all versions of an image.
pub(crate) fn reset(
    state: &mut State,
    request: &Received,
    id: &str,
    image: &str,
) -> Result<Value, Answer> {
    let fields = Fields::optional_body(request)?;
    let project = ready(state, id, fields, Presence::Required)?;
    check_open(project)?;
    project.image(image)?.versions.clear();
    Ok(Value::Null)
}

/// Lists the presets and a version history. The shape of the history is not published: all under
/// `images` is invented.
pub(crate) fn ai_tools(state: &mut State, request: &Received, id: &str) -> Result<Value, Answer> {
    let validity = state.validity();
    let fields = Fields::query(request)?;
    ready(state, id, Some(fields), Presence::Optional)?;

    let list_unedited = state.settings.list_unedited;
    let mut images = Vec::new();
    for project in state.projects.iter().filter(|other| other.spec.id == id) {
        for image in &project.images {
            if list_unedited || !image.versions.is_empty() {
                images.push(history(id, image, &mut state.storage, validity));
            }
        }
    }
    Ok(json!({ "prompts": state.settings.presets, "images": images }))
}

fn history(project: &str, image: &Image, storage: &mut Storage, validity: Validity) -> Value {
    let mut versions = Vec::new();
    for version in &image.versions {
        let url = version_link(storage, project, &image.name, version.id, validity);
        versions.push(history_entry(version, &url));
    }
    json!({ "file_name": image.name, "versions": versions })
}

fn history_entry(version: &VersionRecord, url: &str) -> Value {
    let (name, text) = match &version.edit {
        CopilotEdit::Instruction(text) => ("instruction", text),
        CopilotEdit::Preset(text) => ("tool_id", text),
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

/// Locks the edits in. A second call gets the same answer.
pub(crate) fn finalize(state: &mut State, request: &Received, id: &str) -> Result<Value, Answer> {
    let fields = Fields::optional_body(request)?;
    let project = ready(state, id, fields, Presence::Required)?;
    project.finalized = true;
    let images = finished(project);
    if state.settings.empty_finalize {
        return Ok(Value::Null);
    }
    Ok(file_list(&images, state))
}

/// Whether the fields, where there are any, must hold a `project_source`.
enum Presence {
    Required,
    Optional,
}

/// Finds a project that has images. Without `project_source` it may be of either kind: the vendor's
/// page leaves it out, where the OpenAPI file requires it.
fn ready<'a>(
    state: &'a mut State,
    id: &str,
    fields: Option<Fields>,
    presence: Presence,
) -> Result<&'a mut Project, Answer> {
    let mut kind = None;
    if let Some(mut fields) = fields {
        kind = match presence {
            Presence::Required => Some(fields.required("project_source", project_source)),
            Presence::Optional => fields.optional("project_source", project_source),
        };
        fields.end()?;
    }
    match kind {
        Some(kind) => state.project_of(kind, id)?.ready(),
        None => state.project(id)?.ready(),
    }
}
