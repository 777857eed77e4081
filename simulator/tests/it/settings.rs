use imagen_ai_simulator::READY;
use serde_json::{Value, json};

use crate::support::{IMAGE, Service, prompt};

#[test]
fn lists_can_be_bare_and_in_an_envelope() {
    let service = Service::start();
    service.configure(|settings| {
        settings.bare_lists = true;
        settings.envelope = true;
    });
    let profiles = service.get("/profiles");
    profiles.is(200, "{\"data\":[{\"image_type\":\"RAW\"");
    let templates = service.get("/projects/sky_replacement/templates");
    templates.is(200, "{\"data\":[{\"id\":1");
}

#[test]
fn a_history_can_leave_unedited_images_out() {
    let service = Service::start();
    service.configure(|settings| settings.list_unedited = false);
    let path = format!("/projects/{READY}/ai-tools");
    service.get(&path).is(200, "\"images\":[]");
    service.copilot(IMAGE, Value::Null);
    service
        .get(&path)
        .is(200, "\"images\":[{\"file_name\":\"DSC_0001.JPEG\"");
}

#[test]
fn an_edit_can_want_json() {
    let service = Service::start();
    service.configure(|settings| settings.edit_wants_json = true);
    service
        .edit(READY, json!({"profile_key": 5700}))
        .is(415, "detail");
    let path = format!("/projects/{READY}/edit");
    let taken = service.post(&path, json!({"profile_key": 5700}));
    taken.is(400, "Project has no images.");
}

#[test]
fn finalize_can_answer_nothing() {
    let service = Service::start();
    service.configure(|settings| settings.empty_finalize = true);
    let finalize = service.call("POST", &format!("/projects/{READY}/finalize"), &[], "");
    finalize.is(200, "content-length: 0");
    assert!(service.is_finalized(READY));
}

#[test]
fn jpegs_can_be_large() {
    let service = Service::start();
    service.configure(|settings| settings.jpeg_size = 200_000);
    let jpeg = service.jpeg(READY, IMAGE, None);
    assert_eq!(jpeg.len(), 200_000);
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
    assert!(jpeg[24..].starts_with(format!("{READY}/unedited/{IMAGE}").as_bytes()));
}

#[test]
fn a_call_can_be_redirected_to_the_other_form_of_its_path() {
    let service = Service::start();
    service.configure(|settings| settings.redirect_slashes = true);
    let base = service.base_url();
    let post = |path: &str| service.post(path, json!({}));
    post("/projects/").is(307, &format!("location: {base}/projects\r\n"));
    post("/projects").is(200, "project_uuid");
    let projects = service.get("/projects?size=4");
    projects.is(307, &format!("location: {base}/projects/?size=4\r\n"));
    service.get("/projects/?size=4").is(200, "\"size\":4");

    let path = format!("/projects/{READY}/images/IMG%20%231.jpg/copilot");
    let body = prompt("brighten", Value::Null);
    let copilot = service.post(&path, body.clone());
    copilot.is(307, &format!("location: {base}{path}/\r\n"));
    service
        .post(&format!("{path}/"), body)
        .is(404, "Image not found.");
    service.get("/unknown").is(404, "Not Found");
}

#[test]
fn of_a_request_no_more_is_kept_than_the_settings_say() {
    let service = Service::start();
    service.configure(|settings| settings.kept_bytes = 10);
    service.copilot(IMAGE, Value::Null).is(200, "SUCCESS");
    assert_eq!(service.requests()[0].body, b"{\"instructi"[..10]);
}
