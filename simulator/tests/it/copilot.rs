use imagen_ai_simulator::{CopilotEdit, NOT_EXPORTED, READY, SMART};
use serde_json::{Value, json};

use crate::support::{IMAGE, Service, fetch, prompt};

fn image(name: &str, call: &str) -> String {
    format!("/projects/{READY}/images/{name}/{call}")
}

#[test]
fn the_published_example_works() {
    let service = Service::start();
    let path = image(IMAGE, "copilot");
    let answer = service.post(&path, prompt("make the sky more blue", Value::Null));
    answer
        .is(200, "content-type: application/json")
        .has("\"status\":\"SUCCESS\"")
        .has("\"version_id\":123")
        .has("\"enhanced_image_url\":\"http");
}

#[test]
fn versions_are_counted_across_the_images_of_a_project() {
    let service = Service::start();
    service
        .copilot(IMAGE, Value::Null)
        .is(200, "\"version_id\":123");
    service.copilot(IMAGE, 123).is(200, "\"version_id\":124");
    let body =
        json!({"tool_id": "day_to_dusk", "parent_version_id": 124, "project_source": "REGULAR"});
    let enhanced = service.post(&image(IMAGE, "enhance"), body);
    enhanced.is(200, "\"version_id\":125");
    // The vendor's Python client leaves the parent of a first call out.
    let body = json!({"instruction": "🌤", "project_source": "REGULAR"});
    let other = service.post(&image("DSC_0002.JPEG", "copilot"), body);
    other.is(200, "\"version_id\":126");
}

#[test]
fn the_history_lists_presets_and_versions() {
    let service = Service::start();
    service.copilot(IMAGE, Value::Null);
    service.copilot(IMAGE, 123);
    let body =
        json!({"tool_id": "day_to_dusk", "parent_version_id": 124, "project_source": "REGULAR"});
    service.post(&image(IMAGE, "enhance"), body);

    // With project_source, as in the OpenAPI file.
    let history = service.get(&format!(
        "/projects/{READY}/ai-tools?project_source=REGULAR"
    ));
    let history = history
        .is(200, "\"enhancement_type\":\"day_to_dusk\"")
        .has("\"enabled_for_batch\":true")
        .has("\"instruction\":\"brighten\",\"parent_version_id\":123,\"status\":\"SUCCESS\"")
        .has("\"status\":\"SUCCESS\",\"version_id\":124")
        .has("\"parent_version_id\":124,\"status\":\"SUCCESS\",\"tool_id\":\"day_to_dusk\"")
        .has("\"tool_id\":\"day_to_dusk\",\"version_id\":125")
        .has("{\"file_name\":\"DSC_0003.JPEG\",\"versions\":[]}");
    let dusk = history.string("/images/0/versions/2/enhanced_image_url");
    fetch(&dusk).is(200, &format!("{READY}/125/{IMAGE}"));
    // Without it, as on the vendor's page.
    let history = service.get(&format!("/projects/{READY}/ai-tools"));
    history.is(200, "\"version_id\":125");
    let history = service.get(&format!("/projects/{SMART}/ai-tools"));
    history.is(200, "DSC_0003.JPEG");
}

#[test]
fn a_new_version_drops_the_branch_that_is_not_kept() {
    let service = Service::start();
    service.copilot(IMAGE, Value::Null);
    let dropped = service.copilot(IMAGE, 123).string("/enhanced_image_url");
    let warmer = service.post(&image(IMAGE, "copilot"), prompt("warmer", 123));
    warmer.is(200, "\"version_id\":125");
    service
        .copilot(IMAGE, 124)
        .is(404, "Parent version not found.");
    // Its picture can still be fetched.
    fetch(&dropped).is(200, &format!("{READY}/124/{IMAGE}"));

    let versions = service.versions(READY, IMAGE);
    let parents: Vec<_> = versions.iter().map(|version| version.parent).collect();
    assert_eq!(parents, [None, Some(123)]);
    assert_eq!(
        versions[1].edit,
        CopilotEdit::Instruction("warmer".to_owned())
    );
}

#[test]
fn a_reset_drops_all_versions_of_an_image() {
    let service = Service::start();
    service.copilot("DSC_0002.JPEG", Value::Null);
    let path = image("DSC_0002.JPEG", "copilot");
    service
        .call("DELETE", &path, &[], "{\"project_source\":\"REGULAR\"}")
        .is(204, "");
    let gone = service.copilot("DSC_0002.JPEG", 123);
    gone.is(404, "Parent version not found.");
    service.call("DELETE", &path, &[], "").is(204, "");
    let path = format!("/projects/{SMART}/images/DSC_0002.JPEG/copilot");
    service.call("DELETE", &path, &[], "").is(204, "");
}

#[test]
fn links_lead_to_unedited_images_until_the_project_is_finalized() {
    let service = Service::start();
    service.copilot(IMAGE, Value::Null);
    let links = format!("/projects/{READY}/export/get_temporary_download_links");
    let before = service
        .get(&links)
        .is(200, "\"file_name\":\"DSC_0001.JPEG\"");
    let file = before.string("/files_list/0/download_link");
    fetch(&file).is(200, &format!("{READY}/unedited/{IMAGE}"));

    let finalize = format!("/projects/{READY}/finalize");
    let finalized = service.post(&finalize, json!({"project_source": "REGULAR"}));
    let finalized = finalized.is(200, "\"file_name\":\"DSC_0001.JPEG\"");
    let file = finalized.string("/files_list/0/download_link");
    fetch(&file).is(200, &format!("{READY}/123/{IMAGE}"));
    service.call("POST", &finalize, &[], "").is(200, "/123/");
    service.get(&links).is(200, "/123/");
    assert!(service.is_finalized(READY));
    assert!(!service.is_finalized(NOT_EXPORTED));
}

#[test]
fn a_finalized_project_takes_no_edits() {
    let service = Service::start();
    service.copilot(IMAGE, Value::Null);
    service.call("POST", &format!("/projects/{READY}/finalize"), &[], "");
    service
        .copilot(IMAGE, 123)
        .is(400, "Project has been finalized.");
    let reset = service.call("DELETE", &image(IMAGE, "copilot"), &[], "");
    reset.is(400, "Project has been finalized.");
}

#[test]
fn a_smart_project_has_the_same_calls() {
    let service = Service::start();
    let body = json!({"instruction": "brighten", "project_source": "I2I"});
    let path = format!("/projects/{SMART}/images/{IMAGE}/copilot");
    service.post(&path, body).is(200, "\"version_id\":123");
    let finalized = service.post(
        &format!("/projects/{SMART}/finalize"),
        json!({"project_source": "I2I"}),
    );
    finalized.is(200, "files_list");
    let links = service.get(&format!(
        "/i2i/projects/{SMART}/get_temporary_download_links"
    ));
    links.is(200, "DSC_0003.JPEG");
}

#[test]
fn sidecars_are_xmp_files() {
    let service = Service::start();
    let path = format!("/projects/{READY}/edit/get_temporary_download_links");
    let links = service.get(&path).is(200, "\"file_name\":\"DSC_0001.xmp\"");
    let sidecar = fetch(&links.string("/files_list/0/download_link"));
    sidecar
        .is(200, "content-type: application/rdf+xml")
        .has("<x:xmpmeta");
}
