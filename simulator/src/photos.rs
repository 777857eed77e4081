//! Calls that ask for upload links, and those around uploads in parts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::checksum::Digest;
use crate::fields::{Fields, integer, one_of, text};
use crate::project::{PartUpload, ProjectKind, Uploaded};
use crate::state::State;
use crate::storage::{Content, Object};
use crate::wire::{Answer, Received};

/// The most parts of one upload, as on S3.
const MOST_PARTS: u64 = 10_000;

/// The body of a call for upload links: the names of the photos.
struct LinksBody {
    names: Vec<String>,
}

impl LinksBody {
    fn read(request: &Received, kind: ProjectKind) -> Result<Self, Answer> {
        let mut fields = Fields::body(request)?;
        let names = fields.required("files_list", photo_names);
        if kind == ProjectKind::Smart {
            fields.required("client_type", one_of(&["API"]));
        }
        fields.end()?;
        Ok(Self { names })
    }
}

/// Reads a list of `{"file_name": "..."}`, where an older client sends an `md5` too.
fn photo_names(value: &Value) -> Result<Vec<String>, String> {
    let message = || "list of at least one {file_name, md5?}".to_owned();
    let files = value.as_array().ok_or_else(message)?;
    let mut names = Vec::new();
    for file in files {
        let file = file.as_object().ok_or_else(message)?;
        for (field, value) in file {
            let is_known = field == "file_name" || field == "md5";
            if !is_known || text(value).is_err() {
                return Err(message());
            }
        }
        let name = file.get("file_name").ok_or_else(message)?;
        names.push(text(name)?);
    }
    if names.is_empty() {
        return Err(message());
    }
    Ok(names)
}

/// The links come in the opposite order, so a client that matches them by place goes wrong.
pub(crate) fn upload_links(
    state: &mut State,
    request: &Received,
    kind: ProjectKind,
    id: &str,
) -> Result<Value, Answer> {
    let body = LinksBody::read(request, kind)?;
    state.project_of(kind, id)?;
    let mut counts = BTreeMap::new();
    for name in &body.names {
        *counts.entry(name).or_insert(0) += 1;
    }
    for (name, count) in counts {
        if count > 1 {
            let message = format!("File \u{201c}{name}\u{201d} appears {count} times.");
            return Err(Answer::refused(400, message));
        }
    }
    let validity = state.validity();
    let mut links = Vec::new();
    for name in body.names.into_iter().rev() {
        let photo = Object {
            project: id.to_owned(),
            content: Content::Photo,
            name,
        };
        let link = state.storage.link("PUT", &photo, validity);
        links.push(json!({ "file_name": photo.name, "upload_link": link }));
    }
    Ok(json!({ "files_list": links }))
}

/// Begins an upload in parts: `{"file_name", "part_count"}`.
pub(crate) fn begin_parts(
    state: &mut State,
    request: &Received,
    id: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::body(request)?;
    let name = fields.required("file_name", text);
    let part_count = fields.required("part_count", part_count);
    fields.end()?;

    let validity = state.validity();
    let project = state.project_of(ProjectKind::Smart, id)?;
    let number = project.part_uploads.len() + 1;
    let upload = format!("upload{number:06}");
    let key = format!("{id}/{name}");
    project.part_uploads.push(PartUpload {
        id: upload.clone(),
        key: key.clone(),
        name: name.clone(),
        is_over: false,
        parts: vec![None; part_count],
    });

    let mut parts = Vec::new();
    for number in 1..=part_count {
        let part = Object {
            project: id.to_owned(),
            content: Content::Part {
                upload: upload.clone(),
                number,
            },
            name: name.clone(),
        };
        let link = state.storage.link("PUT", &part, validity);
        parts.push(json!({ "part_number": number, "upload_url": link }));
    }
    Ok(json!({ "upload_id": upload, "key": key, "parts": parts }))
}

fn part_count(value: &Value) -> Result<usize, String> {
    let count = integer(value)?;
    if !(1..=MOST_PARTS).contains(&count) {
        return Err(format!("between 1 and {MOST_PARTS}"));
    }
    Ok(count as usize)
}

/// Joins the parts to a photo: `{"file_name"}`.
pub(crate) fn complete_parts(
    state: &mut State,
    request: &Received,
    id: &str,
    upload: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::body(request)?;
    let name = fields.required("file_name", text);
    fields.end()?;

    let min_part_size = state.settings.min_part_size;
    let kept = state.settings.kept_bytes;
    let project = state.project_of(ProjectKind::Smart, id)?;
    let upload = part_upload(&mut project.part_uploads, upload)?;
    if upload.name != name {
        return Err(Answer::refused(400, "The upload is of another file."));
    }
    let photo = join(upload, min_part_size, kept)?;
    upload.is_over = true;
    upload.parts.clear();
    project.take_photo(photo);
    Ok(Value::Null)
}

fn join(upload: &PartUpload, min_part_size: u64, kept: usize) -> Result<Uploaded, Answer> {
    let mut digest = Digest::default();
    let mut bytes = Vec::new();
    for (at, part) in upload.parts.iter().enumerate() {
        let Some(part) = part else {
            let message = format!("Part {} has not been uploaded.", at + 1);
            return Err(Answer::refused(400, message));
        };
        let is_last = at + 1 == upload.parts.len();
        if part.length < min_part_size && !is_last {
            let message = format!("Part {} is smaller than {min_part_size} bytes.", at + 1);
            return Err(Answer::refused(400, message));
        }
        let is_all_kept = bytes.len() as u64 == digest.length;
        if is_all_kept {
            let room = kept.saturating_sub(bytes.len()).min(part.bytes.len());
            bytes.extend_from_slice(&part.bytes[..room]);
        }
        digest.append(part.digest());
    }
    Ok(Uploaded {
        name: upload.name.clone(),
        length: digest.length,
        checksum: digest.checksum,
        bytes,
    })
}

/// Throws the parts away: `{"key"}`.
pub(crate) fn abort_parts(
    state: &mut State,
    request: &Received,
    id: &str,
    upload: &str,
) -> Result<Value, Answer> {
    let mut fields = Fields::body(request)?;
    let key = fields.required("key", text);
    fields.end()?;

    let project = state.project_of(ProjectKind::Smart, id)?;
    let upload = part_upload(&mut project.part_uploads, upload)?;
    if upload.key != key {
        return Err(Answer::refused(400, "The upload has another key."));
    }
    upload.is_over = true;
    upload.parts.clear();
    Ok(Value::Null)
}

fn part_upload<'a>(uploads: &'a mut [PartUpload], id: &str) -> Result<&'a mut PartUpload, Answer> {
    let upload = uploads.iter_mut().find(|upload| upload.id == id);
    let upload = upload.filter(|upload| !upload.is_over);
    upload.ok_or_else(|| Answer::refused(404, "Upload not found."))
}
