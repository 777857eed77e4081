use imagen_ai_simulator::{FAILED, IN_PROGRESS, NOT_EXPORTED, READY, SMART};
use serde_json::{Value, json};

use crate::support::{IMAGE, Service, prompt};

fn copilot(project: &str) -> String {
    format!("/projects/{project}/images/{IMAGE}/copilot")
}

fn brighten() -> Value {
    prompt("brighten", Value::Null)
}

/// The body of a Copilot edit with a field changed.
fn with(name: &str, value: Value) -> Value {
    let mut body = brighten();
    body[name] = value;
    body
}

#[test]
fn a_project_without_an_export_has_no_images() {
    let service = Service::start();
    let message = "Project has not been exported yet.";
    for project in [NOT_EXPORTED, IN_PROGRESS, FAILED] {
        service.post(&copilot(project), brighten()).is(400, message);
    }
    for (method, call) in [
        ("DELETE", "images/DSC_0001.JPEG/copilot"),
        ("POST", "finalize"),
        ("GET", "ai-tools"),
        ("GET", "export/get_temporary_download_links"),
        ("GET", "export/get_download_link?file_name=DSC_0001.JPEG"),
    ] {
        let path = format!("/projects/{NOT_EXPORTED}/{call}");
        service.call(method, &path, &[], "").is(400, message);
    }
}

#[test]
fn a_project_is_found_by_its_id_and_kind() {
    let service = Service::start();
    let message = "Project not found.";
    service
        .post(&copilot("unknown"), brighten())
        .is(404, message);
    service.post(&copilot(SMART), brighten()).is(404, message);
    let as_smart = with("project_source", json!("I2I"));
    service.post(&copilot(READY), as_smart).is(404, message);
    for (method, path) in [
        ("GET", format!("/projects/{SMART}")),
        ("GET", format!("/i2i/projects/{READY}")),
        ("GET", format!("/projects/{SMART}/edit/status")),
        ("GET", format!("/projects/{SMART}/export/status")),
        ("POST", format!("/projects/{SMART}/export")),
        ("GET", "/projects/Harbour%20loft/uuid".to_owned()),
    ] {
        service.call(method, &path, &[], "").is(404, message);
    }
    let found = service.get("/projects/12%20Elm%20Street/uuid");
    found.is(200, &format!("{{\"project_uuid\":\"{READY}\"}}"));
}

#[test]
fn an_image_is_found_by_its_exact_name() {
    let service = Service::start();
    for name in ["DSC_0009.JPEG", "DSC_0001.jpeg"] {
        service
            .copilot(name, Value::Null)
            .is(404, "Image not found.");
    }
    let path = format!("/projects/{READY}/export/get_download_link?file_name=DSC_0009.JPEG");
    service.get(&path).is(404, "Image not found.");
}

#[test]
fn paths_are_as_published() {
    let service = Service::start();
    let body = brighten().to_string();
    for (method, path) in [
        ("POST", format!("{}/", copilot(READY))),
        ("POST", format!("/{}", copilot(READY))),
        ("POST", "/projects".to_owned()),
        ("PUT", copilot(READY)),
        ("PATCH", copilot(READY)),
        ("OPTIONS", copilot(READY)),
        ("POST", format!("/i2i/projects/{SMART}/export")),
    ] {
        service.call(method, &path, &[], &body).is(404, "Not Found");
    }
    for path in ["/profiles/", "/projects/", "/projects//uuid"] {
        service.get(path).is(404, "Not Found");
    }
}

#[test]
fn a_copilot_edit_has_a_proper_body() {
    let service = Service::start();
    let path = copilot(READY);
    service
        .call("POST", &path, &[], "")
        .is(422, "Field required");
    for (body, text) in [
        (with("instruction", json!("")), "at least 1 character"),
        (
            with("instruction", json!("é".repeat(256))),
            "at most 255 characters",
        ),
        (with("instruction", json!(7)), "instruction"),
        (with("parent_version_id", json!("123")), "valid integer"),
        (with("parent_version_id", json!(123.0)), "valid integer"),
        (
            with("project_source", json!("regular")),
            "'REGULAR' or 'I2I'",
        ),
        (with("seed", json!(1)), "Extra inputs"),
        (
            json!({"instruction": "brighten", "parent_version_id": null}),
            "project_source",
        ),
        (
            json!({"tool_id": "day_to_dusk", "project_source": "REGULAR"}),
            "Extra inputs",
        ),
        (json!([brighten()]), "valid dictionary"),
    ] {
        service.post(&path, body).is(422, text);
    }
    let cut = brighten().to_string();
    let cut = cut.trim_end_matches('}');
    service
        .call("POST", &path, &[], cut)
        .is(422, "JSON decode error");
    let longest = with("instruction", json!("é".repeat(255)));
    service.post(&path, longest).is(200, "SUCCESS");
}

