//! Requests to the object storage.

use crate::checksum::Digest;
use crate::project::Uploaded;
use crate::settings::Settings;
use crate::state::State;
use crate::storage::{Content, Object, serve, xml};
use crate::wire::{Answer, Received};

/// Answers a request to the storage. `digest` is that of its whole body.
pub(crate) fn answer(state: &mut State, request: &Received, digest: Digest) -> Answer {
    let object = match state.storage.open(request, state.clock.now()) {
        Ok(object) => object,
        Err(refusal) => return refusal,
    };
    if request.method != "PUT" {
        return serve(request, &object, state.settings.jpeg_size);
    }
    match store(state, request, &object, digest) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// Stores an uploaded photo, or a part of one.
fn store(
    state: &mut State,
    request: &Received,
    object: &Object,
    digest: Digest,
) -> Result<Answer, Answer> {
    if request.has_header("transfer-encoding") {
        let message = "A header you provided implies functionality that is not implemented";
        return Err(xml(501, "NotImplemented", message));
    }
    if !request.has_header("content-length") {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(xml(411, "MissingContentLength", message));
    }
    let kept = kept_of(&object.content, &state.settings);
    let Ok(project) = state.project(&object.project) else {
        let message = "The specified bucket does not exist";
        return Err(xml(404, "NoSuchBucket", message));
    };
    let file = Uploaded {
        name: object.name.clone(),
        length: digest.length,
        checksum: digest.checksum,
        bytes: request.body[..request.body.len().min(kept)].to_vec(),
    };
    if let Content::Part { upload, number } = &object.content {
        let mut uploads = project.part_uploads.iter_mut();
        let upload = uploads.find(|other| other.id == *upload && !other.is_over);
        let Some(upload) = upload else {
            let message = "The specified upload does not exist.";
            return Err(xml(404, "NoSuchUpload", message));
        };
        upload.parts[number - 1] = Some(file);
    } else {
        project.take_photo(file);
    }
    let etag = format!("\"{:016x}\"", digest.checksum);
    Ok(Answer::empty(200).with("etag", etag))
}

/// Returns how many bytes to keep of a file or a part.
fn kept_of(content: &Content, settings: &Settings) -> usize {
    let kept = settings.kept_bytes;
    match content {
        // Only the beginning of the whole file is kept, which later parts are not in.
        Content::Part { number, .. } => {
            let before = settings.min_part_size.saturating_mul(*number as u64 - 1);
            if before < kept as u64 { kept } else { 0 }
        }
        _ => kept,
    }
}
