use serde_json::{Value, json};

use crate::support::{Service, fetch, prompt, put};

/// Creates a project with these photos. Returns its id.
fn project_of(service: &Service, names: &[&str]) -> String {
    uploaded(service, "/projects", names)
}

fn smart_project_of(service: &Service, names: &[&str]) -> String {
    uploaded(service, "/i2i/projects", names)
}

fn uploaded(service: &Service, path: &str, names: &[&str]) -> String {
    let created = service.post(&format!("{path}/"), json!({}));
    let project = created.is(200, "").string("/project_uuid");
    for name in names {
        upload(service, path, &project, name);
    }
    project
}

fn upload(service: &Service, path: &str, project: &str, name: &str) {
    let mut body = json!({"files_list": [{"file_name": name}]});
    if path.starts_with("/i2i") {
        body["client_type"] = "API".into();
    }
    let path = format!("{path}/{project}/get_temporary_upload_links");
    let link = service
        .post(&path, body)
        .string("/files_list/0/upload_link");
    put(&link, b"bytes").is(200, "");
}

/// Polls the edit until it is completed.
fn finish(service: &Service, project: &str) {
    let path = format!("/projects/{project}/edit/status");
    for _ in 0..3 {
        service.get(&path).is(200, "");
    }
    service.get(&path).is(200, "\"status\":\"Completed\"");
}

#[test]
fn an_edit_needs_images() {
    let service = Service::start();
    let project = project_of(&service, &[]);
    let refused = service.edit(&project, json!({"profile_key": 5700}));
    refused.is(400, "Project has no images.");
}

#[test]
fn a_profile_based_edit_has_an_empty_content_type() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF"]);
    let path = format!("/projects/{project}/edit");
    let body = "{\"profile_key\":5700}";
    for content_type in ["content-type: application/json", "content-type: text/plain"] {
        let refused = service.call("POST", &path, &[content_type], body);
        refused.is(415, "{\"detail\":");
    }
    let empty = service.call("POST", &path, &["content-type:"], "");
    empty.is(422, "Field required");
}

#[test]
fn bad_options_are_refused() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF"]);
    service.edit(&project, json!({})).is(422, "profile_key");
    for (options, text) in [
        (json!({"profile_key": "5700"}), "valid integer"),
        (
            json!({"photography_type": "Wedding"}),
            "'NO_TYPE' or 'OTHER'",
        ),
        (json!({"crop": "true"}), "valid boolean"),
        (json!({"crop": null}), "valid boolean"),
        (json!({"export": 1}), "valid boolean"),
        (json!({"callback_url": null}), "https"),
        (json!({"callback_url": "http://example.com/"}), "https"),
        (json!({"callback_url": "http://127.0.0.1:80/"}), "https"),
        (
            json!({"crop": true, "portrait_crop": true}),
            "Only one may be set: crop",
        ),
        (
            json!({"straighten": true, "perspective_correction": true}),
            "Only one may be set: straighten",
        ),
        (
            json!({"crop_aspect_ratio": "2x3"}),
            "'2X3' or '4X5' or '5X7'",
        ),
        (json!({"sky_replacement_template_id": 1}), "sky_replacement"),
        (
            json!({"sky_replacement": true, "sky_replacement_template_id": 9}),
            "template",
        ),
        (
            json!({"hdr_output_compression": "LOSSY"}),
            "It needs hdr_merge",
        ),
        (json!({"hdr": true}), "Extra inputs"),
    ] {
        let mut body = json!({"profile_key": 5700});
        for (name, value) in options.as_object().unwrap() {
            body[name] = value.clone();
        }
        service.edit(&project, body).is(422, text);
    }
}

#[test]
fn a_profile_must_exist_and_fit_the_images() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF"]);
    let unknown = service.edit(&project, json!({"profile_key": 1}));
    unknown.is(400, "Profile not found.");
    let for_jpeg = service.edit(&project, json!({"profile_key": 5701}));
    for_jpeg.is(400, "Profile is for JPG images, not for RAW.");
}

