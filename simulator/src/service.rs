//! From a request to its answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::checksum::Digest;
use crate::routes::Route;
use crate::state::{FailureTarget, State};
use crate::storage::ROOT;
use crate::wire::{Answer, Received, decode};
use crate::{catalog, copilot, edit, images, objects, photos, projects};

/// The only key that is accepted.
pub(crate) const KEY: &str = "sim-key-0123456789";

/// The longest body that the API takes.
pub(crate) const LONGEST_BODY: usize = 16 << 20;

/// A request that has arrived whole.
pub(crate) struct Arrival {
    /// The header that says its id.
    pub(crate) request_id: (&'static str, String),
    pub(crate) next: Next,
}

/// What comes after an arrival.
pub(crate) enum Next {
    /// The answer is clear at once.
    Send(Answer),
    /// The storage answers.
    Store,
    /// The call takes so long, and has its effect at the end of it.
    Run(Route, Duration),
}

/// Takes a request in, and remembers it.
pub(crate) fn arrive(state: &mut State, request: &Received) -> Arrival {
    state.request_count += 1;
    let mut kept = request.clone();
    kept.body.truncate(state.settings.kept_bytes);
    kept.body.shrink_to_fit();
    state.received.push(kept);

    let is_storage = request.path.starts_with(ROOT);
    let name = if is_storage {
        "x-amz-request-id"
    } else {
        "x-request-id"
    };
    Arrival {
        request_id: (name, format!("sim-{:06}", state.request_count)),
        next: match next(state, request) {
            Ok(next) => next,
            Err(refusal) => Next::Send(refusal),
        },
    }
}

fn next(state: &mut State, request: &Received) -> Result<Next, Answer> {
    let route = route(state, request);
    if let Some(answer) = planned_failure(state, request, route.as_ref().ok()) {
        return Ok(Next::Send(answer));
    }
    if request.path.starts_with(ROOT) {
        return Ok(Next::Store);
    }
    let route = route?;
    if request.body.len() > LONGEST_BODY {
        return Err(Answer::gateway(413, "Request Too Long"));
    }
    if route.is_copilot_edit() {
        limit(state)?;
    }
    let latency = if route.is_slow() {
        state.settings.latency
    } else {
        Duration::ZERO
    };
    Ok(Next::Run(route, latency))
}

fn planned_failure(state: &mut State, request: &Received, route: Option<&Route>) -> Option<Answer> {
    let is_copilot_edit = route.is_some_and(Route::is_copilot_edit);
    let failures = state.failures.iter_mut();
    let mut due = failures.filter(|failure| failure.times_left > 0);
    let failure = due.find(|failure| match &failure.target {
        FailureTarget::CopilotEdits => is_copilot_edit,
        FailureTarget::Path { method, ending } => {
            request.method == *method && request.path.ends_with(ending)
        }
    })?;
    failure.times_left -= 1;
    Some(failure.answer.clone())
}

fn limit(state: &mut State) -> Result<(), Answer> {
    let Some(limit) = &state.settings.rate_limit else {
        return Ok(());
    };
    let Err(left) = state.limiter.take(limit.quota, state.clock.running()) else {
        return Ok(());
    };
    let mut refusal = Answer::gateway(429, "Too Many Requests");
    if let Some(seconds) = limit.retry_after.seconds(left) {
        refusal = refusal.with("retry-after", seconds.to_string());
    }
    Err(refusal)
}

fn route(state: &State, request: &Received) -> Result<Route, Answer> {
    let not_found = || Answer::refused(404, "Not Found");
    let path = request.path.strip_prefix("/v1/").ok_or_else(not_found)?;
    let segments: Option<Vec<String>> = path.split('/').map(decode).collect();
    let segments = segments.ok_or_else(Answer::bad_request)?;
    if request.header("x-api-key") != Some(KEY) {
        return Err(Answer::refused(401, "Invalid or missing API key."));
    }
    let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let route = Route::find(&request.method, &segments);
    if !state.settings.redirect_slashes {
        return route.ok_or_else(not_found);
    }
    if route.is_some() {
        return Err(redirect(state, request));
    }
    if segments.last() == Some(&"") {
        segments.pop();
    } else {
        segments.push("");
    }
    Route::find(&request.method, &segments).ok_or_else(not_found)
}

/// Redirects to the other form of a path, with a slash at its end or without.
fn redirect(state: &State, request: &Received) -> Answer {
    let path = match request.path.strip_suffix('/') {
        Some(path) => path.to_owned(),
        None => format!("{}/", request.path),
    };
    let query = request.query.as_ref().map(|query| format!("?{query}"));
    let location = format!(
        "{}{path}{}",
        state.storage.origin,
        query.unwrap_or_default()
    );
    Answer::empty(307).with("location", location)
}

/// Makes a call.
pub(crate) fn run(state: &mut State, route: &Route, request: &Received) -> Answer {
    match payload(state, route, request) {
        Err(refusal) => refusal,
        Ok(Value::Null) => Answer::empty(empty_status(route)),
        Ok(payload) if state.settings.envelope => Answer::json(200, &json!({ "data": payload })),
        Ok(payload) => Answer::json(200, &payload),
    }
}

/// Returns the status of an answer without a body. It is 204, since the vendor's Python client
/// reads the body of every 200. `finalize` without a body is a client's hard case, so it stays 200.
fn empty_status(route: &Route) -> u16 {
    match route {
        Route::Finalize(_) => 200,
        _ => 204,
    }
}

/// Answers a request to the storage.
pub(crate) fn store(state: &mut State, request: &Received, digest: Digest) -> Answer {
    objects::answer(state, request, digest)
}

/// Returns what a call answers: `Null` is nothing.
fn payload(state: &mut State, route: &Route, request: &Received) -> Result<Value, Answer> {
    match route {
        Route::Profiles => catalog::profiles(&state.settings, request),
        Route::SkyTemplates => catalog::sky_templates(&state.settings, request),
        Route::CreateProject(kind) => projects::create(state, request, *kind),
        Route::ListProjects(kind) => projects::list(state, request, *kind),
        Route::FindProject { name } => projects::find(state, request, name),
        Route::ValidateName => projects::validate_name(state, request),
        Route::ProjectInfo(kind, id) => projects::info(state, request, *kind, id),
        Route::UploadLinks(kind, id) => photos::upload_links(state, request, *kind, id),
        Route::BeginPartUpload(id) => photos::begin_parts(state, request, id),
        Route::CompletePartUpload { project, upload } => {
            photos::complete_parts(state, request, project, upload)
        }
        Route::AbortPartUpload { project, upload } => {
            photos::abort_parts(state, request, project, upload)
        }
        Route::ProfileEdit(id) => edit::edit_with_profile(state, request, id),
        Route::SmartEdit(id) => edit::edit_smartly(state, request, id),
        Route::EditStatus(id) => edit::edit_status(state, request, id),
        Route::Export(id) => edit::export(state, request, id),
        Route::ExportStatus(id) => edit::export_status(state, request, id),
        Route::SidecarLinks(id) => images::sidecar_links(state, request, id),
        Route::ImageLinks(kind, id) => images::links(state, request, *kind, id),
        Route::ImageLink(kind, id) => images::link(state, request, *kind, id),
        Route::Copilot { project, image } => copilot::copilot(state, request, project, image),
        Route::Enhance { project, image } => copilot::enhance(state, request, project, image),
        Route::Reset { project, image } => copilot::reset(state, request, project, image),
        Route::AiTools(id) => copilot::ai_tools(state, request, id),
        Route::Finalize(id) => copilot::finalize(state, request, id),
    }
}
