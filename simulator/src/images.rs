//! Calls that ask for download links.

use serde_json::{Value, json};

use crate::fields::{Fields, text};
use crate::project::{Image, Project, ProjectKind, image_type, stem};
use crate::state::State;
use crate::storage::{Content, Object, Storage, Validity};
use crate::wire::{Answer, Received};

/// Lists all images.
pub(crate) fn links(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
    id: &str,
) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    let images = finished(state.project_of(kind, id)?.ready()?);
    Ok(file_list(&images, state))
}

/// Names one image: `?file_name=`. The vendor's Python client wants the name back where the project
/// is profile-based.
pub(crate) fn link(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
    id: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::query(request)?;
    let name = fields.required("file_name", text);
    fields.end()?;

    let validity = state.validity();
    let project = state.project_of(kind, id)?.ready()?;
    let finalized = project.finalized;
    let image = finished_image(id, project.image(&name)?, finalized);
    let link = state.storage.link("GET", &image, validity);
    Ok(match kind {
        ProjectKind::ProfileBased => json!({ "file_name": image.name, "download_link": link }),
        ProjectKind::Smart => json!({ "download_link": link }),
    })
}

/// Lists the XMP files. DNG and JPEG files have the XMP inside, and come back themselves.
pub(crate) fn sidecar_links(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    Fields::query(request)?.end()?;
    let project = state.project_of(ProjectKind::ProfileBased, id)?.edited()?;
    let mut files = Vec::new();
    for photo in &project.uploads {
        let is_raw = image_type(&photo.name) == Some("RAW");
        files.push(sidecar(id, &photo.name, is_raw));
    }
    if files.is_empty() {
        // The photos of a project that was added finished were RAW files.
        for image in &project.images {
            files.push(sidecar(id, &image.name, true));
        }
    }
    Ok(file_list(&files, state))
}

fn sidecar(project: &str, photo: &str, is_raw: bool) -> Object {
    let has_xmp_inside = photo.to_ascii_lowercase().ends_with(".dng") || !is_raw;
    if has_xmp_inside {
        return Object {
            project: project.to_owned(),
            content: Content::Unedited,
            name: photo.to_owned(),
        };
    }
    Object {
        project: project.to_owned(),
        content: Content::Sidecar,
        name: format!("{}.xmp", stem(photo)),
    }
}

/// Returns the JPEGs of a project.
pub(crate) fn finished(project: &Project) -> Vec<Object> {
    let mut images = Vec::new();
    for image in &project.images {
        images.push(finished_image(&project.spec.id, image, project.finalized));
    }
    images
}

/// Returns an image's JPEG: the newest version once the project is finalized, unedited before.
fn finished_image(project: &str, image: &Image, finalized: bool) -> Object {
    let newest = image.versions.last().filter(|_| finalized);
    Object {
        project: project.to_owned(),
        content: match newest {
            Some(version) => Content::Version(version.id),
            None => Content::Unedited,
        },
        name: image.name.clone(),
    }
}

/// Lists files with a link to each.
pub(crate) fn file_list(files: &[Object], state: &mut State) -> Value {
    let validity = state.validity();
    let mut list = Vec::new();
    for file in files {
        let link = state.storage.link("GET", file, validity);
        list.push(json!({ "file_name": file.name, "download_link": link }));
    }
    json!({ "files_list": list })
}

/// Makes a link to a version of an image.
pub(crate) fn version_link(
    storage: &mut Storage,
    project: &str,
    image: &str,
    version: u64,
    validity: Validity,
) -> String {
    let object = Object {
        project: project.to_owned(),
        content: Content::Version(version),
        name: image.to_owned(),
    };
    storage.link("GET", &object, validity)
}