#[test]
fn all_images_of_a_project_are_of_one_type() {
    let service = Service::start();
    let either = json!({"profile_key": 5702, "profile_name": "Studio", "profile_type": "Shared"});
    service.configure(|settings| settings.profiles.push(either));
    let project = project_of(&service, &["a.jpg"]);
    let for_raw = service.edit(&project, json!({"profile_key": 5700}));
    for_raw.is(400, "Profile is for RAW images");
    let compression = json!({
        "profile_key": 5702,
        "hdr_merge": true,
        "hdr_output_compression": "LOSSLESS",
    });
    service
        .edit(&project, compression)
        .is(400, "is for RAW images");

    upload(&service, "/projects", &project, "b.CR3");
    let mixed = service.edit(&project, json!({"profile_key": 5702}));
    mixed.is(400, "must be RAW");
    let notes = project_of(&service, &["notes.txt"]);
    let text = service.edit(&notes, json!({"profile_key": 5702}));
    text.is(400, "must be RAW");
}

#[test]
fn an_edit_takes_some_polls_and_remembers_its_options() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF", "DSC_0002.dng"]);
    let options = json!({
        "profile_key": 5700,
        "photography_type": "WEDDING",
        "crop": true,
        "headshot_crop": false,
        "crop_aspect_ratio": "2X3",
        "hdr_merge": true,
        "hdr_output_compression": "LOSSY",
        "sky_replacement": true,
        "sky_replacement_template_id": 2,
        "callback_url": "https://example.com/x",
    });
    service.edit(&project, options).is(200, "{\"message\":");
    let second = service.edit(&project, json!({"profile_key": 5700}));
    second.is(400, "Project is being edited.");

    let status = format!("/projects/{project}/edit/status");
    let in_progress = "{\"details\":null,\"progress\":33,\"status\":\"In Progress\"}";
    service.get(&status).is(200, in_progress);
    let info = service.get(&format!("/projects/{project}"));
    info.is(200, "\"status\":\"In Progress\"");
    let completed = "{\"details\":null,\"progress\":100,\"status\":\"Completed\"}";
    service.get(&status).is(200, completed);
    service
        .get(&format!("/projects/{project}"))
        .is(
            200,
            "\"ai_tools\":[\"crop\",\"hdr_merge\",\"sky_replacement\"]",
        )
        .has("\"profile\":\"Raw light\"")
        .has("\"number_of_images\":2");
}

#[test]
fn an_export_follows_the_edit_and_takes_some_polls() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF", "DSC_0002.dng"]);
    let path = |call: &str| format!("/projects/{project}/{call}");
    let export = || service.call("POST", &path("export"), &[], "");
    export().is(400, "Project has not been completed yet.");
    let sidecars = path("edit/get_temporary_download_links");
    let refused = service.get(&sidecars);
    refused.is(400, "Project has not been completed yet.");
    service.edit(&project, json!({"profile_key": 5700}));
    finish(&service, &project);

    let status = path("export/status");
    let pending = "{\"details\":null,\"progress\":null,\"status\":\"Pending\"}";
    service.get(&status).is(200, pending);
    let links = path("export/get_temporary_download_links");
    service
        .get(&links)
        .is(400, "Project has not been exported yet.");
    export().is(200, "{\"message\":");
    service.get(&status).is(200, "\"status\":\"In Progress\"");
    let info = format!("/projects/{project}");
    service
        .get(&info)
        .is(200, "\"export_status\":\"In Progress\"");
    let completed = "{\"details\":null,\"progress\":100,\"status\":\"Completed\"}";
    service.get(&status).is(200, completed);
    service
        .get(&info)
        .is(200, "\"export_status\":\"Completed\"");
    // One that is done is left as it is.
    export().is(200, "{\"message\":");
    service.get(&status).is(200, completed);
}

#[test]
fn an_exported_project_has_images_sidecars_and_copilot() {
    let service = Service::start();
    let project = project_of(&service, &["DSC_0001.NEF", "DSC_0002.dng"]);
    let path = |call: &str| format!("/projects/{project}/{call}");
    service.edit(&project, json!({"profile_key": 5700}));
    finish(&service, &project);
    service.set_exported(&project, true);

    service
        .get(&path("export/get_temporary_download_links"))
        .is(200, "\"file_name\":\"DSC_0001.JPEG\"")
        .has("\"file_name\":\"DSC_0002.JPEG\"");
    let one = service.get(&path("export/get_download_link?file_name=DSC_0001.JPEG"));
    let link = one
        .is(200, "{\"download_link\":\"http")
        .has("\"file_name\":\"DSC_0001.JPEG\"")
        .string("/download_link");
    fetch(&link).is(200, &format!("{project}/unedited/DSC_0001.JPEG"));
    let unnamed = service.get(&path("export/get_download_link"));
    unnamed.is(422, "file_name");
    service
        .get(&path("edit/get_temporary_download_links"))
        .is(200, "\"file_name\":\"DSC_0001.xmp\"")
        .has("\"file_name\":\"DSC_0002.dng\"");
    let edited = service.post(
        &path("images/DSC_0001.JPEG/copilot"),
        prompt("brighten", Value::Null),
    );
    edited.is(200, "\"version_id\":123");
}

