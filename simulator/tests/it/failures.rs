use imagen_ai_simulator::{Failure, IN_PROGRESS, NOT_EXPORTED, READY, Status};
use serde_json::{Value, json};

use crate::support::{IMAGE, Service};

#[test]
fn the_next_requests_of_a_kind_fail_and_then_no_more() {
    let service = Service::start();
    let body = json!({ "message": "Too Many Requests" });
    service.fail_next("POST", "/copilot", 429, body, 2);
    for _ in 0..2 {
        let refused = service.copilot(IMAGE, Value::Null);
        refused.is(429, "{\"message\":\"Too Many Requests\"}");
    }
    service
        .copilot(IMAGE, Value::Null)
        .is(200, "\"version_id\":123");
}

#[test]
fn a_failure_has_the_body_that_was_ordered() {
    let service = Service::start();
    service.fail_next("GET", READY, 503, "<?xml version=\"1.0\"?><Error/>", 1);
    service.fail_next("GET", READY, 502, "<html></html>", 1);
    service.fail_next("POST", "/finalize", 500, Value::Null, 1);
    let path = format!("/projects/{READY}");
    service.get(&path).is(503, "content-type: application/xml");
    service.get(&path).is(502, "content-type: text/html");
    service.get(&path).is(200, "\"status\":\"Completed\"");
    let finalize = service.call("POST", &format!("{path}/finalize"), &[], "");
    finalize.is(500, "content-length: 0");
}

#[test]
fn a_failure_has_the_headers_that_were_ordered() {
    let service = Service::start();
    let failure = Failure {
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        ..Failure::new(429, Value::Null)
    };
    service.fail_next_with("POST", "/copilot", failure, 1);
    service
        .copilot(IMAGE, Value::Null)
        .is(429, "\r\nretry-after: 7\r\n");
}

#[test]
fn the_next_edits_fail_whichever_they_are() {
    let service = Service::start();
    service.fail_next_edits(Failure::new(504, json!({ "message": "late" })), 2);
    service.get(&format!("/projects/{READY}")).is(200, "");
    service.copilot(IMAGE, Value::Null).is(504, "late");
    let path = format!("/projects/{READY}/images/{IMAGE}/enhance");
    let body = json!({"tool_id": "day_to_dusk", "project_source": "REGULAR"});
    service.post(&path, body.clone()).is(504, "late");
    service.post(&path, body).is(200, "\"version_id\":123");
}

#[test]
fn an_image_fails_until_it_is_mended() {
    let service = Service::start();
    service.fail_image(READY, IMAGE, 500, Value::Null);
    service.mend_image(READY, IMAGE);
    service.copilot(IMAGE, Value::Null).is(200, "");
    let other = "DSC_0002.JPEG";
    service.fail_image(READY, other, 200, json!({ "status": "FAILED" }));
    service
        .copilot(other, Value::Null)
        .is(200, "{\"status\":\"FAILED\"}");
    assert_eq!(service.versions(READY, other), []);
}

#[test]
fn an_edit_ends_as_was_ordered() {
    let service = Service::start();
    service.set_status(IN_PROGRESS, Status::InProgress);
    service.complete_after(IN_PROGRESS, 1);
    service.fail_edit(IN_PROGRESS, "out of paint");
    let path = format!("/projects/{IN_PROGRESS}/edit/status");
    service.get(&path).is(200, "\"status\":\"In Progress\"");
    let failed = "{\"details\":\"out of paint\",\"progress\":null,\"status\":\"Failed\"}";
    service.get(&path).is(200, failed);
    service.get(&path).is(200, "\"status\":\"Failed\"");
}

#[test]
fn an_export_fails_once_and_then_completes() {
    let service = Service::start();
    service.configure(|settings| settings.export_polls = 0);
    service.fail_export(NOT_EXPORTED, "no paper");
    let export = format!("/projects/{NOT_EXPORTED}/export");
    let status = format!("{export}/status");
    service.call("POST", &export, &[], "").is(200, "message");
    let failed = "{\"details\":\"no paper\",\"progress\":null,\"status\":\"Failed\"}";
    service.get(&status).is(200, failed);
    service.call("POST", &export, &[], "").is(200, "message");
    service.get(&status).is(200, "\"status\":\"Completed\"");
    assert!(service.projects()[2].exported);
}