#[test]
fn what_is_asked_for_must_be_realistic_and_its_parent_known() {
    let service = Service::start();
    let dragon = with("instruction", json!("a Dragon"));
    let message = "Only realistic editing requests are supported.";
    service.post(&copilot(READY), dragon).is(400, message);
    service
        .copilot(IMAGE, 1)
        .is(404, "Parent version not found.");
    assert_eq!(service.versions(READY, IMAGE), []);
}

#[test]
fn all_faults_are_named_at_once() {
    let service = Service::start();
    let body = json!({"instruction": "", "parent_version_id": "x"});
    service
        .post(&copilot(READY), body)
        .is(422, "\"loc\":[\"body\",\"project_source\"]")
        .has("\"loc\":[\"body\",\"parent_version_id\"]")
        .has("\"loc\":[\"body\",\"instruction\"]");
}

#[test]
fn a_preset_is_named_by_its_id() {
    let service = Service::start();
    let path = format!("/projects/{READY}/images/{IMAGE}/enhance");
    let source = "REGULAR";
    for (body, text) in [
        (
            json!({"tool_id": "unknown", "project_source": source}),
            "known enhancement type",
        ),
        (json!({"tool_id": "", "project_source": source}), "tool_id"),
        (brighten(), "tool_id"),
    ] {
        service.post(&path, body).is(422, text);
    }
}

#[test]
fn a_body_that_may_be_missing_must_be_whole_if_it_is_there() {
    let service = Service::start();
    let reset = service.call("DELETE", &copilot(READY), &[], "{}");
    reset.is(422, "project_source");
    let finalize = service.post(&format!("/projects/{READY}/finalize"), json!({}));
    finalize.is(422, "project_source");
    let export = service.post(&format!("/projects/{READY}/export"), json!({"x": 1}));
    export.is(422, "Extra inputs");
}

#[test]
fn a_query_is_checked_like_a_body() {
    let service = Service::start();
    let path = format!("/projects/{READY}/ai-tools");
    let get = |query: &str| service.get(&format!("{path}?{query}"));
    get("project_source=").is(422, "'REGULAR' or 'I2I'");
    get("project_source=REGULAR&x=1").is(422, "Extra inputs");
    get("project_source=I2I&project_source=REGULAR").is(400, "Bad Request");
    let with_body = service.call("GET", &path, &[], "{\"project_source\":\"REGULAR\"}");
    with_body.is(400, "Bad Request");
    let thumbnail = service.get(&format!("/projects/{READY}?get_thumbnail=no"));
    thumbnail.is(422, "get_thumbnail");
}

#[test]
fn a_path_is_properly_encoded() {
    let service = Service::start();
    for name in [
        "%",
        "%4",
        "%4g.jpg",
        "%ff.jpg",
        "a%2Fb\\c.jpg",
        "..",
        "%2E%2e",
    ] {
        service.copilot(name, Value::Null).is(400, "Bad Request");
    }
}

#[test]
fn there_is_one_key_and_it_is_sent_once() {
    let service = Service::start();
    let right = format!("x-api-key: {}", service.key());
    let body = brighten().to_string();
    for headers in [
        &["x-api-key: wrong"][..],
        &["x-api-key:"],
        &[&right, &right],
    ] {
        let refused = service.call("POST", &copilot(READY), headers, &body);
        refused.is(401, "detail");
    }
}

#[test]
fn json_is_called_json() {
    let service = Service::start();
    let body = brighten().to_string();
    for header in ["content-type:", "content-type: text/plain"] {
        let refused = service.call("POST", &copilot(READY), &[header], &body);
        refused.is(415, "detail");
    }
    let header = "content-type: application/json; charset=utf-8";
    let taken = service.call("POST", &copilot(READY), &[header], &body);
    taken.is(200, "SUCCESS");
}

#[test]
fn a_body_of_the_api_has_a_limit() {
    let service = Service::start();
    let body = with("instruction", json!("x".repeat(16 << 20)));
    service
        .post(&copilot(READY), body)
        .is(413, "Request Too Long");
}