#[test]
fn an_edit_can_begin_its_export_itself() {
    let service = Service::start();
    service.configure(|settings| settings.export_polls = 0);
    let project = project_of(&service, &["DSC_0001.NEF"]);
    let body = json!({"profile_key": 5700, "export": true});
    service.edit(&project, body).is(200, "");
    let export = format!("/projects/{project}/export/status");
    service.get(&export).is(200, "\"status\":\"Pending\"");
    finish(&service, &project);
    service.get(&export).is(200, "\"status\":\"Completed\"");
}

#[test]
fn an_accepted_edit_or_export_can_stay_pending_for_some_polls() {
    let service = Service::start();
    service.configure(|settings| {
        settings.pending_polls = 2;
        settings.edit_polls = 1;
        settings.export_polls = 1;
    });
    let project = project_of(&service, &["DSC_0001.NEF"]);
    let statuses = ["Pending", "Pending", "In Progress", "Completed"];
    service
        .edit(&project, json!({"profile_key": 5700}))
        .is(200, "");
    let again = service.edit(&project, json!({"profile_key": 5700}));
    again.is(400, "Project is being edited.");
    for status in statuses {
        let answer = service.get(&format!("/projects/{project}/edit/status"));
        assert_eq!(answer.string("/status"), status);
    }
    let export = format!("/projects/{project}/export");
    for _ in 0..2 {
        service.call("POST", &export, &[], "").is(200, "");
    }
    for status in statuses {
        let answer = service.get(&format!("{export}/status"));
        assert_eq!(answer.string("/status"), status);
    }
}

const FIVE: [&str; 5] = ["a.jpg", "b.JPEG", "c.jpg", "d.jpg", "1+1 e.jpg"];

#[test]
fn a_smart_edit_needs_five_images() {
    let service = Service::start();
    let project = smart_project_of(&service, &FIVE[..4]);
    let path = format!("/i2i/projects/{project}/edit");
    service
        .post(&path, json!({}))
        .is(500, "Internal Server Error");
    upload(&service, "/i2i/projects", &project, FIVE[4]);
    service.post(&path, json!({})).is(200, "{\"message\":");
}

#[test]
fn a_smart_edit_is_json_with_options_of_its_own() {
    let service = Service::start();
    let project = smart_project_of(&service, &FIVE);
    let path = format!("/i2i/projects/{project}/edit");
    for body in [
        json!({"crop": true}),
        json!({"export": true}),
        json!({"hdr_merge": null}),
        json!({"sky_replacement_template_id": 1}),
    ] {
        service.post(&path, body).is(422, "detail");
    }
    service
        .call("POST", &path, &["content-type:"], "{}")
        .is(415, "detail");
}

#[test]
fn a_smart_project_needs_no_export() {
    let service = Service::start();
    let project = smart_project_of(&service, &FIVE);
    let path = format!("/i2i/projects/{project}");
    let options = json!({
        "hdr_merge": true,
        "sky_replacement": true,
        "sky_replacement_template_id": 1,
    });
    service
        .post(&format!("{path}/edit"), options)
        .is(200, "{\"message\":");
    for status in ["In Progress", "In Progress", "Completed"] {
        assert_eq!(service.get(&path).string("/status"), status);
    }
    let links = service.get(&format!("{path}/get_temporary_download_links"));
    links.is(200, "\"file_name\":\"a.JPEG\"");
    let one = service.get(&format!(
        "{path}/get_download_link?file_name=1%2B1%20e.JPEG"
    ));
    one.is(200, "{\"download_link\":\"http");
    let other = service.get(&format!("{path}/get_download_link?file_name=1+1+e.JPEG"));
    other.is(404, "Image not found.");
    let body = json!({"instruction": "brighten", "project_source": "I2I"});
    let edited = service.post(&format!("/projects/{project}/images/b.JPEG/copilot"), body);
    edited.is(200, "\"version_id\":123");
}
