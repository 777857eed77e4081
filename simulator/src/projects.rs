//! Calls that create, find and describe projects.

use serde_json::{Value, json};

use crate::clock::date;
use crate::fields::{Fields, number_in, one_of, text};
use crate::project::{Project, ProjectKind, ProjectSpec, Status};
use crate::state::{State, no_project};
use crate::wire::{Answer, Received};

/// The words of a boolean in a query.
const BOOLEANS: &[&str] = &["true", "false"];

pub(crate) fn create(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
) -> Result<Value, Answer> {
    let mut fields = Fields::body(request)?;
    let name = fields.optional("name", text);
    fields.end()?;

    let number = state.projects.len() + 1;
    let made_up = || format!("Project {number} of {}", date(state.clock.now()));
    let name = name.unwrap_or_else(made_up);
    if has_name(state, &name) {
        let message = format!("Project with name '{name}' already exists");
        return Err(Answer::refused(400, message));
    }
    let id = format!("65f3a1c2d4e5f6a7{number:08x}");
    let mut spec = ProjectSpec::profile_based(&id)
        .name(name)
        .image_count(0)
        .exported(false)
        .status(Status::Pending);
    spec.kind = kind;
    state.add_project(spec);
    Ok(json!({ "project_uuid": id }))
}

fn has_name(state: &State, name: &str) -> bool {
    let mut projects = state.projects.iter();
    projects.any(|project| project.spec.name == name)
}

/// Tells whether a Smart Editing project can have a name: `?name=`.
pub(crate) fn validate_name(state: &State, request: &Received) -> Result<Value, Answer> {
    let mut fields = Fields::query(request)?;
    let name = fields.required("name", text);
    fields.end()?;
    Ok(json!({ "is_valid": !has_name(state, &name) }))
}

/// Which projects to list.
struct ListQuery {
    size: usize,
    page: usize,
    /// Whether none fits: all projects were made through the API, and none is archived.
    is_for_others: bool,
}

impl ListQuery {
    fn read(request: &Received, kind: ProjectKind) -> Result<Self, Answer> {
        let mut fields = Fields::query(request)?;
        let size = fields.optional("size", number_in(1..=100)).unwrap_or(20);
        let page = fields.optional("page", number_in(0..=u32::MAX));
        let archived = fields.optional("is_archived", one_of(BOOLEANS));
        let mut client_type = None;
        if kind == ProjectKind::ProfileBased {
            client_type = fields.optional("client_type", text);
            fields.optional("get_thumbnail", one_of(BOOLEANS));
        }
        fields.end()?;

        let is_of_another_client = client_type.is_some_and(|client| client != "API");
        Ok(Self {
            size: size as usize,
            page: page.unwrap_or_default() as usize,
            is_for_others: archived == Some("true") || is_of_another_client,
        })
    }
}

pub(crate) fn list(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
) -> Result<Value, Answer> {
    let query = ListQuery::read(request, kind)?;
    let mut listed = Vec::new();
    for project in &state.projects {
        if project.spec.kind == kind && !query.is_for_others {
            listed.push(describe(project));
        }
    }
    let total = listed.len();
    let skipped = query.page.saturating_mul(query.size);
    let projects: Vec<Value> = listed.into_iter().skip(skipped).take(query.size).collect();
    let pagination = json!({ "total": total, "size": query.size, "page": query.page });
    Ok(json!({ "projects": projects, "pagination": pagination }))
}

/// Finds a profile-based project by its name.
pub(crate) fn find(state: &mut State, request: &Received, name: &str) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    for project in &state.projects {
        if project.spec.name == name && project.spec.kind == ProjectKind::ProfileBased {
            return Ok(json!({ "project_uuid": project.spec.id }));
        }
    }
    Err(no_project())
}

/// Describes a project. That is a poll of its edit and of its export.
pub(crate) fn info(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
    id: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::query(request)?;
    fields.optional("get_thumbnail", one_of(BOOLEANS));
    fields.end()?;

    state.poll_edit(kind, id)?;
    let project = state.project_of(kind, id)?;
    project.export.poll();
    Ok(describe(project))
}

fn describe(project: &Project) -> Value {
    let export = project.export.status;
    let is_exporting = export != Status::Pending;
    json!({
        "project_uuid": project.spec.id,
        "name": project.spec.name,
        "status": project.edit.status.as_str(),
        "created_at": project.created_at.map(date),
        "number_of_images": project.images.len().max(project.uploads.len()),
        "export_status": is_exporting.then(|| export.as_str()),
        "profile": project.profile,
        "ai_tools": project.tools,
        "thumbnail_src": null,
        // The vendor's Python client wants a number.
        "customer_reference_id": 1,
    })
}
