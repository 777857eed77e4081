use imagen_ai_simulator::{IN_PROGRESS, ProjectSpec, READY, SMART, Status};
use serde_json::{Value, json};

use crate::support::{Service, put};

#[test]
fn profiles_and_sky_templates_are_listed() {
    let service = Service::start();
    let either = json!({"profile_key": 5702, "profile_name": "Studio", "profile_type": "Shared"});
    service.configure(|settings| settings.profiles.push(either));
    service
        .get("/profiles")
        .is(
            200,
            "{\"profiles\":[{\"image_type\":\"RAW\",\"profile_key\":5700",
        )
        .has("{\"profile_key\":5702,\"profile_name\":\"Studio\",\"profile_type\":\"Shared\"}");
    let templates = service.get("/projects/sky_replacement/templates");
    templates.is(200, "{\"templates\":[{\"id\":1,\"is_default\":true}");
}

/// Creates a project. Returns its id.
fn create(service: &Service, path: &str, name: Value) -> String {
    service.post(path, name).is(200, "").string("/project_uuid")
}

#[test]
fn a_name_is_unique_in_the_account() {
    let service = Service::start();
    let name = || json!({"name": "Smith wedding"});
    create(&service, "/projects/", name());
    let refused = service.post("/i2i/projects/", name());
    refused.is(400, "Project with name 'Smith wedding' already exists");
    create(&service, "/projects/", json!({}));
    create(&service, "/projects/", json!({}));
}

#[test]
fn a_bad_name_is_refused() {
    let service = Service::start();
    for body in [
        json!({"name": null}),
        json!({"name": ""}),
        json!({"name": "x", "y": 1}),
    ] {
        service.post("/projects/", body).is(422, "detail");
    }
}

#[test]
fn a_name_that_is_taken_is_not_valid() {
    let service = Service::start();
    let path = "/i2i/projects/is_valid_name";
    let free = service.get(&format!("{path}?name=Smith+wedding"));
    free.is(200, "{\"is_valid\":true}");
    let taken = service.get(&format!("{path}?name=Harbour%20loft"));
    taken.is(200, "{\"is_valid\":false}");
    service.get(path).is(422, "name");
}

#[test]
fn a_new_project_is_empty_and_pending() {
    let service = Service::start();
    let id = create(&service, "/projects/", json!({"name": "Smith wedding"}));
    let found = service.get("/projects/Smith%20wedding/uuid");
    found.is(200, &format!("{{\"project_uuid\":\"{id}\"}}"));
    service
        .get(&format!("/projects/{id}?get_thumbnail=false"))
        .is(200, "\"status\":\"Pending\"")
        .has("\"name\":\"Smith wedding\"")
        .has("\"number_of_images\":0")
        .has("\"export_status\":null");
}

#[test]
fn projects_are_listed_by_kind_and_page() {
    let service = Service::start();
    create(&service, "/projects/", json!({"name": "Smith wedding"}));
    create(&service, "/projects/", json!({}));
    let smart = create(&service, "/i2i/projects/", json!({"name": "Loft"}));

    let query = "size=4&page=1&is_archived=false&client_type=API&get_thumbnail=false";
    service
        .get(&format!("/projects?{query}"))
        .is(200, "\"pagination\":{\"page\":1,\"size\":4,\"total\":6}")
        .has("Smith wedding");
    let third_page = service.get("/projects?page=2");
    third_page.is(200, "\"projects\":[]").has("\"size\":20");
    service
        .get("/projects?is_archived=true")
        .is(200, "\"total\":0");
    service
        .get("/projects?client_type=WEB")
        .is(200, "\"total\":0");
    let second = service.get("/i2i/projects?size=1&page=1");
    second.is(200, "\"total\":2").has(&smart);
}

#[test]
fn a_bad_query_of_a_list_is_refused() {
    let service = Service::start();
    for path in [
        "/projects?size=0",
        "/projects?size=101",
        "/projects?page=-1",
        "/projects?is_archived=1",
        "/i2i/projects?client_type=API",
    ] {
        service.get(path).is(422, "detail");
    }
}

#[test]
fn a_project_that_is_added_takes_the_place_of_one_with_its_id() {
    let service = Service::start();
    service.add_project(ProjectSpec::profile_based(READY).image_count(7));
    service.add_project(ProjectSpec::smart("new").images(["a.JPEG"]));
    let projects = service.projects();
    assert_eq!(projects.len(), 6);
    assert_eq!(projects[0].images.len(), 7);
    assert_eq!(projects[1].id, SMART);
    assert_eq!(projects[5].id, "new");
    let info = service.get("/i2i/projects/new");
    info.is(200, "\"number_of_images\":1");
}

#[test]
fn a_project_that_is_set_to_completed_has_images_of_its_photos() {
    let service = Service::start();
    let path = format!("/projects/{IN_PROGRESS}/get_temporary_upload_links");
    let links = service.post(&path, json!({"files_list": [{"file_name": "a.NEF"}]}));
    put(&links.string("/files_list/0/upload_link"), b"RAW").is(200, "");
    service.set_status(IN_PROGRESS, Status::Completed);
    let project = service.projects().remove(3);
    assert_eq!(project.status, Status::Completed);
    assert_eq!(project.images, ["a.JPEG"]);
}
