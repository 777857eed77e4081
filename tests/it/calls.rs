//! The calls of the API: what is sent, byte for byte, and what is made of the answers.

use std::collections::HashSet;
use std::fmt::Debug;

use imagen_ai::{
    ApiErrorKind, Client, CopilotRequest, DownloadLink, EnhanceRequest, EnhancementStatus, Error,
    Image, Output, ProjectKind, ProjectStatus, Result, VersionId,
};

use crate::support::canned::{Canned, KEY, OK, Seen};
use crate::support::faulty::{Faulty, Reply};
use crate::support::refused;

/// The answer that the vendor's page shows.
const PUBLISHED: &str = r#"{
  "status": "SUCCESS",
  "version_id": 123,
  "enhanced_image_url": "https://<s3-presigned>"
}"#;

const ID: &str = "65f3a1c2d4e5f6a7b8c9d0e1";

fn photo(server: &Canned) -> Image {
    server.client().project("p").image("a.jpg")
}

/// A prompt that is answered like this.
fn edit(body: &str) -> Result<imagen_ai::Enhancement> {
    photo(&Canned::new(200, body)).copilot("x")
}

/// What came, as method, path and body.
fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|seen| format!("{} {} {}", seen.method, seen.path, seen.body))
        .collect()
}

#[track_caller]
fn api<T: Debug>(result: Result<T>) -> imagen_ai::ApiError {
    match result {
        Err(Error::Api(e)) => *e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_published_prompts_are_sent_and_read_as_published() {
    let server = Canned::new(200, PUBLISHED);
    let photo = server.client().project(ID).image("DSC_0001.JPEG");

    let edit = photo.copilot("make the sky more blue").unwrap();
    assert_eq!(edit.status, EnhancementStatus::Success);
    assert_eq!(edit.version().unwrap(), &VersionId::from(123));
    assert_eq!(edit.enhanced_image_url.as_str(), "https://<s3-presigned>");
    let request = CopilotRequest::new("brighten the interior").parent(edit.version().unwrap());
    photo.copilot(request).unwrap();

    let seen = server.seen();
    let call = format!("POST /v1/projects/{ID}/images/DSC_0001.JPEG/copilot");
    let expected = [("make the sky more blue", "null"), ("brighten the interior", "123")].map(|(text, parent)| {
        format!(r#"{call} {{"instruction":"{text}","parent_version_id":{parent},"project_source":"REGULAR"}}"#)
    });
    assert_eq!(lines(&seen), expected);
    for (name, value) in [
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        (
            "user-agent",
            concat!("imagen-ai/", env!("CARGO_PKG_VERSION")),
        ),
    ] {
        assert_eq!(seen[0].header(name), Some(value), "{name}");
    }
}

#[test]
fn every_call_is_sent_as_the_contract_has_it() {
    let server = Canned::new(200, OK);
    let client = server.client();
    for project in [
        client.project("p"),
        client.project_of(ProjectKind::Smart, "p"),
    ] {
        let photo = project.image("a.jpg");
        photo
            .enhance(EnhanceRequest::new("day_to_dusk").parent("v-1".parse::<VersionId>().unwrap()))
            .unwrap();
        photo.reset().unwrap();
        project.presets().unwrap();
        project.finalize().unwrap();
        project.info().unwrap();
        project.download_links(Output::Jpeg).unwrap();
    }
    client.project("p").download_links(Output::Xmp).unwrap();
    refused(
        client.smart_project("p").download_links(Output::Xmp),
        "output",
    );
    client.create_project("Smith wedding").unwrap();
    client.create_project_of(ProjectKind::Smart, None).unwrap();
    client.find_project("a/b").unwrap();
    let mut expected = Vec::new();
    for (source, i2i, export) in [("REGULAR", "", "export/"), ("I2I", "i2i/", "")] {
        expected.extend([
            format!(r#"POST /v1/projects/p/images/a.jpg/enhance {{"tool_id":"day_to_dusk","parent_version_id":"v-1","project_source":"{source}"}}"#),
            format!(r#"DELETE /v1/projects/p/images/a.jpg/copilot {{"project_source":"{source}"}}"#),
            format!("GET /v1/projects/p/ai-tools?project_source={source} "),
            format!(r#"POST /v1/projects/p/finalize {{"project_source":"{source}"}}"#),
            format!("GET /v1/{i2i}projects/p?get_thumbnail=false "),
            format!("GET /v1/{i2i}projects/p/{export}get_temporary_download_links "),
        ]);
    }
    expected.extend([
        "GET /v1/projects/p/edit/get_temporary_download_links ".to_owned(),
        r#"POST /v1/projects/ {"name":"Smith wedding"}"#.to_owned(),
        "POST /v1/i2i/projects/ {}".to_owned(),
        "GET /v1/projects/a%2Fb/uuid ".to_owned(),
    ]);
    assert_eq!(lines(&server.seen()), expected);
    let mut seen = server.seen().into_iter();
    assert!(seen.all(|seen| seen.method != "GET" || seen.header("content-type").is_none()));
}

#[test]
fn an_edit_with_a_picture_is_a_success_whatever_its_status_and_version() {
    let other = |status: &str| EnhancementStatus::Other(status.to_owned());
    for (status, read) in [
        (r#""PARTIAL""#, other("PARTIAL")),
        (r#""success""#, EnhancementStatus::Success),
        ("null", other("")),
        ("7", other("")),
    ] {
        let body =
            format!(r#"{{"status":{status},"version_id":1,"enhanced_image_url":"https://s3/a"}}"#);
        assert_eq!(edit(&body).unwrap().status, read);
    }
    // It cannot be built on.
    for version in [
        "",
        r#""version_id":null,"#,
        r#""version_id":{},"#,
        r#""version_id":"","#,
    ] {
        let edit = edit(&format!(
            r#"{{{version}"enhanced_image_url":"https://s3/a"}}"#
        ))
        .unwrap();
        assert_eq!(edit.version_id, None, "{version}");
        refused(edit.version(), "version_id");
    }
}

/// The page promises no body to finalize: the links are asked for.
#[test]
fn finalize_asks_for_the_links_that_it_did_not_get() {
    for nothing in [
        Reply::status(204),
        Reply::json("{}"),
        Reply::json(r#"{"files_list":[]}"#),
    ] {
        let server = Faulty::start([nothing, Reply::json(OK)]);
        let client = Client::builder(KEY).base_url(server.url()).build().unwrap();
        assert_eq!(client.project("p").finalize().unwrap().len(), 1);
        assert_eq!(server.received()[1].method(), "GET");
    }
}

#[test]
fn an_edit_that_failed_is_told_from_one_of_which_nothing_is_known() {
    for body in [
        r#"{"status":"FAILED","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"failure","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"Error","version_id":5,"message":"model overloaded"}"#,
        r#"{"version_id":5,"error":"model overloaded"}"#,
    ] {
        match edit(body) {
            Err(Error::EnhancementFailed(e)) => {
                assert_eq!(
                    (e.context.status, e.version_id),
                    (Some(200), Some(VersionId::from(5)))
                );
                assert_eq!(
                    body.contains("overloaded"),
                    e.message == "model overloaded",
                    "{body}"
                );
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    for url in ["null", r#""  ""#, "17"] {
        let error = edit(&format!(r#"{{"version_id":5,"enhanced_image_url":{url}}}"#)).unwrap_err();
        assert!(matches!(&error, Error::OutcomeUnknown(_)), "{error}");
        assert!(
            error.to_string().contains("look at Image::history()"),
            "{error}"
        );
    }
}

/// A status that is not the call's own is no failure of the call.
#[test]
fn a_success_that_says_that_it_failed_is_an_error_of_every_call() {
    for (body, words) in [
        (
            r#"{"status":"FAILED","message":"the farm is down"}"#,
            "the farm is down",
        ),
        (r#"{"error":{"message":"internal"}}"#, "internal"),
        (r#"{"data":{"error":{"message":"internal"}}}"#, "internal"),
    ] {
        let server = Canned::new(200, body);
        let project = server.client().project("p");
        for result in [
            project.finalize().map(drop),
            project.download_links(Output::Jpeg).map(drop),
            project.images().map(drop),
            project.presets().map(drop),
            project.image("a.jpg").reset(),
            server
                .client()
                .create_project_of(ProjectKind::ProfileBased, None)
                .map(drop),
        ] {
            let error = api(result);
            assert_eq!((error.kind, error.status), (ApiErrorKind::Failed, 200));
            assert!(
                error.message == words && error.to_string().contains(words),
                "{error}"
            );
        }
        match project.info() {
            Ok(info) => assert_eq!(info.status, ProjectStatus::Failed),
            error => assert_eq!(api(error).kind, ApiErrorKind::Failed),
        }
    }
    let server = Canned::new(200, r#"{"files":[]}"#);
    let error = server.client().project("p").images().unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error}");
}

#[test]
fn one_unreadable_file_does_not_lose_the_others() {
    let body = r#"{"files_list":[{"file_name":"caf\udce9.jpg","download_link":"https://s3/1"},
        {"file_name":"b.jpg","download_link":null},{"file_name":"c.jpg","download_link":"https://s3/3"},
        null,7,{"file_name":7,"download_link":" "}]}"#;
    let server = Canned::new(200, body);
    let project = server.client().project("p");
    let links = project.download_links(Output::Jpeg).unwrap();
    assert_eq!(
        (project.finalize().unwrap(), server.seen().len()),
        (links.clone(), 2)
    );
    assert_eq!(
        (links.len(), &links[0]),
        (6, &DownloadLink::new("caf\u{fffd}.jpg", "https://s3/1"))
    );
    assert_eq!(links[1].download_link, None);
}

#[test]
fn what_is_no_name_is_refused_before_anything_is_sent() {
    let server = Canned::new(200, PUBLISHED);
    let client = server.client();
    for name in ["", "..", "a\r\nx-evil: 1"] {
        let photo = client.project("p").image(name);
        refused(photo.copilot("x"), "file_name");
        refused(photo.enhance("x"), "file_name");
        refused(photo.reset(), "file_name");
        refused(client.find_project(name), "name");
        for project in [client.project(name), client.smart_project(name)] {
            refused(project.image("a.jpg").copilot("x"), "project_uuid");
            refused(project.presets(), "project_uuid");
            refused(project.finalize(), "project_uuid");
            refused(project.info(), "project_uuid");
            refused(project.images(), "project_uuid");
        }
    }
    assert!(refused(client.project("").info(), "project_uuid").contains(": the id is empty"));
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn an_instruction_has_1_to_255_code_points() {
    let server = Canned::new(200, PUBLISHED);
    let photo = photo(&server);
    for good in ["x", &"🏠".repeat(255), &format!(" {} ", "x".repeat(253))] {
        photo.copilot(good).unwrap();
    }
    for bad in [
        "",
        " \t\n\u{a0}\u{3000}",
        &"x".repeat(256),
        &"e\u{301}".repeat(128),
    ] {
        assert!(refused(photo.copilot(bad), "instruction").contains("255"));
    }
    refused(photo.enhance(" \t"), "tool_id");
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn presets_and_projects_are_read_as_far_as_they_can_be() {
    let tools = |body: &str| {
        Canned::new(200, body)
            .client()
            .project("p")
            .presets()
            .unwrap()
    };
    let read = tools(
        r#"{"prompts":[{"enhancement_type":"day_to_dusk","label":null}, {"unheard_of":1},
        {"enhancement_type":"virtual_staging","label":"Staging","enabled_for_batch":true,"icon":"sofa"}], "a.jpg":[]}"#,
    );
    let seen = read
        .iter()
        .map(|tool| (tool.label.as_deref(), tool.enabled_for_batch));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [(None, None), (Some("Staging"), Some(true))]
    );
    assert_eq!(
        EnhanceRequest::from(&read[1]),
        EnhanceRequest::new("virtual_staging")
    );
    // The page's own answer has no presets at all, and its shape is not published.
    for body in [
        r#"{"DSC_0001.JPEG":[{"version_id":1}]}"#,
        r#"{"prompts":"none"}"#,
        "[]",
    ] {
        assert_eq!(tools(body), [], "{body}");
    }
    let body = r#"{"name":"Villa","status":"IN_PROGRESS","created_at":7,"number_of_images":24,"theme":"dark"}"#;
    let info = Canned::new(200, body).client().project("p").info().unwrap();
    assert_eq!(
        (info.status, info.name.as_deref()),
        (ProjectStatus::InProgress, Some("Villa"))
    );
    assert_eq!((info.number_of_images, info.created_at), (Some(24), None));
}

#[test]
fn a_refusal_says_what_to_mend() {
    for status in [405, 409, 413, 415, 422] {
        let server = Canned::new(status, "");
        assert_eq!(
            api(photo(&server).reset()).kind,
            ApiErrorKind::InvalidRequest
        );
    }
    let error = api(Canned::new(404, "").client().project("p").info());
    assert!(
        error.to_string().contains("told apart by the handle"),
        "{error}"
    );
    // The kind is told by what the server said, before that is redacted.
    let server = Canned::new(
        400,
        r#"{"detail":"Only realistic editing requests are supported."}"#,
    );
    let client = Client::builder("realistic").base_url(server.base_url());
    let photo = client.build().unwrap().project("p").image("a.jpg");
    assert_eq!(
        api(photo.copilot("realistic")).kind,
        ApiErrorKind::RealisticOnly
    );
}

#[test]
fn a_message_says_what_was_tried_what_came_back_and_the_request_id() {
    for header in [
        "x-request-id",
        "x-amzn-requestid",
        "x-amz-request-id",
        "x-amz-apigw-id",
        "cf-ray",
    ] {
        let body = r#"{"error":{"message":"Project has not been exported yet."}}"#;
        let server = Canned::with_headers(400, &[(header, "4f1c-77")], body);
        let error = server
            .client()
            .project("p")
            .image("a b.jpg")
            .copilot("x")
            .unwrap_err();
        let summary = "400 Project has not been exported yet.";
        let sentence =
            format!("POST /projects/p/images/a%20b.jpg/copilot: {summary} (request 4f1c-77)");
        assert_eq!(
            (error.summary().as_str(), &error.to_string()),
            (summary, &sentence)
        );
        assert_eq!(format!("{error:?}"), sentence);
        assert!(
            format!("{error:#?}").starts_with("Api(\n    ApiError {"),
            "{error:#?}"
        );
        assert_eq!(
            (error.status(), error.request_id()),
            (Some(400), Some("4f1c-77"))
        );
    }
}

#[allow(
    clippy::mutable_key_type,
    reason = "a client has a clock in it, which no hash looks at"
)]
#[test]
fn handles_are_equal_by_what_they_name_and_requests_survive_json() {
    let client = Client::builder(KEY)
        .base_url("http://localhost:1/v1")
        .build()
        .unwrap();
    let same = Client::builder("other")
        .base_url("http://localhost:1/v1/")
        .build()
        .unwrap();
    let elsewhere = Client::builder(KEY)
        .base_url("http://localhost:2/v1")
        .build()
        .unwrap();
    let handles = HashSet::from([
        client.project("p").image("a"),
        same.project("p").image("a"),
        client.project("p").image("b"),
        client.project("q").image("a"),
        client.smart_project("p").image("a"),
        elsewhere.project("p").image("a"),
    ]);
    assert_eq!(handles.len(), 5);
    let projects: HashSet<_> = handles
        .iter()
        .map(|photo| photo.project().clone())
        .collect();
    assert_eq!(projects.len(), 4);
    let json = r#"{"instruction":"x","parent_version_id":9007199254740993}"#;
    let request: CopilotRequest = serde_json::from_str(json).unwrap();
    assert_eq!(
        request,
        CopilotRequest::new("x").parent(9_007_199_254_740_993_u64)
    );
    assert_eq!(serde_json::to_string(&request).unwrap(), json);
    let preset: EnhanceRequest = serde_json::from_str(r#"{"tool_id":"x"}"#).unwrap();
    assert_eq!(preset, EnhanceRequest::new("x"));
}
